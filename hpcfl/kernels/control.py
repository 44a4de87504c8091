"""SCAFFOLD's message in one pass over memory."""

from __future__ import annotations

from hpcfl.kernels.flags import exact
from hpcfl.kernels.lent import lent


@exact
def control(x, w, c, path, ck, dw, dc):
    """Write the way that clients went and the change of their control variates, and make that change.

    Parameters
    ----------
    x : (clients, P) float
        Where their runs ended.
    w, c : (P,) float
        Where they began; the server's control variate.
    path : (clients,) float64
        Sum of each one's step sizes.
    ck : (clients, P) float
        The clients' control variates; changed.
    dw, dc : (clients, P) float
        Outputs.
    """
    x, w, c, ck, dw, dc = lent(x), lent(w), lent(c), lent(ck), lent(dw), lent(dc)
    for i in range(x.shape[0]):
        end, own, way, change, step = x[i], ck[i], dw[i], dc[i], x.dtype.type(-path[i])
        for j in range(end.size):
            d = end[j] - w[j]
            e = d / step - c[j]
            way[j], change[j] = d, e
            own[j] += e
