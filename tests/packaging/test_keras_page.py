"""docs/keras.md links tests that exist, and every test module of tests/py/keras."""

from __future__ import annotations

import ast
import os
import re
from pathlib import Path

import pytest

LINK = re.compile(r"\[(\w+)::(\w+)\]\(([^)]+)\)")


@pytest.fixture(scope="module")
def page(root: Path) -> str:
    return (root / "docs" / "keras.md").read_text()


def test_linked_tests_exist(root: Path, page: str) -> None:
    links = LINK.findall(page)
    assert len(links) > 20
    for module, function, target in links:
        path = root / "docs" / target
        assert path.stem == module, f"{target} is not {module}"
        functions = {
            node.name
            for node in ast.parse(path.read_text()).body
            if isinstance(node, ast.FunctionDef)
        }
        assert function in functions, f"{module} has no {function}"


def test_every_module_is_linked(root: Path, page: str) -> None:
    linked = {os.path.normpath(root / "docs" / target) for _, _, target in LINK.findall(page)}
    for folder in ("keras", "upstream"):
        modules = set((root / "tests" / "py" / folder).glob("test_*.py"))
        assert modules
        missing = {path.name for path in modules if str(path) not in linked}
        assert not missing


def test_each_row_of_what_works_has_a_test(page: str) -> None:
    table = page.partition("## What works")[2].partition("\n## ")[0]
    rows = [line for line in table.splitlines() if line.startswith("| ")]
    headings = [line for line in rows if re.fullmatch(r"\| \*\*[\w ]+\*\* \| \| \|", line)]
    assert len(headings) >= 8
    for row in rows:
        if row not in headings and not row.startswith("| | what to know"):
            assert LINK.search(row), row


def test_every_script_is_listed(root: Path, page: str) -> None:
    scripts = {path.stem for path in (root / "tests" / "py" / "scripts").glob("*.py")}
    table = page.partition("## Scripts")[2].partition("\n## ")[0]
    assert set(re.findall(r"(?m)^\| `(\w+)`", table)) == scripts
