"""`ddlrun` as users run it."""

import re
import signal
import subprocess
import sys
import textwrap
import time

import pytest
from harness import is_running, run_ddlrun
from time_limits import limit

from tf_ddl import version

SUM_OF_RANKS = """
    import os, sys
    import numpy as np
    from tf_ddl import collective
    collective.init()
    total = collective.all_reduce(np.array([collective.rank()]))
    print("rank", collective.rank(), "of", collective.size(), "sum", total[0], sys.argv[1:])
"""


@pytest.fixture
def script(tmp_path):
    def write(source, name="script.py"):
        path = tmp_path / name
        path.write_text(textwrap.dedent(source))
        return str(path)

    return write


def test_ranks_find_each_other_and_lines_carry_their_rank(script):
    done = run_ddlrun("-np", "3", script(SUM_OF_RANKS), "--lr", "0.1", "-np", timeout=60)
    assert done.returncode == 0, done.stderr
    assert sorted(done.stdout.splitlines()) == [
        f"[{rank}] rank {rank} of 3 sum 3 ['--lr', '0.1', '-np']" for rank in range(3)
    ]


def test_a_module(script, tmp_path):
    (tmp_path / "package").mkdir()
    script(SUM_OF_RANKS, "package/train.py")
    done = run_ddlrun("-np", "2", "-m", "package.train", "--x", cwd=tmp_path, timeout=60)
    assert done.returncode == 0, done.stderr
    assert "[1] rank 1 of 2 sum 1 ['--x']" in done.stdout


def test_a_program(script):
    done = run_ddlrun("-np", "2", sys.executable, script(SUM_OF_RANKS), timeout=60)
    assert done.returncode == 0, done.stderr
    assert "[0] rank 0 of 2 sum 1 []" in done.stdout


def test_the_script_runs_as_if_started_directly(script, tmp_path):
    path = script(
        """
        import __main__, os, sys
        print(__name__, sys.argv, sys.path[0], __main__.__file__, os.getcwd())
        """
    )
    done = run_ddlrun("-np", "1", path, "a b", cwd="/", timeout=60)
    assert done.stdout == f"[0] __main__ ['{path}', 'a b'] {tmp_path} {path} /\n"


def test_one_worker_is_a_world_of_one(script):
    done = run_ddlrun("-np", "1", script(SUM_OF_RANKS), timeout=60)
    assert done.stdout == "[0] rank 0 of 1 sum 0 []\n"


def test_output_dir(script, tmp_path):
    done = run_ddlrun("-np", "2", "--output-dir", str(tmp_path / "logs"), script(SUM_OF_RANKS))
    assert done.returncode == 0 and done.stdout == ""
    for rank in range(2):
        text = (tmp_path / f"logs/rank.{rank}.out").read_text()
        assert text == f"rank {rank} of 2 sum 1 []\n"
        assert (tmp_path / f"logs/rank.{rank}.err").read_text() == ""


@pytest.mark.timed
def test_exit_code_and_summary_of_the_one_that_failed(script, tmp_path):
    path = script(
        """
        import os, sys, time
        if os.environ["DDL_RANK"] == "1":
            print("reading data")
            print("data is broken", file=sys.stderr)
            sys.exit(42)
        time.sleep(60)
        """
    )
    logs = str(tmp_path / "logs")
    started = time.monotonic()
    done = run_ddlrun("-np", "3", "--output-dir", logs, path, timeout=60)
    assert done.returncode == 42
    assert time.monotonic() - started < limit(5)
    lines = done.stderr.splitlines()
    assert re.match(r"ddlrun: rank 1 failed first: exit code 42, [\d.]+ s after", lines[0])
    assert lines[1] == "ddlrun: last lines of rank 1:"
    assert sorted(lines[2:4]) == ["ddlrun:   | data is broken", "ddlrun:   | reading data"]
    assert "ddlrun: ranks 0, 2 stopped by the launcher: killed by signal 15 (SIGTERM)" in lines
    assert logs in lines[-1]


def test_exit_code_of_a_crash(script):
    path = script("import os, signal; os.kill(os.getpid(), signal.SIGKILL)")
    done = run_ddlrun("-np", "2", path, timeout=60)
    assert done.returncode == 137
    assert "killed by signal 9 (SIGKILL)" in done.stderr


def test_one_progress_bar(script):
    path = script(
        """
        import keras, os, time
        bar = keras.utils.Progbar(5)
        for n in range(6):
            bar.update(n, [("loss", n)])
            time.sleep(0.06)
        print("done")
        """
    )
    done = run_ddlrun("-np", "2", path, timeout=100)
    assert done.returncode == 0, done.stderr
    bars = [line for line in done.stdout.splitlines() if "/5" in line]
    assert len(bars) == 1 and bars[0].startswith("[0] ") and "loss" in bars[0]
    assert "\r" not in done.stdout and "\b" not in done.stdout
    assert "[0] done" in done.stdout and "[1] done" in done.stdout


