"""Variables of a strategy, what is saved of them, and replicas that would drift apart."""

import pytest
from harness import run_workers


def variables(folder):
    import os

    import keras
    import numpy as np
    import tensorflow as tf

    import tf_ddl

    strategy = tf_ddl.DDLStrategy()
    rank, size = strategy.rank, strategy.size
    on_read = tf.VariableSynchronization.ON_READ

    # --- Initial values are rank 0's: values, functions, any dtype, in a tf.function.
    with strategy.scope():
        for value in (
            np.float32(rank + 1),
            lambda: tf.fill([3], rank + 1),
            np.full([2, 2], rank == 0),
            tf.constant([rank + 1], tf.uint8),
            tf.cast(rank + 1, tf.bfloat16),
            tf.constant(rank + 1j, tf.complex128),
            tf.constant(["first", "longer"][rank : rank + 1] or ["x"]),
        ):
            made = tf.Variable(value, trainable=False)
            got = made.read_value()
            assert np.all(got.numpy() == strategy.gather(got[tf.newaxis], 0)[0].numpy())
        holder = {}

        @tf.function
        def make_in_function():
            if not holder:
                holder["v"] = tf.Variable(tf.fill([2], float(rank + 3)))
            return holder["v"] + 0.0

        np.testing.assert_array_equal(make_in_function(), [3.0, 3.0])
    outside = tf.Variable(float(rank))
    assert outside.numpy() == rank

    # --- ON_READ: local in run, reduced elsewhere, in eager mode and in functions.
    with strategy.scope():
        total = tf.Variable(0.0, synchronization=on_read, aggregation=tf.VariableAggregation.SUM)
        mean = tf.Variable(0.0, synchronization=on_read, aggregation=tf.VariableAggregation.MEAN)
        first = tf.Variable(
            0, synchronization=on_read, aggregation=tf.VariableAggregation.ONLY_FIRST_REPLICA
        )

    def add():
        total.assign_add(rank + 1.0)
        mean.assign(float(rank))
        first.assign(rank + 5)
        return total.read_value()

    for run in (strategy.run, tf.function(strategy.run)):
        total.assign(0.0)
        assert run(add).numpy() == rank + 1
        for read in (
            lambda v: v.numpy(),
            lambda v: tf.add(v, 0),
            lambda v: tf.subtract(v, 0),  # read in another way than by `add`
            lambda v: tf.raw_ops.Mul(x=v, y=1),
            lambda v: v + 0,
            tf.convert_to_tensor,
            lambda v: tf.function(lambda: v + 0)(),
        ):
            assert read(total) == sum(range(1, size + 1))
            assert read(mean) == np.mean(range(size))
            assert read(first) == 5
        with strategy.scope():
            assert total.numpy() == sum(range(1, size + 1))
        assert f"numpy={rank + 1.0}" in repr(total)  # printing does not communicate
    total.assign(10.0)
    assert total.numpy() == 10.0
    assert strategy.run(total.read_value).numpy() == (10.0 if rank == 0 else 0.0)
    total.assign_add(2.0)
    assert total.numpy() == 12.0

    # --- Rank 0 may save alone; what is restored is the value over all ranks.
    path = f"{folder}/checkpoint"
    checkpoint = tf.train.Checkpoint(total=total, mean=mean)
    if rank == 0:
        checkpoint.write(path)
    strategy.reduce("SUM", 1, axis=None)  # the others wait
    total.assign(1.0)
    checkpoint.read(path).assert_consumed()
    assert total.numpy() == 12.0

    # --- Models: every rank saves to one path, rank 0 alone, weights, TensorFlow's checkpoints.
    x = np.random.default_rng(0).normal(size=[30, 4]).astype(np.float32)
    y = x.sum(axis=1, keepdims=True)

    def build():
        with strategy.scope():
            model = keras.Sequential(
                [
                    keras.layers.Input([4]),
                    keras.layers.Dense(6, "relu"),
                    keras.layers.BatchNormalization(),
                    keras.layers.Dense(1),
                ]
            )
            model.compile(keras.optimizers.Adam(0.01), "mse", metrics=["mae"])
        return model

    model = build()
    saver = keras.callbacks.ModelCheckpoint(f"{folder}/best.keras", save_best_only=False)
    callbacks = [
        saver,
        keras.callbacks.BackupAndRestore(f"{folder}/backup"),
        keras.callbacks.CSVLogger(f"{folder}/log.csv"),
    ]
    model.fit(x, y, batch_size=8, epochs=2, verbose=0, callbacks=callbacks)
    expected = model.predict(x, verbose=0)
    model.save(f"{folder}/model.keras")
    model.save_weights(f"{folder}/all.weights.h5")
    if rank == 0:
        model.save(f"{folder}/alone.keras")
        tf.train.Checkpoint(model=model).write(f"{folder}/tf")
    strategy.reduce("SUM", 1, axis=None)
    assert not [name for name in os.listdir(folder) if ".rank" in name or name == "backup"]
    with open(f"{folder}/log.csv") as file:
        assert len(file.readlines()) == 3
    for name in ("model.keras", "alone.keras", "best.keras"):
        with strategy.scope():
            loaded = keras.models.load_model(f"{folder}/{name}")
        np.testing.assert_allclose(loaded.predict(x, verbose=0), expected, rtol=1e-6)
        loaded.fit(x, y, batch_size=8, verbose=0)  # goes on training, with the optimizer's state
    for load in (
        lambda m: m.load_weights(f"{folder}/all.weights.h5"),
        lambda m: tf.train.Checkpoint(model=m).read(f"{folder}/tf").expect_partial(),
    ):
        loaded = build()
        load(loaded)
        np.testing.assert_allclose(loaded.predict(x, verbose=0), expected, rtol=1e-6)
    exported = f"{folder}/exported{rank}"
    model.export(exported, verbose=False)
    artifact = tf.saved_model.load(exported)
    np.testing.assert_allclose(artifact.serve(x), expected, rtol=1e-5, atol=1e-6)

    # --- The optimizer makes its variables where the model is, also when it is made outside.
    with strategy.scope():
        model = keras.Sequential([keras.layers.Input([4]), keras.layers.Dense(1)])
    model.compile(keras.optimizers.SGD(0.1, momentum=0.9), "mse")
    model.fit(x, y, batch_size=8, verbose=0)
    for weight in model.get_weights():
        everybodys = strategy.gather(weight[np.newaxis], 0).numpy()
        np.testing.assert_array_equal(everybodys[0], everybodys[-1])


