"""The matrix over every part of the package, and that it finds what is wrong with a user's own."""

from importlib.resources import files

import pytest

from hpcfl import registry
from hpcfl.cli.main import main
from hpcfl.errors import UsageError
from hpcfl.matrix import subject
from hpcfl.matrix.runner import verdicts

PARTS = [
    (folder, name)
    for folder in subject.FOLDERS
    for name in registry.names(folder)
    if folder != "models" or hasattr(registry.load(folder, name), "loss_grad")
    if (folder, name) != ("aggregators", "mean")  # it sums on the way, and is no stack
]


@pytest.mark.parametrize(("folder", "name"), PARTS)
def test_every_part_passes(folder, name):
    failed = [v for v in verdicts(subject.own(folder, name), whole=False) if v.state == "FAIL"]
    assert failed == []


GOOD = '''
"""Half steps."""
from dataclasses import dataclass
from typing import ClassVar
import numpy as np
from hpcfl.federated.types import Part, Run, Strategy
from hpcfl.schema import key


@dataclass(frozen=True)
class Half(Strategy):
    """FedAvg with a memory of the client's last way."""

    share: float = key(0.5, "share of the way that is sent")
    keeps: ClassVar = {"last": "zeros"}

    def message(self, bank, me, out):
        out["dw"][:] = self.share * (bank["x"] - bank["w"]) + 0.1 * bank["last"]
        bank["last"] = bank["x"] - bank["w"]
'''


def say(tmp_path, text, capsys, *more):
    path = tmp_path / "mine.py"
    path.write_text(text)
    code = main(["check", str(path), *more])
    return code, capsys.readouterr().out


def test_a_users_strategy_passes_and_trains_on_two_ranks(tmp_path, capsys):
    code, out = say(tmp_path, GOOD, capsys)
    assert code == 0, out
    assert "checked as one of strategies" in out
    assert "ok   whole.ranks" in out
    assert "ok   whole.resumes" in out
    assert out.endswith("every check passed\n")


