"""Each rank's part of a dataset.

A dataset gives global batches. A rank takes a contiguous slice of each: ranks in order, sizes that
differ by at most one row, more rows for lower ranks. So every row is used once, a concatenation in
rank order restores the batch, and the last batch may leave a rank without rows. For that, all ranks
must be given the same data in the same order.

With `AutoShardPolicy.OFF` a rank's data may be its own, such as `dataset.shard(size, rank)`: to
TensorFlow the option means that every worker uses all that it was given, and that is what happens,
each batch in as many steps as there are ranks. Unless all ranks were given the same: a program that
nobody has changed, in which every row is to count once. So at the start of each iteration the ranks
compare their first batches, features and labels. If all are equal, they are sliced as described;
if anything differs, each rank's are its own. Data that was sharded is so never sliced again, and no
row is lost. The other policies make no difference.

A step of a Keras model needs a row to compute with all the same. Its datasets (`in_shares`) give a
rank without rows the global batch's first row, and beside each element the number of rows that are
the rank's own, and of those of the global batch: a `Share`. So no step has to ask the other ranks
how many rows they have.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from tf_ddl._base.scoped_value import ScopedValue
from tf_ddl._native.engine import Engine
from tf_ddl._tf import callback_scope, failures, private_api
from tf_ddl._tf.private_api import InputContext, tf
from tf_ddl._tf.rows import is_batch, number_of_rows
from tf_ddl.checks.exchange import gather_numbers
from tf_ddl.data import fingerprint, synchronized_end

__all__ = [
    "Share",
    "from_function",
    "has_own_length",
    "in_shares",
    "is_distributed",
    "note_batches",
    "slice_of_rows",
    "split",
]

_MARK = "_tf_ddl_distributed"
_BATCHES = "_tf_ddl_batches"
_OWN_LENGTH = "_tf_ddl_own_length"
_SAMPLE = "_tf_ddl_sample"
_UNKNOWN = tf.data.UNKNOWN_CARDINALITY
_in_shares = ScopedValue(False)


class Share(NamedTuple):
    """A rank's part of a batch, which has a row if the batch has.

    Attributes:
      data: the part; where no row is the rank's own, the batch's first.
      rows: how many rows of it are the rank's own; int64 scalar.
      rows_of_all: of the global batch; int64 scalar. (): no rank knows, since each has its own
        data.
    """

    data: Any
    rows: Any
    rows_of_all: Any


def in_shares() -> contextlib.AbstractContextManager[None]:
    """Datasets that are split within give a `Share` for each batch."""
    return _in_shares.set(True)


def slice_of_rows(rows: Any, rank: Any, size: int) -> tuple[Any, Any]:
    """(first row, number of rows) of a rank's part of `rows` rows; ints or int64 scalars."""
    share, extra = rows // size, rows % size
    if isinstance(rows, int) and isinstance(rank, int):
        return rank * share + min(rank, extra), share + int(rank < extra)
    rank = tf.cast(rank, tf.int64)
    share, extra = tf.cast(share, tf.int64), tf.cast(extra, tf.int64)
    return rank * share + tf.minimum(rank, extra), share + tf.cast(rank < extra, tf.int64)


def _rows(value: Any) -> Any:
    return number_of_rows(value) if is_batch(value) else None


def _slice_leaf(value: Any, rank: Any, size: int, keep_a_row: bool) -> Any:
    rows = _rows(value)
    if rows is None:
        return value
    first, count = slice_of_rows(rows, rank, size)
    if keep_a_row:
        first, count = tf.where(count > 0, first, 0), tf.maximum(count, 1)
    if isinstance(value, tf.SparseTensor):
        rest = value.dense_shape[1:]
        begin = tf.concat([[first], tf.zeros_like(rest)], axis=0)
        return tf.sparse.slice(value, begin, tf.concat([[count], rest], axis=0))
    return value[first : first + count]


def is_distributed(dataset: Any) -> bool:
    """Whether `dataset`, or one that it was made from, has been split among the ranks already."""
    return any(getattr(one, _MARK, False) for one in private_api.upstream(dataset))


