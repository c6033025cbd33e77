"""The launcher's event loop, with real processes and without an engine."""

import os
import signal
import subprocess
import sys
import textwrap
import threading
import time

import pytest
from harness import is_running
from time_limits import limit

from tf_ddl import errors
from tf_ddl.launcher.workers import environment, process, supervisor


class Recorder:
    def __init__(self):
        self.data = {}
        self.ends = []
        self.wrote = threading.Event()

    def write(self, rank, stream, data, final=False):
        self.data[rank, stream] = self.data.get((rank, stream), b"") + data
        self.ends += [(rank, stream)] * final
        self.wrote.set()

    def close(self):
        pass


def python(*scripts):
    return [[sys.executable, "-c", textwrap.dedent(script)] for script in scripts]


def run(*scripts, output=None, signals=None, commands=None, **options):
    commands = commands or python(*scripts)
    environs = environment.worker_environments(len(commands), "127.0.0.1:1", "secret")
    job = supervisor.Job(commands, environs, **options)
    started = time.monotonic()
    result = supervisor.run(job, output or Recorder(), signals)
    return result, time.monotonic() - started


def assert_dead(*pids):
    deadline = time.monotonic() + limit(2.0)
    while any(is_running(pid) for pid in pids):
        assert time.monotonic() < deadline, f"one of {pids} is still running"
        time.sleep(0.01)


def test_all_end_well():
    script = "import os, sys; print(os.environ['DDL_RANK']); print('no', file=sys.stderr)"
    output = Recorder()
    result, _ = run(script, script, script, output=output)
    assert [(e.rank, e.code, e.stopped) for e in result.exits] == [
        (0, 0, False),
        (1, 0, False),
        (2, 0, False),
    ]
    for rank in range(3):
        assert output.data[rank, "stdout"] == b"%d\n" % rank
        assert output.data[rank, "stderr"] == b"no\n"
        assert sorted(result.tails[rank]) == [str(rank), "no"]
    assert len(output.ends) == 6
    assert result.signal is None and not result.timed_out


def test_much_output_arrives_complete():
    script = "import sys\nfor n in range(200): print('x' * 9999); print(n, file=sys.stderr)"
    output = Recorder()
    run(script, script, output=output)
    for rank in range(2):
        assert len(output.data[rank, "stdout"]) == 200 * 10_000
        assert output.data[rank, "stderr"].split()[-1] == b"199"


def test_the_worker_is_the_plain_command_in_a_session_of_its_own():
    output = Recorder()
    script = """
        import os, signal, sys
        print(os.getsid(0) == os.getpid(), sys.argv, __name__, sys.flags.isolated)
        print(signal.getsignal(signal.SIGINT) is signal.default_int_handler, sys.stdin.read() == "")
    """
    run(script, output=output)
    assert output.data[0, "stdout"] == b"True ['-c'] __main__ 0\nTrue True\n"


@pytest.mark.timed
def test_one_failure_stops_the_others(monkeypatch, tmp_path):
    monkeypatch.setattr(supervisor, "TERM_AFTER", 0.3)
    monkeypatch.setattr(supervisor, "KILL_AFTER", 0.6)
    ready = tmp_path / "ready"
    endure = f"""
        import pathlib, signal, time
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        pathlib.Path({str(ready)!r}).touch()
        time.sleep(60)
    """
    fail = f"""
        import pathlib, sys, time
        while not pathlib.Path({str(ready)!r}).exists():
            time.sleep(0.01)
        sys.exit(3)
    """
    result, seconds = run(endure, fail, "import time; time.sleep(60)")
    assert [(e.code, e.stopped) for e in result.exits] == [(-9, True), (3, False), (-15, True)]
    assert seconds < limit(3)


def test_the_others_have_time_to_say_something(monkeypatch):
    monkeypatch.setattr(supervisor, "TERM_AFTER", 20.0)
    result, _ = run("import time; time.sleep(0.7); print('last words')", "import os; os._exit(1)")
    assert [(e.code, e.stopped) for e in result.exits] == [(0, False), (1, False)]
    assert result.tails[0] == ["last words"]


