"""Arrays without an owner are the same arrays."""

from typing import NamedTuple

import numba
import numpy as np

from hpcfl.kernels.lent import lent


class Pair(NamedTuple):
    a: np.ndarray
    b: tuple
    n: int


@numba.njit
def scale(pair):
    pair = lent(pair)
    for row in range(pair.a.shape[0]):
        view = pair.a[row]
        view *= pair.b[0][row] * pair.n


def test_arrays_in_tuples_are_reached_and_changed():
    a = np.ones((3, 2))
    for _ in range(3):
        scale(Pair(a, (np.array([1.0, 2.0, 3.0]), 0.5), 2))
    assert a.tolist() == [[8.0, 8.0], [64.0, 64.0], [216.0, 216.0]]


def test_a_read_only_array_and_one_with_strides_stay_what_they_are():
    a, numbers = np.ones((4, 3))[::2], np.array([2.0, 4.0])
    numbers.flags.writeable = False
    scale(Pair(a, (numbers, 1), 1))
    assert a.tolist() == [[2.0] * 3, [4.0] * 3]
