"""What all benchmarks share: ours and a peer in turn, the median and spread of their ratio, JSON lines, a picture."""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import platform
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from typing import Any, TypeVar

import plots

T = TypeVar("T")
Figure = Callable[[], float]
PRINTED: list[dict[str, Any]] = []  # all lines of this process


def options(text: str | None) -> argparse.ArgumentParser:
    """Return a parser that shows a benchmark's own text and knows ``--plot``."""
    parser = argparse.ArgumentParser(description=text, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--plot", type=Path, help="picture to draw of the lines at the end (.svg, .png)")
    return parser


def plot(path: Path | None, value: str = "ratio") -> None:
    """Draw a figure of the lines that were printed, where a picture was asked for."""
    if path and PRINTED:
        plots.draw(PRINTED, path, value)


def in_turn(ways: dict[str, Callable[[], T]], runs: int) -> dict[str, list[T]]:
    """Call each way once to warm up, then all of them in turn, `runs` times; return what each gave."""
    for way in ways.values():
        way()
    taken = [{name: way() for name, way in ways.items()} for _ in range(runs)]
    return {name: [one[name] for one in taken] for name in ways}


def spread(name: str, figures: Sequence[float]) -> dict[str, Any]:
    """Return the part of a line that tells the median of some runs, under a name, with least and most."""
    return {name: median(figures), "least": min(figures), "most": max(figures), "runs": len(figures)}


def ratio(over: Sequence[float], under: Sequence[float]) -> dict[str, Any]:
    """Return the same of the ratios of two figures that were taken in turn."""
    return spread("ratio", [a / b for a, b in zip(over, under, strict=True)])


def compare(case: str, ours: Figure, peers: dict[str, Figure], target: dict[str, float], runs: int = 5) -> None:
    """Take the figures in turn (ours, peer, ours, ...) and print one JSON line a peer.

    Parameters
    ----------
    case : str
        What was measured, with its unit.
    ours : callable
        Returns our figure, more is better (turn seconds round).
    peers : dict
        Name -> callable that returns the peer's figure.
    target : dict
        Name -> the ratio ours / peer that is aimed at.
    runs : int
        Counted runs; one of each goes before them.
    """
    taken = in_turn({"": ours, **peers}, runs)
    own = taken.pop("")
    for name, other in taken.items():
        line = {"case": case, "peer": name, "ours": median(own), "theirs": median(other)}
        emit(line | ratio(own, other) | {"target": target.get(name)})


def emit(line: dict[str, Any]) -> None:
    """Print a JSON line, numbers to four digits."""
    PRINTED.append({k: float(f"{v:.4g}") if isinstance(v, float) else v for k, v in line.items()})
    print(json.dumps(PRINTED[-1]), flush=True)


def machine() -> None:
    """Print what the figures were measured on."""
    from hpcfl.trainers.run import versions

    text = Path("/proc/cpuinfo").read_text().splitlines()
    names = (line.partition(":")[2].strip() for line in text if line.startswith("model name"))
    emit({"machine": next(names, platform.machine()), "cores": os.cpu_count(), **versions()})


def installed(package: str) -> bool:
    """Return whether a peer is there; a missing one is said."""
    there = importlib.util.find_spec(package) is not None
    if not there:
        emit({"peer": package, "missing": f"pip install {package}"})
    return there
