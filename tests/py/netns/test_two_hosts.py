"""Two hosts on one machine: network namespaces joined by a veth pair; between them only TCP."""

from __future__ import annotations

import contextlib
import os
import secrets
import subprocess
import sys
from collections.abc import Iterator

import pytest

pytestmark = pytest.mark.netns

SCRIPT = """
import numpy as np
from tf_ddl import _runtime, collective

collective.init()
rank, size = collective.rank(), collective.size()
for count in (1, 1000, 300_001, 5_000_000):
    array = np.arange(count, dtype=np.float32) % 100 + rank
    result = collective.all_reduce(array)
    assert np.array_equal(result, (np.arange(count) % 100) * size + sum(range(size))), count
assert collective.all_gather(np.full((rank, 2), rank)).shape == (sum(range(size)), 2)
assert collective.broadcast(np.array([rank]), root=size - 1)[0] == size - 1
stats = _runtime.current_engine().stats()
print("transports", *(peer["transport"] for peer in stats["peers"]))
print("plans", *sorted(stats["plans"]))
collective.shutdown()
"""


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, timeout=20, capture_output=True, text=True)


@pytest.fixture
def hosts() -> Iterator[list[str]]:
    """Names of two namespaces whose addresses are 10.77.0.1 and 10.77.0.2."""
    tag = secrets.token_hex(3)
    names = [f"ddl-{tag}-a", f"ddl-{tag}-b"]
    links = [f"d{tag}a", f"d{tag}b"]
    with contextlib.ExitStack() as undo:
        for name in names:
            _ip("netns", "add", name)
            undo.callback(_ip, "netns", "delete", name)
        _ip("link", "add", links[0], "type", "veth", "peer", "name", links[1])
        for number, (name, link) in enumerate(zip(names, links), start=1):
            _ip("link", "set", link, "netns", name)
            _ip("-n", name, "address", "add", f"10.77.0.{number}/24", "dev", link)
            _ip("-n", name, "link", "set", link, "up")
            _ip("-n", name, "link", "set", "lo", "up")
        yield names


def _start(host: str, rank: int, size: int, secret: str) -> subprocess.Popen[str]:
    environ = dict(
        os.environ,
        DDL_RANK=str(rank),
        DDL_SIZE=str(size),
        DDL_RENDEZVOUS="10.77.0.1:29470",
        DDL_SECRET=secret,
        DDL_JOIN_TIMEOUT="20",
        DDL_TIMEOUT="60",
    )
    return subprocess.Popen(
        ["ip", "netns", "exec", host, sys.executable, "-c", SCRIPT],
        env=environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


@pytest.mark.timeout(120)
@pytest.mark.parametrize("ranks_by_host", [[0, 1], [0, 0, 1, 1]])
def test_hosts_find_each_other_and_reduce(hosts: list[str], ranks_by_host: list[int]) -> None:
    secret = secrets.token_hex(16)
    size = len(ranks_by_host)
    workers = [_start(hosts[host], rank, size, secret) for rank, host in enumerate(ranks_by_host)]
    try:
        outputs = [worker.communicate(timeout=90)[0] for worker in workers]
    finally:
        for worker in workers:
            worker.kill()
            worker.wait()
    shown = "\n".join(f"--- rank {rank}\n{text}" for rank, text in enumerate(outputs))
    assert [worker.returncode for worker in workers] == [0] * size, shown
    for rank, output in enumerate(outputs):
        transports = output.split("transports ")[1].splitlines()[0].split()
        for peer, transport in enumerate(transports):
            if peer == rank:
                assert transport == "self", shown
            elif ranks_by_host[peer] == ranks_by_host[rank]:
                assert transport in ("cma", "shm"), shown
            else:
                assert transport == "tcp", shown
        assert "ring" in output.split("plans ")[1], shown
