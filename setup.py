"""A bridge from pip to the C++ build in custom_ops/; everything else is in pyproject.toml.

Environment: DDL_TENSORFLOW_DIR (build against this TensorFlow), DDL_CORE_ONLY=1 (leave the ops
out), DDL_NVCC (compile the GPU kernels with this nvcc; OFF: with none), DDL_BUILD_DIR (build here;
default: in build/), CMAKE_BUILD_PARALLEL_LEVEL (compile jobs; default: the cores of this machine).
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.bdist_wheel import bdist_wheel
from setuptools.command.build_ext import build_ext
from setuptools.command.build_py import build_py

ROOT = Path(__file__).resolve().parent
CORE_ONLY = os.environ.get("DDL_CORE_ONLY", "0") == "1"
LIBRARIES = ["tf_ddl_core"] if CORE_ONLY else ["tf_ddl_core", "tf_ddl_ops"]


def check_tensorflow() -> None:
    """Ends the build with one clear message unless there is a TensorFlow to build against."""
    path = ROOT / "custom_ops" / "cmake" / "find_tensorflow.py"
    spec = importlib.util.spec_from_file_location("find_tensorflow", path)
    finder = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = finder
    spec.loader.exec_module(finder)
    try:
        found = finder.find_tensorflow()
    except finder.TensorFlowNotFoundError as error:
        sys.exit(f"\n{error}\n")
    print(f"building against {found.distribution} {found.version} at {found.directory}")


class BuildWithCMake(build_ext):
    """Builds all libraries at once; each "extension" is one of them."""

    def run(self) -> None:
        if not CORE_ONLY:
            check_tensorflow()
        self._build()
        in_place = self.inplace or getattr(self, "editable_mode", False)
        package = ROOT / "tf_ddl" if in_place else Path(self.build_lib) / "tf_ddl"
        (package / "_lib").mkdir(parents=True, exist_ok=True)
        super().run()  # build_extension for each, and the copies of an editable install
        shutil.copyfile(self._directory / "_build_config.py", package / "_build_config.py")

    @property
    def _directory(self) -> Path:
        default = ROOT / "build" / ("cmake-core" if CORE_ONLY else "cmake")
        return Path(os.environ.get("DDL_BUILD_DIR") or default)

    def _build(self) -> None:
        cmake = shutil.which("cmake")
        if cmake is None:
            sys.exit("\ntf_ddl's build needs CMake >= 3.18:\n    pip install cmake ninja\n")
        configure = [
            cmake,
            *("-S", str(ROOT / "custom_ops"), "-B", str(self._directory)),
            f"-DDDL_BUILD_OPS={'OFF' if CORE_ONLY else 'ON'}",
            f"-DDDL_NVCC={os.environ.get('DDL_NVCC') or 'AUTO'}",
        ]
        if not CORE_ONLY:
            configure.append(f"-DPython3_EXECUTABLE={sys.executable}")
        ninja = shutil.which("ninja")
        if ninja is not None:
            # Said every time: pip's isolated builds have another ninja each.
            configure += ["-G", "Ninja", f"-DCMAKE_MAKE_PROGRAM={ninja}"]
        jobs = os.environ.get("CMAKE_BUILD_PARALLEL_LEVEL") or str(len(os.sched_getaffinity(0)))
        build = [cmake, "--build", str(self._directory), "--parallel", jobs, "--target", *LIBRARIES]
        for command in (configure, build):
            try:
                subprocess.run(command, check=True)
            except subprocess.CalledProcessError as error:
                sys.exit(f"\n{' '.join(command)}\nfailed with exit code {error.returncode}\n")

    def build_extension(self, ext: Extension) -> None:
        target = Path(self.get_ext_fullpath(ext.name))
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(self._directory / target.name, target)

    def get_ext_filename(self, fullname: str) -> str:
        return os.path.join(*fullname.split(".")) + ".so"


class CleanBuildPy(build_py):
    """Starts from nothing, so that modules of an earlier build do not get into the wheel."""

    def run(self) -> None:
        if not getattr(self, "editable_mode", False):
            shutil.rmtree(Path(self.build_lib) / "tf_ddl", ignore_errors=True)
        super().run()


class PlatformWheel(bdist_wheel):
    """The libraries do not use Python's C API: one wheel serves every Python 3 of a platform."""

    def get_tag(self) -> tuple[str, str, str]:
        return "py3", "none", super().get_tag()[2]


setup(
    ext_modules=[Extension(f"tf_ddl._lib.lib{name}", sources=[]) for name in LIBRARIES],
    cmdclass={
        "bdist_wheel": PlatformWheel,
        "build_ext": BuildWithCMake,
        "build_py": CleanBuildPy,
    },
)
