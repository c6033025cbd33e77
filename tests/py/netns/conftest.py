"""Hosts for the tests of this folder."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hosts import Hosts


@pytest.fixture
def two_hosts(request: pytest.FixtureRequest) -> Iterator[Hosts]:
    """Two hosts on two networks, as fast as the machine or of the parameter's rates (Mbit/s)."""
    made = Hosts(2, getattr(request, "param", "0,0"))
    try:
        yield made
    finally:
        made.down()
