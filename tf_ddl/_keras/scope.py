"""What is made in a strategy's scope belongs to it as a whole, also what is made of it later.

Keras makes a layer's variables when the layer is first called, which a program may do outside of
the scope: `model(example)` or `model.build(shape)`, to see a summary. Layers that were made in the
scope are built in it all the same.

Layers that are set up before, such as a `Normalization` that was adapted to the data, have
variables which nothing trains. They join the strategy when a model that uses them is first trained;
that their values are equal on all ranks is checked then.
"""

from __future__ import annotations

import contextlib
import weakref
from collections.abc import Callable, Iterator
from typing import Any

from tf_ddl._base.adapter import Adapter
from tf_ddl._tf.private_api import tf
from tf_ddl.replica.extended import DDLExtended

__all__ = ["ADAPTERS"]

_scope_of: weakref.WeakKeyDictionary[Any, Any] = weakref.WeakKeyDictionary()


def _initialize(original: Callable[..., Any], layer: Any) -> None:
    """Part of `Layer.__init__`, whose own signature Keras looks at."""
    original(layer)
    strategy = tf.distribute.get_strategy()
    if isinstance(strategy.extended, DDLExtended):
        _scope_of[layer] = strategy


def _open_name_scope(
    original: Callable[..., Any], layer: Any
) -> contextlib.AbstractContextManager[Any]:
    """What surrounds the building of a layer, and its calls."""
    strategy = None if layer.built else _scope_of.get(layer)
    if strategy is None or tf.distribute.has_strategy():
        return original(layer)
    return _both(strategy.scope(), original(layer))


@contextlib.contextmanager
def _both(
    outer: contextlib.AbstractContextManager[Any], inner: contextlib.AbstractContextManager[Any]
) -> Iterator[None]:
    with outer, inner:
        yield


_LAYER = "keras.src.layers.layer"
ADAPTERS = (
    Adapter(_LAYER, "Layer._initialize_tracker", _initialize),
    Adapter(_LAYER, "Layer._open_name_scope", _open_name_scope),
)
