"""The same Keras programs in one process without tf_ddl and on several ranks, compared.

A module of *cases* is a file beside this one. Each function in it that is decorated with `@case`
takes a `Place` and returns a dict of what came out:

    @case
    def dense(place):
        with place.scope():
            model = ...
        model.fit(...)
        return {"weights": model.get_weights(), "loss": ...}

    results = run_cases("model_cases", folder=folder)  # in a fixture: two jobs, all cases in each
    results.check("dense", rtol=1e-5)               # ranks equal, and equal to the single process

A case that raises is reported by its own `check`, with the traceback; the next case goes on.
"""

from __future__ import annotations

import contextlib
import dataclasses
import importlib
import pathlib
import pickle
import traceback
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

__all__ = ["Place", "Results", "case", "run_cases"]

_CASES: dict[str, Callable[[Place], dict[str, Any]]] = {}


# --- in the worker --------------------------------------------------------------------------------


class Place:
    """Where a case runs: `strategy` is None in the single process."""

    def __init__(self, strategy: Any, folder: str) -> None:
        self.strategy = strategy
        self.folder = folder
        self.rank = 0 if strategy is None else strategy.rank
        self.size = 1 if strategy is None else strategy.size

    def scope(self) -> contextlib.AbstractContextManager:
        return contextlib.nullcontext() if self.strategy is None else self.strategy.scope()

    def run(self, fn: Callable, *args: Any) -> Any:
        return fn(*args) if self.strategy is None else self.strategy.run(fn, args=args)

    def reduce(self, value: Any) -> Any:
        return value if self.strategy is None else self.strategy.reduce("SUM", value, axis=None)

    def mine(self, rows: np.ndarray) -> np.ndarray:
        """This rank's rows of a global batch."""
        share, extra = divmod(len(rows), self.size)
        first = self.rank * share + min(self.rank, extra)
        return rows[first : first + share + (self.rank < extra)]

    def bytes_reduced(self) -> int:
        return 0 if self.strategy is None else self.strategy.stats()["bytes_reduced"]

    @contextlib.contextmanager
    def gradient_calls(self) -> Iterator[list[list[str]]]:
        """Collects the names of the tensors of each call that reduced gradients of layers."""
        calls: list[list[str]] = []
        if self.strategy is None:
            yield calls
            return
        self.strategy.record_timeline()
        before = len(self.strategy.timeline())
        yield calls
        for call in self.strategy.timeline()[before:]:
            if any(name.endswith(("/kernel", "/bias")) for name in call["tensors"]):
                calls.append(call["tensors"])
        self.strategy.record_timeline(False)


def case(fn: Callable[[Place], dict[str, Any]]) -> Callable[[Place], dict[str, Any]]:
    """Registers a case under its function's name."""
    _CASES[fn.__name__] = fn
    return fn


def work(modules: Sequence[str], folder: str, alone: bool) -> None:
    """Runs all cases of some modules in this process, a worker, and leaves what they return."""
    import keras

    strategy = None
    if not alone:
        import tf_ddl

        strategy = tf_ddl.DDLStrategy()
    for module in modules:
        importlib.import_module(module)
    place = Place(strategy, folder)
    outcomes: dict[str, Any] = {}
    for name, fn in _CASES.items():
        keras.utils.set_random_seed(11)
        keras.config.set_floatx("float32")
        keras.config.set_dtype_policy("float32")
        print(f"case {name}", flush=True)
        try:
            outcomes[name] = {key: _plain(value) for key, value in fn(place).items()}
        except Exception:
            outcomes[name] = traceback.format_exc()
            print(outcomes[name], flush=True)
    path = pathlib.Path(folder) / f"{'alone' if alone else place.rank}.pickle"
    path.write_bytes(pickle.dumps(outcomes))


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(one) for one in value]
    return value if isinstance(value, (str, bool, int, float)) else np.asarray(value)


# --- in the test ----------------------------------------------------------------------------------


@dataclasses.dataclass
class Results:
    """What the cases returned: `alone`, and `ranks` in order."""

    alone: dict[str, Any]
    ranks: list[dict[str, Any]]

    def outcome(self, name: str) -> tuple[dict[str, Any], list[dict[str, Any]]]:
        """(what the single process returned, what each rank did) for a case that did not raise."""
        for where, outcomes in (("the single process", self.alone), *enumerate(self.ranks)):
            text = outcomes.get(name, "this case did not run")
            assert not isinstance(text, str), f"{name} on rank {where}:\n{text}"
        return self.alone[name], [outcomes[name] for outcomes in self.ranks]

    def check(self, name: str, rtol: float = 1e-5, atol: float = 1e-8, only: str = "") -> None:
        """Asserts that every rank returned the same, bit for bit, and the single process nearly so.

        Args:
          name: the case.
          rtol: differences are relative to the largest magnitude in an array.
          atol: added to that.
          only: compare this key alone.
        """
        alone, ranks = self.outcome(name)
        assert alone, f"{name} returned nothing"
        for key in [only] if only else alone:
            for rank, outcome in enumerate(ranks):
                _compare(f"{name}: {key}, ranks 0 and {rank}", outcome[key], ranks[0][key], 0, 0)
            _compare(f"{name}: {key}", ranks[0][key], alone[key], rtol, atol)


def _compare(what: str, got: Any, expected: Any, rtol: float, atol: float) -> None:
    assert type(got) is type(expected), f"{what}: {got!r}, not {expected!r}"
    if isinstance(expected, dict):
        assert got.keys() == expected.keys(), what
        for key in expected:
            _compare(f"{what}[{key!r}]", got[key], expected[key], rtol, atol)
    elif isinstance(expected, list):
        assert len(got) == len(expected), what
        for i, (one, other) in enumerate(zip(got, expected, strict=True)):
            _compare(f"{what}[{i}]", one, other, rtol, atol)
    elif isinstance(expected, (str, bool, int)):
        assert got == expected, f"{what}: {got!r}, not {expected!r}"
    else:
        got, expected = np.asarray(got), np.asarray(expected)
        assert got.shape == expected.shape, f"{what}: {got.shape}, not {expected.shape}"
        assert np.isfinite(expected.astype(np.float64)).all(), f"{what}: {expected}"
        if expected.size:
            got, expected = got.astype(np.float64), expected.astype(np.float64)
            off = np.abs(got - expected).max()
            most = rtol * np.abs(expected).max() + atol
            assert off <= most, f"{what}: off by {off:.3g}, allowed {most:.3g}"


def run_cases(
    *modules: str, folder: pathlib.Path, size: int = 2, timeout: float = 240.0, **env: str
) -> Results:
    """Runs the cases of `modules` (files of this folder) in one process, then on `size` ranks."""
    from harness import run_workers

    env = {"DDL_TIMEOUT": "60", **env}
    for ranks, alone in ((1, True), (size, False)):
        script = f"""
            import sys
            sys.path.insert(0, {str(pathlib.Path(__file__).parent)!r})
            import alone_and_together
            alone_and_together.work({modules!r}, {str(folder)!r}, {alone})
        """
        run_workers(script, ranks, env=env, fresh=False, timeout=timeout)
    read = [
        pickle.loads((folder / f"{who}.pickle").read_bytes()) for who in ("alone", *range(size))
    ]
    return Results(read[0], read[1:])
