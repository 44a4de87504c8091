"""Attacks on the digits: what spoils the mean, and which rules withstand it; compressed clients learn as well."""

import numpy as np
import pytest

from hpcfl import config, registry
from hpcfl.attacks import Seen
from hpcfl.attacks.alie import derived
from hpcfl.comm.communicator import alone
from hpcfl.trainers import run

ROBUST = [n for n in registry.names("aggregators") if n != "mean"]
FLIP = {"name": "sign_flip", "clients": 3, "scale": 5.0}
GOOD = {"top_k": {"fraction": 0.05}, "random_k": {"fraction": 0.5}}


@pytest.fixture(scope="module")
def accuracy(tmp_path_factory):
    folder = tmp_path_factory.mktemp("attacks")

    def go(rounds=30, **keys):
        job = {
            "output": str(folder / "run"),
            "data": {"train": "sample:digits", "standardize": True},
            "model": {"name": "softmax"},
            "optimizer": {"learning_rate": 0.02},
            "train": {"mode": "federated", "rounds": rounds},
            "checkpoint": {"every_seconds": 0.0},
            "evaluate": {"every": 1000, "on": ["test"]},
            "federated": {"clients": 15, "clients_per_round": 15, "local_epochs": 5, **keys},
        }
        return list(run.records(config.load(job), alone(), True))[-1]["test"]["accuracy"]

    return go


@pytest.fixture(scope="module")
def clean(accuracy):
    return accuracy()


def test_sign_flips_spoil_the_mean(accuracy, clean):
    assert clean > 0.94
    assert accuracy(attack=FLIP) <= 0.2


@pytest.mark.parametrize("name", ROBUST)
def test_robust_rules_withstand_sign_flips(accuracy, clean, name):
    keys = {"byzantine": 3} if hasattr(registry.load("aggregators", name), "byzantine") else {}
    keys |= {"radius": 0.1} if name == "centered_clipping" else {}
    assert accuracy(attack=FLIP, aggregator={"name": name, **keys}) >= clean - (0.08 if name == "krum" else 0.04)


@pytest.mark.parametrize("name", ["noise", "label_flip", "inner_product"])
def test_attacks_hurt_the_mean(accuracy, clean, name):
    strong = {"noise": {"scale": 20.0}, "inner_product": {"scale": 20.0}}.get(name, {})
    assert accuracy(attack={"name": name, "clients": 5, **strong}) < clean - 0.01


def test_alie_stands_as_far_out_as_the_paper_derives():
    # Of 50 workers 24 are bad: 2 of the 26 good ones make a majority with them, z = Phi^-1(24/26).
    assert derived(50, 24) == pytest.approx(1.4260769)
    seen = Seen(50, 24, np.array([1.0, 2.0]), np.array([0.5, 0.0]))
    sent = registry.load("attacks", "alie")(clients=24).forge(np.zeros((24, 2)), seen, np.zeros(24, np.uint64))
    np.testing.assert_allclose(sent[5], [1 - 0.5 * 1.4260769, 2])


@pytest.mark.parametrize("name", [n for n in registry.names("compressors") if n != "none"])
def test_compressed_clients_learn(accuracy, clean, name):
    biased = registry.load("compressors", name).biased
    assert accuracy(compressor={"name": name, **GOOD.get(name, {})}, error_feedback=biased) > clean - 0.03
