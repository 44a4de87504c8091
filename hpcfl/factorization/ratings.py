"""The ratings of a job: counted, dealt, split, without two of one pair, in one order."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from hpcfl import seeding
from hpcfl.comm.communicator import Comm
from hpcfl.data import split
from hpcfl.data.ratings import Log, Rows, open_log
from hpcfl.data.table import expand
from hpcfl.errors import DataError, UsageError
from hpcfl.factorization.deal import Deal, deal
from hpcfl.kernels.factors import pair_hashes
from hpcfl.sections.data import Data

NOTES = {
    "duplicates": "{} ratings were left out: their pair of user and item is rated again later, and the last one counts",
    "test_duplicates": "{} test ratings were left out: their pair is rated again later in the test file",
    "test_cold_users": "{} test ratings are of users that training never saw: predicted without the user",
    "test_cold_items": "{} test ratings are of items that training never saw: predicted without the item",
    "idle_ranks": "{} ranks have no users to work on: start fewer ranks",
}


class Side(NamedTuple):
    """Ratings of this rank's rows, compressed: sorted by row, then by the other side's row."""

    indptr: np.ndarray
    indices: np.ndarray
    rating: np.ndarray


@dataclass(frozen=True)
class Ratings:
    """What this rank trains and tests on.

    Attributes
    ----------
    users, items : Deal
    by_user, by_item : Side
        Training ratings of the users and of the items that this rank owns.
    test : Rows
        Held-out ratings of its users, sorted by user and item.
    counts : tuple of two arrays
        Training ratings of every user and of every item.
    mean : float
        Of all training ratings.
    ids : tuple of two arrays
        What the codes of users and items stand for.
    facts : dict
        Numbers for the summary: rows, test_rows, duplicates, cold ones, ranks without users.
    """

    users: Deal
    items: Deal
    by_user: Side
    by_item: Side
    test: Rows
    counts: tuple[np.ndarray, np.ndarray]
    mean: float
    ids: tuple[np.ndarray, np.ndarray]
    facts: dict[str, Any]

    @property
    def notes(self) -> list[str]:
        """What the user should know of the data, one line each."""
        return [text.format(self.facts[name]) for name, text in NOTES.items() if self.facts[name]]


def load(data: Data, seed: int, by_time: bool, blocks: int, both: bool, comm: Comm) -> Ratings:
    """Load a job's ratings (collective).

    Every rank reads all rows, block by block, and keeps those of its own users and items, so
    that no rating is ever in a message. Of several ratings of one pair the last one counts.

    Parameters
    ----------
    data : Data
    seed : int
    by_time : bool
        Whether the newest ratings are held out, rather than random ones.
    blocks : int
        Blocks that users and items are cut into.
    both : bool
        Whether ratings are needed by item, too; otherwise a rank keeps those of its users only.
    comm : Comm

    Raises
    ------
    DataError, UsageError
    """
    with comm.together("reading the ratings"):
        log = open_log(expand(data.train))
        raw = [np.zeros(ids.size, np.int64) for ids in log.ids]
        for rows in log.blocks():
            for count, code in zip(raw, rows[:2], strict=True):
                count += np.bincount(code, minlength=count.size)
    users, items = (deal(count, blocks, comm) for count in raw)
    cut = _newest(log, data, comm) if by_time and isinstance(data.test, float) else None
    with comm.together("reading the ratings"):
        mine = _keep(log, users, 0)
        theirs = _keep(log, items, 1) if both else _select(mine, np.zeros(mine.user.size, bool))
        mine, doubles = _distinct(mine)
        theirs, _ = _distinct(Rows(theirs.item, theirs.user, theirs.rating, theirs.time))
        held = _held_out(mine, data, seed, cut, (0, 1))
        test = _select(mine, held)
        mine, theirs = _select(mine, ~held), _select(theirs, ~_held_out(theirs, data, seed, cut, (1, 0)))
        again = 0
        if isinstance(data.test, str) and data.test != "none":
            test, again = _distinct(_keep(open_log(expand(data.test), log.ids), users, 0))
    by_user, by_item = _side(mine, users), _side(theirs, items)
    counts = (
        comm.allgatherv(np.diff(by_user.indptr), "counts"),
        comm.sum(np.bincount(by_user.indices, minlength=log.ids[1].size), "counts"),
    )
    cold = [np.count_nonzero(_cold(code, count)) for code, count in zip(test[:2], counts, strict=True)]
    numbers = [mine.user.size, test.user.size, doubles, again, *cold, users.first == users.stop]
    sums = comm.sum(np.array(numbers, np.int64), "rows")
    names = ("rows", "test_rows", *NOTES)
    facts = dict(zip(names, sums.tolist(), strict=True))
    if not facts["rows"]:
        raise DataError(f"{log.files[0]}: no ratings are left to train on; lower data.test")
    mean = users.sum(by_user.rating, by_user.indptr, comm, "mean") / facts["rows"]
    return Ratings(users, items, by_user, by_item, test, counts, mean, log.ids, facts)


def _keep(log: Log, own: Deal, column: int) -> Rows:
    """Return the rows of this rank's users (column 0) or items (1), in file order."""
    return _join([_select(rows, own.owns(rows[column])) for rows in log.blocks()])


