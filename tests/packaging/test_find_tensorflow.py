"""A missing or wrong TensorFlow ends the build with one clear message."""

from __future__ import annotations

import ast
import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

INSTALL = 'pip install "tensorflow-cpu==2.21.*"'


@pytest.fixture
def finder(root: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.delenv("DDL_TENSORFLOW_DIR", raising=False)
    path = root / "custom_ops" / "cmake" / "find_tensorflow.py"
    spec = importlib.util.spec_from_file_location("find_tensorflow", path)
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, spec.name, module)
    spec.loader.exec_module(module)
    return module


def _install(
    site: Path,
    *distributions: tuple[str, str],
    headers: bool = True,
    library: bytes = b"_ZNSt7__cxx1112basic_stringE",
) -> Path:
    """Lays out what pip leaves behind after installing `distributions`, each over the other."""
    package = site / "tensorflow"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "libtensorflow_framework.so.2").write_bytes(library)
    if headers:
        (package / "include" / "tensorflow").mkdir(parents=True)
    for name, version in distributions:
        info = site / f"{name.replace('-', '_')}-{version}.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        (info / "RECORD").write_text("tensorflow/__init__.py,,\n")
    return site


def test_finds_the_installed_one_as_import_would(finder: ModuleType) -> None:
    spec = importlib.util.find_spec("tensorflow")
    found = finder.find_tensorflow()
    assert spec is not None and spec.origin is not None
    assert found.directory.samefile(Path(spec.origin).parent)
    assert found.cxx11_abi == 1


@pytest.mark.parametrize(
    ("name", "version"),
    [
        ("tensorflow", "2.21.0"),
        ("tensorflow-cpu", "2.22.1"),
        ("tf-nightly", "2.23.0.dev20261026"),
        ("some-vendors-build", "2.21.3"),
    ],
)
def test_any_name_and_the_whole_range(
    finder: ModuleType,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    version: str,
) -> None:
    site = _install(tmp_path, (name, version))
    monkeypatch.setenv("DDL_TENSORFLOW_DIR", str(site))
    found = finder.find_tensorflow()
    assert (found.distribution, found.version) == (name, version)
    monkeypatch.setenv("DDL_TENSORFLOW_DIR", str(site / "tensorflow"))
    assert finder.find_tensorflow() == found


def test_old_abi_is_seen(
    finder: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = _install(tmp_path, ("tensorflow", "2.21.0"), library=b"_ZNSsC1Ev")
    monkeypatch.setenv("DDL_TENSORFLOW_DIR", str(site))
    assert finder.find_tensorflow().cxx11_abi == 0


@pytest.mark.parametrize("version", ["2.20.0", "2.24.0", "1.15.5", "3.0.0"])
def test_version_outside_the_range(
    finder: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: str
) -> None:
    monkeypatch.setenv("DDL_TENSORFLOW_DIR", str(_install(tmp_path, ("tensorflow", version))))
    with pytest.raises(finder.TensorFlowNotFoundError) as error:
        finder.find_tensorflow()
    assert ">= 2.21 and < 2.24" in str(error.value)
    assert version in str(error.value) and INSTALL in str(error.value)


def test_the_range_is_the_same_everywhere(root: Path, finder: ModuleType) -> None:
    accepted = (finder.FIRST_RELEASE, finder.FIRST_UNKNOWN_RELEASE)
    compat = (root / "tf_ddl" / "_tf" / "private_api.py").read_text()
    literal = re.search(r"(?m)^SUPPORTED_TENSORFLOW = (.+)$", compat)
    assert literal and ast.literal_eval(literal[1]) == accepted
    (low, high) = (".".join(map(str, release)) for release in accepted)
    assert f">={low},<{high}" in (root / "pyproject.toml").read_text()
    assert f">= {low}, < {high}" in (root / "README.md").read_text()


def test_missing_headers(
    finder: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = _install(tmp_path, ("tensorflow", "2.21.0"), headers=False)
    monkeypatch.setenv("DDL_TENSORFLOW_DIR", str(site))
    with pytest.raises(finder.TensorFlowNotFoundError, match="include/tensorflow is missing"):
        finder.find_tensorflow()


def test_two_packages_over_each_other(
    finder: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = _install(tmp_path, ("tensorflow", "2.21.0"), ("tf-nightly", "2.23.0"))
    monkeypatch.setenv("DDL_TENSORFLOW_DIR", str(site))
    with pytest.raises(finder.TensorFlowNotFoundError) as error:
        finder.find_tensorflow()
    assert "pip uninstall -y tensorflow tf-nightly" in str(error.value)


@pytest.mark.parametrize("version", [None, "2.19.1"])
def test_the_build_says_it_once(root: Path, tmp_path: Path, version: str | None) -> None:
    site = tmp_path / "site"
    if version is None:
        site.mkdir()
    else:
        _install(site, ("tensorflow", version))
    built = subprocess.run(
        [sys.executable, "setup.py", "-q", "build_ext", "--build-lib", tmp_path / "lib"],
        cwd=root,
        env={**os.environ, "DDL_TENSORFLOW_DIR": str(site), "DDL_CORE_ONLY": "0"},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert built.returncode != 0
    assert "Traceback" not in built.stderr
    assert built.stderr.count(INSTALL) == 1
    assert (version or "there is none") in built.stderr
