"""Test libraries in the place of NCCL and the CUDA driver, and ops with kernels for a CPU.

Their sources are tests/cc/fake_nccl and tests/py/gpu/cpu_kernels.cc: "GPU memory" is host memory.
They are compiled when a test first asks for them, and never installed.
"""

from __future__ import annotations

import fcntl
import pathlib
import shutil
import subprocess
from collections.abc import Sequence

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]

#: Run first in a worker without a GPU, with the path of the kernels in {kernels!r}: the strategy
#: is given a GPU by its number, and what TensorFlow would have in its memory is told by dtype.
PREPARE = """
import tensorflow as tf
from tf_ddl import strategy
from tf_ddl._tf import ops, private_api
from tf_ddl.replica.device import Device
ops.load()
tf.load_library({kernels!r})
ops._is_in_gpu_memory = lambda engine, tensor: (
    engine.reduces_gpu_memory and tensor.dtype in ops._IN_GPU_MEMORY
)
strategy.choose_device = lambda here, options: Device(
    private_api.resolve_device("/device:CPU:0"), here.local_rank
)
"""


def compile_libraries(folder: pathlib.Path) -> tuple[str, str]:
    """Paths of the test libraries of NCCL and of the driver, compiled into `folder`."""
    fake = [f"tests/cc/fake_nccl/fake_{name}.cc" for name in ("control", "cuda", "kernels")]
    cuda = _compile(folder / "libfake_cuda.so", fake, ["-pthread"])
    fake = [f"tests/cc/fake_nccl/fake_{name}.cc" for name in ("clique", "nccl", "processes")]
    flags = [f"-L{folder}", "-lfake_cuda", f"-Wl,-rpath,{folder}", "-pthread"]
    return _compile(folder / "libfake_nccl.so", fake, flags), cuda


def compile_kernels(folder: pathlib.Path) -> str:
    """Path of the ops' kernels for a CPU."""
    import tf_ddl

    ours = pathlib.Path(tf_ddl.__file__).parent / "_lib"
    flags = [f"-L{ours}", "-ltf_ddl_ops", "-ltf_ddl_core", f"-Wl,-rpath,{ours}"]
    sources = ["tests/py/gpu/cpu_kernels.cc"]
    return _compile(folder / "libcpu_kernels.so", sources, [*flags, *_tensorflow_flags()], "-O0")


def _compile(
    output: pathlib.Path, sources: Sequence[str], flags: Sequence[str], optimize: str = "-O1"
) -> str:
    if shutil.which("g++") is None:
        pytest.skip("no g++ to compile the test libraries with")
    command = ["g++", "-std=c++17", optimize, "-w", "-shared", "-fPIC", "-o", str(output)]
    command += [str(ROOT / source) for source in sources]
    command += [f"-I{ROOT / 'custom_ops'}", f"-I{ROOT / 'tests/cc/fake_nccl'}", *flags]
    with open(f"{output}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # until another process has compiled it
        if not output.exists():
            done = subprocess.run(command, capture_output=True, text=True, timeout=300)
            assert done.returncode == 0, done.stderr
    return str(output)


def _tensorflow_flags() -> list[str]:
    import tensorflow as tf

    return tf.sysconfig.get_compile_flags() + tf.sysconfig.get_link_flags()
