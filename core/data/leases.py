"""Leases: what readers hold of a dataset while they live, so that nothing is removed under their eyes."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from weakref import finalize


class Lease:
    """What a reader holds of a generation while it lives; the system takes it back when the process ends."""

    def __init__(self, file: Path) -> None:
        """Without a file, as in a copy of a dataset that nobody writes, there is nothing to hold."""
        self._close: Callable[[], object] = lambda: None
        with suppress(FileNotFoundError, NotADirectoryError, PermissionError):
            descriptor = os.open(file, os.O_RDONLY)
            self._close = finalize(self, os.close, descriptor)  # once, at the latest when nobody has it any more
            fcntl.flock(descriptor, fcntl.LOCK_SH)

    def release(self) -> None:
        """Gives it back."""
        self._close()


def is_held(file: Path) -> bool:
    """Whether a reader holds a lease of that file."""
    descriptor = os.open(file, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False
