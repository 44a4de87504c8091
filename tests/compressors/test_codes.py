"""Compressors: what each promises, by its class, and kernels against their slow twins."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from hpcfl import compressors, registry
from hpcfl.kernels import codes, lowrank
from hpcfl.layout import Layout
from tests.reference import compressors as slow

NAMES = registry.names("compressors")
LAYOUT = Layout({"w": (9, 8), "b": (8,)})
numbers = st.floats(-1e6, 1e6, width=32)
rows = hnp.arrays(np.float32, (3, LAYOUT.size), elements=numbers)


def rule(name, **keys):
    return registry.load("compressors", name)(**keys)


def draw(seed=0, senders=3, dtype=np.float32, layout=LAYOUT):
    return np.random.default_rng(seed).standard_normal((senders, layout.size)).astype(dtype)


def sent(code, v, keys=None, lost=None, layout=LAYOUT):
    out = v.copy()
    keys = np.arange(len(v), dtype=np.uint64) if keys is None else keys
    return out, compressors.through(code, out, keys, layout, lost)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_row_is_its_own_and_its_length_known(name, dtype):
    v = draw(dtype=dtype)
    out, buffers = sent(rule(name), v)
    for c in range(3):
        alone, one = sent(rule(name), v[c : c + 1], np.array([c], np.uint64))
        assert (alone[0] == out[c]).all()
        assert compressors.row_bytes(one) == compressors.row_bytes(buffers)
    assert compressors.row_bytes(buffers) <= v[0].nbytes
    assert (compressors.row_bytes(buffers) == v[0].nbytes) == (name == "none")
    assert np.abs(out).max() > 0.1


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=30)
@given(v=rows)
def test_what_contracts_comes_nearer(name, v):
    if rule(name).contracts:
        out, _ = sent(rule(name), v)
        gap, whole = np.square(v - out, dtype=np.float64).sum(1), np.square(v, dtype=np.float64).sum(1)
        assert (gap <= whole * (1 + 1e-6)).all()


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=10)
@given(st.integers(0, 99))
def test_with_feedback_what_arrives_sums_to_what_was_sent(name, seed):
    if not rule(name).contracts:
        return
    lost, true, arrived = np.zeros((3, LAYOUT.size), np.float64), 0.0, 0.0
    for step in range(8):
        v = draw(seed + 100 * step, dtype=np.float64)
        out, _ = sent(rule(name), v, lost=lost)
        true, arrived = true + v, arrived + out
    np.testing.assert_allclose(arrived + lost, true, atol=1e-6)
    assert np.isfinite(lost).all()
    assert (np.abs(lost).max() > 1e-6) == (name != "none")


@pytest.mark.parametrize("name", [n for n in NAMES if not rule(n).contracts])
@settings(max_examples=5)
@given(st.integers(0, 99))
def test_what_is_not_biased_is_right_in_the_mean(name, seed):
    assert not rule(name).biased
    v, n = draw(seed, 1), 2000
    keys = np.random.default_rng(seed).integers(0, 2**63, n).astype(np.uint64)
    out, _ = sent(rule(name), np.repeat(v, n, 0), keys)
    error = out.astype(np.float64).mean(0) - v[0]
    assert np.abs(error).max() < 6 * out.std(0).max() / np.sqrt(n)
    assert np.abs(out[0] - v[0]).max() > 0.1 * np.abs(v).max() / 7


@pytest.mark.parametrize("name", NAMES)
def test_additive_means_that_sums_decode_to_sums(name):
    code, v = rule(name), draw()
    out = np.empty((1, LAYOUT.size), np.float32)
    buffers = [b.sum(0, keepdims=True, dtype=b.dtype) for b in code.encode(v, np.arange(3, dtype=np.uint64), LAYOUT)]
    with np.errstate(all="ignore"):
        try:
            code.decode(tuple(buffers), out, LAYOUT)
            same = np.allclose(out, sent(code, v)[0].sum(0), atol=1e-5)
        except IndexError:
            same = False
    assert same == code.additive


@given(rows)
def test_half_numbers_round_to_nearest(v):
    for name, digits in (("float16", 11), ("bfloat16", 8)):
        out, _ = sent(rule(name), v)
        top = np.abs(v).max(1, keepdims=True) * 2.0**-29 if name == "float16" else 1e-38
        assert (np.abs(out - v) <= np.maximum(np.abs(v) * 2.0**-digits, top)).all()


@given(st.lists(st.floats(-(2.0**100), 2.0**100, width=32), min_size=1, max_size=20))
def test_bfloat16_equals_its_twin(values):
    bits, out = np.array([values], np.float32).view(np.uint32), np.empty((1, len(values)), np.uint16)
    codes.bfloat16(bits, out)
    assert out[0].tolist() == [slow.bfloat16(float(v)) for v in np.array(values, np.float32)]


def test_bfloat16_keeps_what_is_not_finite():
    out = sent(rule("bfloat16"), np.array([[np.inf, -np.inf, np.nan] + [1.0] * 77], np.float32))[0]
    assert out[0, :2].tolist() == [np.inf, -np.inf]
    assert np.isnan(out[0, 2])


@given(
    hnp.arrays(
        np.float32, st.tuples(st.integers(1, 3), st.integers(1, 40)), elements=st.sampled_from([-2, -1, 0, 1, 3, 1e-3])
    ),
    st.integers(1, 40),
)
def test_top_k_keeps_the_largest_and_of_equal_ones_the_first(v, k):
    k = min(k, v.shape[1])
    index, bits = np.empty((len(v), k), np.int32), v.view(np.uint32)
    codes.largest(bits, np.uint32(0x7FFFFFFF), np.empty(v.shape[1], np.uint32), index)
    assert index.tolist() == [slow.largest(row.tolist(), k) for row in v]


@given(st.integers(0, 2**64 - 1), st.integers(1, 30), st.data())
def test_pick_equals_its_twin(key, n, data):
    k = data.draw(st.integers(1, n))
    index = np.empty((1, k), np.int32)
    codes.pick(np.array([key], np.uint64), np.empty(n, np.int32), index)
    assert index[0].tolist() == slow.pick(key, n, k)
    assert len(set(index[0].tolist())) == k


@pytest.mark.parametrize("bits", [2, 4, 8])
def test_qsgd_equals_its_twin(bits):
    v = draw(3)
    out, buffers = sent(rule("qsgd", bits=bits, bucket=17), v)
    want = [slow.quantize(row, c, 17, 2 ** (bits - 1) - 1) for c, row in enumerate(v)]
    np.testing.assert_allclose(out, want, rtol=1e-6)
    assert compressors.row_bytes(buffers) == 4 * 5 + 80 * bits // 8


@given(hnp.arrays(np.uint8, (2, 13), elements=st.integers(0, 3)), st.sampled_from([2, 4, 8]))
def test_unpack_undoes_pack(wide, bits):
    packed, out = np.empty((2, -(-13 * bits // 8)), np.uint8), np.empty_like(wide)
    codes.pack(wide, bits, packed)
    codes.unpack(packed, bits, out)
    assert (out == wide).all()


def test_sign_sends_signs_and_a_mean_an_array():
    v = draw(1)
    out, buffers = sent(rule("signsgd"), v)
    assert (np.sign(out) == np.sign(v)).all()
    np.testing.assert_allclose(np.abs(out[:, :72]), np.abs(v[:, :72]).mean(1, keepdims=True).repeat(72, 1), rtol=1e-6)
    assert compressors.row_bytes(buffers) == 10 + 2 * 4


@settings(max_examples=10)
@given(st.integers(0, 99), st.integers(1, 3))
def test_powersgd_is_exact_for_a_matrix_of_its_rank(seed, rank):
    rng = np.random.default_rng(seed)
    v = draw(seed, dtype=np.float64)
    v[:, :72] = (rng.standard_normal((3, 9, rank)) @ rng.standard_normal((3, rank, 8))).reshape(3, -1)
    out, buffers = sent(rule("powersgd", rank=rank), v)
    np.testing.assert_allclose(out, v, atol=1e-9)
    assert compressors.row_bytes(buffers) == 8 * (17 * rank + 8)
    assert (sent(rule("powersgd", rank=8), v)[0] == v).all()  # whole, since factors would be longer


def test_low_rank_equals_its_twin_and_shuns_what_is_not_there():
    rng = np.random.default_rng(0)
    matrix, right = rng.standard_normal((2, 7, 5)), rng.standard_normal((2, 3, 5))
    left, found, start = np.empty((2, 3, 7)), np.empty_like(matrix), right.copy()
    lowrank.factor(matrix, 2, right, left)
    lowrank.expand(left, right, found)
    np.testing.assert_allclose(found, [slow.low_rank(m, s, 2) for m, s in zip(matrix, start, strict=True)], atol=1e-10)
    one = np.outer(np.arange(7.0), np.arange(5.0))[None]
    lowrank.factor(one, 2, start[:1], left[:1])
    lowrank.expand(left[:1], start[:1], found[:1])
    np.testing.assert_allclose(found[:1], one, atol=1e-9)
    assert np.linalg.matrix_rank(left[0]) == 1
