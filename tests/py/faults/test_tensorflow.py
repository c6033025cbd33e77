"""A missing or a wrong TensorFlow: one clear error, and no TensorFlow needed where none is."""

import pytest
from harness import run_workers

WITHOUT = "import sys; sys.modules['tensorflow'] = sys.modules['keras'] = None\n"

PRETEND = """
import sys, tensorflow as tf
tf.__version__ = {version!r}
"""

MAKE_STRATEGY = """
import tf_ddl
tf_ddl.DDLStrategy()
"""


def only_error(result):
    """The last line, which must be the only thing that went wrong."""
    assert result.stderr.count("Traceback") <= 2, result.stderr
    return result.stderr.strip().splitlines()[-1]


def test_missing():
    (result,) = run_workers(WITHOUT + MAKE_STRATEGY, 1, fresh=True, timeout=60, expect_failure=True)
    message = only_error(result)
    assert message.startswith("tf_ddl.errors.BuildError: ")
    assert "needs TensorFlow" in message and "pip install" in message


@pytest.mark.parametrize("version", ["2.10.0", "2.30.1", "3.0.0"])
def test_out_of_range(version):
    script = PRETEND.format(version=version) + MAKE_STRATEGY
    (result,) = run_workers(script, 1, timeout=60, expect_failure=True)
    message = only_error(result)
    assert message.startswith("tf_ddl.errors.BuildError: ")
    assert f"TensorFlow {version} is not supported" in message and "pip install" in message


def test_another_than_it_was_built_for():
    from tf_ddl import _build_config

    major, minor, *_ = _build_config.TF_VERSION.split(".")
    other = f"{major}.{int(minor) + 1}.0"
    script = PRETEND.format(version=other) + MAKE_STRATEGY
    (result,) = run_workers(script, 1, timeout=60, expect_failure=True)
    message = only_error(result)
    assert message.startswith("tf_ddl.errors.BuildError: ")
    assert _build_config.TF_VERSION in message and other in message and "pip install" in message


def test_collectives_work_without_it():
    script = """
        import numpy as np
        import tf_ddl
        tf_ddl.collective.init()
        assert tf_ddl.collective.all_reduce(np.ones(3))[0] == 2
    """
    script = WITHOUT + "\n".join(line.strip() for line in script.splitlines())
    run_workers(script, 2, fresh=True, timeout=60)


def test_importing_the_package_or_the_launcher_does_not_load_it():
    script = """
        import sys
        import tf_ddl, tf_ddl.run, tf_ddl.launcher.join, tf_ddl.launcher.notebook, tf_ddl.collective
        tf_ddl.launch
        assert not {"tensorflow", "keras"} & set(sys.modules)
    """
    run_workers(script, 1, fresh=True, timeout=60)
