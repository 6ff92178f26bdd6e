"""Files that appear whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import mkstemp

from core.errors import CoreError


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """A path to write to; when the block ends well it becomes `path`, replacing what was there, else it is removed.

    Raises CoreError, naming `path`, for whatever the file system refuses.
    """
    temporary: Path | None = None
    try:
        handle, name = mkstemp(prefix=f".{path.name[:100]}.", suffix=".unfinished", dir=path.parent)
        os.close(handle)
        temporary = Path(name)
        yield temporary
        # mkstemp keeps others out; a file that people share gets the rights that they chose for new files.
        temporary.chmod(0o666 & ~_umask())
        if path.is_dir():
            raise IsADirectoryError(None, "there is a folder of that name")
        os.replace(temporary, path)
        temporary = None
    except OSError as error:
        reason = error.strerror or str(error)
        raise CoreError(
            f"{path}: cannot be written: {reason}.", "Check the folder, its rights and the disk."
        ) from error
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)


def _umask() -> int:
    current = os.umask(0o077)
    os.umask(current)
    return current
