"""Statistics of the data that a training step updates: BatchNormalization's moving averages.

Each rank computes them from its own rows. To keep them equal on all ranks, which then predict and
save the same, they are averaged at the end of each training step: one small group of reductions,
not waited for by anything but the next step. In Keras' train step ranks count by their rows.
"""

from __future__ import annotations

from tf_ddl import _core, _structures, _variables
from tf_ddl._run_state import RunState
from tf_ddl._tf_compat import tf

__all__ = ["average"]


def average(engine: _core.Engine, state: RunState) -> None:
    """Averages the statistics that a training step has assigned."""
    variables = list(state.statistics.values())
    if engine.size == 1 or not variables or not state.assigned:
        return
    values = [_variables.local_value(variable) for variable in variables]
    names = [_variables.display_name(variable) for variable in variables]
    weight = state.weight() if state.keras_step else None
    if weight is None:
        averages = _structures.all_reduce(engine, values, "mean", names=names)
    else:
        weighted = [value * tf.cast(weight, value.dtype) for value in values]
        averages = _structures.all_reduce(engine, weighted, "sum", names=names)
    for variable, value in zip(variables, averages):
        variable.assign(value, read_value=False)
