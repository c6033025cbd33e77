"""BatchNormalization: of the rank's rows by default, of the global batch when synchronized."""

import numpy as np
import pytest
from harness import run_workers

ROWS = 17  # in batches of 8: of the last row rank 1 has nothing


def normalize(folder, rows, with_strategy):
    import contextlib

    import keras
    import numpy as np
    import tensorflow as tf

    rank, scope, strategy = 0, contextlib.nullcontext, None
    if with_strategy:
        import tf_ddl

        strategy = tf_ddl.DDLStrategy()
        rank, scope = strategy.rank, strategy.scope

    data = np.random.default_rng(0)
    # Large means beside small variances: a sum of squares in float32 would lose them.
    x = (data.normal(size=[rows, 5, 5, 3]) + [0.0, 30.0, -300.0]).astype(np.float32)
    y = data.integers(0, 3, size=rows)
    results = {}
    # The big batch of one process: there, Keras' own synchronized=True loses digits.
    synchronize = {"synchronized": with_strategy}

    def keep(name, model, history=None):
        for i, variable in enumerate(model.variables):
            if "seed" not in variable.path:
                results[f"{name} {i} {variable.path.split('/')[-1]}"] = variable.numpy()
        if history is not None:
            results[f"{name} loss"] = np.asarray(history.history["loss"])

    def image_model(**kwargs):
        keras.utils.set_random_seed(1)
        with scope():
            model = keras.Sequential(
                [
                    keras.layers.Input([5, 5, 3]),
                    keras.layers.BatchNormalization(**kwargs),
                    keras.layers.Conv2D(4, 3),
                    keras.layers.BatchNormalization(momentum=0.8, **kwargs),
                    keras.layers.Activation("relu"),
                    keras.layers.Flatten(),
                    keras.layers.Dense(3),
                ]
            )
            loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
            model.compile(keras.optimizers.SGD(0.05, momentum=0.5), loss)
        return model

    fitted = {"batch_size": 8, "epochs": 2, "verbose": 0, "shuffle": False}
    for name, kwargs in (("synchronized", synchronize), ("per replica", {})):
        model = image_model(**kwargs)
        keep(name, model, model.fit(x, y, **fitted))
        results[f"{name} predicted"] = model.predict(x, verbose=0)
        results[f"{name} evaluated"] = np.asarray(model.evaluate(x, y, batch_size=8, verbose=0))
    model = image_model(**synchronize)
    model.compile(model.optimizer, model.loss, run_eagerly=True)  # outside of the scope, too
    keep("synchronized, eager", model, model.fit(x, y, **fitted))

    keras.config.set_dtype_policy("mixed_float16")
    model = image_model(**synchronize)
    keras.config.set_dtype_policy("float32")
    keep("synchronized, float16", model, model.fit(x / 100, y, **fitted))

    # --- A mask: Keras itself does not synchronize there.
    keras.utils.set_random_seed(2)
    with scope():
        tokens = keras.Input([6], dtype="int32")
        hidden = keras.layers.Embedding(11, 4, mask_zero=True)(tokens)
        hidden = keras.layers.BatchNormalization(**synchronize)(hidden)
        out = keras.layers.Dense(1)(keras.layers.GlobalAveragePooling1D()(hidden))
        model = keras.Model(tokens, out)
        model.compile(keras.optimizers.SGD(0.05), "mse")
    words = data.integers(1, 11, size=[rows, 6]) * (np.arange(6) < data.integers(1, 7, [rows, 1]))
    keep("masked", model, model.fit(words, y.astype(np.float32), **fitted))

    # --- The gradient itself, in a loop of the user's, by shares of 5 and 3 rows.
    keras.utils.set_random_seed(3)
    with scope():
        layer = keras.layers.BatchNormalization(**synchronize)
        layer.build([None, 3])
        scale = tf.Variable([1.0, 2.0, 3.0])
    rows_of = {0: slice(0, 5), 1: slice(5, 8)}[rank] if with_strategy else slice(0, 8)
    features, factors = data.normal(size=[2, 8, 3]).astype(np.float32) + 1.0

    @tf.function
    def step(part, factor):
        with tf.GradientTape(persistent=True) as tape:
            tape.watch(part)
            out = layer(part * scale, training=True)
            loss = tf.reduce_sum(factor * tf.tanh(out))
        of_weights = tape.gradient(loss, [scale, layer.gamma.value, layer.beta.value])
        of_rows = tape.gradient(loss, part)
        context = tf.distribute.get_replica_context()
        return out, of_rows, context.all_reduce("SUM", of_weights)

    def run(*args):
        return step(*args) if strategy is None else strategy.run(step, args)

    out, of_rows, of_weights = run(tf.constant(features[rows_of]), tf.constant(factors[rows_of]))
    if strategy is not None:
        out, of_rows = strategy.gather((out, of_rows), axis=0)
    results["loop out"], results["loop gradient of rows"] = out.numpy(), of_rows.numpy()
    for name, value in zip(("scale", "gamma", "beta"), of_weights):
        results[f"loop gradient of {name}"] = value.numpy()
    results["loop mean"] = layer.moving_mean.numpy()
    results["loop variance"] = layer.moving_variance.numpy()

    # --- What "per replica" is: one step, seen from outside.
    model = image_model()
    model.fit(x[:8], y[:8], batch_size=8, epochs=1, verbose=0, shuffle=False)
    results["one step mean"] = model.layers[0].moving_mean.numpy()
    results["one step variance"] = model.layers[0].moving_variance.numpy()
    np.savez(f"{folder}/{'ddl' if with_strategy else 'single'}.{rank}.npz", x=x, **results)


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """Of a single process without a strategy, of two ranks."""
    folder = tmp_path_factory.mktemp("normalization")
    run_workers(normalize, 1, args=(str(folder), ROWS, False), timeout=120)
    run_workers(normalize, 2, args=(str(folder), ROWS, True), timeout=150)
    return [dict(np.load(folder / f"{name}.npz")) for name in ("single.0", "ddl.0", "ddl.1")]


