"""Hosts for the tests of this folder."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hosts import Hosts


@pytest.fixture
def two_hosts() -> Iterator[Hosts]:
    """Two hosts on two networks, as fast as the machine."""
    made = Hosts(2, "0,0")
    try:
        yield made
    finally:
        made.down()
