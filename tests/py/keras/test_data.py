"""Data of every sort: each row once, batches and results as in a single process."""

import json

import numpy as np
import pytest
from harness import run_workers

ROWS = 21
BATCH = 6  # the last batch has 3 rows; two ranks have 2 and 1 of them


def fit(folder, rows, batch, with_strategy):
    import contextlib
    import json
    import math
    import os

    import keras
    import numpy as np
    import tensorflow as tf

    # Nobody has set a seed yet.
    before = tf.data.Dataset.from_tensor_slices((np.eye(4)[:, :4], np.ones([4, 1]))).shuffle(4)
    rank, size, scope, strategy = 0, 1, contextlib.nullcontext, None
    if with_strategy:
        import tf_ddl

        strategy = tf_ddl.DDLStrategy()
        rank, size, scope = strategy.rank, strategy.size, strategy.scope

    # Row i has the number i + 1 in its first column; a rank without rows computes with zeros.
    noise = np.random.default_rng(0)
    x = np.concatenate([np.arange(1, rows + 1)[:, None], noise.normal(size=[rows, 3])], axis=1)
    x = x.astype(np.float32)
    y = noise.integers(0, 2, size=[rows, 1]).astype(np.float32)

    class Recording(keras.Model):
        """A linear model that remembers the numbers of the rows in its last batch."""

        def __init__(self):
            super().__init__()
            self.dense = keras.layers.Dense(1)
            self.seen = tf.Variable(tf.zeros([rows], tf.int32), trainable=False)

        def call(self, features):
            return self.dense(features[:, 1:])

        def train_step(self, data):
            numbers = tf.cast(data[0][:, 0], tf.int32)
            self.seen.assign(tf.pad(numbers, [[0, rows - tf.size(numbers)]]))
            return super().train_step(data)

    class Keep(keras.callbacks.Callback):
        """The rows of each step of each epoch, of all ranks, sorted."""

        def __init__(self):
            super().__init__()
            self.epochs = []

        def on_epoch_begin(self, epoch, logs=None):
            self.epochs.append([])

        def on_train_batch_end(self, batch, logs=None):
            seen = self.model.seen.read_value()
            seen = seen.numpy() if strategy is None else strategy.gather(seen, 0).numpy()
            self.epochs[-1].append(sorted(int(number) for number in seen if number > 0))

    results = {}

    def train(name, data, **arguments):
        keras.utils.set_random_seed(11)
        with scope():
            model = Recording()
            model.compile(
                keras.optimizers.SGD(0.05, momentum=0.5),
                keras.losses.BinaryCrossentropy(from_logits=True),
                metrics=["mae"],
                weighted_metrics=["mse"],
                run_eagerly=arguments.pop("run_eagerly", False),
                steps_per_execution=arguments.pop("steps_per_execution", 1),
            )
        keep = Keep()
        arguments.setdefault("epochs", 2)
        given = data() if callable(data) else data
        given = given if isinstance(given, tuple) else (given,)
        history = model.fit(*given, verbose=0, callbacks=[keep], **arguments).history
        results[name] = {
            "epochs": keep.epochs,
            "history": {key: [float(v) for v in values] for key, values in history.items()},
            "weights": [w.tolist() for w in model.get_weights()],
        }

    def pipeline(shuffled=False):
        made = tf.data.Dataset.from_tensor_slices((x, y))
        return (made.shuffle(rows) if shuffled else made).batch(batch)

    class Batches(keras.utils.PyDataset):
        """Shuffles its rows at the end of each epoch, as users do."""

        def __init__(self, **kwargs):
            super().__init__(**kwargs)
            self.order = np.arange(rows)

        def __len__(self):
            return math.ceil(rows / batch)

        def __getitem__(self, i):
            chosen = self.order[i * batch : (i + 1) * batch]
            return x[chosen], y[chosen]

        def on_epoch_end(self):
            np.random.shuffle(self.order)

    def generator(repeat=1):
        for _ in range(repeat):
            for i in range(0, rows, batch):
                yield x[i : i + batch], y[i : i + batch]

    train("arrays", (x, y), batch_size=batch, shuffle=False)
    train("arrays shuffled", (x, y), batch_size=batch, epochs=3)
    train("pipeline shuffled", lambda: pipeline(True), epochs=3)
    train("pipeline eager", lambda: pipeline(True), run_eagerly=True)
    train("pipeline, two steps at once", lambda: pipeline(True), steps_per_execution=2)
    train("endless", lambda: pipeline(True).repeat(), steps_per_epoch=3, epochs=3)
    train("PyDataset", Batches, epochs=3, shuffle=True)
    train("PyDataset with threads", lambda: Batches(workers=2), shuffle=True)
    train("generator", generator, epochs=1)
    train("generator in steps", lambda: generator(2), steps_per_epoch=4)
    train("class_weight", (x, y), batch_size=batch, class_weight={0: 1.0, 1: 3.0}, shuffle=False)
    train("class_weight, pipeline", pipeline, class_weight={0: 1.0, 1: 3.0})
    weights = np.linspace(0.0, 2.0, rows).astype(np.float32)
    train("sample_weight", (x, y), sample_weight=weights, batch_size=batch)
    train("validation_split", (x, y), batch_size=batch, validation_split=0.3)
    train(
        "validation by generator",
        (x, y),
        batch_size=batch,
        validation_data=Batches(),
        validation_steps=2,
    )

    # --- Policies: the same data on all ranks.
    paths = []
    for i in range(3):
        paths.append(f"{folder}/{'ddl' if with_strategy else 'single'}{rank}.{i}.txt")
        with open(paths[-1], "w") as file:
            for row in range(i * 7, i * 7 + 7):
                file.write(" ".join(str(v) for v in [*x[row].tolist(), y[row, 0]]) + "\n")

    def from_files():
        def parse(line):
            numbers = tf.strings.to_number(tf.strings.split(line, sep=" "))
            numbers = tf.ensure_shape(numbers, [5])
            return numbers[:4], numbers[4:]

        return tf.data.TextLineDataset(paths).map(parse).batch(batch)

    policies = tf.data.experimental.AutoShardPolicy
    for policy in (policies.OFF, policies.DATA, policies.FILE, policies.AUTO):
        options = tf.data.Options()
        options.experimental_distribute.auto_shard_policy = policy
        source = from_files if policy == policies.FILE else pipeline
        train(f"policy {policy.name}", lambda s=source, o=options: s().with_options(o))

    # --- OFF with data of the rank's own: 11 rows on rank 0, 10 on rank 1.
    off = tf.data.Options()
    off.experimental_distribute.auto_shard_policy = policies.OFF

    def sharded(unknown=False, labels=y):
        made = tf.data.Dataset.from_tensor_slices((x, labels)).shard(size, rank).batch(batch)
        return (made.filter(lambda *_: True) if unknown else made).with_options(off)

    train("policy OFF, sharded", sharded)
    train("policy OFF, sharded, unknown length", lambda: sharded(True))
    train("policy OFF, sharded, equal labels", lambda: sharded(labels=np.zeros_like(y)))
    # All of the data on each rank, in an order of its own: each uses all, as TensorFlow has it.
    whole = tf.data.Dataset.from_tensor_slices((x, y)).shuffle(rows, seed=5 + rank)
    train("policy OFF, each its own order", whole.batch(batch).with_options(off))

    # --- A dataset per rank, one with fewer batches: 18 rows on rank 0, 3 on rank 1.
    def per_rank(unknown):
        if strategy is None:
            return pipeline()
        mine = slice(0, 18) if rank == 0 else slice(18, None)

        def make(context):
            made = tf.data.Dataset.from_tensor_slices((x[mine], y[mine]))
            made = made.batch(context.get_per_replica_batch_size(batch))
            return made.filter(lambda *_: True) if unknown else made

        return strategy.distribute_datasets_from_function(make)

    train("per rank", lambda: per_rank(False))
    train("per rank, unknown length", lambda: per_rank(True))

    # --- Dictionaries; ragged and sparse features.
    def structured():
        tokens = tf.ragged.range(tf.constant([1 + i % 4 for i in range(rows)]))
        sparse = tf.sparse.from_dense(np.where(x[:, 1:] > 0.3, x[:, 1:], 0))
        features = {"dense": x[:, 1:], "tokens": tokens, "sparse": sparse}
        made = tf.data.Dataset.from_tensor_slices((features, {"out": y}, weights))
        return made.shuffle(rows).batch(batch)

    with scope():
        dense = keras.Input([3], name="dense")
        tokens = keras.Input([None], dtype="int64", ragged=True, name="tokens")
        sparse = keras.Input([3], sparse=True, name="sparse")
        mean = keras.layers.Lambda(
            lambda ids: tf.reduce_mean(tf.cast(ids, tf.float32), axis=1, keepdims=True),
            output_shape=(1,),
        )(tokens)
        from_sparse = keras.layers.Dense(2, activation="tanh")(sparse)
        joined = keras.layers.Concatenate()([dense, mean, from_sparse])
        out = keras.layers.Dense(1, activation="sigmoid")(joined)
        model = keras.Model({"dense": dense, "tokens": tokens, "sparse": sparse}, {"out": out})
        model.compile("sgd", {"out": "binary_crossentropy"}, metrics={"out": "mae"})
    model.set_weights([0.1 * np.ones(w.shape) for w in model.get_weights()])
    keras.utils.set_random_seed(11)
    history = model.fit(structured(), epochs=2, verbose=0).history
    results["structured"] = {
        "history": {key: [float(v) for v in values] for key, values in history.items()},
        "weights": [w.tolist() for w in model.get_weights()],
        "predicted": model.predict(structured(), verbose=0)["out"].shape,
    }

    # --- A dataset whose elements are no batches is refused, by Keras, as in a single process.
    try:
        train("unbatched", tf.data.Dataset.from_tensor_slices((x, y)))
        results["unbatched"] = "accepted"
    except Exception as error:
        results["unbatched"] = type(error).__name__

    # --- Data that differs where it must be the same.
    def refused(what, data, **arguments):
        try:
            train(what, data, **arguments)
            results[what] = "accepted"
        except Exception as error:
            results[what] = str(error)

    if strategy is not None:
        shorter = rows - 7 * rank
        refused("arrays differ", (x[:shorter], y[:shorter]), batch_size=batch)

        def unequal():
            yield from (pair for i, pair in enumerate(generator()) if rank == 0 or i < 2)

        refused("generators differ", unequal, epochs=1)

        def other_batches():
            for rows in (4, 4 + 2 * (rank == 1), 4):
                yield x[:rows], y[:rows]

        refused("batches of generators differ", other_batches, epochs=1)
        order = np.random.default_rng(rank).permutation(rows)
        refused("other order", (x[order], y[order]), batch_size=batch)
        mine = slice(rank, 20, 2)  # as programs for Horovod divide their data
        refused("divided by hand", (x[mine], y[mine]), batch_size=batch)
        fewer = rows - rank  # as many batches, not as many rows
        refused("a row is missing", (x[:fewer], y[:fewer]), batch_size=batch)
        refused("shuffled before", before.batch(batch))
        refused("seeds of their own", pipeline().shuffle(3, seed=rank))
        names = np.array([f"{rank}/{name}" for name in "abcd"])  # of files, elsewhere on each host
        for what, given in (("equal names", names), ("names", names[:: 1 - 2 * rank])):
            made = tf.data.Dataset.from_tensor_slices(given).batch(2)
            refused(what, made.map(lambda _: (tf.ones([2, 4]), tf.ones([2, 1]))))
        train("after a refusal", (x, y), batch_size=batch, shuffle=False)
    path = f"{folder}/{'ddl' if with_strategy else 'single'}.{rank}.json"
    with open(path + ".part", "w") as file:
        json.dump(results, file)
    os.replace(path + ".part", path)


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """Of a single process without a strategy, of two ranks."""
    folder = tmp_path_factory.mktemp("data")
    run_workers(fit, 1, args=(str(folder), ROWS, BATCH, False), timeout=150)
    run_workers(fit, 2, args=(str(folder), ROWS, BATCH, True), timeout=250)
    names = ["single.0", "ddl.0", "ddl.1"]
    return [json.loads((folder / f"{name}.json").read_text()) for name in names]


