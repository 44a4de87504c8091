"""A picture of a benchmark's JSON lines: each ratio's median with its spread, beside what is aimed at.

``python benchmarks/plots.py LINES.jsonl OUT.svg`` draws lines that were kept; with ``--plot OUT.svg`` a benchmark draws
its own at its end. Ratios are points on a logarithmic scale, other figures (``--value peak_MB``) bars from 0; lines
without the figure are passed over.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np

from hpcfl.report import picture

AIMS = {"target": ("C2", "at least"), "at most": ("C3", "at most")}  # key of a line: colour, meaning


def draw(lines: list[dict[str, Any]], path: Path, value: str = "ratio") -> None:
    """Write a picture of one figure of the lines.

    Parameters
    ----------
    lines : list of dict
        Each with `value` and a ``case``; maybe with ``peer``, with ``least`` and ``most`` of the runs, and with what is
        aimed at as ``target`` (or more) or ``at most``.
    path : Path
        Its suffix says the format.
    value : str
        Key of the figure.

    Raises
    ------
    SystemExit
        If no line has the figure, or Matplotlib is missing.
    """
    rows = [line for line in lines if value in line]
    made = picture.canvas(10.0, 1.5 + 0.35 * len(rows)) if rows else None
    if made is None:
        raise SystemExit(
            "no picture: pip install matplotlib" if rows else f"no picture: no line has the figure {value!r}"
        )
    figure, axis = made
    axis.set_yticks(
        range(len(rows)), [" / ".join(line[key] for key in ("case", "peer") if key in line) for line in rows]
    )
    axis.invert_yaxis()
    points(axis, rows, value)
    aims(axis, rows)
    axis.set_xlabel(f"{value}: median, least to most" if any("least" in line for line in rows) else value)
    axis.grid(axis="x", alpha=0.3)
    picture.save(figure, path)


def points(axis: Any, rows: list[dict[str, Any]], value: str) -> None:
    """Draw the figures with their spread: points for ratios, bars for others."""
    middle = np.array([line[value] for line in rows])
    spread = [[abs(line.get(end, line[value]) - line[value]) for line in rows] for end in ("least", "most")]
    if value == "ratio":
        axis.set_xscale("log")
        axis.axvline(1.0, color="grey", linestyle=":")
    else:
        axis.barh(range(len(rows)), middle, height=0.5, alpha=0.4)
    axis.errorbar(middle, range(len(rows)), xerr=spread, fmt="o", color="C0", capsize=4)
    for y, number in enumerate(middle):
        text = np.format_float_positional(number, 4, fractional=False, trim="-")
        axis.annotate(text, (number, y), (0, 6), textcoords="offset points", ha="center", fontsize=8)


def aims(axis: Any, rows: list[dict[str, Any]]) -> None:
    """Draw what is aimed at as a line across each figure."""
    for key, (colour, meaning) in AIMS.items():
        aimed = [(line[key], y) for y, line in enumerate(rows) if line.get(key) is not None]
        if aimed:
            x, y = np.array(aimed).T
            axis.vlines(x, y - 0.4, y + 0.4, color=colour, label=f"aimed at, {meaning}")
    if axis.get_legend_handles_labels()[0]:
        axis.legend(fontsize=8)


def main() -> None:
    """Draw the lines of a file; what is not a JSON object in it is passed over."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("lines", type=Path, help="what a benchmark printed")
    parser.add_argument("out", type=Path, help="picture to write (.svg, .png)")
    parser.add_argument("--value", default="ratio", help="the figure to draw (default: ratio)")
    args = parser.parse_args()
    text = args.lines.read_text().splitlines()
    draw([json.loads(line) for line in text if line.startswith("{")], args.out, args.value)


if __name__ == "__main__":
    main()
