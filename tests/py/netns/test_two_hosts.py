"""Two hosts on one machine, joined by two networks; between them only TCP."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hosts import Hosts, Job

pytestmark = [pytest.mark.netns, pytest.mark.timeout(120)]

RAILS = ["10.1.0.0/24", "10.2.0.0/24"]

SCRIPT = """
import json
import numpy as np
from tf_ddl import collective
from tf_ddl._native import process_engine

collective.init()
rank, size = collective.rank(), collective.size()
for count in (1, 1000, 300_001, 5_000_000):
    array = np.arange(count, dtype=np.float32) % 100 + rank
    result = collective.all_reduce(array)
    assert np.array_equal(result, (np.arange(count) % 100) * size + sum(range(size))), count
assert collective.all_gather(np.full((rank, 2), rank)).shape == (sum(range(size)), 2)
assert collective.broadcast(np.array([rank]), root=size - 1)[0] == size - 1
print("stats", json.dumps(process_engine.current_engine().stats()))
collective.shutdown()
"""


def _stats(job: Job) -> list[dict[str, Any]]:
    """What the ranks of a job that ran SCRIPT tell, once it has ended well."""
    codes = job.wait(timeout=90)
    assert codes == [0] * len(codes), job.describe()
    return [json.loads(output.split("stats ")[1].splitlines()[0]) for output in job.outputs]


@pytest.mark.parametrize("ranks_by_host", [[0, 1], [0, 0, 1, 1]])
def test_hosts_find_each_other_and_reduce(two_hosts: Hosts, ranks_by_host: list[int]) -> None:
    with two_hosts.start(ranks_by_host, SCRIPT, {"DDL_SOCKETS_PER_RAIL": "2"}) as job:
        for rank, stats in enumerate(_stats(job)):
            assert stats["rails"] == RAILS
            for peer in stats["peers"]:
                host = ranks_by_host[peer["rank"]]
                assert peer["host"] == f"{two_hosts.name}-{host}"
                if peer["rank"] == rank:
                    assert peer["transport"] == "self"
                elif host == ranks_by_host[rank]:
                    assert peer["transport"] in ("cma", "shm")
                    assert peer["sockets"] == []
                else:
                    assert peer["transport"] == "tcp"
                    _check_sockets(peer["sockets"], ranks_by_host[rank], host)


def _check_sockets(sockets: list[dict[str, Any]], own: int, other: int) -> None:
    assert [socket["rail"] for socket in sockets] == [0, 0, 1, 1]
    for socket in sockets:
        rail = socket["rail"]
        assert socket["interface"] == f"eth{rail}"
        assert socket["address"] == f"10.{rail + 1}.0.{own + 1}"
        assert socket["peer_address"] == f"10.{rail + 1}.0.{other + 1}"
    assert sum(socket["bytes_written"] for socket in sockets) > 0


@pytest.mark.parametrize("two_hosts", ["400,400"], indirect=True)
def test_both_networks_carry_bytes(two_hosts: Hosts) -> None:
    with two_hosts.start([0, 1], SCRIPT) as job:
        for rank, stats in enumerate(_stats(job)):
            sockets = stats["peers"][1 - rank]["sockets"]
            shares = [
                sum(socket["bytes_written"] for socket in sockets if socket["rail"] == rail)
                for rail in (0, 1)
            ]
            assert min(shares) > 0.35 * sum(shares), (shares, stats["plans"])


def test_only_the_interfaces_that_are_allowed(two_hosts: Hosts) -> None:
    with two_hosts.start([0, 1], SCRIPT, {"DDL_INTERFACES": "eth1"}) as job:
        for rank, stats in enumerate(_stats(job)):
            assert stats["rails"] == RAILS[1:]
            sockets = stats["peers"][1 - rank]["sockets"]
            assert {socket["interface"] for socket in sockets} == {"eth1"}
            assert sum(socket["bytes_written"] for socket in sockets) > 20_000_000


def test_an_interface_that_is_not_there_is_named(two_hosts: Hosts) -> None:
    with two_hosts.start([0, 1], SCRIPT, {"DDL_INTERFACES": "eth0,eth7"}) as job:
        assert job.wait(timeout=30) == [1, 1]
        for rank, output in enumerate(job.outputs):
            assert (
                f"InvalidArgumentError: DDL_INTERFACES names eth7; host {two_hosts.name}-{rank} "
                "has eth0, eth1"
            ) in output


def test_a_network_that_only_looks_common_is_dropped(two_hosts: Hosts) -> None:
    for host in (0, 1):  # as Docker makes them, with the same and with other addresses
        for number, address in ((0, "172.17.0.1/16"), (1, f"172.18.0.{host + 1}/16")):
            link = f"docker{number}"
            two_hosts.ip(host, *f"link add {link} type veth peer name {link}p".split())
            two_hosts.ip(host, *f"link set {link}p up".split())
            two_hosts.ip(host, *f"address add {address} dev {link}".split())
            two_hosts.ip(host, *f"link set {link} up".split())
    with two_hosts.start([0, 1], SCRIPT) as job:
        for stats in _stats(job):
            assert stats["rails"] == RAILS
    assert "network 172.18.0.0/16 is on every host but carries no data: rank 1" in job.outputs[0]
    assert "172.17.0.0" not in job.describe()


TRAINING = """
import numpy as np
from tf_ddl import collective

collective.init()
array = np.ones(1_000_000, np.float32)
for step in range(1_000_000):
    collective.all_reduce(array)
    if step == 3:
        print("training", flush=True)
"""


@pytest.mark.parametrize("interface", ["eth0", "eth1"])
def test_a_network_that_is_lost_fails_the_job_in_time(two_hosts: Hosts, interface: str) -> None:
    environ = {"DDL_INTERFACES": interface, "DDL_TIMEOUT": "6"}
    if interface == "eth1":  # the primary connections, too
        environ["DDL_RENDEZVOUS"] = "10.2.0.1:29470"
    with two_hosts.start([0, 1], TRAINING, environ) as job:
        for worker in job.workers:
            assert worker.stdout is not None and worker.stdout.readline() == "training\n"
        two_hosts.script("link", two_hosts.name, "1", interface, "down")
        assert job.wait(timeout=30) == [1, 1]
        for rank, output in enumerate(job.outputs):
            assert "DeadlineError: " in output, job.describe()
            assert f"rank {1 - rank} ({two_hosts.name}-{1 - rank}" in output, job.describe()
        network = "10.1.0." if interface == "eth0" else "10.2.0."
        assert f"which does not answer on {interface} ({network}" in job.describe()
