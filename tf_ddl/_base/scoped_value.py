"""A value of each thread that holds while a block runs."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from typing import Generic, TypeVar

__all__ = ["ScopedValue"]

_T = TypeVar("_T")


class ScopedValue(Generic[_T]):
    """Holds a value for each thread.

        _verbose = ScopedValue(False)

        with _verbose.set(True):
            f()                   # _verbose.get() is True in f, and False again afterwards

    Blocks may be nested, on one thread and in generators that end in order; each gives back what
    was there before it, also when it is left by an exception.

    Args:
      default: the value of a thread that is in no such block.
    """

    def __init__(self, default: _T) -> None:
        self._default = default
        self._thread = threading.local()

    def get(self) -> _T:
        """The value of the innermost block that this thread is in."""
        return getattr(self._thread, "value", self._default)

    @contextlib.contextmanager
    def set(self, value: _T) -> Iterator[None]:
        """Within, `get()` on this thread gives `value`."""
        outer = self.get()
        self._thread.value = value
        try:
            yield
        finally:
            self._thread.value = outer
