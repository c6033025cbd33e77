"""Arithmetic with a metric's variables outside of steps is with their values over all ranks.

Keras hands `variable.value` to TensorFlow's functions, whose fast way in eager mode reads a
variable without asking it. So what is synchronised on reading is read first.
"""

from __future__ import annotations

import types
from collections.abc import Callable
from typing import Any

from tf_ddl import _variables
from tf_ddl._tf_compat import tf

__all__ = ["WRAPPERS"]

_OPERATORS = (
    *("eq", "ne", "lt", "le", "gt", "ge"),
    *("add", "radd", "sub", "rsub", "mul", "rmul", "truediv", "rtruediv"),
    *("floordiv", "rfloordiv", "mod", "rmod", "pow", "rpow", "matmul", "rmatmul"),
)


def _read(operand: Any) -> Any:
    """The tensor of a Keras variable that is synchronised on reading; None for anything else."""
    value = getattr(operand, "value", None)
    return tf.convert_to_tensor(value) if _variables.is_synchronised_on_read(value) else None


def _operator(original: Callable[..., Any], variable: Any, other: Any) -> Any:
    mine, others = _read(variable), _read(other)
    if others is not None:
        other = others
    return original(variable if mine is None else types.SimpleNamespace(value=mine), other)


WRAPPERS = {
    ("keras.src.backend.common.variables", f"Variable.__{name}__"): _operator for name in _OPERATORS
}
