"""Keras' `train_on_batch` and `test_on_batch`: what they return is about all ranks' rows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from keras.src.utils.python_utils import pythonify_logs

from tf_ddl._keras.under_strategy import extended_of, of_trainer

__all__ = ["ADAPTERS"]


def _on_batch(original: Callable[..., Any], model: Any, args: Any, return_dict: bool) -> Any:
    """The step itself returns this rank's metrics; outside of it they are global."""
    extended = extended_of(model)
    if extended is None or extended.engine.size == 1:
        return original(model, *args, return_dict=return_dict)
    logs = original(model, *args, return_dict=True)
    logs = pythonify_logs(model._get_metrics_result_or_logs(logs))
    return logs if return_dict else model._flatten_metrics_in_order(logs)


def _train_on_batch(
    original: Callable[..., Any],
    model: Any,
    x: Any,
    y: Any = None,
    sample_weight: Any = None,
    class_weight: Any = None,
    return_dict: bool = False,
) -> Any:
    return _on_batch(original, model, (x, y, sample_weight, class_weight), return_dict)


def _test_on_batch(
    original: Callable[..., Any],
    model: Any,
    x: Any,
    y: Any = None,
    sample_weight: Any = None,
    return_dict: bool = False,
) -> Any:
    return _on_batch(original, model, (x, y, sample_weight), return_dict)


ADAPTERS = (
    *of_trainer("train_on_batch", _train_on_batch),
    *of_trainer("test_on_batch", _test_on_batch),
)
