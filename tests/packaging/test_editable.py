"""`pip install -e .` works, and so does a build without TensorFlow."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

#: What nearly all of the core's files include.
COMMON = """
    algorithm array atomic chrono cmath condition_variable cstdint cstring deque fstream functional
    limits map memory mutex optional set sstream string string_view thread tuple unordered_map
    utility vector
"""
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


def _quick_flags(folder: Path) -> str:
    """Flags with which the core compiles in half of the time: this is no test of its speed."""
    header = folder / "common.h"
    header.write_text("".join(f"#include <{name}>\n" for name in COMMON.split()))
    flags = ["-O0", "-fPIC", "-std=c++17"]  # as in CMakeLists.txt, or it would be read as text
    subprocess.run(["c++", *flags, "-x", "c++-header", header, "-o", f"{header}.gch"], check=True)
    return f"-O0 -include {header}"


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
    compiling = {"CMAKE_BUILD_TYPE": "None", "CXXFLAGS": _quick_flags(tmp_path)}
    subprocess.run(
        [*install, "-e", tree],
        check=True,
        env={**os.environ, **compiling, "DDL_CORE_ONLY": "1", "PATH": path},
        timeout=280,
    )
    shown = subprocess.run(
        [python, "-c", CODE], check=True, cwd=tmp_path, capture_output=True, text=True, timeout=60
    )
    assert Path(shown.stdout.strip()) == tree / "tf_ddl" / "__init__.py"
    assert (tree / "tf_ddl" / "_lib" / "libtf_ddl_core.so").is_file()
