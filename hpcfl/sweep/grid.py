"""The runs of a sweep: every combination of values, with every seed."""

from __future__ import annotations

import re
from itertools import product
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

from hpcfl import config
from hpcfl.config import Job
from hpcfl.errors import UsageError

PIECE = re.compile(r"""(?:"[^"]*"|'[^']*'|\[[^\]]*\]|\{[^}]*\}|[^,])+""")  # a comma inside quotes or brackets stays


class Run(NamedTuple):
    """One run of a sweep.

    Attributes
    ----------
    point : str
        The values that vary, as ``mu=0.1``; "" if none does.
    seed : int
    job : Job
    """

    point: str
    seed: int
    job: Job


def values(setting: str) -> tuple[str, list[str]]:
    """Return the key and the values of ``key=v1,v2,...``; each value is written as in TOML.

    >>> values("model.hidden=[64],[64,64]")
    ('model.hidden', ['[64]', '[64,64]'])
    """
    key, equals, text = setting.partition("=")
    found = [piece.strip() for piece in PIECE.findall(text)]
    if not equals or not found:
        raise UsageError(f"--set {setting}: write --set key.path=value,value,...")
    return key.strip(), found


def runs(path: str, settings: list[str], seeds: int) -> list[Run]:
    """Return the runs of the grid, seed by seed within a point; every job is read before any is trained.

    Seeds count up from the job file's own, and each run has a folder of its own below ``output``.

    Raises
    ------
    UsageError
        A key or a value that the job file would not take, or no seeds.
    """
    if seeds < 1:
        raise UsageError(f"--seeds {seeds}: 1 or more is needed")
    given = dict(values(s) for s in settings)
    varied = [key for key, found in given.items() if len(found) > 1]
    lasts = [key.rpartition(".")[2] for key in varied]
    out = []
    for choice in product(*given.values()):
        chosen = dict(zip(given, choice, strict=True))
        words = (
            f"{last if lasts.count(last) == 1 else key}={chosen[key]}" for key, last in zip(varied, lasts, strict=True)
        )
        point = " ".join(words)
        changes = tuple(f"{key}={value}" for key, value in chosen.items())
        base = config.load(path, changes)
        for seed in range(base.seed, base.seed + seeds):
            folder = Path(base.output) / quote(point.replace(" ", ","), safe="[]{}=,.+-") / f"seed-{seed}"
            out.append(Run(point, seed, config.load(path, (*changes, f"seed={seed}", f'output="{folder}"'))))
    return out
