"""Judge what was measured by what was promised: met or missed. Reads results, and runs nothing."""

from __future__ import annotations

from typing import Any

from harness.measure import ratio
from harness.targets import FLAT, PURE, TARGETS
from harness.workloads import WORKLOADS

__all__ = ["SUBJECT", "count_targets", "find_cheapest", "judge_promises", "judge_ratio"]

SUBJECT = "gasgi"

Found = dict[str, Any]


def judge_ratio(name: str, found: Found, peer: str) -> str:
    """gasgi's cost against that of ``peer`` in the workload ``name``, with the target if there is one."""
    if peer not in found["rounds"]:
        return "refused" if peer in found["failed"] else "–"
    value = ratio(found["rounds"], SUBJECT, peer)
    target = TARGETS.get(name, {}).get(peer)
    if target is None:
        return f"{value:.2f}"
    return f"{value:.2f} (≤ {target:g}) {_mark(value <= target)}"


def find_cheapest(found: Found) -> str | None:
    """The cheapest peer of a workload; no form of gasgi, no floor and nothing that its makers call experimental."""
    costs = {
        name: figures["cpu_us"]
        for name, figures in found["summary"].items()
        if not name.startswith(("gasgi", "floor")) and not name.endswith("-experimental")
    }
    return min(costs, key=lambda name: costs[name], default=None)


def count_targets(workloads: dict[str, Found]) -> str:
    """How many of the targets that could be judged were met."""
    verdicts = [
        ratio(found["rounds"], SUBJECT, peer) <= target
        for name, found in workloads.items()
        if SUBJECT in found["rounds"]
        for peer, target in TARGETS.get(name, {}).items()
        if peer in found["rounds"]
    ]
    return f"{sum(verdicts)} of {len(verdicts)} targets met." if verdicts else ""


def judge_promises(extra: Found, workloads: dict[str, Found]) -> list[list[str]]:
    """A row for each promise beside the targets, as far as the run measured it: promise, figure, verdict."""
    rows = []

    def add(promise: str, measured: str, is_met: bool) -> None:
        rows.append([promise, measured, _mark(is_met)])

    for name, (peer, target) in PURE.items():
        rounds = workloads.get(name, {}).get("rounds", {})
        if "gasgi-pure" in rounds and peer in rounds:
            value = ratio(rounds, "gasgi-pure", peer)
            add(f"pure Python against {peer} (≤ {target:g}): {WORKLOADS[name].title}", f"{value:.2f}", value <= target)
    ramp = extra.get("ramp", {}).get(SUBJECT)
    if ramp and None not in ramp.values():
        spread = max(ramp.values()) / min(ramp.values())
        steps = f"{min(map(int, ramp)):,} to {max(map(int, ramp)):,} connections"
        add(f"cost flat from {steps} (dearest / cheapest ≤ {FLAT})", f"{spread:.2f}", spread <= FLAT)
    paced = extra.get("paced", {})
    if SUBJECT in paced and "granian" in paced:
        for pause, found in paced[SUBJECT].items():
            mine, theirs = found["p99_us"] / 1000, paced["granian"][pause]["p99_us"] / 1000
            add(f"p99 no worse than granian's, pause {pause} ms", f"{mine:.2f} ms, {theirs:.2f} ms", mine <= theirs)
    idle = extra.get("idle", {})
    # Both are a gunicorn master and one worker; uvicorn alone has no master to count.
    if SUBJECT in idle and "uvicorn-worker" in idle:
        for key, text, scale in (
            ("pss_kib_before", "memory", 1024),
            ("kib_per_connection", "1,000 idle connections", 1.024),
        ):
            mine, theirs = idle[SUBJECT][key] / scale, idle["uvicorn-worker"][key] / scale
            add(f"{text} no more than uvicorn-worker's", f"{mine:.1f} MiB, {theirs:.1f} MiB", mine <= theirs)
    return rows


def _mark(is_met: bool) -> str:
    return "met" if is_met else "**missed**"
