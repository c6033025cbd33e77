"""Where a process learns its place in the job."""

import pytest

from tf_ddl import errors
from tf_ddl.launcher import identity
from tf_ddl.launcher.identity import SOURCES, Identity, IdentitySource, from_environment

BY_HAND = {
    "DDL_RANK": "1",
    "DDL_SIZE": "3",
    "DDL_RENDEZVOUS": "10.0.0.1:4711",
    "DDL_SECRET": "s3cret",
}


def test_without_variables_a_world_of_one():
    place = from_environment({})
    assert (place.rank, place.size, place.local_rank, place.local_size) == (0, 1, 0, 1)
    assert not place.host_store


def test_by_hand():
    place = from_environment(BY_HAND)
    assert place == Identity(1, 3, 0, 1, "10.0.0.1:4711", "s3cret", host_store=False)


def test_rank_0_hosts_the_store_unless_the_launcher_does():
    rank_0 = {**BY_HAND, "DDL_RANK": "0"}
    assert from_environment(rank_0).host_store
    assert not from_environment({**rank_0, "DDL_STORE": "launcher"}).host_store


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]"])
def test_a_local_store_means_that_all_ranks_are_here(host):
    place = from_environment({**BY_HAND, "DDL_RENDEZVOUS": f"{host}:4711"})
    assert (place.local_rank, place.local_size) == (1, 3)


def test_local_rank_and_size_of_the_launcher():
    environ = {**BY_HAND, "DDL_LOCAL_RANK": "0", "DDL_LOCAL_SIZE": "2"}
    place = from_environment(environ)
    assert (place.local_rank, place.local_size) == (0, 2)


@pytest.mark.parametrize("name", sorted(BY_HAND))
@pytest.mark.parametrize("how", ["unset", "empty"])
def test_all_four_are_needed(name, how):
    environ = dict(BY_HAND)
    if how == "unset":
        del environ[name]
    else:
        environ[name] = ""
    with pytest.raises(errors.InvalidArgumentError, match=rf"^{name} not set.*ddlrun -np N"):
        from_environment(environ)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"DDL_RANK": "one"}, "DDL_RANK='one' is not a whole number"),
        ({"DDL_RANK": "-1"}, "DDL_RANK='-1'"),
        ({"DDL_RANK": "3"}, "DDL_RANK=3 is not below DDL_SIZE=3"),
        ({"DDL_SIZE": "0"}, "DDL_SIZE='0'"),
        ({"DDL_SIZE": "2.0"}, "DDL_SIZE='2.0'"),
        ({"DDL_RENDEZVOUS": "host"}, "DDL_RENDEZVOUS='host' is not host:port"),
        ({"DDL_RENDEZVOUS": ":4711"}, "is not host:port"),
        ({"DDL_RENDEZVOUS": "host:http"}, "is not host:port"),
        ({"DDL_RENDEZVOUS": "host:0"}, "port outside"),
        ({"DDL_RENDEZVOUS": "host:70000"}, "port outside"),
        ({"DDL_RENDEZVOUS": "fe80::1:4711"}, "without brackets"),
        ({"DDL_STORE": "elsewhere"}, "DDL_STORE='elsewhere'"),
        ({"DDL_LOCAL_RANK": "0"}, "DDL_LOCAL_RANK is set without"),
        ({"DDL_LOCAL_RANK": "2", "DDL_LOCAL_SIZE": "2"}, "do not fit"),
        ({"DDL_LOCAL_RANK": "0", "DDL_LOCAL_SIZE": "4"}, "do not fit"),
    ],
)
def test_nonsense_is_named(change, message):
    with pytest.raises(errors.InvalidArgumentError, match=message):
        from_environment({**BY_HAND, **change})


def test_the_secret_is_not_shown():
    assert "s3cret" not in repr(from_environment(BY_HAND))


def test_another_launcher_is_one_small_class(monkeypatch):
    class Numbered(IdentitySource):
        def is_present(self, environ):
            return "NUMBER" in environ

        def read(self, environ):
            return Identity(rank=int(environ["NUMBER"]), size=9)

    monkeypatch.setattr(identity, "SOURCES", (*SOURCES, Numbered()))
    assert from_environment({"NUMBER": "4"}).rank == 4
    assert from_environment({**BY_HAND, "NUMBER": "4"}).rank == 1
