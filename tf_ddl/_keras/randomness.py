"""Dropout masks and augmentations are other ones on each rank.

Keras draws seeds from generators whose states are variables, equal on all ranks and in checkpoints.
Within `strategy.run` a seed is combined with the rank after it was drawn, so states stay equal.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tf_ddl._tf.private_api import tf
from tf_ddl.replica import seeds
from tf_ddl.replica.step import in_replica_context

__all__ = ["WRAPPERS"]


def _next(original: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    seed = original(*args, **kwargs)
    if not in_replica_context():
        return seed
    engine = tf.distribute.get_strategy().extended.engine
    return seeds.of_rank(tf.convert_to_tensor(seed), engine.rank)


WRAPPERS = {("keras.src.random.seed_generator", "SeedGenerator.next"): _next}
