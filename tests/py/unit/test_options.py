"""Settings and their environment variables."""

import dataclasses

import pytest

from tf_ddl import errors, options


def test_defaults():
    chosen = options.Options()
    assert chosen.bucket_bytes == 4 << 20
    assert chosen.first_bucket_bytes == 256 << 10
    assert (chosen.timeout, chosen.stall_warning, chosen.join_timeout) == (600.0, 60.0, 60.0)
    assert chosen.use_shared_memory and chosen.use_cma
    assert (chosen.interfaces, chosen.sockets_per_rail) == ("", 0)
    assert chosen.topology == chosen.links == chosen.plan == chosen.compression == ""
    assert chosen.measure_links and chosen.autotune and not chosen.deterministic
    assert chosen.chunk_bytes == 0
    assert chosen.check_replicas_every == 1000
    assert options.Options.from_environment({}) == chosen


def test_environment():
    chosen = options.Options.from_environment(
        {
            "DDL_BUCKET_BYTES": "1MiB",
            "DDL_FIRST_BUCKET_BYTES": "4096",
            "DDL_TIMEOUT": "5",
            "DDL_STALL_WARNING": "0.5",
            "DDL_JOIN_TIMEOUT": "1e1",
            "DDL_SHM": "off",
            "DDL_CMA": "0",
            "DDL_INTERFACES": " eth0, eth1 ",
            "DDL_SOCKETS_PER_RAIL": "3",
            "DDL_TOPOLOGY": "4x8x8",
            "DDL_LINKS": "links.json",
            "DDL_MEASURE_LINKS": "0",
            "DDL_PLAN": "grid:4x2",
            "DDL_CHUNK_BYTES": "64KiB",
            "DDL_COMPRESSION": "bf16",
            "DDL_AUTOTUNE": "no",
            "DDL_DETERMINISTIC": "1",
            "DDL_CHECK_REPLICAS_EVERY": "0",
            "DDL_HUGE_PAGES": "0",
            "DDL_OWN_CORES": "0",
        }
    )
    assert chosen == options.Options(
        bucket_bytes=1 << 20,
        first_bucket_bytes=4096,
        timeout=5.0,
        stall_warning=0.5,
        join_timeout=10.0,
        use_shared_memory=False,
        use_cma=False,
        huge_pages=False,
        own_cores=False,
        interfaces="eth0, eth1",
        sockets_per_rail=3,
        topology="4x8x8",
        links="links.json",
        measure_links=False,
        plan="grid:4x2",
        chunk_bytes=64 << 10,
        compression="bf16",
        autotune=False,
        deterministic=True,
        check_replicas_every=0,
    )


def test_arguments_win_and_none_means_not_given():
    environ = {"DDL_TIMEOUT": "5", "DDL_JOIN_TIMEOUT": "6"}
    chosen = options.Options.from_environment(environ, timeout=7, join_timeout=None)
    assert (chosen.timeout, chosen.join_timeout) == (7.0, 6.0)


def test_options_do_not_change():
    with pytest.raises(dataclasses.FrozenInstanceError):
        options.Options().timeout = 3


@pytest.mark.parametrize(
    ("variable", "text"),
    [
        ("DDL_BUCKET_BYTES", "4MX"),
        ("DDL_BUCKET_BYTES", "0"),
        ("DDL_BUCKET_BYTES", "-1"),
        ("DDL_BUCKET_BYTES", "1.5"),
        ("DDL_TIMEOUT", "soon"),
        ("DDL_PLAN", "spiral"),
        ("DDL_PLAN", "grid:4y2"),
        ("DDL_COMPRESSION", "int8"),
        ("DDL_CHUNK_BYTES", "-1"),
        ("DDL_TIMEOUT", "0"),
        ("DDL_TIMEOUT", "-3"),
        ("DDL_TIMEOUT", "nan"),
        ("DDL_TIMEOUT", "inf"),
        ("DDL_SHM", "maybe"),
        ("DDL_SOCKETS_PER_RAIL", "-1"),
        ("DDL_INTERFACES", "eth0 eth1"),
        ("DDL_INTERFACES", ",eth0,,"),
        ("DDL_CHECK_REPLICAS_EVERY", "-1"),
    ],
)
def test_bad_variables_are_named(variable, text):
    with pytest.raises(errors.InvalidArgumentError, match=f"{variable}=.*{text}"):
        options.Options.from_environment({variable: text})


@pytest.mark.parametrize(
    "change",
    [
        {"bucket_bytes": 0},
        {"bucket_bytes": 1.5},
        {"bucket_bytes": True},
        {"timeout": "5"},
        {"timeout": 0},
        {"interfaces": ["eth0"]},
        {"use_cma": 2},
        {"use_cma": "yes"},
    ],
)
def test_bad_arguments_are_named(change):
    with pytest.raises(errors.InvalidArgumentError, match=f"Options.{next(iter(change))}="):
        options.Options(**change)
    with pytest.raises(errors.InvalidArgumentError):
        options.Options.from_environment({}, **change)


def test_unknown_fields_are_named():
    with pytest.raises(errors.InvalidArgumentError, match=r"no field 'bucket'.*bucket_bytes"):
        options.Options.from_environment({}, bucket=3)


def test_every_setting_is_described():
    for setting in options.settings():
        assert setting.variable.startswith("DDL_")
        assert setting.meaning.endswith(".")
        assert f"`{setting.variable}`" in options.Options.__doc__
