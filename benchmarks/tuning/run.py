"""Run the experiments of the guide "Slow responses under load" and draw them.

Writes benchmarks/tuning/results.json, and for each experiment a picture and a table into docs/tuning/. Needs wrk and
nginx. ``--draw`` draws the results that are there.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import statistics
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent)]

from harness import machine  # noqa: E402
from harness.front import nginx  # noqa: E402
from harness.load import LoadError, prepare, wait_for_port  # noqa: E402
from harness.processes import ProcessTree, free_port, prefer  # noqa: E402
from harness.svg import COLOURS, draw_bars  # noqa: E402

from tuning import sharing, sharing_page  # noqa: E402
from tuning.experiments import EXPERIMENTS, Experiment, Variant  # noqa: E402
from tuning.load import burst, put_wrk, wait_for_answer  # noqa: E402

ROOT = HERE.parent.parent
RESULTS = HERE / "results.json"
PAGES = ROOT / "docs" / "tuning"
FIGURES = {
    "per_second": "answers a second",
    "cpu_us": "CPU time of the server, µs per answer",
    "p50_ms": "half of the answers within, ms",
    "p99_ms": "99 % of the answers within, ms",
    "max_ms": "the slowest answer, ms",
    "served": "clients that were answered",
}


def main() -> int:
    """Run what the command line names, then draw."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    names = [*(experiment.name for experiment in EXPERIMENTS), sharing.NAME]
    parser.add_argument("--only", nargs="+", choices=names, metavar="EXPERIMENT", help=", ".join(names))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=3, help="length of one load")
    parser.add_argument("--draw", action="store_true", help="measure nothing")
    chosen = parser.parse_args()
    results = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    if not chosen.draw:
        prefer(os.getpid())
        certificate, key = prepare(False)
        for experiment in EXPERIMENTS:
            if chosen.only is None or experiment.name in chosen.only:
                print(experiment.title, flush=True)
                found = Bench(chosen.seconds, certificate, key).run(experiment, chosen.rounds)
                results[experiment.name] = {**machine.describe(), "seconds": chosen.seconds, "rounds": found}
                keep(results)
        if chosen.only is None or sharing.NAME in chosen.only:
            print(sharing_page.TITLE, flush=True)
            results[sharing.NAME] = {**machine.describe(), "rounds": sharing.measure(chosen.rounds)}
            keep(results)
    draw(results)
    if sharing.NAME in results:
        sharing_page.draw(results[sharing.NAME], PAGES)
    return 0


def keep(results: dict[str, Any]) -> None:
    """Write what has been measured so far."""
    RESULTS.write_text(json.dumps(results, indent=1, sort_keys=True) + "\n")


