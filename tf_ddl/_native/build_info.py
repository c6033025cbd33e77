"""What tf_ddl found on this machine, for `tf_ddl.build_info()` and `ddlrun --check`."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import pathlib
import platform

from tf_ddl import errors
from tf_ddl._native import library
from tf_ddl._native.gpu import gpu_report
from tf_ddl.options import Options
from tf_ddl.version import __version__

__all__ = ["build_info"]


def build_info() -> dict[str, str]:
    """What was found, which versions, and why something is not usable.

    TensorFlow is not imported; whether the ops fit it is told from what the build has noted.

    Returns:
      Texts by topic: "tf_ddl", "python", "core", "tensorflow", "ops", "cores", "memory of other
      processes" (whether ranks of this host can read each other's memory in place), "nccl", "cuda
      driver", "gpus" (each with why it is not usable), "gpu kernels" (what the build has of them:
      compiled by nvcc, or PTX alone), "horovod".

    Raises:
      BuildError: the core library cannot be loaded.
    """
    return {
        "tf_ddl": f"{__version__} in {pathlib.Path(__file__).parent.parent}",
        "python": f"{platform.python_version()} on {platform.platform()}",
        "core": f"{library.CORE}, built by {library.build_info()}",
        "tensorflow": _installed_tensorflow() or "not installed: only tf_ddl.collective works",
        "ops": _ops(),
        "cores": str(len(os.sched_getaffinity(0))),
        "memory of other processes": _ptrace(),
        **_gpus(),
        "horovod": _version("horovod") or "not installed; only the benchmark would use it",
    }


def _gpus() -> dict[str, str]:
    """NCCL, the driver, the GPUs: which, or why not."""
    report = gpu_report(Options.from_environment())
    found = {
        topic: " ".join(part for part in (one["version"], one["path"]) if part)
        for topic, one in (("nccl", report["nccl"]), ("cuda driver", report["cuda"]))
    }
    for topic, one in (("nccl", report["nccl"]), ("cuda driver", report["cuda"])):
        if one["why"]:
            found[topic] = f"not usable: {one['why']}"
    gpus = ", ".join(
        f"{gpu['ordinal']}: {gpu['name']} ({gpu['memory_bytes'] / 2**30:.0f} GiB, compute "
        f"capability {gpu['compute_capability']})"
        for gpu in report["devices"]
    )
    if report["usable"]:
        how = "gradients on them are reduced by NCCL"
    else:
        how = f"gradients on GPUs are reduced by way of host memory: {report['why']}"
    found["gpus"] = f"{gpus}; {how}" if gpus else f"none; {how}"
    found["gpu kernels"] = ", ".join(report["kernels"])
    return found


def _version(distribution: str) -> str:
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return ""


def _installed_tensorflow() -> str:
    """ "tensorflow-cpu 2.21.0", whatever the distribution is called; "" if there is none."""
    if importlib.util.find_spec("tensorflow") is None:
        return ""
    names = importlib.metadata.packages_distributions().get("tensorflow", [])
    return ", ".join(f"{name} {_version(name)}" for name in sorted(set(names))) or "unknown version"


def _ops() -> str:
    try:
        from tf_ddl import _build_config
    except ImportError:
        raise errors.BuildError(
            "tf_ddl's compiled libraries are missing; build and install the package again"
        ) from None
    if not _build_config.TF_VERSION:
        return "left out by the build, which found no TensorFlow: only tf_ddl.collective works"
    text = f"built against {_build_config.TF_DISTRIBUTION} {_build_config.TF_VERSION}"
    installed = _installed_tensorflow()
    built = ".".join(_build_config.TF_VERSION.split(".")[:2]) + "."
    if installed and f" {built}" not in installed:
        text += f", which does not fit {installed}: build and install tf_ddl again"
    return text


def _ptrace() -> str:
    try:
        scope = pathlib.Path("/proc/sys/kernel/yama/ptrace_scope").read_text().strip()
    except OSError:
        return "allowed, unless the container forbids it (tried when a job starts)"
    if scope in ("0", "1"):
        return f"allowed (ptrace_scope {scope}), unless the container forbids it"
    return f"forbidden (ptrace_scope {scope}): data goes through shared memory"
