"""What the papers report holds here: the claims of benchmarks/papers.py, one test each."""

import pytest

from benchmarks.papers import CLAIMS


@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=pytest.mark.long) if claim.long else n for n, claim in CLAIMS.items()]
)
def test_the_claim_holds(name, tmp_path):
    found, holds = CLAIMS[name].run(tmp_path)
    assert holds, f"{CLAIMS[name].paper}: {CLAIMS[name].expected}; found {found}"


def test_stragglers_are_better_kept_than_dropped_and_a_pull_is_best(tmp_path):
    found, _ = CLAIMS["fedprox"].run(tmp_path, seeds=1)  # type: ignore[call-arg]
    accuracy, loss = found["accuracy"], found["loss"]
    assert accuracy["drop"] < accuracy["keep"] < accuracy["fedprox"]
    assert loss["fedprox"] == min(loss.values())
