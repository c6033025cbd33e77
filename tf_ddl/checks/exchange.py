"""What every rank tells the others between steps: numbers, texts, settings.

All of it blocks, and all ranks must call it. It fails as a step does when a rank is lost, does not
come, or calls something else.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tf_ddl._native.engine import Engine, TensorSpec
from tf_ddl._tf import failures
from tf_ddl.options import Options

__all__ = ["agree_on_checks", "broadcast_numbers", "gather_numbers", "gather_texts"]

#: Fields of `Options` that decide what is communicated, and that the core does not know.
_CHECKS = ("check_first_step", "check_replicas_every", "check_reductions")


def gather_numbers(
    engine: Engine, numbers: Sequence[int], purpose: str, words: str = ""
) -> np.ndarray:
    """Every rank's numbers.

    Args:
      engine: the job.
      numbers: this rank's; equally many on all.
      purpose: what they are, in messages.
      words: what this rank is doing. Ranks that are doing different things are told so.

    Returns:
      int64 [size, len(numbers)].

    Raises:
      InvalidArgumentError: the ranks' words differ, or another one called something else; names
        both.
      PeerLostError, DeadlineError: another rank did not come.
    """
    mine = np.array(numbers, np.int64)
    data, _ = _gather(engine, mine, TensorSpec(purpose, "int64", (-1,)), words)
    return np.frombuffer(data, np.int64).reshape(engine.size, len(mine))


def gather_texts(engine: Engine, text: str | bytes, purpose: str) -> list[bytes]:
    """Every rank's text, by rank.

    Args:
      engine: the job.
      text: this rank's; lengths may differ.
      purpose: what it is for, in messages.

    Raises:
      InvalidArgumentError, PeerLostError, DeadlineError: see `gather_numbers`.
    """
    mine = np.frombuffer(text.encode() if isinstance(text, str) else text, np.uint8)
    everything, counts = _gather(engine, mine, TensorSpec(purpose, "bytes", (-1, 1)))
    texts, begin = [], 0
    for count in counts:
        texts.append(everything[begin : begin + count])
        begin += count
    return texts


def _gather(
    engine: Engine, mine: np.ndarray, spec: TensorSpec, words: str = ""
) -> tuple[bytes, list[int]]:
    group = engine.register_group(f"tf_ddl: {spec.name}", "all_gather", [spec])
    with failures.as_in_a_step():
        return engine.all_gather(group, mine, mine.itemsize, call=words)


def broadcast_numbers(engine: Engine, numbers: Sequence[int], purpose: str) -> list[int]:
    """Rank 0's numbers, on every rank.

    Args:
      engine: the job.
      numbers: this rank's; equally many on all.
      purpose: what they are, in messages.

    Raises:
      InvalidArgumentError, PeerLostError, DeadlineError: see `gather_numbers`.
    """
    values = np.array(numbers, np.int64)
    spec = TensorSpec(purpose, "int64", values.shape)
    group = engine.register_group(f"tf_ddl: {purpose}", "broadcast", [spec])
    with failures.as_in_a_step():
        engine.broadcast(group, values, values, len(values))
    return values.tolist()


def agree_on_checks(engine: Engine, options: Options) -> None:
    """Compares the settings that decide what is communicated in checks.

    Raises:
      InvalidArgumentError: they differ between ranks; names a setting and its values.
    """
    if engine.size == 1:
        return
    mine = " ".join(f"{name}={getattr(options, name)}" for name in _CHECKS)
    everybodys = [text.decode() for text in gather_texts(engine, mine, "settings of checks")]
    for rank, theirs in enumerate(everybodys):
        for ours, other in zip(everybodys[0].split(), theirs.split()):
            if ours != other:
                raise failures.mistake(
                    f"rank 0 has {ours}, rank {rank} has {other}: every rank needs the same "
                    "settings"
                )
