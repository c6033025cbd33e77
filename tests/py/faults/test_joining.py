"""Ranks that do not find each other: each says why."""

import os
import socket

import pytest
from harness import free_port, run_workers


def join():
    import numpy as np

    from tf_ddl import collective

    collective.init()
    assert collective.all_reduce(np.ones(3))[0] == collective.size()


@pytest.fixture
def busy_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield listener.getsockname()[1]


def test_a_port_in_use(busy_port):
    settings = {"DDL_RENDEZVOUS": f"127.0.0.1:{busy_port}", "DDL_JOIN_TIMEOUT": "3"}
    results = run_workers(join, 2, env=settings, timeout=60, expect_failure=True)
    assert "DuplicateError" in results[0].stderr
    assert f"{busy_port}" in results[0].stderr and "in use" in results[0].stderr
    # To rank 1 the stranger that listens there is no store.
    assert f"{busy_port}" in results[1].stderr
    assert results[1].seconds < 20


def test_a_wrong_secret():
    results = run_workers(
        join,
        3,
        env={"DDL_JOIN_TIMEOUT": "8"},
        env_by_rank={1: {"DDL_SECRET": "a guess"}},
        timeout=60,
        expect_failure=True,
    )
    assert "SecretError" in results[1].stderr
    assert "DDL_SECRET" in results[1].stderr
    for rank in (0, 2):
        assert "DeadlineError" in results[rank].stderr
        assert "rank 1" in results[rank].stderr
    for result in results:
        assert "a guess" not in result.output


def test_a_rank_that_does_not_come_is_named():
    settings = {"DDL_JOIN_TIMEOUT": "2"}
    results = run_workers(join, 4, env=settings, ranks=[0, 2], timeout=60, expect_failure=True)
    for result in results:
        assert "DeadlineError" in result.stderr
        assert "1" in result.stderr and "3" in result.stderr
        assert result.seconds < 12


def test_no_store():
    settings = {"DDL_JOIN_TIMEOUT": "2"}
    (result,) = run_workers(join, 2, env=settings, ranks=[1], timeout=60, expect_failure=True)
    assert "DeadlineError" in result.stderr
    assert "127.0.0.1" in result.stderr


def test_a_rank_that_comes_twice():
    # Ranks 1 and 2 both say that they are 1.
    results = run_workers(
        join,
        3,
        env={"DDL_JOIN_TIMEOUT": "8"},
        env_by_rank={2: {"DDL_RANK": "1"}},
        timeout=60,
        expect_failure=True,
    )
    assert sum("DuplicateError" in result.stderr for result in results[1:]) == 1
    assert any("rank 1" in result.stderr for result in results[1:])


def test_different_world_sizes():
    results = run_workers(
        join,
        3,
        env={"DDL_JOIN_TIMEOUT": "8"},
        env_by_rank={2: {"DDL_SIZE": "4"}},
        timeout=60,
        expect_failure=True,
    )
    assert "InvalidArgumentError" in results[2].stderr
    assert "4" in results[2].stderr and "3" in results[2].stderr


@pytest.mark.parametrize("name", ["DDL_RANK", "DDL_SIZE", "DDL_RENDEZVOUS", "DDL_SECRET"])
def test_a_variable_that_is_missing(name):
    settings = {0: {name: ""}}
    (result,) = run_workers(
        join, 2, env_by_rank=settings, ranks=[0], timeout=60, expect_failure=True
    )
    assert f"InvalidArgumentError: {name} not set" in result.stderr
    assert result.seconds < 10


def test_more_ranks_than_cores_work_with_a_warning():
    size = len(os.sched_getaffinity(0)) + 3
    results = run_workers(join, size, timeout=60)
    assert f"{size} workers share" in results[0].stderr
    assert all("workers share" not in result.stderr for result in results[1:])


def test_the_port_can_be_used_again_at_once():
    settings = {"DDL_RENDEZVOUS": f"127.0.0.1:{free_port()}"}
    for _ in range(3):
        run_workers(join, 2, env=settings, timeout=60)
