"""Values of `Options` fields: read from text, and checked."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Any

from tf_ddl import errors

if TYPE_CHECKING:
    from tf_ddl.options import Setting

__all__ = ["checked", "parsed"]

_UNITS = {"": 1, "KIB": 1 << 10, "MIB": 1 << 20, "GIB": 1 << 30}
#: What a text must be, for messages.
_TEXTS = {
    "interfaces": "names separated by commas, such as 'eth0,eth1'",
    "plan": "one of direct, pairwise, halving-doubling, ring, rings, grid and grid:4x2, or empty",
    "compression": "bf16, fp16 or empty",
    "gpu_reduction": "auto, nccl or host",
}
_TRUE = ("1", "true", "yes", "on")
_FALSE = ("0", "false", "no", "off")


def parsed(setting: Setting, text: str) -> Any:
    """The value that an environment variable's text stands for.

    Raises:
      InvalidArgumentError: it makes no sense; names the variable.
    """
    text = text.strip()
    if setting.kind is bool:
        if text.lower() in _TRUE + _FALSE:
            return text.lower() in _TRUE
        raise errors.InvalidArgumentError(
            f"{setting.variable}={text!r} is neither one of {'/'.join(_TRUE)} nor of "
            f"{'/'.join(_FALSE)}"
        )
    if setting.kind is str:
        return checked(setting, text, setting.variable)
    try:
        value = _number(setting, text)
    except ValueError:
        example = " (such as 4194304 or 4MiB)" if setting.unit == "bytes" else ""
        kind = "whole number" if setting.kind is int else "number"
        raise errors.InvalidArgumentError(
            f"{setting.variable}={text!r} is not a {kind} of {setting.unit}{example}"
        ) from None
    return checked(setting, value, setting.variable)


def _number(setting: Setting, text: str) -> int | float:
    if setting.unit == "bytes":
        match = re.fullmatch(r"([0-9]+)\s*([KMG]iB)?", text, re.IGNORECASE)
        if not match:
            raise ValueError(text)
        return int(match[1]) * _UNITS[(match[2] or "").upper()]
    return setting.kind(text)


def checked(setting: Setting, value: Any, name: str) -> Any:
    """`value`, as the type that the setting has.

    Raises:
      InvalidArgumentError: it is of another type or out of range; the message begins with `name`.
    """
    if setting.kind is str:
        good = isinstance(value, str) and re.fullmatch(setting.pattern, value.strip()) is not None
        wanted = _TEXTS.get(setting.field, f"a {setting.unit}")
    elif setting.kind is bool:
        good = isinstance(value, bool) or value in (0, 1)
        wanted = "True or False"
    elif setting.kind is int:
        good = isinstance(value, int) and not isinstance(value, bool) and value >= setting.least
        wanted = f"a whole number of {setting.unit}, at least {setting.least}"
    else:
        number = isinstance(value, (int, float)) and not isinstance(value, bool)
        good = number and math.isfinite(value) and value > setting.least
        wanted = f"a number of {setting.unit} greater than 0"
    if not good:
        raise errors.InvalidArgumentError(f"{name}={value!r} must be {wanted}")
    return value.strip() if setting.kind is str else setting.kind(value)
