"""Each rank's progress thread keeps to cores of its own, and no other thread is bound."""

import json
import os

import pytest
from harness import run_workers


def affinities():
    import json
    import os
    import time

    from tf_ddl import collective

    collective.init()
    time.sleep(1)  # for the new thread to begin
    all_cores = os.sched_getaffinity(0)
    threads = [os.sched_getaffinity(int(thread)) for thread in os.listdir("/proc/self/task")]
    print("BOUND", json.dumps([sorted(cores) for cores in threads if cores != all_cores]))
    collective.shutdown()


def bound(**kwargs):
    results = run_workers(affinities, 2, timeout=60, **kwargs)
    lines = [line for one in results for line in one.stdout.splitlines() if "BOUND " in line]
    return [json.loads(line.split("BOUND ")[1]) for line in lines]


@pytest.mark.skipif(
    len(os.sched_getaffinity(0)) < max(2, os.cpu_count() or 1),
    reason="needs two cores, and all of the machine's",
)
def test_progress_threads_share_out_the_cores():
    (first,), (second,) = bound()
    assert not set(first) & set(second)
    assert {*first, *second} == os.sched_getaffinity(0)


def test_unless_told_not_to():
    assert bound(env={"DDL_OWN_CORES": "0"}) == [[], []]
