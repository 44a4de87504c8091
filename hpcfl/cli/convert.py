"""Convert CSV, NumPy, svmlight, IDX, LEAF or ratings files to a dataset file (HDF5)."""

from __future__ import annotations

import argparse


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("source", metavar="SRC", help="file to read (a folder for LEAF); the format is found by itself")
    parser.add_argument("out", metavar="OUT.h5", help="dataset file to write")
    parser.add_argument(
        "--label",
        default="",
        help="label column by name or position (from 0; -1 is the last), array of an npz, labels file of IDX images,"
        " or 'none'; default: label, target, class or y, else the last column",
    )
    parser.add_argument("--task", default="", choices=("classification", "regression", "ratings"))
    parser.add_argument(
        "--dtype",
        default="",
        choices=("float32", "float64", "float16", "uint8"),
        help="of the features; default: the smallest that holds every value exactly",
    )
    parser.add_argument(
        "--missing", default="refuse", choices=("refuse", "nan"), help="missing values; default: refuse"
    )
    parser.add_argument(
        "--categories",
        default="columns",
        choices=("columns", "codes"),
        help="columns of texts in a CSV: one column of 0 and 1 for each text, or one of codes, for a forest;"
        " default: columns",
    )
    parser.add_argument("--overwrite", action="store_true", help="replace OUT.h5 if it exists")


def run(args: argparse.Namespace) -> int:
    """Convert, and say what was written."""
    from hpcfl.data.convert import Options, convert

    options = Options(args.label, args.task, args.dtype, args.missing, args.categories)
    draft = convert(args.source, args.out, options, args.overwrite)
    shapes = ", ".join(f"{name} {shape} {dtype}" for name, (shape, dtype) in draft.columns.items())
    task = draft.attrs.get("task", "no labels")
    classes = f" with {len(draft.attrs['classes'])} classes" if "classes" in draft.attrs else ""
    print(f"{args.out}: {task}{classes}; {shapes}")
    for note in draft.notes:
        print(f"  {note}")
    return 0
