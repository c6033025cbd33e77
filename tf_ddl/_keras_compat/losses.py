"""Keras scales losses by one over the number of replicas and has gradients summed.

With 32 rows on 3 ranks (11, 11 and 10) that is not the mean over the batch. In a train or test step
of a Keras model a rank's loss counts by its share of the rows instead; a rank without rows, whose
loss may be NaN, counts nothing.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from tf_ddl import _run_state
from tf_ddl._tf_compat import tf

__all__ = ["WRAPPERS"]

_thread = threading.local()


def _weight(value: Any) -> tf.Tensor | None:
    """This rank's share of the rows, in a Keras step on several ranks; else None."""
    state = _run_state.current()
    if state is None or not state.keras_step or not _run_state.in_replica_context():
        return None
    if tf.distribute.get_strategy().num_replicas_in_sync == 1:
        return None
    weight = state.weight()
    return None if weight is None else tf.cast(weight, value.dtype)


def _scale(original: Callable[..., Any], value: Any) -> Any:
    weight = _weight(value)
    if weight is None:
        return original(value)
    return tf.where(weight > 0, value * weight, tf.zeros_like(value))


def _unscale(original: Callable[..., Any], value: Any) -> Any:
    weight = _weight(value)
    if weight is None:
        return original(value)
    return tf.math.divide_no_nan(value, weight)


def _compile_loss(original: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    _thread.in_compile_loss = True
    try:
        return original(*args, **kwargs)
    finally:
        _thread.in_compile_loss = False


def _update_mean(
    original: Callable[..., Any], metric: Any, values: Any, sample_weight: Any = None
) -> Any:
    """The losses of a model's single outputs: each batch counts one, on all ranks together."""
    if sample_weight is None and getattr(_thread, "in_compile_loss", False):
        sample_weight = _weight(values)
    return original(metric, values, sample_weight=sample_weight)


_MODULE = "keras.src.losses.loss"
WRAPPERS = {
    ("keras.src.trainers.compile_utils", "CompileLoss.call"): _compile_loss,
    ("keras.src.metrics.reduction_metrics", "Mean.update_state"): _update_mean,
    (_MODULE, "scale_loss_for_distribution"): _scale,
    (_MODULE, "unscale_loss_for_distribution"): _unscale,
}
