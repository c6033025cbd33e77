"""docs/migrating.md: its programs run, and come to the same before and after."""

import ast
import contextlib
import json
import os
import pathlib
import re
import signal
import subprocess

import pytest
from harness import free_port, run_workers

PAGE = pathlib.Path(__file__).parents[3] / "docs" / "migrating.md"
PEERS = os.environ.get("DDL_TEST_PEERS", "")  # a folder of benchmarks/setup_peers.sh
NO_DDL = dict.fromkeys(["DDL_RANK", "DDL_SIZE", "DDL_RENDEZVOUS", "DDL_SECRET"], "")


def programs(section):
    """The (before, after) of a section of the page."""
    text = PAGE.read_text().split(f"\n## From {section}\n")[1].split("\n## ")[0]
    before, after = re.findall(r"(?ms)^```python\n(.*?)^```", text)
    return before, after


def run(program, result, size, folder, **kwargs):
    """What `result` (an expression) is on each rank at the end of a program of the page."""
    begin = f"import os\nos.chdir({str(folder)!r})\n"
    end = f"\nimport json\nprint('RESULT', json.dumps({result}))\n"
    ended = run_workers(begin + program + end, size, timeout=120, **kwargs)
    lines = [re.findall(r"(?m)^RESULT (.*)$", one.stdout) for one in ended]
    return [json.loads(line) for (line,) in lines]


def tf_config(size):
    """One `TF_CONFIG` by rank, and no variable of ours."""
    workers = [f"127.0.0.1:{free_port()}" for _ in range(size)]
    return {
        rank: {
            **NO_DDL,
            "TF_CONFIG": json.dumps(
                {"cluster": {"worker": workers}, "task": {"type": "worker", "index": rank}}
            ),
        }
        for rank in range(size)
    }


def similar(a, b):
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(similar(a[key], b[key]) for key in a)
    if isinstance(a, list):
        return len(a) == len(b) and all(similar(x, y) for x, y in zip(a, b))
    return a == pytest.approx(b, rel=1e-3, abs=1e-5)


HISTORY = "[history.history, [w.tolist() for w in model.get_weights()]]"


def test_from_mirrored_strategy(tmp_path):
    before, after = programs("MirroredStrategy")
    assert "tf_ddl" not in before
    changed = set(after.splitlines()) - set(before.splitlines())
    assert changed == {"import tf_ddl", "strategy = tf_ddl.DDLStrategy()"}  # nothing else
    (wanted,) = run(before, HISTORY, 1, tmp_path, env_by_rank={0: NO_DDL})
    one = run(after, HISTORY, 1, tmp_path, env_by_rank={0: NO_DDL})
    two = run(after, HISTORY, 2, tmp_path)
    assert wanted[0]["loss"][-1] < 0.7 * wanted[0]["loss"][0]
    for got in (*one, *two):
        assert similar(got, wanted), (got, wanted)


def test_from_multi_worker_mirrored_strategy(tmp_path):
    before, after = programs("MultiWorkerMirroredStrategy")
    strategy = "tf.distribute.MultiWorkerMirroredStrategy("
    assert after == before.replace(strategy, "tf_ddl.DDLStrategy(").replace(
        "import tensorflow as tf\n", "import tensorflow as tf\nimport tf_ddl\n"
    )
    result = "[losses, weight.numpy().tolist(), is_chief]"
    wanted = run(before, result, 2, tmp_path, env_by_rank=tf_config(2))
    assert wanted[0][0][-1] < 0.1 * wanted[0][0][0]
    after += "\nassert strategy.size == 2\n"
    for got in (
        run(after, result, 2, tmp_path, env_by_rank=tf_config(2)),
        run(after, result, 2, tmp_path),
    ):
        assert [rank[2] for rank in got] == [True, False] == [rank[2] for rank in wanted]
        for ours, theirs in zip(got, wanted):
            assert similar(ours[:2], theirs[:2]), (ours, theirs)


