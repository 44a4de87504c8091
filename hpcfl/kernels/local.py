"""The local loop: every local solve of a rank's clients in one call, driven by tables.

The model's ``loss_grad`` and the optimizer's ``step`` come as typed values
(``hpcfl.kernels.typed``), the rest in the groups of ``hpcfl.kernels.tables``.
"""

from __future__ import annotations

import numpy as np

from hpcfl.kernels.copies import copy
from hpcfl.kernels.flags import jit, part
from hpcfl.kernels.lent import lent
from hpcfl.kernels.passes import axpy, clip, pull
from hpcfl.kernels.prefetch import prefetch_rows
from hpcfl.kernels.tables import NONE

BLOCK = 4096  # coordinates of a step that stay in the nearest cache
LEAST = 1e-300  # weight of a batch of rows without weight


@part
def _mix(z):
    """Splitmix64's output function (Steele, Lea and Flood 2014)."""
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


@jit
def shuffle(key, epoch, rows, order):
    """Write `rows` to `order`, permuted by Fisher and Yates with draws keyed by (key, epoch)."""
    n = rows.size
    copy(rows, order[:n])
    base = _mix(key + np.uint64(epoch) * np.uint64(0x9E3779B97F4A7C15))
    for i in range(n - 1, 0, -1):
        word = _mix(base + np.uint64(i) * np.uint64(0x9E3779B97F4A7C15))
        j = np.int64(((word >> np.uint64(32)) * np.uint64(i + 1)) >> np.uint64(32))
        order[i], order[j] = order[j], order[i]


@part
def _sums(loss_grad, w, batch, data, work, grad):
    """Write the gradient of the batch's summed loss; return loss sum, weight."""
    loss = loss_grad(w, data.x, data.y, batch, data.affine, data.spec, work, grad)
    if not data.weighted:  # else the rows that were just asked for have to come before their weights
        return loss, 1.0 * batch.size
    weight = 0.0
    for row in batch:
        weight += data.y[row, 1]
    return loss, weight


@part
def _mean(grad, scale, w, solver):
    """Turn the gradient of a summed loss into that of the mean loss with its penalty."""
    scale = grad.dtype.type(scale)
    for j in range(grad.size):
        grad[j] *= scale
    if solver.l2 != 0.0:
        l2 = grad.dtype.type(solver.l2)
        for k in range(solver.penalized.shape[0]):
            a, b = solver.penalized[k]
            axpy(l2, w[a:b], grad[a:b])


@part
def _drifting(step, x, scale, grad, drift, state, solver, t):
    """Take the step along ``scale grad + drift``.

    A linear optimizer treats each coordinate by itself. If it has no state either, it is taken block by block,
    so that what was added is still in cache.
    """
    size = BLOCK if solver.ghost and state.shape[0] == 0 else x.size
    scale = grad.dtype.type(scale)
    for start in range(0, x.size, size):
        g, d = grad[start : start + size], drift[start : start + size]
        for j in range(g.size):
            g[j] = scale * g[j] + d[j]
        step(x[start : start + size], g, 1.0, state, solver.hyper, solver.rate, t)


@part
def _gradient(loss_grad, w, batch, data, solver, work, grad):
    """Write the gradient of the batch's mean loss with its penalty."""
    _, weight = _sums(loss_grad, w, batch, data, work, grad)
    _mean(grad, 1.0 / max(weight, LEAST), w, solver)


@part
def _vector(v, c, task):
    """Return vector number `v` of client `c`."""
    return task.own[v, c] if v >= 0 else task.shared[-1 - v]


@part
def _ghost_step(step, mu, solver, ghost, t):
    """Take the step of a coordinate whose gradient is 1."""
    ghost[0, 0] -= ghost.dtype.type(solver.rate * mu) * ghost[0, 0]
    ghost[1, 0] = 1.0
    step(ghost[0], ghost[1], 1.0, ghost[2:], solver.hyper, solver.rate, t)


@part
def _batch(key, t, size, rows, order, x):
    """Return the rows of batch `t`, counted over epochs, and ask for the next ones; `order` holds the current epoch."""
    in_epoch = (rows.size + size - 1) // size
    epoch, place = t // in_epoch, t % in_epoch
    if place == 0:
        shuffle(key, epoch, rows, order)
    after = (place + 1) * size
    prefetch_rows(x, order[after : min(after + size, rows.size)])  # drawn at random: no hardware looks ahead
    return order[place * size : min((place + 1) * size, rows.size)]


