"""TensorFlow with GPUs: gradients that live there are reduced without visiting the host.

    python -m pytest tests/py/gpu -m gpu          (docs/nccl.md: setting up such a machine)

Every test says how many GPUs it needs, and is skipped, with the number there is, where there are
fewer.
"""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from harness import run_workers

pytestmark = [pytest.mark.gpu, pytest.mark.timeout(300)]


def _gpus() -> int:
    try:
        listing = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, timeout=30)
    except FileNotFoundError:
        return 0
    return listing.stdout.count("GPU ")


def _need(gpus: int) -> None:
    there = _gpus()
    if there < gpus:
        pytest.skip(f"needs {gpus} GPUs, there are {there}")
    tensorflow = subprocess.run(
        [sys.executable, "-c", "import tensorflow as tf; print(tf.test.is_built_with_cuda())"],
        capture_output=True,
        text=True,
        timeout=120,
    )
    if "True" not in tensorflow.stdout:
        pytest.skip("the installed TensorFlow is one without CUDA (tensorflow-cpu)")


def _train(reduction: str) -> None:
    """A few steps of a model whose gradients are on the GPU; prints what was used and learnt."""
    import json

    import keras
    import numpy as np
    import tensorflow as tf

    import tf_ddl

    keras.utils.set_random_seed(1)
    strategy = tf_ddl.DDLStrategy(tf_ddl.Options(gpu_reduction=reduction))
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


def _run(size: int, reduction: str, **env: str) -> list[dict]:
    results = run_workers(_train, size, args=[reduction], timeout=240, env=env)
    return [json.loads(result.stdout.splitlines()[-1]) for result in results]


@pytest.fixture(scope="module")
def alone() -> dict:
    """The same by one process."""
    _need(1)
    return _run(1, "auto")[0]


def test_one_process_leaves_gradients_where_they_are(alone: dict) -> None:
    assert "GPU" in alone["device"]
    assert alone["in_gpu_memory"]


@pytest.mark.parametrize("size", [2, 4])
def test_nccl_reduces_what_one_process_would_have_computed(alone: dict, size: int) -> None:
    _need(size)
    for rank in _run(size, "nccl"):
        assert "GPU:0" in rank["device"] and rank["visible"] == 1
        assert any(plan.startswith("gpu ") for plan in rank["plans"]), rank["plans"]
        assert "NCCL" in rank["explain"]
        assert rank["losses"] == pytest.approx(alone["losses"], rel=1e-4)
        assert rank["weights"] == pytest.approx(alone["weights"], rel=1e-4)


def test_by_way_of_the_host_if_that_is_wanted(alone: dict) -> None:
    _need(2)
    for rank in _run(2, "host"):
        assert not any(plan.startswith("gpu ") for plan in rank["plans"]), rank["plans"]
        assert rank["weights"] == pytest.approx(alone["weights"], rel=1e-4)


def test_a_missing_nccl_is_a_reason_on_every_rank(alone: dict) -> None:
    _need(2)
    for rank in _run(2, "auto", DDL_NCCL_LIBRARY="/nowhere/libnccl.so.2"):
        assert "rank 0" in rank["reason"] and "/nowhere" in rank["reason"]
        assert rank["weights"] == pytest.approx(alone["weights"], rel=1e-4)


def test_more_ranks_than_gpus_are_refused() -> None:
    _need(1)
    size = _gpus() + 1
    for result in run_workers(_train, size, args=["auto"], timeout=240, expect_failure=True):
        assert "DDL_SHARE_GPUS=1" in result.stderr


def test_a_killed_rank_is_named_within_seconds(alone: dict) -> None:
    """Its last step hangs in NCCL until the control plane notices."""
    _need(2)
    results = run_workers(_killed, 2, timeout=240, expect_failure=None)
    assert "rank 1" in results[0].stderr and results[0].returncode != 0
    seconds = float(results[0].stdout.split("seconds ")[-1].split()[0])
    assert seconds < 5


def _killed() -> None:
    import os
    import signal
    import time

    import tensorflow as tf

    import tf_ddl

    strategy = tf_ddl.DDLStrategy(tf_ddl.Options(gpu_reduction="nccl"))

    @tf.function
    def step():
        replica = tf.distribute.get_replica_context
        return strategy.run(lambda: replica().all_reduce("SUM", [tf.ones([1000, 1000])])[0])

    step()
    if strategy.rank == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    begin = time.monotonic()
    try:
        step()
    finally:
        print("seconds", time.monotonic() - begin, flush=True)
