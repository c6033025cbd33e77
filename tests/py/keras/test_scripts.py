"""Scripts for single-process Keras, with the strategy's lines added, give the same results.

Each script of tests/py/scripts is run as it is; with the lines added, without a launcher; and with
the lines added, by `ddlrun -np 2`. Where a step draws random numbers (dropout, augmentation, noise)
two ranks draw others than one process, and where a step normalises its own rows, batches are
smaller: such scripts get as far as one process does, while those without get to the same numbers.
"""

import contextlib
import difflib
import pathlib

import numpy as np
import pytest
import script_runner
from harness import run_ddlrun, start_workers

pytestmark = pytest.mark.timeout(1800)  # the first test runs all scripts

FOLDER = pathlib.Path(script_runner.__file__).parent / "scripts"
#: Scripts whose steps depend on nothing but their rows: how far numbers may be apart on two ranks.
EXACT = {
    "bidirectional_lstm": 1e-5,
    "collaborative_filtering": 1e-5,
    "customized_fit": 1e-5,
    "denoising_autoencoder": 1e-4,
    "knowledge_distillation": 1e-4,
    "siamese_network": 1e-4,
    "structured_data": 1e-5,
    "timeseries_forecasting": 1e-4,
    "tutorial_custom_training": 1e-4,
    "tutorial_keras": 1e-4,
}
#: Others: a result of theirs, how far it may be from that of one process on two ranks, and what
#: it has to get past (upwards, or downwards if negative) for the script to have learnt something.
RANDOM = {
    "dcgan": ("history g_loss", 0.2, -1.4),
    "image_classification": ("history acc", 0.15, 0.7),
    "mnist_convnet": ("test_accuracy", 0.1, 0.6),
    "text_transformer": ("test_accuracy", 0.05, 0.9),
    "variational_autoencoder": ("history loss", 60.0, -450.0),
    "vision_transformer": ("test_accuracy", 0.12, 0.6),
}
SCRIPTS = sorted([*EXACT, *RANDOM])


def test_all_scripts_are_known():
    assert sorted(path.stem for path in FOLDER.glob("*.py")) == SCRIPTS
    assert len(EXACT) >= 8


@pytest.mark.parametrize("name", SCRIPTS)
def test_only_the_strategy_is_added(name):
    source = (FOLDER / f"{name}.py").read_text()
    assert "tf_ddl" not in source and "ddl" not in source.lower()
    before = [line.strip() for line in source.splitlines() if line]
    after = [line.strip() for line in script_runner.add_strategy(source).splitlines() if line]
    changes = [line for line in difflib.ndiff(before, after) if line[:2] in ("+ ", "- ")]
    if script_runner.MIRRORED in before:
        assert sorted(changes) == [
            f"+ {script_runner.IMPORT}",
            f"+ {script_runner.STRATEGY}",
            f"- {script_runner.MIRRORED}",
        ]
    else:
        assert sorted(changes) == [
            f"+ {script_runner.IMPORT}",
            f"+ {script_runner.STRATEGY}",
            f"+ {script_runner.SCOPE}",
            f"- {script_runner.BEGIN}",
            f"- {script_runner.END}",
        ]


def _load(folder, name, rank=0):
    return dict(np.load(folder / f"{name}.{rank}.npz"))


def _start_alone(folder, scripts):
    """One process, of no job, that runs the scripts in the folder's folder `written`."""
    arguments = [script_runner.__file__, str(folder), *scripts]
    script = f"""
        import os, runpy, sys
        os.chdir({str(folder / "written")!r})
        sys.argv[:] = {arguments!r}
        runpy.run_path(sys.argv[0], run_name="__main__")
    """
    no_job = dict.fromkeys(["DDL_RANK", "DDL_SIZE", "DDL_RENDEZVOUS", "DDL_SECRET"], "")
    return start_workers(script, 1, env_by_rank={0: no_job}, fresh=False)


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """Folders of what the scripts left behind: `plain`, `one` and `two`."""
    top = tmp_path_factory.mktemp("scripts")
    with_strategy = top / "with_strategy"
    with_strategy.mkdir()
    for name in SCRIPTS:
        source = (FOLDER / f"{name}.py").read_text()
        (with_strategy / f"{name}.py").write_text(script_runner.add_strategy(source))
    scripts = {
        "plain": [str(FOLDER / f"{name}.py") for name in SCRIPTS],
        "one": [str(with_strategy / f"{name}.py") for name in SCRIPTS],
    }
    for kind in ("plain", "one", "two"):
        (top / kind / "written").mkdir(parents=True)
    with contextlib.ExitStack() as stack:
        running = [
            stack.enter_context(_start_alone(top / kind, paths)) for kind, paths in scripts.items()
        ]
        for process in running:
            (result,) = process.wait(400)
            assert result.returncode == 0, process.describe()
    env = {"OMP_NUM_THREADS": "1", "TF_NUM_INTRAOP_THREADS": "1", "TF_CPP_MIN_LOG_LEVEL": "2"}
    command = ["-np", "2", script_runner.__file__, str(top / "two"), *scripts["one"]]
    job = run_ddlrun(*command, env=env, timeout=400, cwd=top / "two" / "written")
    assert job.returncode == 0, (job.stdout + job.stderr)[-8000:]
    return {kind: top / kind for kind in ("plain", "one", "two")}


