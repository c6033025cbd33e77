"""Data that Keras feeds: rows for all ranks, and shuffling.

A rank without rows of the last batch is given a row to compute with (`data.sharding.Share`).

Shuffling is the same on every rank and another in each epoch.

Ranks that shuffle differently use some rows twice and others never. So, unless the user has set a
seed, the strategy sets TensorFlow's global one to a common value. That settles `Dataset.shuffle`.
Keras shuffles arrays with an op that, given a global seed, repeats the same order in every epoch,
and a `PyDataset` with Python's `random`; both get generators of their own here. With a seed of the
user's, Keras does what it does in a single process.
"""

from __future__ import annotations

import contextlib
import importlib
import random
from collections.abc import Callable, Iterator
from typing import Any

import keras

from tf_ddl._base.adapter import Adapter
from tf_ddl._base.scoped_value import ScopedValue
from tf_ddl._keras.under_strategy import extended_of
from tf_ddl._tf import private_api
from tf_ddl._tf.private_api import tf
from tf_ddl.data import sharding
from tf_ddl.replica import seeds

__all__ = ["ADAPTERS", "restore_shuffling"]


@contextlib.contextmanager
def _shuffling_with(seed: int) -> Iterator[None]:
    """`tf.random.shuffle` gives another permutation each time it runs, the same on every rank."""
    calls = private_api.local_variable(0, tf.int64, "tf_ddl_shuffles")

    def shuffle(value: Any, seed: Any = seed, name: Any = None) -> tf.Tensor:
        del name
        call = tf.convert_to_tensor(calls.assign_add(1))
        return tf.random.experimental.stateless_shuffle(value, seed=tf.stack([seed, call]))

    original = tf.random.shuffle
    tf.random.shuffle = shuffle
    try:
        yield
    finally:
        tf.random.shuffle = original


#: Whether data is being prepared for a model under a DDLStrategy.
_is_ours = ScopedValue(False)


def _epoch_iterator(
    original: Callable[..., Any],
    iterator: Any,
    distribute_strategy: Any = None,
    *args: Any,
    **kwargs: Any,
) -> None:
    if extended_of(distribute_strategy) is None:
        return original(iterator, distribute_strategy, *args, **kwargs)
    with _is_ours.set(True), sharding.in_shares():
        original(iterator, distribute_strategy, *args, **kwargs)
    _forget_length(iterator)
    return None


def _reset(original: Callable[..., Any], iterator: Any) -> None:
    original(iterator)
    _forget_length(iterator)


def _forget_length(iterator: Any) -> None:
    """Where the number of batches is another than that of the user's dataset, it is not known."""
    dataset = getattr(iterator, "_distributed_dataset", None)
    if dataset is not None and sharding.has_own_length(dataset):
        iterator._num_batches = None


def _get_tf_dataset(original: Callable[..., Any], adapter: Any) -> Any:
    seed = seeds.common_seed() if _is_ours.get() else None
    with contextlib.nullcontext() if seed is None else _shuffling_with(seed):
        return _with_length(original, adapter)


def _with_length(original: Callable[..., Any], adapter: Any) -> Any:
    """Keras knows how many batches there are, and of which arrays; tf.data does not."""
    dataset = original(adapter)
    if _is_ours.get():
        arrays = keras.tree.flatten(getattr(adapter, "_inputs", ()))
        sharding.note_batches(dataset, adapter.num_batches, arrays)
    return dataset


def _py_dataset(original: Callable[..., Any], adapter: Any, *args: Any, **kwargs: Any) -> None:
    seed = seeds.common_seed() if _is_ours.get() else None
    if seed is None:
        restore_shuffling()
    elif not isinstance(_py_dataset_module().random, random.Random):
        _py_dataset_module().random = random.Random(seed)
    original(adapter, *args, **kwargs)


def restore_shuffling() -> None:
    """Lets Keras shuffle a `PyDataset` with Python's global generator, as it does by itself."""
    _py_dataset_module().random = random


def _py_dataset_module() -> Any:
    return importlib.import_module(_PY_DATASET)


_ARRAYS = "keras.src.trainers.data_adapters.array_data_adapter"
_PY_DATASET = "keras.src.trainers.data_adapters.py_dataset_adapter"
ADAPTERS = (
    Adapter("keras.src.backend.tensorflow.trainer", "TFEpochIterator.__init__", _epoch_iterator),
    Adapter(_ARRAYS, "ArrayDataAdapter.get_tf_dataset", _get_tf_dataset),
    Adapter(_PY_DATASET, "PyDatasetAdapter.__init__", _py_dataset),
    Adapter(_PY_DATASET, "PyDatasetAdapter.get_tf_dataset", _with_length),
    Adapter("keras.src.trainers.epoch_iterator", "EpochIterator.reset", _reset),
)
