"""This rank's own value of a variable, without communication, and the name to call it by.

A metric's variable in a strategy's scope is read as the sum over all ranks (`replica.variables`);
who compares, saves or prints must be able to read this rank's part alone.
"""

from __future__ import annotations

import contextlib
from typing import Any

from tf_ddl._base.scoped_value import ScopedValue
from tf_ddl._tf.private_api import tf

__all__ = ["are_local", "display_name", "local_reads", "local_value"]

_local_reads = ScopedValue(False)


def local_reads() -> contextlib.AbstractContextManager[None]:
    """Reads on this thread are of this rank's value, without communication."""
    return _local_reads.set(True)


def are_local() -> bool:
    """Whether this thread is within `local_reads`."""
    return _local_reads.get()


def local_value(variable: Any) -> tf.Tensor:
    """This rank's value of a variable of a strategy."""
    with local_reads():
        return variable.value()


def display_name(variable: Any) -> str:
    """The Keras path of a variable where it is known, else its name."""
    return getattr(variable, "_tf_ddl_path", None) or variable.name.rsplit(":", 1)[0]
