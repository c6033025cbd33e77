"""The version of tf_ddl; also read by the build."""

__version__ = "0.1.0"
