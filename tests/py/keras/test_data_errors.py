"""A pipeline that raises on one rank."""

import re

import pytest
from harness import run_workers
from time_limits import limit


def raises(where):
    import keras
    import numpy as np
    import tensorflow as tf

    import tf_ddl

    strategy = tf_ddl.DDLStrategy()
    x = np.ones([40, 2], np.float32)

    def checked(i):
        bad = tf.logical_and(i == 22, strategy.rank == 1)
        with tf.control_dependencies([tf.debugging.Assert(~bad, ["row 22 cannot be read"])]):
            return tf.ones([2]), tf.ones([1])

    def generator():
        for i in range(10):
            if i == 5 and strategy.rank == 1:
                raise OSError("row 22 cannot be read")
            yield x[:4], x[:4, :1]

    with strategy.scope():
        model = keras.Sequential([keras.layers.Input([2]), keras.layers.Dense(1)])
        model.compile("sgd", "mse")
    data = tf.data.Dataset.range(40).map(checked).batch(4) if where == "map" else generator()
    model.fit(data, epochs=3, verbose=0)


@pytest.mark.timed
@pytest.mark.parametrize("where", ["map", "generator"])
def test_a_pipeline_that_raises_on_one_rank_stops_all_with_its_error(where):
    results = run_workers(raises, 2, args=(where,), timeout=60, expect_failure=True)
    assert "row 22 cannot be read" in results[1].stderr
    # The other rank says whose error it is, and which.
    assert re.search(r"rank 1 \(\S+\): the program raised \w+:", results[0].stderr)
    assert "row 22 cannot be read" in results[0].stderr
    assert all(result.seconds < limit(15) for result in results)
