"""Fingerprints: a few numbers by which ranks see that they were given the same data.

Ranks that were given different data would each take their part of it: rows would be used twice,
others never, and nothing would show it. It happens by `np.random.permutation` or a shuffled list of
files without a common seed, and by programs that still divide the data by hand.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from typing import Any

import numpy as np

from tf_ddl._tf import private_api
from tf_ddl._tf.private_api import tf

__all__ = ["LENGTH", "first_different", "of_arrays", "of_shuffles", "sources"]

#: Numbers in a sample: how many rows, then values.
LENGTH = 65
_TOLERANCE = 1e-3  # relative; hosts may round otherwise


def of_shuffles(dataset: Any) -> tuple[int, int]:
    """What decides how a `tf.data.Dataset` is shuffled.

    Returns:
      Whether there is a `shuffle` without a seed, in an order that nobody knows; a number that is
      equal for equal seeds.
    """
    seeds = [private_api.shuffle_seeds(one) for one in private_api.upstream(dataset)]
    known = [pair for pair in seeds if pair is not None]
    return int((0, 0) in known), zlib.crc32(repr(known).encode())


def sources(dataset: Any) -> list[Any]:
    """The tensors of which a `tf.data.Dataset` was made, if it was made of tensors."""
    return [
        tensor
        for one in private_api.upstream(dataset)
        for tensor in private_api.source_tensors(one)
    ]


def of_arrays(arrays: Sequence[Any]) -> list[int]:
    """What to compare of arrays with rows: LENGTH int64 numbers, the values as float64's bits.

    Args:
      arrays: NumPy arrays and eager tensors count, of numbers or texts; anything else is left out.
        Of texts that are paths, only the file's name counts.
    """
    values = np.zeros(LENGTH - 1)
    known = [array for array in arrays if _is_known(array)][: LENGTH - 1]
    each = (LENGTH - 1) // max(1, len(known))
    for i, array in enumerate(known):
        shape = tuple(array.shape)
        places = np.linspace(0, np.prod(shape) - 1, each).astype(np.int64)
        indices = np.unravel_index(places, shape)
        if isinstance(array, tf.Tensor):
            chosen = tf.gather_nd(array, np.stack(indices, axis=1)).numpy()
        else:
            chosen = array[indices]
        if chosen.dtype == object:
            chosen = [_of_text(text) for text in chosen]
        values[i * each : (i + 1) * each] = chosen
    rows = len(known[0]) if known else 0
    return [rows, *values.view(np.int64).tolist()]


def _of_text(text: Any) -> int:
    text = text if isinstance(text, bytes) else str(text).encode()
    return zlib.crc32(text.rsplit(b"/", 1)[-1])


def _is_known(array: Any) -> bool:
    """Whether it is a NumPy array or an eager tensor with rows of numbers or texts."""
    if isinstance(array, tf.Tensor):
        dtype = array.dtype
        known = dtype.is_floating or dtype.is_integer or dtype == tf.string
        known = known and tf.executing_eagerly()
        return known and array.shape.rank > 0 and array.shape.num_elements() > 0
    is_array = isinstance(array, np.ndarray) and array.dtype.kind in "biufO"
    return is_array and array.ndim > 0 and array.size > 0


def first_different(everybodys: np.ndarray) -> int | None:
    """The first rank whose sample is not that of rank 0; None if there is none.

    Args:
      everybodys: int64 [size, LENGTH].
    """
    values = np.ascontiguousarray(everybodys[:, 1:]).view(np.float64)
    scale = np.max(np.abs(np.nan_to_num(values)), axis=1, keepdims=True)
    for rank in range(1, len(everybodys)):
        close = np.isclose(
            values[rank],
            values[0],
            rtol=0,
            atol=_TOLERANCE * max(scale[rank, 0], scale[0, 0]),
            equal_nan=True,
        )
        if everybodys[rank, 0] != everybodys[0, 0] or not close.all():
            return rank
    return None
