"""Vectors as matrices."""

import numpy as np
import pytest
from numba.core.errors import TypingError

from hpcfl.kernels.flags import jit
from hpcfl.kernels.views import matrix


@jit
def fill(v, start, rows, columns):
    m = matrix(v, start, rows, columns)
    for i in range(m.shape[0]):
        for j in range(m.shape[1]):
            m[i, j] = 10 * i + j
    return m


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int64])
def test_is_a_view_of_the_vector(dtype):
    v = np.full(20, -1, dtype)
    m = fill(v, 3, 4, 2)
    assert m.tolist() == [[0, 1], [10, 11], [20, 21], [30, 31]]
    assert np.shares_memory(m, v)
    assert v.tolist() == [-1] * 3 + m.ravel().tolist() + [-1] * 9
    del v
    assert m[3, 1] == 31  # it keeps the memory


def test_what_is_not_contiguous_is_refused():
    with pytest.raises(TypingError, match="not contiguous"):
        fill(np.zeros(20)[::2], 0, 2, 2)
