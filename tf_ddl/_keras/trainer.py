"""Keras' trainer: `compile`, building, `predict` and `predict_on_batch`."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import keras

from tf_ddl._base.adapter import Adapter
from tf_ddl._base.scoped_value import ScopedValue
from tf_ddl._keras.under_strategy import extended_of, of_any_trainer, of_trainer
from tf_ddl._tf.private_api import tf
from tf_ddl.data import sharding
from tf_ddl.replica import collectives
from tf_ddl.replica.step import jit_compile_of
from tf_ddl.replica.variables import adopt

__all__ = ["ADAPTERS"]

_rows_stay = ScopedValue(False)
_LOCAL_PREDICT = "_tf_ddl_predict_on_batch"


def _compile(original: Callable[..., Any], model: Any, *args: Any, **kwargs: Any) -> None:
    """Metrics that Keras makes belong to the scope, wherever `compile` is called."""
    vars(model).pop(_LOCAL_PREDICT, None)
    extended = extended_of(model)
    if extended is None:
        original(model, *args, **kwargs)
        return
    with model.distribute_strategy.scope():
        original(model, *args, **kwargs)
    # Those that were made before, perhaps outside of the scope.
    given = inspect.signature(original).bind(model, *args, **kwargs).arguments
    for metric in keras.tree.flatten([given.get("metrics"), given.get("weighted_metrics")]):
        if isinstance(metric, keras.metrics.Metric):
            for variable in metric.variables:
                adopt(variable.value, extended.engine)
    _adopt_optimizer(getattr(model, "optimizer", None), model.distribute_strategy)


def _make_function(original: Callable[..., Any], model: Any, step_function: Any) -> Any:
    """The function around a train or test step, which XLA cannot compile as a whole.

    With `jit_compile=True`, `RunState.compiling` has the parts compiled that can be.
    """
    if extended_of(model) is None or not jit_compile_of(model):
        return original(model, step_function)
    model.jit_compile = False
    try:
        return original(model, step_function)
    finally:
        model.jit_compile = True


def _adopt_optimizer(optimizer: Any, strategy: Any) -> None:
    """Lets an optimizer that was made outside of the scope create its slots in it."""
    if optimizer is not None and not getattr(optimizer, "built", True):
        optimizer._distribution_strategy = strategy
        _adopt_optimizer(getattr(optimizer, "inner_optimizer", None), strategy)


def _reduce_per_replica(
    original: Callable[..., Any], values: Any, strategy: Any, reduction: str
) -> Any:
    """`predict` asks for a concatenation; what it asks it of are this rank's rows."""
    extended = extended_of(strategy)
    if extended is None or extended.engine.size == 1 or reduction != "concat":
        return original(values, strategy, reduction)
    if _rows_stay.get():
        return values
    return collectives.all_gather(extended.engine, values)


def _predict_on_batch(original: Callable[..., Any], model: Any, x: Any) -> Any:
    """Gives this rank's rows for this rank's rows.

    The function that `predict` traces gathers; this one is traced apart and does not.
    """
    if extended_of(model) is None:
        return original(model, x)
    gathering = model.predict_function
    with _rows_stay.set(True):
        try:
            model.predict_function = vars(model).get(_LOCAL_PREDICT)
            result = original(model, x)
            vars(model)[_LOCAL_PREDICT] = model.predict_function
        finally:
            model.predict_function = gathering
    return result


def _symbolic_build(
    original: Callable[..., Any], model: Any, iterator: Any = None, data_batch: Any = None
) -> None:
    """Builds a model before its first step, as Keras does under a strategy, if it can be done.

    A step of the user's own may give `call` something else than the batch, and a model with such a
    step needs no `call`. What it uses is then built when the step is traced, as without a strategy.
    """
    if extended_of(model) is not None and _has_own_step(model):
        return None
    if isinstance(data_batch, sharding.Share):
        data_batch = data_batch.data
    return original(model, iterator=iterator, data_batch=data_batch)


def _has_own_step(model: Any) -> bool:
    return any(
        getattr(type(model), name, None) is not getattr(keras.Model, name) or name in vars(model)
        for name in ("train_step", "test_step")
    )


def _symbolic(spec: Any) -> Any:
    """What Keras needs to know of a leaf of a batch in order to build a model: shape and dtype."""
    if isinstance(spec, tf.OptionalSpec):
        return None
    return keras.KerasTensor(tuple(spec.shape), spec.dtype.name)


def _rank(spec: Any) -> int | None:
    """Number of dimensions; None if it is not known, or if there are none, as for a label None."""
    shape = getattr(spec, "shape", None)
    return None if shape is None else shape.rank


def _maybe_symbolic_build(
    original: Callable[..., Any], model: Any, iterator: Any = None, data_batch: Any = None
) -> None:
    """Builds the model from the data's specification.

    Keras takes a batch for it: a generator's first batches would be lost, and whatever shuffles
    would be an epoch ahead of a single process.
    """
    if iterator is None or extended_of(model) is None:
        return original(model, iterator=iterator, data_batch=data_batch)
    specs = iterator._distributed_dataset.element_spec
    if all(
        isinstance(spec, tf.OptionalSpec) or _rank(spec) is not None
        for spec in tf.nest.flatten(specs)
    ):
        return original(model, data_batch=keras.tree.map_structure(_symbolic, specs))
    return original(model, iterator=iterator)


_TRAINER = "keras.src.backend.tensorflow.trainer"
ADAPTERS = (
    *of_trainer("_maybe_symbolic_build", _maybe_symbolic_build),
    *of_any_trainer("_symbolic_build", _symbolic_build),
    *of_any_trainer("compile", _compile),
    *of_trainer("_make_function", _make_function),
    Adapter(_TRAINER, "reduce_per_replica", _reduce_per_replica),
    *of_trainer("predict_on_batch", _predict_on_batch),
)
