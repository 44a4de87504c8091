"""Files of predictions, HDF5 or CSV, written block by block in the order of the rows."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from hpcfl.data import h5
from hpcfl.errors import UsageError

Append = Callable[[list[np.ndarray]], None]


@dataclass(frozen=True)
class Head:
    """What all rows share: their number, outputs per row, the classes' names, what outputs are."""

    rows: int
    outputs: int
    classes: tuple[str, ...]
    meaning: str = "probability"

    def labels(self, outputs: np.ndarray) -> np.ndarray:
        """Return the predictions (n,): class labels as int64, or values as float64."""
        return outputs.argmax(axis=1) if self.classes else outputs[:, 0].astype(np.float64)


class Hdf5:
    """`prediction` (n,), class labels or values; `outputs` (n, k); classes as an attribute."""

    def __init__(self, path: Path, head: Head) -> None:
        self.path, self.head = path, head

    def encode(self, outputs: np.ndarray) -> list[np.ndarray]:
        """Return the vectors that stand for a block of outputs (n, k); any rank may do so."""
        return [self.head.labels(outputs), outputs.astype(np.float64).reshape(-1)]

    @contextmanager
    def open(self) -> Iterator[Append]:
        """Give a function that appends encoded blocks; the file appears at the end, or never."""
        head, done = self.head, 0
        with h5.atomic(self.path) as file:
            kind = np.int64 if head.classes else np.float64
            labels = file.create_dataset("prediction", (head.rows,), kind)
            values = file.create_dataset("outputs", (head.rows, head.outputs), np.float64)
            meaning = head.meaning if head.classes else "value"
            h5.put_attrs(file, {"classes": list(head.classes), "outputs_are": meaning})

            def append(block: list[np.ndarray]) -> None:
                nonlocal done
                stop = done + len(block[0])
                labels[done:stop] = block[0]
                values[done:stop] = block[1].reshape(-1, head.outputs)
                done = stop

            yield append


class Csv:
    """A line for each row: the class by name and a column of outputs for each class; or the value."""

    def __init__(self, path: Path, head: Head) -> None:
        self.path, self.head = path, head

    def encode(self, outputs: np.ndarray) -> list[np.ndarray]:
        """Return the text of a block of outputs (n, k), as bytes; any rank may do so."""
        labels = self.head.labels(outputs).tolist()
        if not self.head.classes:
            return [_text([value] for value in labels)]
        pairs = zip(labels, outputs.tolist(), strict=True)
        return [_text([self.head.classes[label], *row] for label, row in pairs)]

    @contextmanager
    def open(self) -> Iterator[Append]:
        """Give a function that appends encoded blocks; the file appears at the end, or never."""
        temporary = self.path.with_name(f".{self.path.name}.{os.getpid()}.tmp")
        try:
            with open(temporary, "wb") as file:
                columns = [f"{self.head.meaning}_{name}" for name in self.head.classes]
                file.write(_text([["prediction", *columns]]).tobytes())

                def append(block: list[np.ndarray]) -> None:
                    file.write(block[0].tobytes())

                yield append
            h5.sync(temporary)
            os.replace(temporary, self.path)
        finally:
            temporary.unlink(missing_ok=True)
        h5.sync(self.path.parent)


def writer(path: str | Path, head: Head, kept: tuple[str | Path, ...] = ()) -> Hdf5 | Csv:
    """Return the writer for a path, by its suffix; none of the files `kept` may be written over.

    Raises
    ------
    UsageError
        For another suffix than .h5, .hdf5 or .csv, a folder that does not exist, or a file that is `kept`.
    """
    path = Path(path)
    kinds: dict[str, type[Hdf5] | type[Csv]] = {".h5": Hdf5, ".hdf5": Hdf5, ".csv": Csv}
    if path.suffix.lower() not in kinds:
        raise UsageError(f"-o {path}: its name must end in .h5 or .csv")
    if path.exists() and any(path.samefile(one) for one in kept):
        raise UsageError(f"-o {path} is what the predictions are made from; give another name")
    if not path.parent.is_dir():
        raise UsageError(f"-o {path}: no folder {path.parent}; make it first")
    return kinds[path.suffix.lower()](path, head)


def _text(rows: Iterator[list[object]] | list[list[object]]) -> np.ndarray:
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="\n").writerows(rows)
    return np.frombuffer(buffer.getvalue().encode(), np.uint8).copy()
