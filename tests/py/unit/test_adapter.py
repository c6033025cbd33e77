"""tf_ddl._base.adapter: functions that are replaced, all or none, and put back."""

from __future__ import annotations

import sys
import types

import pytest

from tf_ddl import errors
from tf_ddl._base.adapter import Adapter, install


class Base:
    def inherited(self, x):
        return ("inherited", x)


class Library(Base):
    def method(self, x, y=2, *, z=3):
        return (x, y, z)

    @staticmethod
    def static(x):
        return x


def function(x, y=1):
    return (x, y)


@pytest.fixture
def library(monkeypatch):
    """A module with functions that may be wrapped."""
    module = types.ModuleType("a_library")
    module.Library, module.function = Library, function
    monkeypatch.setitem(sys.modules, "a_library", module)
    return module


def passing_on(original, *args, **kwargs):
    return ["wrapped", original(*args, **kwargs)]


def test_every_way_to_call_is_kept_and_undone(library):
    before = dict(vars(Library)), library.function
    installed = install(
        [
            Adapter("a_library", "Library.method", passing_on),
            Adapter("a_library", "Library.inherited", passing_on),
            Adapter("a_library", "function", lambda original, x, y=1: original(x, y=y) + (0,)),
        ],
        "a_library 1",
        (1,),
    )
    one = Library()
    assert one.method(1) == ["wrapped", (1, 2, 3)]
    assert one.method(1, 5, z=6) == one.method(x=1, y=5, z=6) == ["wrapped", (1, 5, 6)]
    assert one.inherited(4) == ["wrapped", ("inherited", 4)] and Base().inherited(4)[1] == 4
    assert library.function(1, 2) == library.function(y=2, x=1) == (1, 2, 0)
    assert library.function.__name__ == "function"
    installed.undo()
    installed.undo()
    assert (dict(vars(Library)), library.function) == before
    assert one.inherited(4) == ("inherited", 4)


def test_of_two_for_one_function_the_later_is_called_first(library):
    def named(name):
        return lambda original, *args, **kwargs: (name, original(*args, **kwargs))

    adapters = [Adapter("a_library", "function", named(name)) for name in ("first", "second")]
    installed = install(adapters, "a_library 1", (1,))
    assert library.function(1) == ("second", ("first", (1, 1)))
    installed.undo()
    assert library.function is function


def test_each_is_for_some_versions(library):
    adapters = [
        Adapter("a_library", "no_longer_there", passing_on, before=(2,)),
        Adapter("a_library", "function", passing_on, since=(2,)),
    ]
    installed = install(adapters, "a_library 2.1", (2, 1))
    assert library.function(1) == ["wrapped", (1, 1)]
    installed.undo()


@pytest.mark.parametrize(
    ("path", "wrapper", "message"),
    [
        ("gone", passing_on, "a_library 1 has no a_library.gone"),
        ("Library.static", passing_on, "a staticmethod, not a function"),
        ("function", lambda original, x: 0, "'y' cannot be given by its place"),
        ("function", lambda original, x, z=1: 0, "'y' is called 'z'"),
        ("function", lambda original, x, y=5: 0, "the default of 'y' is 1"),
        ("function", lambda original, *args: 0, "'x' cannot be given by its name"),
        ("function", lambda original, x, *args, y=1: 0, "'y' cannot be given by its place"),
        ("Library.method", lambda original, library, x, y=2: 0, "there is a parameter 'z'"),
        ("Library.method", lambda original, library, x, y=2, *, z=4: 0, "default of 'z' is 3"),
    ],
)
def test_one_that_does_not_fit_leaves_all_as_it_was(library, path, wrapper, message):
    adapters = [
        Adapter("a_library", "Library.inherited", passing_on),
        Adapter("a_library", path, wrapper),
    ]
    with pytest.raises(errors.BuildError, match="a_library 1") as caught:
        install(adapters, "a_library 1", (1,))
    assert message in str(caught.value)
    assert library.function is function and "inherited" not in vars(Library)