def test_a_crash_is_a_failure():
    result, _ = run("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)")
    assert result.exits[0].code == -11
    assert "SIGSEGV" in result.exits[0].reason


def test_an_early_good_end_stops_nobody():
    result, _ = run("", "import time; time.sleep(0.5); print('done')")
    assert [e.code for e in result.exits] == [0, 0]
    assert result.tails[1] == ["done"]


@pytest.mark.timed
def test_timeout():
    result, seconds = run("import time; time.sleep(60)", "", timeout=3)
    assert result.timed_out
    assert [(e.code, e.stopped) for e in result.exits] == [(-15, True), (0, False)]
    assert seconds < 3 + limit(2.5)


@pytest.mark.timed
def test_what_a_worker_leaves_running_is_stopped():
    output = Recorder()
    script = """
        import subprocess, sys
        child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
        print(child.pid, flush=True)
    """
    _, seconds = run(script, output=output)
    assert_dead(int(output.data[0, "stdout"]))
    assert seconds < limit(5)


@pytest.mark.timed
def test_a_daemon_that_left_the_group_does_not_hold_the_launcher():
    output = Recorder()
    script = """
        import subprocess
        child = subprocess.Popen(["sleep", "30"], start_new_session=True)
        print(child.pid, flush=True)
    """
    _, seconds = run(script, output=output)
    os.kill(int(output.data[0, "stdout"]), signal.SIGKILL)
    assert seconds < limit(5)


@pytest.mark.timed
def test_without_pidfd(monkeypatch):
    monkeypatch.setattr(process, "_pidfd", lambda pid: None)
    result, seconds = run("", "import sys; sys.exit(4)", "import time; time.sleep(0.2)")
    assert [e.code for e in result.exits] == [0, 4, 0]
    assert seconds < limit(3)


@pytest.mark.timed
def test_an_error_in_the_launcher_ends_the_workers():
    pids = []

    class Broken(Recorder):
        def write(self, rank, stream, data, final=False):
            pids.append(int(data))
            raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        run("import os, time; print(os.getpid(), flush=True); time.sleep(60)", output=Broken())
    assert pids
    assert_dead(*pids)


@pytest.mark.timed
def test_a_worker_that_cannot_be_started_ends_the_others():
    commands = [*python("import time; time.sleep(60)"), ["/nonexistent/program"]]
    result, seconds = run(commands=commands)
    assert result.exits[1].code == 127
    assert "cannot run /nonexistent/program" in result.tails[1][0]
    assert result.exits[0].stopped and seconds < limit(5)


def test_no_process_can_be_started(monkeypatch):
    monkeypatch.setattr(sys, "executable", "/nonexistent/python")
    with pytest.raises(errors.InternalError, match="cannot start rank 0"):
        run(commands=[["true"]])


@pytest.fixture
def signals():
    read_end, write_end = os.pipe()
    os.set_blocking(read_end, False)
    yield read_end, lambda *numbers: os.write(write_end, bytes(numbers))
    os.close(read_end)
    os.close(write_end)


CATCH = """
    import signal, sys, time
    def caught(number, frame):
        print("caught", number, flush=True)
        if number in ({ends}):
            sys.exit(7)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1):
        signal.signal(number, caught)
    print("ready", flush=True)
    for _ in range(600):
        time.sleep(0.1)
"""


def send_when_ready(output, send, *rounds):
    def wait_and_send():
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline and not all(
            b"ready" in output.data.get((rank, "stdout"), b"") for rank in range(2)
        ):
            time.sleep(0.02)
        for numbers in rounds:
            send(*numbers)
            time.sleep(0.3)

    thread = threading.Thread(target=wait_and_send)
    thread.start()
    return thread


