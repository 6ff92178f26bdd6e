"""Leases: what readers hold of a dataset while they live, so that nothing is removed under their eyes."""

from __future__ import annotations

import fcntl
import os
from contextlib import suppress
from pathlib import Path


class Lease:
    """What a reader holds of a generation while it lives; the system takes it back when the process ends."""

    def __init__(self, file: Path) -> None:
        """Without a file, as in a copy of a dataset that nobody writes, there is nothing to hold."""
        self._descriptor: int | None = None
        with suppress(FileNotFoundError, NotADirectoryError, PermissionError):
            self._descriptor = os.open(file, os.O_RDONLY)
            fcntl.flock(self._descriptor, fcntl.LOCK_SH)

    def release(self) -> None:
        """Gives it back."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def __del__(self) -> None:
        self.release()


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
