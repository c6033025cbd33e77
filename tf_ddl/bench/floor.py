"""The floor: every rank copies the same bytes once, all ranks at the same time."""

from __future__ import annotations

import ctypes
from typing import Any

from . import buffers
from .subject import Span, Subject

__all__ = ["Memcpy"]


class Memcpy(Subject):
    """The C library's memcpy, one call a tensor."""

    in_place = False

    def open(self) -> dict[str, str]:
        self._pattern = buffers.Pattern(self.rank, self.size)
        self._memcpy = ctypes.CDLL(None).memcpy
        self._memcpy.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t]
        return {}

    def prepare(self, spec: dict[str, Any]) -> None:
        self._from = buffers.make(spec["shapes"])
        self._to = buffers.make(spec["shapes"])
        self._pattern.fill(self._from)
        self._calls = [
            (to.ctypes.data, source.ctypes.data, source.nbytes)
            for to, source in zip(self._to, self._from)
        ]

    def reset(self) -> None:
        for tensor in self._to:
            tensor.fill(0)

    def run(self, count: int) -> Span | None:
        memcpy = self._memcpy
        for _ in range(count):
            for to, source, nbytes in self._calls:
                memcpy(to, source, nbytes)
        return None

    def check(self, count: int) -> str:
        return self._pattern.wrong_copy(self._to)
