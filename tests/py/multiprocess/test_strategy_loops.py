"""`strategy.run`, `reduce`, `gather` and the replica context, eager and in tf.function."""

import pytest
from harness import run_workers


def collectives():
    import numpy as np
    import tensorflow as tf

    import tf_ddl

    strategy = tf_ddl.DDLStrategy()
    rank, size = strategy.rank, strategy.size
    ranks = range(size)
    assert strategy.num_replicas_in_sync == size
    assert f"rank {rank} of {size}" in repr(strategy)

    def replica():
        return tf.distribute.get_replica_context()

    def both(fn, *args):
        """The result of `fn` in eager mode and in a tf.function; they must be equal."""
        eager, traced = fn(*args), tf.function(fn)(*args)
        tf.nest.map_structure(
            lambda a, b: np.testing.assert_array_equal(a.numpy(), b.numpy()), eager, traced
        )
        return tf.nest.map_structure(lambda value: value.numpy(), traced)

    # --- reduce: nested, without and with an axis whose size differs.
    nested = {"a": tf.constant([1.0, 2.0]) * (rank + 1), "b": [tf.constant(rank), (2,)]}
    total = both(lambda: strategy.reduce("SUM", nested, axis=None))
    np.testing.assert_array_equal(total["a"], np.array([1.0, 2.0]) * sum(r + 1 for r in ranks))
    assert total["b"][0] == sum(ranks) and total["b"][1][0] == 2 * size
    mean = both(lambda: strategy.reduce(tf.distribute.ReduceOp.MEAN, nested["a"], axis=None))
    np.testing.assert_allclose(mean, np.array([1.0, 2.0]) * np.mean([r + 1 for r in ranks]))
    rows = tf.range(rank * 2, dtype=tf.float32)[:, tf.newaxis] + tf.ones([1, 3])  # 0, 2, 4 rows
    everything = np.concatenate([np.arange(r * 2)[:, None] + np.ones([1, 3]) for r in ranks])
    np.testing.assert_allclose(
        both(lambda: strategy.reduce("MEAN", rows, axis=0)), everything.mean(axis=0)
    )
    np.testing.assert_allclose(
        both(lambda: strategy.reduce("SUM", {"x": rows}, axis=0))["x"], everything.sum(axis=0)
    )
    np.testing.assert_allclose(
        both(lambda: strategy.reduce("MEAN", rows, axis=(0, 1))), everything.mean()
    )
    for dtype in (tf.int64, tf.int32, tf.uint8, tf.float16, tf.bfloat16, tf.float64, tf.complex64):
        got = both(lambda dtype=dtype: strategy.reduce("SUM", tf.cast(rank + 1, dtype), axis=None))
        assert complex(got) == sum(r + 1 for r in ranks), dtype
    for wrong in (tf.constant("text"), tf.constant(True)):
        try:
            strategy.reduce("SUM", wrong, axis=None)
            raise AssertionError("not refused")
        except TypeError as error:
            assert "sum" in str(error)

    # --- gather: any axis, any dtype, uneven.
    mine = tf.fill([rank + 1, 2], rank)
    expected = np.concatenate([np.full([r + 1, 2], r) for r in ranks])
    np.testing.assert_array_equal(both(lambda: strategy.gather(mine, axis=0)), expected)
    np.testing.assert_array_equal(
        both(lambda: strategy.gather(tf.transpose(mine), axis=1)), expected.T
    )
    np.testing.assert_array_equal(
        both(lambda: strategy.gather(tf.transpose(mine), axis=-1)), expected.T
    )
    np.testing.assert_array_equal(
        both(lambda: strategy.gather(tf.equal(mine, 1), axis=0)), expected == 1
    )
    texts = both(lambda: strategy.gather(tf.strings.as_string(mine), axis=0))
    np.testing.assert_array_equal(texts, expected.astype("S"))
    assert both(lambda: strategy.gather(tf.zeros([rank, 0]), 0)).shape == (sum(ranks), 0)
    assert both(lambda: strategy.gather(tf.zeros([0, 3]), 0)).shape == (0, 3)
    ragged = strategy.gather(tf.ragged.constant([[rank] * r for r in range(3)]), 0)
    assert ragged.to_list() == [[owner] * r for owner in ranks for r in range(3)]
    sparse = tf.sparse.from_dense([[0, rank + 1], [0, 0]])
    dense = tf.sparse.to_dense(strategy.gather(sparse, 0)).numpy()
    np.testing.assert_array_equal(dense, np.concatenate([[[0, r + 1], [0, 0]] for r in ranks]))
    for wrong, axis in ((tf.constant(1.0), 0), (mine, 2)):
        try:
            strategy.gather(wrong, axis)
            raise AssertionError("not refused")
        except ValueError:
            pass

    # --- Inside run: all_reduce, all_gather, merge_call, and what is not allowed there.
    def step():
        ctx = replica()
        assert ctx is not None and ctx.strategy is strategy
        value = tf.cast(ctx.replica_id_in_sync_group, tf.float32)
        merged = ctx.merge_call(lambda s, v: s.reduce("SUM", v, axis=None), args=(value,))
        reduced = ctx.all_reduce("SUM", {"x": value, "y": [value * 2.0]})
        gathered = ctx.all_gather({"g": value[tf.newaxis]}, axis=0)
        return merged, reduced, gathered, ctx.all_reduce("MEAN", value)

    merged, reduced, gathered, mean = both(lambda: strategy.run(step))
    assert merged == reduced["x"] == sum(ranks) and reduced["y"][0] == 2 * sum(ranks)
    assert list(gathered["g"]) == list(ranks) and mean == np.mean(ranks)
    for call in (
        lambda: strategy.reduce("SUM", 1.0, axis=None),
        lambda: strategy.gather(tf.zeros([1]), axis=0),
    ):
        try:
            strategy.run(call)
            raise AssertionError("not refused")
        except RuntimeError as error:
            assert "cross-replica" in str(error) or "all_gather" in str(error)

    # --- Sparse gradients stay sparse; the mean divides.
    slices = tf.IndexedSlices(tf.fill([rank + 1, 2], 1.0), tf.range(rank + 1), tf.constant([9, 2]))
    for op, factor in (("SUM", 1.0), ("MEAN", 1.0 / size)):
        for run in (strategy.run, tf.function(strategy.run)):
            got = run(lambda op=op: replica().all_reduce(op, [slices, tf.constant(1.0)]))
            assert isinstance(got[0], tf.IndexedSlices)
            dense = tf.convert_to_tensor(got[0]).numpy()
            expected = sum(np.pad(np.ones([r + 1, 2]), [[0, 8 - r], [0, 0]]) for r in ranks)
            np.testing.assert_allclose(dense, expected * factor, rtol=1e-6)

    # --- Gradients of the collectives.
    x = tf.constant([1.0 + rank, 2.0])

    def gradients(fn):
        def compute():
            with tf.GradientTape() as tape:
                tape.watch(x)
                # Each rank's loss weighs the result differently.
                y = tf.reduce_sum(fn(x) * float(rank + 1))
            return tape.gradient(y, x)

        return both(lambda: strategy.run(compute))

    weights = sum(r + 1.0 for r in ranks)
    np.testing.assert_allclose(gradients(lambda v: replica().all_reduce("SUM", v)), [weights] * 2)
    np.testing.assert_allclose(
        gradients(lambda v: replica().all_reduce("MEAN", v)), [weights / size] * 2, rtol=1e-6
    )
    np.testing.assert_allclose(gradients(lambda v: replica().all_gather(v, 0)), [weights] * 2)
    np.testing.assert_allclose(
        gradients(lambda v: replica().all_reduce("SUM", [v, v * 3.0])[1]), [3 * weights] * 2
    )
    from tf_ddl.replica import collectives

    engine = strategy.extended.engine
    np.testing.assert_allclose(
        gradients(lambda v: collectives.broadcast(engine, v, root=1)),
        [weights if rank == 1 else 0.0] * 2,
    )

    # --- What is traced at different times still meets: rank 0 retraces, the others do not.
    @tf.function
    def reduce_sizes(value):
        return strategy.reduce("SUM", tf.cast(tf.size(value), tf.float32), axis=None)

    for length in (3, 4, 3):
        value = tf.zeros([length if rank == 0 else 5])
        assert reduce_sizes(value).numpy() == length + 5 * (size - 1)


