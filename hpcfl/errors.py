"""The error tree: one class per exit code, so that a script can tell what to do next."""

from __future__ import annotations


class HpcflError(Exception):
    """Base of every error that hpcfl raises on purpose.

    The message is one line: what is wrong, where, what to do.

    Attributes
    ----------
    code : int
        Exit code of the process (see the table in README.md).
    agreed : bool
        True once every rank holds the same error (``Comm.together``); such an error
        leaves by a normal exit, any other by ``Abort``.
    speaker : bool
        True on the one rank that prints it.
    """

    code = 1

    def __init__(self, message: str) -> None:
        super().__init__(" ".join(str(message).split()))
        self.agreed = False
        self.speaker = True


class UsageError(HpcflError):
    """The command line or the job file cannot be carried out."""

    code = 2


class DataError(HpcflError):
    """A data file is missing, damaged, or holds values that cannot be trained on."""

    code = 3


class DivergedError(HpcflError):
    """The loss or the parameters stopped being finite."""

    code = 4


class PeerError(HpcflError):
    """Another rank failed or does not answer."""

    code = 5


class Stopped(HpcflError):
    """A signal or a time limit ended the run after a checkpoint; it may be resumed."""

    code = 75


def by_code(code: int) -> type[HpcflError]:
    """Return the class whose exit code is `code` (``HpcflError`` if there is none)."""
    for cls in (UsageError, DataError, DivergedError, PeerError, Stopped):
        if cls.code == code:
            return cls
    return HpcflError
