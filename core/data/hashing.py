"""xxh3-64 of many numbers at once, in numpy: the same hashes as those of the `xxhash` library, one by one.

The algorithm is XXH3's path for inputs of 8 bytes (https://github.com/Cyan4973/xxHash, version 0.8).
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

_SECRET: Final = 0x1CAD21F72C81017C ^ 0xDB979083E96DD4DE
"""Bytes 8 to 24 of XXH3's default secret, folded."""

_FACTOR: Final = np.uint64(0x9FB21C651E98DF25)


def hashes_of_numbers(numbers: npt.NDArray[np.int64], seed: int) -> npt.NDArray[np.uint64]:
    """xxh3-64, with a seed below 2^32, of each number's 8 bytes, little end first."""
    mixed = seed ^ int.from_bytes(seed.to_bytes(4, "little"), "big") << 32
    flip = np.uint64((_SECRET - mixed) % (1 << 64))
    given = np.ascontiguousarray(numbers).view(np.uint64)
    hashes = _rotated(given, 32) ^ flip
    hashes ^= _rotated(hashes, 49) ^ _rotated(hashes, 24)
    hashes *= _FACTOR
    hashes ^= (hashes >> np.uint64(35)) + np.uint64(8)
    hashes *= _FACTOR
    return hashes ^ (hashes >> np.uint64(28))


def _rotated(words: npt.NDArray[np.uint64], bits: int) -> npt.NDArray[np.uint64]:
    return (words << np.uint64(bits)) | (words >> np.uint64(64 - bits))
