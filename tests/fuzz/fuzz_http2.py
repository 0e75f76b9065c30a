"""Fuzz a whole HTTP/2 connection, guided by the coverage of its pure modules; the compiled ones must write the same.

    python -m tests.fuzz.fuzz_http2 --seconds 60

``--seconds`` bounds the run; the rest are libFuzzer's options. New inputs stay in memory unless a directory is given.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import BinaryIO

IS_COMPILED = "--compiled" in sys.argv
os.environ["GASGI_EXTENSIONS"] = "require" if IS_COMPILED else "off"

if IS_COMPILED:
    from tests.fuzz.whole_http2 import PREFACE, HpackEncoder, check_http2, frames_from
else:
    import atheris

    with atheris.instrument_imports(
        include=[
            "gasgi._hpack_py",
            "gasgi.http2.connection",
            "gasgi.http2.floods",
            "gasgi.http2.frames",
            "gasgi.http2.heads",
            "gasgi.http2.leaving",
            "gasgi.http2.priorities",
            "gasgi.http2.sender",
            "gasgi.http2.stream",
            "gasgi.http2.streams",
        ]
    ):
        from tests.fuzz.whole_http2 import PREFACE, HpackEncoder, check_http2, frames_from

LOOP = asyncio.new_event_loop()
DICTIONARY = Path(__file__).with_name("http2.dict")


def run(data: bytes) -> bytes:
    """The first byte picks app and client, the next two places to cut; of the rest an even third byte makes frames."""
    if len(data) < 4:
        return b""
    raw = data[3:] if data[2] & 1 else frames_from(data[3:])
    return check_http2(LOOP, raw, [data[1] << 8 | data[2], data[1], data[2]], data[0])


def read_message(source: BinaryIO) -> bytes:
    """Read one message of a pipe; empty at its end."""
    size = source.read(4)
    return source.read(int.from_bytes(size, "big")) if size else b""


def write_message(target: BinaryIO, message: bytes) -> None:
    target.write(len(message).to_bytes(4, "big") + message)
    target.flush()


def seeds() -> list[bytes]:
    """Some requests, and each kind of frame."""
    encoder = HpackEncoder()
    encoder.set_max_table_bytes(0)
    fields = [(b":method", b"POST"), (b":scheme", b"http"), (b":authority", b"a"), (b":path", b"/")]
    block = encoder.encode_trailers(fields)
    trailers = encoder.encode_trailers([(b"a", b"b")])
    longer = encoder.encode_trailers([*fields, (b"content-length", b"5"), (b"priority", b"u=1, i"), (b"cookie", b"a")])
    connect = [(b":method", b"CONNECT"), (b":protocol", b"websocket"), (b":scheme", b"http"), (b":path", b"/")]
    opening = encoder.encode_trailers([*connect, (b":authority", b"a"), (b"sec-websocket-version", b"13")])
    frames = [
        [(1, 4, 1, opening), (0, 0, 1, b"\x81\x82abcd\x09\x0b")],
        [(1, 4, 1, block), (0, 1, 1, b"hello")],
        [(1, 5, 1, block), (1, 5, 3, block), (3, 0, 1, bytes(4)), (8, 0, 0, b"\0\1\0\0"), (8, 0, 3, b"\0\1\0\0")],
        [
            (1, 4, 1, longer),
            (0, 8, 1, b"\2he\0\0"),
            (0, 0, 1, b"llo"),
            (1, 5, 1, trailers),
        ],
        [(4, 0, 0, b"\0\4\0\0\0\5\0\1\0\0\0\0"), (4, 1, 0, b""), (6, 0, 0, bytes(8)), (1, 5, 1, block)],
        [
            (1, 1, 1, block[:2]),
            (9, 4, 1, block[2:]),
            (16, 0, 0, b"\0\0\0\3u=0"),
            (2, 0, 1, b"\0\0\0\3\0"),
            (1, 5, 3, block),
        ],
        [(1, 0x2D, 1, b"\1\0\0\0\0\0" + block + b"\0"), (7, 0, 0, bytes(8)), (11, 0, 0, b"?")],
    ]
    made = [b"".join(bytes([*head, len(payload)]) + payload for *head, payload in each) for each in frames]
    found = [bytes([variant, 0, 16]) + each for variant in (0, 1, 2, 3, 33, 66, 130) for each in made]
    found += [bytes([variant, 0, 17]) + frames_from(each) for variant in (0, 1) for each in made]
    return [*found, bytes([16, 0, 17]) + PREFACE + frames_from(made[3])]


def main() -> None:
    if IS_COMPILED:
        while message := read_message(sys.stdin.buffer):
            write_message(sys.stdout.buffer, run(message))
        return
    arguments = sys.argv[1:]
    if "--seconds" in arguments:
        at = arguments.index("--seconds")
        arguments[at : at + 2] = [f"-max_total_time={arguments[at + 1]}"]
    command = [sys.executable, "-m", "tests.fuzz.fuzz_http2", "--compiled"]
    compiled = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert compiled.stdin is not None
    assert compiled.stdout is not None
    to_it, from_it = compiled.stdin, compiled.stdout

    def fuzz_one(data: bytes) -> None:
        written = run(data)
        if len(data) >= 4:
            write_message(to_it, data)
            there = read_message(from_it)
            assert there or not written, "the compiled one has ended: see above"
            assert there == written, f"pure and compiled differ:\n{written!r}\n{there!r}"

    with tempfile.TemporaryDirectory() as folder:
        for number, seed in enumerate(seeds()):
            (Path(folder) / str(number)).write_bytes(seed)
        options = [f"-dict={DICTIONARY}", "-len_control=0", "-max_len=1000", "-timeout=60", "-rss_limit_mb=1024"]
        atheris.Setup([sys.argv[0], *options, *arguments, folder], fuzz_one)
        atheris.Fuzz()


if __name__ == "__main__":
    main()
