"""Stragglers, drop-outs and deadlines: who answers, with how much done, and that ranks do not matter."""

import numpy as np
import pytest

from hpcfl import config
from hpcfl.errors import UsageError
from hpcfl.federated.attendance import attend
from hpcfl.federated.timetable import AHEAD, Timetable
from tests.federated.test_rounds import folder, job, run  # noqa: F401

STEPS = np.repeat([6, 12, 30], 40)  # two, four and ten steps an epoch


def play(epochs=3, wanted=120, seed=0, steps=STEPS, **keys):
    fed = config.load({"train": {"mode": "federated"}, "federated": keys}).federated
    pace = np.random.default_rng(99).standard_normal(steps.size)
    found = attend(fed, [np.random.default_rng(seed)], [0, steps.size], steps, epochs, pace, [wanted])
    return found._replace(seconds=found.seconds[0])


def test_everybody_does_everything_unless_said():
    there, steps, seconds = play()
    assert there.all()
    assert (steps == STEPS).all()
    assert seconds > 0


def test_stragglers_do_whole_epochs_less_than_all():
    there, steps, _ = play(stragglers={"fraction": 0.9})
    less = steps < STEPS
    assert there.all()
    assert less.sum() == 108
    assert set((3 * steps // STEPS)[less]) == {1, 2}
    assert (3 * steps % STEPS == 0).all()


def test_of_one_epoch_stragglers_do_some_steps():
    _, steps, _ = play(epochs=0, stragglers={"fraction": 1.0})
    assert (steps >= 1).all()
    assert (steps < STEPS).all()
    assert len(set(steps[STEPS == 30])) > 10
    assert (play(epochs=0, steps=np.ones(9, int), wanted=9, stragglers={"fraction": 1.0}).steps == 1).all()


def test_dropped_stragglers_are_not_waited_for():
    kept, dropped = (play(stragglers={"fraction": 0.5, "work": w}) for w in ("keep", "drop"))
    assert kept.there.all()
    assert dropped.there.sum() == 60
    assert (dropped.there == (dropped.steps == STEPS)).all()


def test_dropouts_come_at_their_rate():
    assert np.mean([1 - play(seed=s, dropout=0.2).there.mean() for s in range(30)]) == pytest.approx(0.2, abs=0.03)


def test_the_first_to_arrive_are_kept():
    clock = {"name": "lognormal", "between": 0.0, "within": 0.0}  # a step is a second
    answers = play(wanted=60, clock=clock)
    assert answers.there[:60].all()
    assert not answers.there[60:].any()
    assert answers.seconds == 12


def test_past_the_deadline_nobody_is_waited_for():
    clock = {"name": "lognormal", "between": 0.0, "within": 0.0}
    answers = play(deadline={"seconds": 20.0}, clock=clock)
    assert (answers.there == (STEPS <= 20)).all()
    assert answers.seconds == 20


def test_a_pace_lasts_and_a_halfnormal_clock_knows_none():
    first = [play(seed=s, wanted=30, steps=np.full(120, 6)).there for s in (1, 2)]
    blind = [play(seed=s, wanted=30, steps=np.full(120, 6), clock="halfnormal").there for s in (1, 2)]
    assert (first[0] & first[1]).sum() > 20
    assert (blind[0] & blind[1]).sum() < 15


def test_a_round_drawn_ahead_is_the_one_drawn_by_itself():
    keys = {"clients_per_round": 4, "dropout": 0.2, "batch_size": 3}
    plan = config.load({"train": {"mode": "federated", "rounds": 2 * AHEAD + 1}, "federated": keys})
    fresh = lambda: Timetable(plan, np.arange(20), 3, np.zeros(20, int), np.zeros(2, int), 5.0)  # noqa: E731
    table = fresh()
    for r in [*range(2 * AHEAD + 1), 3]:
        one, other = (timetable.draw(r, np.zeros_like) for timetable in (table, fresh()))
        for a, b in zip(one, other, strict=True):
            np.testing.assert_equal(a, b)
        rows = np.arange(20)[one.ids]
        assert one.trained == rows.sum()  # one epoch
    last = table.draw(2 * AHEAD, np.zeros_like)
    assert last.ids.size
    assert not table.drawn  # nothing is drawn past the last round


def test_rounds_are_the_same_on_any_number_of_ranks(mpirun, folder):  # noqa: F811
    keys = {"local_epochs": 3, "clients_per_round": 4, "dropout": 0.1, "strategy": "fednova"}
    late = {"stragglers": {"fraction": 0.5}, "deadline": {"over_selection": 1.5}}
    tables = [job(folder, 6, **keys, **late), job(folder, 6, **keys, stragglers={"fraction": 0.5, "work": "drop"})]
    one, three = (run(mpirun, folder, n, tables) for n in (1, 3))
    for (w, records), (w3, records3) in zip(one, three, strict=True):
        assert (w == w3).all()
        assert [{**r, "seconds": 0} for r in records] == [{**r, "seconds": 0} for r in records3]
    assert all(len(r["cohort"]) <= 4 and len(r["cohort"] + r["absent"]) == 6 for r in one[0][1])
    assert all(len(r["cohort"]) <= 2 and len(r["cohort"] + r["absent"]) == 4 for r in one[1][1])


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ({"stragglers": {"fraction": 1.5}}, "federated.stragglers.fraction = 1.5"),
        ({"stragglers": {"work": "half"}}, "'keep', 'drop'"),
        ({"dropout": 1.0}, "federated.dropout = 1.0"),
        ({"deadline": {"over_selection": 0.5}}, "federated.deadline.over_selection = 0.5"),
        ({"clock": {"name": "halfnormal", "scale": 0.0}}, "federated.clock.scale = 0.0"),
    ],
)
def test_bad_tables_are_refused_by_name(table, words):
    with pytest.raises(UsageError, match=words):
        config.load({"train": {"mode": "federated"}, "federated": table})
