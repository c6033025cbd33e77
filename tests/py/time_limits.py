"""How long something may take in a test that promises how long it takes.

    assert seconds < limit(2.0)

A machine that is busy with other things keeps three times the promise. The promise itself is
checked where DDL_TEST_TIMING=1 says that nothing else runs (`bash tests/run timing`), so a test
that asserts a limit is marked `timed`: then it is one of those that `-m timing` selects.
"""

from __future__ import annotations

import os

__all__ = ["STRICT", "limit"]

#: Whether promises are checked as they are.
STRICT = os.environ.get("DDL_TEST_TIMING") == "1"


def limit(promise: float) -> float:
    """The most seconds that something may take which is promised to take `promise` seconds."""
    return promise if STRICT else 3 * promise
