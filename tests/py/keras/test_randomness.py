"""Seeds: common weights, other masks and augmentations on each rank, the same in each run."""

import numpy as np
import pytest
from harness import run_workers


def draw(folder, name, seed):
    import random

    import keras
    import numpy as np
    import tensorflow as tf

    import tf_ddl

    strategy = tf_ddl.DDLStrategy(tf_ddl.Options(check_replicas_every=1))
    if seed:
        keras.utils.set_random_seed(seed)
    results = {}
    x = np.ones([8, 6, 6, 2], np.float32) * np.arange(6, dtype=np.float32)[:, None]
    mine = 4 if strategy.size == 2 else 8

    with strategy.scope():
        model = keras.Sequential(
            [
                keras.layers.Input([6, 6, 2]),
                keras.layers.RandomFlip(),
                keras.layers.RandomTranslation(0.3, 0.3),
                keras.layers.GaussianNoise(0.5),
                keras.layers.Flatten(),
                keras.layers.Dense(16),
                keras.layers.Dropout(0.5, seed=9),
                keras.layers.Dense(1, kernel_initializer="he_normal"),
            ]
        )
        model.compile("adam", "mse")
        generator = tf.random.Generator.from_seed(3)
    results["initial"] = np.concatenate([w.ravel() for w in model.get_weights()])

    # What the layers draw in a step, traced and eager.
    noises = {
        "augmentation": lambda rows: model.layers[1](
            model.layers[0](rows, training=True), training=True
        ),
        "dropout": lambda rows: model.layers[5](tf.ones([len(rows), 16]), training=True),
        "tf.random": lambda rows: tf.random.normal([len(rows), 8]),
        "tf.random, op seed": lambda rows: tf.random.uniform([len(rows), 8], seed=4),
        "keras.random": lambda rows: keras.random.normal([len(rows), 8]),
        "tf.random.Generator": lambda rows: generator.normal([len(rows), 8]),
        "tf.nn.dropout": lambda rows: tf.nn.dropout(tf.ones([len(rows), 16]), 0.5),
        "in a condition": lambda rows: tf.cond(
            tf.reduce_sum(rows) > 0,
            lambda: tf.random.normal([len(rows), 4]),
            lambda: tf.zeros([len(rows), 4]),
        ),
    }
    for what, noise in noises.items():
        for way in (tf.function, lambda function: function):
            step = way(lambda rows, noise=noise: strategy.run(noise, args=(rows,)))
            steps = [step(tf.constant(x[:mine])).numpy() for _ in range(2)]
            results[f"{what}, {'traced' if way is tf.function else 'eager'}"] = np.stack(steps)

    # Outside of steps everything is common: pipelines, initial values, what a program draws.
    pipeline = tf.data.Dataset.from_tensor_slices(x).map(
        lambda row: tf.image.random_flip_left_right(row + tf.random.uniform([6, 6, 2]))
    )
    results["common: pipeline"] = np.stack(list(pipeline.as_numpy_iterator()))
    layer = keras.layers.RandomFlip()
    results["common: layer in a pipeline"] = np.stack(
        list(tf.data.Dataset.from_tensor_slices(x).map(layer).as_numpy_iterator())
    )
    results["common: tf.random"] = tf.random.normal([4]).numpy()
    results["common: np.random"] = np.random.permutation(100)
    results["common: random"] = np.array([random.random() for _ in range(4)])
    results["common: keras.random"] = np.asarray(keras.random.normal([4]))

    # The states of the generators stay equal while the model trains, and go into files.
    y = np.arange(8, dtype=np.float32)
    history = model.fit(x, y, batch_size=8, epochs=3, verbose=0)
    results["loss"] = np.asarray(history.history["loss"])
    results["trained"] = np.concatenate([w.ravel() for w in model.get_weights()])
    states = [v.numpy() for v in model.variables if "seed_generator_state" in v.path]
    assert len(states) == 4
    results["states"] = np.stack(states)
    path = tf.train.Checkpoint(model=model).save(f"{folder}/{name}.{strategy.rank}")
    reader = tf.train.load_checkpoint(path)
    for key, shape in reader.get_variable_to_shape_map().items():
        if shape:
            results[f"in the file: {key}"] = np.asarray(reader.get_tensor(key))
    np.savez(f"{folder}/{name}.{strategy.rank}.npz", **results)


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Two runs of two ranks with one seed, one with another, one without, one of one rank."""
    folder = tmp_path_factory.mktemp("randomness")
    found = {}
    for name, seed, size in (
        ("first", 7, 2),
        ("second", 7, 2),
        ("other seed", 8, 2),
        ("no seed", 0, 2),
        ("one", 7, 1),
    ):
        run_workers(draw, size, args=(str(folder), name, seed), timeout=120)
        found[name] = [dict(np.load(folder / f"{name}.{rank}.npz")) for rank in range(size)]
    return found


def noise(runs):
    found = [name for name in runs["first"][0] if name.endswith((", traced", ", eager"))]
    assert len(found) == 16
    return found


@pytest.mark.parametrize("run", ["first", "other seed", "no seed"])
def test_weights_are_common(runs, run):
    ranks = runs[run]
    for what in ("initial", "trained", "loss", "states"):
        np.testing.assert_array_equal(ranks[1][what], ranks[0][what], err_msg=what)
    for what in ranks[0]:
        if what.startswith(("common: ", "in the file: ")):
            np.testing.assert_array_equal(ranks[1][what], ranks[0][what], err_msg=what)


@pytest.mark.parametrize("run", ["first", "other seed", "no seed"])
def test_masks_and_augmentations_differ_between_ranks_and_steps(runs, run):
    ranks = runs[run]
    for what in noise(runs):
        for rank in ranks:
            assert not np.array_equal(rank[what][0], rank[what][1]), what
        assert not np.array_equal(ranks[0][what], ranks[1][what]), what
        # Nor does one rank draw in a step what the other draws in another.
        assert not np.array_equal(ranks[0][what][1], ranks[1][what][0]), what
        assert not np.array_equal(ranks[0][what][0], ranks[1][what][1]), what


def test_masks_have_the_rate_that_they_should(runs):
    masks = np.stack([rank["dropout, traced"] for rank in runs["first"]])
    kept = np.count_nonzero(masks) / masks.size  # of 256, each with probability one half
    assert 0.3 < kept < 0.7
    assert set(np.unique(masks)) == {0.0, 2.0}


def test_a_seed_gives_the_same_in_each_run(runs):
    for first, second, other in zip(runs["first"], runs["second"], runs["other seed"]):
        for what, value in first.items():
            np.testing.assert_array_equal(value, second[what], err_msg=what)
        for what in ("initial", "trained", *noise(runs)):
            if what.startswith(("dropout", "tf.random.Generator")):
                continue  # these have seeds of their own
            assert not np.array_equal(first[what], other[what]), what


def test_rank_0_draws_what_a_single_process_draws(runs):
    single, two = runs["one"][0], runs["first"][0]
    np.testing.assert_array_equal(single["initial"], two["initial"])
    np.testing.assert_array_equal(single["states"], two["states"])
    for what in ("pipeline", "tf.random", "keras.random", "np.random", "random"):
        what = f"common: {what}"
        np.testing.assert_array_equal(single[what], two[what])