class Bench:
    """How long to load, and with which certificate."""

    def __init__(self, seconds: int, certificate: Path, key: Path) -> None:
        self._seconds = seconds
        self._certificate = certificate
        self._key = key

    def run(self, experiment: Experiment, rounds: int) -> dict[str, list[dict[str, float]]]:
        """Measure every variant ``rounds`` times, in turn."""
        found: dict[str, list[dict[str, float]]] = {variant.name: [] for variant in experiment.variants}
        with contextlib.ExitStack() as stack:
            running = {
                variant.name: stack.enter_context(self._serve(variant, experiment.is_pinned))
                for variant in experiment.variants
            }
            for number in range(rounds + 1):
                for variant in experiment.variants if number % 2 else reversed(experiment.variants):
                    tree, port = running[variant.name]
                    figures = self._measure(experiment, variant, tree, port)
                    if number:  # the first round warms up
                        found[variant.name].append(figures)
        for name, each in found.items():
            print(f"  {name:<30} {summarise(each)}", flush=True)
        return found

    @contextlib.contextmanager
    def _serve(self, variant: Variant, is_pinned: bool) -> Iterator[tuple[ProcessTree, int]]:
        port = free_port()
        with tempfile.TemporaryDirectory(prefix="tuning") as name, contextlib.ExitStack() as stack:
            directory = Path(name)
            command = [
                sys.executable,
                "-m",
                "gunicorn",
                "main:app",
                "--worker-class",
                "gasgi.Worker",
                "--no-control-socket",
            ]
            command += ["--chdir", str(ROOT / "examples" / "slow"), "--bind", f"127.0.0.1:{port}"]
            command += [str(directory / "access.log") if word == "LOG" else word for word in variant.options]
            if "--keep-alive" not in variant.options:
                command += ["--keep-alive", "75"]
            if variant.is_tls:
                command += ["--certfile", str(self._certificate), "--keyfile", str(self._key)]
            with (directory / "gunicorn.log").open("wb") as output:
                tree = ProcessTree(command, 0 if is_pinned else None, variant.env, directory, output)
                stack.callback(tree.stop)
                prefer(tree.pids()[0])
                try:
                    wait_for_port(port, tree.is_alive)
                except LoadError as exc:
                    raise LoadError(f"{exc}: {(directory / 'gunicorn.log').read_text()}") from exc
                front = stack.enter_context(nginx(port, 1, variant.nginx)) if variant.nginx else port
                wait_for_answer(f"{'https' if variant.is_tls else 'http'}://127.0.0.1:{front}/")
                yield tree, front

    def _measure(self, experiment: Experiment, variant: Variant, tree: ProcessTree, port: int) -> dict[str, float]:
        if experiment.is_burst:
            return burst(port, variant.path, experiment.connections)
        core = 1 if experiment.is_pinned else None
        url = f"{'https' if variant.is_tls else 'http'}://127.0.0.1:{port}"
        other = None
        if variant.beside:
            beside = f"{url}{variant.beside}"
            other = threading.Thread(target=put_wrk, args=(beside, 1, self._seconds, core))
            other.start()
        before = tree.cpu_ns()
        load = put_wrk(url + variant.path, experiment.connections, self._seconds, core)
        cpu_ns = tree.cpu_ns() - before
        if other is not None:
            other.join()
        return {
            "per_second": load["answers"] / load["duration_us"] * 1e6,
            "cpu_us": cpu_ns / load["answers"] / 1000,
            "p50_ms": load["p50_us"] / 1000,
            "p99_ms": load["p99_us"] / 1000,
            "max_ms": load["max_us"] / 1000,
        }


def summarise(rounds: list[dict[str, float]]) -> dict[str, float]:
    """The median of each figure over the rounds."""
    return {key: round(statistics.median(found[key] for found in rounds), 2) for key in rounds[0]}


def draw(results: dict[str, Any]) -> None:
    """One picture and one table for each experiment that has results."""
    PAGES.mkdir(exist_ok=True)
    for experiment in EXPERIMENTS:
        if experiment.name not in results:
            continue
        rounds = results[experiment.name]["rounds"]
        # In the order of the experiment: the file has them by name.
        found = {variant.name: summarise(rounds[variant.name]) for variant in experiment.variants}
        groups = []
        for figure in experiment.figures:
            bars = [(name, figures[figure], COLOURS[number]) for number, (name, figures) in enumerate(found.items())]
            groups.append((FIGURES[figure], bars))
        (PAGES / f"{experiment.name}.svg").write_text(draw_bars(experiment.title, groups, ""))
        (PAGES / f"{experiment.name}.md").write_text(_make_table(experiment, results[experiment.name], found))


def _make_table(experiment: Experiment, results: dict[str, Any], found: dict[str, dict[str, float]]) -> str:
    shown = [figure for figure in FIGURES if figure in next(iter(found.values()))]
    lines = [["", *(FIGURES[figure] for figure in shown)], ["---"] * (len(shown) + 1)]
    lines += [
        [f"`{name}`" if name.startswith(("--", "gasgi_")) else name, *(f"{figures[each]:,.1f}" for each in shown)]
        for name, figures in found.items()
    ]
    rounds = len(next(iter(results["rounds"].values())))
    source = (
        f"{results['machine']['processor']}, {results['machine']['cores']} cores; commit {results['commit']}, "
        f"{results['date'][:10]}; the median of {rounds} rounds, load average before: "
        f"{results['machine']['load_before'][0]:.0f}."
    )
    table = "\n".join("| " + " | ".join(line) + " |" for line in lines)
    return f"![{experiment.title}](tuning/{experiment.name}.svg)\n\n{table}\n\n<small>{source}</small>\n"


if __name__ == "__main__":
    sys.exit(main())
