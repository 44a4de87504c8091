"""Layout, seeding, job file: the ground that everything stands on."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from hpcfl import config, registry, seeding
from hpcfl.errors import UsageError
from hpcfl.kernels import order
from hpcfl.layout import Layout

shapes = st.dictionaries(st.text("abw", min_size=1, max_size=3), hnp.array_shapes(max_dims=3, max_side=4), max_size=5)


@given(shapes)
def test_views_cover_the_vector_and_copy_nothing(shape):
    layout = Layout(shape)
    flat = np.arange(layout.size, dtype=np.float64)
    views = layout.views(flat)
    assert all(np.shares_memory(v, flat) for v in views.values())
    parts = [v.ravel() for v in views.values()]
    np.testing.assert_array_equal(np.concatenate([*parts, np.empty(0)]), flat)


def test_penalty_leaves_biases_out():
    assert Layout({"w0": (2, 3), "b0": (3,), "w1": (3, 1), "b1": (1,)}).penalized().tolist() == [[0, 6], [9, 12]]


def test_streams_one_at_a_time_are_the_same():
    many = seeding.Streams(3, "a")
    for keys in [(0,), (5, 2), (0,), ()]:
        one, other = many.at(*keys), seeding.stream(3, "a", *keys)
        for draw in ("random", "standard_normal", "random"):
            assert getattr(one, draw)(3).tolist() == getattr(other, draw)(3).tolist()
        assert one.integers(9, dtype=np.int32) == other.integers(9, dtype=np.int32)  # half a word is left
        one.random(7)


def test_streams_depend_on_every_argument():
    draws = {seeding.stream(*a).random() for a in [(0, "a"), (1, "a"), (0, "b"), (0, "a", 1), (0, "a", 1, 2)]}
    assert len(draws) == 5
    assert seeding.stream(0, "a").random() == seeding.stream(0, "a").random()
    assert seeding.key(0, "a", 1) != seeding.key(0, "a", 11)


@given(st.integers(0, 2**63), st.integers(0, 200))
def test_permute_is_a_permutation(key, n):
    out = np.empty(n, np.int32)
    order.permute(np.uint64(key), out)
    assert sorted(out) == list(range(n))


def test_permutations_are_uniform():
    counts = np.zeros((4, 4))
    out = np.empty(4, np.int32)
    for key in range(4000):
        order.permute(np.uint64(key), out)
        counts[np.arange(4), out] += 1
    assert np.abs(counts / 4000 - 0.25).max() < 0.03


def test_known_answer_of_the_hash():
    # SplitMix64 of Vigna's reference code, seed 1234567: its first outputs.
    assert [int(order.mix(np.uint64(1234567), i)) for i in range(3)] == [
        6457827717110365317,
        3203168211198807973,
        9817491932198370423,
    ]


@pytest.mark.parametrize("mode", ["synchronous", "federated"])
def test_defaults_are_written_back(mode):
    job = config.load({"train": {"mode": mode}, "model": {"name": "mlp", "hidden": [3]}})
    table = config.dump(job)
    assert table["model"]["hidden"] == [3]
    assert table["optimizer"]["learning_rate"] == 0.1
    assert config.load(table) == job


@pytest.mark.parametrize(
    ("table", "says"),
    [
        ({"trian": {}}, "unknown key trian; did you mean 'train'"),
        ({"optimizer": {"momentun": 0.9}}, "unknown key optimizer.momentun; did you mean 'momentum'"),
        ({"optimizer": {"momentum": 1.5}}, "optimizer.momentum = 1.5"),
        ({"model": {"name": "mpl"}}, "did you mean 'mlp'"),
        ({"model": {"name": "softmax", "hidden": [3]}}, "unknown key model.hidden"),
        ({"train": {"epochs": "ten"}}, "train.epochs = 'ten': a whole number"),
        ({"train": {"epochs": True}}, "train.epochs = True: a whole number"),
        ({"train": {"batch_size": "half"}}, "a whole number or one of 'full'"),
        ({"train": {"batch_size": 0}}, "train.batch_size = 0"),
        ({"data": {"test": 1.5}}, "data.test = 1.5"),
        ({"data": {"missing": "guess"}}, "one of 'error', 'drop', 'keep'"),
        ({"optimizer": {"schedule": {"name": "step", "every": 0}}}, "optimizer.schedule.every = 0"),
        ({"train": 3}, "train must be a table"),
        ({"train": {"epochs": -1}}, "train.epochs = -1: 0 or more is needed"),
        ({"checkpoint": {"every_steps": -1}}, "checkpoint.every_steps = -1"),
        ({"comm": {"timeout": -1}}, "comm.timeout = -1"),
        ({"optimizer": {"clip_norm": -1}}, "optimizer.clip_norm = -1"),
        ({"optimizer": {"learning_rate": float("nan")}}, "optimizer.learning_rate = nan: a number is needed"),
        ({"optimizer": {"schedule": 5}}, "optimizer.schedule.name = 5: a text is needed"),
        ({"optimizer": {"name": ""}}, "there is no '' in optimizers; there are: adagrad"),
        ({"model": {"l2": -1}}, "model.l2 = -1.0: 0 or more is needed"),
        ({"model": {"name": "mlp", "l2": -1}}, "model.l2 = -1.0: 0 or more is needed"),
        ({"model": {"name": "forest"}}, "model.name = 'forest': train.mode = 'synchronous' does not train it"),
        ({"model": {"name": "als"}}, "set train.mode = 'factorization'"),
    ],
)
def test_mistakes_are_named(table, says):
    with pytest.raises(UsageError) as caught:
        config.load(table)
    assert says in str(caught.value)


def test_overrides(tmp_path):
    file = tmp_path / "job.toml"
    file.write_text('[optimizer]\nschedule = "cosine"\n')
    job = config.load(
        file, ("train.epochs=3", "optimizer.schedule.floor=0.5", "output=a/b", "model.hidden=[4]", "model.name=mlp")
    )
    assert (job.train.epochs, job.optimizer.schedule.floor, job.output, job.model.rule.hidden) == (3, 0.5, "a/b", (4,))
    with pytest.raises(UsageError, match=r"train.epochs.x=1: epochs = 3 has no keys of its own"):
        config.load(file, ("train.epochs=3", "train.epochs.x=1"))
    assert config.load(file, ("train.mode=federated", "federated.attack=none")).federated.attack is None
    file.write_text("\ufeffseed = 5\n", "utf-8")
    assert config.load(file).seed == 5
    file.write_text("[train\n")
    with pytest.raises(UsageError, match="is not TOML"):
        config.load(file)
    with pytest.raises(UsageError, match="give the path"):
        config.load(tmp_path / "none.toml")


def test_users_own_file(tmp_path):
    file = tmp_path / "mine.py"
    file.write_text(
        "class Halving:\n    every: int = 10\n    def factor(self, step, steps):\n        return 0.5 ** (step // self.every)\n"
    )
    job = config.load({"optimizer": {"schedule": {"file": str(file), "every": 5}}})
    assert job.optimizer.schedule.factor(10, 100) == 0.25
    assert config.dump(job)["optimizer"]["schedule"] == {"file": str(file), "every": 5}
    file.write_text("raise RuntimeError('no')\n")
    with pytest.raises(UsageError, match="cannot be imported"):
        config.load({"optimizer": {"schedule": {"file": str(file)}}})


def test_registry_lists_without_importing():
    assert registry.names("schedules") == ["constant", "cosine", "step"]
    with pytest.raises(UsageError, match="there is no 'cosin'"):
        registry.load("schedules", "cosin")
