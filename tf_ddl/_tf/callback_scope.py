"""What runs in a hook of a Keras callback, on this thread.

Callbacks run on every rank, outside of any step. Collectives that they make there, and variables
that they assign, are noted, so that ranks of which one does what the others do not are told so
instead of waiting for each other. `_keras.callbacks` enters the hooks.
"""

from __future__ import annotations

import contextlib
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any

__all__ = ["announce", "announce_function", "entered", "in_loop", "note_assignment", "place"]

_thread = threading.local()


@contextlib.contextmanager
def entered(name: str, announcing: Callable[[str], None]) -> Iterator[dict[int, Any]]:
    """Within, collectives are announced by calling `announcing`, with words that say which.

    Yields:
      The variables that are assigned meanwhile, by id.
    """
    outer = getattr(_thread, "hook", None)
    assigned: dict[int, Any] = {}
    _thread.hook = (name, announcing, assigned)
    try:
        with _looping(False):
            yield assigned
    finally:
        _thread.hook = outer


def in_loop() -> contextlib.AbstractContextManager[None]:
    """Within, functions are not announced: a loop of Keras, whose own hooks are exchanged."""
    return _looping(True)


@contextlib.contextmanager
def _looping(looping: bool) -> Iterator[None]:
    outer = getattr(_thread, "looping", False)
    _thread.looping = looping
    try:
        yield
    finally:
        _thread.looping = outer


def announce(what: str) -> None:
    """To be called before a collective that is not part of a step."""
    hook = getattr(_thread, "hook", None)
    if hook is None:
        return
    _, announcing, _ = hook
    words = f"{what}{place()}"
    outer, _thread.hook = hook, None
    try:
        announcing(words)
    finally:
        _thread.hook = outer


def announce_function(what: str) -> None:
    """To be called before a function is executed in which `what` is a collective."""
    if not getattr(_thread, "looping", False):
        announce(f"{what} in a tf.function")


def note_assignment(variable: Any) -> None:
    """To be called when a variable is assigned outside of a step."""
    hook = getattr(_thread, "hook", None)
    if hook is not None:
        hook[2][id(variable)] = variable


def place() -> str:
    """In which callback this is: " in MyCallback.on_epoch_end"; "" outside of callbacks."""
    hook = getattr(_thread, "hook", None)
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
