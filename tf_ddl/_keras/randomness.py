"""Dropout masks and augmentations differ from rank to rank.

Keras draws seeds from generators whose states are variables, equal on all ranks and in checkpoints.
Within `strategy.run` a seed is combined with the rank after it was drawn, so states stay equal.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tf_ddl._base.adapter import Adapter
from tf_ddl._tf.private_api import tf
from tf_ddl.replica import seeds
from tf_ddl.replica.step import in_replica_context

__all__ = ["ADAPTERS"]


def _next(original: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    seed = original(*args, **kwargs)
    if not in_replica_context():
        return seed
    engine = tf.distribute.get_strategy().extended.engine
    return seeds.of_rank(tf.convert_to_tensor(seed), engine.rank)


ADAPTERS = (Adapter("keras.src.random.seed_generator", "SeedGenerator.next", _next),)
