"""Whose strategy is ours, and the class of Keras' that trains under it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tf_ddl._base.adapter import Adapter
from tf_ddl.replica.extended import DDLExtended

__all__ = ["extended_of", "of_any_trainer", "of_trainer"]

_ANY_TRAINER = "keras.src.trainers.trainer"
_TRAINER = "keras.src.backend.tensorflow.trainer"


def extended_of(model_or_strategy: Any) -> DDLExtended | None:
    """The strategy's implementation, if it is a DDLStrategy."""
    strategy = getattr(model_or_strategy, "distribute_strategy", model_or_strategy)
    extended = getattr(strategy, "extended", None)
    return extended if isinstance(extended, DDLExtended) else None


def of_trainer(name: str, wrapper: Callable[..., Any]) -> tuple[Adapter, ...]:
    """Adapters of a method of the trainer for TensorFlow, whose class Keras 3.16 renamed."""
    return (
        Adapter(_TRAINER, f"TensorFlowTrainer.{name}", wrapper, before=(3, 16)),
        Adapter(_TRAINER, f"Trainer.{name}", wrapper, since=(3, 16)),
    )


def of_any_trainer(name: str, wrapper: Callable[..., Any]) -> tuple[Adapter, ...]:
    """As `of_trainer`, of the trainer that those of all backends derive from."""
    return (
        Adapter(_ANY_TRAINER, f"Trainer.{name}", wrapper, before=(3, 16)),
        Adapter(_ANY_TRAINER, f"BaseTrainer.{name}", wrapper, since=(3, 16)),
    )