@pytest.mark.timed
def test_signals_are_passed_on(signals):
    script = CATCH.format(ends="signal.SIGTERM,")
    output = Recorder()
    thread = send_when_ready(output, signals[1], [signal.SIGUSR1], [signal.SIGTERM])
    result, seconds = run(script, script, output=output, signals=signals[0])
    thread.join()
    assert result.signal == signal.SIGTERM
    for rank in range(2):
        assert output.data[rank, "stdout"] == b"ready\ncaught 10\ncaught 15\n"
        assert (result.exits[rank].code, result.exits[rank].stopped) == (7, True)
    assert seconds < limit(5)


@pytest.mark.timed
def test_workers_that_ignore_a_signal_are_killed_after_the_grace(signals):
    script = CATCH.format(ends="")
    output = Recorder()
    thread = send_when_ready(output, signals[1], [signal.SIGINT])
    result, seconds = run(script, script, output=output, signals=signals[0], signal_grace=0.5)
    thread.join()
    assert [e.code for e in result.exits] == [-9, -9]
    assert seconds < limit(5)


@pytest.mark.timed
def test_the_second_signal_kills(signals):
    script = CATCH.format(ends="")
    output = Recorder()
    thread = send_when_ready(output, signals[1], [signal.SIGINT], [signal.SIGINT])
    result, seconds = run(script, script, output=output, signals=signals[0], signal_grace=60)
    thread.join()
    assert [e.code for e in result.exits] == [-9, -9]
    assert seconds < limit(5)


@pytest.mark.timed
def test_workers_die_with_a_launcher_that_is_killed():
    script = """
        from tf_ddl.launcher.workers import console, environment, supervisor
        import sys
        code = "import os, time; print(os.getpid(), flush=True); time.sleep(60)"
        environs = environment.worker_environments(2, "127.0.0.1:1", "secret")
        job = supervisor.Job([[sys.executable, "-c", code]] * 2, environs)
        supervisor.run(job, console.Console(2, prefix=False))
    """
    with subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(script)], stdout=subprocess.PIPE
    ) as launcher:
        pids = [int(launcher.stdout.readline()) for _ in range(2)]
        assert all(is_running(pid) for pid in pids)
        launcher.kill()
    assert_dead(*pids)


def test_a_worker_whose_launcher_is_gone_does_not_start():
    bootstrap = process._BOOTSTRAP
    command = [sys.executable, "-I", "-S", bootstrap, "1", sys.executable, "-c", "print('ran')"]
    done = subprocess.run(command, capture_output=True, timeout=20)
    assert done.stdout == b""
    assert done.returncode == 137


def test_threads_are_the_cores_shared_among_the_workers(monkeypatch):
    monkeypatch.setattr(environment, "available_cores", lambda: 8)

    def threads(workers, base=None, **options):
        environs = environment.worker_environments(workers, "h:1", "s", base=base or {}, **options)
        return [environs[-1][name] for name in environment.THREAD_VARIABLES]

    assert threads(2) == ["4", "4"]
    assert threads(3) == ["2", "2"]
    assert threads(9) == ["1", "1"]
    assert threads(2, {"OMP_NUM_THREADS": "7"}) == ["7", "4"]
    assert threads(2, {"OMP_NUM_THREADS": "7"}, threads=3) == ["3", "3"]


def test_worker_environments():
    first, second = environment.worker_environments(
        2, "127.0.0.1:99", "s", base={"HOME": "/h", "DDL_RANK": "5"}, extra={"X": "1"}
    )
    assert first["DDL_RANK"] == first["DDL_LOCAL_RANK"] == "0"
    assert second["DDL_RANK"] == second["DDL_LOCAL_RANK"] == "1"
    assert first["DDL_SIZE"] == first["DDL_LOCAL_SIZE"] == "2"
    assert first["DDL_STORE"] == "launcher" and first["DDL_RENDEZVOUS"] == "127.0.0.1:99"
    assert first["HOME"] == "/h" and first["X"] == "1"
