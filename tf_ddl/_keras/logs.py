"""Logs that a step of the user's makes itself become those of all ranks, too.

Where they are not the model's metrics by name, Keras takes what the last step returned. That may be
a metric's result all the same, under another name or within a dictionary: then it is the metric's
over all ranks. Anything else is the mean over the ranks, which count by their rows.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np

from tf_ddl._keras.under_strategy import extended_of, of_any_trainer
from tf_ddl._tf.local_values import local_reads
from tf_ddl._tf.private_api import tf
from tf_ddl.replica import collectives
from tf_ddl.replica.step import last_rows

__all__ = ["ADAPTERS"]


def _metrics_result_or_logs(original: Callable[..., Any], model: Any, logs: Any) -> Any:
    result = original(model, logs)
    extended = extended_of(model)
    if result is not logs or not logs or extended is None or extended.engine.size == 1:
        return result
    rows = last_rows(model)
    leaves = [tf.cast(tf.convert_to_tensor(leaf), tf.float64) for leaf in keras.tree.flatten(logs)]
    sums = [leaf * rows if rows else tf.zeros_like(leaf) for leaf in leaves]
    (*sums, total) = collectives.all_reduce(
        extended.engine, [*sums, tf.constant(rows, tf.float64)], "sum"
    )
    values = [(value / total).numpy() for value in sums]
    of_metrics = _of_metrics(model, extended.engine, logs)
    values = [mean if of is None else of for mean, of in zip(values, of_metrics)]
    return keras.tree.pack_sequence_as(logs, values)


def _of_metrics(model: Any, engine: Any, logs: Any) -> list[Any]:
    """For each number of `logs` that is some metric's result here: its result over all ranks.

    None for the others. A result is recognised by its value on this rank, but for rounding, which a
    graph may do otherwise, and by its name among several; the ranks have to agree on it.
    """
    with local_reads():
        results = keras.tree.flatten_with_path(model.get_metrics_result())
        here = [(path, np.asarray(result)) for path, result in results]  # some are variables
    found = []
    for path, leaf in keras.tree.flatten_with_path(logs):
        equal = [i for i, (_, result) in enumerate(here) if _is_close(result, leaf)]
        named = [i for i in equal if path and path[-1] == here[i][0][-1]]
        found.append((named or equal or [-1])[0])
    mine = tf.constant([found], tf.int64)
    everybodys = collectives.all_gather(engine, mine).numpy()
    everywhere = [np.asarray(one) for one in keras.tree.flatten(model.get_metrics_result())]
    return [
        everywhere[which[0]] if which[0] >= 0 and np.all(which == which[0]) else None
        for which in everybodys.T
    ]


def _is_close(value: np.ndarray, other: Any) -> bool:
    other = np.asarray(other)
    return value.shape == other.shape and np.allclose(value, other, 1e-5, 0.0, equal_nan=True)


ADAPTERS = of_any_trainer("_get_metrics_result_or_logs", _metrics_result_or_logs)
