"""Ranks whose programs differ: every rank says what differs, within seconds."""

import pytest
from harness import run_workers


def different_arrays(shapes, dtypes, ops):
    import numpy as np

    from tf_ddl import collective

    collective.init()
    rank = collective.rank()
    collective.all_reduce(np.ones([2], np.float32))  # a step on which all agree
    collective.all_reduce(np.ones(shapes[rank], dtypes[rank]), op=ops[rank])


def last_line(result):
    """The error, in the words of whichever check came first: the call's or the group's."""
    return result.stderr.splitlines()[-1].replace(" ", "").replace("_", "-")


@pytest.mark.parametrize(
    ("shapes", "dtypes", "ops", "names"),
    [
        (([3, 4], [3, 4], [3, 5]), ("float32",) * 3, ("sum",) * 3, ("[3,4]", "[3,5]", "rank 2")),
        (([7], [7], [7]), ("float32", "float64", "float32"), ("sum",) * 3, ("float64", "rank 1")),
        (([7], [7], [7]), ("float32",) * 3, ("sum", "sum", "mean"), ("mean", "rank 2")),
    ],
    ids=["shape", "dtype", "op"],
)
def test_all_reduces_that_differ(shapes, dtypes, ops, names):
    results = run_workers(
        different_arrays, 3, args=(shapes, dtypes, ops), timeout=60, expect_failure=True
    )
    for result in results:
        message = last_line(result)
        assert "InvalidArgumentError" in message
        for name in names:
            assert name.replace(" ", "") in message, result.stderr


def different_kinds():
    import numpy as np

    from tf_ddl import collective

    collective.init()
    if collective.rank() == 0:
        collective.broadcast(np.ones(5, np.int32))
    else:
        collective.all_gather(np.ones(5, np.int32))


def test_different_collectives():
    for result in run_workers(different_kinds, 2, timeout=60, expect_failure=True):
        message = last_line(result)
        assert "InvalidArgumentError" in message
        assert "broadcast" in message and "all-gather" in message, result.stderr


def different_models(units):
    import keras
    import numpy as np

    import tf_ddl

    strategy = tf_ddl.DDLStrategy()
    with strategy.scope():
        model = keras.Sequential(
            [
                keras.layers.Input([8]),
                keras.layers.Dense(16, name="first"),
                keras.layers.Dense(units[tf_ddl.collective.rank()], name="second"),
                keras.layers.Dense(1, name="third"),
            ]
        )
        model.compile("sgd", "mse")
    x = np.ones([32, 8], np.float32)
    model.fit(x, np.ones([32, 1], np.float32), batch_size=8, verbose=0)


def test_different_models():
    results = run_workers(different_models, 2, args=([32, 33],), timeout=100, expect_failure=True)
    for result in results:
        assert "InvalidArgumentError" in result.stderr
        assert "'kernel' float32 [16,32]" in result.stderr.replace("second/", ""), result.stderr
        assert "[16,33]" in result.stderr
