"""Ranks and names in messages: the first few, and how many more there are."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["SHOWN", "names_of", "ranks_of"]

#: How many things of a kind a message names.
SHOWN = 5
_SHOWN_RANKS = 10


def ranks_of(ranks: Sequence[int], size: int | None = None) -> str:
    """Ranks in words: "rank 1", "ranks 0, 2"; "every rank", if they are all of a job of `size`."""
    if len(ranks) == size:
        return "every rank"
    more = len(ranks) - _SHOWN_RANKS
    shown = ", ".join(map(str, ranks[:_SHOWN_RANKS])) + (f" and {more} more" if more > 0 else "")
    return f"rank{'s' if len(ranks) > 1 else ''} {shown}"


def names_of(names: Sequence[str]) -> str:
    """Names in words: "'a', 'b' and 7 more"."""
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(repr(name) for name in names[:SHOWN]) + more
