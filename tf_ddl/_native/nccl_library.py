"""Where pip has put NCCL: the packages nvidia-nccl-cu12 and nvidia-nccl-cu13.

TensorFlow's `[and-cuda]` extra brings one of them. Neither it nor TensorFlow is imported.
"""

from __future__ import annotations

import importlib.util
import pathlib

__all__ = ["installed"]


def installed() -> list[str]:
    """Paths of libnccl, those of packages that come first on `sys.path` first; often none."""
    spec = importlib.util.find_spec("nvidia")  # a namespace, shared by NVIDIA's packages
    found: list[str] = []
    for folder in (spec.submodule_search_locations or []) if spec is not None else []:
        libraries = pathlib.Path(folder) / "nccl" / "lib"
        found += [str(path) for path in sorted(libraries.glob("libnccl.so.*"))]
    return found
