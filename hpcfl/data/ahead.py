"""A thread that makes one thing after the other while the last ones are used."""

from __future__ import annotations

from collections.abc import Callable
from queue import SimpleQueue
from threading import Thread


class Ahead:
    """Calls ``make(turn)``, ``make(turn + 1)``, ... in a thread, at most two turns ahead of what was used up.

    Parameters
    ----------
    make : function of int
        It must release the GIL for most of its time.
    turn : int
        The first one.
    """

    def __init__(self, make: Callable[[int], None], turn: int) -> None:
        self.make, self.closed = make, False
        self.room: SimpleQueue[None] = SimpleQueue()
        self.made: SimpleQueue[Exception | None] = SimpleQueue()
        for _ in range(2):
            self.free()
        self.thread = Thread(target=self._run, args=(turn,), name="read-ahead", daemon=True)
        self.thread.start()

    def wait(self) -> None:
        """Wait until the next turn is made; raise what kept the thread from it, then and ever after."""
        error = self.made.get()
        if error:
            self.made.put(error)
            raise error

    def free(self) -> None:
        """Say that a turn is used up."""
        self.room.put(None)

    def close(self) -> None:
        """End the thread; at most one turn is still made."""
        self.closed = True
        self.free()
        self.thread.join()

    def _run(self, turn: int) -> None:
        while True:
            self.room.get()
            if self.closed:
                return
            try:
                self.make(turn)
            except Exception as error:  # raised where the turn is used
                self.made.put(error)
                return
            self.made.put(None)
            turn += 1
