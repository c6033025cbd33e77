"""Jobs of processes whose gradients "NCCL" reduces, over test libraries (fake_gpu.py).

The programs are those of tests/py/gpu, so they are known to run when they come to a GPU. Then: what
ranks agree on where they differ.
"""

from __future__ import annotations

import json

import fake_gpu
import pytest
from gpu_workers import killed, seconds_after_the_kill, train
from harness import run_workers
from time_limits import limit

pytestmark = pytest.mark.timeout(420)


@pytest.fixture(scope="module")
def libraries(fake_libraries):
    """Variables that name the test libraries."""
    nccl, cuda = fake_libraries
    return {"DDL_NCCL_LIBRARY": nccl, "DDL_CUDA_LIBRARY": cuda}


@pytest.fixture(scope="module")
def prepare(cpu_kernels):
    return fake_gpu.PREPARE.format(kernels=cpu_kernels)


# ---- the strategy ---------------------------------------------------------------------------


@pytest.fixture(scope="module")
def trained(libraries, prepare):
    """What the ranks of a job of two say, and one process without a GPU."""
    ranks = run_workers(train, 2, args=["nccl", prepare], env=libraries, timeout=240)
    alone = run_workers(train, 1, args=["host"], timeout=240)
    return [json.loads(result.stdout.splitlines()[-1]) for result in (*ranks, *alone)]


def test_gradients_are_reduced_in_gpu_memory(trained):
    for rank in trained[:2]:
        assert rank["in_gpu_memory"]
        assert any(plan.startswith("gpu flat") for plan in rank["plans"]), rank["plans"]


def test_to_what_one_process_would_have_computed(trained):
    alone = trained[2]
    for rank in trained[:2]:
        assert rank["losses"] == pytest.approx(alone["losses"], rel=1e-4)
        assert rank["weights"] == pytest.approx(alone["weights"], rel=1e-4)


def test_explain_says_by_what_and_what_was_measured(trained):
    for rank in trained[:2]:
        assert "NCCL 2.30" in rank["explain"] and "kernels from" in rank["explain"]
        assert "a flat all-reduce takes" in rank["explain"]


@pytest.mark.timed
def test_a_killed_rank_is_named_within_seconds(libraries, prepare):
    results = run_workers(
        killed, 2, args=[prepare], env=libraries, timeout=240, expect_failure=None
    )
    assert results[0].returncode != 0 and "rank 1" in results[0].stderr
    assert 0 <= seconds_after_the_kill(results) < limit(5)


# ---- what ranks agree on ------------------------------------------------------------------------


def join(reduction):
    """Joins a job with a GPU, if TEST_GPU names one, and reduces something in host memory."""
    import json
    import os

    import numpy as np

    from tf_ddl import collective, errors, options
    from tf_ddl._native.engine import Engine
    from tf_ddl._native.gpu import Gpu
    from tf_ddl.launcher.join import join

    settings = options.Options.from_environment(gpu_reduction=reduction)
    try:
        engine = join(settings, int(os.environ["TEST_GPU"]))
    except errors.DDLError as error:
        print(json.dumps({"error": f"{type(error).__name__}: {error}"}))
        return
    total = collective.all_reduce(np.ones(3, np.float32))
    gpu = engine.gpu
    assert isinstance(engine, Engine) and (gpu is None or isinstance(gpu, Gpu))
    print(
        json.dumps(
            {
                "used": engine.reduces_gpu_memory,
                "reason": gpu.reason if gpu else "",
                "device": engine.stats().get("device", ""),
                "total": total.tolist(),
            }
        )
    )
    collective.shutdown()


def _join(libraries, reduction="auto", **of_rank_1):
    common = {**libraries, "TEST_GPU": "0"}
    results = run_workers(
        join,
        2,
        args=[reduction],
        env=common,
        env_by_rank={0: {"TEST_GPU": "0"}, 1: {"TEST_GPU": "1", **of_rank_1}},
        timeout=60,
    )
    return [json.loads(result.stdout.splitlines()[-1]) for result in results], results


def test_ranks_that_can_all_use_nccl_do(libraries):
    for rank in _join(libraries)[0]:
        assert rank["used"] and rank["device"].startswith("NCCL 2.30.7, GPU "), rank
        assert rank["total"] == [2, 2, 2]


@pytest.mark.parametrize(
    ("differs", "reason"),
    [
        ({"TEST_GPU": "-1"}, "uses no GPU, rank 0 ("),
        ({"FAKE_NCCL_VERSION": "22804"}, "has NCCL 2.28.4, rank 0 ("),
        ({"FAKE_CUDA_VERSION": "10020"}, "is of CUDA 10.2; 11.0 is the oldest"),
        ({"FAKE_CUDA_DEVICES": "1"}, "there is no GPU 1"),
        ({"DDL_NCCL_LIBRARY": "/nowhere/libnccl.so.2"}, "NCCL was not found: /nowhere"),
    ],
    ids=["no GPU", "another NCCL", "an old driver", "fewer GPUs", "no NCCL"],
)
def test_a_rank_that_differs_is_the_reason_that_all_go_by_the_host(libraries, differs, reason):
    ranks, results = _join(libraries, **differs)
    for rank in ranks:
        assert not rank["used"] and rank["device"] == ""
        assert rank["total"] == [2, 2, 2]
    said = ranks[0]["reason"]
    assert said.startswith("rank 1 (") and reason in said
    assert results[0].stderr.count("by way of host memory, which is slower: rank 1 (") == 1
    assert "by way of host memory" not in results[1].stderr


def test_ranks_that_come_to_one_gpu_are_refused(libraries):
    """As those that are started by hand without DDL_LOCAL_RANK, on a host with several."""
    for rank in _join(libraries, TEST_GPU="0")[0]:
        assert rank["error"].startswith("InvalidArgumentError: rank 0 ("), rank
        assert "and rank 1 (" in rank["error"] and "same GPU, number 0" in rank["error"]
        assert "DDL_LOCAL_RANK" in rank["error"] and "DDL_SHARE_GPUS=1" in rank["error"]


def test_unless_they_may_share_it(libraries):
    environ = {"DDL_SHARE_GPUS": "1"}
    for rank in _join(libraries | environ, TEST_GPU="0")[0]:
        assert rank["used"] and "GPU 0 (" in rank["device"]


def test_with_nccl_or_nothing_it_is_every_ranks_error(libraries):
    for rank in _join(libraries, "nccl", FAKE_NCCL_VERSION="22804")[0]:
        assert "gpu_reduction=nccl is not possible: rank 1 (" in rank["error"], rank
        assert "has NCCL 2.28.4" in rank["error"]
