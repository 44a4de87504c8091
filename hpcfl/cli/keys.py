"""List the keys of a job file, with types, defaults and meaning."""

from __future__ import annotations

import argparse


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("word", nargs="?", default="", help="show only the keys that hold this word")
    parser.add_argument("--markdown", action="store_true", help="print the table of the README")


def run(args: argparse.Namespace) -> int:
    """Print the table."""
    from hpcfl import reference

    if args.markdown:
        print(reference.markdown())
        return 0
    for key, kind, default, meaning in reference.rows():
        if args.word in key:
            print(f"{key.strip('`'):44} {default.strip('`'):18} {meaning} ({kind})")
    return 0
