"""Compare the working tree with a base commit and fail when it became slower.

Two measures. Instructions per request, counted by callgrind on an in-process driver: repeatable to a fraction of a
percent, on any machine, however busy. And CPU time per answer of two real workers under wrk, taken in turn: noisy, but
it sees the kernel too. Each has its bound. Every comparison is one line of ``benchmarks/results/history.jsonl``.
"""

from __future__ import annotations

import argparse
import datetime
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness import machine
from harness.load import BUILD, HERE, LoadError, prepare
from harness.measure import Bench, ratio, summarise
from harness.servers import gasgi_server
from harness.workloads import WORKLOADS
from run import choose_cores

ROOT = HERE.parent
# What drives a commit is of that commit too: its modules may have had other names and its classes other arguments.
DRIVER = ["benchmarks/apps.py", "benchmarks/inprocess.py", "tests/__init__.py", "tests/support"]
# Every driver so far has HTTP/1.1 workloads in a table and the WebSocket's beside it, newer ones HTTP/2's in another.
LIST_WORKLOADS = "import inprocess; print(*inprocess.REQUESTS, *getattr(inprocess, 'HTTP2_REQUESTS', ()), 'ws')"
WARM_UP_REQUESTS = 200
COUNTED_REQUESTS = 1000
WRK_WORKLOADS = ["hello", "post-64kib", "ws-1kib"]
BUILT_FROM = ["src", "setup.py", "pyproject.toml", "README.md", "LICENSE", "MANIFEST.in"]
BUILT = ".built"
HISTORY = HERE / "results" / "history.jsonl"


@dataclass(frozen=True)
class Tree:
    """One built version of the package, and what drives it."""

    name: str
    root: Path
    driver: Path

    @property
    def source(self) -> Path:
        """What goes onto the path."""
        return self.root / "src"

    def run_driver(self, *words: str, under: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
        """Run Python with ``words`` where it finds the driver, ``under`` another program."""
        env = {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": os.pathsep.join(map(str, [self.source, self.driver])),
            "PYTHONHASHSEED": "0",
            "PYTHONDONTWRITEBYTECODE": "1",
            "GASGI_EXTENSIONS": "require",
        }
        command = [*under, sys.executable, *words]
        return subprocess.run(
            command, cwd=self.driver / "benchmarks", env=env, capture_output=True, text=True, check=False
        )

    def workloads(self) -> list[str]:
        """Name what its driver can drive."""
        listed = self.run_driver("-c", LIST_WORKLOADS)
        if listed.returncode:
            raise SystemExit(f"the driver of {self.name} does not start:\n{listed.stderr[-3000:]}")
        return listed.stdout.split()


def main() -> int:
    """Build both, measure both, print a table and keep the figures; 1 when a bound is exceeded."""
    chosen = _read_arguments()
    base = _git("rev-parse", "--short=10", f"{chosen.base}^{{commit}}")
    print(f"building {base} and the working tree", flush=True)
    trees = [export("base", base), copy_working_tree("head")]
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(_build, {tree.root: tree for tree in trees}.values()))
    record: dict[str, Any] = {
        "date": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        "commit": machine.commit(),
        "base": base,
        "python": ".".join(map(str, sys.version_info[:3])),
        "bounds_percent": {"instructions": chosen.instructions, "cpu": chosen.cpu},
    }
    slower: list[str] = []
    if "instructions" in chosen.measure:
        record["instructions"] = _compare_instructions(trees, chosen.instructions, slower)
    if "cpu" in chosen.measure:
        record["cpu_us"] = _compare_cpu(trees, chosen.cpu, chosen.rounds, slower)
    record["slower"] = slower
    if not chosen.no_history:
        HISTORY.parent.mkdir(exist_ok=True)
        with HISTORY.open("a") as lines:
            lines.write(json.dumps(record, sort_keys=True) + "\n")
    if slower:
        print("SLOWER than the bound allows: " + ", ".join(slower))
        return 1
    print("no regression")
    return 0


def _read_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--base", default="origin/main", help="the commit to compare with (origin/main)")
    parser.add_argument("--measure", nargs="+", choices=["instructions", "cpu"], default=["instructions", "cpu"])
    parser.add_argument("--instructions", type=float, default=3.0, help="bound for instructions, percent (3)")
    parser.add_argument("--cpu", type=float, default=10.0, help="bound for CPU time per answer, percent (10)")
    parser.add_argument("--rounds", type=int, default=11, help="turns of each worker under wrk (11)")
    parser.add_argument("--no-history", action="store_true", help="keep no line in the history")
    return parser.parse_args()


# Building


def export(name: str, commit: str) -> Tree:
    """Lay out the files of ``commit``; nothing is compiled yet."""
    return Tree(name, *(_settle(_extract(commit, names)) for names in (BUILT_FROM, DRIVER)))


def _extract(commit: str, wanted: list[str]) -> Path:
    target = Path(tempfile.mkdtemp(prefix="base-", dir=_scratch()))
    names = _git("ls-tree", "--name-only", commit, "--", *wanted).splitlines()
    if names:
        archive = subprocess.run(["git", "archive", commit, "--", *names], cwd=ROOT, check=True, capture_output=True)
        subprocess.run(["tar", "-x", "-C", target], input=archive.stdout, check=True)
    return target


def copy_working_tree(name: str) -> Tree:
    """Lay out the files as they are now, those that git does not ignore."""
    return Tree(name, *(_settle(_copy(names)) for names in (BUILT_FROM, DRIVER)))


