"""A sweep's results: mean and deviation over seeds, rounds and bytes to a target, and curves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from hpcfl.errors import UsageError
from hpcfl.registry import nearest
from hpcfl.report import picture

LOWER = ("rmse", "mae", "log_loss", "train_loss")  # the smaller, the better
CHOICE = ("accuracy", "rmse", "train_loss")
STEPS = ("round", "epoch", "iteration", "trees")
Records = list[dict[str, Any]]


@dataclass(frozen=True)
class Curve:
    """One run: a metric where it was measured.

    Attributes
    ----------
    steps : (m,) int64
        Rounds, epochs, iterations or trees.
    values : (m,) float64
    bytes : (m,) float64
        Sent up and down by clients until then (0 in modes without clients).
    """

    steps: np.ndarray
    values: np.ndarray
    bytes: np.ndarray

    def reached(self, target: float, lower: bool) -> tuple[float, float] | None:
        """Return steps and bytes at which the target was reached first."""
        there = np.flatnonzero(self.values <= target if lower else self.values >= target)
        return (float(self.steps[there[0]]), float(self.bytes[there[0]])) if there.size else None


def choose(runs: list[Records], metric: str) -> str:
    """Return the metric to judge by: the one asked for, or the first of `CHOICE` that the runs have."""
    made = next((r for r in runs if r), None)
    if made is None:
        raise UsageError("every run of the sweep diverged; lower optimizer.learning_rate")
    last = made[-1]
    there = [k for k, v in last.get("test", {}).items() if isinstance(v, int | float)]
    there += ["train_loss"] if "train_loss" in last else []
    if not metric:
        metric = next((m for m in CHOICE if m in there), "")
    if metric not in there:
        raise UsageError(f"--metric {metric or 'accuracy'}: the runs did not measure it{nearest(metric, there)}")
    return metric


def curve(records: Records, metric: str) -> Curve:
    """Return the curve of one run."""
    sent = np.cumsum([r.get("uplink_bytes", 0) + r.get("downlink_bytes", 0) for r in records])
    rows = []
    for i, record in enumerate(records):
        value = record.get(metric) if metric == "train_loss" else record.get("test", {}).get(metric)
        step = next((record[k] for k in STEPS if k in record), i + 1)
        if value is not None:
            rows.append((step, value, sent[i]))
    steps, values, total = (np.array(column, float) for column in zip(*rows, strict=True))
    return Curve(steps.astype(np.int64), values, total)


def step_name(runs: list[Records]) -> str:
    """Return what the runs count: "round", "epoch", ..."""
    made = next(r for r in runs if r)
    return next((k for k in STEPS if k in made[-1]), "step")


def spread(found: list[float]) -> str:
    """Return ``mean +- deviation`` (of a sample), or the value alone."""
    if not found:
        return "-"
    mean = f"{np.mean(found):.4g}"
    return f"{mean} +- {np.std(found, ddof=1):.2g}" if len(found) > 1 else mean


def row(runs: list[Records], metric: str, target: float | None) -> dict[str, Any]:
    """Return a point's numbers: final values, and steps and bytes to the target, of each seed that has them."""
    curves = [curve(r, metric) for r in runs if r]
    out: dict[str, Any] = {"final": [float(c.values[-1]) for c in curves], "diverged": len(runs) - len(curves)}
    if target is not None:
        hits = [h for c in curves if (h := c.reached(target, metric in LOWER))]
        out |= {"steps": [h[0] for h in hits], "bytes": [h[1] for h in hits]}
    return out


def table(rows: Mapping[str, dict[str, Any]], metric: str, target: float | None, step: str) -> list[str]:
    """Return the lines of the table, one a point."""
    head = ["", metric, "runs"]
    if target is not None:
        head += [f"{step}s to {target:g}", f"MB to {target:g}", "reached"]
    lines = [head]
    for point, found in rows.items():
        made = len(found["final"])
        note = f"{made}" + (f" ({found['diverged']} diverged)" if found["diverged"] else "")
        cells = [point or "all", spread(found["final"]), note]
        if target is not None:
            sent = [b / 1e6 for b in found["bytes"]]
            cells += [spread(found["steps"]), spread(sent) if any(sent) else "-", f"{len(found['steps'])} of {made}"]
        lines.append(cells)
    widths = [max(len(line[i]) for line in lines) for i in range(len(head))]
    return ["  ".join(cell.ljust(w) for cell, w in zip(line, widths, strict=True)).rstrip() for line in lines]


def draw(points: Mapping[str, list[Records]], metric: str, target: float | None, step: str, path: Path) -> bool:
    """Write the curves, mean and deviation over seeds; False without Matplotlib."""
    made = picture.canvas(7.0, 4.5)
    if made is None:
        return False
    figure, axes = made
    for point, runs in points.items():
        curves = [curve(r, metric) for r in runs if r]
        if not curves:
            continue
        size = min(c.values.size for c in curves)
        values = np.array([c.values[:size] for c in curves])
        mean, deviation = values.mean(axis=0), values.std(axis=0)
        (line,) = axes.plot(curves[0].steps[:size], mean, label=point or None, marker="o" if size < 3 else "")
        axes.fill_between(curves[0].steps[:size], mean - deviation, mean + deviation, color=line.get_color(), alpha=0.2)
    if target is not None:
        axes.axhline(target, color="gray", linestyle=":")
    axes.set_xlabel(step)
    axes.set_ylabel(metric.replace("_", " "))
    if any(points):
        axes.legend()
    picture.save(figure, path)
    return True
