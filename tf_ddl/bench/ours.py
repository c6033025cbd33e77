"""tf_ddl itself, through its two doors: numpy arrays, and TensorFlow's strategy."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from tf_ddl import collective
from tf_ddl._native import process_engine
from tf_ddl._native.engine import TensorSpec
from tf_ddl.version import __version__

from .peers import Strategy
from .subject import InPlace

__all__ = ["Numpy", "Op"]


class Numpy(InPlace):
    """`tf_ddl.collective` for one array; for several, one group of the same engine."""

    def open(self) -> dict[str, str]:
        collective.init()
        return {"tf_ddl": __version__}

    def bind(self, tensors: Sequence[np.ndarray]) -> None:
        self._engine = process_engine.current_engine()
        if len(tensors) == 1:
            return
        specs = [
            TensorSpec(f"gradient {index}", "float32", tensor.shape)
            for index, tensor in enumerate(tensors)
        ]
        self._group = self._engine.register_group(f"bench {len(tensors)}", "all_reduce", specs)

    def reduce(self) -> None:
        if len(self.tensors) == 1:
            collective.all_reduce(self.tensors[0], out=self.tensors[0])
        else:
            self._engine.all_reduce(self._group, self.tensors, self.tensors)

    def close(self) -> None:
        collective.shutdown()


class Op(Strategy):
    """The op, by way of `DDLStrategy`: out of place, in a `tf.function`."""

    def make_strategy(self) -> Any:
        import tf_ddl

        return tf_ddl.DDLStrategy()

    def close(self) -> None:
        collective.shutdown()
