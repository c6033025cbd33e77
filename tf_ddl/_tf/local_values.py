"""This rank's own value of a variable, without communication, and the name to call it by.

A metric's variable in a strategy's scope is read as the sum over all ranks (`replica.variables`);
who compares, saves or prints must be able to read this rank's part alone.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from typing import Any

from tf_ddl._tf.private_api import tf

__all__ = ["are_local", "display_name", "local_reads", "local_value"]

_thread = threading.local()


@contextlib.contextmanager
def local_reads() -> Iterator[None]:
    """Reads on this thread are of this rank's value, without communication."""
    outer = getattr(_thread, "local_reads", False)
    _thread.local_reads = True
    try:
        yield
    finally:
        _thread.local_reads = outer


def are_local() -> bool:
    """Whether this thread is within `local_reads`."""
    return getattr(_thread, "local_reads", False)


def local_value(variable: Any) -> tf.Tensor:
    """This rank's value of a variable of a strategy."""
    with local_reads():
        return variable.value()


def display_name(variable: Any) -> str:
    """The Keras path of a variable where it is known, else its name."""
    return getattr(variable, "_tf_ddl_path", None) or variable.name.rsplit(":", 1)[0]
