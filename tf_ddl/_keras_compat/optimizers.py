"""Keras' optimizers: what is clipped, what is decided together, and names."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from typing import Any

from tf_ddl import _extended, _run_state
from tf_ddl._tf_compat import tf

__all__ = ["WRAPPERS"]

_thread = threading.local()


def _apply_gradients(
    original: Callable[..., Any], optimizer: Any, grads: Any, variables: Any
) -> Any:
    """Tells the reduction what the gradients are called."""
    state = _run_state.current()
    if optimizer.gradient_accumulation_steps and state is not None and state.keras_step:
        # Gradients of no rows may be NaN, which would stay in the accumulators.
        has_rows = state.has_rows()
        if has_rows is not True:
            grads = [_or_zeros(has_rows, gradient) for gradient in grads]
    paths = [getattr(variable, "path", None) or variable.name for variable in variables]
    for variable, path in zip(variables, paths):
        with contextlib.suppress(AttributeError):
            variable.value._tf_ddl_path = path
    names = [path for path, gradient in zip(paths, grads) if gradient is not None]
    with _extended.reducing_gradients(names):
        return original(optimizer, grads, variables)


def _or_zeros(condition: Any, gradient: Any) -> Any:
    if isinstance(gradient, tf.Tensor):
        return tf.where(condition, gradient, tf.zeros_like(gradient))
    return gradient


def _clip(original: Callable[..., Any], optimizer: Any, grads: Any) -> Any:
    """Reduces before clipping: the norm that counts is that of the global batch's gradient.

    Keras clips first, which gives another result for each number of ranks.
    """
    clips = optimizer.clipnorm or optimizer.global_clipnorm or optimizer.clipvalue
    if not clips or not _run_state.in_replica_context():
        return original(optimizer, grads)
    grads = tf.distribute.get_replica_context().all_reduce("SUM", list(grads))
    _thread.reduced = optimizer
    return original(optimizer, grads)


def _all_reduce(original: Callable[..., Any], optimizer: Any, grads_and_vars: Any) -> Any:
    """The reduction that follows, unless `_clip` has just done it."""
    reduced, _thread.reduced = getattr(_thread, "reduced", None), None
    return list(grads_and_vars) if reduced is optimizer else original(optimizer, grads_and_vars)


def _check_finite(original: Callable[..., Any], optimizer: Any, grads: Any) -> Any:
    """A step is skipped on all ranks or on none: who skips it would not take part in reductions."""
    finite = original(optimizer, grads)
    if not _run_state.in_replica_context():
        return finite
    state = _run_state.current()
    if state is not None and state.keras_step:
        finite = tf.logical_or(finite, tf.logical_not(state.has_rows()))
    bad = tf.cast(tf.logical_not(finite), tf.int32, name="gradients_are_not_finite")
    bad = tf.distribute.get_replica_context().all_reduce("SUM", bad)
    return tf.equal(bad, 0)


def _track_variable(original: Callable[..., Any], optimizer: Any, variable: Any) -> Any:
    """Marks the optimizer's own variables: they are not statistics of the data."""
    with contextlib.suppress(AttributeError):
        variable.value._tf_ddl_optimizer = True
    return original(optimizer, variable)


_BASE = "keras.src.optimizers.base_optimizer"
_TENSORFLOW = "keras.src.backend.tensorflow.optimizer"
_LOSS_SCALE = "keras.src.optimizers.loss_scale_optimizer"
WRAPPERS = {
    (_BASE, "BaseOptimizer._backend_apply_gradients"): _apply_gradients,
    (_BASE, "BaseOptimizer._clip_gradients"): _clip,
    (_BASE, "BaseOptimizer._track_variable"): _track_variable,
    (_TENSORFLOW, "TFOptimizer._all_reduce_sum_gradients"): _all_reduce,
    (_LOSS_SCALE, "LossScaleOptimizer.check_finite"): _check_finite,
}
