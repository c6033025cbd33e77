"""Mistakes that Keras' trainer would not notice: what is checked before anything is trained."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tf_ddl._keras.under_strategy import extended_of, of_any_trainer, of_trainer
from tf_ddl._native import process_engine
from tf_ddl._tf import failures
from tf_ddl._tf.private_api import tf

__all__ = ["ADAPTERS"]

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
            raise failures.mistake(
                f"the model {model.name!r} was made outside of the strategy's scope, so each of "
                f"the {size} ranks would train it alone, and the results would differ. Create and "
                "compile it inside `with strategy.scope():`. If every rank is to train a model of "
                "its own, create it inside "
                "`with tf.distribute.OneDeviceStrategy('/cpu:0').scope():`"
            )
    return original(model, *args, **kwargs)


ADAPTERS = (
    *of_any_trainer("compile", _compile),
    *of_any_trainer("_symbolic_build", _symbolic_build),
    *of_trainer("make_train_function", _make_train_function),
)
