"""Tables for people (Markdown), and everything as JSON."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

from .models import MODELS
from .presets import Published
from .scaling import Check, Point, Setting

__all__ = ["as_json", "checks_table", "heading", "plans_line", "table"]


def heading(setting: Setting) -> str:
    """What is simulated, in two lines."""
    cluster, workload = setting.cluster, setting.workload
    rails = " + ".join(
        f"{rail.gb_per_s * 8:g} Gbit/s, {rail.latency_us:g} us" for rail in cluster.rails
    )
    model = MODELS[setting.model]()
    travel = "while backprop goes on" if setting.overlap else "after backprop"
    return (
        f"{cluster.name}: hosts of {cluster.gpus_per_host}; within them "
        f"{cluster.local.gb_per_s:g} GB/s, {cluster.local.latency_us:g} us; between them {rails}\n"
        f"{setting.model}: {model.parameters / 1e6:.1f} M parameters, {workload.batch} examples "
        f"per GPU in {workload.step_seconds * 1e3:.1f} ms ({workload.source}); gradients travel "
        f"{travel}"
    )


def table(points: Sequence[Point]) -> str:
    """Step time (ms) and efficiency by number of GPUs and plan."""
    plans = list(dict.fromkeys(point.plan for point in points))
    rows = [["GPUs", *plans], ["---:"] * (len(plans) + 1)]
    for gpus in dict.fromkeys(point.gpus for point in points):
        by_plan = {point.plan: point for point in points if point.gpus == gpus}
        cells = [f"{p.seconds * 1e3:.1f} ms, {p.efficiency:.1%}" for p in by_plan.values()]
        rows.append([str(gpus), *cells])
    return _markdown(rows)


def plans_line(points: Sequence[Point]) -> str:
    """Which plan was chosen for most bytes, by number of GPUs."""
    lines = []
    for point in points:
        if point.plan != "chosen" or point.outcome is None:
            continue
        by_plan: dict[str, int] = {}
        for bucket in point.outcome.buckets:
            by_plan[bucket.plan] = by_plan.get(bucket.plan, 0) + bucket.bytes
        most = max(by_plan, key=lambda plan: by_plan[plan])
        lines.append(f"chosen for {point.gpus} GPUs: {most}")
    return "\n".join(lines)


def checks_table(published: Published, checks: Sequence[Check]) -> str:
    """The published efficiency beside simulated ones, and how far a flat ring falls short."""
    rows = [
        ["assumptions", "chosen", "minus published", "flat ring", "ring falls short by"],
        ["---"] + ["---:"] * 4,
    ]
    for check in checks:
        rows.append(
            [
                check.what,
                f"{check.chosen:.1%}",
                f"{100 * (check.chosen - published.efficiency):+.1f} points",
                f"{check.ring:.1%}",
                f"{100 * (check.chosen - check.ring):.1f} points",
            ]
        )
    baseline = f"{published.baseline_gpus} GPU" + ("s" if published.baseline_gpus > 1 else "")
    return (
        f"published: {published.efficiency:.0%} at {published.gpus} GPUs against {baseline} "
        f"({published.model}; {published.source})\n\n{_markdown(rows)}"
    )


def as_json(
    setting: Setting,
    points: Sequence[Point],
    published: Published | None,
    checks: Sequence[Check],
) -> dict[str, Any]:
    """Everything."""
    return {
        "setting": dataclasses.asdict(setting),
        "points": [dataclasses.asdict(point) for point in points],
        "published": dataclasses.asdict(published) if published else None,
        "checks": [dataclasses.asdict(check) for check in checks],
    }


def _markdown(rows: Sequence[Sequence[str]]) -> str:
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)
