"""What a worker measures: one way of doing a workload."""

from __future__ import annotations

import abc
import time
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from . import buffers

__all__ = ["InPlace", "Moment", "Span", "Subject"]


class Moment(NamedTuple):
    """A reading of the clocks, in seconds.

    Attributes:
      clock: monotonic, the same for all processes of this machine.
      cpu: this process' CPU time.
    """

    clock: float
    cpu: float

    @classmethod
    def now(cls) -> Moment:
        return cls(time.monotonic(), time.process_time())


class Span(NamedTuple):
    """From one moment to another."""

    begin: Moment
    end: Moment


class Subject(abc.ABC):
    """One contender, seen from one of its workers.

    Attributes:
      rank, size: this worker's place.
      in_place: whether `run` overwrites its input, so that repeats multiply the values.
    """

    in_place = True

    def __init__(self, rank: int, size: int) -> None:
        self.rank = rank
        self.size = size

    @abc.abstractmethod
    def open(self) -> dict[str, str]:
        """Joins the other workers; returns versions and the like, for the report."""

    @abc.abstractmethod
    def prepare(self, spec: dict[str, Any]) -> None:
        """Makes the buffers or the model of a workload (`Workload.spec`), letting go the last."""

    @abc.abstractmethod
    def reset(self) -> None:
        """Writes the initial values. Not timed."""

    @abc.abstractmethod
    def run(self, count: int) -> Span | None:
        """Does it `count` times; returns when the last result is there. Timed.

        Returns:
          None: the whole call is what counts. Or the part of it that does.
        """

    @abc.abstractmethod
    def check(self, count: int) -> str:
        """Why the results of `run(count)` after `reset()` are wrong; "" if they are right."""

    def digest(self) -> str:
        """A text that has to be equal on all ranks after `run`; "" if there is none."""
        return ""

    def close(self) -> None:  # noqa: B027
        """Leaves the other workers."""


class InPlace(Subject):
    """A sum over the ranks, in place in numpy arrays: subclasses give `open` and `reduce`."""

    def prepare(self, spec: dict[str, Any]) -> None:
        self._pattern = buffers.Pattern(self.rank, self.size)
        self.tensors = buffers.make(spec["shapes"])
        self.bind(self.tensors)

    def bind(self, tensors: Sequence[np.ndarray]) -> None:
        """Prepares for reducing these arrays."""

    @abc.abstractmethod
    def reduce(self) -> None:
        """Sums `tensors` over the ranks, once."""

    def reset(self) -> None:
        self._pattern.fill(self.tensors)

    def run(self, count: int) -> Span | None:
        reduce = self.reduce
        for _ in range(count):
            reduce()
        return None

    def check(self, count: int) -> str:
        return self._pattern.wrong_sum(self.tensors, count)
