"""Where few rows are read by a rank, only those are sent, and nothing else changes."""

import json

import numpy as np

from hpcfl.data import h5

RUN = """
import json
from hpcfl import config
from hpcfl.comm.communicator import world
from hpcfl.trainers.run import records
for record in records(config.load(JOB), world(), True):
    pass
"""


def test_few_ratings_of_many_items(mpirun, tmp_path):
    """4 ranks read about a quarter of the items each; empty users, items and ranks' blocks occur."""
    rng = np.random.default_rng(0)
    columns = {"user": rng.integers(0, 900, 3000), "item": rng.integers(0, 9000, 3000)}
    columns["rating"] = rng.integers(1, 6, 3000).astype(np.float32)
    columns["user_id"], columns["item_id"] = np.arange(900), np.arange(9000)
    h5.write_atomic(tmp_path / "r.h5", columns, {"format": "hpcfl", "version": 1, "task": "ratings"})
    for n in (1, 4):
        job = {
            "output": str(tmp_path / str(n)),
            "data": {"train": str(tmp_path / "r.h5"), "test": 0.1},
            "model": {"name": "als", "rank": 4},
            "train": {"mode": "factorization", "iterations": 2},
        }
        mpirun(n, f"JOB = {job!r}\n{RUN}")
    one, four = (h5.read(tmp_path / name / "model.h5")[0] for name in ("1", "4"))
    assert all((one[key] == four[key]).all() for key in one)
    assert np.isfinite(one["users"]).all()
    assert one["users"].any()
    found = json.loads((tmp_path / "4" / "summary.json").read_text())["messages"]
    whole = 9000 * 5 * 4
    assert 3 * 2500 * 5 * 4 * 0.9 < found["items"]["bytes"] < 3 * whole * 0.5
