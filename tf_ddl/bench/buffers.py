"""Values whose sums are exact in float32, and the check that a result is right everywhere.

Rank r's element i is a small whole number from a random pattern of r. The pattern's period is a
prime, so that data that ends up in another chunk or tensor is seen. An in-place all-reduce that is
repeated multiplies the sums by the number of ranks each time; `max_repeats` says for how long that
stays exact.
"""

from __future__ import annotations

import math
import mmap
from collections.abc import Iterator, Sequence

import numpy as np

__all__ = ["Pattern", "make", "max_repeats"]

_PERIOD = 8191
_TILES = 128
_LARGEST = 8  # of the pattern's values
_MANTISSA = 1 << 24  # whole numbers up to here are exact
_EXPONENT = 1 << 120
_MAPPED = 128 << 10  # bytes from which the C library maps memory anew
_LARGE_PAGES = 4 << 20  # bytes from which NumPy asks for large pages


def max_repeats(size: int) -> int:
    """How often `size` ranks may reduce in place until a sum need not be exact."""
    odd = size
    while odd % 2 == 0:
        odd //= 2
    repeats, mantissa, exponent = 1, _LARGEST * size * odd, _LARGEST * size * size
    while mantissa < _MANTISSA and exponent < _EXPONENT and size > 1:
        repeats, mantissa, exponent = repeats + 1, mantissa * odd, exponent * size
    return repeats if size > 1 else 1 << 20


class Pattern:
    """The values of one rank, and the sums over all ranks.

    Args:
      rank: whose values.
      size: number of ranks.
    """

    def __init__(self, rank: int, size: int) -> None:
        self._size = size
        own = [_values(r) for r in range(size)]
        self._mine = np.tile(own[rank], _TILES + 1)
        self._sum = np.tile(np.sum(own, axis=0, dtype=np.float32), _TILES + 1)

    def fill(self, tensors: Sequence[np.ndarray]) -> None:
        """Writes this rank's values into C-contiguous float32 arrays."""
        for index, tensor in enumerate(tensors):
            flat = tensor.reshape(-1)
            for begin, end, block in _blocks(index, flat.size, self._mine):
                flat[begin:end] = block

    def wrong_sum(self, tensors: Sequence[np.ndarray], repeats: int = 1) -> str:
        """Why `tensors` are not the sums after `repeats` reductions in place; "" if they are."""
        return self._difference(tensors, self._sum * np.float32(self._size ** (repeats - 1)))

    def wrong_copy(self, tensors: Sequence[np.ndarray]) -> str:
        """Why `tensors` are not what `fill` writes; "" if they are."""
        return self._difference(tensors, self._mine)

    def _difference(self, tensors: Sequence[np.ndarray], expected: np.ndarray) -> str:
        for index, tensor in enumerate(tensors):
            flat = np.asarray(tensor).reshape(-1)
            for begin, end, block in _blocks(index, flat.size, expected):
                if not np.array_equal(flat[begin:end], block):
                    at = int(np.flatnonzero(flat[begin:end] != block)[0])
                    return (
                        f"tensor {index}, element {begin + at}: {flat[begin + at]!r}, "
                        f"not {block[at]!r}"
                    )
        return ""


def make(shapes: Sequence[Sequence[int]]) -> list[np.ndarray]:
    """One float32 array per shape, each with memory of its own, touched.

    The memory is what NumPy has in a new process. In one that has run for a while, arrays may lie
    in large pages that were left over, which is luck, and not the same for all contenders.
    """
    return [_fresh(math.prod(shape)).reshape(shape) for shape in shapes]


def _fresh(count: int) -> np.ndarray:
    size = 4 * count
    if size < _MAPPED:
        return np.full(count, 1.0, np.float32)
    memory = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    if size >= _LARGE_PAGES:
        memory.madvise(mmap.MADV_HUGEPAGE)
    array = np.frombuffer(memory, np.float32)
    array.fill(1.0)
    return array


def _values(rank: int) -> np.ndarray:
    whole = np.random.default_rng(rank).integers(-_LARGEST, _LARGEST + 1, _PERIOD)
    return whole.astype(np.float32)


def _blocks(index: int, length: int, values: np.ndarray) -> Iterator[tuple[int, int, np.ndarray]]:
    """(begin, end, values of that range); tensors begin at different places of the pattern."""
    phase = index * 97 % _PERIOD
    step = _PERIOD * _TILES
    for begin in range(0, length, step):
        end = min(length, begin + step)
        yield begin, end, values[phase : phase + end - begin]
