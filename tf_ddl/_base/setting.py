"""A setting: one field of `Options`, said once, with its variable, unit, limits and meaning."""

from __future__ import annotations

import dataclasses
import math
import re
import textwrap
from typing import Any, TypeVar

from tf_ddl import errors
from tf_ddl._base.sizes import parse_size

__all__ = ["Setting", "documented", "setting", "settings_of"]

_T = TypeVar("_T", bound=type)

_TRUE = ("1", "true", "yes", "on")
_FALSE = ("0", "false", "no", "off")


def setting(
    default: Any,
    variable: str,
    unit: str,
    least: float,
    meaning: str,
    pattern: str = ".*",
    wanted: str = "",
) -> Any:
    """A field of a dataclass that is a setting; the arguments are attributes of `Setting`."""
    metadata = {
        "variable": variable,
        "unit": unit,
        "least": least,
        "meaning": meaning,
        "pattern": pattern,
        "wanted": wanted,
    }
    return dataclasses.field(default=default, metadata=metadata)


@dataclasses.dataclass(frozen=True)
class Setting:
    """One field of `Options`, described.

    Attributes:
      field: name of the field.
      variable: environment variable.
      kind: type of its value: int, float, bool or str.
      unit: "bytes", "seconds", "steps", "sockets", "names" (separated by commas), "0 or 1", ...
      default: value when nothing is given.
      least: smallest allowed value (floats: must be greater); no matter for bool, str.
      meaning: one sentence or two.
      pattern: regular expression that texts must match.
      wanted: what a text must be, for messages; "": a `unit`.
    """

    field: str
    variable: str
    kind: type
    unit: str
    default: Any
    least: float
    meaning: str
    pattern: str
    wanted: str

    def parsed(self, text: str) -> Any:
        """The value that an environment variable's text stands for.

        Raises:
          InvalidArgumentError: it makes no sense; names the variable.
        """
        text = text.strip()
        if self.kind is bool:
            if text.lower() in _TRUE + _FALSE:
                return text.lower() in _TRUE
            raise errors.InvalidArgumentError(
                f"{self.variable}={text!r} is neither one of {'/'.join(_TRUE)} nor of "
                f"{'/'.join(_FALSE)}"
            )
        if self.kind is str:
            return self.checked(text, self.variable)
        try:
            value = self._number(text)
        except ValueError:
            example = " (such as 4194304 or 4MiB)" if self.unit == "bytes" else ""
            kind = "whole number" if self.kind is int else "number"
            raise errors.InvalidArgumentError(
                f"{self.variable}={text!r} is not a {kind} of {self.unit}{example}"
            ) from None
        return self.checked(value, self.variable)

    def _number(self, text: str) -> int | float:
        if self.unit == "bytes":
            return parse_size(text)
        return self.kind(text)

    def checked(self, value: Any, name: str) -> Any:
        """`value`, as the type that the setting has.

        Raises:
          InvalidArgumentError: it is of another type or out of range; begins with `name`.
        """
        if self.kind is str:
            good = isinstance(value, str) and re.fullmatch(self.pattern, value.strip()) is not None
            wanted = self.wanted or f"a {self.unit}"
        elif self.kind is bool:
            good = isinstance(value, bool) or value in (0, 1)
            wanted = "True or False"
        elif self.kind is int:
            good = isinstance(value, int) and not isinstance(value, bool) and value >= self.least
            wanted = f"a whole number of {self.unit}, at least {self.least}"
        else:
            number = isinstance(value, (int, float)) and not isinstance(value, bool)
            good = number and math.isfinite(value) and value > self.least
            wanted = f"a number of {self.unit} greater than 0"
        if not good:
            raise errors.InvalidArgumentError(f"{name}={value!r} must be {wanted}")
        return value.strip() if self.kind is str else self.kind(value)


def settings_of(options: type) -> tuple[Setting, ...]:
    """The fields of a dataclass of settings, in order."""
    return tuple(
        Setting(field=field.name, kind=type(field.default), default=field.default, **field.metadata)
        for field in dataclasses.fields(options)
    )


def documented(options: _T) -> _T:
    """Adds the fields to the docstring of a dataclass of settings."""
    lines = ["", "    Attributes:"]
    for one in settings_of(options):
        text = f"{one.field}: {one.meaning} `{one.variable}`, {one.unit}; default: {one.default!r}."
        lines += textwrap.wrap(text, 96, initial_indent=" " * 6, subsequent_indent=" " * 8)
    options.__doc__ = (options.__doc__ or "").rstrip() + "\n" + "\n".join(lines) + "\n    "
    return options
