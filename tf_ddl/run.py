"""`ddlrun`: starts a script in several worker processes of this host.

    ddlrun -np 4 train.py --epochs 5
    ddlrun -np 4 -m package.train --epochs 5
    python -m tf_ddl.run -np 4 train.py

Every line of output carries its rank. When one worker fails the others are stopped, and `ddlrun`
ends with that worker's exit code (128 + signal for signals) and says which one it was.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import pathlib
import secrets
import shutil
import signal
import sys
from collections.abc import Callable, Iterator, Sequence

from tf_ddl import errors, options, version
from tf_ddl.launcher.workers import console, environment, failures, supervisor

__all__ = ["main"]

_BAD_USAGE = 2
_BROKEN_PIPE = 128 + signal.SIGPIPE


def main(argv: Sequence[str] | None = None) -> int:
    """Runs `ddlrun` with the arguments `argv` (default: the process's own).

    Returns:
      The exit code: 0, the code of the worker that failed first, 128 + N after signal N,
      124 after --max-time, 2 for bad arguments, 1 if the job could not be started.
    """
    arguments = _parser().parse_args(argv)
    if arguments.check:
        return _check()
    try:
        command = _command(arguments)
        job_options = options.Options.from_environment(
            timeout=arguments.timeout, join_timeout=arguments.join_timeout
        )
        extra = _extra_environment(arguments)
        output = _output(arguments)
    except errors.InvalidArgumentError as error:
        _say(f"{error}\n(`ddlrun --help` lists the options)")
        return _BAD_USAGE
    try:
        result = _run(arguments, command, job_options, extra, output)
    except errors.DDLError as error:
        _say(str(error))
        return 1
    except BrokenPipeError:
        # Nobody reads the output any more. Python must not try to flush it once again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return _BROKEN_PIPE
    return _conclude(arguments, result)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="ddlrun",
        usage="ddlrun -np N [options] (script.py | -m module | program) [arguments]",
        description="Starts a script in N worker processes of this host.",
        epilog="Signals (INT, TERM, HUP, USR1, USR2) are passed on to the workers; a second "
        "INT, TERM or HUP kills them. Workers have no standard input. Environment variables: "
        "docs/environment.md.",
        allow_abbrev=False,
    )
    add = parser.add_argument
    add("-np", "--num-workers", type=_positive(int), metavar="N", help="number of workers")
    add("-m", dest="module", nargs=argparse.REMAINDER, help="run a module instead of a script")
    add("--output-dir", metavar="DIR", help="write rank.N.out and rank.N.err instead of printing")
    add("--no-prefix", action="store_true", help="print lines without their rank")
    add(
        "--all-progress",
        action="store_true",
        help="print the progress bars of all ranks, not of rank 0 alone",
    )
    add(
        "--threads-per-worker",
        type=_positive(int),
        metavar="N",
        help="compute threads of each worker (OMP_NUM_THREADS, TF_NUM_INTRAOP_THREADS); default: "
        "the cores divided by the workers, unless one of these variables is set",
    )
    add("--env", action="append", default=[], metavar="K=V", help="set a variable for the workers")
    add("--timeout", type=float, metavar="S", help="seconds a collective waits (DDL_TIMEOUT)")
    add("--join-timeout", type=float, metavar="S", help="seconds to start (DDL_JOIN_TIMEOUT)")
    add("--max-time", type=_positive(float), metavar="S", help="stop the job after S seconds")
    add(
        "--grace",
        type=_positive(float),
        default=10.0,
        metavar="S",
        help="seconds that workers have to end after a signal (default: 10)",
    )
    add("--port", type=int, default=0, metavar="P", help="port of the store (default: a free one)")
    add("--check", action="store_true", help="say what was found and built, and end")
    add("--version", action="version", version=f"ddlrun {version.__version__}")
    add("command", nargs=argparse.REMAINDER, help=argparse.SUPPRESS)
    return parser


def _positive(kind: Callable[[str], float]) -> Callable[[str], float]:
    def parse(text: str) -> float:
        value = kind(text)
        if not value > 0:
            raise argparse.ArgumentTypeError(f"{text} is not greater than 0")
        return value

    parse.__name__ = getattr(kind, "__name__", "value")  # argparse shows it: "invalid int value"
    return parse


def _command(arguments: argparse.Namespace) -> list[str]:
    """The command line of a worker."""
    if arguments.num_workers is None:
        raise errors.InvalidArgumentError("-np N (the number of workers) is missing")
    if arguments.module is not None:
        if not arguments.module:
            raise errors.InvalidArgumentError("-m needs the name of a module")
        return [sys.executable, "-m", *arguments.module]
    command = arguments.command[1:] if arguments.command[:1] == ["--"] else arguments.command
    if not command:
        raise errors.InvalidArgumentError("a script, -m module or program is missing")
    program = pathlib.Path(command[0])
    if program.suffix in (".py", ".pyc", ".pyz", ".zip") or (program / "__main__.py").exists():
        if not program.exists():
            raise errors.InvalidArgumentError(f"there is no script {command[0]} in {os.getcwd()}")
        return [sys.executable, *command]
    if shutil.which(command[0]) is None:
        raise errors.InvalidArgumentError(
            f"{command[0]} is neither a Python script (*.py) nor a program"
        )
    return command


def _extra_environment(arguments: argparse.Namespace) -> dict[str, str]:
    extra = {}
    for text in arguments.env:
        name, equals, value = text.partition("=")
        if not name or not equals:
            raise errors.InvalidArgumentError(f"--env {text}: expected NAME=VALUE")
        extra[name] = value
    if arguments.all_progress:
        extra["DDL_ALL_RANKS_VERBOSE"] = "1"
    for name in ("timeout", "join_timeout"):
        if getattr(arguments, name) is not None:
            extra[f"DDL_{name.upper()}"] = str(getattr(arguments, name))
    return extra


def _output(arguments: argparse.Namespace) -> console.Output:
    if arguments.output_dir is not None:
        return console.Files(arguments.output_dir, arguments.num_workers)
    return console.Console(
        arguments.num_workers,
        prefix=not arguments.no_prefix,
        all_progress=arguments.all_progress,
    )


def _run(
    arguments: argparse.Namespace,
    command: list[str],
    job_options: options.Options,
    extra: dict[str, str],
    output: console.Output,
) -> supervisor.JobResult:
    from tf_ddl._native.store import (
        Store,  # loads the compiled library; --help and --check do without
    )

    size = arguments.num_workers
    secret = secrets.token_hex(16)
    store = Store(environment.HOST, arguments.port, size, secret, job_options.join_timeout)
    with contextlib.closing(store), contextlib.closing(output):
        environs = environment.worker_environments(
            size,
            f"{environment.HOST}:{store.port}",
            secret,
            extra=extra,
            threads=arguments.threads_per_worker,
        )
        job = supervisor.Job(
            commands=[command] * size,
            environs=environs,
            timeout=arguments.max_time,
            signal_grace=arguments.grace,
        )
        with _signals() as signals:
            return supervisor.run(job, output, signals)


@contextlib.contextmanager
def _signals() -> Iterator[int]:
    """Signals come as bytes from the descriptor that this gives, instead of ending the process."""
    read_end, write_end = os.pipe()
    os.set_blocking(read_end, False)
    os.set_blocking(write_end, False)
    previous = {}
    # The child of a parent that ignores it would be reaped by the kernel, its exit code lost.
    previous[signal.SIGCHLD] = signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    for number in supervisor.FORWARDED:
        # nohup has SIGHUP ignored, and that must hold. A shell has SIGINT ignored in background
        # jobs, but whoever sends it to ddlrun by name means it.
        if number == signal.SIGHUP and signal.getsignal(number) == signal.SIG_IGN:
            continue
        previous[number] = signal.signal(number, lambda number, frame: None)
    previous_fd = signal.set_wakeup_fd(write_end, warn_on_full_buffer=False)
    try:
        yield read_end
    finally:
        signal.set_wakeup_fd(previous_fd)
        for number, handler in previous.items():
            signal.signal(number, handler)
        os.close(read_end)
        os.close(write_end)


def _conclude(arguments: argparse.Namespace, result: supervisor.JobResult) -> int:
    hint = f"all output: {arguments.output_dir}/rank.*" if arguments.output_dir else ""
    text = failures.summary(result, hint)
    if text:
        _say(text.rstrip("\n"))
    if result.signal is not None:
        _say(f"stopped by {signal.Signals(result.signal).name}")
        return 128 + result.signal
    if result.timed_out:
        _say(f"stopped after {arguments.max_time:g} s (--max-time)")
        return 124
    first = failures.first_failure(result)
    if first is not None:
        # A rank that was stopped after its own exception would have ended with 1.
        return 1 if first.stopped else first.shell_code
    return max((exit_.shell_code for exit_ in result.exits), default=0)


def _check() -> int:
    """Prints what was found and built; 1 if the compiled core cannot be used."""
    import tf_ddl

    try:
        info = tf_ddl.build_info()
    except errors.DDLError as error:
        _say(str(error))
        return 1
    width = max(len(name) for name in info)
    for name, value in info.items():
        print(f"{name:<{width}}  {value}")
    return 0


def _say(text: str) -> None:
    with contextlib.suppress(OSError):
        for line in text.split("\n"):
            print(f"ddlrun: {line}", file=sys.stderr)
        sys.stderr.flush()


if __name__ == "__main__":
    sys.exit(main())