def _farthest(expected, found):
    """The greatest difference: of a number to its own size, of a weight to its model's weights."""
    assert set(expected) == set(found)
    sizes = {}
    for key, value in expected.items():
        owner = key.split(" weight ")[0] if " weight " in key else key
        sizes[owner] = max(sizes.get(owner, 1e-3), np.abs(value.astype(float)).max(initial=0))
    apart = {}
    for key, value in expected.items():
        difference = np.abs(found[key].astype(float) - value).max(initial=0)
        apart[key] = difference / sizes[key.split(" weight ")[0] if " weight " in key else key]
    worst = max(apart, key=apart.__getitem__)
    return apart[worst], worst


@pytest.mark.parametrize("name", SCRIPTS)
def test_one_process_with_the_strategy(name, results):
    expected = _load(results["plain"], name)
    assert len(expected) > 3
    difference, where = _farthest(expected, _load(results["one"], name))
    assert difference <= 1e-6, where


@pytest.mark.parametrize("name", SCRIPTS)
def test_two_ranks_are_equal(name, results):
    ranks = [_load(results["two"], name, rank) for rank in range(2)]
    assert set(ranks[0]) == set(ranks[1])
    for key in ranks[0]:
        np.testing.assert_array_equal(ranks[0][key], ranks[1][key], err_msg=key)


@pytest.mark.parametrize("name", sorted(EXACT))
def test_two_ranks_get_to_the_numbers_of_one_process(name, results):
    difference, where = _farthest(_load(results["plain"], name), _load(results["two"], name))
    assert difference <= EXACT[name], where


@pytest.mark.parametrize("name", sorted(RANDOM))
def test_two_ranks_get_as_far_as_one_process(name, results):
    key, tolerance, bound = RANDOM[name]
    plain, two = (_load(results[kind], name)[key].ravel()[-1] for kind in ("plain", "two"))
    assert abs(plain - two) <= tolerance
    for value in (plain, two):
        assert value > bound if bound > 0 else value < -bound, value
    expected, found = _load(results["plain"], name), _load(results["two"], name)
    assert set(expected) == set(found)


def _events(folder):
    """Of the event files that TensorBoard reads: by folder and tag, (step, value) in order."""
    import tensorflow as tf

    found = {}
    files = sorted(folder.rglob("events.out.tfevents.*"))
    for file in files:
        for event in tf.compat.v1.train.summary_iterator(str(file)):
            for value in event.summary.value:
                if value.metadata.plugin_data.plugin_name == "scalars":
                    number = float(tf.make_ndarray(value.tensor))
                    name = f"{file.parent.relative_to(folder)}: {value.tag}"
                    found.setdefault(name, []).append((event.step, number))
    return [str(file.parent.relative_to(folder)) for file in files], found


def test_tensorboard_s_files_are_written_once(results):
    """By the tutorial's callback, in the folder in which all ranks run."""
    expected, single = _events(results["plain"] / "written" / "logs")
    folders, found = _events(results["two"] / "written" / "logs")
    assert folders == expected and "train" in folders
    assert found.keys() == single.keys() and any("loss" in name for name in found)
    for name, numbers in single.items():
        assert [step for step, _ in found[name]] == [step for step, _ in numbers], name
        values = [value for _, value in found[name]]
        assert values == pytest.approx([value for _, value in numbers], rel=1e-4), name
