"""Translate every compiled module with Cython's warnings as errors.

Of the extra ones all but "might be referenced before assignment": it does not see that memcpy(&word, ...) assigns.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
from setup import DIRECTIVES, sources  # noqa: E402  # setup.py is no installed module


def main() -> int:
    wanted = DIRECTIVES | {"warn.unreachable": True, "warn.unused": True}
    directives = [f"--directive={name}={value}" for name, value in wanted.items()]
    failed = []
    with tempfile.TemporaryDirectory() as folder:
        for source in sources():
            command = [sys.executable, "-m", "cython", "-Werror", *directives, str(source)]
            if subprocess.run([*command, "-o", str(Path(folder, source.name).with_suffix(".c"))], cwd=ROOT).returncode:
                failed.append(source.name)
    if failed:
        print(f"cython -Werror: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
