"""Callbacks: what they decide is decided for all ranks, and what they do has to be done by all.

A callback may set `model.stop_training` on one rank alone, because its batch had a NaN or its clock
is ahead; that rank would leave the loop and the others would wait for it. So after a hook in which
something may be decided the ranks tell each other, and stop together. Batches cost this only if
some rank has a callback that does something there.

The same exchange finds a callback that communicates on one rank only: before a collective in a hook
a rank says what it is about to do, and who is through with the hook says that; the core compares
these words. Weights and settings that were assigned in a hook are compared, too.
"""

from __future__ import annotations

import os
import zlib
from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np

from tf_ddl._base.adapter import Adapter
from tf_ddl._keras.under_strategy import extended_of, of_trainer
from tf_ddl._tf import callback_scope, failures
from tf_ddl._tf.local_values import display_name, local_value
from tf_ddl._tf.private_api import tf
from tf_ddl.checks.exchange import broadcast_numbers, gather_numbers
from tf_ddl.checks.replicas import checksum
from tf_ddl.replica import collectives
from tf_ddl.replica.extended import DDLExtended

__all__ = ["ADAPTERS"]

_STOPS = {"train": "stop_training", "test": "stop_evaluating", "predict": "stop_predicting"}
_LOOPS = {"train": "fit", "test": "evaluate", "predict": "predict"}
_HOOKS = ("on_epoch_begin", "on_epoch_end") + tuple(
    f"on_{loop}_{when}" for loop in _STOPS for when in ("begin", "batch_begin", "batch_end", "end")
)
#: What on_batch_end is called for.
_ALIASES = {"on_batch_begin": "on_train_batch_begin", "on_batch_end": "on_train_batch_end"}
#: Keras' callbacks whose hooks may decide or assign something that differs between ranks.
_DECIDING = (
    keras.callbacks.LambdaCallback,
    keras.callbacks.LearningRateScheduler,
    keras.callbacks.TerminateOnNaN,
)
_BACKUP = keras.callbacks.BackupAndRestore
#: Write the same on every rank, to one place.
_WRITERS = (
    keras.callbacks.CSVLogger,
    keras.callbacks.RemoteMonitor,
    keras.callbacks.TensorBoard,
)


class _Exchange:
    """What the ranks tell each other between the hooks of one list of callbacks."""

    def __init__(self, extended: DDLExtended, model: Any, callbacks: Sequence[Any]) -> None:
        self.extended = extended
        self._engine = extended.engine
        self._model = model
        self._callbacks = callbacks
        self._needed: set[str] = set()
        self._restores = False

    def begin(self, loop: str) -> None:
        """At the start of fit, evaluate or predict: which hooks need an exchange, on any rank."""
        mine = [int(_does_something(self._callbacks, hook)) for hook in _HOOKS]
        mine.append(int(any(isinstance(one, _BACKUP) for one in self._callbacks)))
        words = f"began {_LOOPS[loop]} of model '{self._model.name}'{callback_scope.place()}"
        everybodys = self._gather(words, mine).max(axis=0)
        self._needed = {hook for hook, any_rank in zip(_HOOKS, everybodys) if any_rank}
        self._needed.add("on_epoch_end")
        self._restores = bool(everybodys[-1])
        if self._restores:  # a later fit must not find what is about to be removed
            self._needed.add("on_train_end")

    def is_needed(self, hook: str) -> bool:
        """Whether anything may happen in it, on any rank."""
        return hook in self._needed

    def announce(self, words: str) -> None:
        """Before a collective in a hook."""
        self._gather(words, [0, 0, 0, 0])

    def end(self, hook: str, assigned: Sequence[Any]) -> None:
        """After a hook: stops together, compares what was assigned."""
        if hook == "on_train_begin" and self._restores:
            _restore_everywhere(self.extended, self._model)
            assigned = []
        if not self.is_needed(hook):
            return
        stop = _STOPS[hook.split("_")[1]] if "epoch" not in hook else "stop_training"
        names = sorted(display_name(variable) for variable in assigned)
        sums = [checksum(variable) for variable in assigned]
        told = [
            int(bool(getattr(self._model, stop, False))),
            len(assigned),
            zlib.crc32("\n".join(names).encode()),
            int(np.array(sums, np.int64).sum()),
        ]
        everybodys = self._gather(f"ended its callbacks' {hook}", told)
        if everybodys[:, 0].any():
            setattr(self._model, stop, True)
        if (everybodys[:, 1:] != everybodys[:1, 1:]).any():
            self._compare_variables(hook)

    def _compare_variables(self, hook: str) -> None:
        optimizer = getattr(self._model, "optimizer", None)
        variables = [
            variable.value
            for variable in [
                *self._model.trainable_variables,
                *getattr(optimizer, "variables", []),
            ]
        ]
        try:
            self.extended.compare(variables)
        except tf.errors.InvalidArgumentError as error:
            message = f"{error.message} It was assigned in a callback's {hook}."
            raise failures.mistake(message) from None

    def _gather(self, words: str, numbers: Sequence[int]) -> np.ndarray:
        """Every rank's numbers, [size, len(numbers)]; an error if the ranks' words differ."""
        return gather_numbers(self._engine, numbers, "what callbacks did", words)


