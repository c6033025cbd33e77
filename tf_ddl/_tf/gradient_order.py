"""Has gradients of weights computed before backprop goes on.

What backprop has come to at a layer is needed for two things: the gradient of the layer's weights,
and for the layer before. TensorFlow computes the two in any order, often all of the second kind
first, and not in the same order on every rank. Gradients then come in a heap at the end of the
step, with nothing left to compute while they travel; and one that came early on one rank waits for
the rank on which it comes last. So, in a graph, whatever uses the same tensors as a gradient, but
is needed for later gradients only, waits for that gradient. Results are the same.
"""

from __future__ import annotations

import bisect
import collections
from collections.abc import Sequence
from typing import Any

from tf_ddl._tf import private_api
from tf_ddl._tf.private_api import tf

__all__ = ["compute_early"]


def compute_early(gradients: Sequence[tf.Tensor]) -> int:
    """Adds control dependencies between the ops that compute `gradients`, in the current graph.

    Args:
      gradients: tensors of the graph that is being traced; others are left alone.

    Returns:
      How many dependencies were added.
    """
    graph = private_api.default_graph()
    dense = [gradient for gradient in gradients if isinstance(gradient, tf.Tensor)]
    ops = {tensor.op for tensor in dense if getattr(tensor, "graph", None) is graph}
    order = sorted(ops, key=private_api.creation_number)  # as backprop made them
    if len(order) < 2:
        return 0
    stateful = sorted(
        private_api.creation_number(op) for op in graph.get_operations() if op.op_def.is_stateful
    )
    needed_for: dict[Any, int] = {}  # op -> number of the first gradient that needs it
    used_by: dict[Any, list[int]] = collections.defaultdict(list)  # tensor -> gradients
    added = 0
    for number, gradient in enumerate(order):
        new = _not_needed_before(gradient, needed_for, number)
        for op in new:
            if not op.inputs or any(needed_for[one.op] == number for one in op.inputs):
                continue
            earlier = {at for tensor in op.inputs for at in used_by[tensor.ref()]}
            for at in sorted(earlier):
                if not _is_any_between(stateful, op, order[at]):
                    private_api.run_after(op, order[at])
                    added += 1
        for op in new:
            for tensor in op.inputs:
                used_by[tensor.ref()].append(number)
    return added


def _not_needed_before(gradient: Any, needed_for: dict[Any, int], number: int) -> list[Any]:
    """What has to run for a gradient and for none before it, itself included; notes it."""
    new, open_ops = [], [gradient]
    while open_ops:
        op = open_ops.pop()
        if op in needed_for:
            continue
        needed_for[op] = number
        new.append(op)
        open_ops += [tensor.op for tensor in op.inputs]
        open_ops += op.control_inputs
    return new


def _is_any_between(stateful: list[int], op: Any, gradient: Any) -> bool:
    """Whether to have `op`, which was made before `gradient`, run after it could close a circle.

    When its function has been traced, TensorFlow puts ops with a state into the order in which they
    were made. Everything else, but for what is added here, also leads from ops made earlier to ops
    made later; and what is added leads from one gradient's ops to a later one's. So only an op with
    a state, made in between, can lead back.
    """
    first, last = private_api.creation_number(op), private_api.creation_number(gradient)
    return bisect.bisect_left(stateful, first) < bisect.bisect_right(stateful, last)
