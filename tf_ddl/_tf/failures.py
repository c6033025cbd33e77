"""Errors that can be caught as tf_ddl's and as TensorFlow's, wherever they are found.

A mistake may be found by Python before a step, or by an op while a graph is executed; a lost rank
by either. TensorFlow knows its own classes only, so an error of a graph would be a
`tf.errors.InvalidArgumentError` and the same one before a step a
`tf_ddl.errors.InvalidArgumentError`. The classes here are both, and errors of our ops and checks
become them where TensorFlow raises exceptions (`of_status` and `of_execution`, which are adapters).
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Iterator
from typing import Any

from tf_ddl import errors
from tf_ddl._tf.private_api import tf

__all__ = [
    "DeadlineError",
    "InvalidArgumentError",
    "PeerLostError",
    "as_in_a_step",
    "check",
    "mistake",
    "of_execution",
    "of_status",
]

#: Name of the ops that fail with one of our messages, and a part of the names of our own.
_CHECK = "tf_ddl_check"
_OURS = re.compile(r"\{\{node [^}]*(Ddl[A-Z]|tf_ddl_check)|\[Op:Ddl")


class _Both:
    """Shown, and sent to other processes, as if it were the class of `tf_ddl.errors`."""

    def __init_subclass__(cls) -> None:
        cls.__module__ = errors.__name__

    def __reduce__(self: Any) -> Any:
        return _made, (type(self).__name__, self.message)


def _made(name: str, message: str) -> Any:
    return globals()[name](None, None, message)


class InvalidArgumentError(_Both, tf.errors.InvalidArgumentError, errors.InvalidArgumentError):
    """The input is wrong, or the ranks disagree about it."""


class PeerLostError(_Both, tf.errors.UnavailableError, errors.PeerLostError):
    """Another rank died, left early, or aborted the job."""


class DeadlineError(_Both, tf.errors.DeadlineExceededError, errors.DeadlineError):
    """Something that waits for other ranks ran out of time."""


#: By the core's class, and by TensorFlow's.
_BY_OURS: dict[type, Any] = {
    errors.InvalidArgumentError: InvalidArgumentError,
    errors.PeerLostError: PeerLostError,
    errors.DeadlineError: DeadlineError,
}
_BY_TENSORFLOWS: dict[type, Any] = {
    tf.errors.InvalidArgumentError: InvalidArgumentError,
    tf.errors.UnavailableError: PeerLostError,
    tf.errors.DeadlineExceededError: DeadlineError,
}
_THEIRS: Any = tuple(_BY_TENSORFLOWS)


def mistake(message: str) -> InvalidArgumentError:
    """An error to raise for what is wrong with the program, or differs between ranks."""
    return InvalidArgumentError(None, None, message)


@contextlib.contextmanager
def as_in_a_step() -> Iterator[None]:
    """What is exchanged between steps fails as a step does.

    Raises:
      InvalidArgumentError, PeerLostError, DeadlineError: those of this module, instead of those of
        `tf_ddl.errors`.
    """
    try:
        yield
    except errors.DDLError as error:
        both = _BY_OURS.get(type(error))
        if both is None:
            raise
        raise both(None, None, str(error)) from error


def check(condition: Any, message: tf.Tensor) -> Any:
    """Fails with `message` unless `condition` holds: now, or when the graph is executed.

    Args:
      condition: boolean scalar tensor.
      message: string scalar tensor, without quotation marks, which TensorFlow would escape.

    Returns:
      In a graph the op that checks, to be waited for; else None.

    Raises:
      InvalidArgumentError: in eager mode.
    """
    if not tf.executing_eagerly():
        return tf.debugging.Assert(condition, [message], name=_CHECK)
    if not condition:
        raise mistake(message.numpy().decode())
    return None


def of_status(original: Callable[..., Any], status: Any) -> Any:
    """Stands for the function of TensorFlow that makes an exception of what an op reports."""
    return _as_both(original(status))


def of_execution(original: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """Stands for the function of TensorFlow that executes functions, and some ops."""
    try:
        return original(*args, **kwargs)
    except _THEIRS as error:
        both = _as_both(error)
        if both is error:
            raise
    raise both from None


def _as_both(error: Any) -> Any:
    both = _BY_TENSORFLOWS.get(type(error))
    if both is None or not _OURS.search(error.message):
        return error
    return both(None, None, error.message, error.experimental_payloads)
