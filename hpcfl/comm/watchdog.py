"""Names a rank that stopped answering, and ends the job: a thread on each rank, talking beside MPI."""

from __future__ import annotations

import contextlib
import faulthandler
import os
import re
import secrets
import select
import socket
import struct
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile
from time import monotonic

import numpy as np

from hpcfl.comm import heart
from hpcfl.comm.communicator import Comm
from hpcfl.errors import PeerError

HEAD = struct.Struct("!QId")  # token of the job, rank, seconds that it waits in one call
HOST, PLACE = 64, 400  # bytes of a host's name; of a place
IP_RECVERR = 11  # Linux: errors of a datagram's way are told to its sender
PERIOD, GRACE = 2.0, 2.0  # seconds between words, at most; in which the launcher may end the others itself
HERE, PACKAGE = (str(p).encode("ascii", "backslashreplace").decode() for p in Path(__file__).parents[:2])
CALL = re.compile(r'^  File "(.*)", line (\S+) in (.*)$', re.MULTILINE)


@dataclass
class Seen:
    """The last word of a rank: when it came, how long it had waited in one call, where it was, and from which port."""

    at: float
    waits: float
    place: str
    port: tuple[str, int]


class Watchdog:
    """One rank's thread. Every rank tells ranks 0 and 1 that it lives and where it is.

    Rank 0 judges all others; rank 1 judges rank 0. A rank is given up when nothing was heard of
    it for `timeout` seconds (stopped, or its machine is gone), or when others waited so long in
    a collective call that it did not come to (a stuck file system, an endless loop). A rank
    that was never heard, as behind a firewall, is not judged by its silence. A launcher may
    miss that a rank died (MPICH's does so once in some hundred times): then its port is closed,
    and its machine says so to whom asks.

    Parameters
    ----------
    comm : Comm
    timeout : float
        Seconds.
    """

    def __init__(self, comm: Comm, timeout: float) -> None:
        self.comm, self.timeout, self.main = comm, timeout, threading.main_thread().ident
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("", 0))
        self.socket.setblocking(False)
        self.ready = select.poll()
        self.ready.register(self.socket, select.POLLIN)  # poll also tells of errors
        if sys.platform == "linux":
            self.socket.setsockopt(socket.IPPROTO_IP, IP_RECVERR, 1)
        self.hosts, ports, self.token = _introduce(comm, self.socket.getsockname()[1])
        self.judges = [(_address(self.hosts[r], self.hosts[comm.rank]), ports[r]) for r in range(min(2, comm.size))]
        self.seen: dict[int, Seen] = {}
        self.closed: set[tuple[str, int]] = set()
        self.done = threading.Event()
        self.since, self.spot = monotonic(), ("", 0)

    def run(self) -> None:
        """Tell and judge until `done` is set."""
        while not self.done.is_set():
            self._tell()
            self._listen()
            self._ask()
            guilty = self._judge() if self.comm.rank < 2 else None
            if guilty is not None and not self.done.is_set():
                self._end(guilty)

    def _tell(self) -> None:
        place = where(self.main)
        spot = (place, sum(list(self.comm.traffic.messages.values())))  # a loop may come by one place again and again
        if spot != self.spot:
            self.since, self.spot = monotonic(), spot
        waits = monotonic() - self.since if "waiting" in place else 0.0
        message = HEAD.pack(self.token, self.comm.rank, waits) + place.encode()[:PLACE]
        for judge in self.judges:
            with contextlib.suppress(OSError):
                self.socket.sendto(message, judge)

    def _listen(self) -> None:
        """Take in messages, and whose port is closed, for about a tenth of the timeout."""
        end = monotonic() + min(self.timeout / 10, PERIOD)
        while not self.done.is_set() and (left := end - monotonic()) > 0:
            self.ready.poll(1000 * left)
            with contextlib.suppress(OSError):  # nothing is there
                data, port = self.socket.recvfrom(HEAD.size + PLACE)
                token, rank, waits = HEAD.unpack_from(data) if len(data) >= HEAD.size else (0, 0, 0.0)
                if token == self.token and rank < self.comm.size:
                    self.seen[rank] = Seen(monotonic(), waits, data[HEAD.size :].decode(errors="replace"), port)
            self._note_closed()

    def _ask(self) -> None:
        """Send nothing to each rank that was heard, and note whose port was found closed."""
        for one in self.seen.values():
            with contextlib.suppress(OSError):
                self.socket.sendto(b"", one.port)
        self._note_closed()

    def _note_closed(self) -> None:
        # Without blocking: Python would look again and again while a message waits and no error does.
        with contextlib.suppress(OSError):  # none is left
            while sys.platform == "linux":
                self.closed.add(self.socket.recvmsg(0, 0, socket.MSG_ERRQUEUE)[3])

    def _judge(self) -> int | None:
        """Return the rank to give up, or None."""
        now = monotonic()
        others = {r: s for r, s in self.seen.items() if r != self.comm.rank and (self.comm.rank == 0 or r == 0)}
        gone = [r for r, s in others.items() if self._died(s)]
        silent = [r for r, s in others.items() if now - s.at > self.timeout]
        if gone or silent or self.comm.rank != 0:
            return min(gone or silent, default=None)
        stuck = [r for r, s in self.seen.items() if s.waits == 0.0]
        waiting = [r for r, s in self.seen.items() if s.waits > self.timeout]
        return min(stuck) if waiting and stuck and len(waiting) + len(stuck) == len(self.seen) else None

    def _died(self, one: Seen) -> bool:
        """Return whether a rank's port is closed while this one waits for it; with ULFM that is MPI's to say."""
        waits = "waiting" in self.spot[0] and monotonic() - self.since > GRACE
        return waits and one.port in self.closed and not heart.enabled()

    def _end(self, guilty: int) -> None:
        """Say who and where, dump the stacks of this rank, end all ranks."""
        print(f"hpcfl: {self.verdict(guilty)}", file=sys.stderr, flush=True)
        faulthandler.dump_traceback()
        threading.Timer(5.0, os._exit, (PeerError.code,)).start()  # MPI may be held by the main thread
        self.comm.abort(PeerError.code)

    def verdict(self, guilty: int) -> str:
        """Return the line that names the rank, and where every rank was last."""
        places = "; ".join(f"rank {r} {s.place}" for r, s in sorted(self.seen.items()))
        silent = monotonic() - self.seen[guilty].at > self.timeout
        what = "was not heard of" if silent else "kept the others waiting"
        what = f"{what} for {self.timeout:g} s (comm.timeout) and is given up"
        if self._died(self.seen[guilty]):
            what = "died, and the launcher did not notice"
        return (
            f"rank {guilty} on {self.hosts[guilty]} {what}; last known places: {places}; "
            "look at that machine, then go on with --resume"
        )


