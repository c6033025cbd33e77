"""`Options.links`: what was measured is kept, and read the next time."""

import json

from harness import run_workers

JOB = """
from tf_ddl import collective
import numpy as np
collective.init()
assert collective.all_reduce(np.ones(3))[0] == 2
if collective.rank() == 0:
    print(collective.explain())
collective.shutdown()
"""


def run(path, **env):
    return run_workers(JOB, 2, timeout=60, env={"DDL_LINKS": str(path), **env})[0].stdout


def test_measured_once_and_read_from_then_on(tmp_path):
    path = tmp_path / "links.json"
    run(path)
    saved = json.loads(path.read_text())
    assert saved["local"]["beta"] > 0 and saved["gamma"] > 0
    saved["local"] = {"alpha": 0.125, "beta": 4e-9}  # so slow that nobody measures it
    path.write_text(json.dumps(saved))
    assert "125 ms a message, 250 MB/s" in run(path)
    assert json.loads(path.read_text()) == saved


def test_what_was_not_measured_is_not_kept(tmp_path):
    for setting in ({"DDL_MEASURE_LINKS": "0"}, {"DDL_DETERMINISTIC": "1"}):
        run(tmp_path / "links.json", **setting)
        assert not list(tmp_path.iterdir())


def test_a_job_that_cannot_begin_says_why(tmp_path):
    env = {"DDL_LINKS": str(tmp_path / "links.json"), "DDL_PLAN": "grid:4x2"}
    first, _ = run_workers(JOB, 2, timeout=60, env=env, expect_failure=True)
    assert "InvalidArgumentError: plan: 4x2 makes 8 ranks, the job has 2" in first.stderr
    assert not list(tmp_path.iterdir())
