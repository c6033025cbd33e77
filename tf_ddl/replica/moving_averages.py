"""Statistics of the data that a training step updates: BatchNormalization's moving averages.

Each rank computes them from its own rows. To keep them equal on all ranks, which then predict and
save the same, they are averaged at the end of each training step: one small group of reductions,
not waited for by anything but the next step. In Keras' train step ranks count by their rows.
"""

from __future__ import annotations

from tf_ddl._native.engine import Engine
from tf_ddl._tf.local_values import display_name, local_value
from tf_ddl._tf.private_api import tf
from tf_ddl.replica import collectives
from tf_ddl.replica.step import Step

__all__ = ["average_statistics"]


def average_statistics(engine: Engine, step: Step) -> None:
    """Averages the statistics that a training step has assigned."""
    variables = list(step.statistics.values())
    if engine.size == 1 or not variables or not step.assigned:
        return
    values = [local_value(variable) for variable in variables]
    names = [display_name(variable) for variable in variables]
    weight = step.weight() if step.keras_step else None
    if weight is None:
        averages = collectives.all_reduce(engine, values, "mean", names=names)
    else:
        weighted = [value * tf.cast(weight, value.dtype) for value in values]
        averages = collectives.all_reduce(engine, weighted, "sum", names=names)
    for variable, value in zip(variables, averages):
        variable.assign(value, read_value=False)