def _does_something(callbacks: Sequence[Any], hook: str) -> bool:
    """Whether in this hook a callback may decide, assign or communicate something."""
    names = [hook, *(alias for alias, real in _ALIASES.items() if real == hook)]
    for callback in callbacks:
        ours = type(callback).__module__.startswith("keras.src.callbacks.")
        if ours and not isinstance(callback, _DECIDING):
            continue
        if any(not getattr(getattr(callback, name), "_is_default", False) for name in names):
            return True
    return False


def _restore_everywhere(extended: DDLExtended, model: Any) -> None:
    """After BackupAndRestore has restored rank 0: the other ranks get what it has."""
    engine = extended.engine
    epoch = getattr(model, "_initial_epoch", None)
    told = -1 if epoch is None else epoch
    (restored,) = broadcast_numbers(engine, [told], "epoch that is restored")
    if restored < 0:
        return
    model._initial_epoch = restored
    variables = [*model.variables, *getattr(model.optimizer, "variables", [])]
    for variable in variables:
        mine = local_value(variable.value)
        value = collectives.broadcast(engine, mine, name=variable.path)
        variable.value.assign(value)


def _hook(name: str) -> Callable[..., Any]:
    loop = name.split("_")[1]

    def wrapper(original: Callable[..., Any], callbacks: Any, *args: Any, **kwargs: Any) -> None:
        exchange = getattr(callbacks, "_tf_ddl_exchange", None)
        if exchange is None or ("batch" in name and not exchange.is_needed(name)):
            original(callbacks, *args, **kwargs)
            return
        if loop in _LOOPS and name == f"on_{loop}_begin":
            exchange.begin(loop)
        with callback_scope.entered(name, exchange.announce) as assigned:
            original(callbacks, *args, **kwargs)
        exchange.end(name, list(assigned.values()))

    return wrapper


def _init(
    original: Callable[..., Any],
    self: Any,
    callbacks: Any = None,
    add_history: bool = False,
    add_progbar: bool = False,
    model: Any = None,
    **params: Any,
) -> None:
    """Rank 0 shows the progress bar and writes the logs; DDL_ALL_RANKS_VERBOSE=1: every rank."""
    extended = extended_of(model)
    quiet = extended is not None and extended.engine.rank > 0
    if quiet and os.environ.get("DDL_ALL_RANKS_VERBOSE", "0") in ("", "0"):
        add_progbar, params["verbose"] = False, 0
        callbacks = [
            one for one in keras.tree.flatten(callbacks or []) if not isinstance(one, _WRITERS)
        ]
    original(self, callbacks, add_history, add_progbar, model, **params)
    # Lists that users make and call themselves need not be the same on all ranks.
    if extended is not None and extended.engine.size > 1 and callback_scope.is_in_loop():
        self._tf_ddl_exchange = _Exchange(extended, model, self.callbacks)
        for callback in self.callbacks:
            callback._tf_ddl_exchanges = True


def _loop(original: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """What a loop runs is not announced function by function: its hooks are exchanged."""
    with callback_scope.in_loop():
        return original(*args, **kwargs)


_MODULE = "keras.src.callbacks.callback_list"
ADAPTERS = (
    *(adapter for name in _LOOPS.values() for adapter in of_trainer(name, _loop)),
    Adapter(_MODULE, "CallbackList.__init__", _init),
    *(Adapter(_MODULE, f"CallbackList.{name}", _hook(name)) for name in _HOOKS),
)
