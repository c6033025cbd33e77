"""Which rank failed first, for a reason of its own, and what to tell the user about it."""

from __future__ import annotations

import re
from collections.abc import Sequence

from tf_ddl._base.words import ranks_of
from tf_ddl.launcher.workers import process, supervisor

__all__ = ["exception_of", "first_failure", "only_lost_a_peer", "summary"]

_LAST_LINES = 20
_EXCEPTION = re.compile(r"([A-Za-z_][\w.]*)(?::|$)")
#: What a rank raises because another one failed, in numpy collectives and in TensorFlow.
_LOST_A_PEER = ("PeerLostError", "UnavailableError", "AbortedError")


def exception_of(lines: Sequence[str]) -> str | None:
    """Class name of the exception that a Python program ended with, from its last lines."""
    name = None
    in_traceback = False
    for line in lines:
        if line.startswith("Traceback (most recent call last)"):
            in_traceback = True
        elif in_traceback and line and not line[0].isspace():
            match = _EXCEPTION.match(line)
            name = match[1].rpartition(".")[2] if match else name
            in_traceback = False
    return name


def only_lost_a_peer(lines: Sequence[str]) -> bool:
    """Whether a rank ended only because another one did, as far as its last lines tell."""
    return exception_of(lines) in _LOST_A_PEER


def first_failure(result: supervisor.JobResult) -> process.Exit | None:
    """The rank to blame; None if none failed, or only because it was told to end.

    That is the first that ended by itself with an error other than the loss of another rank. If
    there is none: one that raised such an error and was stopped before it had ended, else the
    first of those that lost another rank.
    """
    failed = sorted((e for e in result.exits if e.code != 0), key=lambda e: e.seconds)
    if result.signal is not None or result.timed_out:
        failed = [e for e in failed if not e.stopped]
    by_itself = [e for e in failed if not e.stopped]
    own = [e for e in by_itself if not only_lost_a_peer(result.tails[e.rank])]
    raised = [
        e
        for e in failed
        if e.stopped
        and exception_of(result.tails[e.rank]) is not None
        and not only_lost_a_peer(result.tails[e.rank])
    ]
    return next(iter(own + raised + by_itself), None)


def summary(result: supervisor.JobResult, hint: str = "") -> str:
    """What went wrong, as lines for the user; "" if nothing did.

    Args:
      result: how the job went.
      hint: where to find more, for instance in which files.
    """
    first = first_failure(result)
    if first is None:
        return ""
    lines = [f"rank {first.rank} failed first: {_how(first, result)}"]
    tail = [line for line in result.tails[first.rank] if line.strip()][-_LAST_LINES:]
    if tail:
        lines.append(f"last lines of rank {first.rank}:")
        lines += [f"  | {line}" for line in tail]
    others = [e for e in result.exits if e is not first]
    for text, ranks in _grouped(others, result).items():
        lines.append(f"{ranks_of(ranks)} {text}")
    advice = _advice(first, result)
    if advice:
        lines.append(advice)
    if hint:
        lines.append(hint)
    return "\n".join(lines) + "\n"


def _how(exit_: process.Exit, result: supervisor.JobResult) -> str:
    name = exception_of(result.tails[exit_.rank]) if exit_.code > 0 or exit_.stopped else None
    raised = f" ({name})" if name else ""
    return f"{exit_.reason}{raised}, {exit_.seconds:.1f} s after the start"


def _grouped(exits: Sequence[process.Exit], result: supervisor.JobResult) -> dict[str, list[int]]:
    """Ranks by what became of them; those of one cause are together, however each of them ended."""
    causes: dict[str, list[process.Exit]] = {}
    for exit_ in exits:
        if exit_.code == 0:
            cause = "ended without an error"
        elif only_lost_a_peer(result.tails[exit_.rank]):
            cause = "ended after losing another rank"
        elif exit_.stopped:
            cause = "stopped by the launcher"
        else:
            cause = "failed too"
        causes.setdefault(cause, []).append(exit_)
    groups = {}
    for cause, members in causes.items():
        reasons = ", ".join(dict.fromkeys(e.reason for e in members if e.code != 0))
        groups[f"{cause}: {reasons}" if reasons else cause] = [e.rank for e in members]
    return groups


def _advice(first: process.Exit, result: supervisor.JobResult) -> str:
    if first.code == -9:
        return (
            "nobody in this job sends SIGKILL first: if you did not either, the kernel may have "
            "run out of memory (see `dmesg`)"
        )
    if first.code in (-11, -7, -4, -6, -8):
        return "a crash in compiled code; the Python line that led there is in the output above"
    if only_lost_a_peer(result.tails[first.rank]):
        return "the rank that it lost has ended without an error code: look there"
    return ""
