"""What the papers report holds for us: the claims of benchmarks/papers.py."""

import importlib
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))
papers = importlib.import_module("papers")
SHORT = ("fcube", "digits", "scaffold_quadratics")


@pytest.mark.parametrize("name", [n if n in SHORT else pytest.param(n, marks=pytest.mark.long) for n in papers.CLAIMS])
def test_it_holds(name, tmp_path):
    found, holds = papers.CLAIMS[name](tmp_path)
    assert holds, found
