"""Each rank's progress thread keeps to cores of its own, and no other thread is bound."""

import json
import os

import pytest
from harness import run_workers


def affinities(some):
    import contextlib
    import json
    import os
    import time

    from tf_ddl import collective

    collective.init()
    all_cores = os.sched_getaffinity(0)
    deadline = time.monotonic() + (30 if some else 2)  # for the new thread to begin
    bound = []
    while not (some and bound) and time.monotonic() < deadline:
        time.sleep(0.1)
        bound = []
        for thread in os.listdir("/proc/self/task"):
            with contextlib.suppress(ProcessLookupError):
                cores = os.sched_getaffinity(int(thread))
                bound += [sorted(cores)] if cores != all_cores else []
    print("BOUND", json.dumps(bound))
    collective.shutdown()


def bound(some, **kwargs):
    results = run_workers(affinities, 2, args=(some,), timeout=60, **kwargs)
    lines = [line for one in results for line in one.stdout.splitlines() if "BOUND " in line]
    return [json.loads(line.split("BOUND ")[1]) for line in lines]


@pytest.mark.skipif(
    len(os.sched_getaffinity(0)) < max(2, os.cpu_count() or 1),
    reason="needs two cores, and all of the machine's",
)
def test_progress_threads_share_out_the_cores():
    (first,), (second,) = bound(True)
    assert not set(first) & set(second)
    assert {*first, *second} == os.sched_getaffinity(0)


def test_unless_told_not_to():
    assert bound(False, env={"DDL_OWN_CORES": "0"}) == [[], []]
