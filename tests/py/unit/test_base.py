"""tf_ddl._base: what everything else uses."""

from __future__ import annotations

import argparse
import threading

import pytest

from tf_ddl._base.scoped_value import ScopedValue
from tf_ddl._base.sizes import parse_size, size_argument, size_in_words
from tf_ddl._base.words import names_of, ranks_of


@pytest.mark.parametrize(
    ("text", "size", "name"),
    [
        ("4096", 4096, "4 KiB"),
        ("4KiB", 4096, "4 KiB"),
        ("1.5 kib", 1536, "1536 B"),
        ("100MB", 100_000_000, "100 MB"),
        ("1.5 gb", 1_500_000_000, "1500 MB"),
        ("0", 0, "0 B"),
        ("1GiB", 1 << 30, "1 GiB"),
    ],
)
def test_sizes(text: str, size: int, name: str) -> None:
    assert parse_size(text) == size_argument(text) == size
    assert size_in_words(size) == name


@pytest.mark.parametrize("text", ["", "MB", "-4", "2k", "4 KiX", "1e3", "1.5"])
def test_what_is_no_size(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="is not a size"):
        size_argument(text)


def test_words():
    assert ranks_of([0, 1], 2) == "every rank"
    assert ranks_of([1]) == "rank 1"
    assert ranks_of(list(range(1, 20)), 20).endswith("9, 10 and 9 more")
    assert names_of(list("abcdefg")) == "'a', 'b', 'c', 'd', 'e' and 2 more"


def test_a_scoped_value_is_restored_by_every_block_and_known_to_its_thread_alone():
    value = ScopedValue("default")
    elsewhere = []
    with pytest.raises(KeyError), value.set("outer"):
        with value.set("inner"):
            assert value.get() == "inner"
            other = threading.Thread(target=lambda: elsewhere.append(value.get()))
            other.start()
            other.join()
        assert value.get() == "outer"
        raise KeyError
    assert value.get() == "default" and elsewhere == ["default"]
