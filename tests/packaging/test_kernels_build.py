"""The GPU kernels are compiled where there is an nvcc, and the build does without where not."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

MAGIC = bytes.fromhex("50ed55ba")  # of a fatbin, as the driver looks for it

# Writes what its name promises, and where it was asked to.
STAND_IN = """#!/bin/sh
[ "$1" = --version ] && { echo "Cuda compilation tools, release 12.3, V12.3.45"; exit; }
echo "$@" >> "$(dirname "$0")/calls"
while [ $# -gt 1 ]; do [ "$1" = -o ] && printf '\\120\\355\\125\\272made up' > "$2"; shift; done
"""
BROKEN = """#!/bin/sh
echo "error: unsupported GNU version" >&2
exit 1
"""


def _nvcc(folder: Path, text: str) -> Path:
    folder.mkdir()
    program = folder / "nvcc"
    program.write_text(text)
    program.chmod(0o755)
    return program


def _cmake(*arguments: str | Path, path: str | None = None) -> subprocess.CompletedProcess[str]:
    cmake = Path(sys.executable).with_name("cmake")
    program = str(cmake) if cmake.exists() else (shutil.which("cmake") or "cmake")
    environment = {k: v for k, v in os.environ.items() if k not in ("CUDA_HOME", "CUDA_PATH")}
    if path is not None:
        environment["PATH"] = path
    return subprocess.run(
        [program, *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=120,
        env=environment,
    )


def _configure(
    root: Path, build: Path, *options: str, path: str | None = None
) -> subprocess.CompletedProcess[str]:
    options = ("-DDDL_BUILD_OPS=OFF", *options)
    ninja = Path(sys.executable).with_name("ninja")  # a machine need not have make
    if ninja.exists():
        options = ("-G", "Ninja", f"-DCMAKE_MAKE_PROGRAM={ninja}", *options)
    return _cmake("-S", root / "custom_ops", "-B", build, *options, path=path)


def _kernels(build: Path, path: str | None = None) -> subprocess.CompletedProcess[str]:
    return _cmake("--build", build, "--target", "ddl_kernels", path=path)


def _array(build: Path) -> bytes:
    """The fatbin that the core is compiled with."""
    text = (build / "kernels_fatbin.inc").read_text()
    return bytes(int(byte, 16) for byte in re.findall(r"0x([0-9a-f]{2})", text))


def _is_compiled_in(build: Path) -> bool:
    return "TF_DDL_KERNELS_FATBIN" in (build / "compile_commands.json").read_text()


def test_off_leaves_the_ptx_alone(root: Path, tmp_path: Path) -> None:
    done = _configure(root, tmp_path, "-DDDL_NVCC=OFF")
    assert done.returncode == 0, done.stderr
    assert "GPU kernels: as PTX alone" in done.stdout
    assert not _is_compiled_in(tmp_path)


def test_an_nvcc_that_is_found_compiles_them(root: Path, tmp_path: Path) -> None:
    nvcc = _nvcc(tmp_path / "bin", STAND_IN)
    path = f"{nvcc.parent}{os.pathsep}{os.environ['PATH']}"
    build = tmp_path / "build"
    done = _configure(root, build, path=path)
    assert done.returncode == 0, done.stderr
    assert f"GPU kernels: compiled by {nvcc}" in done.stdout
    assert _is_compiled_in(build)
    done = _kernels(build, path=path)
    assert done.returncode == 0, done.stderr
    assert _array(build) == MAGIC + b"made up"
    assert 'kKernelsCompiler[] = "nvcc 12.3.45"' in (build / "kernels_fatbin.inc").read_text()
    (call,) = (nvcc.parent / "calls").read_text().splitlines()
    assert "-fatbin" in call and "-arch=all-major" in call
    assert call.split()[-3].endswith("custom_ops/nccl/kernels.cu")
    _kernels(build, path=path)
    assert len((nvcc.parent / "calls").read_text().splitlines()) == 1, "nothing has changed"


def test_one_that_is_found_and_does_not_work_is_left_out(root: Path, tmp_path: Path) -> None:
    nvcc = _nvcc(tmp_path / "bin", BROKEN)
    path = f"{nvcc.parent}{os.pathsep}{os.environ['PATH']}"
    build = tmp_path / "build"
    assert _configure(root, build, path=path).returncode == 0
    done = _kernels(build, path=path)
    assert done.returncode == 0, done.stderr
    shown = done.stdout + done.stderr  # Ninja prints all to stdout
    assert "left as PTX alone" in shown and "unsupported GNU version" in shown
    assert 'kKernelsCompiler[] = ""' in (build / "kernels_fatbin.inc").read_text()


def test_one_that_is_asked_for_and_does_not_work_is_an_error(root: Path, tmp_path: Path) -> None:
    nvcc = _nvcc(tmp_path / "bin", BROKEN)
    build = tmp_path / "build"
    assert _configure(root, build, f"-DDDL_NVCC={nvcc}").returncode == 0
    done = _kernels(build)
    assert done.returncode != 0
    shown = " ".join((done.stdout + done.stderr).split())
    assert "unsupported GNU version" in shown and "DDL_NVCC=OFF" in shown


def test_one_that_is_not_there_is_an_error(root: Path, tmp_path: Path) -> None:
    done = _configure(root, tmp_path, "-DDDL_NVCC=/nowhere/nvcc")
    assert done.returncode != 0
    assert "DDL_NVCC=/nowhere/nvcc" in done.stderr


def test_the_real_one_makes_what_the_driver_takes(root: Path, tmp_path: Path) -> None:
    nvcc = shutil.which("nvcc") or shutil.which("/usr/local/cuda/bin/nvcc")
    if nvcc is None:
        pytest.skip("no nvcc on this machine")
    assert _configure(root, tmp_path, f"-DDDL_NVCC={nvcc}").returncode == 0
    done = _kernels(tmp_path)
    assert done.returncode == 0, done.stderr
    fatbin = _array(tmp_path)
    header, body = int.from_bytes(fatbin[6:8], "little"), int.from_bytes(fatbin[8:16], "little")
    assert fatbin[:4] == MAGIC and len(fatbin) == header + body
    assert len(fatbin) > 10_000
