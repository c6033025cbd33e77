"""The architecture, held by what may be included and imported where."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

#: What each folder of custom_ops/ may include from, besides itself.
LAYERS: dict[str, set[str]] = {
    "base": set(),
    "rendezvous": {"base"},
    "transport": {"base", "rendezvous"},
    "plan": {"base"},
    "comm": {"base", "plan", "transport"},
    "nccl": {"base", "comm", "plan"},
    "engine": {"base", "comm", "plan", "transport"},
    "capi": {"base", "comm", "engine", "nccl", "plan", "rendezvous", "transport"},
    "ops": {"base"},
    "kernels": {"base", "engine"},
}
#: What each folder of tf_ddl/, and each module beside them, may import from, besides itself.
PYTHON_LAYERS: dict[str, set[str]] = {
    "version": set(),
    "errors": set(),
    "_base": {"errors"},
    "options": {"_base", "errors"},
    "_native": {"errors", "options", "version"},
    "plan": {"_base", "_native", "errors", "options"},
    "launcher": {"_base", "_native", "errors", "options", "plan"},
    "collective": {"_native", "errors", "launcher", "options", "plan"},
    "_tf": {"_base", "_native", "errors"},
    "checks": {"_base", "_native", "_tf", "options"},
    "data": {"_base", "_native", "_tf", "checks"},
    "replica": {"_base", "_native", "_tf", "checks", "data", "errors", "launcher", "options"},
    "_keras": {"_base", "_native", "_tf", "checks", "data", "errors", "replica"},
    "strategy": {
        "_keras", "_native", "_tf", "checks", "errors", "launcher", "options", "plan", "replica",
    },
    "keras": {"errors"},
    "run": {"_native", "errors", "launcher", "options", "version"},
    "bench": {"_base", "_native", "collective", "version"},
    "simulate": {"_base", "_native", "errors"},
    "examples": set(),
}  # fmt: skip
#: What only some of them may import.
LIBRARIES = {
    "tensorflow": {"_tf"},
    "keras": {"_keras", "checks", "examples", "keras"},
    "ctypes": {"_native", "bench", "launcher", "simulate"},
}
#: The only folders that may include TensorFlow's headers.
TENSORFLOW_FOLDERS = {"ops", "kernels"}
#: The only Python module that may import tensorflow.python.*.
PRIVATE_API = "tf_ddl/_tf/private_api.py"


def _cpp_files(root: Path) -> list[Path]:
    files = [*(root / "custom_ops").rglob("*.cc"), *(root / "custom_ops").rglob("*.h")]
    assert len(files) > 20
    return files


def _included_folders(path: Path) -> set[str]:
    """The other folders of custom_ops/ that a C++ file includes from."""
    included = re.findall(r'(?m)^#include "(\w+)/', path.read_text())
    return {folder for folder in included if folder in LAYERS} - {path.parent.name}


def find_cycle(graph: dict[str, set[str]]) -> list[str]:
    """The nodes along one cycle, the first again at the end; empty if there is none."""
    done: set[str] = set()

    def search(node: str, path: list[str]) -> list[str]:
        if node in path:
            return [*path[path.index(node) :], node]
        if node in done:
            return []
        for used in sorted(graph.get(node, ())):
            if cycle := search(used, [*path, node]):
                return cycle
        done.add(node)
        return []

    return next((cycle for node in sorted(graph) if (cycle := search(node, []))), [])


def _imports(path: Path, package: str = "") -> set[str]:
    """Every module that a Python file imports, anywhere in it; relatively only if in `package`."""
    modules = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            modules |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            modules |= {f"{node.module}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 1 and package:
            base = f"{package}.{node.module}" if node.module else package
            modules |= {f"{base}.{alias.name}" for alias in node.names}
    return modules


def test_every_folder_is_a_known_layer(root: Path) -> None:
    folders = {path.parent.name for path in _cpp_files(root)}
    assert folders <= set(LAYERS)


def test_layers_include_only_what_is_below(root: Path) -> None:
    wrong = [
        f"{path.relative_to(root)} includes {included}/"
        for path in _cpp_files(root)
        for included in _included_folders(path) - LAYERS[path.parent.name]
    ]
    assert not wrong


def test_find_cycle() -> None:
    assert find_cycle({}) == []
    assert find_cycle({"a": {"b", "c"}, "b": {"d"}, "c": {"d"}}) == []
    assert find_cycle({"a": {"a"}}) == ["a", "a"]
    assert find_cycle({"a": {"b"}, "b": {"c"}, "c": {"d"}, "d": {"b"}}) == ["b", "c", "d", "b"]


def test_layers_have_no_cycles(root: Path) -> None:
    included: dict[str, set[str]] = {}
    for path in _cpp_files(root):
        included.setdefault(path.parent.name, set()).update(_included_folders(path))
    for what, graph in [("LAYERS", LAYERS), ("the includes", included)]:
        cycle = find_cycle(graph)
        assert not cycle, f"a cycle in {what}: {' -> '.join(cycle)}"


def _python_files(root: Path) -> list[tuple[Path, str]]:
    """Python's sources, each with its layer; `tf_ddl` itself imports all that it exports."""
    package = root / "tf_ddl"
    files = [path for path in package.rglob("*.py") if path.name != "_build_config.py"]
    layers = [(path, path.relative_to(package).parts[0].removesuffix(".py")) for path in files]
    assert len(layers) > 80
    return [(path, layer) for path, layer in layers if layer != "__init__"]


