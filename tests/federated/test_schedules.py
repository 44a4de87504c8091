"""FedBuff's arrivals and groups that average first: each against a slow twin."""

import json

import h5py
import numpy as np
import pytest

from hpcfl import config
from hpcfl.errors import UsageError
from hpcfl.federated.buffered import Arrivals
from tests.federated.test_rounds import PRELUDE, folder, gradient, job, rows_of, run  # noqa: F401

ROWS = np.array([0, 5, 10, 15, 20, 10, 30, 7, 9, 12])


def arrivals(buffer=3, **keys):
    table = {"clients_per_round": buffer, "asynchronous": {"concurrency": 4}, **keys}
    fed = config.load({"train": {"mode": "federated"}, "federated": table}).federated
    return Arrivals(fed, 5, ROWS, ROWS * 2, np.random.default_rng(0).standard_normal(ROWS.size))


def test_arrivals_are_distinct_fresh_when_they_wait_for_all_and_never_idle():
    play = arrivals()
    seen = [play.next() for _ in range(60)]
    for i, back in enumerate(seen):
        assert len(set(back.ids.tolist())) == 3
        assert 0 not in back.ids
        assert (back.ages >= 0).all()
        assert (back.ages <= i).all()
        assert back.seconds >= 0
    assert max(back.ages.max() for back in seen) > 1
    assert len(play.training) == 4
    assert play.oldest > 40
    assert len(set(np.concatenate([back.ids for back in seen]).tolist())) == 9


def test_clients_of_one_pace_come_back_in_the_order_they_left():
    clock = {"name": "lognormal", "between": 0.0, "within": 0.0}
    fed = {"clients_per_round": 4, "asynchronous": {"concurrency": 4}, "clock": clock, "local_steps": 5}
    made = config.load({"train": {"mode": "federated"}, "federated": fed}).federated
    play = Arrivals(made, 1, np.ones(9, int), np.full(9, 5), np.zeros(9))
    for _ in range(5):
        back = play.next()
        assert back.seconds == 5
    assert (back.ages[:-1] == 1).all()  # all but the last left before the server moved
    assert play.now == 25


def test_the_lost_are_replaced_and_named():
    play = arrivals(dropout=0.3)
    lost = sum(play.next().lost.size for _ in range(100))
    assert lost / (300 + lost) == pytest.approx(0.3, abs=0.06)


def async_job(folder, rounds, **keys):  # noqa: F811
    return job(folder, rounds, batch_size="full", clients_per_round=2, asynchronous={"concurrency": 3}, **keys)


def test_stale_updates_start_from_old_models_and_count_less(mpirun, folder):  # noqa: F811
    x, y = rows_of(folder)
    with h5py.File(folder / "all.h5") as file:
        client = file["client"][()]
    ((found, records),) = run(mpirun, folder, 2, [async_job(folder, 25)])
    models = [np.zeros(5)]
    for record in records:
        ids, weights = record["cohort"], []
        way = np.zeros(5)
        for c, age in zip(ids, record["ages"], strict=True):
            own = client == c
            weights.append(own.sum())
            way += weights[-1] * (1 + age) ** -0.5 * -0.05 * gradient(models[-1 - age], x[own], y[own])
        models.append(models[-1] + way / sum(weights))
    assert max(max(r["ages"]) for r in records) > 0
    np.testing.assert_allclose(found, models[-1], rtol=1e-10)


def test_groups_average_among_themselves_then_meet(mpirun, folder):  # noqa: F811
    x, y = rows_of(folder)
    with h5py.File(folder / "all.h5") as file:
        client = file["client"][()]
    keys = {"batch_size": "full", "hierarchy": {"groups": 2, "averages": 3}}
    (found, records), (nova, _) = run(
        mpirun, folder, 2, [job(folder, 4, **keys), job(folder, 4, strategy="fednova", **keys)]
    )
    w = np.zeros(5)
    for _ in range(4):
        ends, sizes = [], []
        for group in (client < 3, client >= 3):
            v = w.copy()
            for _ in range(3):
                v -= 0.05 * gradient(v, x[group], y[group])
            ends.append(v)
            sizes.append(group.sum())
        w = np.average(ends, axis=0, weights=sizes)
    np.testing.assert_allclose(found, w, rtol=1e-10)
    np.testing.assert_allclose(nova, w, rtol=1e-10)  # all clients go equally far
    assert records[0]["uplink_bytes"] == 3 * 6 * 5 * 8 + 2 * 5 * 8


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ({"asynchronous": {"concurrency": 5}, "strategy": "scaffold"}, "strategy 'scaffold' keeps 'c' on the server"),
        ({"asynchronous": {"concurrency": 5}, "strategy": "qfedavg"}, "strategy 'qfedavg' measures at one model"),
        ({"asynchronous": {"concurrency": 5}, "sampler": "poisson"}, "use 'uniform' or 'weighted'"),
        ({"asynchronous": {"concurrency": 5}, "stragglers": {"fraction": 0.5}}, "no round with stragglers"),
        ({"asynchronous": {"concurrency": 5}, "hierarchy": {"groups": 2}}, "set one to 0"),
        ({"hierarchy": {"groups": 2}, "aggregator": "median"}, "hierarchy.groups: aggregator 'median'"),
        ({"hierarchy": {"groups": 2, "averages": 0}}, "federated.hierarchy.groups = 2, averages = 0"),
    ],
)
def test_what_does_not_go_together_is_refused_by_name(table, words):
    with pytest.raises(UsageError, match=words):
        config.load({"train": {"mode": "federated"}, "federated": table})


def test_more_clients_at_once_than_there_are_is_refused(mpirun, folder):  # noqa: F811
    table = job(folder, clients_per_round=3, asynchronous={"concurrency": 5})
    code = PRELUDE + f"go(json.loads({json.dumps(table)!r}), {str(folder / 'refused')!r})"
    done = mpirun(2, code, timeout=240, check=False)
    assert "up to 7 clients train or wait, only 6 have rows" in done.stderr
