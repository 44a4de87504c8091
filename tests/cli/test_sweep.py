"""`hpcfl sweep`: the grid, skipping what is finished, the table and the picture."""

import json

import numpy as np
import pytest

from hpcfl.cli.main import main
from hpcfl.errors import UsageError
from hpcfl.report import sweep
from hpcfl.sweep import grid

FEDERATED = """
output = "{out}"
seed = 3
[data]
train = "sample:iris"
[train]
mode = "federated"
rounds = 3
[federated]
clients = 4
clients_per_round = 2
strategy = {{ name = "fedprox" }}
"""
OTHERS = {
    "synchronous": '[train]\nepochs = 2\n[data]\ntrain = "sample:iris"\n',
    "forest": '[train]\nmode = "forest"\n[model]\nname = "forest"\ntrees = 4\n[data]\ntrain = "sample:iris"\n',
    "factorization": '[train]\nmode = "factorization"\niterations = 2\n[model]\nname = "als"\nrank = 2\n'
    '[data]\ntrain = "sample:ratings"\n',
}


def write(folder, text):
    path = folder / "job.toml"
    path.write_text(text)
    return str(path)


def test_the_grid_is_every_combination_with_every_seed(tmp_path):
    job = write(tmp_path, FEDERATED.format(out="o"))
    made = grid.runs(job, ["federated.strategy.mu=0,0.5", "train.rounds=2,4", "data.standardize=true"], 2)
    assert [(r.point, r.seed) for r in made[:3]] == [("mu=0 rounds=2", 3), ("mu=0 rounds=2", 4), ("mu=0 rounds=4", 3)]
    assert len(made) == 8
    last = made[-1].job
    assert (last.federated.strategy.mu, last.train.rounds, last.data.standardize, last.seed) == (0.5, 4, True, 4)
    assert last.output == "o/mu=0.5,rounds=4/seed-4"
    assert len({r.job.output for r in made}) == 8


def test_values_keep_their_commas():
    assert grid.values("a.b=[1, 2],[3]") == ("a.b", ["[1, 2]", "[3]"])
    assert grid.values('data.train="a,b.h5",c.h5') == ("data.train", ['"a,b.h5"', "c.h5"])
    assert grid.values("p={ name = 'iid', a = 1 },shards") == ("p", ["{ name = 'iid', a = 1 }", "shards"])


def test_parts_may_vary_by_name(tmp_path):
    job = write(tmp_path, FEDERATED.format(out="o").replace("[federated]", "[federated]\nlocal_epochs = 2"))
    made = grid.runs(job, ["federated.strategy=fedavg,scaffold"], 1)
    assert [type(r.job.federated.strategy).__name__ for r in made] == ["FedAvg", "Scaffold"]


@pytest.mark.parametrize(
    ("settings", "seeds", "words"),
    [(["train.rounds"], 1, "write --set"), (["train.roundz=1,2"], 1, "did you mean"), ([], 0, "--seeds 0")],
)
def test_mistakes_are_named_before_anything_runs(tmp_path, settings, seeds, words):
    with pytest.raises(UsageError, match=words):
        grid.runs(write(tmp_path, FEDERATED.format(out=tmp_path / "o")), settings, seeds)
    assert not (tmp_path / "o").exists()


def test_a_sweep_runs_skips_and_says_the_same_again(tmp_path, capsys):
    job = write(tmp_path, FEDERATED.format(out=tmp_path / "o"))
    command = ["sweep", job, "--seeds", "2", "--set", "federated.strategy.mu=0,1", "--target", "0.3"]
    assert main(command) == 0
    first = capsys.readouterr().out
    assert "finished already" not in first
    table = (tmp_path / "o" / "sweep.txt").read_text()
    assert table in first
    rows = [json.loads(line) for line in (tmp_path / "o" / "sweep.jsonl").read_text().splitlines()]
    logs = [
        [json.loads(line) for line in (tmp_path / "o" / f"mu={mu}" / f"seed-{s}" / "log.jsonl").open()]
        for mu in (0, 1) for s in (3, 4)
    ]  # fmt: skip
    assert [r["point"] for r in rows] == ["mu=0", "mu=1"]
    assert rows[0]["final"] + rows[1]["final"] == [log[-1]["test"]["accuracy"] for log in logs]
    assert (tmp_path / "o" / "sweep.png").stat().st_size > 5000
    (tmp_path / "o" / "mu=1" / "seed-4" / "summary.json").unlink()  # as if it had been killed
    assert main(command) == 0
    again = capsys.readouterr().out
    assert again.count("finished already") == 3
    assert (tmp_path / "o" / "sweep.txt").read_text() == table
    assert main([*command, "--set", "train.rounds=4"]) == 2
    assert "holds a run of another job" in capsys.readouterr().err


