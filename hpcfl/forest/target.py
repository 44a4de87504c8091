"""What a row adds to a histogram: targets and weights as whole numbers, scaled alike on every rank."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, inf, log2

import numpy as np

from hpcfl.comm.communicator import Comm
from hpcfl.errors import DataError
from hpcfl.kernels import forest_loss

STEPS = 1 << 8  # steps of the largest weight when weights are not all one
HESSIANS = (1 << 12) - 1  # steps of the largest hessian


@dataclass(frozen=True)
class Target:
    """The rows' stats (see kernels/forest_grow.py) and how to read sums of them.

    Attributes
    ----------
    unit : (n,) or (n, k) int64
        What each row adds when drawn once; of k columns, tree t uses number t % k.
    classes : int
        Number of classes, 1 for values.
    shift : int
        Where the packed sums meet.
    weight : float
        What a row of the largest weight (boosting: a hessian of 1) adds to h.
    center, scale : float
        A value is ``center + scale * g / h``.
    boosted : bool
        Whether g and h are those of a loss.
    """

    unit: np.ndarray
    classes: int
    shift: int = 32
    weight: float = 1
    center: float = 0.0
    scale: float = 1.0
    boosted: bool = False

    @property
    def width(self) -> int:
        """Numbers of a leaf: one for values and for two classes."""
        return self.classes if self.classes > 2 else 1

    def of(self, tree: int) -> np.ndarray:
        """Return what each row adds to a tree when drawn once, (n,)."""
        return self.unit if self.unit.ndim == 1 else np.ascontiguousarray(self.unit[:, tree % self.unit.shape[1]])

    def real(self, value: np.ndarray) -> np.ndarray:
        """Return kernels' values as class shares or targets, float32."""
        return (self.center + self.scale * value).astype(np.float32)


def of_classes(label: np.ndarray, weight: np.ndarray, classes: int, comm: Comm) -> Target:
    """Return the target of a classification (collective).

    Parameters
    ----------
    label, weight : (n,)
        Class (a whole number) and weight of each row of this rank.
    """
    h, steps = whole_weights(weight, comm)
    label = label.astype(np.int64)
    if classes < 3:
        return Target((label * h << 32) + h, 2, 32, steps)
    return Target((label << 32) + h, classes, 32, steps)


def of_values(y: np.ndarray, weight: np.ndarray, rows: int, comm: Comm) -> Target:
    """Return the target of a regression over `rows` rows of all ranks (collective)."""
    high, low = comm.max(float(y.max(initial=-inf)), "range"), -comm.max(float((-y).max(initial=-inf)), "range")
    center, reach = (high + low) / 2, max((high - low) / 2, 1e-300)
    h, steps = whole_weights(weight, comm)
    h_bits = ceil(log2(1.5 * rows + 64)) + ceil(log2(steps))
    g_bits = 62 - 2 * h_bits
    if g_bits < 6:
        raise DataError(f"{rows} rows are too many for a regression forest with weights; leave the weights out")
    g = np.rint((y.astype(np.float64) - center) / reach * 2.0**g_bits).astype(np.int64)
    return Target((g * h << h_bits) + h, 1, h_bits, steps, center, reach / 2.0**g_bits)


def of_gradients(g: np.ndarray, h: np.ndarray, high: np.ndarray, rows: int, comm: Comm) -> Target:
    """Return the target of a boosting round over `rows` rows of all ranks (collective).

    Parameters
    ----------
    g, h : (n, k) float64
        Negative gradients and hessians; `high` (2,) are this rank's largest ones.
    """
    g_high, h_high = (max(comm.max(float(v), "range"), 1e-300) for v in high)
    log_rows = ceil(log2(rows + 1))
    h_scale = HESSIANS / h_high
    shift = log_rows + ceil(log2(HESSIANS + 1))
    g_scale = 2.0 ** (62 - shift - log_rows) / g_high
    unit = np.empty(g.shape, np.int64)
    forest_loss.whole(g, h, g_scale, h_scale, shift, unit)
    return Target(unit, 1, shift, h_scale, 0.0, h_scale / g_scale, True)


def whole_weights(weight: np.ndarray, comm: Comm) -> tuple[np.ndarray, int]:
    """Return the weights as whole numbers of at least 1, and the largest (collective)."""
    high, low = comm.max(float(weight.max(initial=0)), "range"), -comm.max(float((-weight).max(initial=-inf)), "range")
    steps = 1 if high == low else STEPS
    return np.maximum(np.rint(weight.astype(np.float64) / high * steps).astype(np.int64), 1), steps
