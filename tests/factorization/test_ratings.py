"""Ratings: which are trained on, which are held out, what is refused."""

import numpy as np
import pytest

from hpcfl.comm.communicator import world
from hpcfl.data.h5 import write_atomic
from hpcfl.errors import DataError, UsageError
from hpcfl.factorization.ratings import load
from hpcfl.sections.data import Data


def save(path, user, item, rating, **more):
    arrays = {"user": np.array(user, np.int32), "item": np.array(item, np.int32)}
    arrays |= {"rating": np.array(rating, np.float32)} | {name: np.asarray(value) for name, value in more.items()}
    write_atomic(path, arrays, {"format": "hpcfl", "version": 1, "task": "ratings"})
    return str(path)


def test_duplicates_count_once_and_the_last_wins(tmp_path):
    path = save(tmp_path / "a.h5", [1, 0, 1, 0], [2, 1, 2, 0], [5, 4, 1, 3])
    found = load(Data(train=path, test="none"), 0, False, 8, True, world())
    assert found.facts["duplicates"] == 1
    assert any(note.startswith("1 ratings were left out") for note in found.notes)
    assert found.by_user.indptr.tolist() == [0, 2, 3]
    assert found.by_user.indices.tolist() == [0, 1, 2]
    assert found.by_user.rating.tolist() == [3, 4, 1]
    assert found.by_item.rating.tolist() == [3, 4, 1]
    assert found.mean == pytest.approx(8 / 3)


def test_random_split_is_by_pair_and_the_same_from_both_sides(tmp_path):
    rng = np.random.default_rng(0)
    user, item = np.divmod(rng.permutation(4000), 80)
    path = save(tmp_path / "a.h5", user, item, rng.integers(1, 6, 4000))
    found = load(Data(train=path, test=0.25), 3, False, 8, True, world())
    assert found.facts["rows"] == found.by_user.rating.size == found.by_item.rating.size
    assert found.facts["rows"] + found.facts["test_rows"] == 4000
    assert abs(found.facts["test_rows"] / 4000 - 0.25) < 0.03
    pairs = set(zip(np.repeat(np.arange(50), np.diff(found.by_user.indptr)), found.by_user.indices, strict=True))
    turned = set(zip(found.by_item.indices, np.repeat(np.arange(80), np.diff(found.by_item.indptr)), strict=True))
    assert pairs == turned
    assert not pairs & set(zip(found.test.user, found.test.item, strict=True))
    again = load(Data(train=path, test=0.25), 4, False, 8, True, world())
    assert set(zip(again.test.user, again.test.item, strict=True)) != set(
        zip(found.test.user, found.test.item, strict=True)
    )


def test_split_by_time_holds_out_the_newest(tmp_path):
    user, item = np.divmod(np.arange(100), 10)
    time = np.random.default_rng(1).permutation(100)
    path = save(tmp_path / "a.h5", user, item, np.ones(100), timestamp=time)
    found = load(Data(train=path, test=0.2), 0, True, 8, True, world())
    assert sorted(found.test.time.tolist()) == list(range(80, 100))
    plain = save(tmp_path / "b.h5", user, item, np.ones(100))
    with pytest.raises(UsageError, match="no timestamps"):
        load(Data(train=plain, test=0.2), 0, True, 8, True, world())


def test_files_are_joined_by_their_ids_and_unknown_ones_are_cold(tmp_path):
    a = save(tmp_path / "a.h5", [0, 1], [0, 1], [1, 2], user_id=[7, 5], item_id=np.array([b"x", b"y"]))
    b = save(tmp_path / "b.h5", [0, 1], [0, 0], [3, 4], user_id=[5, 9], item_id=np.array([b"x"]))
    test = save(tmp_path / "t.h5", [0, 1, 1], [0, 0, 1], [5, 5, 5], user_id=[9, 8], item_id=np.array([b"y", b"z"]))
    found = load(Data(train=(a, b), test=test), 0, False, 8, True, world())
    assert found.ids[0].tolist() == [7, 5, 9]
    assert found.by_user.indptr.tolist() == [0, 1, 3, 4]
    assert found.by_user.indices.tolist() == [0, 0, 1, 0]
    assert found.by_user.rating.tolist() == [1, 3, 2, 4]
    assert sorted(zip(found.test.user.tolist(), found.test.item.tolist(), strict=True)) == [(-1, -1), (-1, 1), (2, 1)]
    assert (found.facts["test_cold_users"], found.facts["test_cold_items"]) == (2, 1)
    assert [note.split(":")[0] for note in found.notes] == [
        "2 test ratings are of users that training never saw",
        "1 test ratings are of items that training never saw",
    ]


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_rating_that_is_not_finite_is_named(tmp_path, bad):
    path = save(tmp_path / "a.h5", [0, 0, 1], [0, 1, 0], [1, bad, 2])
    with pytest.raises(DataError, match="row 1: rating"):
        load(Data(train=path), 0, False, 8, True, world())


def test_codes_outside_the_ids_are_refused(tmp_path):
    path = save(tmp_path / "a.h5", [0, 3], [0, 1], [1, 2], user_id=[7, 5], item_id=[1, 2])
    with pytest.raises(DataError, match="codes 0 to 1"):
        load(Data(train=path, test="none"), 0, False, 8, True, world())


def test_features_are_no_ratings(tmp_path):
    write_atomic(tmp_path / "x.h5", {"x": np.ones((3, 2)), "y": np.ones(3, np.int64)}, {"format": "hpcfl"})
    with pytest.raises(DataError, match="holds no ratings"):
        load(Data(train=str(tmp_path / "x.h5")), 0, False, 8, True, world())
