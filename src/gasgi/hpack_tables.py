"""Constants of HPACK (RFC 7541) that both twins of the codec need, and the Huffman tables made of them."""

from __future__ import annotations

__all__ = [
    "CONNECTION_FIELDS",
    "DEFAULT_TABLE_BYTES",
    "ENTRY_OVERHEAD",
    "HUFFMAN_ACCEPTS",
    "HUFFMAN_CODES",
    "HUFFMAN_EMITS",
    "HUFFMAN_FAILS",
    "HUFFMAN_STEPS",
    "INTEGER_MAX",
    "NEVER_INDEXED",
    "REMEMBERED_VALUES",
    "STATIC_NAMES",
    "STATIC_STATUSES",
    "STATIC_TABLE",
    "VOLATILE",
]

# RFC 7541, 4.1: what an entry counts beside its bytes, and RFC 9113, 6.5.2 counts the same for a field of a list.
ENTRY_OVERHEAD = 32
# RFC 9113, 6.5.2: SETTINGS_HEADER_TABLE_SIZE before anybody says otherwise.
DEFAULT_TABLE_BYTES = 4096
# RFC 7541, 5.1 leaves the largest integer to the implementation: 32 bits, and as many octets as they need.
INTEGER_MAX = 2**32 - 1
# Values that the encoder remembers by their hash before it gives one a place in the table.
REMEMBERED_VALUES = 64

# RFC 7541, appendix A; the first has the index 1.
STATIC_TABLE: tuple[tuple[bytes, bytes], ...] = tuple(
    (name.encode(), value.encode())
    for name, value in (
        (":authority", ""),
        (":method", "GET"),
        (":method", "POST"),
        (":path", "/"),
        (":path", "/index.html"),
        (":scheme", "http"),
        (":scheme", "https"),
        (":status", "200"),
        (":status", "204"),
        (":status", "206"),
        (":status", "304"),
        (":status", "400"),
        (":status", "404"),
        (":status", "500"),
        ("accept-charset", ""),
        ("accept-encoding", "gzip, deflate"),
        ("accept-language", ""),
        ("accept-ranges", ""),
        ("accept", ""),
        ("access-control-allow-origin", ""),
        ("age", ""),
        ("allow", ""),
        ("authorization", ""),
        ("cache-control", ""),
        ("content-disposition", ""),
        ("content-encoding", ""),
        ("content-language", ""),
        ("content-length", ""),
        ("content-location", ""),
        ("content-range", ""),
        ("content-type", ""),
        ("cookie", ""),
        ("date", ""),
        ("etag", ""),
        ("expect", ""),
        ("expires", ""),
        ("from", ""),
        ("host", ""),
        ("if-match", ""),
        ("if-modified-since", ""),
        ("if-none-match", ""),
        ("if-range", ""),
        ("if-unmodified-since", ""),
        ("last-modified", ""),
        ("link", ""),
        ("location", ""),
        ("max-forwards", ""),
        ("proxy-authenticate", ""),
        ("proxy-authorization", ""),
        ("range", ""),
        ("referer", ""),
        ("refresh", ""),
        ("retry-after", ""),
        ("server", ""),
        ("set-cookie", ""),
        ("strict-transport-security", ""),
        ("transfer-encoding", ""),
        ("user-agent", ""),
        ("vary", ""),
        ("via", ""),
        ("www-authenticate", ""),
    )
)

# The first index of each name of the static table.
STATIC_NAMES: dict[bytes, int] = {name: 61 - i for i, (name, _) in enumerate(reversed(STATIC_TABLE))}
# The index of each status that stands there with its value.
STATIC_STATUSES: dict[int, int] = {
    int(value): 1 + i for i, (name, value) in enumerate(STATIC_TABLE) if name == b":status"
}

# RFC 7541, 7.1.3: secrets that no hop may put into a table, where a guess could be tried against them.
NEVER_INDEXED: frozenset[bytes] = frozenset((b"authorization", b"proxy-authorization", b"set-cookie"))
# Differ from answer to answer or from second to second: in the table they would only push others out.
VOLATILE: frozenset[bytes] = frozenset(
    (b"age", b"content-length", b"content-range", b"date", b"etag", b"expires", b"last-modified", b"location")
)
# RFC 9113, 8.2.2: fields about an HTTP/1.1 connection, which no message of HTTP/2 has.
CONNECTION_FIELDS: frozenset[bytes] = frozenset(
    (b"connection", b"keep-alive", b"proxy-connection", b"transfer-encoding", b"upgrade")
)

