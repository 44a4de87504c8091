"""Data files for the tests of trainers: small, not degenerate, with a known answer where one exists."""

from pathlib import Path

import h5py
import numpy as np

CASES = {
    "linear": ("regression.h5", {"name": "linear", "l2": 0.01}),
    "logistic": ("binary.h5", {"name": "logistic", "l2": 0.01}),
    "svm": ("binary.h5", {"name": "svm", "l2": 0.01}),
    "softmax": ("classes.h5", {"name": "softmax", "l2": 0.01}),
    "logistic-csr": ("sparse.h5", {"name": "logistic"}),
    "softmax-csr": ("sparse-classes.h5", {"name": "softmax"}),
    "mlp": ("classes.h5", {"name": "mlp", "hidden": [16, 8], "l2": 0.001}),
    "mlp-tanh": ("regression.h5", {"name": "mlp", "hidden": [8], "activation": "tanh"}),
}


def make(folder: Path, n: int = 701, d: int = 12) -> None:
    """Write the files of CASES."""
    rng = np.random.default_rng(7)
    x = (rng.standard_normal((n, d)) * rng.uniform(0.5, 3, d) + rng.standard_normal(d)).astype(np.float32)
    noise = rng.standard_normal(n)
    score = (x - x.mean(0)) / x.std(0) @ rng.standard_normal((d, 4))
    write(folder / "regression.h5", x, score[:, 0] + 0.1 * noise)
    write(folder / "binary.h5", x, (score[:, 0] + noise > 0).astype(np.int64))
    write(folder / "classes.h5", x, (score + rng.gumbel(size=score.shape)).argmax(1))
    held = rng.random(x.shape) < 0.3
    write_csr(folder / "sparse.h5", np.where(held, x, 0), (score[:, 0] + noise > 0).astype(np.int64))
    write_csr(folder / "sparse-classes.h5", np.where(held, x, 0), score.argmax(1))


def write(path: Path, x: np.ndarray, y: np.ndarray, **more: np.ndarray) -> Path:
    """Write a plain dense file."""
    with h5py.File(path, "w") as file:
        file["x"], file["y"] = x, y
        for name, values in more.items():
            file[name] = values
    return path


def write_csr(path: Path, x: np.ndarray, y: np.ndarray) -> Path:
    """Write the non-zeros of `x` as CSR."""
    held = x != 0
    with h5py.File(path, "w") as file:
        file["x/data"], file["x/indices"] = x[held], np.nonzero(held)[1].astype(np.int32)
        file["x/indptr"] = np.concatenate([[0], held.sum(1).cumsum()]).astype(np.int64)
        file["y"] = y
        file.attrs["features"] = x.shape[1]
    return path


def job(folder: Path, case: str, output: str, **keys: object) -> dict:
    """Return a job table of a case; keys are `section__key`."""
    file, model = CASES[case]
    table: dict = {
        "output": str(folder / output),
        "data": {"train": str(folder / file), "standardize": "csr" not in case},
        "model": dict(model),
        "optimizer": {"learning_rate": 0.1, "momentum": 0.9},
        "train": {"epochs": 3, "batch_size": 128},
    }
    for name, value in keys.items():
        section, _, key = name.rpartition("__")
        (table[section] if section else table)[key] = value
    return table
