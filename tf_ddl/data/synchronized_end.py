"""Datasets that end together, where no rank knows how many batches the others have.

A rank that came to the end of its data alone would leave the others waiting in the next step. So
with each batch the ranks tell each other whether they have one. It is the last stage of the
pipeline, and nothing in it may run ahead of who consumes it: a `scan` is never parallelised by
tf.data. A rank whose own data has ended goes on with batches without rows until all have ended.
"""

from __future__ import annotations

import itertools
import sys
from collections.abc import Callable
from typing import Any

from tf_ddl._native.engine import Engine
from tf_ddl._tf import failures, ops
from tf_ddl._tf.private_api import tf
from tf_ddl._tf.rows import is_batch_spec, no_rows

__all__ = ["WHAT_TO_DO", "checked_end", "common_end", "shared_or_own"]

WHAT_TO_DO = (
    "every rank must be given the same data, of which the strategy takes the rank's part. If each "
    "rank has data of its own, set options.experimental_distribute.auto_shard_policy of the "
    "dataset to tf.data.experimental.AutoShardPolicy.OFF (batches of the global size), or use "
    "strategy.distribute_datasets_from_function (batches of the rank's size)"
)

#: Elements of a tensor that are compared, evenly spaced; twice as many at most.
_CHECKED = 1 << 16

_numbers = itertools.count()  # every rank makes its datasets in the same order


def checked_end(
    dataset: tf.data.Dataset, engine: Engine, rows_of_all: Callable[[Any], Any]
) -> tf.data.Dataset:
    """`dataset`, whose end comes after as many batches on every rank; if not, that is an error.

    Args:
      dataset: this rank's parts of batches.
      engine: the job.
      rows_of_all: (part) -> what must be equal on all ranks, the rows of the batch; int64 scalar.
    """
    return _ending_together(_with_flags(dataset), engine, tf.constant(True), rows_of_all)


def common_end(dataset: tf.data.Dataset, engine: Engine) -> tf.data.Dataset:
    """`dataset`, on ranks with fewer batches than others followed by batches without rows."""
    return _ending_together(_with_flags(dataset), engine, tf.constant(False))


def shared_or_own(
    dataset: tf.data.Dataset, part: Callable[[Any, Any], Any], engine: Engine
) -> tf.data.Dataset:
    """Slices the ranks' common data, or uses all of each rank's own: as their first batches tell.

    Args:
      dataset: global batches.
      part: (batch, rank) -> that rank's slice.
      engine: the job.
    """
    spec = dataset.element_spec
    size = engine.size

    def compare(state: Any, element: Any) -> Any:
        first, same = state
        has, *batch = element
        same = tf.cond(first, lambda: _is_same(engine, has, batch), lambda: same)
        return (tf.constant(False), same), (has, same, *batch)

    def slices(has: tf.Tensor, same: tf.Tensor, *batch: Any) -> tf.data.Dataset:
        begin = tf.where(same, tf.constant(engine.rank, tf.int64), 0)
        end = tf.where(same, begin + 1, tf.where(has, tf.constant(size, tf.int64), 1))
        batch = batch if type(spec) is tuple else batch[0]
        return tf.data.Dataset.range(begin, end).map(lambda i: (has, same, part(batch, i)))

    flagged = _with_flags(dataset, unpacked=True)
    compared = flagged.scan((tf.constant(True), tf.constant(True)), compare)
    pieces = compared.flat_map(slices)
    return _ending_together(pieces, engine)


def _is_same(engine: Engine, has: tf.Tensor, batch: Any) -> tf.Tensor:
    """Whether all ranks have the same batch."""
    features, *others = [_checksum_of_all(part) for part in batch]
    mine = tf.stack([tf.cast(has, tf.int64), features, *others])[tf.newaxis]
    everybodys, _ = ops.all_gather(engine, mine, name="first batch, to see if all ranks share it")
    equal = tf.reduce_all(tf.equal(everybodys, everybodys[:1]), axis=0)
    if engine.rank == 0 and others:
        strange = tf.logical_and(tf.logical_not(equal[1]), tf.reduce_all(equal[2:]))
        tf.cond(strange, _tell_of_features, lambda: tf.constant(False))
    return tf.reduce_all(equal)