def _imported_layers(path: Path, layer: str) -> set[str]:
    parts = [name.split(".") for name in _imports(path)]
    imported = {names[1] for names in parts if names[0] == "tf_ddl" and len(names) > 1}
    return imported & set(PYTHON_LAYERS) - {layer}


def test_every_python_module_is_in_a_known_layer(root: Path) -> None:
    assert {layer for _, layer in _python_files(root)} == set(PYTHON_LAYERS)


def test_python_layers_import_only_what_is_below(root: Path) -> None:
    wrong = [
        f"{path.relative_to(root)} imports {imported}"
        for path, layer in _python_files(root)
        for imported in _imported_layers(path, layer) - PYTHON_LAYERS[layer]
    ]
    assert not wrong


def test_python_layers_use_all_that_they_may(root: Path) -> None:
    imported: dict[str, set[str]] = {layer: set() for layer in PYTHON_LAYERS}
    for path, layer in _python_files(root):
        imported[layer] |= _imported_layers(path, layer)
    assert imported == PYTHON_LAYERS


def test_python_layers_have_no_cycles(root: Path) -> None:
    cycle = find_cycle(PYTHON_LAYERS)
    assert not cycle, f"a cycle: {' -> '.join(cycle)}"


def test_python_modules_have_no_cycles(root: Path) -> None:
    """Within folders, too, and wherever in a module the import is."""
    files = [path for path in (root / "tf_ddl").rglob("*.py") if path.name != "_build_config.py"]
    names = {".".join(path.relative_to(root).with_suffix("").parts): path for path in files}
    modules = {name.removesuffix(".__init__"): path for name, path in names.items()}
    graph = {}
    for name, path in modules.items():
        package = name if path.name == "__init__.py" else name.rpartition(".")[0]
        graph[name] = {
            used if used in modules else used.rpartition(".")[0]
            for used in _imports(path, package)
            if used in modules or used.rpartition(".")[0] in modules
        } - {name, "tf_ddl"}
    cycle = find_cycle(graph)
    assert not cycle, f"a cycle: {' -> '.join(cycle)}"


@pytest.mark.parametrize("library", LIBRARIES)
def test_who_imports(root: Path, library: str) -> None:
    users = {
        layer
        for path, layer in _python_files(root)
        if any(name.partition(".")[0] == library for name in _imports(path))
    }
    assert users == LIBRARIES[library]


def _drawn(root: Path) -> tuple[list[set[str]], list[set[str]]]:
    """The rows of the picture in docs/architecture.md, from the top: Python's layers, and C++'s."""
    page = (root / "docs" / "architecture.md").read_text()
    rows = [re.split(r" \|  | ?-+> ", row) for row in page.split("```")[1].splitlines()[3:]]
    names = [[set(part.partition("#")[0].split()) for part in row] for row in rows]
    return [row[0] for row in names], [row[1] for row in names if len(row) > 1]