@pytest.mark.parametrize("mode", OTHERS)
def test_every_mode_is_swept(mode, tmp_path, capsys):
    job = write(tmp_path, f'output = "{tmp_path}/o"\n' + OTHERS[mode])
    assert main(["sweep", job, "--seeds", "2"]) == 0
    text = (tmp_path / "o" / "sweep.txt").read_text()
    assert "rmse" in text if mode == "factorization" else "accuracy" in text
    assert "+-" in text


def test_under_mpirun_all_ranks_make_each_run(tmp_path, mpirun):
    job = write(tmp_path, FEDERATED.format(out=tmp_path / "o"))
    done = mpirun(2, ["-m", "hpcfl", "sweep", job, "--set", "train.rounds=1,2"], timeout=240)
    assert done.stdout.count("accuracy") >= 3
    assert json.loads((tmp_path / "o" / "rounds=2" / "seed-3" / "summary.json").read_text())["ranks"] == 2


def log(*values):
    return [
        {"round": i + 1, "uplink_bytes": 600000, "downlink_bytes": 400000, "train_loss": 1.0}
        | ({} if v is None else {"test": {"accuracy": v}})
        for i, v in enumerate(values)
    ]


def test_known_answers_of_the_table():
    runs = [log(0.1, None, 0.5), log(0.2, 0.6, 0.7), []]
    found = sweep.row(runs, "accuracy", 0.5)
    assert found == {"final": [0.5, 0.7], "diverged": 1, "steps": [3.0, 2.0], "bytes": [3e6, 2e6]}
    head, line = sweep.table({"mu=1": found}, "accuracy", 0.5, "round")
    assert head.split() == ["accuracy", "runs", "rounds", "to", "0.5", "MB", "to", "0.5", "reached"]
    assert "0.6 +- 0.14" in line
    assert "2.5 +- 0.71" in line
    assert "2 (1 diverged)" in line
    assert "2 of 2" in line
    assert sweep.row([log(0.1)], "accuracy", 0.5)["steps"] == []


def test_a_loss_is_reached_from_above():
    curve = sweep.Curve(np.array([1, 2, 3]), np.array([3.0, 1.0, 2.0]), np.zeros(3))
    assert curve.reached(1.5, lower=True) == (2.0, 0.0)
    assert curve.reached(1.5, lower=False) == (1.0, 0.0)


def test_an_unmeasured_metric_is_refused():
    with pytest.raises(UsageError, match="did you mean 'accuracy'"):
        sweep.choose([log(0.5)], "acuracy")
    assert sweep.choose([log(None)], "") == "train_loss"
    with pytest.raises(UsageError, match="every run of the sweep diverged"):
        sweep.choose([[]], "")


MANY = """
import json, sys
from pathlib import Path
import hpcfl
from hpcfl.comm.communicator import MPI, alone, world

job = {"train": {"mode": "federated", "rounds": 1}, "federated": {"clients": 3, "clients_per_round": 2}}
job |= {"data": {"train": "sample:iris"}, "output": "run"}


def free():
    held = []
    try:
        while True:
            held.append(MPI.COMM_SELF.Dup())
    except MPI.Exception:
        for one in held:
            one.Free()
        return len(held)


def made(comm):
    hpcfl.train(job, comm, overwrite=True)
    return json.loads(Path("run/summary.json").read_text())["messages"]


comm, left = world(), []
assert made(comm) == made(comm)
for i in range(3):
    hpcfl.train(job, overwrite=True)
    left.append(free())
assert "MPICH" not in MPI.Get_library_version() or left[0] == left[1] == left[2] > 1000, left
"""


def test_a_run_leaves_neither_messages_nor_communicators_to_the_next(mpirun, tmp_path):
    mpirun(2, MANY, cwd=tmp_path, timeout=120)
