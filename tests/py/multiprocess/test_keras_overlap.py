"""Reductions start while the backward pass runs, and updates while reductions run."""

import json

from harness import run_workers

LAYERS = 8


def fit(folder, layers):
    import json

    import keras
    import numpy as np
    import tensorflow as tf

    import tf_ddl

    class Probed(keras.optimizers.SGD):
        """Sends one number of each reduced gradient: its arrival is when the update may start.

        (An op that reads a clock is stateful; TensorFlow would run all of them in order.)
        """

        def update_step(self, gradient, variable, learning_rate):
            paths = {v.value._unique_id: v.path for v in self._trainable_variables}
            name = "update_of_" + paths[variable._unique_id].replace("/", "_")
            probe = tf.identity(tf.reshape(gradient, [-1])[0], name=name)
            tf.distribute.get_replica_context().all_reduce("SUM", probe)
            super().update_step(gradient, variable, learning_rate)

    # Buckets of one layer each, so that there is something to overlap.
    strategy = tf_ddl.DDLStrategy(tf_ddl.Options(bucket_bytes=1_000_000))
    with strategy.scope():
        model = keras.Sequential(
            [keras.layers.Input([512])]
            + [keras.layers.Dense(512, "tanh", name=f"layer{i}") for i in range(layers)]
        )
        model.compile(Probed(0.01), "mse")
    x = np.ones([1536, 512], np.float32)
    model.fit(x, x, batch_size=512, epochs=1, verbose=0)  # the order of buckets is agreed here

    steps = []

    class Keep(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            calls = strategy.timeline()
            gradients = [call for call in calls if len(call["tensors"]) == 2 * layers]
            updates = [call for call in calls if "update_of_" in call["tensors"][0]][-2 * layers :]
            assert len({call["tensors"][0] for call in updates}) == 2 * layers
            steps.append(
                {"call": gradients[-1], "updates": [call["arrived"][0] for call in updates]}
            )

    strategy.record_timeline()
    model.fit(x, x, batch_size=512, epochs=2, verbose=0, callbacks=[Keep()])

    # What each update waits for, by the graph: one reduction of the group, its own.
    @tf.function
    def step(data):
        return strategy.run(model.train_step, args=(data,))

    graph = step.get_concrete_function((tf.constant(x[:32]), tf.constant(x[:32]))).graph
    handles = {graph.capture(v.value.handle).name: v.path for v in model.trainable_variables}
    waits = {}
    for op in graph.get_operations():
        path = handles.get(op.inputs[0].name) if op.inputs else None
        if path is None or not op.type.startswith("Assign"):
            continue
        seen, pending = set(), [op]
        while pending:
            one = pending.pop()
            if one.name not in seen:
                seen.add(one.name)
                pending += [tensor.op for tensor in one.inputs] + list(one.control_inputs)
        reductions = [graph.get_operation_by_name(name) for name in seen]
        waits[path] = [
            op.get_attr("tensor_name").decode()
            for op in reductions
            if op.type == "DdlAllReduce" and op.get_attr("tensor_name").decode() in handles.values()
        ]
    with open(f"{folder}/{strategy.rank}.json", "w") as file:
        json.dump({"steps": steps, "waits": waits}, file)


def test_with_one_thread_gradients_come_in_the_order_of_backprop_on_every_rank(tmp_path):
    """TensorFlow alone computes most gradients last, and submits them when all is computed."""
    env = {"TF_NUM_INTEROP_THREADS": "1", "TF_NUM_INTRAOP_THREADS": "1"}
    run_workers(fit, 2, args=(str(tmp_path), LAYERS), env=env, timeout=100)
    for rank in range(2):
        for step in json.loads((tmp_path / f"{rank}.json").read_text())["steps"]:
            call = step["call"]
            names = [name.removeprefix("sequential/") for name in call["tensors"]]
            arrived = dict(zip(names, call["arrived"]))
            kernels = [arrived[f"layer{i}/kernel"] for i in reversed(range(LAYERS))]
            assert kernels == sorted(kernels), call
            # The machine may be busy, but each gradient comes before the next is computed.
            assert kernels[LAYERS // 2] > kernels[0] and kernels[-1] > kernels[LAYERS // 2]


def test_gradients_travel_while_others_are_computed(tmp_path):
    # An update needs a thread that is not busy with the backward pass.
    env = {"TF_NUM_INTEROP_THREADS": "6"}
    run_workers(fit, 2, args=(str(tmp_path), LAYERS), env=env, timeout=100)
    for rank in range(2):
        result = json.loads((tmp_path / f"{rank}.json").read_text())
        assert len(result["waits"]) == 2 * LAYERS
        for path, reductions in result["waits"].items():
            assert reductions == [path]

        started_early, updated_early = 0, 0
        for step in result["steps"]:
            call = step["call"]
            arrived = sorted(call["arrived"])
            buckets = call["buckets"]
            assert len(buckets) >= LAYERS / 2
            # Gradients arrive as the backward pass goes: half of them, half of the pass.
            started_early += min(b["started"] for b in buckets) < arrived[len(arrived) // 2]
            updated_early += min(step["updates"]) < max(b["ended"] for b in buckets)
        # The machine may be busy with something else in a step or two.
        assert started_early >= 0.75 * len(result["steps"]), result["steps"]
        assert updated_early >= 0.75 * len(result["steps"]), result["steps"]
