"""Dropout masks and augmentations are other ones on each rank.

Keras draws seeds from generators whose states are variables, equal on all ranks and in checkpoints.
Within `strategy.run` a seed is combined with the rank after it was drawn, so states stay equal.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tf_ddl import _run_state, _seed
from tf_ddl._tf_compat import tf

__all__ = ["WRAPPERS"]


def _next(original: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    seed = original(*args, **kwargs)
    if not _run_state.in_replica_context():
        return seed
    engine = tf.distribute.get_strategy().extended.engine
    return _seed.of_rank(tf.convert_to_tensor(seed), engine.rank)


WRAPPERS = {("keras.src.random.seed_generator", "SeedGenerator.next"): _next}
