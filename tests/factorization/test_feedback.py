"""SVD++: its steps against the slow twin, and what it is for."""

import numpy as np

from hpcfl.comm.communicator import world
from hpcfl.factorization.ratings import load
from hpcfl.factorization.sgd import Rotation
from hpcfl.models.sgd_mf import SgdMF
from hpcfl.sections.data import Data
from tests.factorization.test_ratings import save
from tests.reference import factorization as slow


def test_two_iterations_equal_the_twin(tmp_path):
    rng = np.random.default_rng(0)
    user, item = np.divmod(rng.choice(12 * 9, 60, replace=False), 9)
    path = save(tmp_path / "a.h5", user, item, rng.integers(1, 6, 60), item_id=np.arange(9), user_id=np.arange(12))
    rule = SgdMF(rank=3, blocks=2, feedback=True, learning_rate=0.2, decay=1.0, feedback_rate=4.0)
    ratings = load(Data(train=path, test="none"), 0, False, 2, True, world())
    state = Rotation(rule, ratings, "float64", 0, world())
    cells = [state.cells[i, (i + s) % 2] for s in range(2) for i in range(2)]
    users, items, rating = (np.concatenate(column) for column in zip(*cells, strict=True))
    pairs = list(zip(users, items, strict=True))
    side, slow_state = ratings.by_user, (state.own, state.table, state.feedback.y)
    for _ in range(2):
        slow_state = slow.feedback(side.indptr, side.indices, *slow_state, pairs, rating, 0.2, 0.03, 4.0, ratings.mean)
        state.step()
    assert np.abs(state.feedback.y).max() > 0.01
    for ours, twin in zip((state.own, state.table, state.feedback.y), slow_state, strict=True):
        np.testing.assert_allclose(ours, twin, atol=1e-12)


def test_what_is_rated_tells_of_users_with_few_ratings(tmp_path):
    """Users rate one of two kinds of items and like the other halves of both kinds: 4 ratings each say little."""
    rng = np.random.default_rng(1)
    kind = rng.integers(0, 2, 3000)
    user = np.repeat(np.arange(3000), 5)
    item = (kind[user] * 100 + rng.integers(0, 100, user.size)) % 200
    swap = rng.random(user.size) < 0.2
    item = np.where(swap, (item + 100) % 200, item)
    rating = 3 + np.where(kind[user] == (item % 2), 1.0, -1.0) + rng.normal(0, 0.3, user.size)
    path = save(tmp_path / "a.h5", user, item, rating)
    found = {}
    for feedback in (False, True):
        rule = SgdMF(rank=4, blocks=2, feedback=feedback, learning_rate=0.05, decay=1.0)
        ratings = load(Data(train=path, test=0.2), 0, False, 2, feedback, world())
        state = Rotation(rule, ratings, "float32", 0, world())
        for _ in range(30):
            state.step()
        test = ratings.test
        rows, columns = state.users[test.user], state.items[test.item]
        guess = ratings.mean + rows[:, -1] + columns[:, -1] + (rows[:, :-1] * columns[:, :-1]).sum(1)
        found[feedback] = np.sqrt(np.mean((guess - test.rating) ** 2))
    assert found[True] < 0.9 * found[False]
