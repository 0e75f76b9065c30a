"""Fuzz a whole HTTP connection, guided by the coverage of its pure modules.

    python -m tests.fuzz.fuzz_connection --seconds 60 -max_len=1000

``--seconds`` bounds the run; the rest are libFuzzer's options. Starts from tests/corpus; new inputs stay in memory
unless a directory is given.
"""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
from pathlib import Path

os.environ["GASGI_EXTENSIONS"] = "off"

import atheris

with atheris.instrument_imports(
    include=[
        "gasgi._parser_py",
        "gasgi.http1.connection",
        "gasgi.asgi.http",
        "gasgi.http1.response",
        "gasgi.http1.body",
        "gasgi.head_rules",
    ]
):
    from tests.fuzz.whole_connection import check_connection
from tests.support.corpus import load_cases

DICTIONARY = Path(__file__).with_name("http.dict")
LOOP = asyncio.new_event_loop()


def fuzz_one(data: bytes) -> None:
    """The first byte picks app and client, the next two places to cut; the rest is what the client sent."""
    if len(data) >= 4:
        check_connection(LOOP, data[3:], [data[1] << 8 | data[2], data[1], data[2]], data[0])


def main() -> None:
    arguments = sys.argv[1:]
    if "--seconds" in arguments:
        at = arguments.index("--seconds")
        arguments[at : at + 2] = [f"-max_total_time={arguments[at + 1]}"]
    with tempfile.TemporaryDirectory() as seeds:
        for number, case in enumerate(case for kind in ("valid", "invalid") for case in load_cases(kind)):
            (Path(seeds) / case.name).write_bytes(bytes([number % 256, 0, 16]) + case.raw)
        options = [f"-dict={DICTIONARY}", "-len_control=0", "-max_len=1000", "-timeout=30"]
        atheris.Setup([sys.argv[0], *options, *arguments, seeds], fuzz_one)
        atheris.Fuzz()


if __name__ == "__main__":
    main()