def test_variables_and_saving(tmp_path):
    run_workers(variables, 2, args=(str(tmp_path),), timeout=150)


def drift():
    import itertools

    import keras
    import numpy as np
    import tensorflow as tf

    import tf_ddl

    strategy = tf_ddl.DDLStrategy(tf_ddl.Options(check_replicas_every=3))
    rank = strategy.rank
    x = np.random.default_rng(rank).normal(size=[8, 3]).astype(np.float32)
    y = x.sum(axis=1, keepdims=True)

    class Unreduced(keras.optimizers.SGD):
        """What Horovod's optimizer comes to under Keras 3: it never asks for a reduction."""

        def _backend_update_step(self, grads, variables, learning_rate):
            for gradient, variable in zip(grads, variables):
                self.update_step(gradient, variable, learning_rate)

    def build(optimizer, **kwargs):
        model = keras.Sequential(
            [keras.layers.Input([3]), keras.layers.Dense(4), keras.layers.Dense(1, name="last")]
        )
        model.compile(optimizer, "mse", **kwargs)
        return model

    def refused(error, *texts, call):
        try:
            call()
        except error as caught:
            assert all(text in str(caught) for text in texts), str(caught)
            return
        raise AssertionError("not refused")

    # --- A bypass is an error in the first step, eager or not, named on every rank.
    for eager in (False, True):
        with strategy.scope():
            model = build(Unreduced(0.1), run_eagerly=eager)
        refused(
            tf.errors.InvalidArgumentError,
            "drifted apart",
            "dense",
            "rank 1",
            call=lambda model=model: model.train_on_batch(x, y),
        )

    # --- A variable from outside the scope.
    model = build("sgd")  # has no strategy: it trains alone
    with strategy.scope():
        own = tf.Variable(1.0)
    foreign = tf.Variable(1.0, name="foreign")
    for run in (strategy.run, tf.function(strategy.run)):
        refused(ValueError, "foreign", "scope", call=lambda run=run: run(lambda: own * foreign))
        assert run(lambda: own * 2.0).numpy() == 2.0
    frozen = tf.Variable(3.0, trainable=False)
    assert strategy.run(lambda: own * frozen).numpy() == 3.0
    refused(
        ValueError,
        "scope",
        call=lambda: strategy.run(lambda: model(x)),
    )

    # --- A drift that begins later is found at the next comparison: here, of the third run.
    drifting = tf.Variable(0.0, trainable=False)

    def step():
        shared = tf.distribute.get_replica_context().all_reduce("SUM", 1.0)
        own.assign_add(shared + (drifting if rank == 1 else 0.0))

    for run in (strategy.run, tf.function(strategy.run)):
        own.assign(0.0)
        drifting.assign(0.0)
        run(step)
        drifting.assign(1.0)
        run(step)
        refused(tf.errors.InvalidArgumentError, "drifted apart", call=lambda run=run: run(step))

    # --- Honest training is not bothered, and compares as seldom as it should.
    with strategy.scope():
        model = build(keras.optimizers.SGD(0.1, gradient_accumulation_steps=2))
    gathers = [strategy.stats()["plans"].get("all-gather", 0)]
    for _ in range(7):
        model.train_on_batch(x, y)
        gathers.append(strategy.stats()["plans"]["all-gather"])
    compared = [after > before for before, after in itertools.pairwise(gathers)]
    assert compared == [True, False, True, False, False, True, False], compared


