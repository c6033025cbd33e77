"""A seed that all ranks share, for programs that set none; and other seeds for each rank's steps.

Initial values, shuffling and pipelines are to be the same on every rank, noise within
`strategy.run` (dropout masks, augmentation, samples) another on each. So a seed that is drawn there
is combined with the rank: by Keras' generators (`of_rank`) and by TensorFlow's random ops
(`in_run`). What is stored, a generator's state and the global seed, stays the same on all ranks.
Rank 0 draws what a single process draws.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import random

import numpy as np

from tf_ddl._native.engine import Engine
from tf_ddl._tf import private_api
from tf_ddl._tf.private_api import tf
from tf_ddl.checks.exchange import broadcast_numbers, gather_texts

__all__ = ["agree", "common_seed", "in_run", "of_rank"]

_agreed: int | None = None


def agree(engine: Engine) -> None:
    """Sets TensorFlow's global seed to one that rank 0 draws, unless the user has set one.

    Python's and NumPy's global generators go on from rank 0's state, by which programs shuffle.
    All ranks must call it. In a world of one it does nothing: a program stays as random as it was.
    """
    global _agreed
    if engine.size == 1:
        return
    _share_generators(engine)
    (seed,) = broadcast_numbers(engine, [int.from_bytes(os.urandom(4), "little")], "random seed")
    if private_api.global_seed() is None:
        _agreed = seed & 0x7FFFFFFF
        tf.random.set_seed(_agreed)


def _share_generators(engine: Engine) -> None:
    """If all ranks have set the same seeds, nothing changes."""
    version, internal, gauss = random.getstate()
    name, keys, *rest = np.random.get_state(legacy=True)
    mine = json.dumps([[version, internal, gauss], [name, np.asarray(keys).tolist(), *rest]])
    text = mine if engine.rank == 0 else ""
    (version, internal, gauss), of_numpy = json.loads(
        gather_texts(engine, text, "state of Python's and NumPy's random generators")[0]
    )
    random.setstate((version, tuple(internal), gauss))
    name, keys, *rest = of_numpy
    np.random.set_state((name, np.array(keys, np.uint32), *rest))


def common_seed() -> int | None:
    """The seed that `agree` has set, while it is in force; None once the user has set another."""
    return _agreed if _agreed is not None and private_api.global_seed() == _agreed else None


def of_rank(seed: tf.Tensor, rank: int) -> tf.Tensor:
    """A seed of stateless random ops, int32 or int64 [2], made another one for each rank."""
    if rank == 0:
        return seed
    return tf.random.experimental.stateless_fold_in(seed, tf.cast(rank, seed.dtype))


def in_run(rank: int) -> contextlib.AbstractContextManager[None]:
    """Random ops of TensorFlow that are made within draw other numbers on each rank."""
    if rank == 0:
        return contextlib.nullcontext()

    def derive(seed: int) -> int:
        digest = hashlib.sha256(f"{seed} rank {rank}".encode()).digest()
        return int.from_bytes(digest[:4], "little") & 0x7FFFFFFF

    return private_api.random_ops_seeded(derive)
