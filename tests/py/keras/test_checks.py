"""The user's own mistakes, found and named on every rank."""

import pytest
from harness import run_workers


def mistakes():
    import functools

    import keras
    import numpy as np
    import tensorflow as tf

    import tf_ddl

    strategy = tf_ddl.DDLStrategy()
    rank = strategy.rank
    x = np.random.default_rng(0).normal(size=[8, 3]).astype(np.float32)
    y = x.sum(axis=1, keepdims=True)

    def build(optimizer=None, units=4, activation="relu", compiled=True):
        model = keras.Sequential(
            [
                keras.layers.Input([3]),
                keras.layers.Dense(units, activation, name=f"hidden{rank}"),
                keras.layers.Dropout(0.1),
                keras.layers.BatchNormalization(name="norm"),
                keras.layers.Dense(1, name="last"),
            ]
        )
        if compiled:
            model.compile(optimizer or keras.optimizers.SGD(0.1, momentum=0.9), "mse")
        return model

    def scoped(**kwargs):
        with strategy.scope():
            return build(**kwargs)

    def refused(*texts, call, error=tf_ddl.errors.InvalidArgumentError):
        try:
            call()
        except error as caught:
            assert all(text in str(caught) for text in texts), f"{texts}: {caught}"
            return str(caught)
        raise AssertionError(f"not refused: {texts}")

    def both_ways(model, *texts):
        """By `check`, and by the first training step."""
        refused("strategy.check", *texts, call=lambda: strategy.check(model))
        refused("first training step", *texts, call=lambda: model.train_on_batch(x, y))

    # --- Nothing is wrong, although names and the layers' random seeds differ.
    model = scoped()
    strategy.check(model)
    model.fit(x, y, verbose=0)
    strategy.check(model)

    # --- Weights that differ: a trained one, one that is not, an optimizer's.
    model = scoped()
    if rank == 1:
        model.get_layer("last").kernel.assign_add(np.ones([4, 1]))
        model.get_layer("norm").moving_mean.assign(np.ones([4]))
    both_ways(model, "weights differ", "rank 1", "last/kernel", "norm/moving_mean", "every rank")
    model = scoped()
    model.train_on_batch(x, y)
    if rank == 0:
        model.optimizer.variables[-1].assign_add(np.ones([1]))
    text = refused("between rank 0 and rank 1", call=lambda: strategy.check(model))
    assert "momentum" in text and "kernel" not in text.replace("last_kernel", ""), text
    # What was lost is found in a later model too, one that resumes; it is compiled anew.
    model.compile(model.optimizer, "mse")
    refused("momentum", call=lambda: model.fit(x, y, verbose=0))

    # --- Programs that differ: settings of the optimizer, a layer, the loss.
    both_ways(
        scoped(optimizer=keras.optimizers.SGD(0.1 * (rank + 1))),
        "programs differ",
        "optimizer.learning_rate is 0.1",
        "on rank 0 and 0.2",
        "on rank 1",
    )
    both_ways(scoped(optimizer=["sgd", "adam"][rank]), "SGD on rank 0 and Adam on rank 1")
    both_ways(
        scoped(activation=["relu", "tanh"][rank]),
        "activation is relu on rank 0 and tanh on rank 1",
    )
    model = scoped(compiled=False)
    model.compile("sgd", ["mse", "mae"][rank])
    both_ways(model, "loss is mse on rank 0 and mae on rank 1")

    # --- A model from outside of the scope: all of it, or a part.
    outside = build()
    refused(
        "outside of the strategy's scope, on rank 1",
        "hidden1/kernel",
        call=lambda: strategy.check(outside),
    )
    refused("outside of the strategy's scope", call=lambda: outside.fit(x, y, verbose=0))
    with tf.distribute.OneDeviceStrategy("/cpu:0").scope():  # is said to train alone
        build().fit(x, y, verbose=0)
    with strategy.scope():
        whole = keras.Sequential([keras.layers.Input([3]), keras.layers.Dense(3), outside])
        whole.compile("sgd", "mse")
    both_ways(whole, "outside of the strategy's scope", "norm/gamma", "with strategy.scope()")

    # --- Variables and modules.
    with strategy.scope():
        own = tf.Variable([1.0, 2.0], name="own")
        names = tf.Variable(["a", "bc"], trainable=False)
    strategy.check([own, names])
    module = tf.Module()
    module.own, module.names = own, names
    strategy.check(module)
    own.assign([1.0, 2.0 + rank])
    refused("'own'", "rank 1", call=lambda: strategy.check(module))
    refused("not a float", call=lambda: strategy.check([1.0]), error=TypeError)
    refused(
        "cannot be called in a tf.function",
        call=lambda: tf.function(strategy.check)([own]),
        error=RuntimeError,
    )
    unbuilt = keras.Sequential([keras.layers.Dense(1)])
    refused("has no weights yet", call=lambda: strategy.check(unbuilt))

    # --- Updates outside of `run`, where nothing is reduced, with data of the rank's own.
    for way in (lambda function: function, tf.function):
        with strategy.scope():
            unreduced = keras.Sequential(
                [keras.layers.Input([3]), keras.layers.Dense(1, name="alone")]
            )
            optimizer = keras.optimizers.SGD(0.1)
        mine = tf.constant(x[rank * 4 : rank * 4 + 4])

        def update(unreduced=unreduced, optimizer=optimizer, mine=mine):
            with tf.GradientTape() as tape:
                loss = tf.reduce_mean(unreduced(mine))
            weights = unreduced.trainable_variables
            optimizer.apply(tape.gradient(loss, weights), weights)

        refused(
            "drifted apart: on rank 0 and rank 1",
            "alone/kernel",
            call=way(update),
            error=tf.errors.InvalidArgumentError,
        )

    # --- A custom step: collectives that differ, and weights.
    own.assign([1.0, 2.0])

    def step():
        replica = tf.distribute.get_replica_context()
        own.assign_sub(replica.all_reduce("SUM", own * 0.1))
        if rank == 1:
            replica.all_reduce("MEAN", tf.reduce_sum(own))

    refused = functools.partial(refused, error=tf.errors.InvalidArgumentError)
    refused(
        "collective 1 of the step is missing on rank 0 and all_reduce (mean) of float32[]",
        call=lambda: tf.function(strategy.run)(step),
    )
    own.assign([1.0, 2.0 + rank])

    def other_step():
        own.assign_sub(tf.distribute.get_replica_context().all_reduce("SUM", own * 0.1))

    refused("weights differ", "'own'", call=lambda: tf.function(strategy.run)(other_step))
    print("found", rank)


