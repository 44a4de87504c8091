"""A rank's memory: its rows, six vectors of the parameters, and 300 MB for interpreter, libraries and kernels."""

import json

import numpy as np

from hpcfl.data import h5

WIDTH, HIDDEN, ROWS = 1000, 18_000, 500


def test_peak(mpirun, tmp_path):
    x = np.random.default_rng(0).random((ROWS, WIDTH), np.float32)
    h5.write_atomic(tmp_path / "a.h5", {"x": x, "y": (x[:, 0] > 0.5).astype(np.int64)}, {"format": "hpcfl"})
    job = f'output = "{tmp_path}/run"\n[data]\ntrain = "{tmp_path}/a.h5"\n[optimizer]\nmomentum = 0.9\n'
    job += f'learning_rate = 1e-4\n[model]\nname = "mlp"\nhidden = [{HIDDEN}]\n[train]\nepochs = 1\nbatch_size = 200\n'
    (tmp_path / "job.toml").write_text(job)
    mpirun(2, ["-m", "hpcfl", "train", str(tmp_path / "job.toml")], timeout=120)
    peak = json.loads((tmp_path / "run" / "summary.json").read_text())["peak_memory_bytes"]
    vector = 4 * ((WIDTH + 1) * HIDDEN + (HIDDEN + 1) * 2)  # 72 MB
    assert peak < x.nbytes / 2 + 6 * vector + 300e6
