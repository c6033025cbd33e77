"""`pip install -e .` works, and so does a build without TensorFlow."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

CODE = """
import numpy as np
import tf_ddl
from tf_ddl import _build_config, collective
print(tf_ddl.__file__)
assert _build_config.TF_VERSION == ""
collective.init()
assert collective.all_reduce(np.ones(3, np.float64)).sum() == 3
collective.shutdown()
"""


def _compiled_quickly(folder: Path) -> dict[str, str]:
    """The environment in which the core compiles in little time: this is no test of its speed."""
    settings = folder / "quick.cmake"
    settings.write_text("set(CMAKE_UNITY_BUILD ON)\n")
    return {
        "CMAKE_BUILD_TYPE": "None",
        "CMAKE_TOOLCHAIN_FILE": str(settings),
        "CXXFLAGS": "-O0",
    }


def test_editable_install_of_the_core(root: Path, tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    tree.mkdir()
    for name in ("custom_ops", "tf_ddl"):
        ignored = shutil.ignore_patterns("__pycache__", "_lib", "_build_config.py")
        shutil.copytree(root / name, tree / name, ignore=ignored)
    for name in ("setup.py", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(root / name, tree)
    # An environment of its own that has the packages of this one, less tf_ddl.
    environment = tmp_path / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", environment], check=True)
    python = environment / "bin" / "python"
    outer = Path(sysconfig.get_path("purelib"))
    inner = environment / outer.relative_to(sys.prefix)
    for package in outer.iterdir():
        if "tf_ddl" not in package.name:
            (inner / package.name).symlink_to(package)
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    install = [python, "-m", "pip", "install", "-q", "--no-build-isolation", "--no-deps"]
    subprocess.run(
        [*install, "-e", tree],
        check=True,
        env={**os.environ, **_compiled_quickly(tmp_path), "DDL_CORE_ONLY": "1", "PATH": path},
        timeout=280,
    )
    shown = subprocess.run(
        [python, "-c", CODE], check=True, cwd=tmp_path, capture_output=True, text=True, timeout=60
    )
    assert Path(shown.stdout.strip()) == tree / "tf_ddl" / "__init__.py"
    assert (tree / "tf_ddl" / "_lib" / "libtf_ddl_core.so").is_file()
