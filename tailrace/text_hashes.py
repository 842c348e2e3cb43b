"""Hashes of 64 bits of texts, whole columns at once. They lie on disk (in the spool's frames, in token filters): what they are of a text never changes."""

from typing import Any, Final

import numpy as np
import numpy.typing as npt

Hashes = npt.NDArray[np.uint64]

_MIX_A: Final = np.uint64(0x9E3779B97F4A7C15)
_MIX_B: Final = np.uint64(0xBF58476D1CE4E5B9)
_MIX_C: Final = np.uint64(0x94D049BB133111EB)
_27, _30, _31 = np.uint64(27), np.uint64(30), np.uint64(31)


def text_bytes(texts: Any) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.uint8]]:  # noqa: ANN401 - an Arrow array of strings
    """Answer where each text begins, and where the last one ends, in the bytes of them all."""
    _, ends, data = texts.buffers()
    offsets = np.zeros(1, np.int64) if ends is None else np.frombuffer(ends, np.int32, len(texts) + 1, texts.offset * 4).astype(np.int64)
    return offsets, np.frombuffer(b"" if data is None else data, np.uint8)


def text_hashes(texts: Any) -> Hashes:  # noqa: ANN401 - an Arrow array of strings
    """Hash texts by their bytes: texts of one length are a matrix of 8-byte words, mixed column by column."""
    offsets, data = text_bytes(texts)
    lengths = offsets[1:] - offsets[:-1]
    if len(lengths) and (lengths == lengths[0]).all():
        return _mixed(data[offsets[0] : offsets[-1]].reshape(len(lengths), int(lengths[0])))
    hashes = np.empty(len(texts), np.uint64)
    for length in np.unique(lengths):
        rows = np.flatnonzero(lengths == length)
        hashes[rows] = _same_length(data, offsets[:-1][rows], int(length))
    return hashes


def _same_length(data: npt.NDArray[np.uint8], starts: npt.NDArray[np.int64], length: int) -> Hashes:
    return _mixed(np.lib.stride_tricks.sliding_window_view(data, length)[starts] if length else np.zeros((len(starts), 0), np.uint8))


def _mixed(texts: npt.NDArray[np.uint8]) -> Hashes:
    """Hash texts of one length, a row each."""
    count, length = texts.shape
    words = (length + 7) // 8
    padded = np.zeros((count, words * 8), np.uint8)
    padded[:, :length] = texts
    matrix, mixed = padded.view(np.uint64), np.full(count, length + 1, np.uint64)
    for word in range(words):
        mixed = mix(mixed * _MIX_A + matrix[:, word])
    return mixed


def mix(values: Hashes) -> Hashes:
    """Mix the bits (splitmix64's finaliser: Steele, Lea and Flood 2014)."""
    mixed = (values ^ (values >> _30)) * _MIX_B
    mixed = (mixed ^ (mixed >> _27)) * _MIX_C
    return np.asarray(mixed ^ (mixed >> _31), np.uint64)
