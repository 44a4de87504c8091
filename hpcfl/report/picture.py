"""Matplotlib, asked for only when a picture is drawn."""

from __future__ import annotations

from pathlib import Path
from typing import Any


def canvas(width: float, height: float) -> tuple[Any, Any] | None:
    """Return a figure and its axes, sizes in inches; None where Matplotlib is not installed."""
    try:
        from matplotlib.figure import Figure
    except ImportError:
        return None
    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, figure.subplots()


def save(figure: Any, path: Path) -> None:
    """Write the figure as PNG."""
    figure.savefig(path, dpi=150)
