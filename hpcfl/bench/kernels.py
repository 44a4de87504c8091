"""Speed of the kernels beside the limits of the core: multiply-adds in registers, BLAS's matrix product, a copy."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import cycle
from typing import Any

import numpy as np

from hpcfl import registry
from hpcfl.bench import Figure, seconds
from hpcfl.comm.communicator import Comm
from hpcfl.data.csr import CSR
from hpcfl.kernels import peak

TABLE = 4096  # rows of the table that batches are drawn from
SPARSE = 10_000, 50  # columns, and non-zeros of a row
DENSE: list[tuple[str, str, dict[str, Any], int, float]] = [  # flops of a row: forward, weights, inputs
    ("MLP 784-200-200-10, 64 rows", "mlp", {}, 64, 4.0 * 198_800 + 2 * 42_000),
    ("MLP 784-200-200-10, 256 rows", "mlp", {}, 256, 4.0 * 198_800 + 2 * 42_000),
    ("softmax 784-10, 64 rows", "softmax", {}, 64, 4.0 * 7840),
    ("softmax 784-10, 256 rows", "softmax", {}, 256, 4.0 * 7840),
    ("CNN of McMahan on 28 x 28, 10 rows", "cnn", {}, 10, 4.0 * 12_273_152 + 2 * 11_645_952),
]


def figures(comm: Comm) -> Iterator[Figure]:
    """Yield the figures of the slowest rank, all ranks at work at once (collective)."""
    rounds, half = 200_000, np.float32(0.5)
    limit = peak.flops(half.itemsize, rounds) / _slowest(comm, lambda: peak.multiply_adds(half, rounds)) / 1e9
    yield Figure("kernels", "float32 multiply-adds in registers", limit, "GFLOP/s")
    n = 1024
    a, b, c = (np.ones((n, n), np.float32) for _ in range(3))
    speed = 2 * n**3 / _slowest(comm, lambda: peak.product(a, b, c)) / 1e9
    yield Figure("kernels", "matrix product by BLAS, 1024 x 1024", speed, "GFLOP/s", speed / limit, "the multiply-adds")
    for what, name, keys, rows, flops in DENSE:
        speed = rows * flops / _slowest(comm, _step(name, keys, rows)) / 1e9
        yield Figure("kernels", what, speed, "GFLOP/s", speed / limit, "the multiply-adds")
    columns, held = SPARSE
    each = _slowest(comm, _sparse_step(1024)) / (1024 * held) * 1e9
    yield Figure("kernels", f"logistic on CSR, {held} of {columns:,} columns, 1024 rows", each, "ns a non-zero")
    source, target = np.ones(1 << 25, np.uint8), np.empty(1 << 25, np.uint8)
    copied = 2 * source.nbytes / _slowest(comm, lambda: np.copyto(target, source)) / 1e9
    yield Figure("kernels", "copy of 32 MiB, read and written", copied, "GB/s")


def _slowest(comm: Comm, work: Any) -> float:
    with comm.node_first("compiling a kernel"):
        work()
    comm.barrier()
    return comm.max(seconds(work))


def _step(name: str, keys: dict[str, Any], rows: int) -> Any:
    """Return a call that takes loss and gradient of a batch of random rows of 784 numbers."""
    rule, rng = registry.load("models", name)(**keys), np.random.default_rng(0)
    x, y = rng.random((TABLE, 784), np.float32), np.ones((TABLE, 2), np.float32)
    layout = rule.layout(784, 10)
    w = layout.zeros(np.float32)
    rule.init(rng, layout.views(w))
    work, grad = np.empty(rule.work(784, 10, rows), np.float32), np.empty_like(w)
    none, spec, kernel = np.empty((2, 0), np.float32), rule.spec(784, 10), rule.loss_grad(False)
    batches = cycle([rng.integers(0, TABLE, rows).astype(np.int32) for _ in range(16)])
    return lambda: kernel(w, x, y, next(batches), none, spec, work, grad)


def _sparse_step(rows: int) -> Any:
    """Return the same for the logistic model on CSR rows."""
    (columns, held), rng = SPARSE, np.random.default_rng(0)
    rule = registry.load("models", "logistic")()
    indices = np.sort(rng.integers(0, columns, (TABLE, held)), axis=1).astype(np.int32).ravel()
    x = CSR(np.ones(indices.size, np.float32), indices, np.arange(0, indices.size + 1, held, dtype=np.int64))
    y, w = np.ones((TABLE, 2), np.float32), np.zeros(columns + 1, np.float32)
    work, grad = np.empty(rule.work(columns, 1, rows), np.float32), np.empty_like(w)
    none, spec, kernel = np.empty((2, 0), np.float32), rule.spec(columns, 1), rule.loss_grad(True)
    batch = rng.integers(0, TABLE, rows).astype(np.int32)
    return lambda: kernel(w, x, y, batch, none, spec, work, grad)
