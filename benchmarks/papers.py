"""What the papers of federated learning report, run again: one JSON line a claim, the paper's value beside ours.

``python benchmarks/papers.py`` reruns every claim, ``python benchmarks/papers.py fcube fednova`` some of them;
tests/federated/test_claims.py asserts them. The number of ranks changes no result, so one process runs them all.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
from small_runs import clients_accuracy, late, parameters, run, squares, train, until

from hpcfl.federated.spread import spread

Result = tuple[dict[str, Any], bool]  # what was found, and whether the claim holds


def fedprox(folder: Path, seeds: int = 10) -> Result:
    """Li et al. 2020 (FedProx): synthetic(1,1), 90 % stragglers: dropped, kept, kept with mu = 1.

    Ten seeds, rounds 110-200: accuracy keep >= drop + .03, fedprox >= drop + .05 and of the lowest loss.
    """
    cases = {"drop": ("drop", 0.0), "keep": ("keep", 0.0), "fedprox": ("keep", 1.0)}
    found: dict[str, list[list[float]]] = {name: [] for name in cases}
    for seed in range(seeds):
        for name, (work, mu) in cases.items():
            strategy, stragglers = {"name": "fedprox", "mu": mu}, {"fraction": 0.9, "work": work}
            records = train(
                folder, f"synthetic(1,1,seed={seed})", 200, 0.01, 10, seed=seed, local_epochs=20,
                strategy=strategy, stragglers=stragglers,
            )  # fmt: skip
            found[name].append(late(records, 110, "accuracy", "log_loss"))
    accuracy = {name: float(np.mean([a for a, _ in v])) for name, v in found.items()}
    loss = {name: float(np.mean([b for _, b in v])) for name, v in found.items()}
    lowest = sum(min(range(3), key=lambda i, s=s: list(found.values())[i][s][1]) == 2 for s in range(seeds))
    holds = accuracy["keep"] >= accuracy["drop"] + 0.03 and accuracy["fedprox"] >= accuracy["drop"] + 0.05
    return {"accuracy": accuracy, "loss": loss, "fedprox_lowest_loss": f"{lowest} of {seeds}"}, bool(
        holds and loss["fedprox"] == min(loss.values())
    )


def scaffold_synthetic(folder: Path) -> Result:
    """Karimireddy et al. 2020 (SCAFFOLD): fewer rounds than FedAvg with 100 local steps.

    FedAvg's mean loss of rounds 150-200 within 100 rounds.
    """
    data = {"train": "sample:synthetic(1,1)/train", "test": "sample:synthetic(1,1)/train"}  # the training loss
    keys = {"local_steps": 100, "weighting": "one"}
    (fedavg,) = late(train(folder, data, 200, 0.01, strategy="fedavg", **keys), 150, "log_loss")
    records = train(folder, data, 100, 0.01, strategy="scaffold", **keys)
    reached = until(records, lambda test: test["log_loss"] <= fedavg)
    return {"fedavg_loss": fedavg, "scaffold_rounds": reached}, reached is not None


def scaffold_quadratics(folder: Path) -> Result:
    """Karimireddy et al. 2020 (SCAFFOLD): two quadratics of different curvature and optimum.

    FedAvg stops beside the optimum, SCAFFOLD within 1e-6 of it, with momentum too.
    """
    rng = np.random.default_rng(0)
    x = rng.standard_normal((16, 2)) * np.repeat([[1.0, 0.3], [0.3, 1.0]], 8, axis=0)
    client = np.repeat([0, 1], 8)
    y = np.where(client == 0, x @ [1.0, -2.0] + 1.0, x @ [-1.0, 0.5])
    best = np.linalg.lstsq(np.column_stack([x, np.ones(16)]), y, rcond=None)[0]
    data, gaps = squares(folder, x, y, client), {}
    cases = {"fedavg": ("fedavg", 0.1, 0.0), "scaffold": ("scaffold", 0.1, 0.0), "momentum": ("scaffold", 0.01, 0.9)}
    for name, (strategy, rate, momentum) in cases.items():
        run(
            folder, data, 400, rate, strategy=strategy, momentum=momentum, model={"name": "linear", "dtype": "float64"},
            clients_per_round=2, local_steps=10, batch_size="full",
        )  # fmt: skip
        gaps[name] = float(np.abs(parameters(folder) - best).max())
    return {"gap": gaps}, gaps["fedavg"] > 0.01 and max(gaps["scaffold"], gaps["momentum"]) < 1e-6


def fednova(folder: Path) -> Result:
    """Wang et al. 2020 (FedNova): clients b^2 / 2 with 2 steps a round and (b - 1)^2 / 2 with 16.

    b = 16/18 for FedAvg, 1/2 for FedNova.
    """
    client = np.repeat([0, 1], [4, 32])
    data, found = squares(folder, np.zeros((36, 1)), client * 1.0, client), {}
    for name in ("fedavg", "fednova"):
        run(
            folder, data, 1500, 0.001, strategy=name, weighting="one", model={"name": "linear", "dtype": "float64"},
            clients_per_round=2, local_epochs=2, batch_size=4,
        )  # fmt: skip
        found[name] = float(parameters(folder)[1])
    return found, abs(found["fednova"] - 0.5) < 0.005 and abs(found["fedavg"] - 16 / 18) < 0.005


def evened(before: dict[str, float], after: dict[str, float]) -> bool:
    """Return whether the worst decile rose and the variance over clients fell by 15 % or more."""
    return after["worst_decile"] > before["worst_decile"] and after["variance"] <= 0.85 * before["variance"]


def qfedavg(folder: Path) -> Result:
    """Li et al. 2020 (q-FFL): hybrid set, 1,000 rounds of uniform cohorts, q = 1 beside FedAvg with weights by rows.

    The worst decile rises, variance falls by 15 % or more, in each of three seeds (equal weights, q = 0, do a part).
    """
    cases = {"fedavg": "fedavg", "q 0": {"name": "qfedavg", "q": 0.0}, "q 1": {"name": "qfedavg", "q": 1.0}}
    found: list[dict[str, dict[str, float]]] = []
    for seed in range(3):
        found.append({})
        for name, strategy in cases.items():
            run(folder, f"hybrid(seed={seed})", 1000, 0.1, 1000, seed=seed, strategy=strategy)
            accuracy = clients_accuracy(parameters(folder), f"hybrid(seed={seed})/test")
            found[-1][name] = spread(accuracy, float(accuracy.mean()))
    return {"seeds": found}, all(evened(f["fedavg"], f["q 1"]) for f in found)


def qfedavg_sampling(folder: Path, seeds: Iterable[int] = range(3)) -> Result:
    """Li et al. 2020 (q-FFL): split, sampling by rows and 20,000 rounds of the authors' code.

    Rounds 10,000-20,000, q = 1 beside q = 0: worst decile up, variance down by 15 % or more, in each of three seeds.
    """
    found: list[dict[str, dict[str, float]]] = []
    for seed in seeds:
        found.append({})
        for q in (0.0, 1.0):
            records = train(
                folder, {"train": f"sample:hybrid(seed={seed})", "test": "none"}, 20000, 0.1, 1000, seed=seed,
                client_test=0.1, client_validation=0.1, sampler="weighted", strategy={"name": "qfedavg", "q": q},
            )  # fmt: skip
            ends = [r["clients"]["accuracy"] for r in records if "clients" in r and r["round"] > 10000]
            found[-1][f"q {q:.0f}"] = {name: float(np.mean([a[name] for a in ends])) for name in ends[0]}
    return {"seeds": found}, all(evened(f["q 0"], f["q 1"]) for f in found)


def fcube(folder: Path) -> Result:
    """Li et al. 2022 (NIID-Bench): FCUBE, 4 clients of two opposite octants each.

    Accuracy >= .99 by round 10.
    """
    last = run(folder, "fcube", 10, 0.1, 10, clients_per_round=4)["test"]["accuracy"]
    return {"accuracy": last}, last >= 0.99


DIGITS = {"train": "sample:digits", "test": 0.2, "standardize": True}


def digits(folder: Path) -> Result:
    """Digits, 10 clients of few digits each (Dirichlet .1), MLP-64, learning rate .1, 5 epochs.

    Accuracy >= .94 within 100 rounds.
    """
    keys = {"clients": 10, "local_epochs": 5, "partition": {"name": "dirichlet", "alpha": 0.1}}
    records = train(folder, DIGITS, 100, 0.1, model={"name": "mlp", "hidden": [64]}, **keys)
    reached = until(records, lambda test: test["accuracy"] >= 0.94)
    return {"round": reached}, reached is not None


def byzantine(folder: Path) -> Result:
    """Digits, 15 iid clients of which 3 send -5 times their update: accuracy after 30 rounds.

    The mean <= .20, Krum within .08 of the clean run, the other rules within .04.
    """
    rules = {name: {"name": name} for name in ("mean", "median", "geometric_median", "norm_filter")}
    rules |= {name: {"name": name, "byzantine": 3} for name in ("trimmed_mean", "krum", "multi_krum", "bulyan")}
    rules["centered_clipping"] = {"name": "centered_clipping", "radius": 0.1}
    keys = {"clients": 15, "clients_per_round": 15, "partition": "iid", "local_epochs": 5}
    clean, found = run(folder, DIGITS, 30, 0.02, 30, **keys)["test"]["accuracy"], {}
    attack = {"name": "sign_flip", "clients": 3, "scale": 5.0}
    for name, rule in rules.items():
        found[name] = run(folder, DIGITS, 30, 0.02, 30, aggregator=rule, attack=attack, **keys)["test"]["accuracy"]
    rest = [found[name] for name in rules if name not in ("mean", "krum")]
    holds = found["mean"] <= 0.2 and found["krum"] >= clean - 0.08 and min(rest) >= clean - 0.04
    return {"clean": clean, **found}, holds


CLAIMS: dict[str, Callable[[Path], Result]] = {
    f.__name__: f
    for f in (
        fedprox, scaffold_synthetic, scaffold_quadratics, fednova, qfedavg, qfedavg_sampling, fcube, digits, byzantine,
    )
}  # fmt: skip


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("claims", nargs="*", choices=[[], *CLAIMS], help="which claims; all unless given")
    failed = 0
    for name in parser.parse_args().claims or CLAIMS:
        claim, start = CLAIMS[name], perf_counter()
        paper, _, bound = (claim.__doc__ or "").strip().partition("\n\n    ")
        with tempfile.TemporaryDirectory() as folder:
            found, holds = claim(Path(folder))
        failed += not holds
        line = {"claim": name, "paper": paper, "bound": bound, "found": found, "holds": holds}
        print(json.dumps(line | {"seconds": round(perf_counter() - start, 1)}), flush=True)
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