@contextlib.contextmanager
def watch(comm: Comm, timeout: float) -> Iterator[None]:
    """Keep a watchdog beside a block (collective at its start); none for one rank or a timeout of 0."""
    if comm.size == 1 or not timeout:
        yield
        return
    dog = Watchdog(comm, timeout)
    threading.Thread(target=dog.run, name="watchdog", daemon=True).start()
    try:
        yield
        comm.barrier()  # a rank that leaves closes its port, so none may still wait for others
    finally:
        dog.done.set()


def where(thread: int | None) -> str:
    """Return where a thread is: its innermost line in this package outside `comm`, and if it waits for others."""
    lines = _stack(thread or 0)
    waits = bool(lines) and lines[0][0].startswith(HERE)
    for name, line, function in lines:
        if name.startswith(PACKAGE) and not name.startswith(HERE):
            spot = f"{name[len(PACKAGE) + 1 :]}:{line} {function}"
            return f"waiting at {spot}" if waits else f"at {spot}"
    return "waiting" if waits else "outside hpcfl"


def _stack(thread: int) -> list[tuple[str, str, str]]:
    """Return (file, line, function) of each call of a thread, the innermost first.

    Told by faulthandler, as text: Python 3.11 crashes now and then where one thread looks at the frames of another,
    as by `sys._current_frames`.
    """
    with os.fdopen(os.memfd_create("stacks"), "w+b") if sys.platform == "linux" else TemporaryFile() as file:
        faulthandler.dump_traceback(file)
        file.seek(0)
        text = file.read().decode()
    own = text.partition(f"Thread 0x{thread:016x}")[2].partition("\n\n")[0]
    return CALL.findall(own)


def _introduce(comm: Comm, port: int) -> tuple[list[str], list[int], int]:
    """Exchange host names and ports, and a token that keeps strangers out (collective)."""
    mine = np.zeros(HOST + 2 * 8, np.uint8)
    name = socket.gethostname().encode()[:HOST]
    mine[: len(name)] = np.frombuffer(name, np.uint8)
    mine[HOST:] = np.array([port, secrets.randbits(62)], np.int64).view(np.uint8)
    every = comm.allgather(mine, "watchdog")
    hosts = [row[:HOST].tobytes().rstrip(b"\0").decode() for row in every]
    numbers = every[:, HOST:].copy().view(np.int64)
    return hosts, [int(p) for p in numbers[:, 0]], int(numbers[0, 1])


def _address(host: str, own: str) -> str:
    return "127.0.0.1" if host == own else host
