"""The best unseen items of one user, from a run's model file."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from hpcfl import config
from hpcfl.data import h5
from hpcfl.data.ratings import open_log
from hpcfl.data.table import expand
from hpcfl.errors import DataError, UsageError
from hpcfl.factorization.half import Half
from hpcfl.factorization.ratings import Side
from hpcfl.kernels import factors


@dataclass(frozen=True)
class Recommendation:
    """What is recommended to a user.

    Attributes
    ----------
    items : (t,) array
        Ids as the data file has them, best first.
    scores : (t,) float64
        Predicted ratings, or the preference of an implicit model.
    seen : int
        Items that were left out since the user has rated them.
    note : str
        What the scores rest on where the user or all of its ratings are unknown; "" otherwise.
    """

    items: np.ndarray
    scores: np.ndarray
    seen: int
    note: str


def recommend(run: str | Path, user: str, top: int) -> Recommendation:
    """Recommend `top` items to the user with the id `user`.

    What the user has rated in the job's data file is left out. A user without training ratings
    is given the items of highest bias, or, where there are no biases, those rated most often.

    Raises
    ------
    UsageError
        There is no factorization in `run`, or `top` is not above 0.
    DataError
        The job's data file is gone.
    """
    if top < 1:
        raise UsageError(f"--top {top}: a whole number above 0 is needed")
    arrays, attrs = _model(Path(run))
    job = config.load(json.loads(attrs["job"]))
    ids = tuple(_decoded(arrays[f"{name}_id"]) for name in ("user", "item"))
    at = np.flatnonzero(ids[0].astype(np.str_) == user)
    code = int(at[0]) if at.size else -1
    index, rating = _rated(job.data.train, (ids[0], ids[1]), code)
    rule, items = job.model.rule, arrays["items"]
    if code >= 0 and arrays["user_count"][code]:
        row, note = _user_row(rule, arrays, float(attrs["mean"]), code, Side(index[:0], index, rating)), ""
    else:
        row = np.zeros(items.shape[1], items.dtype)
        biased = rule.biases and not rule.implicit
        if not biased:
            items = np.zeros_like(items)
            items[:, -1] = arrays["item_count"]
        what = "the items' biases" if biased else "how often items were rated"
        note = f"user {user} has no training ratings: the order is that of {what}"
    scores, best = np.empty(len(items), items.dtype), np.empty(min(top, len(items)), np.int64)
    factors.best(row, items, np.unique(index).astype(np.int32), scores, best)
    best = best[best >= 0]
    offset = 0.0 if rule.implicit or (note and not biased) else float(attrs["mean"]) + float(row[-1])
    return Recommendation(ids[1][best], scores[best] + offset, np.unique(index).size, note)


def _model(run: Path) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    if not (run / "model.h5").is_file():
        raise UsageError(f"{run} has no model.h5; give the run directory that 'hpcfl train' named")
    arrays, attrs = h5.read(run / "model.h5")
    if attrs.get("mode") != "factorization":
        raise UsageError(f'{run}: its mode is {attrs.get("mode")}; recommending needs mode = "factorization"')
    return arrays, attrs


def _decoded(ids: np.ndarray) -> np.ndarray:
    return np.char.decode(ids, "utf-8") if ids.dtype.kind == "S" else ids


def _rated(
    train: str | tuple[str, ...], ids: tuple[np.ndarray, np.ndarray], code: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return the items (m,) int32 and the ratings of one user; of two of an item the last counts."""
    if code < 0:
        return np.zeros(0, np.int32), np.zeros(0, np.float32)
    try:
        log = open_log(expand(train), ids)
    except DataError as error:
        raise DataError(f"what the user has seen is read from the job's data: {error}") from None
    last: dict[int, float] = {}
    for rows in log.blocks():
        mine = rows.user == code
        last.update(zip(rows.item[mine].tolist(), rows.rating[mine].tolist(), strict=True))
    known = sorted(item for item in last if item >= 0)
    return np.array(known, np.int32), np.array([last[item] for item in known], np.float32)


def _user_row(rule: Any, arrays: dict[str, np.ndarray], mean: float, code: int, side: Side) -> np.ndarray:
    """Return a user's factors; a federated model has none, they are solved for from the user's own ratings."""
    if "users" in arrays:
        known: np.ndarray = arrays["users"][code]
        return known
    items = arrays["items"]
    out = np.zeros((1, items.shape[1]), items.dtype)
    indptr = np.array([0, side.indices.size], np.int64)
    Half(rule, side._replace(indptr=indptr), mean, items.dtype)(items, None, out)
    row: np.ndarray = out[0]
    return row
