"""Exported arrays, put into scikit-learn's own trees, predict what hpcfl predicts."""

import argparse

import numpy as np
import pytest
from sklearn.datasets import make_classification, make_regression
from sklearn.tree._tree import Tree

from hpcfl.cli import export
from tests.forest.test_train import train

NODE = np.dtype(Tree(1, np.array([1], np.intp), 1).__getstate__()["nodes"].dtype)


def sklearn_tree(arrays, t, features):
    """Return scikit-learn's tree made of the exported arrays of tree t."""
    value = np.ascontiguousarray(arrays[f"{t}/value"])
    nodes = np.zeros(len(value), NODE)
    names = {"left_child": "children_left", "right_child": "children_right"}
    for name in ("left_child", "right_child", "feature", "threshold", "missing_go_to_left"):
        nodes[name] = arrays[f"{t}/{names.get(name, name)}"]
    tree = Tree(features, np.array([value.shape[2]], np.intp), 1)
    tree.__setstate__({"max_depth": 99, "node_count": len(nodes), "nodes": nodes, "values": value})
    return tree


@pytest.mark.parametrize("classes", [0, 2, 3])
@pytest.mark.parametrize("how", ["trees", "federated"])
def test_arrays_are_scikit_learns_trees(tmp_path, classes, how):
    if classes:
        x, y = make_classification(300, 6, n_informative=4, n_classes=classes, random_state=0)
    else:
        x, y = make_regression(300, 6, random_state=0)
    x = x.astype(np.float32)
    x[np.random.default_rng(0).random(x.shape) < 0.1] = np.nan
    _, out, run = train(tmp_path, x, y, x, y, trees=5, distribute=how, missing="keep")
    assert export.run(argparse.Namespace(run=run, output=str(tmp_path / "f.npz"))) == 0
    arrays = np.load(tmp_path / "f.npz")
    theirs = np.mean([sklearn_tree(arrays, t, 6).predict(x)[:, :] for t in range(5)], axis=0)
    np.testing.assert_allclose(theirs.reshape(out.shape), out, rtol=1e-5, atol=1e-7)


def test_text_has_every_node(tmp_path):
    x, y = make_classification(200, 5, random_state=0)
    _, _, run = train(tmp_path, x, y, x, y, trees=3, max_depth=3)
    export.run(argparse.Namespace(run=run, output=str(tmp_path / "f.txt")))
    lines = (tmp_path / "f.txt").read_text().splitlines()
    assert lines[0] == "tree 0"
    splits = sum("<=" in line for line in lines)
    assert splits > 9
    assert sum("value" in line for line in lines) == splits + 3
