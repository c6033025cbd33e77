"""Ranks that are forked from a process with TensorFlow (warm_start.py) are like any other ranks."""

import json
import os
import signal
import time

import pytest
import warm_start
from harness import is_running, run_workers, start_workers


def describe():
    import atexit
    import json
    import os
    import random
    import signal
    import sys
    import tempfile
    import threading

    import keras
    import numpy as np
    import tensorflow as tf

    import __main__

    atexit.register(print, "at exit")
    random_numbers = {
        "random": random.random(),
        "numpy": np.random.rand(),
        "tensorflow": float(tf.random.uniform([])),
        "keras": float(keras.random.uniform([])),
        "initializer": float(keras.initializers.RandomNormal()([1])[0]),
        "name": next(tempfile._get_candidate_names()),
    }
    same = {
        "arguments": [os.path.basename(argument) for argument in sys.argv],
        "first on the path": sys.path[0] == os.path.dirname(__main__.__file__),
        "file": __main__.__file__ == sys.argv[0],
        "names of __main__": sorted(vars(__main__)),
        "threads": threading.active_count(),
        "descriptors": len(os.listdir("/proc/self/fd")),
        "input": sys.stdin.read(),
        "unbuffered": sys.stdout.write_through,
        "leads its session": os.getsid(0) == os.getpid() == os.getpgid(0),
        "folder": os.getcwd(),
        "variables": sorted(os.environ),
        "interrupts": signal.getsignal(signal.SIGINT) is signal.default_int_handler,
        "tf_ddl is imported": "tf_ddl" in sys.modules,
    }
    print(json.dumps([random_numbers, same, hash("text"), sys.flags.hash_randomization]))


@pytest.fixture(scope="module")
def ranks():
    """What ranks of three jobs say: of two jobs that were forked, and of one that was not."""
    found = []
    for fresh in (False, False, True):
        results = run_workers(describe, 1 if fresh else 3, fresh=fresh)
        assert all(result.stdout.endswith("at exit\n") for result in results)
        found.append([json.loads(result.stdout.splitlines()[0]) for result in results])
    return found


def test_no_two_have_the_same_random_numbers(ranks):
    for what in ranks[0][0][0]:
        numbers = [rank[0][what] for job in ranks for rank in job]
        assert len(set(numbers)) == len(numbers), what


def test_sets_of_strings_have_another_order_on_the_next_rank(ranks):
    for job in ranks[:2]:
        assert job[0][2] != job[1][2] != job[2][2]
    assert all(rank[3] for job in ranks for rank in job)


def test_all_else_is_as_in_a_new_interpreter(ranks):
    (new,) = ranks[2]
    for job in ranks[:2]:
        assert job[0][1] == new[1]


def test_exit_codes_and_signals():
    def end():
        import os
        import signal
        import sys

        rank = int(os.environ["DDL_RANK"])
        if rank == 0:
            sys.exit(7)
        if rank == 1:
            os.kill(os.getpid(), signal.SIGSEGV)
        if rank == 2:
            raise KeyboardInterrupt
        raise LookupError("of rank 3")

    results = run_workers(end, 4, fresh=False, expect_failure=True)
    codes = [result.returncode for result in results]
    assert codes == [7, -signal.SIGSEGV, -signal.SIGINT, 1]
    assert "Segmentation fault" in results[1].stderr  # of faulthandler
    assert results[3].stderr.splitlines()[-1] == "LookupError: of rank 3"


def test_whoever_sets_what_an_import_reads_gets_a_new_interpreter():
    script = "import sys; print('tensorflow' in sys.modules)"
    for name, forked in (("DDL_TIMEOUT", True), ("TF_CPP_MIN_LOG_LEVEL", False), ("HOME", False)):
        (result,) = run_workers(script, 1, fresh=False, env={name: "1"})
        assert result.stdout == f"{forked}\n", name


def test_none_outlives_the_process_that_forks_it():
    script = "import time; print('here', flush=True); time.sleep(60)"
    with start_workers(script, 2, fresh=False) as workers:
        for rank in range(2):
            workers.wait_for_line(rank, "here")
        server = warm_start._Server()  # another one, for this test to kill
        out, err = (workers[0].folder / name for name in ("out", "err"))
        forked = server.start(workers[0].folder / "script.py", dict(os.environ), out, err)
        server.popen.kill()
        server.popen.wait()
        deadline = time.monotonic() + 20
        while is_running(forked.pid):
            assert time.monotonic() < deadline
            time.sleep(0.02)
        assert workers[0].popen.poll() is None
