"""The house rules, read from the source: imports point down, each library has one home."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1] / "hpcfl"
LAYERS = [
    {"errors", "layout", "seeding", "machine", "strict_json"},
    {"registry"},
    {"schema"},
    {"sections"},
    {"config"},
    {"kernels"},
    {"comm"},
    {"data"},
    {"models", "optimizers", "schedules", "strategies", "aggregators", "partitions", "samplers", "clocks"}
    | {"attacks", "compressors", "preprocess", "metrics"},
    {"federated", "forest", "factorization", "callbacks", "report"},
    {"inference", "bench", "trainers", "reference"},
    {"sweep", "matrix"},
    {"cli"},
]
PART_HELPERS = {("strategies", "federated")}  # a strategy is written in the types of federated rounds
HOMES = {"numba": "kernels", "mpi4py": "comm", "h5py": "data", "llvmlite": "kernels"}
FILES = sorted(ROOT.rglob("*.py"))


def home(path: Path) -> str:
    return path.relative_to(ROOT).parts[0].removesuffix(".py")


def level(name: str) -> int:
    return next((i for i, layer in enumerate(LAYERS) if name in layer), -1)


def imports(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {a.name for a in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module} | {f"{node.module}.{a.name}" for a in node.names if node.module == "hpcfl"}
    return found


def test_every_folder_has_a_layer():
    names = {home(f) for f in FILES} - {"__init__", "__main__"}
    assert {n for n in names if level(n) < 0} == set()


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(ROOT)))
def test_imports_point_down(path):
    mine = home(path)
    if mine in ("__init__", "__main__"):
        return
    for name in imports(path):
        top, _, rest = name.partition(".")
        if top in HOMES:
            assert mine == HOMES[top], f"{top} belongs to hpcfl/{HOMES[top]}"
        if top == "hpcfl" and rest:
            other = rest.split(".")[0]
            if other != mine and level(other) >= 0 and (mine, other) not in PART_HELPERS:
                assert level(other) < level(mine), f"{mine} imports {other}, which is not below it"


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(ROOT)))
def test_one_idea_per_file(path):
    text = path.read_text()
    assert len(text.splitlines()) <= 250
    assert ast.get_docstring(ast.parse(text)), "each file says in its docstring what it is"
