"""Keras' optimizers: what is clipped, what is decided together, and names.

Keras clips gradients, and looks whether they are finite, before it reduces them. That gives another
result for each number of ranks, so where either happens the reduction is moved to the front; what
follows then sees the gradients of the global batch, as in a single process.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

from tf_ddl._base.adapter import Adapter
from tf_ddl._base.scoped_value import ScopedValue
from tf_ddl._keras.under_strategy import extended_of
from tf_ddl._tf import private_api
from tf_ddl._tf.private_api import tf
from tf_ddl.replica.extended import reducing_gradients
from tf_ddl.replica.step import current_step, in_replica_context
from tf_ddl.replica.variables import is_adopted

__all__ = ["ADAPTERS"]

_reduction: ScopedValue[_Reduction | None] = ScopedValue(None)


def _apply_gradients(
    original: Callable[..., Any], optimizer: Any, grads: Any, trainable_variables: Any
) -> Any:
    """Tells the reduction what the gradients are called."""
    step, variables = current_step(), trainable_variables
    if step is None and extended_of(getattr(optimizer, "_distribution_strategy", None)) is None:
        return original(optimizer, grads, variables)
    accumulates = bool(optimizer.gradient_accumulation_steps)
    reduced = _are_reduced() or (step is not None and id(optimizer) in step.reduced_for)
    if step is not None:
        step.reduced_for.discard(id(optimizer))
    if accumulates and step is not None and step.keras_step and not reduced:
        # Gradients of no rows may be NaN, which would stay in the accumulators. What was
        # accumulated before counts all the same.
        has_rows = step.has_rows()
        if has_rows is not True:
            grads = [_or_zeros(has_rows, gradient) for gradient in grads]
    names = _note_names(grads, variables)
    # An update starts when its gradient has come; compiled updates would wait for all of them.
    not_compiling = contextlib.nullcontext() if step is None else step.compiling(False)
    with (
        not_compiling,
        _reduction.set(_Reduction(reduced)),
        reducing_gradients(names, not accumulates),
    ):
        result = original(optimizer, grads, variables)
    _check_if_unreduced(optimizer, variables)
    return result


def _check_if_unreduced(optimizer: Any, variables: Any) -> None:
    """Outside of `run` nothing reduces the gradients."""
    extended = extended_of(getattr(optimizer, "_distribution_strategy", None))
    if extended is None or extended.engine.size == 1 or in_replica_context():
        return
    if private_api.in_branch() or private_api.in_jit_compiled_function():
        return  # where a rank may be alone, or nothing can be compared
    own = [variable.value for variable in variables if extended.is_own(variable.value)]
    extended.after_unreduced_update(optimizer, own)


def _note_names(grads: Any, variables: Any) -> list[str]:
    """Has variables known by their paths; those of the variables that have a gradient."""
    paths = [getattr(variable, "path", None) or variable.name for variable in variables]
    for variable, path in zip(variables, paths):
        with contextlib.suppress(AttributeError):
            variable.value._tf_ddl_path = path
    return [path for path, gradient in zip(paths, grads) if gradient is not None]


def _or_zeros(condition: Any, gradient: Any) -> Any:
    if isinstance(gradient, tf.IndexedSlices):
        values = _or_zeros(condition, tf.convert_to_tensor(gradient.values))
        return tf.IndexedSlices(values, gradient.indices, gradient.dense_shape)
    return tf.where(condition, gradient, tf.zeros_like(gradient))


# --- one reduction, before whatever comes first ---------------------------------------------------


class _Reduction:
    """Whether the gradients that an optimizer is applying are those of all ranks together."""

    def __init__(self, done: bool) -> None:
        self.done = done


def _are_reduced() -> bool:
    reduction = _reduction.get()
    return reduction is not None and reduction.done


def _clip(original: Callable[..., Any], optimizer: Any, grads: Any) -> Any:
    """Reduces before clipping: the norm that counts is that of the global batch's gradient."""
    clips = optimizer.clipnorm or optimizer.global_clipnorm or optimizer.clipvalue
    if not clips or _are_reduced() or not in_replica_context():
        return original(optimizer, grads)
    reduction, step, grads = _reduction.get(), current_step(), list(grads)
    if reduction is not None:
        grads = _reduce_all(grads)
        reduction.done = True
    elif step is not None and id(optimizer) not in step.reduced_for:
        # An optimizer of the user's clips before it applies.
        with reducing_gradients([f"gradient {i}" for i in range(len(grads))]):
            grads = _reduce_all(grads)
        step.reduced_for.add(id(optimizer))
    return original(optimizer, grads)


