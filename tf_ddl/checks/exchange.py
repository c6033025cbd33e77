"""What the ranks tell each other between steps, and how that fails."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence

import numpy as np

from tf_ddl import errors
from tf_ddl._native.engine import Engine, TensorSpec
from tf_ddl._tf.private_api import tf

__all__ = ["as_in_a_step", "gather_numbers"]


@contextlib.contextmanager
def as_in_a_step() -> Iterator[None]:
    """What is exchanged between steps fails as a step does when a rank is lost or does not come.

    Raises:
      tf.errors.UnavailableError: instead of PeerLostError.
      tf.errors.DeadlineExceededError: instead of DeadlineError.
    """
    try:
        yield
    except errors.PeerLostError as error:
        raise tf.errors.UnavailableError(None, None, str(error)) from error
    except errors.DeadlineError as error:
        raise tf.errors.DeadlineExceededError(None, None, str(error)) from error


def gather_numbers(engine: Engine, purpose: str, numbers: Sequence[int], words: str) -> np.ndarray:
    """Every rank's numbers. Blocks; all ranks must call it.

    Args:
      engine: the job.
      purpose: what the numbers are, in messages.
      numbers: this rank's; equally many on all.
      words: what this rank is doing. Ranks that are doing different things are told so.

    Returns:
      int64 [size, len(numbers)].

    Raises:
      InvalidArgumentError: the ranks' words differ; names both.
      tf.errors.UnavailableError, tf.errors.DeadlineExceededError: another rank did not come.
    """
    mine = np.array(numbers, np.int64)
    spec = TensorSpec(purpose, "int64", (-1,))
    group = engine.register_group(f"tf_ddl: {purpose}", "all_gather", [spec])
    with as_in_a_step():
        data, _ = engine.all_gather(group, mine, mine.itemsize, call=words)
    return np.frombuffer(data, np.int64).reshape(engine.size, len(mine))
