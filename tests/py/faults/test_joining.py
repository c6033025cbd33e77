"""Ranks that do not find each other: each says why."""

import contextlib
import os
import socket

import pytest
from harness import free_port, run_workers, start_workers
from time_limits import limit


def join():
    import numpy as np

    from tf_ddl import collective

    collective.init()
    assert collective.all_reduce(np.ones(3))[0] == collective.size()


@pytest.fixture(scope="module")
def waiting():
    """Jobs that cannot begin, all of which wait for their end at the same time: by name, results.

    Each has eight seconds to find out what is wrong, or whatever it is given in `env`.
    """
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen()
    port = listener.getsockname()[1]
    short = {"DDL_JOIN_TIMEOUT": "2"}
    jobs = {
        "port in use": {"n": 2, "env": {"DDL_RENDEZVOUS": f"127.0.0.1:{port}", **short}},
        "wrong secret": {"n": 3, "env_by_rank": {1: {"DDL_SECRET": "a guess"}}},
        "does not come": {"n": 4, "ranks": [0, 2], "env": short},
        "no store": {"n": 2, "ranks": [1], "env": short},
        # Ranks 1 and 2 both say that they are 1.
        "comes twice": {"n": 3, "env_by_rank": {2: {"DDL_RANK": "1"}}},
        "world sizes": {"n": 3, "env_by_rank": {2: {"DDL_SIZE": "4"}}},
    }
    with listener, contextlib.ExitStack() as stack:
        started = {}
        for name, job in jobs.items():
            env = {"DDL_JOIN_TIMEOUT": "8", **job.pop("env", {})}
            started[name] = stack.enter_context(start_workers(join, env=env, **job))

        def results(name):
            ended = started[name].wait(60)
            assert all(result.returncode for result in ended), started[name].describe()
            return ended

        results.port = port
        yield results


@pytest.mark.timed
def test_a_port_in_use(waiting):
    results = waiting("port in use")
    busy_port = waiting.port
    assert "DuplicateError" in results[0].stderr
    assert f"{busy_port}" in results[0].stderr and "in use" in results[0].stderr
    # To rank 1 the stranger that listens there is no store.
    assert f"{busy_port}" in results[1].stderr
    assert results[1].seconds < limit(10)


def test_a_wrong_secret(waiting):
    results = waiting("wrong secret")
    assert "SecretError" in results[1].stderr
    assert "DDL_SECRET" in results[1].stderr
    for rank in (0, 2):
        assert "DeadlineError" in results[rank].stderr
        assert "rank 1" in results[rank].stderr
    for result in results:
        assert "a guess" not in result.output


@pytest.mark.timed
def test_a_rank_that_does_not_come_is_named(waiting):
    for result in waiting("does not come"):
        assert "DeadlineError" in result.stderr
        assert "1" in result.stderr and "3" in result.stderr
        assert result.seconds < limit(6)


def test_no_store(waiting):
    (result,) = waiting("no store")
    assert "DeadlineError" in result.stderr
    assert "127.0.0.1" in result.stderr


def test_a_rank_that_comes_twice(waiting):
    results = waiting("comes twice")
    assert sum("DuplicateError" in result.stderr for result in results[1:]) == 1
    assert any("rank 1" in result.stderr for result in results[1:])


def test_different_world_sizes(waiting):
    results = waiting("world sizes")
    assert "InvalidArgumentError" in results[2].stderr
    assert "4" in results[2].stderr and "3" in results[2].stderr


@pytest.mark.timed
@pytest.mark.parametrize("name", ["DDL_RANK", "DDL_SIZE", "DDL_RENDEZVOUS", "DDL_SECRET"])
def test_a_variable_that_is_missing(name):
    settings = {0: {name: ""}}
    (result,) = run_workers(
        join, 2, env_by_rank=settings, ranks=[0], timeout=60, expect_failure=True
    )
    assert f"InvalidArgumentError: {name} not set" in result.stderr
    assert result.seconds < limit(3)


def test_more_ranks_than_cores_work_with_a_warning():
    size = len(os.sched_getaffinity(0)) + 3
    results = run_workers(join, size, timeout=60)
    assert f"{size} workers share" in results[0].stderr
    assert all("workers share" not in result.stderr for result in results[1:])


def test_the_port_can_be_used_again_at_once():
    settings = {"DDL_RENDEZVOUS": f"127.0.0.1:{free_port()}"}
    for _ in range(3):
        run_workers(join, 2, env=settings, timeout=60)
