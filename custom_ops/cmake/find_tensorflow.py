"""Finds the installed TensorFlow without importing it.

Importing takes seconds and is impossible in an isolated build (`pip install .` hides the
environment's packages from `sys.path`, but not from `sysconfig`). Run as a program it prints
`key=value` lines for CMake; setup.py loads it as a module.

It goes by files, not by the name of a distribution: TensorFlow comes as tensorflow,
tensorflow-cpu, tf-nightly and under vendors' names.
"""

from __future__ import annotations

import dataclasses
import mmap
import os
import re
import site
import sys
import sysconfig
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

#: Releases (major, minor) that the sources are built and tested against: first, and first not.
FIRST_RELEASE = (2, 21)
FIRST_UNKNOWN_RELEASE = (2, 24)

HERE = Path(__file__).resolve().parent
INSTALL_COMMAND = 'pip install "tensorflow-cpu==2.21.*"'
FRAMEWORK_LIBRARY = "libtensorflow_framework.so.2"


class TensorFlowNotFoundError(Exception):
    """No TensorFlow that the ops can be built against; the message says what to do."""


@dataclasses.dataclass(frozen=True)
class TensorFlow:
    """An installed TensorFlow."""

    directory: Path  # .../site-packages/tensorflow
    distribution: str  # "tensorflow-cpu"
    version: str  # "2.21.0"
    cxx11_abi: int  # value of _GLIBCXX_USE_CXX11_ABI it was built with

    @property
    def include_directory(self) -> Path:
        return self.directory / "include"

    @property
    def framework_library(self) -> Path:
        return self.directory / FRAMEWORK_LIBRARY


def _site_directories() -> Iterator[Path]:
    """Where packages of the running interpreter may lie, nearest first."""
    for name in ("purelib", "platlib"):
        yield Path(sysconfig.get_path(name))
    yield from (Path(entry) for entry in sys.path if entry and Path(entry) != HERE)
    config = Path(sys.prefix) / "pyvenv.cfg"
    in_venv = sys.prefix != sys.base_prefix and config.is_file()
    if not in_venv or re.search(r"(?mi)^include-system-.*=\s*true", config.read_text()):
        yield Path(site.getusersitepackages())
        yield from map(Path, site.getsitepackages([sys.base_prefix]))


def _candidates() -> Iterator[Path]:
    given = os.environ.get("DDL_TENSORFLOW_DIR")
    if given:
        path = Path(given)
        yield path if path.name == "tensorflow" else path / "tensorflow"
        return
    seen = set()
    for directory in _site_directories():
        if directory not in seen:
            seen.add(directory)
            yield directory / "tensorflow"


def _owners(directory: Path) -> list[tuple[str, str]]:
    """(name, version) of the distributions that installed `directory`."""
    owners = set()
    for distribution in metadata.distributions(path=[str(directory.parent)]):
        record = distribution.read_text("RECORD") or ""
        if re.search(r"(?m)^tensorflow/__init__\.py,", record):
            owners.add((distribution.metadata["Name"].replace("_", "-"), distribution.version))
    return sorted(owners)


def _cxx11_abi(library: Path) -> int:
    """1 if the library's symbols speak of std::__cxx11::string, as all of today's do."""
    with (
        library.open("rb") as file,
        mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content,
    ):
        return int(content.find(b"NSt7__cxx1112basic_string") >= 0)


def check_version(version: str, where: str) -> None:
    """Raises TensorFlowNotFoundError unless `version` is in the accepted range."""
    match = re.match(r"(\d+)\.(\d+)", version)
    release = tuple(map(int, match.groups())) if match else (0, 0)
    if not FIRST_RELEASE <= release < FIRST_UNKNOWN_RELEASE:
        raise TensorFlowNotFoundError(
            f"tf_ddl needs TensorFlow >= {FIRST_RELEASE[0]}.{FIRST_RELEASE[1]} and "
            f"< {FIRST_UNKNOWN_RELEASE[0]}.{FIRST_UNKNOWN_RELEASE[1]}, but {where} is {version}.\n"
            f"Install one that fits, then build tf_ddl again:\n    {INSTALL_COMMAND}"
        )


def find_tensorflow() -> TensorFlow:
    """Returns the TensorFlow that an `import tensorflow` of this interpreter would find.

    Raises:
      TensorFlowNotFoundError: there is none, it lacks its headers or library, its version is
        outside the accepted range, or several distributions were installed over each other.
    """
    tried = []
    for directory in _candidates():
        tried.append(str(directory))
        if not (directory / "__init__.py").is_file():
            continue
        found = TensorFlow(directory, "", "", 1)
        for needed in (found.include_directory / "tensorflow", found.framework_library):
            if not needed.exists():
                raise TensorFlowNotFoundError(
                    f"The TensorFlow at {directory} cannot be built against: {needed} is missing.\n"
                    f"Install a complete one, then build tf_ddl again:\n    {INSTALL_COMMAND}"
                )
        owners = _owners(directory)
        if len({version for _, version in owners}) > 1:
            listed = ", ".join(f"{name} {version}" for name, version in owners)
            raise TensorFlowNotFoundError(
                f"Several TensorFlow packages were installed over each other in "
                f"{directory.parent}: {listed}.\nRemove all of them and install one:\n"
                f"    pip uninstall -y {' '.join(name for name, _ in owners)}\n"
                f"    {INSTALL_COMMAND}"
            )
        if not owners:
            raise TensorFlowNotFoundError(
                f"The TensorFlow at {directory} has no metadata (*.dist-info) that tells its "
                f"version.\nInstall one with pip, then build tf_ddl again:\n    {INSTALL_COMMAND}"
            )
        name = "+".join(name for name, _ in owners)
        version = owners[0][1]
        check_version(version, f"{name} at {directory}")
        return TensorFlow(directory, name, version, _cxx11_abi(found.framework_library))
    raise TensorFlowNotFoundError(
        "tf_ddl's ops are built against the installed TensorFlow, and there is none for "
        f"{sys.executable}.\nInstall it, then build tf_ddl again:\n    {INSTALL_COMMAND}\n"
        "(It lies elsewhere? Set DDL_TENSORFLOW_DIR. Only the collectives, without TensorFlow? "
        "Set DDL_CORE_ONLY=1.)\nLooked at:\n    " + "\n    ".join(tried)
    )


def main() -> int:
    """Prints what was found for TensorFlow.cmake; returns the exit code."""
    try:
        found = find_tensorflow()
    except TensorFlowNotFoundError as error:
        print(error, file=sys.stderr)
        return 1
    print(f"DIRECTORY={found.directory}")
    print(f"DISTRIBUTION={found.distribution}")
    print(f"VERSION={found.version}")
    print(f"CXX11_ABI={found.cxx11_abi}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
