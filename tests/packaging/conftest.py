"""Where things are: the repository, and the installed package (which is what gets tested)."""

from __future__ import annotations

from importlib import metadata
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def root() -> Path:
    """The repository."""
    return ROOT


@pytest.fixture(scope="session")
def distribution() -> metadata.Distribution:
    """The installed tf_ddl; skips where it is an editable install, which has no files."""
    found = metadata.distribution("tf_ddl")
    if "editable" in (found.read_text("direct_url.json") or ""):
        pytest.skip("tf_ddl is an editable install here: tests/run installs the wheel")
    return found


@pytest.fixture(scope="session")
def library_directory(distribution: metadata.Distribution) -> Path:
    """tf_ddl/_lib of the installed package."""
    return Path(str(distribution.locate_file("tf_ddl/_lib")))
