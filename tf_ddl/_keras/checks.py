"""Mistakes that Keras' trainer would not notice: what is checked before anything is trained."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tf_ddl import errors
from tf_ddl._keras.trainer import extended_of
from tf_ddl._native import process_engine
from tf_ddl._tf.private_api import tf

__all__ = ["WRAPPERS"]

_CHECKED = "_tf_ddl_program_checked"


def _compile(original: Callable[..., Any], model: Any, *args: Any, **kwargs: Any) -> Any:
    vars(model).pop(_CHECKED, None)
    return original(model, *args, **kwargs)


def _symbolic_build(original: Callable[..., Any], model: Any, *args: Any, **kwargs: Any) -> Any:
    """Before an optimizer makes its variables: ranks whose optimizers differ would wait here."""
    extended = extended_of(model)
    if extended is not None and _CHECKED not in vars(model):
        vars(model)[_CHECKED] = True
        extended.first_step.program(model)
    return original(model, *args, **kwargs)


def _make_train_function(
    original: Callable[..., Any], model: Any, *args: Any, **kwargs: Any
) -> Any:
    """A model from outside of any scope would be trained by each rank for itself."""
    if model._distribute_strategy is None and not tf.distribute.has_strategy():
        size = process_engine.joined_size()
        if size > 1:
            raise errors.InvalidArgumentError(
                f"the model {model.name!r} was made outside of the strategy's scope, so each of "
                f"the {size} ranks would train it alone, and the results would differ. Create and "
                "compile it inside `with strategy.scope():`. If every rank is to train a model of "
                "its own, create it inside "
                "`with tf.distribute.OneDeviceStrategy('/cpu:0').scope():`"
            )
    return original(model, *args, **kwargs)


_TRAINER = "keras.src.trainers.trainer"
WRAPPERS = {
    (_TRAINER, "Trainer.compile"): _compile,
    (_TRAINER, "Trainer._symbolic_build"): _symbolic_build,
    (
        "keras.src.backend.tensorflow.trainer",
        "TensorFlowTrainer.make_train_function",
    ): _make_train_function,
}
