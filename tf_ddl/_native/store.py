"""The rendezvous store of the compiled core, run by launchers."""

from __future__ import annotations

import ctypes

from tf_ddl._native import library

__all__ = ["Store"]


class Store:
    """A rendezvous store on threads of its own, for launchers.

    Raises:
      DuplicateError: the port is in use.
    """

    def __init__(
        self, host: str, port: int, size: int, secret: str, join_timeout: float = 60.0
    ) -> None:
        handle, bound = ctypes.c_int64(), ctypes.c_int32()
        library.call(
            "ddl_store_create",
            host.encode(),
            port,
            size,
            secret.encode(),
            join_timeout,
            ctypes.byref(handle),
            ctypes.byref(bound),
        )
        self._handle = handle.value
        self.port = bound.value

    def close(self) -> None:
        """Stops serving. Idempotent."""
        library.load().ddl_store_destroy(self._handle)
