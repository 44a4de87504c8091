"""Who holds what: rows of each client and class, as a table and as a picture."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from hpcfl.report import picture

SHOWN = 20  # classes that have a column


def table(names: list[str], counts: np.ndarray, classes: list[str]) -> list[str]:
    """Return the lines of the text table.

    Parameters
    ----------
    names : list of str
        Of the clients.
    counts : (clients, k) int64
        Rows of each client and class; k = 1 for a regression.
    classes : list of str
        Names of the k classes; [] for a regression.
    """
    shown = classes[:SHOWN]
    widths = [max(len(c), 5) for c in shown]
    head = f"{'client':>10} {'rows':>8}" + "".join(f" {c:>{w}}" for c, w in zip(shown, widths, strict=True))
    lines = [head + (" ..." if len(classes) > SHOWN else "")]
    for name, row in zip(names, counts.tolist(), strict=True):
        cells = "".join(f" {n or '.':>{w}}" for n, w in zip(row, widths, strict=False))
        lines.append(f"{name:>10} {sum(row):>8}{cells}")
    return lines


def summary(counts: np.ndarray, classes: list[str]) -> str:
    """Return one line about all clients."""
    sizes = counts.sum(axis=1)
    text = f"{len(sizes)} clients, {sizes.sum()} rows: {sizes.min()} to {sizes.max()}, median {np.median(sizes):.0f}"
    held = np.count_nonzero(counts, axis=1)
    return text + (f"; {held.min()} to {held.max()} of {len(classes)} classes each" if classes else "")


def draw(names: list[str], counts: np.ndarray, classes: list[str], path: Path) -> bool:
    """Write a picture, clients by classes (a regression: clients by rows); False without Matplotlib."""
    made = picture.canvas(2.5 + 0.4 * min(max(len(classes), 8), 30), 1.5 + 0.2 * min(len(names), 60))
    if made is None:
        return False
    figure, axes = made
    if classes:
        image = axes.imshow(counts, aspect="auto", cmap="Blues", interpolation="nearest")
        figure.colorbar(image, label="rows")
        axes.set_xlabel("class")
        if len(classes) <= 30:
            axes.set_xticks(range(len(classes)), classes, rotation=90 if max(map(len, classes)) > 2 else 0)
    else:
        axes.barh(range(len(names)), counts[:, 0])
        axes.invert_yaxis()
        axes.set_xlabel("rows")
    axes.set_ylabel("client")
    if len(names) <= 60:
        axes.set_yticks(range(len(names)), names)
    picture.save(figure, path)
    return True
