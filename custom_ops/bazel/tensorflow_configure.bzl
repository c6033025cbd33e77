"""A repository of the installed TensorFlow: its headers, its framework library, its version.

It is found by custom_ops/cmake/find_tensorflow.py, as in the CMake build; PYTHON_BIN_PATH or the
first python3 on PATH decides which environment is meant.
"""

_BUILD = """
load("@rules_cc//cc:defs.bzl", "cc_library")

package(default_visibility = ["//visibility:public"])

exports_files(["build_config.py"])

cc_library(
    name = "framework",
    srcs = ["lib/libtensorflow_framework.so.2"],
    hdrs = glob(["include/**"]),
    defines = [
        "_GLIBCXX_USE_CXX11_ABI={abi}",
        "EIGEN_MAX_ALIGN_BYTES=64",
    ],
    includes = ["include"],
)
"""

_CONFIG = '''"""What the compiled libraries beside this file were built with. Written by the build."""

TF_VERSION = "{version}"
TF_DISTRIBUTION = "{distribution}"
CXX11_ABI = {abi}
COMPILER = "Bazel's C++ toolchain"
SOURCE_VERSION = "{source_version}"
'''

def _source_version(context):
    text = context.read(context.attr.version_file)
    return text.split('__version__ = "')[1].split('"')[0]

def _tensorflow_configure_impl(context):
    python = context.os.environ.get("PYTHON_BIN_PATH") or context.which("python3")
    if not python:
        fail("no python3 on PATH: set PYTHON_BIN_PATH to the interpreter that has TensorFlow")
    found = context.execute([python, context.path(context.attr.finder)])
    if found.return_code != 0:
        fail(found.stderr)
    facts = dict([line.split("=", 1) for line in found.stdout.strip().split("\n")])
    directory = facts["DIRECTORY"]
    context.symlink(directory + "/include", "include")
    context.symlink(
        directory + "/libtensorflow_framework.so.2",
        "lib/libtensorflow_framework.so.2",
    )
    context.file("BUILD", _BUILD.format(abi = facts["CXX11_ABI"]))
    context.file("build_config.py", _CONFIG.format(
        version = facts["VERSION"],
        distribution = facts["DISTRIBUTION"],
        abi = facts["CXX11_ABI"],
        source_version = _source_version(context),
    ))

tensorflow_configure = repository_rule(
    implementation = _tensorflow_configure_impl,
    attrs = {
        "finder": attr.label(default = "//:custom_ops/cmake/find_tensorflow.py"),
        "version_file": attr.label(default = "//:tf_ddl/version.py"),
    },
    environ = [
        "DDL_TENSORFLOW_DIR",
        "PATH",
        "PYTHON_BIN_PATH",
    ],
    local = True,
)