#: Each step has these rows in a single process, and so it must be on two ranks.
CASES = [
    "arrays",
    "arrays shuffled",
    "pipeline shuffled",
    "pipeline eager",
    "pipeline, two steps at once",
    "endless",
    "PyDataset",
    "PyDataset with threads",
    "generator",
    "generator in steps",
    "class_weight",
    "class_weight, pipeline",
    "sample_weight",
    "validation_split",
    "validation by generator",
    "policy OFF",
    "policy DATA",
    "policy FILE",
    "policy AUTO",
]
#: On two ranks, of unequal shards, the last steps are others than in a single process.
SHARDED = [
    "policy OFF, sharded",
    "policy OFF, sharded, unknown length",
    "policy OFF, sharded, equal labels",
]


def ranks_equal(results, name):
    single, *ranks = [result[name] for result in results]
    for rank in ranks:
        assert rank["history"] == ranks[0]["history"]
        assert rank["weights"] == ranks[0]["weights"]
        for key in rank["history"]:
            assert all(np.isfinite(rank["history"][key])), key
    return single, ranks[0]


@pytest.mark.parametrize("name", CASES)
def test_each_step_is_that_of_one_process(results, name):
    single, ranks = ranks_equal(results, name)
    assert ranks["epochs"] == single["epochs"]
    assert ranks["history"].keys() == single["history"].keys()
    for key, values in single["history"].items():
        assert ranks["history"][key] == pytest.approx(values, rel=2e-5, abs=1e-6), key
    for got, expected in zip(ranks["weights"], single["weights"]):
        np.testing.assert_allclose(got, expected, rtol=2e-5, atol=1e-6)


