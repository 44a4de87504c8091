"""Benchmarks: figures are taken in turn, and their lines become a picture."""

import json
import subprocess
import sys
from itertools import count
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[2] / "benchmarks"
LINES = [
    {"machine": "any", "cores": 2},
    {"case": "rows/s", "peer": "other", "ratio": 5.0, "least": 4.0, "most": 6.5, "runs": 3, "target": 4.0},
    {"case": "seconds", "ratio": 0.8, "least": 0.7, "most": 0.9, "runs": 3, "at most": 1.3},
    {"case": "no aim", "peer": "other", "ratio": 2.0, "target": None},
    {"case": "many rows", "peak_MB": 500.0, "at most": 625.0},
]


@pytest.fixture
def pairs(monkeypatch):
    monkeypatch.syspath_prepend(str(FOLDER))
    import pairs

    monkeypatch.setattr(pairs, "PRINTED", [])
    return pairs


def test_figures_in_turn(pairs, capsys):
    """Ours and the peer alternate; the first of each is not counted."""
    made, ours, theirs = [], count(10, 10), count(1)

    def take(name, figures):
        made.append(name)
        return float(next(figures))

    pairs.compare("rows/s", lambda: take("ours", ours), {"peer": lambda: take("peer", theirs)}, {"peer": 2.0}, 3)
    assert made == ["ours", "peer"] * 4
    line = json.loads(capsys.readouterr().out)
    assert line == pairs.PRINTED[0]
    assert line == {
        "case": "rows/s", "peer": "peer", "ours": 30.0, "theirs": 3.0, "ratio": 10.0, "least": 10.0, "most": 10.0,
        "runs": 3, "target": 2.0,
    }  # fmt: skip


def test_ratios_are_drawn(pairs, monkeypatch, tmp_path):
    from hpcfl.report import picture

    drawn = []
    monkeypatch.setattr(picture, "save", lambda figure, path: drawn.append(figure))
    pairs.PRINTED.extend(LINES)
    pairs.plot(tmp_path / "ratios.svg")
    (axis,) = drawn[0].axes
    assert [label.get_text() for label in axis.get_yticklabels()] == ["rows/s / other", "seconds", "no aim / other"]
    assert axis.get_xscale() == "log"
    aims = {
        made.get_label(): made.get_segments()[0][0].tolist() for made in axis.collections if "aimed" in made.get_label()
    }
    assert aims == {"aimed at, at least": [4.0, -0.4], "aimed at, at most": [1.3, 0.6]}
    low, high = next(made.get_segments()[0] for made in axis.collections if "aimed" not in made.get_label())
    assert (low[0], high[0]) == (4.0, 6.5)


def test_kept_lines_are_drawn(tmp_path):
    (tmp_path / "lines.jsonl").write_text("\n".join(["a warning", *map(json.dumps, LINES)]))
    for name, more in {"a.svg": [], "a.png": ["--value", "peak_MB"]}.items():
        command = [sys.executable, str(FOLDER / "plots.py"), "lines.jsonl", name, *more]
        subprocess.run(command, check=True, cwd=tmp_path)
    assert "<svg" in (tmp_path / "a.svg").read_text()
    assert (tmp_path / "a.png").read_bytes()[:4] == b"\x89PNG"
    command = [sys.executable, str(FOLDER / "plots.py"), "lines.jsonl", "b.svg", "--value", "none"]
    done = subprocess.run(command, check=False, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 1
    assert "no line has the figure 'none'" in done.stderr