# RFC 7541, appendix B: the symbols that have a code of so many bits. The code is canonical: within a length the codes
# count up, and the next length goes on from there.
_SYMBOLS: tuple[tuple[int, bytes], ...] = (
    (5, b"012aceiost"),
    (6, b" %-./3456789=A_bdfghlmnpru"),
    (7, b":BCDEFGHIJKLMNOPQRSTUVWYjkqvwxyz"),
    (8, b"&*,;XZ"),
    (10, b'!"()?'),
    (11, b"'+|"),
    (12, b"#>"),
    (13, b"\x00$@[]~"),
    (14, b"^}"),
    (15, b"<`{"),
    (19, bytes.fromhex("5cc3d0")),
    (20, bytes.fromhex("808283a2b8c2e0e2")),
    (21, bytes.fromhex("99a1a7acb0b1b3d1d8d9e3e5e6")),
    (22, bytes.fromhex("8184858688929a9ca0a3a4a9aaadb2b5b9babbbdbec4c6e4e8e9")),
    (23, bytes.fromhex("0187898a8b8c8d8f93959697989b9d9ea5a6a8aeafb4b6b7bcbfc5e7ef")),
    (24, bytes.fromhex("098e9091949fabced7e1eced")),
    (25, bytes.fromhex("c7cfeaeb")),
    (26, bytes.fromhex("c0c1c8c9cacdd2d5dadbeef0f2f3ff")),
    (27, bytes.fromhex("cbccd3d4d6dddedff1f4f5f6f7f8fafbfcfdfe")),
    (28, bytes.fromhex("020304050607080b0c0e0f1011121314151718191a1b1c1d1e1f7fdcf9")),
    (30, bytes.fromhex("0a0d16")),
)
_EOS = 256  # 30 ones


def _make_codes() -> tuple[tuple[int, int], ...]:
    """Return (code, bits) for each byte."""
    codes = [(0, 0)] * 256
    code = bits = 0
    for length, symbols in _SYMBOLS:
        code <<= length - bits
        bits = length
        for symbol in symbols:
            codes[symbol] = (code, bits)
            code += 1
    return tuple(codes)


HUFFMAN_CODES: tuple[tuple[int, int], ...] = _make_codes()

# One step of the decoder takes four bits: HUFFMAN_STEPS[state * 16 + nibble] is the next state (8 bits), the symbol
# (8 bits) and what there is to say of it. A symbol has five bits or more, so that no step ends two.
HUFFMAN_EMITS = 1 << 16
HUFFMAN_FAILS = 1 << 17  # EOS, which no string may contain (RFC 7541, 5.2)
HUFFMAN_ACCEPTS = 1 << 18  # the string may end here: after a symbol, or with up to seven ones of padding


def _make_steps() -> tuple[int, ...]:
    codes = {(bits, code): symbol for symbol, (code, bits) in enumerate(HUFFMAN_CODES)}
    codes[30, 2**30 - 1] = _EOS
    # A state is what has been read of a code: an inner node of the tree, of which 257 leaves have 256.
    prefixes = {(bits - n, code >> n) for bits, code in codes for n in range(1, bits + 1)}
    states = {prefix: number for number, prefix in enumerate(sorted(prefixes))}
    return tuple(_step(codes, states, bits, code, nibble) for bits, code in states for nibble in range(16))


def _step(
    codes: dict[tuple[int, int], int], states: dict[tuple[int, int], int], bits: int, code: int, nibble: int
) -> int:
    flags = 0
    for place in (3, 2, 1, 0):
        bits, code = bits + 1, code << 1 | nibble >> place & 1
        symbol = codes.get((bits, code))
        if symbol is not None:
            if symbol == _EOS:
                return HUFFMAN_FAILS
            flags |= HUFFMAN_EMITS | symbol << 8
            bits = code = 0
    if bits <= 7 and code == 2**bits - 1:
        flags |= HUFFMAN_ACCEPTS
    return flags | states[bits, code]


HUFFMAN_STEPS: tuple[int, ...] = _make_steps()
