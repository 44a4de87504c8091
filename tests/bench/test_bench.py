"""``hpcfl bench``: every figure is there and possible, on one rank and on two."""

import json

import numpy as np
import pytest

from hpcfl.bench import Figure
from hpcfl.cli.bench import line
from hpcfl.data import h5


@pytest.mark.parametrize("n", [1, 2])
def test_figures(mpirun, tmp_path, n):
    h5.write_atomic(tmp_path / "own.h5", {"x": np.ones((3000, 40))}, {"format": "hpcfl", "version": 1})
    file = ["--file", str(tmp_path / "own.h5")] if n == 2 else []
    done = mpirun(n, ["-m", "hpcfl", "bench", "--json", "--folder", str(tmp_path), *file], timeout=110)
    found = [json.loads(text) for text in done.stdout.splitlines() if text.startswith("{")]
    topics = {"kernels", "reading"} | ({f"sums over {n} ranks"} if n > 1 else set())
    assert {f["topic"] for f in found} == topics
    assert all(f["value"] > 0 for f in found)
    shares = [f["share"] for f in found if f["share"] is not None]
    assert len(shares) == 6
    assert all(share > 0 for share in shares)  # how large is for a quiet machine to say
    assert [p.name for p in tmp_path.iterdir()] == ["own.h5"]


def test_table_says_the_topic_once():
    figure = Figure("sums", "64 B", 3.14159, "us", 0.5, "the best")
    assert line(figure, "") == "sums\n" + line(figure, "sums")
    assert line(figure, "sums").split() == ["64", "B", "3.142", "us", "50%", "of", "the", "best"]