def names(results, start):
    found = [name for name in results[0] if name.startswith(start)]
    assert found
    return found


@pytest.mark.parametrize(
    "case, tolerance",
    [
        ("synchronized ", 1e-3),
        ("synchronized, eager ", 1e-3),
        ("synchronized, float16 ", 2e-2),
        ("masked ", 1e-4),
        ("loop ", 1e-4),
    ],
)
def test_synchronized_is_the_big_batch_of_one_process(results, case, tolerance):
    for name in names(results, case):
        single, *ranks = [result[name] for result in results]
        np.testing.assert_array_equal(ranks[1], ranks[0], err_msg=name)
        scale = np.abs(single).max()
        assert np.abs(ranks[0] - single).max() <= tolerance * max(scale, 0.1), name


def test_per_replica_statistics_are_common(results):
    for name in names(results, "per replica "):
        single, *ranks = [result[name] for result in results]
        np.testing.assert_array_equal(ranks[1], ranks[0], err_msg=name)
        assert ranks[0].shape == single.shape and np.isfinite(ranks[0]).all()
    # They are not those of the global batch: each rank normalizes with its own rows'.
    differ = [
        np.abs(results[1][name] - results[0][name]).max() > 1e-3
        for name in names(results, "per replica ")
    ]
    assert any(differ)


def test_moving_statistics_are_the_means_of_the_ranks(results):
    x = results[0]["x"][:8]
    halves = [x[:4], x[4:]]
    mean = np.mean([half.mean((0, 1, 2)) for half in halves], axis=0)
    variance = np.mean([half.var((0, 1, 2)) for half in halves], axis=0)
    for result in results[1:]:
        np.testing.assert_allclose(result["one step mean"], 0.01 * mean, rtol=1e-3, atol=1e-5)
        np.testing.assert_allclose(result["one step variance"], 0.99 + 0.01 * variance, rtol=1e-3)
