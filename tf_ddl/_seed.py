"""A seed that all ranks share, for programs that set none."""

from __future__ import annotations

import os

import numpy as np

from tf_ddl import _core, _tf_compat
from tf_ddl._tf_compat import tf

__all__ = ["agree", "common_seed"]

_agreed: int | None = None


def agree(engine: _core.Engine) -> None:
    """Sets TensorFlow's global seed to one that rank 0 draws, unless the user has set one.

    All ranks must call it. In a world of one it does nothing: a program stays as random as it was.
    """
    global _agreed
    if engine.size == 1:
        return
    seed = np.frombuffer(os.urandom(8), dtype=np.int64).copy()
    group = engine.register_group(
        "tf_ddl random seed", "broadcast", [_core.TensorSpec("random seed", "int64", (1,))]
    )
    engine.broadcast(group, seed, seed, 1)
    if _tf_compat.global_seed() is None:
        _agreed = int(seed[0]) & 0x7FFFFFFF
        tf.random.set_seed(_agreed)


def common_seed() -> int | None:
    """The seed that `agree` has set, while it is in force; None once the user has set another."""
    return _agreed if _agreed is not None and _tf_compat.global_seed() == _agreed else None
