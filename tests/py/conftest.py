"""Common to all Python tests: the harness on sys.path, machine requirements, no leftovers."""

from __future__ import annotations

import os
import pathlib
import shutil
import subprocess
import sys
import time
import uuid

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parent))

#: Every process that a test starts inherits this; no process of the session may outlive its test.
_SESSION = str(uuid.uuid4())
os.environ["DDL_TEST_SESSION"] = _SESSION

# Not before: they take the environment as it is now.
import fake_gpu  # noqa: E402
import warm_start  # noqa: E402
from time_limits import STRICT  # noqa: E402

#: Names of requirements, separated by commas, that must be there: tests fail instead of skipping.
_REQUIRED = [name for name in os.environ.get("DDL_TEST_REQUIRE", "").split(",") if name]


def _no_gpu() -> str:
    """Why tests that need a GPU cannot run here; "" if they can."""
    if shutil.which("nvidia-smi") is None:
        return "no NVIDIA driver (nvidia-smi) on this machine"
    listing = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, timeout=30)
    return "" if "GPU 0" in listing.stdout else f"nvidia-smi: {listing.stdout}{listing.stderr}"


def _no_netns() -> str:
    """Why tests that need network namespaces cannot run here; "" if they can."""
    if os.geteuid() != 0:
        return "network namespaces need root"
    if shutil.which("ip") is None:
        return "network namespaces need iproute2 (ip)"
    name = f"ddl-probe-{os.getpid()}"
    made = subprocess.run(["ip", "netns", "add", name], capture_output=True, text=True, timeout=30)
    if made.returncode != 0:
        return f"ip netns add: {made.stderr.strip()}"
    try:  # in a chroot a namespace can be made, but not entered
        entered = subprocess.run(
            ["ip", "netns", "exec", name, "true"], capture_output=True, text=True, timeout=30
        )
    finally:
        subprocess.run(["ip", "netns", "delete", name], capture_output=True, timeout=30)
    return "" if entered.returncode == 0 else f"ip netns exec: {entered.stderr.strip()}"


@pytest.hookimpl(tryfirst=True)  # before -m looks at the marks
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if STRICT and item.get_closest_marker("timed"):
            item.add_marker(pytest.mark.timing)
    for marker, why_not in (("gpu", _no_gpu), ("netns", _no_netns)):
        marked = [item for item in items if item.get_closest_marker(marker)]
        reason = why_not() if marked else ""
        if reason and marker in _REQUIRED:
            raise pytest.UsageError(f"DDL_TEST_REQUIRE={marker}, but: {reason}")
        if reason:
            for item in marked:
                item.add_marker(pytest.mark.skip(reason=reason))


@pytest.fixture(scope="session")
def common_folder(tmp_path_factory):
    """A folder of this run of the tests, the same in all processes that share them out."""
    base = tmp_path_factory.getbasetemp()
    return base.parent if "PYTEST_XDIST_WORKER" in os.environ else base


@pytest.fixture(scope="session")
def fake_libraries(common_folder):
    """Paths of test libraries in the place of NCCL and of the CUDA driver (fake_gpu.py)."""
    return fake_gpu.compile_libraries(common_folder)


@pytest.fixture(scope="session")
def cpu_kernels(common_folder):
    """Path of kernels for a CPU of the ops for GPUs (fake_gpu.py)."""
    return fake_gpu.compile_kernels(common_folder)


@pytest.fixture(autouse=True)
def no_leftovers():
    """Fails a test that leaves a process or a shared-memory segment behind."""
    processes, segments = _processes(), _segments()
    yield
    deadline = time.monotonic() + 3.0
    while True:
        left = {pid: what for pid, what in _processes().items() if pid not in processes}
        files = _segments() - segments
        if not left and not files:
            return
        if time.monotonic() > deadline:
            pytest.fail(f"left behind: processes {left}, shared memory {sorted(files)}")
        time.sleep(0.05)


def _processes() -> dict[int, str]:
    """Processes of this test session other than this one, zombies of ours included."""
    found = {}
    for folder in pathlib.Path("/proc").iterdir():
        if not folder.name.isdigit() or int(folder.name) == os.getpid():
            continue
        try:
            state, parent = (folder / "stat").read_text().rpartition(")")[2].split()[:2]
            ours = int(parent) == os.getpid() or _has_session(folder)
            if ours:
                command = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode()
                # Python's own helper, which lives as long as the process that first needed it, as
                # do those that fork ranks (warm_start.py).
                helper = "multiprocessing.resource_tracker" in command
                if not helper and int(folder.name) not in warm_start.server_pids():
                    found[int(folder.name)] = f"{state} {command.strip()[:200]}"
        except OSError:  # it has just ended, or belongs to somebody else
            continue
    return found


def _has_session(folder: pathlib.Path) -> bool:
    return f"DDL_TEST_SESSION={_SESSION}".encode() in (folder / "environ").read_bytes().split(b"\0")


def _segments() -> set[str]:
    """Shared-memory segments of tf_ddl."""
    shm = pathlib.Path("/dev/shm")
    if not shm.is_dir():
        return set()
    return {path.name for path in shm.iterdir() if "ddl" in path.name}