def note_batches(dataset: tf.data.Dataset, number: int | None, arrays: Sequence[Any] = ()) -> None:
    """Tells what tf.data itself does not know of a dataset.

    Args:
      dataset: the dataset.
      number: of its batches.
      arrays: what it was made of, which must be the same on every rank.
    """
    setattr(dataset, _BATCHES, number)
    setattr(dataset, _SAMPLE, fingerprint.of_arrays(arrays))


def has_own_length(dataset: tf.data.Dataset) -> bool:
    """Whether it may have another number of batches than what it was split from."""
    return getattr(dataset, _OWN_LENGTH, False)


def _cardinalities(engine: Engine, dataset: tf.data.Dataset, is_common: bool = True) -> list[int]:
    """How many batches each rank's dataset has, or tf.data's marks; waits for all ranks.

    Args:
      engine: the job.
      dataset: this rank's.
      is_common: whether it has to be the same on every rank.

    Raises:
      InvalidArgumentError: it is another one on some rank, or shuffled otherwise.
    """
    cardinality = int(dataset.cardinality())
    noted = getattr(dataset, _BATCHES, None)
    if cardinality == _UNKNOWN and noted is not None:
        cardinality = noted
    sample = getattr(dataset, _SAMPLE, None)
    if sample is None:
        sample = fingerprint.of_arrays(fingerprint.sources(dataset))
    words = f"distributed a dataset{callback_scope.place()}"
    mine = [cardinality, *fingerprint.of_shuffles(dataset), *sample]
    numbers = gather_numbers(engine, mine, "number of batches, sample of the data", words)
    cardinalities = [int(number) for number in numbers[:, 0]]
    if is_common and len(set(cardinalities)) == 1:
        _compare(numbers[:, 1], numbers[:, 2], numbers[:, 3:])
    return cardinalities


def _compare(unseeded: np.ndarray, seeds: np.ndarray, samples: np.ndarray) -> None:
    """Refuses data that is another one on some rank, or in another order."""
    where = callback_scope.place()
    if unseeded.any() or (seeds != seeds[0]).any():
        how = "without a seed" if unseeded.any() else "with other seeds"
        raise failures.mistake(
            f"a dataset{where} is shuffled {how} on each rank, so in other orders. If "
            "it was made before the strategy, make the tf_ddl.DDLStrategy first, or call "
            f"keras.utils.set_random_seed(n), or give shuffle a seed: {synchronized_end.WHAT_TO_DO}"
        )
    other = fingerprint.first_different(samples)
    if other is not None:
        raise failures.mistake(
            f"rank {other} was given other data than rank 0{where}. If it was drawn, "
            "shuffled or split at random, call keras.utils.set_random_seed(n) first, or draw after "
            "tf_ddl.DDLStrategy() has been made; if it was divided among the ranks by hand, "
            f"leave that out: {synchronized_end.WHAT_TO_DO}"
        )


def _in_words(cardinality: int) -> str:
    if cardinality == _UNKNOWN:
        return "an unknown number of batches"
    infinite = cardinality == tf.data.INFINITE_CARDINALITY
    return "infinitely many batches" if infinite else f"{cardinality} batches"