def _join(parts: list[Rows]) -> Rows:
    return Rows(*(np.concatenate(columns) for columns in zip(*parts, strict=True)))


def _select(rows: Rows, which: np.ndarray) -> Rows:
    return Rows(*(column[which] for column in rows))


def _distinct(rows: Rows) -> tuple[Rows, int]:
    """Sort by the first column, then the second; of equal pairs keep the last (unknown ones all)."""
    order = np.lexsort((rows.item, rows.user))
    rows = _select(rows, order)
    again = (rows.user[1:] == rows.user[:-1]) & (rows.item[1:] == rows.item[:-1])
    again &= (rows.user[1:] >= 0) & (rows.item[1:] >= 0)
    last = np.append(~again, True) if rows.user.size else np.zeros(0, bool)
    return _select(rows, last), int(again.sum())


def _held_out(rows: Rows, data: Data, seed: int, cut: int | None, order: tuple[int, int]) -> np.ndarray:
    """Return which rows are held out: a hash of user and item decides, or the time."""
    if not isinstance(data.test, float):
        return np.zeros(rows.user.size, bool)
    if cut is not None:
        return rows.time > cut
    hashes = np.empty(rows.user.size, np.uint64)
    pair_hashes(seeding.key(seed, "test"), rows[order[0]], rows[order[1]], hashes)
    return hashes < np.uint64(int(data.test * 2.0**64))


def _newest(log: Log, data: Data, comm: Comm) -> int:
    """Return the time after which ratings are held out (collective); only counts are exchanged."""
    with comm.together("reading the timestamps"):
        if not log.timed:
            raise UsageError(f"model.split = 'time': {log.files[0]} has no timestamps; use 'random'")
        share = log.rows * np.arange(comm.size + 1) // comm.size
        times = np.concatenate([rows.time for rows in log.blocks()])[share[comm.rank] : share[comm.rank + 1]]
    flipped = np.uint64(1 << 62) - times.astype(np.uint64)
    edge = split.thresholds(flipped, np.zeros(times.size, np.int64), 1, float(data.test), comm)[0]
    return (1 << 62) - int(edge)


def _side(rows: Rows, own: Deal) -> Side:
    indptr = np.zeros(own.stop - own.first + 1, np.int64)
    np.cumsum(np.bincount(rows.user - own.first, minlength=indptr.size - 1), out=indptr[1:])
    return Side(indptr, rows.item.astype(np.int32), rows.rating)


def _cold(code: np.ndarray, count: np.ndarray) -> np.ndarray:
    cold: np.ndarray = (code < 0) | (count[np.maximum(code, 0)] == 0)
    return cold
