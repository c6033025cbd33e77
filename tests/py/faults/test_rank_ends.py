"""A rank dies, raises, leaves or hangs: the others name it, in bounded time."""

import inspect
import os
import signal
import subprocess
import sys
import time

import pytest
from harness import is_running, run_ddlrun, run_workers, start_workers
from time_limits import limit

LOST_WITHIN = limit(2.0)  # seconds until every other rank has raised
GONE_WITHIN = limit(5.0)  # seconds until the whole job is gone


def reduce_for_ever():
    import sys
    import time

    import numpy as np

    from tf_ddl import collective, errors

    collective.init()
    array = np.ones(300_000, np.float32)
    try:
        for step in range(10**9):
            collective.all_reduce(array)
            if step == 20:
                print("reducing", flush=True)
            time.sleep(0.001)
    except errors.DDLError as error:
        print(f"raised {type(error).__name__} {time.monotonic()}", error, flush=True)
        sys.exit(5)


def raised(result):
    """(class name, time) of what `reduce_for_ever` caught."""
    line = next(line for line in result.stdout.splitlines() if line.startswith("raised "))
    _, name, when = line.split()[:3]
    return name, float(when)


TRANSPORTS = {
    "default": {},
    "shared memory": {"DDL_CMA": "0"},
    "tcp": {"DDL_SHM": "0", "DDL_CMA": "0"},
}


@pytest.mark.timed
@pytest.mark.parametrize("transport", TRANSPORTS)
@pytest.mark.parametrize("lost", [0, 2])
def test_killed(transport, lost):
    with start_workers(reduce_for_ever, 3, env=TRANSPORTS[transport]) as workers:
        for rank in range(3):
            workers.wait_for_line(rank, "reducing")
        killed = time.monotonic()
        workers[lost].send(signal.SIGKILL)
        others = [rank for rank in range(3) if rank != lost]
        for result in workers.wait(20, ranks=others):
            name, when = raised(result)
            assert name == "PeerLostError"
            assert when - killed < LOST_WITHIN
            assert f"rank {lost}" in result.stdout
            assert result.returncode == 5


def raise_on_one():
    import numpy as np

    from tf_ddl import collective

    collective.init()
    for step in range(50):
        if collective.rank() == 1 and step == 20:
            raise LookupError("there is no more data")
        collective.all_reduce(np.ones(1000))


@pytest.mark.timed
def test_an_exception_on_one_rank_reaches_all():
    started = time.monotonic()
    results = run_workers(raise_on_one, 3, timeout=60, expect_failure=True)
    assert time.monotonic() - started < limit(6)
    assert "Traceback" in results[1].stderr
    assert "LookupError: there is no more data" in results[1].stderr
    for rank in (0, 2):
        assert "PeerLostError" in results[rank].stderr
        assert "rank 1" in results[rank].stderr
        assert "LookupError: there is no more data" in results[rank].stderr