def test_what_the_picture_shows_is_so(root: Path) -> None:
    for rows, layers in zip(_drawn(root), (PYTHON_LAYERS, LAYERS)):
        rows = [row & set(layers) for row in rows]
        assert sorted(name for row in rows for name in row) == sorted(layers)
        below: set[str] = set()
        for row in reversed(rows):
            for name in row:
                assert layers[name] <= below, f"{name} uses what is not drawn below it"
            below |= row


@pytest.mark.parametrize(("heading", "layers"), [("Python's", PYTHON_LAYERS), ("C++'s", LAYERS)])
def test_what_the_tables_say_is_so(root: Path, heading: str, layers: dict[str, set[str]]) -> None:
    page = (root / "docs" / "architecture.md").read_text()
    section = page.partition(f"## {heading} layers\n")[2].partition("\n## ")[0]
    table = section.partition("| uses |\n")[2].partition("\n\n")[0].splitlines()[1:]
    said: dict[str, set[str]] = {}
    for row in table:
        names, *_, uses = row.strip("|").split("|")
        used = set(uses.replace(",", " ").split())
        for name in re.findall(r"`(\w+)`", names):
            said[name] = set(said) if "above" in used else used
    assert said == layers


def test_cmake_lists_layers_from_the_bottom_up(root: Path) -> None:
    text = (root / "custom_ops" / "CMakeLists.txt").read_text()
    order = re.findall(r"set\(DDL_CORE_LAYERS ([\w ]+)\)", text)[0].split()
    assert set(order) == set(LAYERS) - TENSORFLOW_FOLDERS
    for i, layer in enumerate(order):
        assert LAYERS[layer] <= set(order[:i]), f"{layer} uses layers that come after it"


def test_only_ops_and_kernels_know_tensorflow(root: Path) -> None:
    pattern = re.compile(r'(?m)^#include ["<](tensorflow|tsl|xla|absl|Eigen|unsupported)/')
    users = {path.parent.name for path in _cpp_files(root) if pattern.search(path.read_text())}
    assert users <= TENSORFLOW_FOLDERS


def test_one_module_imports_tensorflow_python(root: Path) -> None:
    users = [
        str(path.relative_to(root))
        for path in (root / "tf_ddl").rglob("*.py")
        if any(name.startswith("tensorflow.python") for name in _imports(path))
    ]
    assert users == [PRIVATE_API]


WITHOUT_TENSORFLOW = """
import sys

class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("tensorflow", "keras"):
            raise AssertionError(f"{name} was imported")

sys.meta_path.insert(0, Refuse())
"""

ONE_RANK = """
import numpy as np
from tf_ddl import collective
collective.init()
assert (collective.rank(), collective.size()) == (0, 1)
array = np.arange(5, dtype=np.float32)
assert collective.all_reduce(array, out=array) is array and array[4] == 4
assert collective.all_gather(array).shape == (5,)
collective.barrier()
collective.shutdown()
"""


@pytest.mark.parametrize(
    "code",
    [
        "import tf_ddl",
        "import tf_ddl.run, tf_ddl.errors, tf_ddl.options, tf_ddl.version, tf_ddl.launcher.join",
        ONE_RANK,
    ],
    ids=["package", "launcher", "collective"],
)
def test_works_without_loading_tensorflow(code: str) -> None:
    subprocess.run([sys.executable, "-c", WITHOUT_TENSORFLOW + code], check=True, timeout=60)


def test_public_names() -> None:
    import tf_ddl

    assert sorted(tf_ddl.__all__) == [
        "DDLStrategy",
        "Options",
        "__version__",
        "build_info",
        "collective",
        "errors",
        "keras",
        "launch",
    ]
    for name in tf_ddl.__all__:
        assert getattr(tf_ddl, name) is not None


def test_public_names_of_collective() -> None:
    from tf_ddl import collective

    assert sorted(collective.__all__) == [
        "all_gather",
        "all_reduce",
        "barrier",
        "broadcast",
        "explain",
        "init",
        "rank",
        "shutdown",
        "size",
    ]
