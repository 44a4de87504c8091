"""What the user may say about a conversion."""

from __future__ import annotations

from dataclasses import dataclass

TASKS = ("classification", "regression", "ratings")
DTYPES = ("float32", "float64", "float16", "uint8")


@dataclass(frozen=True)
class Options:
    """Options of ``hpcfl convert``.

    Attributes
    ----------
    label : str
        Name or position of the labels, ``"none"`` for a file without them, "" to find them.
    task : str
        One of `TASKS`, or "" to judge by the labels.
    dtype : str
        One of `DTYPES`, or "" for the smallest that holds every value exactly.
    missing : {"refuse", "nan"}
        What becomes of missing values.
    """

    label: str = ""
    task: str = ""
    dtype: str = ""
    missing: str = "refuse"
