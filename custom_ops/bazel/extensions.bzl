"""The installed TensorFlow for MODULE.bazel (Bazel >= 6)."""

load("//:custom_ops/bazel/tensorflow_configure.bzl", "tensorflow_configure")

def _tensorflow_impl(_context):
    tensorflow_configure(name = "installed_tensorflow")

tensorflow = module_extension(implementation = _tensorflow_impl)
