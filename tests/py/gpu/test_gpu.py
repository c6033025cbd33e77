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
from gpu_workers import killed, seconds_after_the_kill, train
from harness import run_workers
from time_limits import limit

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


def _run(size: int, reduction: str, **env: str) -> list[dict]:
    results = run_workers(train, size, args=[reduction], timeout=240, env=env)
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
    for result in run_workers(train, size, args=["auto"], timeout=240, expect_failure=True):
        assert "DDL_SHARE_GPUS=1" in result.stderr


@pytest.mark.timed
def test_a_killed_rank_is_named_within_seconds(alone: dict) -> None:
    """Its last step hangs in NCCL until the control plane notices."""
    _need(2)
    results = run_workers(killed, 2, timeout=240, expect_failure=None)
    assert "rank 1" in results[0].stderr and results[0].returncode != 0
    assert 0 <= seconds_after_the_kill(results) < limit(5)
