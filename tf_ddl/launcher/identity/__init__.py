"""Who am I: this process's place in the job, from what its launcher put into the environment.

`ddlrun` sets everything. By hand, on any host, four variables are enough: `DDL_RANK`, `DDL_SIZE`,
`DDL_RENDEZVOUS` and `DDL_SECRET`; or TensorFlow's `TF_CONFIG`. With none of them set a process is a
world of one.

A launcher is one module here with one small `IdentitySource`: a class that says whether its
variables are there and turns them into an `Identity`. `SOURCES` lists them in the order in which
they are asked.
"""

from __future__ import annotations

import os
from collections.abc import Mapping

from tf_ddl.launcher.identity.ddl_variables import DDLVariables
from tf_ddl.launcher.identity.source import Identity, IdentitySource
from tf_ddl.launcher.identity.tf_config import TFConfig

__all__ = [
    "SOURCES",
    "DDLVariables",
    "Identity",
    "IdentitySource",
    "TFConfig",
    "from_environment",
]

#: Asked in this order; the first that is present decides.
SOURCES: tuple[IdentitySource, ...] = (DDLVariables(), TFConfig())


def from_environment(environ: Mapping[str, str] | None = None) -> Identity:
    """This process's place in the job; a world of one if no launcher started it.

    Args:
      environ: variables to read; default `os.environ`.

    Raises:
      InvalidArgumentError: a variable is missing or makes no sense; the message names it.
    """
    environ = os.environ if environ is None else environ
    for source in SOURCES:
        if source.is_present(environ):
            return source.read(environ)
    if "DDL_SECRET" in environ:
        return DDLVariables().read(environ)  # which says what is missing beside it
    return Identity()
