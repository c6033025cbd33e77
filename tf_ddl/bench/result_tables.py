"""Results as tables and as JSON.

The words are those of NCCL's tests (nccl-tests, doc/PERFORMANCE.md): *algbw* is the bytes of one
rank's buffer by the time; *busbw* is algbw times 2(p-1)/p, the bytes that each of p ranks has to
move, so that worlds of different size can be compared.
"""

from __future__ import annotations

import datetime
import os
import pathlib
import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from tf_ddl.version import __version__

from . import contenders, machine
from .sampling import Effort, Result, Waiting

__all__ = ["as_json", "foreign_share", "quartiles", "table", "waiting_table", "write"]

FORMAT = 1
_NOTABLE = 0.03  # share of the cores that others use


def quartiles(values: Sequence[float]) -> tuple[float, float, float]:
    """First quartile, median, third quartile, interpolated.

    Args:
      values: at least one.
    """
    if len(values) == 1:
        return values[0], values[0], values[0]
    first, middle, third = statistics.quantiles(values, n=4, method="inclusive")
    return first, middle, third


def table(results: Sequence[Result]) -> str:
    """The results of one workload."""
    if not results:
        return ""
    if results[0].workload.kind == "training":
        return _training_table(results)
    floor = _median_of(results, contenders.FLOOR)
    ours = _median_of(results, contenders.OURS)
    ranks = max(result.size for result in results)
    rows = [["", "median", "quartiles", "algbw", "busbw", "/ floor", "/ tf_ddl", "CPU"]]
    for result in results:
        row = _row(result, floor, ours)
        if row is None:
            rows.append([result.contender.name, *_failed(result)])
            continue
        is_floor = result.contender.name == contenders.FLOOR
        rows.append(
            [
                result.contender.name,
                _time(row["median"]),
                f"{_time(row['q1'])} to {_time(row['q3'])}",
                f"{row['algbw'] / 1e9:.2f} GB/s",
                "" if is_floor else f"{row['busbw'] / 1e9:.2f} GB/s",
                _ratio(row["to_floor"]),
                _ratio(row["to_ours"]),
                f"{row['cpu_share']:.0%}",
            ]
        )
    title = f"{results[0].workload.name} float32, {ranks} ranks{_disturbance(results)}"
    return f"{title}\n{_aligned(rows)}"


def waiting_table(found: Sequence[Waiting]) -> str:
    """CPU burned while waiting."""
    rows = [["", "blocked", "idle"]]
    rows += [[one.contender.name, f"{one.blocked:.1%}", f"{one.idle:.1%}"] for one in found]
    return f"Waiting: CPU of a rank, in shares of a core\n{_aligned(rows)}"


def as_json(
    results: Sequence[Result],
    found: Sequence[Waiting],
    about: Mapping[str, Mapping[str, str]],
    absent: Mapping[str, str],
    size: int,
    effort: Effort,
) -> dict[str, Any]:
    """Everything, for a file. Times in seconds, rates in bytes per second."""
    listed = []
    for workload in dict.fromkeys(result.workload.name for result in results):
        group = [result for result in results if result.workload.name == workload]
        floor, ours = _median_of(group, contenders.FLOOR), _median_of(group, contenders.OURS)
        for result in group:
            listed.append(
                {
                    "workload": result.workload.name,
                    "kind": result.workload.kind,
                    "bytes": result.workload.bytes,
                    "contender": result.contender.name,
                    "ranks": result.size,
                    "repeats": result.repeats,
                    "seconds": result.seconds,
                    "cpu_seconds": result.cpu,
                    "foreign_cpu_share": foreign_share([result]),
                    "verified": not result.error,
                    "error": result.error,
                    **(_row(result, floor, ours) or {}),
                }
            )
    return {
        "format": FORMAT,
        "tf_ddl": __version__,
        "when": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        "machine": machine.describe(),
        "ranks": size,
        "effort": vars(effort),
        "contenders": {name: dict(versions) for name, versions in about.items()},
        "absent": dict(absent),
        "results": listed,
        "waiting": [
            {"contender": one.contender.name, "blocked": one.blocked, "idle": one.idle}
            for one in found
        ],
    }


def write(path: str, text: str) -> None:
    """Writes a file, making its folder."""
    pathlib.Path(path).parent.mkdir(parents=True, exist_ok=True)
    pathlib.Path(path).write_text(text, encoding="utf-8")


def _training_table(results: Sequence[Result]) -> str:
    free = _median_of(results, "independent")
    ours = _median_of(results, contenders.OURS)
    ranks = max(result.size for result in results)
    rows = [["", "step", "quartiles", "efficiency", "/ tf_ddl", "CPU"]]
    for result in results:
        row = _row(result, free, ours)
        if row is None:
            rows.append([result.contender.name, *_failed(result)])
            continue
        efficiency = "" if row["to_floor"] is None else f"{1 / row['to_floor']:.0%}"
        rows.append(
            [
                result.contender.name,
                _time(row["median"]),
                f"{_time(row['q1'])} to {_time(row['q3'])}",
                efficiency,
                _ratio(row["to_ours"]),
                f"{row['cpu_share']:.0%}",
            ]
        )
    title = f"{results[0].workload.name}, {ranks} workers{_disturbance(results)}"
    return f"{title}\n{_aligned(rows)}"


def _row(result: Result, floor: float | None, ours: float | None) -> dict[str, Any] | None:
    if not result.seconds:
        return None
    first, middle, third = quartiles(result.seconds)
    algbw = result.workload.bytes / middle
    row = {
        "median": middle,
        "q1": first,
        "q3": third,
        "to_floor": None if floor is None else middle / floor,
        "to_ours": None if ours is None else middle / ours,
        "cpu_share": statistics.median(result.cpu) / (result.size * middle),
    }
    if result.workload.kind == "all_reduce":
        row.update(algbw=algbw, busbw=algbw * 2 * (result.size - 1) / result.size)
    return row


def foreign_share(results: Sequence[Result]) -> float:
    """The share of the machine's cores that others used while these were measured."""
    window = sum(result.window for result in results)
    cores = os.cpu_count() or 1
    return max(0.0, sum(result.foreign for result in results) / (window * cores)) if window else 0.0


def _disturbance(results: Sequence[Result]) -> str:
    share = foreign_share(results)
    if share < _NOTABLE:
        return ""
    return f" (disturbed: other processes used {share:.0%} of the cores)"


def _failed(result: Result) -> list[str]:
    return [f"failed: {result.error.splitlines()[0]}" if result.error else "not measured"]


def _median_of(results: Sequence[Result], name: str) -> float | None:
    for result in results:
        if result.contender.name == name and result.seconds:
            return quartiles(result.seconds)[1]
    return None


def _time(seconds: float) -> str:
    for unit, factor in (("s ", 1.0), ("ms", 1e3), ("us", 1e6)):
        if seconds * factor >= 1.0 or unit == "us":
            return f"{seconds * factor:.3g} {unit}".replace(" s ", " s")
    raise AssertionError


def _ratio(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"


def _aligned(rows: Sequence[Sequence[str]]) -> str:
    full = [row for row in rows if len(row) == len(rows[0])]
    widths = [max(len(row[column]) for row in full) for column in range(len(rows[0]))]
    widths[0] = max(len(row[0]) for row in rows)
    lines = []
    for row in rows:
        cells = [row[0].ljust(widths[0])]
        cells += [cell.rjust(width) for cell, width in zip(row[1:], widths[1:])]
        lines.append("  " + "  ".join(cells).rstrip())
    return "\n".join(lines)
