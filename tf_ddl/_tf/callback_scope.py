"""Which callback of Keras this thread is in, so that what it does on one rank alone is named.

Callbacks run on every rank, outside of any step. Collectives that they make there, and variables
that they assign, are noted, so that ranks of which one does what the others do not are told so
instead of waiting for each other. `_keras.callbacks` enters the hooks.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator
from typing import Any

from tf_ddl._base.scoped_value import ScopedValue

__all__ = [
    "announce",
    "announce_function",
    "entered",
    "in_loop",
    "is_in_loop",
    "note_assignment",
    "place",
]

_Announcing = Callable[[str], None]
#: The hook's name, whom to tell of collectives, and the variables that were assigned.
_hook: ScopedValue[tuple[str, _Announcing, dict[int, Any]] | None] = ScopedValue(None)
_in_loop = ScopedValue(False)


@contextlib.contextmanager
def entered(name: str, announcing: _Announcing) -> Iterator[dict[int, Any]]:
    """Within, collectives are announced by calling `announcing`, with words that say which.

    Yields:
      The variables that are assigned meanwhile, by id.
    """
    assigned: dict[int, Any] = {}
    with _hook.set((name, announcing, assigned)), _in_loop.set(False):
        yield assigned


def in_loop() -> contextlib.AbstractContextManager[None]:
    """Within, functions are not announced: a loop of Keras, whose own hooks are exchanged."""
    return _in_loop.set(True)


def is_in_loop() -> bool:
    """Whether this thread is in a loop of Keras, and in none of its hooks."""
    return _in_loop.get()


def announce(what: str) -> None:
    """To be called before a collective that is not part of a step."""
    hook = _hook.get()
    if hook is None:
        return
    _, announcing, _ = hook
    words = f"{what}{place()}"
    with _hook.set(None):
        announcing(words)


def announce_function(what: str) -> None:
    """To be called before a function is executed in which `what` is a collective."""
    if not is_in_loop():
        announce(f"{what} in a tf.function")


def note_assignment(variable: Any) -> None:
    """To be called when a variable is assigned outside of a step."""
    hook = _hook.get()
    if hook is not None:
        hook[2][id(variable)] = variable


def place() -> str:
    """In which callback this is: " in MyCallback.on_epoch_end"; "" outside of callbacks."""
    hook = _hook.get()
    if hook is None:
        return ""
    frame: Any = sys._getframe(1)
    while frame is not None:
        name, owner = frame.f_code.co_name, frame.f_locals.get("self")
        if name.startswith("on_") and _is_callback(type(owner)):
            return f" in {type(owner).__name__}.{name}"
        frame = frame.f_back
    return f" in a callback's {hook[0]}"


def _is_callback(cls: type) -> bool:
    """Whether it is one of the user's or of Keras', but not the list of them."""
    names = {base.__name__ for base in cls.__mro__ if base.__module__.startswith("keras.")}
    return "Callback" in names and "CallbackList" not in names