def with_horovod(program, result, size, folder):
    """`result` of each rank, of a program run by the interpreter that has Horovod."""
    binaries = pathlib.Path(PEERS, "horovod", "bin").absolute()
    code = (
        f"{program}\nimport json\nopen(f'{{hvd.rank()}}.json', 'w').write(json.dumps({result}))\n"
    )
    (folder / "before.py").write_text(code)
    command = [binaries / "horovodrun", "--gloo", "-np", str(size), "-H", f"localhost:{size}"]
    command += ["--network-interfaces", "lo", binaries / "python", "before.py"]
    environ = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    popen = subprocess.Popen(
        command, cwd=folder, env=environ, text=True, start_new_session=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    try:
        output, _ = popen.communicate(timeout=120)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(popen.pid, signal.SIGKILL)
    assert popen.returncode == 0, output
    return [json.loads((folder / f"{rank}.json").read_text()) for rank in range(size)]


@pytest.mark.skipif(
    not PEERS,
    reason="DDL_TEST_PEERS names no folder with Horovod: it needs an environment of its own",
)
def test_from_horovod_to_the_same(tmp_path):
    """Both programs of the page; then on equal batches and rates, where both come to the same."""
    before, after = programs("Horovod")
    for size in (1, 2):
        for history, _ in with_horovod(before, HISTORY, size, tmp_path):
            assert history["loss"][-1] < 0.7 * history["loss"][0]
        assert (tmp_path / "model.keras").stat().st_size > 1000
        # Worker r's rows r, r + size, ... in their order: batch by batch those of the after.
        theirs = exchanged(before, {"epochs=4": "epochs=4, shuffle=False", "epoch / 2": "2"})
        ours = exchanged(after, {"epochs=4": "epochs=4, shuffle=False", "2 * len(x) // batch": "0"})
        wanted = with_horovod(theirs, HISTORY, size, tmp_path)
        got = run(ours, HISTORY, size, tmp_path)
        assert len(wanted) == len(got) == size
        for rank in range(size):
            wanted[rank][0].pop("learning_rate")  # in the logs by Keras' LearningRateScheduler
            assert similar(got[rank], wanted[rank]), (got, wanted)


@pytest.mark.skipif(not PEERS, reason="DDL_TEST_PEERS names no folder with Horovod")
@pytest.mark.parametrize(
    ("callback", "error"),
    [
        ("BroadcastGlobalVariablesCallback(0)", "'Variable' object has no attribute 'ref'"),
        ("MetricAverageCallback()", "no attribute 'constant'"),
        ("LearningRateWarmupCallback(initial_lr=0.1)", "no attribute 'get_value'"),
    ],
)
def test_horovod_s_own_callbacks_fail_as_the_page_says(tmp_path, callback, error):
    before, _ = programs("Horovod")
    assert error in PAGE.read_text()
    own = f"hvd_keras.callbacks.{callback}"
    program = exchanged(before, {"[MetricAverage(), ": f"[{own}, "})
    program = "import horovod.tensorflow.keras as hvd_keras\n" + program
    with pytest.raises(AssertionError, match=error):
        with_horovod(program, HISTORY, 1, tmp_path)


def exchanged(program, texts):
    for old, new in texts.items():
        assert program.count(old) == 1, (old, program)
        program = program.replace(old, new)
    return program


def test_from_horovod(tmp_path):
    """The program before is parsed only: see above."""
    before, after = programs("Horovod")
    ast.parse(before)
    assert "hvd" not in after
    result = HISTORY[:-1] + ", [float(rate(i)) for i in (0, 12)]]"
    one, two = (run(after, result, size, tmp_path) for size in (1, 2))
    assert one[0][0]["loss"][-1] < 0.7 * one[0][0]["loss"][0]
    assert two[0][0]["loss"][-1] < 0.7 * two[0][0]["loss"][0]
    assert similar(two[0], two[1])
    assert one[0][2] == pytest.approx([0.05, 0.05]) and two[0][2] == pytest.approx([0.05, 0.1])
    # Equal batches come to equal results: 32 rows on one worker, with the rate of two.
    same = after.replace("16 * strategy.size", "32")
    (alone,) = run(same, HISTORY, 1, tmp_path)
    assert similar(two[0][:2], alone), (two[0], alone)
    assert (tmp_path / "model.keras").stat().st_size > 1000


def arguments():
    import os
    import warnings

    import pytest
    import tensorflow as tf

    import tf_ddl

    resolvers = tf.distribute.cluster_resolver
    communication = tf.distribute.experimental.CommunicationOptions

    def refused(kind, text, *args, **kwargs):
        with pytest.raises(kind, match=text):
            tf_ddl.DDLStrategy(*args, **kwargs)

    # --- What belongs to other strategies.
    refused(TypeError, "ddlrun -np N", ["GPU:0", "GPU:1"])
    refused(TypeError, "'devices': one process uses one device", devices=["GPU:0"])
    refused(TypeError, "chosen by measurement", cross_device_ops=tf.distribute.NcclAllReduce())
    refused(TypeError, "takes no argument 'nonsense'", nonsense=1)
    refused(TypeError, "must be a tf_ddl.Options, not a dict", {})
    refused(TypeError, "must be a tf.distribute.cluster_resolver", cluster_resolver="host")
    refused(TypeError, "by its name", resolvers.TFConfigClusterResolver())
    refused(TypeError, "CommunicationOptions, not a dict", communication_options={})
    refused(
        TypeError,
        "not both: .*timeout=5",
        tf_ddl.Options(),
        communication_options=communication(timeout_seconds=5),
    )
    servers = {"worker": ["a:1", "b:1"], "ps": ["c:1"]}
    refused(
        tf_ddl.errors.InvalidArgumentError,
        "SimpleClusterResolver has parameter servers",
        cluster_resolver=resolvers.SimpleClusterResolver(
            tf.train.ClusterSpec(servers), task_type="worker", task_id=0
        ),
    )

    # --- A resolver that says who this is; what else it says is what `ddlrun` says, or an error.
    rank = int(os.environ["TEST_NUMBER"])
    spec = tf.train.ClusterSpec(
        {"chief": [f"127.0.0.1:{os.environ['TEST_PORT']}"], "worker": ["h:1"]}
    )
    kind, index = ("chief", 0) if rank == 0 else ("worker", 0)
    resolver = resolvers.SimpleClusterResolver(spec, task_type=kind, task_id=index)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        strategy = tf_ddl.DDLStrategy(
            cluster_resolver=resolver,
            communication_options=communication(
                timeout_seconds=77,
                implementation=tf.distribute.experimental.CommunicationImplementation.RING,
            ),
        )
    texts = [str(one.message) for one in caught]
    assert any("implementation RING is not used" in text for text in texts), texts
    assert any("DDL_SECRET" in text for text in texts) == (rank == 0), texts
    assert (strategy.rank, strategy.size, strategy.options.timeout) == (rank, 2, 77.0)
    assert strategy.cluster_resolver is resolver
    assert strategy.reduce("SUM", rank + 1, axis=None).numpy() == 3
    os.environ.update(DDL_RANK="0", DDL_SIZE="3", DDL_RENDEZVOUS="h:1", DDL_SECRET="x")
    refused(
        tf_ddl.errors.InvalidArgumentError,
        f"says that this is rank {rank} of 2, DDL_RANK and DDL_SIZE say rank 0 of 3",
        cluster_resolver=resolver,
    )
    os.environ["DDL_SIZE"], os.environ["DDL_RANK"] = "2", str(rank)
    assert tf_ddl.DDLStrategy(cluster_resolver=resolver).rank == rank
    with pytest.raises(tf_ddl.errors.InvalidArgumentError, match=f"has joined as rank {rank} of 2"):
        for name in ("DDL_RANK", "DDL_SIZE", "DDL_RENDEZVOUS"):
            del os.environ[name]
        other = resolvers.SimpleClusterResolver(spec, task_type="worker", task_id=0)
        if rank == 1:
            other.task_type = "chief"
        tf_ddl.DDLStrategy(cluster_resolver=other)


def test_arguments_of_other_strategies():
    port = str(free_port())
    own = {rank: {**NO_DDL, "TEST_NUMBER": str(rank), "TEST_PORT": port} for rank in range(2)}
    run_workers(arguments, 2, env_by_rank=own, timeout=60)


def slurm():
    import os

    import tensorflow as tf

    import tf_ddl

    port = int(os.environ["TEST_PORT"])
    resolver = tf.distribute.cluster_resolver.SlurmClusterResolver(
        port_base=port, gpus_per_node=2, gpus_per_task=1, auto_set_gpu=False
    )
    strategy = tf_ddl.DDLStrategy(cluster_resolver=resolver)
    assert (strategy.rank, strategy.size) == (int(os.environ["SLURM_PROCID"]), 2)
    assert strategy.reduce("SUM", strategy.rank + 1, axis=None).numpy() == 3


def test_slurm_s_resolver():
    common = {
        **NO_DDL,
        "TEST_PORT": str(free_port()),
        "SLURM_STEP_NUM_TASKS": "2",
        "SLURM_NTASKS": "2",
        "SLURM_STEP_NODELIST": "localhost",
        "SLURM_STEP_TASKS_PER_NODE": "2",
    }
    own = {rank: {**common, "SLURM_PROCID": str(rank)} for rank in range(2)}
    run_workers(slurm, 2, env_by_rank=own, timeout=60)
