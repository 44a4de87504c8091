"""Compressors: vectors -> smaller messages -> vectors.

A compressor is a frozen dataclass with ``encode(v, keys, layout) -> buffers`` and
``decode(buffers, out, layout)``. Several senders' vectors are worked on at once, one a row of `v`
(c, P), and every buffer has a row a sender, so that a row's message depends on its own vector and
key alone, its length on the layout alone. Its class says

- ``biased``: what is lost does not average out, so that it must be sent later (error feedback);
- ``contracts``: a message is nearer to its vector than zero is, which error feedback needs;
- ``additive``: the sum of messages decodes to the sum of what they decode to.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from hpcfl.layout import Layout


def through(code: Any, v: np.ndarray, keys: np.ndarray, layout: Layout, lost: np.ndarray | None) -> list[np.ndarray]:
    """Send `v` through `code`, in place, with error feedback if `lost` is given.

    What earlier messages lost is added first, what this one loses is put aside (Seide et al.
    2014, Karimireddy et al. 2019).

    Parameters
    ----------
    code : compressor
    v : (c, P) float
        Replaced by what arrives.
    keys : (c,) uint64
        Of the senders' random draws.
    layout : Layout
        Of the P coordinates.
    lost : (c, P) float or None
        Changed in place.

    Returns
    -------
    list of arrays
        The messages, a row a sender.
    """
    if lost is not None:
        v += lost
        lost[:] = v
    buffers = code.encode(v, keys, layout)
    code.decode(buffers, v, layout)
    if lost is not None:
        lost -= v
    return list(buffers)


def row_bytes(buffers: list[np.ndarray]) -> int:
    """Return the bytes of one sender's message."""
    return sum(b.itemsize * b.shape[1] for b in buffers)