def _tell_of_features() -> tf.Tensor:
    tf.print(
        "tf_ddl: a dataset with AutoShardPolicy.OFF begins with the same labels on every rank, but "
        "with other features: it is taken for data of each rank's own, of which every rank uses "
        "all, as TensorFlow has it. If the ranks read the same data and augment it at random, "
        "leave AutoShardPolicy.OFF out, and each takes its share of each batch",
        output_stream=sys.stderr,
    )
    return tf.constant(True)


def _checksum_of_all(values: Any) -> tf.Tensor:
    return tf.add_n([_checksum(leaf) for leaf in tf.nest.flatten(values)])


def _checksum(value: Any) -> tf.Tensor:
    """A number that is equal for equal rows and hardly ever for others; int64 scalar."""
    if isinstance(value, tf.RaggedTensor):
        return _checksum(value.flat_values) + _checksum(value.nested_row_lengths()[0])
    if isinstance(value, tf.SparseTensor):
        return _checksum(value.values) + _checksum(value.indices)
    if not isinstance(value, tf.Tensor):
        return tf.constant(0, tf.int64)
    flat = tf.reshape(value, [-1])
    flat = flat[:: tf.maximum(1, tf.size(flat) // _CHECKED)]
    if value.dtype == tf.string:
        numbers = tf.strings.to_hash_bucket_fast(flat, (1 << 31) - 1)
    elif value.dtype.is_floating:
        bits = tf.bitcast(flat, {2: tf.int16, 4: tf.int32, 8: tf.int64}[value.dtype.size])
        numbers = tf.cast(bits, tf.int64)
    else:
        numbers = tf.cast(flat, tf.int64)
    places = tf.range(1, tf.size(numbers, out_type=tf.int64) + 1)
    return tf.reduce_sum(numbers * places) + tf.size(value, out_type=tf.int64)


# --- the end --------------------------------------------------------------------------------------


def _empty(spec: Any) -> Any:
    """A batch without rows of this specification."""
    if isinstance(spec, tf.OptionalSpec):
        return tf.experimental.Optional.empty(spec._value_spec)
    shape = [0 if dim is None else dim for dim in (spec.shape or [])]
    if isinstance(spec, tf.RaggedTensorSpec):
        inner = [0 if dim is None else dim for dim in spec.shape[spec.ragged_rank + 1 :]]
        value = tf.zeros([0, *inner], spec.dtype)
        for _ in range(spec.ragged_rank):
            splits = tf.zeros([1], spec.row_splits_dtype)
            value = tf.RaggedTensor.from_row_splits(value, splits, validate=False)
        return value
    if isinstance(spec, tf.SparseTensorSpec):
        indices = tf.zeros([0, len(shape)], tf.int64)
        return tf.SparseTensor(indices, tf.zeros([0], spec.dtype), [0, *shape[1:]])
    return tf.zeros([0, *shape[1:]] if shape else [], spec.dtype)


def _with_flags(dataset: tf.data.Dataset, unpacked: bool = False) -> tf.data.Dataset:
    """(True, batch), then without end (False, a batch without rows).

    `unpacked`: (flag, x, y) instead of (flag, (x, y)).
    """
    spec = dataset.element_spec
    empty = tf.nest.map_structure(_empty, spec)
    end = tf.data.Dataset.from_tensors(empty).repeat()

    def flagged(has: bool) -> Callable[..., Any]:
        def function(*batch: Any) -> Any:
            if unpacked:
                return (tf.constant(has), *batch)
            return tf.constant(has), batch if type(spec) is tuple else batch[0]

        return function

    # Batches are prepared ahead; what follows is not.
    real = dataset.prefetch(tf.data.AUTOTUNE).map(flagged(True))
    return real.concatenate(end.map(flagged(False)))


def _ending_together(
    dataset: tf.data.Dataset,
    engine: Engine,
    same: tf.Tensor | None = None,
    rows_of_all: Callable[[Any], Any] | None = None,
) -> tf.data.Dataset:
    """Batches of (flag, batch), or (flag, same, batch), as long as any rank has one.

    `same`: whether the ranks' data is, so that it must end after as many batches on all, each with
    as many rows as `rows_of_all` tells.
    """
    site = f"dataset {next(_numbers)}"
    spec = dataset.element_spec[-1]
    likes = [is_batch_spec(leaf) for leaf in tf.nest.flatten(spec)]

    def step(state: Any, element: Any) -> Any:
        count, last = state
        has, batch = element[0], element[-1]
        is_same = element[1] if same is None else same
        rows = tf.constant(0, tf.int64) if rows_of_all is None else rows_of_all(batch)
        mine = tf.stack([count, tf.cast(has, tf.int64), rows])[tf.newaxis]
        name = f"whether {site} has more batches"
        everybodys, _ = ops.all_gather(engine, mine, name=name, site=site)
        everybodys = tf.reshape(everybodys, [engine.size, 3])
        checked = _check(everybodys, is_same)
        with tf.control_dependencies([checked]):
            goes_on = tf.reduce_any(everybodys[:, 1] > 0)
        leaves = tf.nest.flatten(batch)
        # Shapes that the specification does not tell are those of a batch that was there.
        mine = tuple(leaf for leaf, like in zip(leaves, likes) if like)
        chosen = tf.cond(has, lambda: mine, lambda: last) if mine else ()
        kept = tuple(no_rows(leaf) for leaf in chosen)
        rest = iter(chosen)
        leaves = [next(rest) if like else leaf for leaf, like in zip(leaves, likes)]
        return (count + 1, kept), (goes_on, tf.nest.pack_sequence_as(spec, leaves))

    empty = tuple(_empty(leaf) for leaf, like in zip(tf.nest.flatten(spec), likes) if like)
    start = (tf.constant(0, tf.int64), empty)
    result = dataset.scan(start, step).take_while(lambda goes_on, batch: goes_on)
    # Not a map, which could be made parallel and run ahead, as could a prefetch at the end.
    options = tf.data.Options()
    options.experimental_optimization.inject_prefetch = False
    return result.scan(tf.constant(0), lambda state, element: (state, element[1])).with_options(
        options
    )


def _check(everybodys: tf.Tensor, same: tf.Tensor) -> tf.Operation:
    """Refuses ends at different places of the same data, and pipelines that ran ahead."""
    counts, has, rows = everybodys[:, 0], everybodys[:, 1] > 0, everybodys[:, 2]
    ended = tf.logical_and(tf.reduce_any(has), tf.logical_not(has))
    who = tf.strings.reduce_join(tf.strings.as_string(tf.where(ended)[:, 0]), separator=", ")
    in_step = failures.check(
        tf.reduce_all(tf.equal(counts, counts[:1])),
        tf.constant(
            "the ranks' pipelines are at different batches: what is done after the strategy has "
            "distributed a dataset must not run ahead, so prefetch before that"
        ),
    )
    message = tf.strings.join(
        [
            "the data of rank ",
            who,
            " has ended after ",
            tf.strings.as_string(counts[0]),
            " batches, other ranks have more: " + WHAT_TO_DO,
        ]
    )
    allowed = tf.logical_or(tf.logical_not(same), tf.logical_not(tf.reduce_any(ended)))
    same_end = failures.check(allowed, message)
    other = tf.argmax(tf.cast(tf.not_equal(rows, rows[0]), tf.int32))
    message = tf.strings.join(
        [
            "batch ",
            tf.strings.as_string(counts[0] + 1),
            " has ",
            tf.strings.as_string(rows[0]),
            " rows on rank 0, on rank ",
            tf.strings.as_string(other),
            " it has ",
            tf.strings.as_string(rows[other]),
            ": " + WHAT_TO_DO,
        ]
    )
    equal = tf.reduce_all(tf.equal(rows, rows[0]))
    same_rows = failures.check(tf.logical_or(equal, tf.logical_not(tf.reduce_all(has))), message)
    return tf.group(in_step, same_end, same_rows)