WRONG = {
    "clients_apart": ("out[\"dw\"][:] = self.share", "out[\"dw\"][:] = bank[\"x\"].mean(0) + self.share"),
    "frozen": ("@dataclass(frozen=True)\nclass", "@dataclass\nclass"),
    "fields": ("share: float = key(0.5", "share: float = key('0.5'"),
    "says": ('{"last": "zeros"}', '{"last": "ones"}'),
    "interface": ("def message(self, bank, me, out)", "def message(self, bank, out)"),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_is_found(name, tmp_path):
    before, after = WRONG[name]
    assert before in GOOD
    (tmp_path / "mine.py").write_text(GOOD.replace(before, after))
    failed = {v.name for v in verdicts(subject.of_file(str(tmp_path / "mine.py")), whole=False) if v.state == "FAIL"}
    assert any(name in f for f in failed), failed


OTHERS = {
    ("samplers", "range"): "class S:\n def draw(self, rows, size, round_, rng):\n  return rng.permutation(rows.size)[:size]",
    ("samplers", "deterministic"): "import numpy as np\nclass S:\n def draw(self, rows, size, round_, rng):\n"
    "  return np.sort(np.random.default_rng().choice(rows.size, min(size, rows.size), replace=False))",
    ("aggregators", "breakdown"): "class A:\n stack = True\n def needs(self):\n  return 1\n"
    " def combine(self, v, weights, last, squares):\n  return v.mean(0)",
    ("aggregators", "order"): "class A:\n stack = True\n def needs(self):\n  return 1\n"
    " def combine(self, v, weights, last, squares):\n  return v[0]",
    ("partitions", "owners"): "import numpy as np\nclass P:\n counts_clients = False\n"
    " def deal(self, label, clients, rng, column):\n  return np.zeros(label.size, np.int64)",
    ("compressors", "senders_apart"): "import numpy as np\nclass C:\n biased, contracts, additive = True, True, False\n"
    " def encode(self, v, keys, layout):\n  return (v / max(np.abs(v).max(), 1e-9), np.full((len(v), 1), np.abs(v).max()))\n"
    " def decode(self, buffers, out, layout):\n  out[:] = buffers[0] * buffers[1]",
    ("compressors", "unbiased"): "class C:\n biased, contracts, additive = False, True, True\n"
    " def encode(self, v, keys, layout):\n  return (0.5 * v,)\n def decode(self, buffers, out, layout):\n  out[:] = buffers[0]",
    ("compressors", "contracts"): "class C:\n biased, contracts, additive = True, True, True\n"
    " def encode(self, v, keys, layout):\n  return (3 * v,)\n def decode(self, buffers, out, layout):\n  out[:] = buffers[0]",
    ("compressors", "arrives"): "class C:\n biased, contracts, additive = True, False, True\n"
    " def encode(self, v, keys, layout):\n  return (v[:, :9],)\n def decode(self, buffers, out, layout):\n  out[:, :9] = buffers[0]",
    ("compressors", "additive"): "import numpy as np\nclass C:\n biased, contracts, additive = True, False, True\n"
    " def encode(self, v, keys, layout):\n  return (np.square(v),)\n def decode(self, buffers, out, layout):\n  out[:] = buffers[0] ** 0.5",
    ("attacks", "forges"): "class A:\n clients: int = 2\n poisons, sees = False, ''\n"
    " def forge(self, v, seen, keys):\n  return -v * len(v)",
    ("attacks", "poisons"): "class A:\n clients: int = 2\n poisons, sees = True, ''\n"
    " def targets(self, y, classes):\n  return y + 1",
    ("attacks", "says"): "class A:\n poisons, sees = False, ''\n def forge(self, v, seen, keys):\n  return -v",
    ("clocks", "times"): "class C:\n def seconds(self, steps, pace, luck):\n  return luck",
    ("clocks", "clients_apart"): "class C:\n def seconds(self, steps, pace, luck):\n  return steps / steps.sum()",
    ("schedules", "factor"): "class S:\n def factor(self, step, steps):\n  return -1.0",
}  # fmt: skip


@pytest.mark.parametrize(("folder", "name"), OTHERS)
def test_what_is_wrong_with_other_parts_is_found(folder, name, tmp_path):
    (tmp_path / "mine.py").write_text(OTHERS[folder, name])
    mine = subject.of_file(str(tmp_path / "mine.py"))
    assert mine.folder == folder
    assert f"{folder}.{name}" in {v.name for v in verdicts(mine, whole=False) if v.state == "FAIL"}


@pytest.mark.parametrize("part", ["compressors.top_k", "attacks.label_flip", "clocks.lognormal"])
def test_a_copy_of_our_own_passes_and_trains(part, tmp_path, capsys):
    folder, name = part.split(".")
    code, out = say(tmp_path, (files("hpcfl") / folder / f"{name}.py").read_text(), capsys)
    assert code == 0, out
    assert f"checked as one of {folder}" in out
    assert "ok   whole.ranks" in out
    assert "ok   whole.resumes" in out


def test_a_wrong_gradient_is_found(tmp_path):
    text = (
        "from dataclasses import dataclass\nfrom hpcfl.models.softmax import Softmax as _S\n\n\n"
        "@dataclass(frozen=True)\nclass Mine(_S):\n    def loss_grad(self, sparse):\n        true = super().loss_grad(sparse)\n"
        "        def wrong(w, x, y, rows, affine, spec, work, grad):\n            loss = true(w, x, y, rows, affine, spec, work, grad)\n"
        "            grad[3] += 0.01\n            return loss\n        return wrong\n"
    )
    (tmp_path / "mine.py").write_text(text)
    mine = subject.of_file(str(tmp_path / "mine.py"))
    assert mine.folder == "models"
    failed = {v.name: v.text for v in verdicts(mine, whole=False) if v.state == "FAIL"}
    assert "coordinate 3" in failed["models.gradient"]


def test_a_class_of_no_folder_is_refused(tmp_path, capsys):
    (tmp_path / "mine.py").write_text("class Mine:\n    pass\n")
    with pytest.raises(UsageError, match="has the methods of none of strategies, aggregators"):
        subject.of_file(str(tmp_path / "mine.py"))
    with pytest.raises(UsageError, match="did you mean 'samplers'"):
        subject.of_file(str(tmp_path / "mine.py"), "sampler")
    code, out = say(tmp_path, "class Mine:\n    pass\n", capsys, "--as", "schedules")
    assert code == 2
    assert "FAIL common.interface" in out
