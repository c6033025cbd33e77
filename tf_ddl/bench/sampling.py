"""Takes turns: every contender measures a little of a workload, again and again."""

from __future__ import annotations

import contextlib
import dataclasses
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

from . import buffers, contenders, machine, workloads
from .team import Team, TeamError

__all__ = [
    "Effort",
    "Result",
    "Waiting",
    "measure",
    "print_progress",
    "start",
    "wait_cost",
]

_LEAD = 0.002  # seconds from the command to the common start
_PREPARE = 600.0  # seconds a contender may take for buffers, tracing and one run
_BLOCK = 300.0  # seconds one block may take
_LONGEST_BLOCK = 0.02  # seconds of timed repeats to aim for
_MOST_REPEATS = 500


@dataclasses.dataclass(frozen=True)
class Effort:
    """How much is measured.

    Attributes:
      rounds: how often the turn comes to each contender.
      samples: at most so many per turn.
      seconds: a turn ends after so much timed work, but not without a sample.
      steps: training steps per sample.
      patience: seconds to spend, for each workload, on waiting for a quiet machine and on
        repeating turns that were disturbed.
    """

    rounds: int = 5
    samples: int = 8
    seconds: float = 0.6
    steps: int = 10
    patience: float = 0.0


@dataclasses.dataclass
class Result:
    """What one contender did with one workload.

    Attributes:
      seconds: samples: from the moment when the last rank began to the moment when the last rank
        had its result, divided by the repeats.
      cpu: CPU seconds of all ranks' processes per repeat, of the same samples.
      repeats: of the operation in one sample.
      window, foreign: seconds of wall clock that was watched, and CPU seconds that processes
        other than the contender's took meanwhile.
      error: why there are no (more) samples; "" if all went well.
    """

    workload: workloads.Workload
    contender: contenders.Contender
    size: int
    seconds: list[float] = dataclasses.field(default_factory=list)
    cpu: list[float] = dataclasses.field(default_factory=list)
    repeats: int = 1
    window: float = 0.0
    foreign: float = 0.0
    error: str = ""


@dataclasses.dataclass(frozen=True)
class Waiting:
    """CPU that a rank burns, as a share of one core: blocked in a collective, and idle."""

    contender: contenders.Contender
    blocked: float
    idle: float


def start(
    wanted: Sequence[contenders.Contender],
    interpreters: contenders.Interpreters,
    size: int,
    say: Callable[[str], None],
) -> tuple[list[Team], dict[str, str]]:
    """Starts the workers of all contenders that are installed.

    Returns:
      The teams, and why the others take no part, by name.
    """
    teams: list[Team] = []
    absent: dict[str, str] = {}
    try:
        for contender in wanted:
            reason = interpreters.why_not(contender)
            if reason:
                absent[contender.name] = f"not installed: {reason}"
                say(f"{contender.name}: {absent[contender.name]}")
                continue
            say(f"starting {contender.name}")
            try:
                teams.append(Team(contender, interpreters.python(contender), size))
                teams[-1].rest()
            except TeamError as error:
                absent[contender.name] = str(error)
                say(f"{contender.name}: {error}")
    except BaseException:
        for team in teams:
            team.kill()
        raise
    return teams, absent


def measure(
    teams: list[Team],
    workload: workloads.Workload,
    effort: Effort,
    say: Callable[[str], None],
) -> list[Result]:
    """All teams' samples of one workload, in turns. A team that fails is removed from `teams`."""
    results = {}
    for team in list(teams):
        if workload.kind == "training" and workload.spec["loop"] not in team.contender.loops:
            continue
        result = Result(workload, team.contender, team.size)
        results[team.contender.name] = result
        with _surviving(teams, team, result, say):
            _prepare(team, result, effort)
    quiet = machine.Quiet(effort.patience)
    for turn in range(effort.rounds):
        first = turn % max(1, len(teams))  # nobody always follows the same one
        for team in [*teams[first:], *teams[:first]]:
            if team.contender.name not in results:
                continue
            result = results[team.contender.name]
            with _surviving(teams, team, result, say):
                _turn(team, result, effort, quiet)
    return list(results.values())


