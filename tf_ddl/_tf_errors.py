"""Errors of the engine as TensorFlow's ops report them."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from tf_ddl import errors
from tf_ddl._tf_compat import tf

__all__ = ["as_in_a_step"]


@contextlib.contextmanager
def as_in_a_step() -> Iterator[None]:
    """What is exchanged between steps fails as a step does when a rank is lost or does not come.

    Raises:
      tf.errors.UnavailableError: instead of PeerLostError.
      tf.errors.DeadlineExceededError: instead of DeadlineError.
    """
    try:
        yield
    except errors.PeerLostError as error:
        raise tf.errors.UnavailableError(None, None, str(error)) from error
    except errors.DeadlineError as error:
        raise tf.errors.DeadlineExceededError(None, None, str(error)) from error
