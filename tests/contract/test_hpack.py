"""Both twins of _hpack: header blocks into fields and back, every bound of it, and the fields an answer may have."""

from __future__ import annotations

from types import ModuleType

import hpack
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gasgi.errors import ASGIMisuse, Http2Error, RequestError
from gasgi.hpack_tables import HUFFMAN_CODES, STATIC_TABLE
from gasgi.http2_codes import COMPRESSION_ERROR
from tests.support.twins import TWINS, load_twin

TWIN_OF = "_hpack"

REQUESTS = [
    [(b":method", b"GET"), (b":scheme", b"http"), (b":path", b"/"), (b":authority", b"www.example.com")],
    [
        (b":method", b"GET"),
        (b":scheme", b"http"),
        (b":path", b"/"),
        (b":authority", b"www.example.com"),
        (b"cache-control", b"no-cache"),
    ],
    [
        (b":method", b"GET"),
        (b":scheme", b"https"),
        (b":path", b"/index.html"),
        (b":authority", b"www.example.com"),
        (b"custom-key", b"custom-value"),
    ],
]
DATES = [b"Mon, 21 Oct 2013 20:13:21 GMT", b"Mon, 21 Oct 2013 20:13:22 GMT"]
RESPONSES = [
    [
        (b":status", status),
        (b"cache-control", b"private"),
        (b"date", DATES[0]),
        (b"location", b"https://www.example.com"),
    ]
    for status in (b"302", b"307")
] + [
    [
        (b":status", b"200"),
        (b"cache-control", b"private"),
        (b"date", DATES[1]),
        (b"location", b"https://www.example.com"),
        (b"content-encoding", b"gzip"),
        (b"set-cookie", b"foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1"),
    ]
]
# RFC 7541, appendix C.3 to C.6: blocks of one connection, one after the other; and the size of the table.
RFC_BLOCKS = {
    "C.3": (
        4096,
        REQUESTS,
        [
            "828684410f7777772e6578616d706c652e636f6d",
            "828684be58086e6f2d6361636865",
            "828785bf400a637573746f6d2d6b65790c637573746f6d2d76616c7565",
        ],
    ),
    "C.4": (
        4096,
        REQUESTS,
        [
            "828684418cf1e3c2e5f23a6ba0ab90f4ff",
            "828684be5886a8eb10649cbf",
            "828785bf408825a849e95ba97d7f8925a849e95bb8e8b4bf",
        ],
    ),
    "C.5": (
        256,
        RESPONSES,
        [
            (
                "4803333032580770726976617465611d4d6f6e2c203231204f637420323031332032303a31333a323120474d546e1768747470733a2f"
                "2f7777772e6578616d706c652e636f6d"
            ),
            "4803333037c1c0bf",
            (
                "88c1611d4d6f6e2c203231204f637420323031332032303a31333a323220474d54c05a04677a69707738666f6f3d4153444a4b48514b"
                "425a584f5157454f50495541585157454f49553b206d61782d6167653d333630303b2076657273696f6e3d31"
            ),
        ],
    ),
    "C.6": (
        256,
        RESPONSES,
        [
            "488264025885aec3771a4b6196d07abe941054d444a8200595040b8166e082a62d1bff6e919d29ad171863c78f0b97c8e9ae82ae43d3",
            "4883640effc1c0bf",
            (
                "88c16196d07abe941054d444a8200595040b8166e084a62d1bffc05a839bd9ab77ad94e7821dd7f2e6c7b335dfdfcd5b3960d5af2708"
                "7f3672c1ab270fb5291f9587316065c003ed4ee5b1063d5007"
            ),
        ],
    ),
}
SERVER = (b"server", b"gasgi")
DATE = (b"date", DATES[0])


def literal(name: bytes, value: bytes, first: int = 0) -> bytes:
    """A literal field with a new name, without Huffman; ``first`` 0x40 puts it into the table."""
    return bytes([first]) + integer(0x7F, len(name)) + name + integer(0x7F, len(value)) + value


def integer(mask: int, number: int, flags: int = 0) -> bytes:
    if number < mask:
        return bytes([flags | number])
    octets = [flags | mask]
    number -= mask
    while number >= 128:
        octets.append(128 | number & 127)
        number >>= 7
    return bytes([*octets, number])


