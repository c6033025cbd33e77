"""What a rank is about to train, as text, and the mistakes that show when ranks are compared.

Each rank describes its own; `Description` says how. Nothing here communicates or needs TensorFlow.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Sequence
from typing import Any

from tf_ddl._base.words import SHOWN, names_of, ranks_of

__all__ = ["Description", "compare_descriptions"]


@dataclasses.dataclass(frozen=True)
class Description:
    """What one rank is about to train.

    Attributes:
      facts: what must be equal on every rank, as text by what it is: `{"optimizer.momentum":
        "0.9"}`.
      weights: (name, dtype and shape, digest of the value) of each variable, in the model's order.
        Names are for messages: a rank that made another model first has other automatic ones.
      foreign: names of variables that were made outside of the strategy's scope.
    """

    facts: dict[str, str]
    weights: list[tuple[str, str, str]]
    foreign: list[str]

    def text(self) -> str:
        """As JSON."""
        return json.dumps(dataclasses.asdict(self))

    @classmethod
    def from_text(cls, text: str) -> Description:
        """The description that `text` is the JSON of."""
        fields: dict[str, Any] = json.loads(text)
        fields["weights"] = [(name, spec, digest) for name, spec, digest in fields["weights"]]
        return cls(**fields)

    def digest(self) -> bytes:
        """32 bytes, equal for descriptions between which `compare` finds nothing."""
        content = [sorted(self.facts.items()), [weight[1:] for weight in self.weights]]
        return hashlib.sha256(json.dumps(content).encode()).digest()


def _by_value(values: Sequence[str]) -> str:
    """ "0.1 on rank 0 and 0.2 on ranks 1, 2": which value which ranks have."""
    ranks: dict[str, list[int]] = {}
    for rank, value in enumerate(values):
        ranks.setdefault(value, []).append(rank)
    parts = [f"{value} on {ranks_of(where, len(values))}" for value, where in ranks.items()]
    more = [f"{len(parts) - SHOWN} other values elsewhere"] if len(parts) > SHOWN else []
    return " and ".join(parts[:SHOWN] + more)


def compare_descriptions(ranks: Sequence[Description]) -> list[str]:
    """What is wrong, if anything: one sentence or more each, with ranks, names and advice.

    Args:
      ranks: every rank's description, in order.
    """
    found = [*_foreign(ranks), *_facts(ranks)]
    specs = _specs(ranks)
    return [*found, *specs] if specs else [*found, *_values(ranks)]


def _foreign(ranks: Sequence[Description]) -> list[str]:
    where: dict[tuple[str, ...], list[int]] = {}
    for rank, description in enumerate(ranks):
        if description.foreign:
            where.setdefault(tuple(description.foreign), []).append(rank)
    return [
        f"variables made outside of the strategy's scope, on {ranks_of(some, len(ranks))}: "
        f"{names_of(names)}. They do not begin with the same values on all ranks, and their "
        "gradients may not be reduced. Create the model and the optimizer inside "
        "`with strategy.scope():`"
        for names, some in where.items()
    ]


def _facts(ranks: Sequence[Description]) -> list[str]:
    keys = {key: None for description in ranks for key in description.facts}
    differing = []
    for key in keys:
        values = [description.facts.get(key, "missing") for description in ranks]
        if len(set(values)) > 1:
            differing.append(f"{key} is {_by_value(values)}")
    if not differing:
        return []
    more = f"; and {len(differing) - SHOWN} more" if len(differing) > SHOWN else ""
    return [
        f"the ranks' programs differ: {'; '.join(differing[:SHOWN])}{more}. Every rank must run "
        "the same program: look for code that depends on the rank, for files or command lines "
        "that differ between hosts, and for settings drawn at random without a common seed"
    ]


def _specs(ranks: Sequence[Description]) -> list[str]:
    """The first weight that is another one on some rank."""
    longest = max(len(description.weights) for description in ranks)
    for i in range(longest):
        weights = [d.weights[i] if i < len(d.weights) else None for d in ranks]
        if len({weight and weight[1] for weight in weights}) > 1:
            values = [f"'{w[0]}' {w[1]}" if w else "missing" for w in weights]
            return [
                f"the ranks' models differ: weight number {i} is {_by_value(values)}. Build the "
                "same model on every rank"
            ]
    return []


def _values(ranks: Sequence[Description]) -> list[str]:
    differing: dict[tuple[int, ...], list[str]] = {}
    for i, (name, _, digest) in enumerate(ranks[0].weights):
        others = tuple(r for r, other in enumerate(ranks) if other.weights[i][2] != digest)
        if others:
            differing.setdefault(others, []).append(name)
    return [
        f"weights differ between rank 0 and {ranks_of(others, len(ranks))}: {names_of(names)}. "
        "Load or assign the same values on every rank (all ranks may read the same file), or make "
        "the variables inside `with strategy.scope():`, where they begin with rank 0's values"
        for others, names in differing.items()
    ]