def test_replicas_cannot_drift_apart_unnoticed():
    run_workers(drift, 2, timeout=100)


def loss_scaling():
    import keras
    import numpy as np

    import tf_ddl

    strategy = tf_ddl.DDLStrategy()
    rank = strategy.rank
    keras.mixed_precision.set_global_policy("mixed_float16")
    with strategy.scope():
        model = keras.Sequential(
            [keras.layers.Input([3]), keras.layers.Dense(4), keras.layers.Dense(1, dtype="float32")]
        )
        model.compile("sgd", "mse")
    assert isinstance(model.optimizer, keras.optimizers.LossScaleOptimizer)
    x, y = np.ones([4, 3], np.float32), np.ones([4, 1], np.float32)
    model.train_on_batch(x, y)
    scale = float(model.optimizer.dynamic_scale.numpy())
    before = model.get_weights()
    bad = x * (np.inf if rank == 1 else 1.0)  # on one rank alone
    model.train_on_batch(bad, y)
    assert float(model.optimizer.dynamic_scale.numpy()) == scale / 2
    for old, new in zip(before, model.get_weights()):
        np.testing.assert_array_equal(old, new)
    model.train_on_batch(x, y)
    assert any((old != new).any() for old, new in zip(before, model.get_weights()))
    # 9 rows in batches of 8: rank 1 has none in the last, which is no reason to skip it.
    model.fit(np.ones([9, 3]), np.ones([9, 1]), batch_size=8, verbose=0)
    assert float(model.optimizer.dynamic_scale.numpy()) == scale / 2
    for weight in model.get_weights():
        assert np.isfinite(weight).all()
        everybodys = strategy.gather(weight[np.newaxis], 0).numpy()
        np.testing.assert_array_equal(everybodys[0], everybodys[-1])


def test_a_step_is_skipped_by_all_ranks_or_none():
    run_workers(loss_scaling, 2, timeout=60)


@pytest.mark.parametrize("size", [1])
def test_drift_checks_in_a_world_of_one(size):
    def alone():
        import tensorflow as tf

        import tf_ddl

        strategy = tf_ddl.DDLStrategy()
        foreign = tf.Variable(1.0)
        try:
            strategy.run(lambda: foreign + 1.0)
        except ValueError as error:
            assert "scope" in str(error)
        else:
            raise AssertionError("not refused")

    run_workers(alone, size, timeout=60)
