"""``[data]``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from hpcfl.schema import key, positive


@dataclass(frozen=True)
class Data:
    """``[data]``: which rows, in which order, prepared how."""

    train: str | tuple[str, ...] = key("sample:digits", "path, list, glob, `sample:NAME`, or `silo-{client}.h5`")
    test: float | str = key(0.2, "fraction split off by seed (stratified by class), a file, or `none`")
    x: str = key("x", "name of the features' dataset in a plain HDF5 file")
    y: str = key("y", "name of the targets' dataset in a plain HDF5 file")
    task: Literal["", "classification", "regression", "ratings"] = key("", "what y is; read from the file unless set")
    order: Literal["rows", "blocks"] = key(
        "rows", "`blocks`: rows are read in blocks and shuffled in windows of them, so that they need not fit in memory"
    )
    streams: int = key(64, 'order = "blocks": runs of rows that a batch is taken from in turn')
    memory_limit: float = key(1024.0, 'order = "blocks": MiB of rows that a rank keeps; more are streamed from disk')
    standardize: bool = key(False, "scale each feature to mean 0, variance 1; stored in the model")
    missing: Literal["error", "drop", "keep"] = key(
        "error", "rows with NaN or infinity: refuse them, drop them, or keep them (a forest learns where NaN goes)"
    )

    def __post_init__(self) -> None:
        for name in ("streams", "memory_limit"):
            positive(self, name)
        if isinstance(self.test, float) and not 0 < self.test < 1:
            raise ValueError(f'test = {self.test}: a fraction between 0 and 1 is needed, or "none"')