def reductions():
    import keras
    import numpy as np
    import tensorflow as tf

    import tf_ddl
    from tf_ddl._tf import ops

    strategy = tf_ddl.DDLStrategy()
    rank, size = strategy.rank, strategy.size
    keras.utils.set_random_seed(1)
    x = np.random.default_rng(0).normal(size=[9, 4]).astype(np.float32)
    y = x.sum(axis=1, keepdims=True)

    def refused(*texts, call):
        try:
            call()
        except tf.errors.InvalidArgumentError as caught:
            assert all(text in str(caught) for text in texts), f"{texts}: {caught}"
            return
        raise AssertionError(f"not refused: {texts}")

    def build(**kwargs):
        with strategy.scope():
            model = keras.Sequential(
                [
                    keras.layers.Input([4]),
                    keras.layers.Dense(8, "relu", name="first"),
                    keras.layers.BatchNormalization(),
                    keras.layers.Dense(1, name="last"),
                ]
            )
            model.compile(keras.optimizers.SGD(0.05, clipnorm=1.0), "mse", **kwargs)
        return model

    # --- What is right passes: eager, in graphs, a rank without rows, accumulation, all dtypes.
    for kwargs in ({}, {"run_eagerly": True}, {"steps_per_execution": 2}):
        build(**kwargs).fit(x, y, batch_size=8, verbose=0)
    keras.mixed_precision.set_global_policy("mixed_float16")
    half = build()
    keras.mixed_precision.set_global_policy("float32")
    half.fit(x, y, batch_size=8, verbose=0)
    for dtype in (tf.float64, tf.float16, tf.bfloat16, tf.int32, tf.int64, tf.complex64):
        total = strategy.reduce("SUM", tf.cast([rank + 1, 3], dtype), axis=None)
        assert total[0].numpy() == sum(range(1, size + 1))
    assert np.isnan(strategy.reduce("SUM", tf.constant(np.nan), axis=None))  # not a gradient

    # --- NaN on one rank: the tensor and the rank are named on all, nothing is updated.
    for eager in (False, True):
        model = build(run_eagerly=eager)
        model.train_on_batch(x, y)
        before = model.get_weights()
        bad = x.copy()
        if rank == size - 1:
            bad[0, 0] = np.nan
        refused(
            "gradients are not finite",
            "first/kernel has ",
            f" NaN and 0 infinite values on rank {size - 1}",
            call=lambda model=model, bad=bad: model.train_on_batch(bad, y),
        )
        for old, new in zip(before[:2], model.get_weights()):
            np.testing.assert_array_equal(old, new)

    # --- Infinity in a sparse gradient.
    with strategy.scope():
        table = tf.Variable(tf.ones([5, 2]), name="table")

    def look_up(factor):
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(tf.gather(table, [1, 3])) * factor
        gradient = tape.gradient(loss, table)
        gradient = tf.distribute.get_replica_context().all_reduce("SUM", gradient)
        table.scatter_sub(gradient)

    run = tf.function(lambda factor: strategy.run(look_up, (factor,)))
    run(tf.constant(0.5))
    refused(
        "0 NaN and 4 infinite values on rank 0",
        call=lambda: run(tf.constant(np.inf if rank == 0 else 1.0, tf.float32)),
    )

    # --- A reduction that comes out wrong, on one rank alone; the others say so too.
    right = ops.all_reduce

    def wrong(engine, tensors, *args, **kwargs):
        results = right(engine, tensors, *args, **kwargs)
        if rank == 0 and tensors[0].shape == [4, 8]:
            results[0] = results[0] + 0.25
        return results

    ops.all_reduce = wrong
    for eager in (False, True):
        refused(
            "an all-reduce came out wrong",
            "first/kernel on rank 0: 32 elements",
            call=lambda eager=eager: build(run_eagerly=eager).train_on_batch(x, y),
        )
    print("checked", rank)


