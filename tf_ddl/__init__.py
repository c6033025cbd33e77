"""tf_ddl: distributed training for TensorFlow by swapping the strategy.

    import tf_ddl, keras

    strategy = tf_ddl.DDLStrategy()
    with strategy.scope():
        model = build_and_compile()
    model.fit(dataset, epochs=5)

Importing this package does not import TensorFlow; the first use of `DDLStrategy` or `tf_ddl.keras`
does.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from tf_ddl import collective, errors
from tf_ddl.launcher.notebook import launch
from tf_ddl.options import Options
from tf_ddl.version import __version__

if TYPE_CHECKING:
    from tf_ddl import keras
    from tf_ddl._native.build_info import build_info
    from tf_ddl.strategy import DDLStrategy

__all__ = [
    "DDLStrategy",
    "Options",
    "__version__",
    "build_info",
    "collective",
    "errors",
    "keras",
    "launch",
]


def __getattr__(name: str) -> Any:
    if name == "DDLStrategy":
        from tf_ddl.strategy import DDLStrategy

        return DDLStrategy
    if name == "build_info":
        from tf_ddl._native.build_info import build_info

        return build_info
    if name == "keras":
        return importlib.import_module("tf_ddl.keras")
    raise AttributeError(f"module 'tf_ddl' has no attribute {name!r}")
