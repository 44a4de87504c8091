"""Signals and time limits set a flag, nothing else; the loop looks at it between steps."""

from __future__ import annotations

import signal
import threading
from math import inf
from time import monotonic
from types import FrameType, TracebackType
from typing import Any

SIGNALS = (signal.SIGTERM, signal.SIGUSR1, signal.SIGINT)


class StopFlag:
    """A context in which TERM, USR1, INT or a limit of time ask for a stop at the next step.

    A second INT ends the process at once. Outside the main thread, where Python allows no
    handlers, only the time limit works.

    Parameters
    ----------
    seconds : float
        Time from now after which a stop is asked for.

    Attributes
    ----------
    reason : str
        What asked for it; "" as long as nothing did.
    """

    def __init__(self, seconds: float = inf) -> None:
        self.deadline, self.reason = monotonic() + seconds, ""
        self._old: dict[signal.Signals, Any] = {}

    @property
    def raised(self) -> bool:
        """Whether to stop."""
        if not self.reason and monotonic() >= self.deadline:
            self.reason = "the time limit"
        return bool(self.reason)

    def __enter__(self) -> StopFlag:
        if threading.current_thread() is threading.main_thread():
            self._old = {number: signal.signal(number, self._set) for number in SIGNALS}
        return self

    def __exit__(self, kind: type[BaseException] | None, error: Any, trace: TracebackType | None) -> None:
        for number, handler in self._old.items():
            signal.signal(number, handler)

    def _set(self, number: int, frame: FrameType | None) -> None:
        self.reason = signal.Signals(number).name
        if number == signal.SIGINT:
            signal.signal(signal.SIGINT, signal.SIG_DFL)  # the second one needs no Python to be obeyed