@pytest.mark.parametrize("size", [2, 3])
def test_collectives(size):
    run_workers(collectives, size, timeout=150)


def data():
    import numpy as np
    import tensorflow as tf

    import tf_ddl

    strategy = tf_ddl.DDLStrategy()
    rank, size = strategy.rank, strategy.size

    # --- A global dataset: every row once, in order, balanced; any structure.
    rows = np.arange(23, dtype=np.int64)
    source = tf.data.Dataset.from_tensor_slices(
        {"x": rows, "words": rows.astype("S"), "ragged": tf.ragged.range(rows)}
    )
    source = source.batch(10).map(lambda e: (e, tf.sparse.from_dense(e["x"][:, None]), 7))
    mine = strategy.experimental_distribute_dataset(source)
    assert isinstance(mine, tf.data.Dataset)
    assert mine.cardinality() == source.cardinality()
    seen = []
    for features, sparse, scalar in mine:
        count = len(features["x"])
        assert scalar == 7 and sparse.dense_shape[0] == count
        assert features["ragged"].nrows() == features["words"].shape[0] == count
        np.testing.assert_array_equal(tf.sparse.to_dense(sparse)[:, 0], features["x"])
        counts = strategy.gather(tf.constant([count]), 0).numpy()
        assert counts.max() - counts.min() <= 1 and list(counts) == sorted(counts)[::-1]
        seen += list(strategy.gather(features["x"], 0).numpy())
        words = strategy.gather(features["words"], 0).numpy()
        np.testing.assert_array_equal(words, np.array(seen[-len(words) :]).astype("S"))
    assert seen == list(rows)

    # --- Not split twice, also after transformations.
    again = strategy.experimental_distribute_dataset(mine.take(1).prefetch(1))
    assert len(next(iter(again))[0]["x"]) == len(next(iter(mine))[0]["x"])

    # --- A dataset per rank.
    def make(context):
        assert context.num_input_pipelines == context.num_replicas_in_sync == size
        assert context.input_pipeline_id == rank
        batch = context.get_per_replica_batch_size(4 * size)
        shard = tf.data.Dataset.range(48).shard(size, context.input_pipeline_id)
        return shard.batch(batch)

    own = strategy.distribute_datasets_from_function(make)
    assert all(len(batch) == 4 for batch in own.take(2))
    assert next(iter(strategy.experimental_distribute_dataset(own)))[0] == rank

    value = strategy.experimental_distribute_values_from_function(
        lambda context: tf.constant(context.replica_id_in_sync_group * 10)
    )
    assert strategy.experimental_local_results(value)[0].numpy() == rank * 10
    try:
        strategy.experimental_distribute_dataset([1, 2, 3])
        raise AssertionError("not refused")
    except TypeError as error:
        assert "tf.data.Dataset" in str(error)


