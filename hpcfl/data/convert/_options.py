"""What the user may say about a conversion."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from hpcfl.errors import UsageError

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
    categories : {"columns", "codes"}
        What becomes of a column of texts: a column of 0 and 1 for each, or one of their numbers.
    """

    label: str = ""
    task: str = ""
    dtype: str = ""
    missing: str = "refuse"
    categories: str = "columns"

    def refuse_label(self, path: Path) -> None:
        """Refuse a label column for a format that says itself what the labels are.

        Raises
        ------
        UsageError
            If ``label`` is anything but "" or ``"none"``.
        """
        if self.label not in ("", "none"):
            raise UsageError(
                f"--label {self.label}: {path} says itself what its labels are; leave it out, or --label none"
            )
