"""One random stream per (seed, purpose, keys): never one stream that ranks share or advance."""

from __future__ import annotations

from functools import lru_cache
from hashlib import blake2b
from typing import Any

import numpy as np
from numpy.random.bit_generator import ISeedSequence


@lru_cache(64)
def _begun(seed: int, purpose: str, size: int) -> Any:
    """Return the hash of what all streams of a purpose have in common."""
    return blake2b(f"{seed}/{purpose}/".encode(), digest_size=size)


def _digest(seed: int, purpose: str, keys: tuple[int, ...], size: int) -> bytes:
    digest = _begun(seed, purpose, size).copy()
    digest.update("/".join([str(int(key)) for key in keys]).encode())
    return bytes(digest.digest())


def key(seed: int, purpose: str, *keys: int) -> np.uint64:
    """Return the 64-bit key of a stream, for the counter-based draws inside kernels."""
    return np.uint64(int.from_bytes(_digest(seed, purpose, keys, 8), "little"))


class _Words(ISeedSequence):
    """The key of a bit generator as it is: given as ``key=``, it would be read from the system's entropy first."""

    def __init__(self, words: np.ndarray) -> None:
        self.words = words

    def generate_state(self, n_words: int, dtype: object = np.uint32) -> np.ndarray:
        """Return the words, which are of the number and type that Philox asks for."""
        return self.words


def stream(seed: int, purpose: str, *keys: int) -> np.random.Generator:
    """Return a generator that depends on its arguments alone (Philox, Salmon et al. 2011)."""
    words = np.frombuffer(_digest(seed, purpose, keys, 16), np.uint64)
    return np.random.Generator(np.random.Philox(_Words(words)))  # type: ignore[arg-type]  # NumPy's stubs lack it


class Streams:
    """The streams (seed, purpose, keys) of one purpose, one at a time: to make a generator takes thrice as long.

    Parameters
    ----------
    seed : int
    purpose : str
    """

    def __init__(self, seed: int, purpose: str) -> None:
        self.seed, self.purpose, self.generator = seed, purpose, stream(seed, purpose)
        self.bits = self.generator.bit_generator
        self.state: dict[str, Any] = dict(self.bits.state)

    def at(self, *keys: int) -> np.random.Generator:
        """Return what ``stream(seed, purpose, *keys)`` does, to be used until the next call."""
        words = np.frombuffer(_digest(self.seed, self.purpose, keys, 16), np.uint64)
        self.state["state"] = {"counter": self.state["buffer"], "key": words}  # four zeros
        self.bits.state = self.state
        return self.generator
