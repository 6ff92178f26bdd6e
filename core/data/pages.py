"""Pages: the memory of arrays that are made and dropped for every answer stays with the process.

The C library gives big blocks back to the system as soon as they are free, and the system hands out empty pages one by
one: for an array with one number a profile that takes longer than filling it. Measured: decision 45.
"""

from __future__ import annotations

import ctypes
from typing import Final

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # malloc.h

BLOCK: Final = 32 << 20
"""Blocks up to this size come from the heap; it is the most that every version of the library takes."""

KEPT: Final = 128 << 20
"""So much free memory stays at the end of the heap."""


def keep() -> bool:
    """Sets it for this process; False where the C library has no such settings (it is not glibc)."""
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):  # musl and macOS have none, Windows no library without a name
        return False
    return bool(mallopt(_MMAP_THRESHOLD, BLOCK)) and bool(mallopt(_TRIM_THRESHOLD, KEPT))
