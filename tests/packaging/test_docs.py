"""README and docs say what the tree does."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

PAGES = (
    "architecture",
    "threading",
    "failure_model",
    "environment",
    "benchmarks",
    "plans",
    "simulator",
    "migrating",
    "large_batch",
    "checks",
    "keras",
    "nccl",
)


def _blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"(?ms)^```{language}\n(.*?)^```", text)


def _variables_in_sources(root: Path) -> dict[str, str]:
    """Environment variables DDL_* -> a file that names it as a string."""
    found = {}
    python = [*(root / "tf_ddl").rglob("*.py"), *(root / "custom_ops").rglob("*.py")]
    tests = (root / "tests" / "py").rglob("*.py")
    for path in [*python, root / "setup.py", *tests]:
        for node in ast.walk(ast.parse(path.read_text())):
            text = node.value if isinstance(node, ast.Constant) else None
            if isinstance(text, str) and re.fullmatch(r"DDL_[A-Z0-9_]+", text):
                found[text] = str(path.relative_to(root))
    for path in (root / "custom_ops").rglob("*.cc"):
        for name in re.findall(r'"(DDL_[A-Z0-9_]+)"', path.read_text()):
            found[name] = str(path.relative_to(root))
    return found


def test_environment_page_lists_every_variable_and_no_other(root: Path) -> None:
    page = (root / "docs" / "environment.md").read_text()
    listed = set(re.findall(r"(?m)^\| `(DDL_[A-Z0-9_]+)`", page))
    in_sources = _variables_in_sources(root)
    assert {"DDL_RANK", "DDL_SECRET", "DDL_LOG_LEVEL", "DDL_TENSORFLOW_DIR"} <= set(in_sources)
    missing = {name: where for name, where in in_sources.items() if name not in listed}
    assert not missing
    assert not listed - set(in_sources)


def test_environment_page_has_the_tables_of_the_sources(root: Path) -> None:
    from tf_ddl import options
    from tf_ddl.launcher.identity import SOURCES

    page = (root / "docs" / "environment.md").read_text()
    assert options.markdown_table() in page
    for variable, meaning in (one for source in SOURCES for one in source.variables):
        assert f"| `{variable}` | {meaning} |" in page


@pytest.mark.parametrize("page", PAGES)
def test_page_is_there_and_linked(root: Path, page: str) -> None:
    assert (root / "docs" / f"{page}.md").stat().st_size > 500
    assert f"(docs/{page}.md)" in (root / "README.md").read_text()


def test_links_lead_somewhere(root: Path) -> None:
    pages = [root / "README.md", root / "benchmarks" / "README.md", *(root / "docs").glob("*.md")]
    for page in pages:
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text()):
            assert (page.parent / target).exists(), f"{page.name} links to {target}"


@pytest.mark.parametrize(
    ("header", "title"), [("nccl_abi.h", "NCCL's symbol"), ("cuda_abi.h", "the driver's symbol")]
)
def test_nccl_page_has_the_tables_of_the_sources(root: Path, header: str, title: str) -> None:
    source = (root / "custom_ops" / "nccl" / header).read_text()
    used = re.findall(r'F\(\w+, (\w+), "([\d.]+)"', source)
    page = (root / "docs" / "nccl.md").read_text()
    table = page[page.index(f"| {title} |") :].split("\n\n")[0]
    assert len(used) > 10
    assert re.findall(r"(?m)^\| `(\w+)` \| ([\d.]+) \|$", table) == used


def test_nccl_page_marks_what_is_not_measured(root: Path) -> None:
    """Each figure has its command; the commands are there."""
    page = (root / "docs" / "nccl.md").read_text()
    rows = re.findall(r"(?m)^\| .+ \| (.+) \| `bash (\S+) --json \S+` \|$", page)
    assert len(rows) == 4
    for figure, script in rows:
        assert figure == "not yet measured" or re.search(r"\d", figure)
        assert (root / script).exists()


def test_benchmarks_page_lists_every_script_and_no_other(root: Path) -> None:
    page = (root / "benchmarks" / "README.md").read_text()
    listed = set(re.findall(r"(?m)^\| `([\w.]+)` \|", page))
    there = {path.name for path in (root / "benchmarks").iterdir() if path.suffix in (".py", ".sh")}
    assert listed == there


def test_pinned_tools_are_those_of_the_documentation(root: Path) -> None:
    from tf_ddl import _build_config

    assert f"TensorFlow {_build_config.TF_VERSION[:4]}" in (root / "README.md").read_text()


def test_ci_runs_the_readme_test_command(root: Path) -> None:
    commands = [
        line
        for block in _blocks((root / "README.md").read_text(), "sh")
        for line in block.splitlines()
        if line and not line.startswith("#")
    ]
    assert "bash tests/run" in commands
    ci = [
        line
        for line in (root / ".ci" / "run").read_text().splitlines()
        if line and not line.startswith("#")
    ]
    assert len(ci) == 1 and "bash tests/run" in ci[0]


def test_readme_first_command_is_one_line_that_installs_and_trains(root: Path) -> None:
    first = _blocks((root / "README.md").read_text(), "sh")[0].strip()
    assert "\n" not in first
    for part in ("python3 -m venv", "tensorflow-cpu==2.21.*", "ddlrun -np 2"):
        assert part in first
    module = re.search(r"-m (tf_ddl[\w.]+)", first)
    assert module
    command = [
        sys.executable,
        "-c",
        f"import importlib.util as u; assert u.find_spec('{module[1]}')",
    ]
    subprocess.run(command, check=True, timeout=60)


def test_python_in_the_readme_is_valid(root: Path) -> None:
    blocks = _blocks((root / "README.md").read_text(), "python")
    assert blocks
    for block in blocks:
        ast.parse(block)
