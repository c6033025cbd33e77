"""The event loop over all workers of a job: starts them, passes output on, stops them.

One thread does everything. It sleeps until a worker prints or ends, a signal arrives, or a
deadline passes. Whatever happens, `run` returns with every worker ended and reaped.

How a job stops:

    why                         first                    then
    a rank failed               others may end           SIGTERM after 3 s, SIGKILL after 4 s
    a signal (Ctrl-C, ...)      the signal is passed on  SIGKILL after `signal_grace` seconds
    the same again              SIGKILL
    the job's time is over      SIGTERM                  SIGKILL after 1.5 s

The other ranks of a failed job learn of it from the engine within 2 s and raise errors of their
own, which say more than a SIGTERM would let them.
"""

from __future__ import annotations

import dataclasses
import functools
import os
import selectors
import signal
import time
from collections.abc import Callable, Mapping, Sequence

from tf_ddl.launcher.workers import console, process

__all__ = ["Job", "JobResult", "run"]

TERM_AFTER = 3.0  # seconds between a rank's failure and SIGTERM for the others
KILL_AFTER = 4.0  # seconds between a rank's failure and SIGKILL for the others
TIMEOUT_KILL_AFTER = 1.5
_POLL = 0.05  # seconds between looks at workers where the system has no pidfd

#: Signals that are passed on to the workers; those of ENDING are meant to end the job.
ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
FORWARDED = (*ENDING, signal.SIGUSR1, signal.SIGUSR2)


@dataclasses.dataclass(frozen=True)
class Job:
    """What to run.

    Attributes:
      commands: program and arguments, by rank.
      environs: whole environment, by rank.
      timeout: seconds after which the job is stopped; None: never.
      signal_grace: seconds that workers have to end after SIGINT, SIGTERM or SIGHUP.
    """

    commands: Sequence[Sequence[str]]
    environs: Sequence[Mapping[str, str]]
    timeout: float | None = None
    signal_grace: float = 10.0


@dataclasses.dataclass(frozen=True)
class JobResult:
    """How it went.

    Attributes:
      exits: by rank.
      tails: last lines of each rank's output, by rank.
      signal: the signal that made the launcher stop the job, or None.
      timed_out: whether the job's time was over.
    """

    exits: Sequence[process.Exit]
    tails: Sequence[Sequence[str]]
    signal: int | None
    timed_out: bool


def run(job: Job, output: console.Output, signals: int | None = None) -> JobResult:
    """Runs a job to its end.

    Args:
      job: what to run.
      output: where the workers' output goes.
      signals: descriptor that gives the number of each signal received as one byte
        (`signal.set_wakeup_fd`); not blocking. None: the job is not told of signals.

    Raises:
      InternalError: a worker could not be started. The others are ended.
      BaseException: whatever the output or a signal handler raises. All workers are ended.
    """
    supervisor = _Supervisor(job, output)
    try:
        supervisor.start()
        if signals is not None:
            supervisor.watch_signals(signals)
        return supervisor.loop()
    finally:
        supervisor.close()


class _Supervisor:
    def __init__(self, job: Job, output: console.Output) -> None:
        self._job = job
        self._output = output
        self._started = time.monotonic()
        self._workers: dict[int, process.Worker] = {}  # those that are not reaped
        self._tails: list[list[str]] = [[] for _ in job.commands]
        self._exits: dict[int, process.Exit] = {}
        self._selector = selectors.DefaultSelector()
        self._steps: list[tuple[float, int]] = []  # (when, signal for every group), ascending
        self._signal: int | None = None
        self._timed_out = False

    def start(self) -> None:
        for rank, command in enumerate(self._job.commands):
            write = functools.partial(self._output.write, rank)
            worker = process.Worker(rank, command, self._job.environs[rank], write)
            self._workers[rank] = worker
            for descriptor in worker.pipes:
                self._watch(descriptor, functools.partial(self._read, worker, descriptor))
            if worker.pidfd is not None:
                self._watch(worker.pidfd, lambda: None)

    def watch_signals(self, descriptor: int) -> None:
        self._watch(descriptor, functools.partial(self._on_signals, descriptor))

    def loop(self) -> JobResult:
        while self._workers:
            for key, _ in self._selector.select(self._sleep()):
                key.data()
            for worker in list(self._workers.values()):
                if worker.has_ended():
                    self._reap(worker)
            self._take_steps()
        return JobResult(
            exits=[self._exits[rank] for rank in sorted(self._exits)],
            tails=self._tails,
            signal=self._signal,
            timed_out=self._timed_out,
        )

    def close(self) -> None:
        for worker in self._workers.values():
            worker.kill()
        self._selector.close()

    def _watch(self, descriptor: int, callback: Callable[[], None]) -> None:
        self._selector.register(descriptor, selectors.EVENT_READ, callback)

    def _sleep(self) -> float | None:
        """Seconds until something has to be done without being asked; None: nothing."""
        wakes = [when for when, _ in self._steps[:1]]
        if self._job.timeout is not None and not self._timed_out:
            wakes.append(self._started + self._job.timeout)
        sleep = min(wakes) - time.monotonic() if wakes else None
        if any(worker.pidfd is None for worker in self._workers.values()):
            sleep = _POLL if sleep is None else min(sleep, _POLL)
        return None if sleep is None else max(0.0, sleep)

    def _read(self, worker: process.Worker, descriptor: int) -> None:
        if worker.read(descriptor) < 0:
            self._selector.unregister(descriptor)

    def _reap(self, worker: process.Worker) -> None:
        del self._workers[worker.rank]
        watched = self._selector.get_map()
        for descriptor in (*worker.pipes, worker.pidfd):
            if descriptor is not None and descriptor in watched:
                self._selector.unregister(descriptor)
        exit_ = worker.reap(self._started)
        self._exits[worker.rank] = exit_
        self._tails[worker.rank] = worker.tail.lines()
        if exit_.code != 0 and not self._steps:
            now = time.monotonic()
            self._steps = [(now + TERM_AFTER, signal.SIGTERM), (now + KILL_AFTER, signal.SIGKILL)]

    def _on_signals(self, descriptor: int) -> None:
        try:
            numbers = os.read(descriptor, 64)
        except BlockingIOError:
            return
        for number in numbers:
            if number not in FORWARDED:
                continue
            now = time.monotonic()
            if number in ENDING and self._signal is not None:
                self._steps = [(now, signal.SIGKILL)]
                continue
            if number in ENDING:
                self._signal = number
                self._steps = self._steps or [(now + self._job.signal_grace, signal.SIGKILL)]
            for worker in self._workers.values():
                worker.stopping |= number in ENDING
                worker.send(number)

    def _take_steps(self) -> None:
        now = time.monotonic()
        timeout = self._job.timeout
        if timeout is not None and not self._timed_out and now >= self._started + timeout:
            self._timed_out = bool(self._workers)
            self._job = dataclasses.replace(self._job, timeout=None)
            self._steps = [(now, signal.SIGTERM), (now + TIMEOUT_KILL_AFTER, signal.SIGKILL)]
        while self._steps and self._steps[0][0] <= now:
            _, number = self._steps.pop(0)
            for worker in self._workers.values():
                worker.stopping = True
                worker.send_to_group(number)
