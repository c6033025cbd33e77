"""The script that puts the simulator's times beside measured ones runs, and says what it should."""

from __future__ import annotations

import json
import pathlib
import subprocess
import sys

SCRIPT = pathlib.Path(__file__).parents[3] / "benchmarks" / "predicted_and_measured.py"


def test_two_ranks(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "rows.json"
    arguments = ["-np", "2", "--sizes", "4KiB,256KiB", "--seconds", "0.1", "--rounds", "3"]
    done = subprocess.run(
        [sys.executable, str(SCRIPT), *arguments, "--json", str(path)],
        capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "2 ranks on 1 host(s)" in done.stdout
    assert "median error:" in done.stdout
    rows = json.loads(path.read_text())
    assert [row["bytes"] for row in rows] == [4 << 10, 256 << 10]
    # However busy the machine is: milliseconds, not seconds, and not nothing.
    assert all(1e-6 < row[kind] < 1 for row in rows for kind in ("predicted", "measured"))


def test_what_does_not_go_together_is_refused() -> None:
    for arguments in (["--hosts", "2"], ["-np", "2,4", "--json", "rows.json"], ["--sizes", "many"]):
        done = subprocess.run(
            [sys.executable, str(SCRIPT), *arguments], capture_output=True, text=True, timeout=60
        )
        assert done.returncode == 2
        assert "usage:" in done.stderr
