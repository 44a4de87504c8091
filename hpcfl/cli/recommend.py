"""Recommend items to a user, from a factorization's run directory."""

from __future__ import annotations

import argparse


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("run", help="run directory")
    parser.add_argument("--user", required=True, help="the user's id, as in the data")
    parser.add_argument("--top", type=int, default=10, help="number of items (default 10)")


def run(args: argparse.Namespace) -> int:
    """Print the best unseen items."""
    import sys

    from hpcfl.factorization.recommend import recommend

    found = recommend(args.run, args.user, args.top)
    if found.note:
        print(f"hpcfl: {found.note}", file=sys.stderr)
    print(f"{'item':16} score")
    for item, score in zip(found.items, found.scores, strict=True):
        print(f"{item!s:16} {score:.4f}")
    print(f"left out: {found.seen} items that user {args.user} has rated")
    return 0
