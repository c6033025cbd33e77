"""The machine: what it is, and whether anybody else is using it."""

from __future__ import annotations

import os
import platform
import time
from typing import Any

__all__ = ["Quiet", "busy_seconds", "describe"]

_WATCH = 0.3  # seconds
_QUIET = 0.06  # share of the cores that others may use: the clock ticks every 10 ms
_DISTURBED = 0.05  # share of the cores, over a whole turn


def describe() -> dict[str, Any]:
    """What the figures were measured on."""
    with open("/proc/cpuinfo", encoding="utf-8") as lines:
        names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return {
        "cpu": names[0] if names else platform.processor(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_bytes": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        "kernel": platform.release(),
        "python": platform.python_version(),
    }


def busy_seconds() -> float:
    """CPU seconds that this machine's cores have not been idle, whoever used them."""
    with open("/proc/stat", encoding="ascii") as lines:
        user, nice, system, _, _, irq, softirq, steal, *_ = map(int, lines.readline().split()[1:])
    return (user + nice + system + irq + softirq + steal) / os.sysconf("SC_CLK_TCK")


class Quiet:
    """Waits for a machine that others use, too, to be quiet.

    Args:
      patience: seconds that may be spent on it in all; 0 takes things as they are.
    """

    def __init__(self, patience: float) -> None:
        self._left = patience

    def wait(self) -> None:
        """Returns when nobody computes, or patience has come to its end."""
        while self._left > 0:
            busy = busy_seconds()
            time.sleep(_WATCH)
            self._left -= _WATCH
            if busy_seconds() - busy < _QUIET * _WATCH * (os.cpu_count() or 1):
                return

    def disturbed(self, window: float, foreign: float) -> bool:
        """Whether to measure again.

        Args:
          window: seconds that the measurement took.
          foreign: CPU seconds that others used meanwhile.
        """
        if self._left <= 0 or foreign <= _DISTURBED * window * (os.cpu_count() or 1):
            return False
        self._left -= window
        return True
