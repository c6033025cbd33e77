"""TensorFlow's descriptions of a cluster, read as a place in a job."""

import json

import pytest

from tf_ddl import errors
from tf_ddl.launcher.identity import DDLVariables, Identity, from_environment, tf_config

WORKERS = ["host-a:4711", "host-a:4712", "host-b:4711"]


def _config(cluster_spec, task_type="worker", index=0):
    return json.dumps({"cluster": cluster_spec, "task": {"type": task_type, "index": index}})


def _read(*args, secret="s3cret", **kwargs):
    return tf_config.from_tf_config(_config(*args, **kwargs), secret)


def test_workers_are_ranks_and_the_first_one_has_the_store():
    assert _read({"worker": WORKERS}) == Identity(
        0, 3, 0, 2, "host-a:4711", "s3cret", host_store=True
    )
    assert _read({"worker": WORKERS}, index=1) == Identity(
        1, 3, 1, 2, "host-a:4711", "s3cret", host_store=False
    )
    last = _read({"worker": WORKERS}, index=2)
    assert (last.rank, last.local_rank, last.local_size) == (2, 0, 1)


@pytest.mark.parametrize("kind", ["chief", "master"])
def test_the_chief_is_rank_0(kind):
    spec = {"worker": WORKERS[1:], kind: WORKERS[:1]}
    assert _read(spec, kind).rank == 0
    worker = _read(spec, "worker", 1)
    assert (worker.rank, worker.rendezvous) == (2, "host-a:4711")


def test_an_index_may_be_text_and_tasks_may_be_by_index():
    assert _read({"worker": WORKERS}, index="2").rank == 2
    sparse = tf_config.from_cluster_spec({"worker": {7: "b:2", 3: "a:1"}}, "worker", 7, "x")
    assert (sparse.rank, sparse.size, sparse.rendezvous) == (1, 2, "a:1")


@pytest.mark.parametrize(
    "text",
    [
        "{}",
        '{"cluster": {}}',
        '{"task": {"type": "worker", "index": 0}}',
        _config({"worker": ["host-a:1"]}),
        _config({"worker": WORKERS}, "evaluator"),
        _config({"worker": WORKERS, "evaluator": ["host-c:1"]}, "evaluator"),
    ],
)
def test_a_world_of_one(text):
    assert tf_config.from_tf_config(text) == Identity()


def test_a_secret_is_derived_alike_on_every_rank_and_said_to_be_none():
    with pytest.warns(UserWarning, match="DDL_SECRET"):
        first = _read({"worker": WORKERS}, secret="")
    others = [_read({"worker": WORKERS}, index=i, secret="") for i in (1, 2)]
    assert len({place.secret for place in [first, *others]}) == 1
    assert len(first.secret) == 64
    local = {"worker": ["localhost:4711", "localhost:4712"]}
    assert _read(local, secret="").secret != first.secret  # and no warning: this host alone


@pytest.mark.filterwarnings("error")
def test_no_warning_on_one_host():
    _read({"worker": ["127.0.0.1:4711", "127.0.0.1:4712"]}, secret="")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "TF_CONFIG is not JSON"),
        ("[1]", "must be a JSON object"),
        ('{"cluster": ["a:1"]}', "must be objects"),
        ('{"cluster": {"worker": ["a:1", "b:1"]}}', "not which task"),
        (_config({"worker": WORKERS}, index="one"), "task index 'one'"),
        (_config({"worker": WORKERS}, index=True), "task index True"),
        (_config({"worker": WORKERS}, index=3), r"is worker 3, .* it has: worker 0, worker 1, w"),
        (_config({"worker": WORKERS}, "chief"), "is chief 0"),
        (_config({"worker": WORKERS, "ps": ["c:1"]}), "parameter servers"),
        (_config({"worker": WORKERS}, "ps"), "parameter servers"),
        (_config({"worker": WORKERS, "trainer": ["c:1"]}), "'trainer'"),
        (_config({"worker": ["a:1", "a:1"]}), "a:1 more than once"),
        (_config({"worker": ["a:1", "b"]}), "TF_CONFIG: worker 1 'b' is not host:port"),
        (_config({"worker": ["a:1", 2]}), "list of addresses"),
        (_config({"worker": "a:1"}), "list of addresses"),
    ],
)
def test_nonsense_is_named(text, message):
    with pytest.raises(errors.InvalidArgumentError, match=message):
        tf_config.from_tf_config(text)


def test_where_it_stands_among_the_launchers():
    text = _config({"worker": WORKERS}, index=2)
    assert from_environment({"TF_CONFIG": text, "DDL_SECRET": "x"}).rank == 2
    ddl = {"DDL_RANK": "1", "DDL_SIZE": "2", "DDL_RENDEZVOUS": "c:1", "DDL_SECRET": "x"}
    assert from_environment({"TF_CONFIG": text, **ddl}).rank == 1
    assert from_environment({"TF_CONFIG": " "}) == Identity()
    with pytest.raises(errors.InvalidArgumentError, match="DDL_RANK"):
        from_environment({"TF_CONFIG": "", "DDL_SECRET": "x"})


def test_a_secret_alone_says_nobody_s_place():
    launcher = DDLVariables()
    assert not launcher.is_present({"DDL_SECRET": "x"})
    assert launcher.is_present({"DDL_SECRET": "x", "DDL_RANK": "0"})
    with pytest.raises(errors.InvalidArgumentError, match="DDL_RANK"):
        from_environment({"DDL_SECRET": "x"})
