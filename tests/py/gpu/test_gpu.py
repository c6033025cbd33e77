"""On a machine with a GPU: gradients that live there are reduced, by way of the host for now."""

from __future__ import annotations

import pytest
from harness import run_workers

pytestmark = pytest.mark.gpu


def _reduce_on_gpu() -> None:
    import tensorflow as tf

    import tf_ddl

    strategy = tf_ddl.DDLStrategy()
    with strategy.scope():
        weights = tf.Variable(tf.zeros([1000, 10]))
    assert "GPU" in weights.device, weights.device

    def step(x: tf.Tensor) -> tf.Tensor:
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(x @ weights)
        gradient = tape.gradient(loss, weights)
        return tf.distribute.get_replica_context().all_reduce("SUM", [gradient])[0]

    x = tf.fill([4, 1000], float(strategy.rank + 1))
    total = tf.function(lambda: strategy.run(step, (x,)))()
    expected = 4.0 * sum(range(1, strategy.size + 1))
    tf.debugging.assert_near(total, tf.fill([1000, 10], expected))


@pytest.mark.timeout(180)
@pytest.mark.parametrize("size", [1, 2])
def test_gradients_of_a_gpu_are_reduced(size: int) -> None:
    run_workers(_reduce_on_gpu, size, timeout=150)
