"""tf_ddl._native.library: what goes to the core and comes back."""

import ml_dtypes
import numpy as np
import pytest

from tf_ddl import errors
from tf_ddl._native import library

READ_ONLY = np.arange(6.0)
READ_ONLY.setflags(write=False)


@pytest.mark.parametrize(
    "array",
    [
        np.ones((4, 3), np.float32),
        np.ones((), np.int64),
        np.ones((3, 0), np.float32),
        READ_ONLY,
        np.arange(12.0).reshape(3, 4).T,
        np.arange(12.0)[::2],
        np.arange(12.0)[5:],
        np.ones(5, ml_dtypes.bfloat16),
        np.ones(5, np.float16),
    ],
    ids=lambda array: f"{array.dtype}{list(array.shape)}",
)
def test_address_is_that_of_the_first_element(array):
    assert library.address(array) == array.ctypes.data


def test_what_no_engine_says_is_an_error():
    with pytest.raises(errors.NotInitializedError, match="not initialised"):
        library.take_json(None)
