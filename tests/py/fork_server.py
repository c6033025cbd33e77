"""Forks the ranks of tests from a process that has imported TensorFlow already.

    python fork_server.py SOCKET BOOTSTRAP    # started by warm_start.py

To import TensorFlow and Keras takes 3 to 6 s of a core, and a run of the tests starts hundreds of
ranks. This process does it once; nothing else happens in it: no device is touched, no thread is
started (it refuses to fork otherwise) and tf_ddl is not imported. A rank forked from it is a
process of its own with its own session, files, environment, `__main__` and random numbers.

Requests and answers are lines of JSON on the inherited socket number SOCKET (BOOTSTRAP is the file
of tf_ddl's bootstrap module, which ties a process to its parent):

    {"do": "start", "script", "cwd", "environ", "out", "err"}  ->  {"pid"}
    {"do": "poll", "pid"}  ->  {"code"}: None while it runs, otherwise as subprocess.Popen has it
    {"do": "wait", "pid"}  ->  {"code"}: waits for its end; from then on others may get its number
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import runpy
import socket
import sys
import types

#: What scripts of tests import most. Only imported: see the checks in _start.
MODULES = ("numpy", "tensorflow", "keras", "h5py", "keras.src.saving.saving_lib")


def _threads() -> int:
    return len(os.listdir("/proc/self/task"))


def _start(
    requests: socket.socket, request: dict, bootstrap: str, imported: dict[str, str]
) -> dict | None:
    """Forks; None in the new process, which is ready to run its script."""
    if _threads() != 1:
        return {"error": f"{_threads()} threads in the process that forks ranks"}
    server = os.getpid()
    read_end, write_end = os.pipe()
    pid = os.fork()
    if pid != 0:
        os.close(write_end)
        os.read(read_end, 1)  # until it is a session of its own, and can be killed as one
        os.close(read_end)
        return {"pid": pid}
    os.setsid()
    runpy.run_path(bootstrap)["die_with_parent"](server)
    requests.close()
    os.close(read_end)
    for number, path in ((1, request["out"]), (2, request["err"])):
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o666)
        os.dup2(file, number)
        os.close(file)
    os.chdir(request["cwd"])
    os.environ.clear()
    os.environ.update(imported | request["environ"])
    # Python gives `random` another state in a forked process, not NumPy's.
    importlib.import_module("numpy.random").seed()
    os.close(write_end)
    return None


def _code(pid: int, flags: int) -> dict:
    ended = os.waitid(os.P_PID, pid, os.WEXITED | flags)
    if ended is None:
        return {"code": None}
    exited = ended.si_code == os.CLD_EXITED
    return {"code": ended.si_status if exited else -ended.si_status}


def serve(number: int, bootstrap: str) -> str:
    """Serves until the tests end; returns, with the path of a script, in each forked process."""
    requests = socket.socket(fileno=number)
    requests.set_inheritable(False)
    lines = requests.makefile("r", encoding="utf-8")
    before = dict(os.environ)
    for module in MODULES:
        importlib.import_module(module)
    # Variables that an import has set, as it would in each rank.
    imported = {name: value for name, value in os.environ.items() if before.get(name) != value}
    gc.collect()
    gc.freeze()  # a forked process need not look through, and so copy, what it has inherited
    for line in lines:
        request = json.loads(line)
        if request["do"] == "start":
            answer = _start(requests, request, bootstrap, imported)
            if answer is None:
                return request["script"]
        elif request["do"] == "poll":
            answer = _code(request["pid"], os.WNOHANG | os.WNOWAIT)
        else:
            answer = _code(request["pid"], 0)
        requests.sendall(json.dumps(answer).encode() + b"\n")
    os._exit(0)


def main_module(script: str) -> types.ModuleType:
    """A `__main__` as that of `python script`."""
    sys.argv[:] = [script]
    sys.path[0] = os.path.dirname(script)
    module = types.ModuleType("__main__")
    module.__file__ = script
    module.__builtins__ = __builtins__
    module.__cached__ = None
    module.__annotations__ = {}
    sys.modules["__main__"] = module
    return module


if __name__ == "__main__":
    _script = serve(int(sys.argv[1]), sys.argv[2])
    _server = sys.modules["__main__"]  # keeps this module's names until the end
    _main = main_module(_script)
    with open(_script, encoding="utf-8") as _file:
        _code = compile(_file.read(), _script, "exec")
    exec(_code, vars(_main))