@part
def _steer(loss_grad, at, batch, data, plan, solver, task, scratch):
    """Turn the plain gradient into the one that the optimizer takes; `at` as in `_solve`."""
    r, c = at
    grad, spare = scratch.grads[0], scratch.grads[1]
    drift, ref = plan.vectors[r, 3], plan.vectors[r, 4]
    if ref != NONE:
        _gradient(loss_grad, _vector(ref, c, task), batch, data, solver, scratch.work, spare)
        axpy(-1.0, spare, grad)
    if drift != NONE:
        axpy(1.0, _vector(drift, c, task), grad)
    for k in range(plan.still.shape[0]):
        if plan.still[k, 0] == r:
            grad[plan.still[k, 1] : plan.still[k, 2]] = 0
    if solver.clip > 0.0:
        clip(solver.clip, grad)


@part
def _solve(loss_grad, step, at, data, plan, solver, task, scratch):
    """Make run `r` of the client at place `c`, ``at = (r, c)``."""
    r, c = at
    own, stats = task.own, task.stats
    start, out, anchor, drift, ref, inner, steps = plan.vectors[r]
    mu, follow, look = plan.numbers[r]
    x, grad, spare = own[out, c], scratch.grads[0], scratch.grads[1]
    copy(_vector(start, c, task), x)
    if len(plan.still) > 0:
        copy(x, scratch.grads[2])
    scratch.state[:] = 0
    scratch.ghost[:] = 0
    rows = data.rows[data.starts[task.who[c]] : data.starts[task.who[c] + 1]]
    plain = ref == NONE and look == 0.0 and solver.l2 == 0.0 and solver.clip == 0.0 and len(plan.still) == 0
    drawn, t = 0, 0
    for _ in range(steps if steps > 0 else task.steps[c]):
        batch = _batch(task.streams[c], drawn, solver.batch, rows, scratch.order, data.x)
        drawn += 1
        for _ in range(inner):
            loss, weight = _sums(loss_grad, x, batch, data, scratch.work, grad)
            scale = 1.0 / max(weight, LEAST)
            if not plain:  # else nothing but the step needs the mean, and scales the sum while it reads it
                _mean(grad, scale, x, solver)
                scale = 1.0
            if r == 0:
                stats[c, 0] += loss
                stats[c, 1] += weight
            if look != 0.0:
                copy(x, spare)
                axpy(-look, grad, spare)
                batch = _batch(task.streams[c], drawn, solver.batch, rows, scratch.order, data.x)
                drawn += 1
                _gradient(loss_grad, spare, batch, data, solver, scratch.work, grad)
            if not plain:
                _steer(loss_grad, at, batch, data, plan, solver, task, scratch)
            if mu != 0.0:
                pull(solver.rate * mu, _vector(anchor, c, task), x)
            t += 1
            if plain and drift != NONE:
                _drifting(step, x, scale, grad, _vector(drift, c, task), scratch.state, solver, t)
            else:
                step(x, grad, scale, scratch.state, solver.hyper, solver.rate, t)
            if solver.ghost and r == 0:
                _ghost_step(step, mu, solver, scratch.ghost, t)
        if follow != 0.0:
            pull(follow, x, own[anchor, c])
    for k in range(plan.still.shape[0]):
        if plan.still[k, 0] == r:
            a, b = plan.still[k, 1], plan.still[k, 2]
            copy(scratch.grads[2, a:b], x[a:b])
    if r == 0:
        stats[c, 2] = -scratch.ghost[0, 0]


@jit
def train(loss_grad, step, data, plan, solver, task, scratch):
    """Make every run of every client.

    Parameters
    ----------
    loss_grad, step : typed functions
        Of the model and of the optimizer.
    data, plan, solver, task, scratch : Clients, Plan, Solver, Task, Scratch
    """
    data, plan, solver, task, scratch = lent(data), lent(plan), lent(solver), lent(task), lent(scratch)
    task.stats[:] = 0
    for c in range(task.who.size):
        for r in range(plan.vectors.shape[0]):
            _solve(loss_grad, step, (r, c), data, plan, solver, task, scratch)


@jit
def probe(loss_grad, w, data, who, chunk, scratch, sums, grads):
    """Measure each client over all its rows at `w`, `chunk` rows at a time.

    Parameters
    ----------
    who : (c,) int64
        The clients, by their place in ``data.starts``.
    sums : (c, 2) float64
        Loss sum and weight sum; overwritten.
    grads : (c, P) or (0, P)
        Gradient of the loss sum, if it is wanted; overwritten.
    """
    w, data, scratch, sums, grads = lent(w), lent(data), lent(scratch), lent(sums), lent(grads)
    grads[:] = 0
    for c in range(who.size):
        rows = data.rows[data.starts[who[c]] : data.starts[who[c] + 1]]
        sums[c, 0], sums[c, 1] = 0.0, 0.0
        for a in range(0, rows.size, chunk):
            batch = rows[a : min(a + chunk, rows.size)]
            sums[c, 0] += loss_grad(w, data.x, data.y, batch, data.affine, data.spec, scratch.work, scratch.grads[0])
            for row in batch:
                sums[c, 1] += data.y[row, 1]
            if grads.shape[0] > 0:
                axpy(1.0, scratch.grads[0], grads[c])
