"""What a rank does in the tests of gradients in GPU memory.

With GPUs: tests/py/gpu. Without, over test libraries: tests/py/multiprocess/test_gpu_job.py.
`prepare`: Python that is run first; see fake_gpu.PREPARE.
"""

from __future__ import annotations

from collections.abc import Sequence

from harness import Result


def train(reduction: str, prepare: str = "") -> None:
    """A few steps of a model whose gradients are on the GPU; prints what was used and learnt."""
    exec(prepare, {})
    import json

    import keras
    import numpy as np
    import tensorflow as tf

    import tf_ddl

    keras.utils.set_random_seed(1)
    strategy = tf_ddl.DDLStrategy(tf_ddl.Options.from_environment(gpu_reduction=reduction))
    with strategy.scope():
        model = keras.Sequential(
            [
                keras.Input([32]),
                keras.layers.Dense(512, activation="relu"),
                keras.layers.Dense(512, activation="relu"),
                keras.layers.Dense(10),
            ]
        )
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        model.compile(optimizer="sgd", loss=loss, metrics=["accuracy"])
    random = np.random.default_rng(0)
    x = random.normal(size=[256, 32]).astype("float32")
    y = random.integers(0, 10, 256)
    history = model.fit(x, y, batch_size=64, epochs=3, shuffle=False, verbose=0).history
    engine = strategy.extended.engine
    weights = [float(np.abs(w.numpy()).sum()) for w in model.trainable_variables]
    print(
        json.dumps(
            {
                "device": model.trainable_variables[0].value.device,
                "visible": len(tf.config.list_logical_devices("GPU")),
                "in_gpu_memory": engine.reduces_gpu_memory,
                "reason": engine.gpu.reason if engine.gpu else "",
                "plans": sorted(engine.stats()["plans"]),
                "explain": strategy.explain(),
                "losses": history["loss"],
                "weights": weights,
            }
        )
    )


def killed(prepare: str = "") -> None:
    """Rank 1 kills itself between two steps, and prints when.

    The step that another rank is in then hangs in NCCL until the control plane notices: it prints
    when it got out.
    """
    exec(prepare, {})
    import os
    import signal
    import time

    import tensorflow as tf

    import tf_ddl

    strategy = tf_ddl.DDLStrategy(tf_ddl.Options.from_environment(gpu_reduction="nccl"))

    @tf.function
    def step():
        replica = tf.distribute.get_replica_context
        return strategy.run(lambda: replica().all_reduce("SUM", [tf.ones([1000, 1000])])[0])

    try:
        step()  # rank 1 may be gone before this has ended here
        if strategy.rank == 1:
            print("time", time.time(), flush=True)
            os.kill(os.getpid(), signal.SIGKILL)
        step()
    finally:
        print("time", time.time(), flush=True)


def seconds_after_the_kill(results: Sequence[Result]) -> float:
    """How long rank 0 went on after rank 1 was gone, in `killed`."""
    left, gone = (float(result.stdout.split("time ")[-1].split()[0]) for result in results)
    return left - gone
