"""Which rank is to blame."""

from tf_ddl.launcher.workers import failures, process, supervisor

VALUE_ERROR = """\
Traceback (most recent call last):
  File "train.py", line 3, in <module>
    raise ValueError("no such file")
ValueError: no such file
""".splitlines()

LOST = """\
Traceback (most recent call last):
  File "train.py", line 3, in <module>
    model.fit(x)
tensorflow.python.framework.errors_impl.UnavailableError: Graph execution error:

Detected at node DdlAllReduce defined at (most recent call last):
  File "train.py", line 3, in <module>
rank 1 was lost
""".splitlines()


def result(*ends, signal=None, timed_out=False):
    """Each end: (code, seconds, stopped, tail)."""
    exits = [process.Exit(rank, *end[:3]) for rank, end in enumerate(ends)]
    return supervisor.JobResult(exits, [end[3] for end in ends], signal, timed_out)


def blamed(*ends, **rest):
    first = failures.first_failure(result(*ends, **rest))
    return None if first is None else first.rank


def test_exception_of():
    assert failures.exception_of(VALUE_ERROR) == "ValueError"
    assert failures.exception_of([*LOST, "some log line", "Error: unrelated"]) == "UnavailableError"
    assert failures.exception_of(["Error: printed", "all good"]) is None
    assert failures.exception_of([]) is None
    nested = [*LOST, "", "During handling of the above exception:", "", *VALUE_ERROR]
    assert failures.exception_of(nested) == "ValueError"
    assert failures.exception_of(["Traceback (most recent call last):", "KeyboardInterrupt"]) == (
        "KeyboardInterrupt"
    )


def test_nobody():
    assert blamed((0, 1.0, False, []), (0, 2.0, False, [])) is None
    assert failures.summary(result((0, 1.0, False, []))) == ""


def test_the_first_in_time():
    assert blamed((1, 2.0, False, VALUE_ERROR), (1, 1.5, False, VALUE_ERROR)) == 1


def test_a_lost_peer_is_no_reason_of_its_own():
    assert blamed((1, 1.0, False, LOST), (-9, 1.1, False, [])) == 1
    assert blamed((1, 1.0, False, LOST), (3, 1.1, False, [])) == 1


def test_an_exception_counts_although_the_rank_was_stopped_before_its_end():
    assert blamed((1, 1.0, False, LOST), (-15, 3.0, True, VALUE_ERROR)) == 1


def test_one_that_was_stopped_is_not_to_blame():
    assert blamed((-15, 1.0, True, []), (-11, 1.2, False, [])) == 1


def test_if_all_lost_a_peer_the_first_of_them():
    assert blamed((0, 0.5, False, []), (1, 2.0, False, LOST), (1, 1.0, False, LOST)) == 2


def test_after_a_signal_or_timeout_those_that_were_stopped_are_not_to_blame():
    interrupted = ["Traceback (most recent call last):", "KeyboardInterrupt"]
    assert blamed((1, 1.0, True, interrupted), (-15, 1.0, True, []), signal=2) is None
    assert blamed((-15, 1.0, True, VALUE_ERROR), timed_out=True) is None
    assert blamed((1, 0.9, False, VALUE_ERROR), (-2, 1.0, True, []), signal=2) == 0


def test_summary_says_who_and_how_and_shows_the_last_lines():
    text = failures.summary(
        result(
            (1, 1.2, False, LOST),
            (-9, 1.0, False, [f"line {n}" for n in range(40)]),
            (1, 1.3, False, LOST),
            (-15, 3.4, True, []),
            (0, 0.2, False, []),
            (-15, 3.4, True, LOST),
        ),
        hint="all output: somewhere",
    )
    found = text.splitlines()
    assert found[0] == ("rank 1 failed first: killed by signal 9 (SIGKILL), 1.0 s after the start")
    assert found[1:22] == ["last lines of rank 1:"] + [f"  | line {n}" for n in range(20, 40)]
    cause = "ranks 0, 2, 5 ended after losing another rank: "
    assert cause + "exit code 1, killed by signal 15 (SIGTERM)" in found
    assert "rank 3 stopped by the launcher: killed by signal 15 (SIGTERM)" in found
    assert "rank 4 ended without an error" in found
    assert "dmesg" in text
    assert found[-1] == "all output: somewhere"


def test_exit_codes_as_in_a_shell():
    assert process.Exit(0, -9, 0.0, False).shell_code == 137
    assert process.Exit(0, 3, 0.0, False).shell_code == 3
