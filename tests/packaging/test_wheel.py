"""What the wheel contains, what it asks for, and what its libraries need."""

from __future__ import annotations

import re
import subprocess
import sys
from importlib import metadata
from pathlib import Path

SYSTEM_LIBRARIES = {
    "ld-linux-x86-64.so.2",
    "ld-linux-aarch64.so.1",
    "libc.so.6",
    "libdl.so.2",
    "libgcc_s.so.1",
    "libm.so.6",
    "libpthread.so.0",
    "librt.so.1",
    "libstdc++.so.6",
}


def _dynamic_section(library: Path) -> tuple[set[str], str]:
    """(needed libraries, search path) of a shared library."""
    text = subprocess.run(
        ["readelf", "-dW", library], check=True, capture_output=True, text=True
    ).stdout
    needed = set(re.findall(r"\(NEEDED\).*\[(.+)\]", text))
    runpath = re.search(r"\(RUNPATH\).*\[(.+)\]", text)
    return needed, runpath[1] if runpath else ""


def _symbols(library: Path, *options: str) -> str:
    command = ["nm", "-D", "-C", *options, library]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def test_the_libraries_are_there_and_the_tests_are_not(distribution: metadata.Distribution) -> None:
    files = {str(path) for path in distribution.files or ()}
    assert {"tf_ddl/_lib/libtf_ddl_core.so", "tf_ddl/_lib/libtf_ddl_ops.so"} <= files
    assert {"tf_ddl/py.typed", "tf_ddl/_build_config.py"} <= files
    top_level = {name.split("/")[0] for name in files if not name.startswith("..")}
    assert top_level == {"tf_ddl", f"tf_ddl-{distribution.version}.dist-info"}
    outside = {Path(name).name for name in files if name.startswith("..")}
    assert outside == {"ddlrun"}
    assert not [name for name in files if re.search(r"\.(cc|h|o|cmake)$|_test\b|/tests?/", name)]
    assert not [name for name in files if "fake" in name]  # tests/cc/fake_nccl


def test_every_module_of_the_sources_is_in_the_wheel(
    root: Path, distribution: metadata.Distribution
) -> None:
    installed = {str(path) for path in distribution.files or ()}
    sources = {str(path.relative_to(root)) for path in (root / "tf_ddl").rglob("*.py")}
    assert sources - {"tf_ddl/_build_config.py"} <= installed


def test_the_tag_is_that_of_a_platform(distribution: metadata.Distribution) -> None:
    tags = re.findall(r"(?m)^Tag: (.+)$", distribution.read_text("WHEEL") or "")
    assert tags and all(re.fullmatch(r"py3-none-(many)?linux_.+", tag) for tag in tags)


def test_no_tensorflow_is_required_by_name(distribution: metadata.Distribution) -> None:
    required = [line for line in distribution.requires or () if "extra ==" not in line]
    assert {re.split(r"[^\w-]", line)[0] for line in required} == {"cloudpickle", "numpy"}


def test_ddlrun_is_installed(distribution: metadata.Distribution) -> None:
    scripts = {
        entry.name: entry.value
        for entry in distribution.entry_points
        if entry.group == "console_scripts"
    }
    assert scripts == {"ddlrun": "tf_ddl.run:main"}
    ddlrun = Path(sys.executable).with_name("ddlrun")
    shown = subprocess.run([ddlrun, "--help"], capture_output=True, text=True, timeout=60)
    assert shown.returncode == 0 and "-np" in shown.stdout


def test_the_core_needs_nothing_but_the_system(library_directory: Path) -> None:
    core = library_directory / "libtf_ddl_core.so"
    needed, _ = _dynamic_section(core)
    assert needed <= SYSTEM_LIBRARIES
    assert not re.search(r"tensorflow::|\btsl::|\babsl::|\bxla::", _symbols(core))


def test_the_ops_need_the_core_and_the_framework_only(library_directory: Path) -> None:
    ops = library_directory / "libtf_ddl_ops.so"
    needed, runpath = _dynamic_section(ops)
    assert needed - SYSTEM_LIBRARIES == {"libtf_ddl_core.so", "libtensorflow_framework.so.2"}
    assert runpath == "$ORIGIN"


def test_the_build_left_its_facts(distribution: metadata.Distribution) -> None:
    from tf_ddl import _build_config, version

    tensorflow = metadata.distribution(_build_config.TF_DISTRIBUTION.split("+")[0])
    assert tensorflow.version == _build_config.TF_VERSION
    assert _build_config.SOURCE_VERSION == version.__version__ == distribution.version
    assert _build_config.CXX11_ABI in (0, 1)
    assert re.fullmatch(r"\w+ [\d.]+", _build_config.COMPILER)
