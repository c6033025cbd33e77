"""Topologies, candidates and times as lines of text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from . import files

__all__ = ["by_size", "candidates", "links", "measured", "size", "summary", "time"]

_ALL_SIZES = 2**63 - 1


def summary(hosts: Sequence[Any], ranks: int, rails: Sequence[str]) -> str:
    """ "8 rank(s) on 2 host(s), rail(s): 10.1.0.0/24"."""
    text = f"{ranks} rank(s) on {len(hosts)} host(s)"
    if len(hosts) > 1:
        text += f", rail(s): {', '.join(rail or 'by way of a router' for rail in rails)}"
    return text


def candidates(answer: Mapping[str, Any], bucket_bytes: int, ranks: int) -> list[str]:
    """The answer of `_native.planner.candidates`, the choice marked."""
    chosen = answer["chosen"]
    lines = [f"    {'time':>10}  {'busbw':>10}  plan"]
    for candidate in answer["candidates"]:
        mark = "->" if candidate["name"] == chosen["name"] else "  "
        lines.append(f" {mark} {_candidate(candidate, bucket_bytes, ranks)}")
    if all(candidate["name"] != chosen["name"] for candidate in answer["candidates"]):
        lines.append(f" -> {_candidate(chosen, bucket_bytes, ranks)}")
    return lines


def _candidate(candidate: Mapping[str, Any], bucket_bytes: int, ranks: int) -> str:
    seconds = candidate["seconds"]
    moved = 2 * (ranks - 1) / ranks * bucket_bytes
    rate = _rate(seconds / moved) if moved > 0 and seconds > 0 else "-"
    return f"{time(seconds):>10}  {rate:>10}  {candidate['name']}"


def by_size(entries: Sequence[Mapping[str, Any]]) -> list[str]:
    """Plans by size of the bucket."""
    lines = []
    for entry in entries:
        last = entry["up_to_bytes"] == _ALL_SIZES
        limit = "above" if last else f"up to {size(entry['up_to_bytes'])}"
        lines.append(f"    {limit:>16}  {entry['name']}")
    return lines


def links(text: str, hosts: Sequence[Any], rails: Sequence[str]) -> list[str]:
    """What links cost; `text` as in custom_ops/plan/topology.h."""
    costs = files.links_as_json(text)
    named = [("within a host", _cost(costs["local"]))]
    if len(hosts) > 1:
        for rail, cost in zip(rails, costs["rails"]):
            named.append((f"rail {rail or 'by way of a router'}", _cost(cost)))
    for exception in costs["exceptions"]:
        ends = " to ".join(hosts[exception[end]]["name"] for end in ("from", "to"))
        named.append((f"rail {exception['rail']}, {ends}", _cost(exception)))
    named.append(("adding", _rate(costs["gamma"])))
    width = max(len(name) for name, _ in named)
    return [f"    {name:<{width}}  {cost}" for name, cost in named]


def _cost(cost: Mapping[str, float]) -> str:
    return f"{time(cost['alpha'])} a message, {_rate(cost['beta'])}"


def _rate(beta: float) -> str:
    """Of seconds per byte: "8.088 GB/s" (10^9 bytes)."""
    if beta <= 0:
        return "at no cost"
    return f"{1e-6 / beta:.4g} MB/s" if beta > 1e-9 else f"{1e-9 / beta:.4g} GB/s"


def measured(buckets: Sequence[Mapping[str, Any]]) -> list[str]:
    """Means over a rank's buckets."""
    lines = [f"    {'bytes':>10}  {'times':>8}  {'mean':>10}  plan"]
    for bucket in sorted(buckets, key=lambda b: (b["bytes"], b["plan"])):
        lines.append(
            f"    {size(bucket['bytes']):>10}  {bucket['count']:>8}  "
            f"{time(bucket['seconds']):>10}  {bucket['plan']}"
        )
    return lines


def time(seconds: float) -> str:
    """ "3.2 ms"."""
    for unit, factor in (("s", 1), ("ms", 1e3)):
        if seconds * factor >= 1:
            return f"{seconds * factor:.3g} {unit}"
    return f"{seconds * 1e6:.3g} us"


def size(number: int) -> str:
    """ "100 MB" (10^6)."""
    for unit, factor in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if number >= factor:
            return f"{number / factor:.4g} {unit}"
    return f"{number} B"
