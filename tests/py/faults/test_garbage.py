"""Strangers that connect to the ports of a job: training goes on."""

import os
import socket
import struct
import threading
import time

import psutil
import pytest
from harness import start_workers


def reduce_until_told(path):
    import os

    import numpy as np

    from tf_ddl import collective

    collective.init()
    size = collective.size()
    print("reducing", flush=True)
    going_on = np.ones(1, np.int32)
    steps = 0
    while going_on[0]:
        total = collective.all_reduce(np.full(100_000, steps, np.float32))
        assert np.all(total == size * steps)
        steps += 1
        # What rank 0 sees decides for all.
        going_on = collective.broadcast(
            np.array([steps < 20 or not os.path.exists(path)], np.int32)
        )
    print(f"steps {steps}", flush=True)


def listening_ports(pid):
    connections = psutil.Process(pid).net_connections(kind="tcp")
    return sorted({c.laddr.port for c in connections if c.status == psutil.CONN_LISTEN})


GARBAGE = [
    b"",
    b"\0",
    b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + os.urandom(500),  # a TLS greeting
    os.urandom(100_000),
    b"\xff" * 4096,
    struct.pack("<Q", 2**63) * 100,
]


def pester(port):
    """Sends each piece of garbage on a connection of its own; some stay open for a while."""
    kept = []
    for data in GARBAGE:
        try:
            stranger = socket.create_connection(("127.0.0.1", port), timeout=2)
        except OSError:
            continue
        kept.append(stranger)
        try:
            stranger.sendall(data)
        except OSError:  # refused in the middle of it
            continue
    time.sleep(0.5)
    for stranger in kept:
        stranger.close()


@pytest.mark.parametrize("env", [{}, {"DDL_SHM": "0", "DDL_CMA": "0"}], ids=["default", "tcp"])
def test_garbage_on_every_port_while_training(env, tmp_path):
    stop = tmp_path / "stop"
    with start_workers(reduce_until_told, 3, args=(str(stop),), env=env) as workers:
        for rank in range(3):
            workers.wait_for_line(rank, "reducing")
        ports = [port for rank in range(3) for port in listening_ports(workers[rank].pid)]
        assert ports, "the store of rank 0 listens at least"
        threads = [threading.Thread(target=pester, args=(port,)) for port in ports * 3]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        stop.touch()
        steps = {result.stdout.splitlines()[-1] for result in workers.wait(30)}
        assert [result.returncode for result in workers.wait(1)] == [0, 0, 0], workers.describe()
        assert len(steps) == 1 and int(steps.pop().split()[1]) > 10


def test_garbage_before_the_ranks_have_come(tmp_path):
    from harness import free_port

    port = free_port()
    env = {"DDL_RENDEZVOUS": f"127.0.0.1:{port}"}
    stop = threading.Event()

    def pester_until_stopped():
        while not stop.wait(0.05):
            pester(port)

    thread = threading.Thread(target=pester_until_stopped)
    thread.start()
    try:
        (tmp_path / "stop").touch()  # a few steps are enough
        with start_workers(
            reduce_until_told, 3, args=(str(tmp_path / "stop"),), env=env
        ) as workers:
            workers.wait(40)
            assert [r.returncode for r in workers.wait(1)] == [0, 0, 0], workers.describe()
    finally:
        stop.set()
        thread.join()