# Of two steps that are executed at once, the model remembers the rows of the second.
@pytest.mark.parametrize("name", sorted({*CASES, *SHARDED} - {"pipeline, two steps at once"}))
def test_no_row_is_lost_or_counted_twice(results, name):
    _, ranks = ranks_equal(results, name)
    rows = 14 if name == "validation_split" else ROWS  # that many are left for training
    epochs = ranks["epochs"]
    if name == "endless":  # its epochs do not begin where the data does
        epochs = [[step for epoch in epochs for step in epoch]]
        rows, epochs[0] = ROWS, epochs[0][:4]
    for epoch in epochs:
        assert sorted(row for step in epoch for row in step) == list(range(1, rows + 1))


def test_a_shuffled_epoch_is_another_one(results):
    for name in ("pipeline shuffled", "PyDataset", "endless"):
        epochs = results[1][name]["epochs"]
        assert epochs[0] != epochs[1] != epochs[2]


def test_data_in_an_order_of_each_rank_s_is_used_by_each(results):
    _, ranks = ranks_equal(results, "policy OFF, each its own order")
    for epoch in ranks["epochs"]:
        rows = sorted(row for step in epoch for row in step)
        assert rows == sorted(2 * list(range(1, ROWS + 1)))


@pytest.mark.parametrize("name", ["per rank", "per rank, unknown length"])
def test_ranks_with_unequal_numbers_of_batches_end_together(results, name):
    _, ranks = ranks_equal(results, name)
    for epoch in ranks["epochs"]:
        # 18 rows in batches of 3 on rank 0, one batch on rank 1.
        assert [len(step) for step in epoch] == [6, 3, 3, 3, 3, 3]
        assert sorted(row for step in epoch for row in step) == list(range(1, ROWS + 1))


