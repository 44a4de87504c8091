"""One random stream per (seed, purpose, keys): never one stream that ranks share or advance."""

from __future__ import annotations

from hashlib import blake2b

import numpy as np
from numpy.random.bit_generator import ISeedSequence


def _digest(seed: int, purpose: str, keys: tuple[int, ...], size: int) -> bytes:
    text = f"{seed}/{purpose}/" + "/".join([str(int(key)) for key in keys])
    return blake2b(text.encode(), digest_size=size).digest()


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