def huffman(octets: bytes, padding: str | None = None) -> bytes:
    """A Huffman string (RFC 7541, 5.2), padded with ones, or with what is given."""
    bits = "".join(f"{code:0{length}b}" for code, length in (HUFFMAN_CODES[octet] for octet in octets))
    bits += "1" * (-len(bits) % 8) if padding is None else padding
    assert len(bits) % 8 == 0
    coded = int(bits or "0", 2).to_bytes(len(bits) // 8, "big")
    return integer(0x7F, len(coded), 0x80) + coded


def fails(twin: ModuleType, block: bytes, text: str, **limits: int) -> None:
    with pytest.raises(Http2Error, match=text) as caught:
        twin.HpackDecoder(**limits).decode(block)
    assert caught.value.code == COMPRESSION_ERROR


# --- decoding ---


@pytest.mark.parametrize("section", RFC_BLOCKS)
def test_decodes_the_examples_of_the_rfc(twin: ModuleType, section: str) -> None:
    table_bytes, messages, blocks = RFC_BLOCKS[section]
    decoder = twin.HpackDecoder(table_bytes)
    assert [decoder.decode(bytes.fromhex(block)) for block in blocks] == messages


@pytest.mark.parametrize(
    ("block", "field"),
    [
        ("400a637573746f6d2d6b65790d637573746f6d2d686561646572", (b"custom-key", b"custom-header")),  # C.2.1
        ("040c2f73616d706c652f70617468", (b":path", b"/sample/path")),  # C.2.2
        ("100870617373776f726406736563726574", (b"password", b"secret")),  # C.2.3
        ("82", (b":method", b"GET")),  # C.2.4
    ],
)
def test_decodes_each_representation(twin: ModuleType, block: str, field: tuple[bytes, bytes]) -> None:
    assert twin.HpackDecoder().decode(bytes.fromhex(block)) == [field]


def test_knows_the_whole_static_table(twin: ModuleType) -> None:
    assert twin.HpackDecoder().decode(bytes(range(0x81, 0x81 + 61))) == list(STATIC_TABLE)


def test_an_empty_block_has_no_fields(twin: ModuleType) -> None:
    assert twin.HpackDecoder().decode(b"") == []


@pytest.mark.parametrize("octet", range(256))
def test_decodes_every_octet_in_huffman(twin: ModuleType, octet: int) -> None:
    value = bytes([octet, octet])
    assert twin.HpackDecoder().decode(b"\x00\x01x" + huffman(value)) == [(b"x", value)]


def test_decodes_a_long_huffman_string(twin: ModuleType) -> None:
    value = bytes(range(256)) * 40
    assert twin.HpackDecoder().decode(b"\x00\x01x" + huffman(value)) == [(b"x", value)]


def test_names_met_before_are_the_same_object(twin: ModuleType) -> None:
    decoder = twin.HpackDecoder()
    first, second = (decoder.decode(literal(b"user-agent", value))[0][0] for value in (b"a", b"b"))
    assert first is second


def test_a_field_of_the_table_is_the_same_object(twin: ModuleType) -> None:
    decoder = twin.HpackDecoder()
    (first,) = decoder.decode(literal(b"x-a", b"b", 0x40))
    assert decoder.decode(b"\xbe")[0] is first


def test_the_oldest_entries_leave_a_full_table(twin: ModuleType) -> None:
    decoder = twin.HpackDecoder(100)
    for value in (b"1", b"2", b"3"):  # 34 each: two have room
        decoder.decode(literal(b"n", value, 0x40))
    assert decoder.decode(b"\xbe\xbf") == [(b"n", b"3"), (b"n", b"2")]
    with pytest.raises(Http2Error, match="index outside the header tables"):
        decoder.decode(b"\xc0")


def test_an_entry_larger_than_the_table_empties_it(twin: ModuleType) -> None:
    decoder = twin.HpackDecoder(100)
    decoder.decode(literal(b"n", b"1", 0x40))
    assert decoder.decode(literal(b"n", b"x" * 68, 0x40)) == [(b"n", b"x" * 68)]
    with pytest.raises(Http2Error, match="index outside the header tables"):
        decoder.decode(b"\xbe")


def test_an_entry_may_take_its_name_from_the_one_it_pushes_out(twin: ModuleType) -> None:
    decoder = twin.HpackDecoder(100)  # RFC 7541, 4.4
    decoder.decode(literal(b"name", b"x" * 60, 0x40))
    assert decoder.decode(integer(0x3F, 62, 0x40) + b"\x01y") == [(b"name", b"y")]
    assert decoder.decode(b"\xbe") == [(b"name", b"y")]


def test_holds_as_many_small_entries_as_have_room(twin: ModuleType) -> None:
    decoder = twin.HpackDecoder(max_fields=1000)
    decoder.decode(b"".join(literal(b"n", b"%d" % (i % 10), 0x40) for i in range(200)))
    assert decoder.decode(integer(0x7F, 61 + 120, 0x80)) == [(b"n", b"0")]
    with pytest.raises(Http2Error, match="index outside the header tables"):
        decoder.decode(integer(0x7F, 61 + 121, 0x80))  # 4096 // 34 is 120


def test_obeys_size_updates_at_the_begin_of_a_block(twin: ModuleType) -> None:
    decoder = twin.HpackDecoder()
    decoder.decode(literal(b"n", b"1", 0x40))
    assert decoder.decode(b"\x20" + integer(0x1F, 4096, 0x20) + b"\x82") == [(b":method", b"GET")]
    with pytest.raises(Http2Error, match="index outside the header tables"):
        decoder.decode(b"\xbe")


def test_a_table_without_room_takes_nothing(twin: ModuleType) -> None:
    decoder = twin.HpackDecoder(0)
    assert decoder.decode(literal(b"n", b"1", 0x40)) == [(b"n", b"1")]
    with pytest.raises(Http2Error, match="index outside the header tables"):
        decoder.decode(b"\xbe")


def test_a_larger_table_is_used_only_once_the_peer_says_so(twin: ModuleType) -> None:
    decoder = twin.HpackDecoder(65536, max_list_bytes=2**20)
    decoder.decode(literal(b"n", b"x" * 5000, 0x40))
    decoder.decode(integer(0x1F, 65536, 0x20) + literal(b"n", b"y" * 5000, 0x40))
    assert decoder.decode(b"\xbe") == [(b"n", b"y" * 5000)]
    with pytest.raises(Http2Error, match="index outside the header tables"):
        decoder.decode(b"\xbf")


def test_refuses_a_size_update_behind_a_field(twin: ModuleType) -> None:
    fails(twin, b"\x82\x20", "after a field")  # RFC 7541, 4.2


def test_refuses_a_size_update_above_the_setting(twin: ModuleType) -> None:
    assert twin.HpackDecoder(100).decode(integer(0x1F, 100, 0x20)) == []
    fails(twin, integer(0x1F, 101, 0x20), "above the setting", max_table_bytes=100)
    fails(twin, integer(0x1F, 2**32 - 1, 0x20), "above the setting")


@pytest.mark.parametrize("block", ["80", "be", "ff00", "7e00", "0f2f00", "ff80ffffff0f"])
def test_refuses_an_index_outside_the_tables(twin: ModuleType, block: str) -> None:
    fails(twin, bytes.fromhex(block), "index outside the header tables")


@pytest.mark.parametrize(
    ("block", "text"),
    [
        ("ff", "within an integer"),
        ("ff80", "within an integer"),
        ("ff8080808080", "too large"),
        ("ff808080808000", "too large"),
        ("ffffffffff0f", "too large"),
        ("ff81ffffff0f", "too large"),
        ("007f", "within an integer"),
        ("007f8080808080808080808001", "too large"),
        ("40", "within a field"),
        ("400161", "within a field"),
        ("4002" + "61", "within a string"),
        ("4001610262", "within a string"),
        ("4001617f80ffffff0f", "within a string"),
        ("40016182" + "00", "within a string"),
    ],
)
def test_refuses_what_ends_early_or_counts_too_far(twin: ModuleType, block: str, text: str) -> None:
    fails(twin, bytes.fromhex(block), text)


def test_reads_the_largest_integer_in_its_longest_form(twin: ModuleType) -> None:
    # Five octets may be padded with zeros: they are as many as 32 bits need.
    assert twin.HpackDecoder().decode(bytes.fromhex("3f8080808000") + b"\x82") == [(b":method", b"GET")]
    fails(twin, bytes.fromhex("ff80ffffff0f"), "index outside the header tables")


@pytest.mark.parametrize(
    ("string", "text"),
    [
        (b"\x84\xff\xff\xff\xff", "EOS"),
        (b"\x85\x07\xff\xff\xff\xff", "EOS"),  # behind a "0"
        (b"\x81\xff", "padding"),  # eight ones
        (huffman(b"0", "1" * 11), "padding"),
        (huffman(b"0", "000"), "padding"),
        (huffman(b"0", "110"), "padding"),
        (huffman(b"0", "011"), "padding"),
        (huffman(b"&", "1" * 8), "padding"),
    ],
)
def test_refuses_eos_and_wrong_padding(twin: ModuleType, string: bytes, text: str) -> None:
    fails(twin, b"\x00\x01n" + string, text)  # RFC 7541, 5.2


@pytest.mark.parametrize("octets", [b"", b"&", b"0", b":", b"&0", b"00000000", b"!!!!"])
def test_takes_up_to_seven_ones_of_padding(twin: ModuleType, octets: bytes) -> None:
    assert twin.HpackDecoder().decode(b"\x00\x01n" + huffman(octets)) == [(b"n", octets)]


# --- the bounds of a list ---


def test_counts_a_list_as_rfc_9113_does(twin: ModuleType) -> None:
    block = literal(b"name", b"value") * 2  # RFC 9113, 6.5.2: 41 each
    assert len(twin.HpackDecoder(max_list_bytes=82).decode(block)) == 2
    with pytest.raises(RequestError) as caught:
        twin.HpackDecoder(max_list_bytes=81).decode(block)
    assert (caught.value.status, caught.value.detail) == (431, "header list is too large")


def test_counts_the_fields(twin: ModuleType) -> None:
    assert len(twin.HpackDecoder(max_fields=3).decode(b"\x82\x84\x86")) == 3
    with pytest.raises(RequestError) as caught:
        twin.HpackDecoder(max_fields=2).decode(b"\x82\x84\x86")
    assert (caught.value.status, caught.value.detail) == (431, "too many fields")


def test_a_list_that_is_too_large_leaves_the_table_in_step(twin: ModuleType) -> None:
    decoder = twin.HpackDecoder(max_list_bytes=100)
    with pytest.raises(RequestError):
        decoder.decode(literal(b"n", b"x" * 100) + literal(b"a", b"b", 0x40) + literal(b"c", b"d", 0x40))
    assert decoder.decode(b"\xbe\xbf") == [(b"c", b"d"), (b"a", b"b")]


def test_a_list_that_is_too_large_must_still_be_one(twin: ModuleType) -> None:
    fails(twin, literal(b"n", b"x" * 100) + b"\x80", "index outside", max_list_bytes=100)


def test_many_references_to_one_large_entry_buy_nothing(twin: ModuleType) -> None:
    decoder = twin.HpackDecoder(max_fields=10**6)
    with pytest.raises(RequestError, match="header list is too large"):
        decoder.decode(literal(b"n", b"x" * 4000, 0x40) + b"\xbe" * 16000)
    assert decoder.decode(b"\x82") == [(b":method", b"GET")]


# --- what no message may have ---


@pytest.mark.parametrize(
    ("name", "value", "flaw"),
    [
        (b"x", b"", ""),
        (b":x", b"\xff \t\x80", ""),
        (b"X", b"", "field name is not a token in lower case"),
        (b"aB", b"", "field name is not a token in lower case"),
        (b"", b"", "field name is not a token in lower case"),
        (b":", b"", "field name is not a token in lower case"),
        (b"a:", b"", "field name is not a token in lower case"),
        (b"::a", b"", "field name is not a token in lower case"),
        (b"a b", b"", "field name is not a token in lower case"),
        (b"a\x00", b"", "field name is not a token in lower case"),
        (b"\xe9", b"", "field name is not a token in lower case"),
        (b"a", b"\x00", "control character in a field value"),
        (b"a", b"b\rc", "control character in a field value"),
        (b"a", b"b\n", "control character in a field value"),
        (b"a", b"\x7f", "control character in a field value"),
        (b"a", b" b", "field value begins or ends with whitespace"),
        (b"a", b"b\t", "field value begins or ends with whitespace"),
        (b"a", b" ", "field value begins or ends with whitespace"),
    ],
)
def test_tells_what_no_message_may_have(twin: ModuleType, name: bytes, value: bytes, flaw: str) -> None:
    decoder = twin.HpackDecoder()
    for block in (literal(name, value), literal(name, value, 0x40), b"\x82\xbe"):  # also out of the table
        assert decoder.decode(block)[-1] == (name, value)
        assert decoder.flaw == flaw
    decoder.decode(b"\x82")
    assert decoder.flaw == ""


def test_tells_the_first_flaw(twin: ModuleType) -> None:
    decoder = twin.HpackDecoder()
    decoder.decode(literal(b"a", b"\n") + literal(b"A", b""))
    assert decoder.flaw == "control character in a field value"


# --- encoding ---


def decoded(blocks: list[bytes], table_bytes: int = 4096) -> list[list[tuple[bytes, bytes]]]:
    decoder = hpack.Decoder()
    decoder.max_allowed_table_size = table_bytes
    return [[tuple(field) for field in decoder.decode(block, raw=True)] for block in blocks]


@pytest.mark.parametrize("status", [100, 103, 200, 201, 204, 206, 304, 400, 404, 500, 599, 999])
def test_encodes_the_status(twin: ModuleType, status: int) -> None:
    assert decoded([twin.HpackEncoder().encode(status, [])]) == [[(b":status", b"%d" % status)]]


def test_encodes_a_usual_answer_in_few_bytes(twin: ModuleType) -> None:
    encoder = twin.HpackEncoder()
    fields = [(b"content-type", b"text/plain; charset=utf-8"), (b"content-length", b"13"), SERVER, DATE]
    blocks = [encoder.encode(200, fields) for _ in range(3)]
    assert decoded(blocks) == [[(b":status", b"200"), *fields]] * 3
    # 1 for the status, 1 each for type and server, 5 for the length, 25 for the date.
    assert len(blocks[2]) == 33


def test_an_index_means_the_same_after_others_were_added(twin: ModuleType) -> None:
    encoder = twin.HpackEncoder()
    messages = [[(b"x-%d" % (i % 7), b"v%d" % (i % 3))] for i in range(60)]
    assert decoded([encoder.encode_trailers(fields) for fields in messages]) == messages


@pytest.mark.parametrize("name", [b"set-cookie", b"authorization", b"proxy-authorization"])
def test_secrets_are_never_indexed(twin: ModuleType, name: bytes) -> None:
    encoder = twin.HpackEncoder()
    blocks = [encoder.encode(200, [(name, b"a=secret")]) for _ in range(3)]
    assert {block[1] & 0xF0 for block in blocks} == {0x10}  # RFC 7541, 6.2.3
    assert decoded(blocks) == [[(b":status", b"200"), (name, b"a=secret")]] * 3


@pytest.mark.parametrize("name", [b"date", b"content-length", b"etag", b"last-modified"])
def test_what_changes_all_the_time_stays_out_of_the_table(twin: ModuleType, name: bytes) -> None:
    encoder = twin.HpackEncoder()
    blocks = [encoder.encode(200, [(name, b"%d" % (i // 2))]) for i in range(200)]
    assert not any(block[1] & 0xC0 for block in blocks)


def test_a_date_is_encoded_anew_when_it_changes(twin: ModuleType) -> None:
    encoder = twin.HpackEncoder()
    days = [DATES[0], DATES[0], DATES[1], DATES[0]]
    assert decoded([encoder.encode_trailers([(b"date", day)]) for day in days]) == [[(b"date", day)] for day in days]


def test_a_value_is_indexed_when_it_comes_again(twin: ModuleType) -> None:
    encoder = twin.HpackEncoder()
    blocks = [encoder.encode_trailers([(b"x-a", b"b")]) for _ in range(3)]
    assert [block[0] & 0xC0 for block in blocks] == [0x00, 0x40, 0x80]


def test_values_that_never_come_again_push_nothing_out(twin: ModuleType) -> None:
    encoder = twin.HpackEncoder()
    encoder.encode_trailers([(b"x-a", b"b")])
    encoder.encode_trailers([(b"x-a", b"b")])
    for i in range(1000):
        encoder.encode_trailers([(b"x-request-id", b"%032d" % i)])
    assert encoder.encode_trailers([(b"x-a", b"b")]) == b"\xbe"


def test_a_large_value_stays_out_of_the_table(twin: ModuleType) -> None:
    encoder = twin.HpackEncoder()
    blocks = [encoder.encode_trailers([(b"x-a", b"b" * 1000)]) for _ in range(3)]
    assert not any(block[0] & 0xC0 for block in blocks)


def test_a_block_can_be_larger_than_any_buffer(twin: ModuleType) -> None:
    fields = [(b"x-%d" % i, bytes([i & 127 | 128]) * i * 10) for i in range(200)]
    assert len(b"".join(value for _, value in fields)) > 100_000
    decoder = twin.HpackDecoder(max_list_bytes=2**20, max_fields=1000)
    assert decoder.decode(twin.HpackEncoder().encode_trailers(fields)) == fields


@pytest.mark.parametrize("octets", [b"", b"0", b"00", b"~~~~", b"\xff\xff", b"www.example.com", bytes(range(256))])
def test_uses_huffman_where_it_is_shorter(twin: ModuleType, octets: bytes) -> None:
    block = twin.HpackEncoder().encode_trailers([(b"content-length", octets)])
    coded = huffman(octets)
    plain = integer(0x7F, len(octets)) + octets
    assert block == b"\x0f\x0d" + (coded if len(coded) < len(plain) else plain)


@pytest.mark.parametrize(
    ("sizes", "updates"),
    [
        ([], ""),
        ([4096], ""),
        ([65536], ""),
        ([0], "20"),
        ([100], "3f45"),
        ([0, 4096], "203fe11f"),
        ([100, 200, 50, 300], "3f133f8d02"),
        ([4096, 0, 2**32 - 1], "203fe11f"),
    ],
)
def test_tells_the_peer_of_its_settings_once(twin: ModuleType, sizes: list[int], updates: str) -> None:
    encoder = twin.HpackEncoder()
    for size in sizes:
        encoder.set_max_table_bytes(size)
    assert encoder.encode(200, []).hex() == updates + "88"  # RFC 7541, 4.2
    assert encoder.encode(200, []).hex() == "88"


def test_a_peer_without_a_table_gets_literals(twin: ModuleType) -> None:
    encoder = twin.HpackEncoder()
    fields = [(b"content-type", b"text/html"), SERVER]
    encoder.encode(200, fields)
    encoder.encode(200, fields)
    encoder.set_max_table_bytes(0)
    blocks = [encoder.encode(200, fields) for _ in range(3)]
    assert blocks[0][:1] == b"\x20"
    assert decoded(blocks) == [[(b":status", b"200"), *fields]] * 3


def test_stays_within_the_table_of_the_peer(twin: ModuleType) -> None:
    encoder = twin.HpackEncoder()
    encoder.set_max_table_bytes(200)
    messages = [[(b"x-%d" % (i // 2 % 9), b"value")] for i in range(100)]
    assert decoded([encoder.encode_trailers(fields) for fields in messages], 200) == messages


# --- the fields of an answer ---


def test_lowers_names_and_adds_server_and_date(twin: ModuleType) -> None:
    fields, length = twin.check_fields(200, [(b"Content-Type", b"a"), [b"X-B", b"c"]], SERVER, DATE)
    assert fields == [(b"content-type", b"a"), (b"x-b", b"c"), SERVER, DATE]
    assert length == -1


def test_the_server_and_date_of_the_app_stay(twin: ModuleType) -> None:
    headers = [(b"Date", b"today"), (b"Server", b"mine")]
    assert twin.check_fields(200, headers, SERVER, DATE)[0] == [(b"date", b"today"), (b"server", b"mine")]
    assert twin.check_fields(103, [], None, None) == ([], -1)


@pytest.mark.parametrize("name", [b"connection", b"Keep-Alive", b"proxy-connection", b"Transfer-Encoding", b"upgrade"])
def test_leaves_out_what_belongs_to_a_connection(twin: ModuleType, name: bytes) -> None:
    assert twin.check_fields(200, [(name, b"x")], None, None)[0] == []  # RFC 9113, 8.2.2


def test_takes_the_blanks_around_a_value_away(twin: ModuleType) -> None:
    assert twin.check_fields(200, [(b"a", b" \tb c\t ")], None, None)[0] == [(b"a", b"b c")]  # RFC 9113, 8.2.1


@pytest.mark.parametrize("status", [100, 199, 204, 205])
def test_leaves_a_length_out_where_there_can_be_no_body(twin: ModuleType, status: int) -> None:
    assert twin.check_fields(status, [(b"content-length", b"5")], None, None) == ([], 5)


def test_takes_an_equal_length_once(twin: ModuleType) -> None:
    headers = [(b"content-length", b"5"), (b"Content-Length", b"05")]
    assert twin.check_fields(200, headers, None, None) == ([(b"content-length", b"5")], 5)


@pytest.mark.parametrize(
    ("status", "headers"),
    [
        (99, []),
        (1000, []),
        (200, [(b"", b"x")]),
        (200, [(b"a b", b"x")]),
        (200, [(b":status", b"x")]),
        (200, [(b"a", b"x\r\ny")]),
        (200, [(b"a", b"\x00")]),
        (200, [("a", b"x")]),
        (200, [(b"a", "x")]),
        (200, [(b"a", None)]),
        (200, [(b"a",)]),
        (200, [b"abc"]),
        (200, [5]),
        (200, [(b"content-length", b"x")]),
        (200, [(b"content-length", b"-1")]),
        (200, [(b"content-length", b"1" * 19)]),
        (200, [(b"content-length", b"1"), (b"content-length", b"2")]),
    ],
)
def test_refuses_what_the_http1_writer_refuses_in_the_same_words(
    twin: ModuleType, status: int, headers: list[object]
) -> None:
    writer = load_twin("_writer", "pure")
    with pytest.raises(ASGIMisuse) as there:
        writer.encode_response_head(status, headers, b"", b"")
    with pytest.raises(ASGIMisuse) as here:
        twin.check_fields(status, headers, None, None)
    assert str(here.value) == str(there.value)


def test_takes_subclasses_of_bytes_and_any_iterable_of_pairs(twin: ModuleType) -> None:
    class Text(bytes):
        pass

    fields, _ = twin.check_fields(200, iter([iter([Text(b"A"), Text(b"b")])]), None, None)
    assert fields == [(b"a", b"b")]
    assert {type(part) for part in fields[0]} == {bytes}


# --- properties ---

NAMES = st.sampled_from([name for name, _ in STATIC_TABLE if not name.startswith(b":")]) | st.from_regex(
    rb"[a-z0-9-]{1,12}", fullmatch=True
)
VALUES = st.sampled_from([b"", b"gzip", b"text/html; charset=utf-8", b"max-age=0"]) | st.binary(max_size=60)
MESSAGES = st.lists(st.lists(st.tuples(NAMES, VALUES), max_size=6), max_size=8)


@given(messages=MESSAGES, size=st.sampled_from([0, 60, 300, 4096]), use_huffman=st.booleans())
def test_decodes_what_another_implementation_encodes(
    messages: list[list[tuple[bytes, bytes]]], size: int, use_huffman: bool
) -> None:
    for which in TWINS:
        decoder = load_twin(TWIN_OF, which).HpackDecoder(4096)
        encoder = hpack.Encoder()
        encoder.header_table_size = size
        for fields in messages:
            assert decoder.decode(encoder.encode(fields, huffman=use_huffman)) == fields


@given(messages=MESSAGES, sizes=st.lists(st.sampled_from([0, 60, 300, 4096, 65536]), max_size=8))
def test_another_implementation_decodes_what_is_encoded(
    messages: list[list[tuple[bytes, bytes]]], sizes: list[int]
) -> None:
    found = []
    for which in TWINS:
        encoder = load_twin(TWIN_OF, which).HpackEncoder()
        blocks = []
        for i, fields in enumerate(messages * 3):
            if i < len(sizes):
                encoder.set_max_table_bytes(sizes[i])
            blocks.append(encoder.encode_trailers(fields))
        assert decoded(blocks) == messages * 3
        found.append(blocks)
    assert all(blocks == found[0] for blocks in found)


@settings(max_examples=300)
@given(blocks=st.lists(st.binary(max_size=40), max_size=4))
def test_agrees_with_another_implementation_about_any_bytes(blocks: list[bytes]) -> None:
    decoders = [load_twin(TWIN_OF, which).HpackDecoder() for which in TWINS]
    oracle = hpack.Decoder()
    for block in blocks:
        verdicts = []
        for decoder in decoders:
            try:
                verdicts.append((decoder.decode(block), decoder.flaw))
            except Http2Error as exc:
                verdicts.append(exc.text)
        assert all(verdict == verdicts[0] for verdict in verdicts)
        try:
            expected = [tuple(field) for field in oracle.decode(block, raw=True)]
        except hpack.HPACKError:
            assert isinstance(verdicts[0], str)
            return
        if verdicts and isinstance(verdicts[0], str):
            # RFC 7541, 5.1: hpack reads integers of any length.
            assert verdicts[0] == "integer is too large"
            return
        assert verdicts[0][0] == expected