def test_dictionaries_ragged_and_sparse_features(results):
    single, ranks = ranks_equal(results, "structured")
    assert results[1]["structured"]["predicted"] == [ROWS, 1] == single["predicted"]
    for key, values in single["history"].items():
        assert ranks["history"][key] == pytest.approx(values, rel=2e-5), key
    for got, expected in zip(ranks["weights"], single["weights"]):
        np.testing.assert_allclose(got, expected, rtol=2e-5, atol=1e-6)


def test_elements_that_are_no_batches_are_refused_as_in_one_process(results):
    assert results[0]["unbatched"] == "ValueError"
    assert results[1]["unbatched"] == results[2]["unbatched"] == "ValueError"


def test_data_that_differs_between_ranks_is_refused(results):
    for result in results[1:]:
        message = result["arrays differ"]
        assert "rank 0 was given a dataset of 4 batches, rank 1 one of 3 batches" in message
        message = result["generators differ"]
        assert "the data of rank 1 has ended after 2 batches, other ranks have more" in message
        message = result["batches of generators differ"]
        assert "batch 2 has 4 rows on rank 0, on rank 1 it has 6" in message
        for what in ("other order", "divided by hand", "a row is missing", "names"):
            assert "rank 1 was given other data than rank 0" in result[what]
            assert "set_random_seed" in result[what] and "divided" in result[what]
            assert "AutoShardPolicy.OFF" in result[what]
        assert result["equal names"] == "accepted"
        assert "shuffled without a seed" in result["shuffled before"]
        assert "shuffled with other seeds" in result["seeds of their own"]
        for what in ("arrays differ", "generators differ", "batches of generators differ"):
            assert "AutoShardPolicy.OFF" in result[what]
        assert result["after a refusal"]["weights"] == result["arrays"]["weights"]
