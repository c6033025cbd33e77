"""Program order: collectives and checks that run in the order in which they were traced.

TensorFlow executes what does not depend on one another in any order. Where ranks agree that a step
has failed, one rank may have begun a collective by then that another, whose step has ended, never
begins; it would be waited for, and the job be aborted. So, where results are checked, collectives
and checks are executed as they were traced: when a check fails, nothing is under way on any rank.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from tf_ddl._native.engine import Engine
from tf_ddl._tf import private_api
from tf_ddl._tf.private_api import tf

__all__ = ["in_program_order"]

#: Collectives, checks, and what may have them inside.
_TYPES = frozenset(
    {
        "Assert",
        "Case",
        "DdlAllGather",
        "DdlAllReduce",
        "DdlBroadcast",
        "DdlDeviceAllReduce",
        "If",
        "StatefulPartitionedCall",
        "While",
    }
)
#: Attribute of graphs: how many ops there were at the last call, and one that is executed after
#: all of `_TYPES` among them.
_BARRIER = "_tf_ddl_barrier"


@contextlib.contextmanager
def in_program_order(engine: Engine) -> Iterator[None]:
    """Ops that are made inside wait for all collectives and checks made before in their graph.

    Only with `Options.check_reductions`; otherwise, and in eager mode, does nothing.
    """
    graph = None if tf.executing_eagerly() else private_api.default_graph()
    if not engine.check_reductions or not isinstance(graph, private_api.FuncGraph):
        yield
        return
    number, barrier = getattr(graph, _BARRIER, (0, None))
    ops: list[Any] = graph.get_operations()
    before = [op for op in ops[number:] if op.type in _TYPES]
    if barrier is None or before:
        with tf.control_dependencies([*before, *([] if barrier is None else [barrier])]):
            barrier = tf.no_op("tf_ddl_in_order")
        setattr(graph, _BARRIER, (len(graph.get_operations()), barrier))
    with tf.control_dependencies([barrier]):
        yield
