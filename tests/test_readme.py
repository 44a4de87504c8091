"""The README tells the truth: its table is generated, its files exist, its Python runs."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from hpcfl import config, reference

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()


def test_table_of_keys_is_the_generated_one():
    table = README.partition("<!-- keys -->")[2].partition("<!-- /keys -->")[0]
    assert table.strip() == reference.markdown(), "run: hpcfl keys --markdown"


def test_every_key_is_documented():
    assert all(meaning for *_, meaning in reference.rows())


def test_named_files_exist():
    for name in re.findall(r"jobs/[\w*]+\.\w+", README):
        assert list(ROOT.glob(name)), name
    for name in re.findall(r"`((?:tests|hpcfl)/[\w/]+\.\w+)`", README + (ROOT / "hpcfl/ARCHITECTURE.md").read_text()):
        assert (ROOT / name).exists(), name


@pytest.mark.parametrize("text", re.findall(r"```toml\n(.*?)```", README, re.S))
def test_job_files_are_read(text):
    config.load(tomllib.loads(text))


@pytest.mark.parametrize("path", sorted((ROOT / "jobs").glob("*.toml")), ids=lambda p: p.name)
def test_jobs_are_read(path):
    config.load(path)


@pytest.mark.parametrize("text", re.findall(r"```python\n(.*?)```", README, re.S))
def test_python_runs(text, tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", text], cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    assert float(done.stdout.split()[-1]) > 0.9


def test_commands_exist():
    from hpcfl.cli.main import commands

    code = "\n".join(re.findall(r"```sh\n(.*?)```", README, re.S) + re.findall(r"`([^`\n]+)`", README))
    found = set(re.findall(r"\bhpcfl (\w+)", code))
    assert {"train", "convert", "evaluate"} <= found
    assert found <= set(commands())


def test_help_is_fast_and_imports_neither_mpi_nor_numba():
    code = "import sys; from hpcfl.cli.main import main\ntry: main(['--help'])\nexcept SystemExit: pass\nprint([m for m in sys.modules if m.split('.')[0] in ('numba', 'mpi4py', 'h5py', 'numpy')])"
    out = subprocess.run([sys.executable, "-X", "importtime", "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip().endswith("[]")