def failures():
    import time

    import numpy as np
    import tensorflow as tf

    import tf_ddl
    from tf_ddl.replica.extended import reducing_gradients

    strategy = tf_ddl.DDLStrategy()
    rank, size = strategy.rank, strategy.size

    def sleep(value):
        time.sleep(1.0 if rank == size - 1 else 0.0)
        return value

    def slowly_reduced(value):
        # Without state, so that TensorFlow itself does not put it in order.
        value = tf.numpy_function(sleep, [value], tf.float32, stateful=False)
        return strategy.reduce("SUM", value, axis=None)

    def step(factor):
        with reducing_gradients(["gradient"]):
            replica = tf.distribute.get_replica_context()
            return replica.all_reduce("SUM", tf.ones([3]) * factor)

    inner = tf.function(step)
    for fn, slow_first in ((inner, True), (inner, False), (step, True), (step, False)):

        @tf.function
        def run(factor, fn=fn, slow_first=slow_first):
            before = slowly_reduced(factor) if slow_first else factor
            total = strategy.run(fn, (factor,))
            return (before if slow_first else slowly_reduced(factor)), total

        run(tf.constant(1.0))
        try:
            run(tf.constant(np.nan if rank == size - 1 else 1.0, tf.float32))
        except tf.errors.InvalidArgumentError as error:
            assert f"gradient has 3 NaN and 0 infinite values on rank {size - 1}" in str(error)
        else:
            raise AssertionError("not refused")
        time.sleep(2.5)  # longer than a cancelled collective waits for others
        assert run(tf.constant(1.0))[0] == size


def switched_off():
    import keras
    import numpy as np
    import tensorflow as tf

    import tf_ddl

    strategy = tf_ddl.DDLStrategy()
    with strategy.scope():
        model = keras.Sequential([keras.layers.Input([3]), keras.layers.Dense(1)])
        model.compile("sgd", "mse")
    if strategy.rank == 1:
        model.set_weights([np.ones([3, 1]), np.ones([1])])
    x, y = np.ones([4, 3], np.float32), np.ones([4, 1], np.float32)
    try:
        model.train_on_batch(x, y)
    except tf.errors.InvalidArgumentError as error:  # the comparison after it is still there
        assert "drifted apart" in str(error) and "rank 1" in str(error)
    else:
        raise AssertionError("not refused")


def settings():
    import tf_ddl

    tf_ddl.DDLStrategy()


def compared_after_each_of_many_steps():
    import keras
    import numpy as np

    import tf_ddl

    strategy = tf_ddl.DDLStrategy(tf_ddl.Options(check_replicas_every=1))
    with strategy.scope():
        hidden = [keras.layers.Dense(128, "relu") for _ in range(4)]
        model = keras.Sequential([keras.Input([16]), *hidden, keras.layers.Dense(1)])
        model.compile("adam", "mse", steps_per_execution=20)
    x = np.random.default_rng(0).normal(size=[3200, 16]).astype(np.float32)
    model.fit(x, x[:, :1], batch_size=16, verbose=0)


def test_mistakes_are_named_on_every_rank():
    for result in run_workers(mistakes, 2, timeout=120):
        assert f"found {result.rank}" in result.stdout


@pytest.mark.parametrize("size", [1, 2])
def test_reductions_beside_simple_ones(size):
    for result in run_workers(reductions, size, env={"DDL_CHECK_REDUCTIONS": "1"}, timeout=120):
        assert f"checked {result.rank}" in result.stdout


def test_a_failed_check_leaves_nothing_under_way():
    run_workers(failures, 2, env={"DDL_CHECK_REDUCTIONS": "1"}, timeout=120)


def test_replicas_are_compared_between_steps_and_not_in_one():
    """Variables that are read while another step assigns them would differ between ranks."""
    threads = {"TF_NUM_INTEROP_THREADS": "4"}
    run_workers(compared_after_each_of_many_steps, 2, env=threads, timeout=120)


def test_the_first_step_s_check_can_be_switched_off():
    run_workers(switched_off, 2, env={"DDL_CHECK_FIRST_STEP": "0"}, timeout=60)


def test_settings_of_checks_must_be_equal():
    results = run_workers(
        settings, 2, env_by_rank={1: {"DDL_CHECK_REPLICAS_EVERY": "7"}}, expect_failure=True
    )
    for result in results:
        assert "rank 0 has check_replicas_every=1000, rank 1 has check_replicas_every=7" in (
            result.stderr
        )