def test_settings_reach_the_workers(script):
    path = script(
        """
        import os
        for name in ("A", "DDL_TIMEOUT", "DDL_JOIN_TIMEOUT", "TF_NUM_INTRAOP_THREADS"):
            print(os.environ[name], end=" ")
        """
    )
    options = ["--env", "A=1=2", "--timeout", "9", "--join-timeout", "8"]
    done = run_ddlrun("-np", "1", "--threads-per-worker", "3", *options, path, timeout=60)
    assert done.stdout == "[0] 1=2 9.0 8.0 3 \n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["script.py"], "-np N"),
        (["-np", "0", "script.py"], "not greater than 0"),
        (["-np", "two", "script.py"], "invalid int value: 'two'"),
        (["-np", "2"], "a script, -m module or program is missing"),
        (["-np", "2", "-m"], "-m needs the name of a module"),
        (["-np", "2", "nonexistent.py"], "there is no script nonexistent.py"),
        (["-np", "2", "nonexistent"], "neither a Python script"),
        (["-np", "2", "--env", "A", "true"], "expected NAME=VALUE"),
        (["-np", "2", "--timeout", "-1", "true"], "must be a number of seconds"),
        (["-np", "2", "--output-dir", "/dev/null/x", "true"], "cannot write to the output"),
        (["--nonsense"], "unrecognized arguments"),
    ],
)
def test_bad_arguments(arguments, message):
    done = run_ddlrun(*arguments, timeout=30)
    assert done.returncode == 2
    assert message in done.stderr and "Traceback" not in done.stderr


def test_a_port_in_use_is_said():
    import socket

    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        port = listener.getsockname()[1]
        done = run_ddlrun("-np", "2", "--port", str(port), "true", timeout=30)
    assert done.returncode == 1
    assert str(port) in done.stderr and "in use" in done.stderr
    assert "Traceback" not in done.stderr


def test_version_check_and_help():
    assert run_ddlrun("--version").stdout == f"ddlrun {version.__version__}\n"
    assert "--output-dir" in run_ddlrun("--help").stdout
    check = run_ddlrun("--check")
    assert check.returncode == 0, check.stderr
    assert version.__version__ in check.stdout


@pytest.mark.timed
def test_max_time(script):
    started = time.monotonic()
    done = run_ddlrun("-np", "2", "--max-time", "1", script("import time; time.sleep(60)"))
    assert done.returncode == 124
    assert "--max-time" in done.stderr
    assert time.monotonic() - started < limit(5)


class Running:
    """`ddlrun` in the background, its output read line by line."""

    def __init__(self, *arguments):
        command = [sys.executable, "-m", "tf_ddl.run", *arguments]
        self.popen = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.popen.kill()
        self.popen.communicate()

    def wait_for_lines(self, text, count):
        lines = []
        while sum(text in line for line in lines) < count:
            line = self.popen.stdout.readline()
            assert line, f"ended early: {lines} {self.popen.stderr.read()}"
            lines.append(line)
        return lines

    def end(self, timeout=20):
        out, err = self.popen.communicate(timeout=timeout)
        return self.popen.returncode, out, err


def test_interrupt_ends_the_job_with_130(script):
    path = script(
        """
        import time
        try:
            print("ready")
            time.sleep(60)
        except KeyboardInterrupt:
            print("saving")
        """
    )
    with Running("-np", "2", path) as job:
        job.wait_for_lines("ready", 2)
        job.popen.send_signal(signal.SIGINT)
        code, out, err = job.end()
    assert code == 130
    assert sorted(out.splitlines()) == ["[0] saving", "[1] saving"]
    assert err == "ddlrun: stopped by SIGINT\n"


def test_user_signals_are_passed_on(script):
    path = script(
        """
        import signal, sys
        signal.signal(signal.SIGUSR1, lambda *_: (print("checkpoint"), sys.exit(0)))
        print("ready")
        signal.pause()
        """
    )
    with Running("-np", "2", path) as job:
        job.wait_for_lines("ready", 2)
        job.popen.send_signal(signal.SIGUSR1)
        code, out, _ = job.end()
    assert code == 0
    assert sorted(out.splitlines()) == ["[0] checkpoint", "[1] checkpoint"]


@pytest.mark.timed
def test_workers_die_with_ddlrun(script):
    path = script("import os, time; print('pid', os.getpid()); time.sleep(60)")
    with Running("-np", "2", path) as job:
        pids = [int(line.split()[-1]) for line in job.wait_for_lines("pid", 2)]
        job.popen.kill()
        job.popen.wait()
        deadline = time.monotonic() + limit(2)
        while any(is_running(pid) for pid in pids):
            assert time.monotonic() < deadline
            time.sleep(0.02)


def test_nobody_reads_the_output(script):
    path = script(
        """
        import time
        for _ in range(600):
            print("line")
            time.sleep(0.1)
        """
    )
    with Running("-np", "2", path) as job:
        job.wait_for_lines("line", 2)
        job.popen.stdout.close()
        assert job.popen.wait(timeout=20) == 141
        assert job.popen.stderr.read() == ""
