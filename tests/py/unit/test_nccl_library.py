"""NCCL where pip put it, and what is said of libraries that are not there."""

import sys

import pytest

from tf_ddl import options
from tf_ddl._native import nccl_library
from tf_ddl._native.build_info import build_info
from tf_ddl._native.gpu import gpu_report


@pytest.fixture
def packages(tmp_path, monkeypatch):
    """Two site-packages with NVIDIA's namespace, of which the second holds NCCL."""
    first, second = tmp_path / "first", tmp_path / "second"
    (first / "nvidia" / "cublas").mkdir(parents=True)
    library = second / "nvidia" / "nccl" / "lib" / "libnccl.so.2"
    library.parent.mkdir(parents=True)
    library.write_bytes(b"not a library")
    monkeypatch.setattr(sys, "path", [str(first), str(second), *sys.path])
    monkeypatch.delitem(sys.modules, "nvidia", raising=False)
    return str(library)


def test_nccl_is_found_where_pip_put_it(packages):
    assert nccl_library.installed()[0] == packages
    assert "nvidia" not in sys.modules


def test_without_packages_nothing_is_found(monkeypatch):
    monkeypatch.setattr(sys, "path", [])
    monkeypatch.delitem(sys.modules, "nvidia", raising=False)
    assert nccl_library.installed() == []


def test_a_file_that_is_no_library_is_reported_and_not_a_crash(packages):
    report = gpu_report(options.Options(nccl_library=packages))
    assert not report["nccl"]["usable"]
    assert [tried["path"] for tried in report["nccl"]["tried"]] == [packages]


def test_build_info_says_why_libraries_are_not_usable(monkeypatch):
    monkeypatch.setenv("DDL_NCCL_LIBRARY", "/nowhere/libnccl.so.2")
    monkeypatch.setenv("DDL_CUDA_LIBRARY", "/nowhere/libcuda.so.1")
    info = build_info()
    assert info["nccl"].startswith("not usable: ") and "/nowhere/libnccl.so.2" in info["nccl"]
    assert "/nowhere/libcuda.so.1" in info["cuda driver"]
    assert "by way of host memory" in info["gpus"]
    assert info["gpu kernels"].split(", ")[-1] == "PTX"
