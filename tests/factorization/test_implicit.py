"""Implicit ratings: settings are chosen on a validation part, and then tested once."""

import numpy as np

from hpcfl.comm.communicator import world
from hpcfl.factorization import measure
from hpcfl.factorization.als import Alternating
from hpcfl.factorization.ratings import load
from hpcfl.models.als import ALS
from hpcfl.sections.data import Data
from tests.factorization.test_ratings import save
from tests.reference import factorization as slow

SETTINGS = [(alpha, penalty) for alpha in (0.1, 0.3, 1.0, 3.0) for penalty in (0.1, 0.3, 1.0)]


def fit(ratings, solver, alpha, penalty):
    rule = ALS(rank=6, implicit=True, alpha=alpha, regularization=penalty, solver=solver)
    state = Alternating(rule, ratings, "float32", 0, world())
    for _ in range(6):
        state.step()
    return measure.ranking(rule, ratings, state.users, state.items, world())


def test_rankings_beat_popularity(tmp_path):
    whole = load(Data(train="sample:ratings", test=0.1), 0, False, 8, True, world())
    side, shape = whole.by_user, (500, 300)
    user, ids = np.repeat(np.arange(shape[0]), np.diff(side.indptr)), [np.arange(n) for n in shape]
    path = save(tmp_path / "a.h5", user, side.indices, side.rating, user_id=ids[0], item_id=ids[1])
    inner = load(Data(train=path, test=0.1), 1, False, 8, True, world())
    best = max(SETTINGS, key=lambda pair: fit(inner, "cholesky", *pair)["ndcg@10"])

    popular = []
    for u in range(shape[0]):
        wanted = whole.test.item[whole.test.user == u]
        if wanted.size:
            seen = side.indices[side.indptr[u] : side.indptr[u + 1]]
            popular.append(slow.ranks(whole.counts[1].astype(float), seen, wanted, 10))
    # The metric that chose is the metric that is tested.
    for solver in ("cholesky", "cg"):
        assert fit(whole, solver, *best)["ndcg@10"] > np.mean(popular, axis=0)[2]
