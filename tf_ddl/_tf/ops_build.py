"""Whether the compiled ops fit the TensorFlow that is installed."""

from __future__ import annotations

import importlib.metadata
import pathlib
import re

from tf_ddl import errors
from tf_ddl._tf import private_api
from tf_ddl._tf.private_api import SUPPORTED_TENSORFLOW, tf

__all__ = ["REBUILD", "check"]

REBUILD = "pip install --force-reinstall --no-deps . (in tf_ddl's sources)"


def _version(text: str) -> tuple[int, int]:
    match = re.match(r"(\d+)\.(\d+)", text)
    return (int(match[1]), int(match[2])) if match else (0, 0)


def check() -> None:
    """Compares what the ops were built against with what is installed.

    Raises:
      BuildError: they do not fit, or were not built; says what to do.
    """
    installed = tf.__version__
    try:
        from tf_ddl import _build_config
    except ImportError as error:
        package = pathlib.Path(__file__).parent.parent
        raise errors.BuildError(
            f"tf_ddl's compiled libraries are missing in {package}. Build them: "
            f"{REBUILD}. If that is a folder of sources and the package is installed elsewhere, "
            "start from another folder, or install with pip install -e ."
        ) from error
    built = _build_config.TF_VERSION
    supported = private_api.supported()
    if not built:
        raise errors.BuildError(
            "tf_ddl was built without TensorFlow ops. Install a TensorFlow "
            f"(pip install '{supported}') and build again: {REBUILD}"
        )
    if not SUPPORTED_TENSORFLOW[0] <= _version(installed) < SUPPORTED_TENSORFLOW[1]:
        raise errors.BuildError(
            f"TensorFlow {installed} is not supported. Install one that is "
            f"(pip install '{supported}') and build tf_ddl again: {REBUILD}"
        )
    if _version(installed) != _version(built):
        raise errors.BuildError(
            f"tf_ddl's ops were built against TensorFlow {built}, but {installed} is installed. "
            f"Build them again: {REBUILD}"
        )
    abi = getattr(tf.sysconfig, "CXX11_ABI_FLAG", _build_config.CXX11_ABI)
    if int(abi) != int(_build_config.CXX11_ABI):
        raise errors.BuildError(
            f"tf_ddl's ops use C++ ABI {_build_config.CXX11_ABI}, the installed TensorFlow "
            f"{installed} ({_distribution()}) uses {abi}. Build them again: {REBUILD}"
        )


def _distribution() -> str:
    names = importlib.metadata.packages_distributions().get("tensorflow", ["unknown"])
    return ", ".join(sorted(set(names)))