def wait_cost(teams: list[Team], seconds: float, say: Callable[[str], None]) -> list[Waiting]:
    """What waiting costs each team; `seconds` of both kinds of it."""
    found = []
    spec = workloads.all_reduce(1 << 20).spec
    for team in list(teams):
        if team.size < 2 or team.contender.transport == "none":
            continue
        with _surviving(teams, team, None, say):
            team.ask({"do": "prepare", "spec": spec}, _PREPARE)
            team.ask({"do": "ready", "warmup": 1}, _BLOCK)
            message = {"do": "blocked", "at": time.monotonic() + _LEAD, "seconds": seconds}
            blocked = team.ask(message, _BLOCK + seconds)[1:]
            idle = team.ask({"do": "idle", "seconds": seconds}, _BLOCK + seconds)
            found.append(
                Waiting(
                    team.contender,
                    max(answer["cpu"] / answer["seconds"] for answer in blocked),
                    max(answer["cpu"] / answer["seconds"] for answer in idle),
                )
            )
    return found


@contextlib.contextmanager
def _surviving(
    teams: list[Team], team: Team, result: Result | None, say: Callable[[str], None]
) -> Iterator[None]:
    """Notes a team's failure, ends its workers, and goes on with the others."""
    try:
        yield
        team.rest()
    except TeamError as error:
        say(f"{team.contender.name}: {error}")
        if result is not None:
            result.error = str(error)
            result.seconds.clear()
            result.cpu.clear()
        teams.remove(team)
        team.kill()


def _prepare(team: Team, result: Result, effort: Effort) -> None:
    """Makes the buffers, warms up, and finds out how many repeats make a sample."""
    answers = team.ask({"do": "prepare", "spec": result.workload.spec}, _PREPARE)
    _verify(result, answers)
    if result.workload.kind == "training":
        result.repeats = effort.steps
        _block(team, result, warmup=2)
        return
    most = min(_MOST_REPEATS, buffers.max_repeats(team.size))
    for _ in range(3):  # the first runs are slower than what follows
        seconds = _block(team, result, warmup=1).seconds
        result.repeats = min(most, max(1, int(_LONGEST_BLOCK / max(seconds, 1e-6))))


def _turn(team: Team, result: Result, effort: Effort, quiet: machine.Quiet) -> None:
    while True:
        team.rest()
        quiet.wait()
        blocks = _blocks(team, result, effort)
        window = sum(block.window for block in blocks)
        foreign = sum(block.foreign for block in blocks)
        if not quiet.disturbed(window, foreign):
            break
    result.seconds += [block.seconds for block in blocks]
    result.cpu += [block.cpu for block in blocks]
    result.window += window
    result.foreign += foreign


class _Block(NamedTuple):
    """One sample: see `Result`."""

    seconds: float
    cpu: float
    window: float
    foreign: float


def _blocks(team: Team, result: Result, effort: Effort) -> list[_Block]:
    blocks: list[_Block] = []
    spent = 0.0
    while len(blocks) < effort.samples and spent < effort.seconds:
        # Other contenders have had the caches meanwhile.
        first = not blocks and result.workload.kind != "training"
        blocks.append(_block(team, result, min(3, result.repeats) if first else 0))
        spent += blocks[-1].seconds * result.repeats
    return blocks


def _block(team: Team, result: Result, warmup: int) -> _Block:
    """One sample, its results verified."""
    team.ask({"do": "ready", "warmup": warmup}, _BLOCK)
    count = result.repeats
    answers = team.ask({"do": "go", "at": time.monotonic() + _LEAD, "count": count}, _BLOCK)
    _verify(result, answers)
    seconds = max(a["end"] for a in answers) - max(a["begin"] for a in answers)
    return _Block(
        max(seconds, 1e-9) / count,
        sum(answer["cpu"] for answer in answers) / count,
        answers[0]["window"],
        answers[0]["busy"] - sum(answer["own"] for answer in answers),
    )


def _verify(result: Result, answers: list[dict[str, Any]]) -> None:
    for rank, answer in enumerate(answers):
        if answer["wrong"]:
            raise TeamError(f"wrong result on rank {rank}: {answer['wrong']}")
    digests = {answer.get("digest", "") for answer in answers}
    if len(digests) > 1:
        raise TeamError(f"the ranks' weights differ after {result.workload.name}")


def print_progress(text: str) -> None:
    """Says what is being done, on standard error."""
    print(f"bench: {text}", file=sys.stderr, flush=True)
