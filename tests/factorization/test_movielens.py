"""MovieLens-100K's files (u1.base, u1.test) from the command line: what is odd in them is said."""

import json

from hpcfl.cli import main

BASE = """1\t10\t5\t874965758
1\t20\t3\t876893171
2\t10\t4\t888550871
2\t30\t1\t888550872
3\t20\t2\t889237004
3\t30\t4\t889237005
1\t10\t1\t889237006
"""
TEST = "1\t30\t2\t874965700\n9\t10\t4\t874965701\n2\t40\t3\t874965702\n"


def test_a_split_of_movielens(tmp_path, capsys):
    (tmp_path / "u1.base").write_text(BASE)
    (tmp_path / "u1.test").write_text(TEST)
    for part in ("base", "test"):
        argv = ["convert", str(tmp_path / f"u1.{part}"), str(tmp_path / f"{part}.h5"), "--task", "ratings"]
        assert main.main(argv) == 0
    assert "pairs rated more than once: 1 earlier ratings dropped" in capsys.readouterr().out
    job = tmp_path / "job.toml"
    job.write_text(
        f'output = "{tmp_path}/run"\n[data]\ntrain = "{tmp_path}/base.h5"\ntest = "{tmp_path}/test.h5"\n'
        '[model]\nname = "als"\nrank = 2\n[train]\nmode = "factorization"\niterations = 3\n'
    )
    assert main.main(["train", str(job)]) == 0
    out = capsys.readouterr().out
    assert "note: 1 test ratings are of users that training never saw" in out
    assert "note: 1 test ratings are of items that training never saw" in out
    summary = json.loads((tmp_path / "run" / "summary.json").read_text())
    assert (summary["rows"], summary["test_rows"]) == (6, 3)
    assert 0 < summary["final"]["test"]["rmse"] < 3