def _all_reduce(original: Callable[..., Any], optimizer: Any, grads_and_vars: Any) -> Any:
    """The reduction that Keras knows of, unless it has been done."""
    return list(grads_and_vars) if _are_reduced() else original(optimizer, grads_and_vars)


def _apply_scaled(
    original: Callable[..., Any], optimizer: Any, grads: Any, trainable_variables: Any = None
) -> Any:
    """Reduces before a LossScaleOptimizer looks whether gradients are finite.

    All ranks then find the same, and gradients travel while backprop goes on. Not so where
    gradients are accumulated, since they are to be reduced once per update.
    """
    inner = optimizer.inner_optimizer
    accumulates = any(
        one.gradient_accumulation_steps for one in (inner, *getattr(inner, "optimizers", ()))
    )
    if accumulates or not in_replica_context():
        return original(optimizer, grads, trainable_variables)
    variables = list(trainable_variables or optimizer._trainable_variables)
    names = _note_names(grads, variables)
    with reducing_gradients(names, must_be_finite=False):
        grads = _reduce_all(list(grads))
    with _reduction.set(_Reduction(True)):
        return original(optimizer, grads, variables)


def _reduce_all(grads: list[Any]) -> list[Any]:
    present = [gradient for gradient in grads if gradient is not None]
    reduced = iter(tf.distribute.get_replica_context().all_reduce("SUM", present))
    return [None if gradient is None else next(reduced) for gradient in grads]


def _check_finite(original: Callable[..., Any], optimizer: Any, grads: Any) -> Any:
    """A step is skipped on all ranks or on none: who skips it would not take part in reductions."""
    finite = original(optimizer, grads)
    if _are_reduced() or not in_replica_context():
        return finite
    step = current_step()
    if step is not None and step.keras_step:
        finite = tf.logical_or(finite, tf.logical_not(step.has_rows()))
    bad = tf.cast(tf.logical_not(finite), tf.int32, name="gradients_are_not_finite")
    bad = tf.distribute.get_replica_context().all_reduce("SUM", bad)
    return tf.equal(bad, 0)


def _track_variable(original: Callable[..., Any], optimizer: Any, variable: Any) -> Any:
    """Marks the optimizer's own variables: they are not statistics of the data."""
    with contextlib.suppress(AttributeError):
        if is_adopted(variable.value):
            variable.value._tf_ddl_optimizer = True
    return original(optimizer, variable)


_BASE = "keras.src.optimizers.base_optimizer"
_TENSORFLOW = "keras.src.backend.tensorflow.optimizer"
_LOSS_SCALE = "keras.src.optimizers.loss_scale_optimizer"
ADAPTERS = (
    Adapter(_BASE, "BaseOptimizer._backend_apply_gradients", _apply_gradients),
    Adapter(_BASE, "BaseOptimizer._clip_gradients", _clip),
    Adapter(_BASE, "BaseOptimizer._track_variable", _track_variable),
    Adapter(_TENSORFLOW, "TFOptimizer._all_reduce_sum_gradients", _all_reduce),
    Adapter(_LOSS_SCALE, "LossScaleOptimizer._common_apply", _apply_scaled),
    Adapter(_LOSS_SCALE, "LossScaleOptimizer.check_finite", _check_finite),
)
