"""Write a forest as a text, or as arrays that scikit-learn's trees are made of."""

from __future__ import annotations

import argparse
from typing import Any


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("run", help="run directory of a forest")
    parser.add_argument(
        "-o", "--output", required=True, help=".txt, or .npz with 'T/NAME' for array NAME of tree T's tree_"
    )


def run(args: argparse.Namespace) -> int:
    """Export and say what was written."""
    from pathlib import Path

    import numpy as np

    from hpcfl.errors import UsageError
    from hpcfl.forest.export import Export
    from hpcfl.inference import read_model

    arrays, attrs = read_model(args.run)
    if attrs["mode"] != "forest":
        raise UsageError(f"{args.run}: its mode is {attrs['mode']}; only a forest can be exported")
    out, forest = Path(args.output), Export.of(arrays, attrs)
    if out.suffix == ".txt":
        with out.open("w") as file:
            file.writelines(line + "\n" for line in forest.text())
    elif out.suffix == ".npz":
        trees = range(forest.trees.count)
        arrays_of: dict[str, Any] = {f"{t}/{name}": v for t in trees for name, v in forest.arrays(t).items()}
        np.savez_compressed(out, **arrays_of)
    else:
        raise UsageError(f"--output {out}: .txt or .npz is needed")
    print(f"{forest.trees.count} trees in {out}")
    return 0