def test_ddlrun_blames_the_rank_that_raised(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(
        "import numpy as np\n"
        "from tf_ddl import collective\n"
        "collective.init()\n"
        "collective.barrier()\n"
        "if collective.rank() == 2:\n"
        "    raise LookupError('there is no more data')\n"
        "collective.all_reduce(np.ones(1000))\n"
    )
    done = run_ddlrun("-np", "3", str(script), timeout=60)
    assert done.returncode == 1
    assert "ddlrun: rank 2 failed first: exit code 1 (LookupError)" in done.stderr
    assert "ddlrun: ranks 0, 1 ended after losing another rank" in done.stderr


def leave_early(code):
    import sys

    import numpy as np

    from tf_ddl import collective

    collective.init()
    for step in range(50):
        if collective.rank() == 1 and step == 20:
            sys.exit(code)
        collective.all_reduce(np.ones(1000))


@pytest.mark.parametrize("code", [0, 3])
def test_a_rank_that_leaves_early_is_named(code):
    results = run_workers(leave_early, 3, args=(code,), timeout=60, expect_failure=None)
    assert [result.returncode for result in results] == [1, code, 1]
    for rank in (0, 2):
        assert "PeerLostError" in results[rank].stderr
        assert "rank 1" in results[rank].stderr


def test_a_rank_that_hangs_is_waited_for_only_so_long():
    settings = {"DDL_TIMEOUT": "3", "DDL_STALL_WARNING": "1"}
    with start_workers(reduce_for_ever, 3, env=settings) as workers:
        for rank in range(3):
            workers.wait_for_line(rank, "reducing")
        workers[1].send(signal.SIGSTOP)
        for result in workers.wait(15, ranks=[0, 2]):
            name, _ = raised(result)
            assert name in ("DeadlineError", "PeerLostError")
            assert "rank 1" in result.stdout
            assert "rank 1" in result.stderr, "no stall warning"


def leave_together():
    import numpy as np

    from tf_ddl import collective

    collective.init()
    collective.all_reduce(np.ones(1000))


def test_an_end_in_good_order_is_no_failure():
    for _ in range(5):
        for result in run_workers(leave_together, 3, timeout=60):
            assert "Error" not in result.stderr and "lost" not in result.stderr


def fit_for_ever(report):
    import sys
    import time

    import keras
    import numpy as np
    import tensorflow as tf

    import tf_ddl

    strategy = tf_ddl.DDLStrategy()
    with strategy.scope():
        model = keras.Sequential(
            [
                keras.layers.Dense(256, "relu"),
                keras.layers.Dense(256, "relu"),
                keras.layers.Dense(1),
            ]
        )
        model.compile("adam", "mse")

    class Tell(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            if batch == 5:
                print("fitting", flush=True)

    x = np.random.default_rng(0).normal(size=[64_000, 64]).astype("float32")
    try:
        model.fit(x, x[:, :1], batch_size=64, epochs=10**6, verbose=0, callbacks=[Tell()])
    except tf.errors.UnavailableError as error:
        print(f"raised {type(error).__name__} {time.monotonic()}", error, flush=True)
        if report:
            raise
        sys.exit(5)


@pytest.mark.timed
def test_killed_in_the_middle_of_fit():
    with start_workers(fit_for_ever, 3, args=(False,)) as workers:
        for rank in range(3):
            workers.wait_for_line(rank, "fitting", timeout=100)
        killed = time.monotonic()
        workers[1].send(signal.SIGKILL)
        results = workers.wait(GONE_WITHIN, ranks=[0, 2])
        for result in results:
            name, when = raised(result)
            assert name == "PeerLostError"
            assert when - killed < LOST_WITHIN
            assert "rank 1" in result.stdout
            assert result.returncode == 5


@pytest.mark.timed
def test_ddlrun_is_gone_soon_after_a_rank_is_killed_in_fit(tmp_path):
    script = tmp_path / "script.py"
    source = inspect.getsource(fit_for_ever)
    script.write_text(f"import os\nprint('pid', os.getpid())\n{source}\nfit_for_ever(True)\n")
    command = [sys.executable, "-m", "tf_ddl.run", "-np", "3", str(script)]
    with subprocess.Popen(
        command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as job:
        try:
            pids, fitting = {}, set()
            while len(fitting) < 3:
                line = job.stdout.readline()
                assert line, job.stderr.read()
                rank = int(line[1])
                if " pid " in line:
                    pids[rank] = int(line.split()[-1])
                if " fitting" in line:
                    fitting.add(rank)
            killed = time.monotonic()
            os.kill(pids[1], signal.SIGKILL)
            out, err = job.communicate(timeout=40)
            gone = time.monotonic()
        finally:
            job.terminate()
    assert gone - killed < GONE_WITHIN
    assert job.returncode == 128 + signal.SIGKILL
    assert not any(is_running(pid) for pid in pids.values())
    for rank in (0, 2):
        said = [line for line in out.splitlines() if line.startswith(f"[{rank}]")]
        (line,) = [line for line in said if "raised PeerLostError" in line]
        assert float(line.split()[3]) - killed < LOST_WITHIN
        assert any("lost" in line and "rank 1" in line for line in said), said
    assert "ddlrun: rank 1 failed first: killed by signal 9 (SIGKILL)" in err
    assert "ddlrun: ranks 0, 2 ended after losing another rank" in err, err
