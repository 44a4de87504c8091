"""Layers of a convolutional network, from the words of a job file to the numbers of the kernels."""

from __future__ import annotations

from hpcfl.errors import UsageError
from hpcfl.kernels.cnn import CONV, DENSE

PRESETS = {
    "mcmahan": ("conv 32 5 same", "pool 2", "conv 64 5 same", "pool 2", "dense 512"),
    "lenet5": ("conv 6 5 same", "pool 2", "conv 16 5", "pool 2", "dense 120", "dense 84"),
}
WORDS = "'conv CHANNELS SIZE', 'conv CHANNELS SIZE same', 'pool SIZE', 'dense WIDTH'"


def expand(layers: tuple[str, ...]) -> list[tuple[str, list[int], bool]]:
    """Return (word, numbers, same) of each layer, presets replaced by what they stand for.

    Raises
    ------
    ValueError
        For words that are no layer, or layers in an order that cannot be.
    """
    out: list[tuple[str, list[int], bool]] = []
    for text in [part for name in layers for part in PRESETS.get(name, (name,))]:
        word, *rest = text.split() or [""]
        same = rest[-1:] == ["same"] and word == "conv"
        numbers = [int(t) for t in rest[: len(rest) - same] if t.isdecimal() and int(t) > 0]
        wanted = {"conv": 2, "pool": 1, "dense": 1}.get(word, -1)
        if len(numbers) != wanted or len(rest) - same != wanted:
            known = f"{WORDS} or one of {', '.join(PRESETS)}"
            raise ValueError(f"layers: '{text}' is no layer; a layer is {known}")
        before = out[-1][0] if out else ""
        if word == "pool" and before != "conv":
            raise ValueError(f"layers: '{text}' must follow a convolution")
        if word == "conv" and before == "dense":
            raise ValueError(f"layers: '{text}' cannot follow a dense layer")
        if same and numbers[1] % 2 == 0:
            raise ValueError(f"layers: '{text}': 'same' wants an odd size")
        out.append((word, numbers, same))
    return out


def table(layers: tuple[str, ...], image: tuple[int, int, int], k: int) -> list[tuple[int, ...]]:
    """Return the numbers of each layer, see `hpcfl.kernels.cnn`, for images (h, w, c) and k outputs.

    Raises
    ------
    UsageError
        If an image has no pixel left.
    """
    h, w, c = image
    words, out = expand(layers), []
    for i, (word, numbers, same) in enumerate(words):
        if word == "dense":
            out.append((DENSE, 1, 1, h * w * c, 1, 0, 1, 1, 1, numbers[0]))
            h, w, c = 1, 1, numbers[0]
        elif word == "conv":
            size, pad = numbers[1], numbers[1] // 2 if same else 0
            pool = words[i + 1][1][0] if words[i + 1 : i + 2] and words[i + 1][0] == "pool" else 1
            oh, ow = ((length + 2 * pad - size + 1) // pool for length in (h, w))
            if min(oh, ow) < 1:
                text = f"'conv {numbers[0]} {size}'" + (f" with 'pool {pool}'" if pool > 1 else "")
                raise UsageError(f"model.layers: {text} leaves nothing of {h} x {w} pixels; make it smaller")
            out.append((CONV, h, w, c, size, pad, pool, oh, ow, numbers[0]))
            h, w, c = oh, ow, numbers[0]
    return [*out, (DENSE, 1, 1, h * w * c, 1, 0, 1, 1, 1, k)]
