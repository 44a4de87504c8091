"""Check a part of your own: the shared test matrix of its folder (strategies, models, ...) on your file."""

from __future__ import annotations

import argparse


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    from hpcfl.matrix.subject import FOLDERS

    parser.add_argument("file", help="Python file with one public class, as in strategy = { file = ... }")
    parser.add_argument(
        "--as", dest="folder", default="", metavar="FOLDER", help=f"what it is: one of {', '.join(FOLDERS)}"
    )


def run(args: argparse.Namespace) -> int:
    """Print a line a check; exit code 2 if one fails."""
    from hpcfl.matrix.runner import verdicts
    from hpcfl.matrix.subject import of_file

    subject = of_file(args.file, args.folder)
    print(f"{args.file}: {subject.cls.__name__}, checked as one of {subject.folder}", flush=True)
    failed = 0
    for state, name, text in verdicts(subject):
        failed += state == "FAIL"
        print(f"{state:4} {name:28} {text}", flush=True)
    print(f"{failed} checks failed" if failed else "every check passed")
    return 2 if failed else 0