def split(dataset: Any, rank: int, size: int, engine: Engine | None = None) -> Any:
    """This rank's part of a dataset of global batches.

    Args:
      dataset: a `tf.data.Dataset` whose elements are batches: nested structures of tensors, ragged
        or sparse tensors. Scalars pass through whole. One that was split before is not split again.
      rank: whose part.
      size: number of ranks.
      engine: through which the ranks find out whether they were given equally many batches; all
        must call. None: that is taken for granted.

    Returns:
      A dataset of the same structure, of equally many elements on every rank; within `in_shares`,
      of a `Share` of that structure.

    Raises:
      TypeError: `dataset` is something else.
      InvalidArgumentError: the ranks' datasets have different numbers of batches, are made of other
        arrays, or are shuffled in other orders.
    """
    if not isinstance(dataset, tf.data.Dataset):
        raise TypeError(
            "DDLStrategy distributes a tf.data.Dataset, not a "
            f"{type(dataset).__module__}.{type(dataset).__name__}. For NumPy arrays use "
            "tf.data.Dataset.from_tensor_slices(arrays).batch(global_batch_size)"
        )
    if is_distributed(dataset):
        return dataset
    if size == 1:
        return _marked(dataset.take(-1))
    if dataset.options().deterministic is False:  # the order of rows is to be the same everywhere
        options = tf.data.Options()
        options.deterministic = True
        dataset = dataset.with_options(options)
    spec = dataset.element_spec
    in_shares = _in_shares.get()

    def part(element: Any, of_rank: Any, is_common: bool) -> Any:
        leaves = tf.nest.flatten(element)
        all_rows = next((rows for leaf in leaves if (rows := _rows(leaf)) is not None), None)
        # Where a shape tells the number of rows, all ranks may know that all have some.
        all_have = all_rows is None or (isinstance(all_rows, int) and all_rows >= size)
        keep_a_row = in_shares and not all_have
        leaves = [_slice_leaf(leaf, of_rank, size, keep_a_row) for leaf in leaves]
        data = tf.nest.pack_sequence_as(spec, leaves)
        if not in_shares or all_rows is None or (all_have and not is_common):
            return data
        rows = tf.cast(slice_of_rows(all_rows, of_rank, size)[1], tf.int64)
        return Share(data, rows, tf.cast(all_rows, tf.int64) if is_common else ())

    policy = dataset.options().experimental_distribute.auto_shard_policy
    if engine is not None and policy == tf.data.experimental.AutoShardPolicy.OFF:
        own = functools.partial(part, is_common=False)
        result = _marked(synchronized_end.shared_or_own(dataset, own, engine))
        setattr(result, _OWN_LENGTH, True)
        return result
    cardinalities = [0] if engine is None else _cardinalities(engine, dataset)
    if len(set(cardinalities)) > 1:
        other = next(r for r, number in enumerate(cardinalities) if number != cardinalities[0])
        raise failures.mistake(
            f"rank 0 was given a dataset of {_in_words(cardinalities[0])}, rank {other} one of "
            f"{_in_words(cardinalities[other])}: {synchronized_end.WHAT_TO_DO}"
        )
    result = dataset.map(lambda *element: part(element, rank, is_common=True))
    if engine is not None and cardinalities[0] == _UNKNOWN:
        result = synchronized_end.checked_end(result, engine, _rows_of_all)
    return _marked(result)


def from_function(
    dataset_fn: Any, rank: int, size: int, engine: Engine | None = None
) -> tf.data.Dataset:
    """The dataset that `dataset_fn` makes for this rank, of per-rank batches.

    On a rank with fewer batches than another, batches without rows follow, so that all ranks run
    equally many steps. All ranks must call.

    Raises:
      TypeError: it returns no `tf.data.Dataset`.
    """
    dataset = dataset_fn(
        InputContext(num_input_pipelines=size, input_pipeline_id=rank, num_replicas_in_sync=size)
    )
    if not isinstance(dataset, tf.data.Dataset):
        raise TypeError(f"dataset_fn must return a tf.data.Dataset, not {type(dataset).__name__}")
    if engine is None or size == 1:
        return _marked(dataset.take(-1))
    cardinalities = _cardinalities(engine, dataset, is_common=False)
    if _UNKNOWN not in cardinalities and len(set(cardinalities)) == 1:
        return _marked(dataset.take(-1))
    return _marked(synchronized_end.common_end(dataset, engine))


def _rows_of_all(batch: Any) -> Any:
    """Rows of the global batch, where the rank's part tells; else 0."""
    return batch.rows_of_all if isinstance(batch, Share) else tf.constant(0, tf.int64)


def _marked(dataset: tf.data.Dataset) -> tf.data.Dataset:
    setattr(dataset, _MARK, True)
    return dataset
