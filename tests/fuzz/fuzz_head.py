"""Fuzz the head parser and the body decoders, guided by the coverage of the pure twin.

    python -m tests.fuzz.fuzz_head -dict=tests/fuzz/http.dict -len_control=0 -max_len=1000 -max_total_time=20

Takes libFuzzer's options. Starts from tests/corpus; new inputs stay in memory unless a directory is given.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["gasgi._parser_py", "gasgi.head_rules", "gasgi.http1.body"]):
    from tests.fuzz.agreement import LIMITS, check_stream
from tests.support.corpus import load_cases


def fuzz_one(data: bytes) -> None:
    """The first byte picks the limits, the next two a place to cut; the rest is what the client sent."""
    if len(data) < 3:
        return
    check_stream(data[3:], [data[1] << 8 | data[2], data[1], data[2]], LIMITS[data[0] % len(LIMITS)])


def main() -> None:
    with tempfile.TemporaryDirectory() as seeds:
        for kind in ("valid", "invalid"):
            for case in load_cases(kind):
                (Path(seeds) / case.name).write_bytes(b"\0\0\x10" + case.raw)
        atheris.Setup([*sys.argv, seeds], fuzz_one)
        atheris.Fuzz()


if __name__ == "__main__":
    main()
