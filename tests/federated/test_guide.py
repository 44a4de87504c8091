"""The guide beside the strategies: its file passes its own check, its job is read, its notebook trains."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

from hpcfl import config
from hpcfl.cli.main import commands
from hpcfl.matrix.runner import verdicts
from hpcfl.matrix.subject import of_file

GUIDE = Path(__file__).parents[2] / "hpcfl/strategies/README.md"
TEXT = GUIDE.read_text()
MINE, NOTEBOOK = re.findall(r"```python\n(.*?)```", TEXT, re.S)


def test_the_strategy_passes_its_check(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("mine.py").write_text(MINE)
    assert [v for v in verdicts(of_file("mine.py"), whole=False) if v.state != "ok"] == []
    assert len([line for line in MINE.splitlines() if line.strip()]) <= 20
    (table,) = re.findall(r"```toml\n(.*?)```", TEXT, re.S)
    assert config.load(tomllib.loads(table)).federated.strategy.share == 0.3


def test_the_notebook_trains(tmp_path):
    (tmp_path / "mine.py").write_text(MINE)
    done = subprocess.run(
        [sys.executable, "-c", NOTEBOOK], cwd=tmp_path, capture_output=True, text=True, timeout=200, check=False
    )
    assert done.returncode == 0, done.stderr
    lines = done.stdout.split("\n")
    assert len([line for line in lines if line]) == 8
    assert float(lines[7].split()[-1]) > 0.8


def test_the_commands_exist():
    assert set(re.findall(r"\bhpcfl (check|sweep|partition|train)\b", TEXT)) <= set(commands())