def test_data():
    run_workers(data, 3, timeout=60)


def train(folder, with_strategy):
    """The same training as a loop: in tf.function around run, within run, and eager."""
    import contextlib

    import keras
    import numpy as np
    import tensorflow as tf

    if with_strategy:
        import tf_ddl

        strategy = tf_ddl.DDLStrategy()
    else:
        strategy = tf.distribute.get_strategy()
    scope = strategy.scope if with_strategy else contextlib.nullcontext
    x = np.random.default_rng(0).normal(size=[60, 5]).astype(np.float32)
    y = (x.sum(axis=1, keepdims=True) > 0).astype(np.float32)
    results = []
    for mode in ("outside", "inside", "eager"):
        keras.utils.set_random_seed(1)
        with scope():
            model = keras.Sequential(
                [keras.layers.Input([5]), keras.layers.Dense(8, "tanh"), keras.layers.Dense(1)]
            )
            optimizer = keras.optimizers.Adam(0.01, epsilon=1e-4)
            optimizer.build(model.trainable_variables)
            seen = keras.metrics.Mean("seen")
        batches = tf.data.Dataset.from_tensor_slices((x, y)).batch(10)
        batches = strategy.experimental_distribute_dataset(batches)

        def step(inputs, model=model, optimizer=optimizer, seen=seen):
            features, labels = inputs
            with tf.GradientTape() as tape:
                errors = tf.square(model(features) - labels)
                loss = tf.reduce_sum(errors) / 10.0  # the global batch size
            gradients = tape.gradient(loss, model.trainable_variables)
            optimizer.apply_gradients(zip(gradients, model.trainable_variables))
            seen.update_state(errors)
            return loss

        if mode == "inside":
            step = tf.function(step)

        def run(inputs, step=step):
            return strategy.reduce("SUM", strategy.run(step, args=(inputs,)), axis=None)

        if mode == "outside":
            run = tf.function(run)
        losses = [float(run(batch)) for _ in range(2) for batch in batches]
        results += [np.array(losses), np.array(seen.result())]
        results += [np.asarray(w) for w in model.get_weights()]
    rank = strategy.rank if with_strategy else "single"
    np.savez(f"{folder}/{rank}.npz", *results)


def test_custom_loops_train_like_one_process(tmp_path):
    import numpy as np

    run_workers(train, 1, args=(str(tmp_path), False), timeout=60)
    run_workers(train, 2, args=(str(tmp_path), True), timeout=100)
    single, ranks = (
        np.load(tmp_path / "single.npz"),
        [np.load(tmp_path / f"{r}.npz") for r in (0, 1)],
    )
    assert len(single.files) == 3 * 6
    for name in single.files:
        np.testing.assert_array_equal(ranks[0][name], ranks[1][name])
        np.testing.assert_allclose(ranks[0][name], single[name], rtol=1e-4, atol=1e-6)
