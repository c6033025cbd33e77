"""BUILD describes the sources that CMake builds. Starlark is close enough to Python to run it."""

from __future__ import annotations

import glob as globbing
from pathlib import Path
from typing import Any

import pytest

Rules = dict[str, dict[str, Any]]


@pytest.fixture
def rules(root: Path) -> Rules:
    """Every rule of BUILD by its name, with `glob` carried out."""
    found: Rules = {}

    def rule(**arguments: Any) -> None:
        found[arguments.get("name", "")] = arguments

    def glob(include: list[str], exclude: list[str] = (), allow_empty: bool = True) -> list[str]:
        def matches(patterns: list[str]) -> set[str]:
            return {
                name
                for pattern in patterns
                for name in globbing.glob(pattern, root_dir=root, recursive=True)
            }

        result = sorted(matches(include) - matches(list(exclude)))
        assert result or allow_empty
        return result

    names = ("cc_binary", "cc_library", "cc_test", "genrule", "py_binary", "py_library")
    others = ("test_suite", "load", "package", "licenses", "exports_files")
    scope: dict[str, Any] = dict.fromkeys(names, rule)
    scope |= {name: lambda *_, **__: None for name in others}
    exec(compile((root / "BUILD").read_text(), "BUILD", "exec"), {**scope, "glob": glob})
    return found


def _files(root: Path, folder: str, *suffixes: str) -> set[str]:
    return {
        str(path.relative_to(root))
        for path in (root / folder).rglob("*")
        if path.suffix in suffixes and "__pycache__" not in path.parts
    }


def test_every_cpp_file_is_built_once(root: Path, rules: Rules) -> None:
    listed = [
        name
        for target in ("core", "core_headers", "libtf_ddl_ops.so")
        for attribute in ("srcs", "hdrs")
        for name in rules[target].get(attribute, ())
        if not name.startswith(":")
    ]
    assert sorted(listed) == sorted(_files(root, "custom_ops", ".cc", ".h", ".inc"))


def test_the_core_does_not_depend_on_tensorflow(rules: Rules) -> None:
    assert rules["core"]["deps"] == [":core_headers"]
    assert "deps" not in rules["core_headers"]
    assert "@installed_tensorflow//:framework" in rules["libtf_ddl_ops.so"]["deps"]


def test_every_python_module_is_in_the_library(root: Path, rules: Rules) -> None:
    listed = {name for name in rules["tf_ddl"]["srcs"] if not name.startswith(":")}
    assert listed == _files(root, "tf_ddl", ".py") - {"tf_ddl/_build_config.py"}


def test_every_cpp_test_is_a_test(root: Path, rules: Rules) -> None:
    tests = {name for name in _files(root, "tests/cc", ".cc") if name.endswith("_test.cc")}
    sources = [rule["srcs"][0] for rule in rules.values() if rule.get("size") == "medium"]
    assert tests and sorted(sources) == sorted(tests)


def test_versions_agree(root: Path, rules: Rules) -> None:
    from tf_ddl import version

    assert version.__version__ in rules["core"]["local_defines"][0]
    assert f'version = "{version.__version__}"' in (root / "MODULE.bazel").read_text()
