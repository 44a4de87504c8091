"""``hpcfl warm``: compiles what the job calls, without its rows."""

import shutil

import numpy as np
import pytest

from hpcfl.cli import main
from hpcfl.data import h5

JOBS = {
    "synchronous": 'order = "blocks"\nmemory_limit = LIMIT\n[model]\nname = "softmax"\n',
    "forest": '[model]\nname = "forest"\ntrees = 2\n[train]\nmode = "forest"\n',
    "federated": '[train]\nmode = "federated"\n[federated]\nclients = 20\npartition = {name = "dirichlet"}\n',
}


@pytest.mark.parametrize(
    ("kind", "mode"), [(k, m) for k in ("dense", "csr") for m in JOBS if (k, m) != ("csr", "forest")]
)
def test_rows_are_not_read(tmp_path, capsys, mode, kind):
    x = np.full((3000, 6), np.nan, np.float32)
    arrays = {"x": x, "y": np.arange(3000) % 3}
    if kind == "csr":
        del arrays["x"]
        arrays |= {"x/data": x.ravel(), "x/indices": np.tile(np.arange(6), 3000), "x/indptr": np.arange(0, 18001, 6)}
    h5.write_atomic(tmp_path / "a.h5", arrays, {"format": "hpcfl", "features": 6})
    path = tmp_path / "job.toml"
    path.write_text(
        f'output = "{tmp_path}/run"\n[data]\ntrain = "{tmp_path}/a.h5"\n{JOBS[mode]}'.replace(
            "LIMIT", "0.03" if kind == "dense" else "0.06"
        )
    )
    assert main.main(["train", str(path)]) == 3
    assert "column 0: nan is not a finite number" in capsys.readouterr().err
    shutil.rmtree(tmp_path / "run")
    assert main.main(["warm", str(path)]) == 0
    assert "kernels compiled" in capsys.readouterr().out
    assert not (tmp_path / "run").exists()


@pytest.mark.long
@pytest.mark.parametrize(
    "section",
    [
        "[train]\nepochs = 1\n",
        "[train]\nepochs = 1\nbatch_size = 16\n",
        "reproducible = true\n[train]\nepochs = 1\n",
        '[train]\nepochs = 1\n[model]\nname = "mlp"\nhidden = [300, 200]\n',
        '[train]\nmode = "federated"\nrounds = 2\n[federated]\nclients = 5\nclients_per_round = 4\n',
    ],
    ids=["synchronous", "strides", "reproducible", "slices", "federated"],
)
def test_training_then_compiles_nothing(mpirun, tmp_path, section):
    h5.write_atomic(tmp_path / "a.h5", {"x": np.ones((300, 5)), "y": np.arange(300) % 2}, {"format": "hpcfl"})
    path = tmp_path / "job.toml"
    text = f'[data]\ntrain = "{tmp_path}/a.h5"\n' + '[model]\nname = "logistic"\n' * ("[model]" not in section)
    path.write_text(f'output = "{tmp_path}/run"\n{section.replace("[train]", text + "[train]")}')
    env = {"NUMBA_CACHE_DIR": str(tmp_path / "cache")}
    found = []
    for command, ranks in (("warm", 1), ("train", 2)):
        mpirun(ranks, ["-m", "hpcfl", command, str(path)], env=env, timeout=170)
        found.append({file.name for file in (tmp_path / "cache").rglob("*.nbc")})
    assert found[0]
    assert found[1] == found[0]
