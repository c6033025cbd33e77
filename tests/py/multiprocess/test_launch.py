"""`tf_ddl.launch`: functions in worker processes."""

import os
import signal
import threading
import time

import numpy as np
import pytest
from time_limits import limit

import tf_ddl
from tf_ddl import errors


def test_results_come_by_rank():
    offset = 10

    def rank_plus(number):
        from tf_ddl import collective

        collective.init()
        total = collective.all_reduce(np.array([collective.rank()]))
        return collective.rank() + offset + number, total

    results = tf_ddl.launch(rank_plus, (5,), num_workers=3)
    assert [value for value, _ in results] == [15, 16, 17]
    assert all(total.tolist() == [3] for _, total in results)


def test_a_lambda_and_variables_of_its_own():
    assert tf_ddl.launch(
        lambda: os.environ["X"] + os.environ["DDL_RANK"], num_workers=2, env={"X": "x"}
    ) == ["x0", "x1"]


def test_functions_of_main_need_no_guard(tmp_path):
    # As in a notebook cell: nothing of __main__ can be imported by the workers.
    import subprocess
    import sys

    script = tmp_path / "plain.py"
    script.write_text(
        "import tf_ddl\n"
        "SCALE = 3\n"
        "class Point:\n"
        "    def __init__(self, x):\n"
        "        self.x = x\n"
        "def scaled(x):\n"
        "    from tf_ddl import collective\n"
        "    collective.init()\n"
        "    return Point(x * SCALE + collective.rank())\n"
        "print([p.x for p in tf_ddl.launch(scaled, (2,))], isinstance(Point(1), Point))\n"
    )
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, timeout=60)
    assert done.stdout == "[6, 7] True\n", done.stderr


def test_modules_of_a_changed_search_path(tmp_path, monkeypatch):
    (tmp_path / "made_for_launch.py").write_text("def answer():\n    return 42\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    import made_for_launch

    assert tf_ddl.launch(made_for_launch.answer, num_workers=1) == [42]


def test_rank_0_is_streamed_and_others_are_silent(capsys):
    def talk():
        import sys

        print("out of", os.environ["DDL_RANK"])
        print("err of", os.environ["DDL_RANK"], file=sys.stderr)

    assert tf_ddl.launch(talk, num_workers=2) == [None, None]
    captured = capsys.readouterr()
    assert captured.out == "out of 0\n"
    assert captured.err == "err of 0\n"


def test_output_comes_while_the_function_runs(monkeypatch, tmp_path):
    seen = tmp_path / "seen"
    lines = []

    class Reader:
        def write(self, text):
            lines.extend(line for line in text.splitlines() if line)
            seen.touch()

        def flush(self):
            pass

    def talk():
        import time

        print("early", flush=True)
        deadline = time.monotonic() + 30
        while not seen.exists() and time.monotonic() < deadline:
            time.sleep(0.02)
        print("late" if seen.exists() else "never seen")

    monkeypatch.setattr("sys.stdout", Reader())
    tf_ddl.launch(talk, num_workers=1)
    assert lines == ["early", "late"]


def test_the_traceback_of_the_first_that_failed():
    def fail_on_1():
        from tf_ddl import collective

        collective.init()
        collective.barrier()
        if collective.rank() == 1:
            raise LookupError("no such digit")
        collective.barrier()

    with pytest.raises(errors.WorkerError, match="no such digit") as caught:
        tf_ddl.launch(fail_on_1, num_workers=3)
    error = caught.value
    assert (error.rank, error.exit_code) == (1, 1)
    assert error.worker_traceback.startswith("Traceback (most recent call last)")
    assert "in fail_on_1" in error.worker_traceback
    assert "LookupError: no such digit" in error.worker_traceback
    assert "call.py" not in error.worker_traceback
    assert "rank 1 of 3" in str(error)


def test_a_crash_shows_the_last_lines():
    def crash():
        print("about to crash", flush=True)
        os.abort()

    with pytest.raises(errors.WorkerError, match="SIGABRT") as caught:
        tf_ddl.launch(crash, num_workers=1)
    assert caught.value.exit_code == -6
    assert "about to crash" in str(caught.value)


def test_an_exit_before_the_return():
    with pytest.raises(errors.WorkerError, match="before the function returned") as caught:
        tf_ddl.launch(lambda: os._exit(0), num_workers=2)
    assert caught.value.exit_code == 0


def test_a_result_that_cannot_travel():
    with pytest.raises(errors.WorkerError, match="of type lock, cannot be pickled"):
        tf_ddl.launch(threading.Lock, num_workers=1)


def test_arguments_that_cannot_travel():
    with pytest.raises(errors.InvalidArgumentError, match="cannot be sent"):
        tf_ddl.launch(print, (threading.Lock(),))


@pytest.mark.parametrize(
    "arguments",
    [{"fn": 3}, {"num_workers": 0}, {"num_workers": True}, {"num_workers": 1.5}, {"timeout": 0}],
)
def test_bad_arguments(arguments):
    with pytest.raises(errors.InvalidArgumentError):
        tf_ddl.launch(**{"fn": print, **arguments})


@pytest.mark.timed
def test_timeout():
    def wait():
        import time

        print("waiting", flush=True)
        time.sleep(60)

    started = time.monotonic()
    with pytest.raises(errors.DeadlineError, match=r"(?s)timeout.*rank 1.*waiting"):
        tf_ddl.launch(wait, num_workers=2, timeout=4)
    assert time.monotonic() - started < 4 + limit(5)


@pytest.mark.timed
def test_interrupting_stops_the_workers(tmp_path):
    def wait():
        import time

        (tmp_path / os.environ["DDL_RANK"]).touch()
        time.sleep(60)

    def interrupt():
        deadline = time.monotonic() + 60
        while len(list(tmp_path.iterdir())) < 2 and time.monotonic() < deadline:
            time.sleep(0.02)
        os.kill(os.getpid(), signal.SIGINT)

    # Whoever started the tests may have had SIGINT ignored.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    thread = threading.Thread(target=interrupt)
    thread.start()
    started = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        tf_ddl.launch(wait, num_workers=2)
    thread.join()
    signal.signal(signal.SIGINT, before)
    assert time.monotonic() - started < limit(5)


def test_from_another_thread():
    results = []
    thread = threading.Thread(
        target=lambda: results.append(tf_ddl.launch(lambda: os.environ["DDL_RANK"]))
    )
    thread.start()
    thread.join(60)
    assert results == [["0", "1"]]
