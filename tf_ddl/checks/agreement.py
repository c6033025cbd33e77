"""Ranks show each other texts: the base of checks that name what differs, and where."""

from __future__ import annotations

import numpy as np

from tf_ddl import errors
from tf_ddl._native.engine import Engine, TensorSpec
from tf_ddl.checks.description import Description, compare_descriptions
from tf_ddl.options import Options

__all__ = ["agree_on_checks", "compare_ranks", "gather_texts"]

#: Fields of `Options` that decide what is communicated, and that the core does not know.
_CHECKS = ("check_first_step", "check_replicas_every", "check_reductions")


def gather_texts(engine: Engine, text: str | bytes, purpose: str) -> list[bytes]:
    """Every rank's text, by rank. Blocks; all ranks must call it.

    Args:
      engine: the job.
      text: this rank's; lengths may differ.
      purpose: what it is for, in the messages about ranks that do not come.

    Raises:
      InvalidArgumentError: another rank called something else; names both.
      PeerLostError, DeadlineError: another rank did not come.
    """
    data = text.encode() if isinstance(text, str) else text
    spec = TensorSpec(purpose, "bytes", (-1, 1))
    group = engine.register_group(f"tf_ddl: {purpose}", "all_gather", [spec])
    everything, counts = engine.all_gather(group, np.frombuffer(data, np.uint8), 1)
    texts, begin = [], 0
    for count in counts:
        texts.append(everything[begin : begin + count])
        begin += count
    return texts


def compare_ranks(engine: Engine, mine: Description, purpose: str) -> list[str]:
    """What is wrong when the ranks' descriptions are laid side by side.

    Digests first: where all is well, that is all that is sent.
    """
    if engine.size == 1:
        return compare_descriptions([mine])
    flag = b"!" if mine.foreign else b"."
    digests = gather_texts(engine, mine.digest() + flag, purpose)
    if len(set(digests)) == 1 and digests[0].endswith(b"."):
        return []
    # A rank whose description another one sends too leaves that to the lower one.
    with_names = mine.foreign or digests.index(digests[engine.rank]) == engine.rank
    texts = gather_texts(engine, mine.text() if with_names else "", f"{purpose}, in full")
    ranks: list[Description] = []
    for rank, text in enumerate(texts):
        like = digests.index(digests[rank])
        ranks.append(Description.from_text(text.decode()) if text else ranks[like])
    return compare_descriptions(ranks)


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
                raise errors.InvalidArgumentError(
                    f"rank 0 has {ours}, rank {rank} has {other}: every rank needs the same "
                    "settings"
                )