def _copy(wanted: list[str]) -> Path:
    target = Path(tempfile.mkdtemp(prefix="head-", dir=_scratch()))
    for name in _git("ls-files", "--cached", "--others", "--exclude-standard", "--", *wanted).splitlines():
        if (ROOT / name).exists():  # not deleted in the working tree
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, target / name)
    return target


def _scratch() -> Path:
    scratch = BUILD / "regress"
    scratch.mkdir(parents=True, exist_ok=True)
    return scratch


def _settle(exported: Path) -> Path:
    """Move the files to a place named after what they and the tools are, so that the same is never compiled twice."""
    digest = hashlib.sha256(f"{sys.version}{machine.version('Cython')}{machine.version('setuptools')}".encode())
    for path in sorted(exported.rglob("*")):
        if path.is_file():
            digest.update(f"{path.relative_to(exported)}\0".encode() + path.read_bytes())
    # Both trees get a path of the same length: callgrind would see the difference.
    root = _scratch() / digest.hexdigest()[:16]
    if (root / BUILT).exists() or (root.exists() and not (exported / "setup.py").exists()):
        shutil.rmtree(exported)
    else:
        shutil.rmtree(root, ignore_errors=True)
        exported.rename(root)
    return root


def _build(tree: Tree) -> None:
    """Compile in place what is not compiled yet."""
    if (tree.root / BUILT).exists():
        return
    done = subprocess.run(
        [sys.executable, "setup.py", "-q", "build_ext", "--inplace"],
        cwd=tree.root,
        env={**os.environ, "GASGI_EXTENSIONS": "require"},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise SystemExit(f"{tree.name} does not build:\n{(done.stdout + done.stderr)[-3000:]}")
    (tree.root / BUILT).touch()


# Instructions


def _compare_instructions(trees: list[Tree], bound_percent: float, slower: list[str]) -> dict[str, dict[str, float]]:
    if not shutil.which("valgrind"):
        raise SystemExit("valgrind is not installed (Debian and Ubuntu: apt install valgrind)")
    base, head = trees
    names = shared_workloads(base, head)
    jobs = [(tree, name) for tree in trees for name in ["", *names]]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        counts = dict(zip(jobs, pool.map(lambda job: _count_instructions(*job, names), jobs), strict=True))
    found = {}
    print(f"{'instructions per request':<28} {'base':>10} {'now':>10} {'change':>8}   bound {bound_percent:+.1f} %")
    for name in names:
        before, after = (
            (counts[tree, name] - counts[tree, ""]) / (COUNTED_REQUESTS - WARM_UP_REQUESTS) for tree in (base, head)
        )
        found[name] = {"base": round(before), "now": round(after)}
        _judge(f"{name} (instructions)", before, after, bound_percent, slower)
    return found


def shared_workloads(base: Tree, head: Tree) -> list[str]:
    """Name what both can drive; say what one of them cannot."""
    known = {tree.name: tree.workloads() for tree in (base, head)}
    for one, other in ((base.name, head.name), (head.name, base.name)):
        for name in known[one]:
            if name not in known[other]:
                print(f"  {name}: not compared, {other} has no such workload", flush=True)
    return [name for name in known[head.name] if name in known[base.name]]


def _count_instructions(tree: Tree, name: str, names: list[str]) -> int:
    """Instructions of a run with a warm-up of everything and, unless it is empty, more of ``name``."""
    plan = dict.fromkeys(names, WARM_UP_REQUESTS)
    if name:
        plan[name] = COUNTED_REQUESTS
    done = tree.run_driver(
        "-X",
        "no_debug_ranges",
        "inprocess.py",
        *(f"{each}={count}" for each, count in plan.items()),
        under=("valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null"),
    )
    collected = re.search(r"Collected : (\d+)", done.stderr)
    if done.returncode or not collected:
        raise SystemExit(f"the driver failed on {tree.name}:\n{done.stderr[-3000:]}")
    return int(collected[1])


# CPU time


def _compare_cpu(
    trees: list[Tree], bound_percent: float, rounds: int, slower: list[str]
) -> dict[str, dict[str, float]]:
    try:
        certificate, key = prepare(needs_websocket=True)
    except LoadError as exc:
        raise SystemExit(str(exc)) from exc
    bench = Bench(choose_cores(None), 1, 1, certificate, key, lambda text: print(text, flush=True))
    servers = [gasgi_server(tree.name, sys.executable, source=tree.source) for tree in trees]
    found = {}
    print(f"{'CPU µs per answer':<28} {'base':>10} {'now':>10} {'change':>8}   bound {bound_percent:+.1f} %")
    for name in WRK_WORKLOADS:
        measured = bench.compare(WORKLOADS[name], servers, rounds)
        if measured["failed"]:
            raise SystemExit("a run had errors, so nothing is compared")
        summary = summarise(measured["rounds"])
        before = summary["base"]["cpu_us"]
        after = before * ratio(measured["rounds"], "head", "base")
        found[name] = {"base": round(before, 2), "now": round(after, 2)}
        _judge(f"{name} (CPU)", before, after, bound_percent, slower)
    return found


def _judge(title: str, before: float, after: float, bound_percent: float, slower: list[str]) -> None:
    change = (after / before - 1) * 100
    is_slower = change > bound_percent
    if is_slower:
        slower.append(f"{title} {change:+.1f} %")
    mark = "  SLOWER" if is_slower else ""
    print(f"  {title:<26} {before:10.1f} {after:10.1f} {change:+7.1f} %{mark}", flush=True)


def _git(*words: str) -> str:
    return subprocess.run(["git", *words], cwd=ROOT, check=True, capture_output=True, text=True).stdout.strip()


if __name__ == "__main__":
    sys.exit(main())
