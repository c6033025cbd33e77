"""Rows of a batch: how many a dense, ragged or sparse tensor has, and batches with none or one."""

from __future__ import annotations

from typing import Any

from tf_ddl._tf.private_api import IndexedSlices, tf

__all__ = ["is_batch", "is_batch_spec", "no_rows", "number_of_rows", "row_of_zeros"]


def number_of_rows(value: Any) -> Any:
    """Rows (first dimension) of a tensor, ragged or sparse tensor.

    Returns:
      An int where it is known, else an int64 scalar; None for what has no rows.
    """
    if isinstance(value, tf.RaggedTensor):
        return tf.cast(value.nrows(), tf.int64)
    if isinstance(value, tf.SparseTensor):
        return value.dense_shape[0]
    shape = getattr(value, "shape", None)
    if shape is None or isinstance(value, IndexedSlices):
        return None
    shape = tf.TensorShape(shape)
    if shape.rank == 0:
        return None
    if shape.rank is not None and shape[0] is not None:
        return int(shape[0])
    return tf.shape(value, out_type=tf.int64)[0]


def is_batch(value: Any) -> bool:
    """Whether this is a tensor, ragged or sparse tensor, with rows."""
    if isinstance(value, tf.Tensor):
        return value.shape.rank != 0
    return isinstance(value, (tf.RaggedTensor, tf.SparseTensor))


def is_batch_spec(spec: Any) -> bool:
    """`is_batch` of what has this specification."""
    if isinstance(spec, tf.TensorSpec):
        return spec.shape.rank != 0
    return isinstance(spec, (tf.RaggedTensorSpec, tf.SparseTensorSpec))


def no_rows(value: Any) -> Any:
    """`value` without its rows: the other dimensions stay."""
    if isinstance(value, tf.SparseTensor):
        shape = tf.concat([[0], value.dense_shape[1:]], axis=0)
        return tf.SparseTensor(value.indices[:0], value.values[:0], shape)
    return value[:0]


def row_of_zeros(value: Any) -> Any:
    """One row like those of `value`: zeros, or empty where it is ragged or sparse."""
    if isinstance(value, tf.RaggedTensor):
        return tf.RaggedTensor.from_row_splits(
            value.values[:0], tf.zeros([2], value.row_splits.dtype), validate=False
        )
    if isinstance(value, tf.SparseTensor):
        shape = tf.concat([[1], value.dense_shape[1:]], axis=0)
        return tf.SparseTensor(value.indices[:0], value.values[:0], shape)
    value = tf.convert_to_tensor(value)
    shape = tf.concat([[1], tf.shape(value)[1:]], axis=0)
    row = tf.fill(shape, tf.zeros([], value.dtype))
    row.set_shape([1, *value.shape[1:]] if value.shape.rank is not None else None)
    return row
