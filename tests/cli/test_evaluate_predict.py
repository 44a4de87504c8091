"""`hpcfl evaluate` and `hpcfl predict` on models made by hand, and after a real training."""

import csv
import json
from pathlib import Path

import h5py
import numpy as np
import pytest
from sklearn import metrics

D = 64
N = 9000  # three blocks of D features
RNG = np.random.default_rng(3)
W = {k: RNG.normal(size=(D + 1, k)) / 8 for k in (1, 3)}  # weights, then biases
INSECTS, ANSWERS = ("ant", "bee", "cow"), ("no", "yes")

# Several commands in one launch: each rank runs them all, rank 0 tells their exit codes.
SESSION = """
import json
from hpcfl.cli.main import main
from hpcfl.comm.communicator import world
codes = []
for argv in {commands!r}:
    codes.append(main(argv))
if world().rank == 0:
    print("codes", json.dumps(codes))
"""


def session(mpirun, n, commands, cwd):
    """Return (lines of stdout, exit codes, lines of stderr) of the commands on n ranks."""
    done = mpirun(n, SESSION.format(commands=commands), cwd=cwd, timeout=120)
    *lines, codes = done.stdout.splitlines()
    ours = [line for line in done.stderr.splitlines() if line.startswith("hpcfl: ")]
    return lines, json.loads(codes.removeprefix("codes")), ours


def make_run(folder, name, k, task="classification", classes=(), **data):
    """Write a run directory with the model `name` of `k` raw outputs."""
    run = folder / f"{name}{''.join(data)}"
    run.mkdir()
    with h5py.File(run / "model.h5", "w") as file:
        file["w"], file["affine"] = W[k].ravel(), np.empty((2, 0))
        file.attrs["job"] = json.dumps({"model": {"name": name, "dtype": "float64"}, "data": data})
        file.attrs["classes"] = json.dumps(list(classes))
        file.attrs.update({"task": task, "features": D, "outputs": k, "mode": "synchronous"})


def write(path, x, classes=(), **columns):
    """Write a dataset file: dense `x`, or CSR where it is given as (data, indices, indptr)."""
    with h5py.File(path, "w") as file:
        if isinstance(x, tuple):
            file["x/data"], file["x/indices"], file["x/indptr"] = x
        else:
            file["x"] = x
        for name, values in columns.items():
            file[name] = values
        if classes:
            file.attrs["classes"] = json.dumps(list(classes))


def value(x, k=1):
    return x.astype(np.float64) @ W[k][:D] + W[k][D]


