"""Each rank's part of a dataset.

A dataset gives global batches. A rank takes a contiguous slice of each: ranks in order, sizes that
differ by at most one row, more rows for lower ranks. So every row is used once, a concatenation in
rank order restores the batch, and the last batch may leave a rank without rows.
"""

from __future__ import annotations

from typing import Any

from tf_ddl import _structures
from tf_ddl._tf_compat import InputContext, tf

__all__ = ["from_function", "is_distributed", "slice_of_rows", "split"]

_MARK = "_tf_ddl_distributed"


def slice_of_rows(rows: Any, rank: int, size: int) -> tuple[Any, Any]:
    """(first row, number of rows) of a rank's part of `rows` rows; ints or int64 scalars."""
    share, extra = rows // size, rows % size
    if isinstance(rows, int):
        return rank * share + min(rank, extra), share + int(rank < extra)
    return rank * share + tf.minimum(tf.cast(rank, extra.dtype), extra), share + tf.cast(
        rank < extra, extra.dtype
    )


def _slice_leaf(value: Any, rank: int, size: int) -> Any:
    if not isinstance(value, (tf.Tensor, tf.RaggedTensor, tf.SparseTensor)):
        return value
    rows = _structures.number_of_rows(value)
    if rows is None:
        return value
    first, count = slice_of_rows(rows, rank, size)
    if isinstance(value, tf.SparseTensor):
        rest = value.dense_shape[1:]
        begin = tf.concat([[first], tf.zeros_like(rest)], axis=0)
        return tf.sparse.slice(value, begin, tf.concat([[count], rest], axis=0))
    return value[first : first + count]


def is_distributed(dataset: Any) -> bool:
    """Whether `dataset`, or one that it was made from, has been split among the ranks already."""
    seen: set[int] = set()
    pending = [dataset]
    while pending:
        one = pending.pop()
        if id(one) in seen:
            continue
        seen.add(id(one))
        if getattr(one, _MARK, False):
            return True
        inputs = getattr(one, "_inputs", None)
        if callable(inputs):
            pending.extend(inputs())
    return False


def split(dataset: Any, rank: int, size: int) -> tf.data.Dataset:
    """This rank's part of a dataset of global batches.

    Args:
      dataset: a `tf.data.Dataset` whose elements are batches: nested structures of tensors, ragged
        or sparse tensors. Scalars pass through whole. One that was split before is not split again.
      rank: whose part.
      size: number of ranks.

    Returns:
      A dataset of as many elements, of the same structure.

    Raises:
      TypeError: `dataset` is something else.
    """
    if not isinstance(dataset, tf.data.Dataset):
        raise TypeError(
            "DDLStrategy distributes a tf.data.Dataset, not a "
            f"{type(dataset).__module__}.{type(dataset).__name__}. For NumPy arrays use "
            "tf.data.Dataset.from_tensor_slices(arrays).batch(global_batch_size)"
        )
    if is_distributed(dataset):
        return dataset
    spec = dataset.element_spec

    def part(*element: Any) -> Any:
        leaves = [_slice_leaf(leaf, rank, size) for leaf in tf.nest.flatten(element)]
        return tf.nest.pack_sequence_as(spec, leaves)

    result = dataset.take(-1) if size == 1 else dataset.map(part)
    setattr(result, _MARK, True)
    return result


def from_function(dataset_fn: Any, rank: int, size: int) -> tf.data.Dataset:
    """The dataset that `dataset_fn` makes for this rank, of per-rank batches.

    Raises:
      TypeError: it returns no `tf.data.Dataset`.
    """
    dataset = dataset_fn(
        InputContext(num_input_pipelines=size, input_pipeline_id=rank, num_replicas_in_sync=size)
    )
    if not isinstance(dataset, tf.data.Dataset):
        raise TypeError(f"dataset_fn must return a tf.data.Dataset, not {type(dataset).__name__}")
    result = dataset.take(-1)
    setattr(result, _MARK, True)
    return result
