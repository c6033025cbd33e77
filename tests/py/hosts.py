"""Hosts made by benchmarks/hosts.sh, and jobs on them."""

from __future__ import annotations

import os
import pathlib
import secrets
import subprocess
import sys
from collections.abc import Mapping, Sequence
from typing import Any

__all__ = ["Hosts", "Job"]

SCRIPT = pathlib.Path(__file__).parents[2] / "benchmarks" / "hosts.sh"


class Hosts:
    """Some hosts with an interface on each of several networks: 10.1.0.0/24, 10.2.0.0/24, ...

    Attributes:
      name: their set's name; host h calls itself "<name>-h".
    """

    def __init__(self, count: int, rates: str) -> None:
        self.name = "p" + secrets.token_hex(4)
        self.script("up", self.name, "--hosts", str(count), "--rates", rates)

    def script(self, *arguments: str) -> None:
        """Runs hosts.sh."""
        done = subprocess.run(
            ["bash", str(SCRIPT), *arguments], timeout=60, capture_output=True, text=True
        )
        assert done.returncode == 0, f"hosts.sh {' '.join(arguments)}: {done.stderr}"

    def ip(self, host: int, *arguments: str) -> None:
        """Runs ip for a host."""
        namespace = f"ddl-{self.name}-{host}"
        subprocess.run(["ip", "-n", namespace, *arguments], check=True, timeout=20)

    def start(
        self, ranks_by_host: Sequence[int], code: str, environ: Mapping[str, str] | None = None
    ) -> Job:
        """Starts `code` as rank r on host ranks_by_host[r]."""
        return Job(self, ranks_by_host, code, environ or {})

    def down(self) -> None:
        """Removes them, with all that runs there."""
        self.script("down", self.name)


class Job:
    """Running ranks; ended by its `with` block at the latest."""

    def __init__(
        self, hosts: Hosts, ranks_by_host: Sequence[int], code: str, environ: Mapping[str, str]
    ) -> None:
        common = dict(
            os.environ,
            DDL_SIZE=str(len(ranks_by_host)),
            DDL_RENDEZVOUS="10.1.0.1:29470",
            DDL_SECRET=secrets.token_hex(16),
            DDL_JOIN_TIMEOUT="20",
            DDL_TIMEOUT="60",
        )
        common.update(environ)
        self.workers = [
            subprocess.Popen(
                ["bash", str(SCRIPT), "run", hosts.name, str(host), "--"]
                + [sys.executable, "-u", "-c", code],
                env=dict(common, DDL_RANK=str(rank)),
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            )
            for rank, host in enumerate(ranks_by_host)
        ]
        self.outputs: list[str] = []

    def __enter__(self) -> Job:
        return self

    def __exit__(self, *exc: Any) -> None:
        for worker in self.workers:
            worker.kill()
            worker.wait()

    def wait(self, timeout: float) -> list[int]:
        """Exit codes by rank; `outputs` then holds what each has printed since."""
        self.outputs = [worker.communicate(timeout=timeout)[0] for worker in self.workers]
        return [worker.returncode for worker in self.workers]

    def describe(self) -> str:
        """All output, for assertions."""
        return "\n".join(f"--- rank {rank}\n{text}" for rank, text in enumerate(self.outputs))