def softmax(x):
    e = np.exp(value(x, 3) - value(x, 3).max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def csr(x):
    r, c = np.nonzero(x)
    return x[r, c], c.astype(np.int32), np.searchsorted(r, np.arange(len(x) + 1))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Return a folder with runs of all models and files that fit them, and their values."""
    folder, rng = tmp_path_factory.mktemp("fits"), np.random.default_rng(0)
    make_run(folder, "softmax", 3, classes=INSECTS)
    make_run(folder, "softmax", 3, classes=INSECTS, missing="drop")
    make_run(folder, "logistic", 1, classes=ANSWERS)
    make_run(folder, "svm", 1, classes=ANSWERS)
    make_run(folder, "linear", 1, "regression")
    v = {"x": rng.normal(size=(N, D)).astype(np.float32), "weight": rng.random(N), "y": rng.integers(0, 3, N)}
    write(folder / "insects.h5", v["x"], y=v["y"], weight=v["weight"])
    v["few"] = np.where(rng.random((400, D)) < 0.8, 0, v["x"][:400])
    # cow, ant, bee are the file's 0, 1, 2: the model's 2, 0, 1.
    write(folder / "sparse.h5", csr(v["few"]), ("cow", "ant", "bee"), y=(v["y"][:400] + 1) % 3)
    v["z"] = value(v["x"])[:, 0]
    v["answer"] = (v["z"] + rng.normal(size=N) > 0).astype(int)
    write(folder / "answers.h5", v["x"], y=v["answer"])
    v["target"] = v["z"] + 0.1 * rng.normal(size=N)
    write(folder / "values.h5", v["x"], y=v["target"])
    holed = v["x"][:50].copy()
    holed[7, 3] = np.nan
    write(folder / "holed.h5", holed, y=v["y"][:50])
    v["small"] = rng.integers(0, 4, (20, D))
    for kind in ("uint8", "float16"):
        write(folder / f"{kind}.h5", v["small"].astype(kind))
    return folder, v


EVALUATED = {
    "softmax": "insects", "sparse": "sparse", "logistic": "answers", "svm": "answers",
    "linear": "values", "softmaxmissing": "holed",
}  # fmt: skip


@pytest.fixture(scope="module")
def found(mpirun, folder):
    """Return {ranks: {run: metrics}} of `EVALUATED`, and write the predictions p{ranks}-*."""
    out = {}
    for n in (1, 2, 3, 4):
        measure = [
            ["evaluate", "softmax" if run == "sparse" else run, "--data", f"{data}.h5", "--json"]
            for run, data in EVALUATED.items()
        ]
        files = [("softmax", "insects", "h5"), ("softmax", "insects", "csv"), ("svm", "uint8", "csv")]
        files += [("softmax", "uint8", "h5"), ("softmax", "float16", "h5"), ("linear", "values", "csv")]
        files += [("linear", "values", "h5")]
        write_all = [["predict", r, f"{d}.h5", "-o", f"p{n}-{r}-{d}.{s}"] for r, d, s in files]
        lines, codes, errors = session(mpirun, n, measure + write_all, folder[0])
        assert set(codes) == {0}, errors
        assert lines[len(measure)] == f"{N} predictions in p{n}-softmax-insects.h5"
        out[n] = dict(zip(EVALUATED, map(json.loads, lines[: len(measure)]), strict=True))
    return out


@pytest.mark.parametrize("n", [2, 3, 4])
def test_metrics_are_the_same_on_any_ranks(found, n):
    assert found[n] == found[1]


def test_classes_with_weights(found, folder):
    v, one = folder[1], found[1]["softmax"]
    p, kw = softmax(v["x"]), {"sample_weight": v["weight"]}
    assert one["accuracy"] == pytest.approx(metrics.accuracy_score(v["y"], p.argmax(1), **kw), rel=1e-12)
    assert one["log_loss"] == pytest.approx(metrics.log_loss(v["y"], p, **kw), rel=1e-12)
    np.testing.assert_allclose(one["confusion"], metrics.confusion_matrix(v["y"], p.argmax(1), **kw), rtol=1e-12)


def test_two_classes_and_scores(found, folder):
    v, logistic, svm = folder[1], found[1]["logistic"], found[1]["svm"]
    auc = metrics.roc_auc_score(v["answer"], v["z"])
    assert logistic["auc"] == pytest.approx(auc, abs=1e-12)
    assert svm["auc"] == pytest.approx(auc, abs=1e-12)
    assert logistic["log_loss"] == pytest.approx(metrics.log_loss(v["answer"], 1 / (1 + np.exp(-v["z"]))), rel=1e-9)
    assert "log_loss" not in svm


def test_values(found, folder):
    v, one = folder[1], found[1]["linear"]
    assert one["rmse"] == pytest.approx(metrics.root_mean_squared_error(v["target"], v["z"]), rel=1e-10)
    assert one["r2"] == pytest.approx(metrics.r2_score(v["target"], v["z"]), rel=1e-10)


def test_sparse_rows_and_classes_in_another_order(found, folder):
    v, one = folder[1], found[1]["sparse"]
    p, y = softmax(v["few"]), v["y"][:400]
    assert one["confusion"] == metrics.confusion_matrix(y, p.argmax(1)).tolist()
    assert one["log_loss"] == pytest.approx(metrics.log_loss(y, p), rel=1e-12)


def test_rows_that_the_job_drops(found, folder):
    v, keep = folder[1], np.arange(50) != 7
    right = softmax(v["x"][:50][keep]).argmax(1) == v["y"][:50][keep]
    assert np.sum(found[1]["softmaxmissing"]["confusion"]) == 49
    assert found[1]["softmaxmissing"]["accuracy"] == np.mean(right)


@pytest.mark.usefixtures("found")
@pytest.mark.parametrize("suffix", ["h5", "csv"])
def test_predictions_are_in_order_and_the_same_on_any_ranks(folder, suffix):
    p, first = softmax(folder[1]["x"]), read(folder[0] / f"p1-softmax-insects.{suffix}")
    label = p.argmax(1) if suffix == "h5" else np.array(INSECTS)[p.argmax(1)]
    assert (first[0] == label).all()
    np.testing.assert_allclose(first[1], p, rtol=1e-10)
    for n in (2, 3, 4):
        other = read(folder[0] / f"p{n}-softmax-insects.{suffix}")
        assert (other[0] == first[0]).all()
        assert (other[1] == first[1]).all()
    assert not list(folder[0].glob(".*"))


def read(path: Path):
    """Return (predictions, outputs) of a file that `hpcfl predict` wrote."""
    if path.suffix == ".csv":
        head, *lines = csv.reader(path.open())
        assert head == ["prediction", *(f"probability_{name}" for name in INSECTS)]
        return np.array([line[0] for line in lines]), np.array([line[1:] for line in lines], float)
    with h5py.File(path) as file:
        assert json.loads(file.attrs["classes"]) == list(INSECTS)
        return file["prediction"][:], file["outputs"][:]


@pytest.mark.usefixtures("found")
def test_predicted_values_and_scores(folder):
    head, *lines = (folder[0] / "p2-linear-values.csv").read_text().splitlines()
    assert head == "prediction"
    np.testing.assert_allclose(np.array(lines, float), folder[1]["z"], rtol=1e-9, atol=1e-12)
    with h5py.File(folder[0] / "p2-linear-values.h5") as file:
        assert file["prediction"][:].tolist() == [float(v) for v in lines]
        assert file["outputs"].shape == (N, 1)
    assert (folder[0] / "p2-svm-uint8.csv").read_text().startswith("prediction,score_no,score_yes\n")


@pytest.mark.usefixtures("found")
def test_features_in_bytes_and_half_precision(folder):
    for kind in ("uint8", "float16"):
        outputs = read(folder[0] / f"p1-softmax-{kind}.h5")[1]
        np.testing.assert_allclose(outputs, softmax(folder[1]["small"]), rtol=1e-10)


ERRORS = (
    (2, "no such run directory", ["evaluate", "nowhere", "--data", "d.h5"]),
    (2, "no model.h5", ["predict", "empty", "d.h5", "-o", "o.h5"]),
    (3, "none.h5: no such file", ["evaluate", "softmax", "--data", "none.h5"]),
    (3, "d.h5: no dataset 'y'", ["evaluate", "softmax", "--data", "d.h5"]),
    (3, "narrow.h5 has 5 features", ["predict", "softmax", "narrow.h5", "-o", "o.h5"]),
    (3, "class 'dog' is none of the model's", ["evaluate", "softmax", "--data", "classes.h5"]),
    (3, "label.h5: row 6750: label 3, the model knows 0 to 2", ["evaluate", "softmax", "--data", "label.h5"]),
    (2, "must end in .h5 or .csv", ["predict", "softmax", "d.h5", "-o", "o.txt"]),
    (2, "no folder away", ["predict", "softmax", "d.h5", "-o", "away/o.h5"]),
    (2, "-o d.h5 is what the predictions are made from", ["predict", "softmax", "d.h5", "-o", "d.h5"]),
    (2, "-o softmax/model.h5 is what", ["predict", "softmax", "d.h5", "-o", "softmax/model.h5"]),
    (3, "nan.h5: row 8999, column 1", ["predict", "softmax", "nan.h5", "-o", "o.h5"]),
    (2, "give --data FILE", ["evaluate", "lineartest"]),
)


def test_errors_are_one_line_each_and_leave_no_file(mpirun, tmp_path):
    (tmp_path / "empty").mkdir()
    make_run(tmp_path, "softmax", 3, classes=INSECTS)
    make_run(tmp_path, "linear", 1, "regression", test="none")
    x = np.zeros((N, D), np.float32)
    write(tmp_path / "d.h5", x)
    write(tmp_path / "narrow.h5", x[:, :5])
    write(tmp_path / "classes.h5", x, ("ant", "dog"), y=np.zeros(N, int))
    write(tmp_path / "label.h5", x, y=3 * (np.arange(N) == 6750))
    x[8999, 1] = np.nan
    write(tmp_path / "nan.h5", x)
    before = set(tmp_path.iterdir())
    _, codes, errors = session(mpirun, 2, [argv for _, _, argv in ERRORS], tmp_path)
    assert len(errors) == len(ERRORS), errors
    assert codes == [code for code, _, _ in ERRORS], errors
    for _, text, _ in ERRORS:
        assert sum(text in line for line in errors) == 1, (text, errors)
    assert set(tmp_path.iterdir()) == before
    alone = mpirun(3, ["-m", "hpcfl", *ERRORS[2][2]], check=False, cwd=tmp_path)
    assert alone.returncode == 3, alone.stderr


def test_own_test_rows_after_training(mpirun, tmp_path):
    (tmp_path / "job.toml").write_text('output = "run"\n[model]\nname = "softmax"\n[train]\nepochs = 2\n')
    own, whole = ["evaluate", "run", "--json"], ["evaluate", "run", "--json", "--data", "sample:digits"]
    two, _, _ = session(mpirun, 2, [["train", "job.toml"], own, whole, ["evaluate", "run"]], tmp_path)
    three, _, _ = session(mpirun, 3, [own], tmp_path)
    last = json.loads((tmp_path / "run" / "log.jsonl").read_text().splitlines()[-1])["test"]
    measured = [json.loads(line) for line in two + three if line.startswith("{")]
    for result in (measured[0], measured[2]):
        assert result["confusion"] == last["confusion"]
        assert result["log_loss"] == pytest.approx(last["log_loss"], rel=1e-6)
    assert np.sum(measured[1]["confusion"]) == 1797
    assert f"accuracy           {last['accuracy']:#.6g}" in two
    assert two[-1].split() == ["9", *(str(v) for v in last["confusion"][9])]
