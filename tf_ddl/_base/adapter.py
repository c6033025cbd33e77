"""Functions of other libraries, replaced by ones of ours that are given the original.

Where a library has no hook for what is needed, one of its functions is wrapped. An `Adapter` says
which, in which versions, and by what. All adapters of a list are installed or none is, and all can
be taken away again. A wrapped function can be called in every way in which the original can: that
is checked when it is installed, since a later version of the library may add a parameter.
"""

from __future__ import annotations

import dataclasses
import functools
import importlib
import inspect
import types
from collections.abc import Callable, Sequence
from typing import Any

from tf_ddl import errors

__all__ = ["Adapter", "Installed", "install"]

Version = tuple[int, ...]
_NOTHING = inspect.Parameter.empty
_POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


@dataclasses.dataclass(frozen=True)
class Adapter:
    """A function of another library and what stands in for it.

    Attributes:
      module: where the function is, such as "keras.src.losses.loss".
      path: its name there, such as "reduce_values" or "Trainer.compile".
      wrapper: called as `wrapper(original, *args, **kwargs)` with the caller's arguments. It has
        the original's parameters after the first, with their names and defaults, or passes on
        `*args` and `**kwargs`.
      since, before: the versions of the library in which the function is there.
    """

    module: str
    path: str
    wrapper: Callable[..., Any]
    since: Version = (0,)
    before: Version = (1 << 30,)

    def __str__(self) -> str:
        return f"{self.module}.{self.path}"


@dataclasses.dataclass(frozen=True)
class _Place:
    owner: Any
    name: str
    original: Callable[..., Any]
    inherited: bool


class Installed:
    """Adapters that are in force."""

    def __init__(self) -> None:
        self._places: list[_Place] = []

    def undo(self) -> None:
        """Puts the originals back, the last first. Idempotent."""
        while self._places:
            place = self._places.pop()
            if place.inherited:
                delattr(place.owner, place.name)
            else:
                setattr(place.owner, place.name, place.original)

    def _add(self, adapter: Adapter) -> None:
        place = _find(adapter)  # anew: an earlier adapter may have wrapped the same function
        setattr(place.owner, place.name, _wrapped(adapter.wrapper, place.original))
        self._places.append(place)


def install(adapters: Sequence[Adapter], library: str, version: Version) -> Installed:
    """Installs those of `adapters` that are for this version: all of them, or none.

    Of two for the same function, the later one is called first, and calls the earlier one.

    Args:
      adapters: in order.
      library: name and version, for messages: "Keras 3.15.1".
      version: the library's.

    Raises:
      BuildError: the library lacks one of the functions, or has another signature than the adapter
        expects; names it. Nothing has been changed then.
    """
    chosen = [one for one in adapters if one.since <= version < one.before]
    for adapter in chosen:
        try:
            misfit = _misfit(adapter.wrapper, _find(adapter).original)
        except (ImportError, AttributeError, TypeError) as error:
            raise errors.BuildError(
                f"{library} has no {adapter}, which tf_ddl adapts ({error})"
            ) from error
        if misfit:
            raise errors.BuildError(f"{library} has another {adapter} than tf_ddl adapts: {misfit}")
    installed = Installed()
    try:
        for adapter in chosen:
            installed._add(adapter)
    except BaseException:
        installed.undo()
        raise
    return installed


def _find(adapter: Adapter) -> _Place:
    owner: Any = importlib.import_module(adapter.module)
    *parents, name = adapter.path.split(".")
    for parent in parents:
        owner = getattr(owner, parent)
    original = inspect.getattr_static(owner, name)
    if not isinstance(original, types.FunctionType):
        raise TypeError(f"it is a {type(original).__name__}, not a function")
    return _Place(owner, name, original, inherited=name not in vars(owner))


def _wrapped(wrapper: Callable[..., Any], original: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(original)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        return wrapper(original, *args, **kwargs)

    return wrapped


def _misfit(wrapper: Callable[..., Any], original: Callable[..., Any]) -> str:
    """Why some call that the original takes would fail, or differ, by way of `wrapper`; or ""."""
    ours = list(inspect.signature(wrapper).parameters.values())[1:]
    kinds = {parameter.kind for parameter in ours}
    any_position = inspect.Parameter.VAR_POSITIONAL in kinds
    any_keyword = inspect.Parameter.VAR_KEYWORD in kinds
    positions = [parameter for parameter in ours if parameter.kind in _POSITIONAL]
    keywords = {
        parameter.name: parameter
        for parameter in ours
        if parameter.kind in (*_POSITIONAL[1:], inspect.Parameter.KEYWORD_ONLY)
    }
    for number, theirs in enumerate(inspect.signature(original).parameters.values()):
        name, mine = theirs.name, None
        if theirs.kind in _POSITIONAL:
            if number < len(positions):
                mine = positions[number]
            elif not any_position or name in keywords:
                return f"parameter {name!r} cannot be given by its place"
            by_name = theirs.kind is _POSITIONAL[1] and name not in ("self", "cls")
            if by_name and mine is not None and mine.name != name:
                return f"parameter {name!r} is called {mine.name!r}"
            if by_name and mine is None and not (any_keyword or name in keywords):
                return f"parameter {name!r} cannot be given by its name"
        elif theirs.kind is inspect.Parameter.KEYWORD_ONLY:
            mine = keywords.get(name)
            if mine is None and not any_keyword:
                return f"there is a parameter {name!r}"
        elif theirs.kind is inspect.Parameter.VAR_POSITIONAL and not any_position:
            return "it takes any number of arguments"
        elif theirs.kind is inspect.Parameter.VAR_KEYWORD and not any_keyword:
            return "it takes any keyword"
        if mine is not None and theirs.default is not _NOTHING and mine.default != theirs.default:
            return f"the default of {name!r} is {theirs.default!r}"
    return ""
