"""The compiled ops: run exactly as written, whatever the graph optimizers think of them."""

import signal
import time

import pytest
from harness import run_workers, start_workers
from time_limits import limit


def executions():
    """How often the engine is called must not depend on constants, or on what is used."""
    import tensorflow as tf

    import tf_ddl
    from tf_ddl._tf import ops

    strategy = tf_ddl.DDLStrategy()
    engine = strategy.extended.engine
    one = tf.constant(1.0)
    variable = tf.Variable(0.0, trainable=False)

    def reduced(*tensors):
        replica = tf.distribute.get_replica_context
        return strategy.run(lambda: replica().all_reduce("SUM", list(tensors)))

    def some(x):
        return reduced(x, x * 2.0, tf.constant(3.0))[1]

    inner = tf.function(some)

    @tf.function
    def stateful_inner(x):
        variable.assign_add(1.0)
        return some(x)

    def unused(fn):
        fn(one)

    def unknown():
        return tf.random.uniform([]) < 2.0  # always true

    def loop(body):
        return tf.while_loop(lambda i, t: i < 3, lambda i, t: (i + 1, t + body(one)), [0, 0.0])[1]

    def gradient(x=one):
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = some(x)
        return tape.gradient(y, x)

    cases = {
        "constants": (3, lambda: some(tf.constant(2.0))),
        "not used": (3, lambda: unused(some)),
        "inner function": (3, lambda: inner(one) + 1.0),
        "inner function, not used": (3, lambda: unused(inner)),
        "stateful inner function": (3, lambda: stateful_inner(one)),
        "the same twice": (6, lambda: inner(one) + inner(one)),
        "branch": (3, lambda: tf.cond(unknown(), lambda: some(one), lambda: 0.0)),
        "branch not taken": (0, lambda: tf.cond(unknown(), lambda: 0.0, lambda: some(one))),
        "branch with function": (3, lambda: tf.cond(unknown(), lambda: inner(one), lambda: 0.0)),
        "loop": (9, lambda: loop(some)),
        "loop with function": (9, lambda: loop(inner)),
        "map": (6, lambda: tf.map_fn(some, tf.constant([1.0, 2.0]))),
        "gradient": (4, gradient),
        "broadcast": (1, lambda: ops.broadcast(engine, tf.constant([1, 2]))),
        "gather, not used": (1, lambda: ops.all_gather(engine, tf.constant([1]))[:0]),
    }
    for name, (expected, fn) in cases.items():
        traced = tf.function(fn, autograph=False)
        traced()
        before = engine.stats()["tensors"]
        traced()
        traced()
        assert engine.stats()["tensors"] - before == 2 * expected, name

    # Groups of single ops are found again by retraced functions, not made anew.
    graph = tf.function(some).get_concrete_function(one).graph
    again = tf.function(some).get_concrete_function(one).graph
    groups = [
        [op.get_attr("group") for op in g.get_operations() if op.type == "DdlAllReduce"]
        for g in (graph, again)
    ]
    assert groups[0] == groups[1] and len(set(groups[0])) == 1 and len(groups[0]) == 3
    names = [op.get_attr("tensor_name") for op in graph.get_operations() if "DdlAll" in op.type]
    assert all(names)

    # What cannot be done is said.
    for wrong, text in (
        (lambda: ops.broadcast(engine, tf.constant("text")), "not string"),
        (lambda: ops.all_gather(engine, tf.constant(1.0)), "at least"),
        (lambda: tf.function(ops.all_gather)(engine, tf.constant(1.0)), "at least rank 1"),
    ):
        try:
            wrong()
            raise AssertionError("not refused")
        except (tf.errors.InvalidArgumentError, ValueError) as error:
            assert text in str(error), str(error)

    stale = tf.function(lambda: some(one))
    stale()
    tf_ddl.collective.shutdown()
    try:
        stale()
        raise AssertionError("not refused")
    except tf.errors.FailedPreconditionError as error:
        assert "shut down" in str(error)


@pytest.mark.parametrize("size", [1, 2])
def test_every_op_is_executed_as_written(size):
    run_workers(executions, size, timeout=100)


def overlapping_failure(failed):
    """Rank 1's step fails while its all-reduce waits for rank 0, which is busy elsewhere."""
    import pathlib
    import time

    import tensorflow as tf

    import tf_ddl

    failed = pathlib.Path(failed)
    strategy = tf_ddl.DDLStrategy()
    fails = tf.Variable(False, trainable=False)

    def fail(now):
        if now:
            time.sleep(0.5)  # the all-reduce has started by then
            raise ValueError("rank 1 has had enough")
        return now

    @tf.function
    def step():
        tf.numpy_function(fail, [fails], tf.bool)
        return strategy.reduce("SUM", tf.ones([1000]), axis=None)

    step()
    print("ready", flush=True)
    if strategy.rank == 0:
        while not failed.exists():
            time.sleep(0.05)
    else:
        fails.assign(True)
    started = time.monotonic()
    try:
        step()
    except (tf.errors.InvalidArgumentError, tf.errors.UnavailableError) as error:
        took = time.monotonic() - started
        print(f"{type(error).__name__} after {took:.1f} s: {error}", flush=True)
        failed.touch()
        raise SystemExit(7) from None


@pytest.mark.timed
def test_a_cancelled_step_does_not_leave_others_waiting(tmp_path):
    args, env = (str(tmp_path / "failed"),), {"DDL_TIMEOUT": "60"}
    with start_workers(overlapping_failure, 2, args=args, env=env) as workers:
        results = workers.wait(timeout=60)
    first, second = results
    assert second.returncode == 7 and first.returncode == 7, workers.describe()
    assert "InvalidArgumentError" in second.stdout and "had enough" in second.stdout
    assert "PeerLostError" in first.stdout and "rank 1" in first.stdout
    at_once, took = (float(one.stdout.split("after ")[1].split(" s")[0]) for one in results)
    assert at_once < limit(1.0)
    assert 1.5 < took < limit(4.0)  # two seconds are for kernels that may be about to end


def train_until_killed():
    import keras
    import numpy as np
    import tensorflow as tf

    import tf_ddl

    strategy = tf_ddl.DDLStrategy()
    with strategy.scope():
        model = keras.Sequential([keras.layers.Input([8]), keras.layers.Dense(8)])
        model.compile("sgd", "mse")

    class Tell(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            if batch == 20:
                print("training", flush=True)

    x = np.ones([1 << 16, 8], np.float32)
    try:
        model.fit(x, x, batch_size=8, epochs=1000, verbose=0, callbacks=[Tell()])
    except tf.errors.UnavailableError as error:
        print(f"UnavailableError: {error}", flush=True)
        raise SystemExit(7) from None


@pytest.mark.timed
def test_fit_says_which_rank_was_killed():
    with start_workers(train_until_killed, 3) as workers:
        for rank in range(3):
            workers.wait_for_line(rank, "training")
        workers[1].send(signal.SIGKILL)
        killed = time.monotonic()
        results = workers.wait(timeout=20, ranks=[0, 2])
        assert time.monotonic() - killed < limit(4.0)
    for result in results:
        assert result.returncode == 7, workers.describe()
        assert "UnavailableError" in result.stdout and "rank 1" in result.stdout
