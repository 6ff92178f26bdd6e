"""The folder in which everything is kept (WORKBENCH_HOME), and the registry that belongs to it."""

from __future__ import annotations

import logging
import os
import re
import shutil
import time
from contextlib import suppress
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final

from core import Audience, CoreError, Dataset
from core.files import whole_file
from workbench.documents import read_audience

if TYPE_CHECKING:
    from core.registry import Load, Person, Registry

_log = logging.getLogger(__name__)
UPLOAD_SECONDS: Final = 86_400
_CONTAINER: Final = Path("/sys/fs/cgroup/memory.max")
"""Where Linux says what a container may use: bytes, or "max"."""


def folder() -> Path:
    """WORKBENCH_HOME, `./.workbench` where it is not set."""
    return Path(os.environ.get("WORKBENCH_HOME") or ".workbench")


def dataset_path() -> Path:
    """Where the account's dataset is."""
    return folder() / "dataset"


def open_dataset(path: Path | None = None) -> Dataset:
    """The dataset of a folder (the account's); what it remembers is bounded by WORKBENCH_MEMORY. CoreError."""
    return Dataset.open(dataset_path() if path is None else path, memory_bytes=memory_bytes())


def memory_bytes() -> int:
    """WORKBENCH_MEMORY: bytes, or a number of MB or GB ("800 MB", "2GB"). Where it is not set, an eighth of what the
    machine has, at least 1 GB and at most 4. CoreError."""
    text = os.environ.get("WORKBENCH_MEMORY")
    if not text:
        return min(max(machine_bytes() // 8, 1 << 30), 4 << 30)
    found = re.fullmatch(r"\s*([0-9]+(?:\.[0-9]+)?)\s*(MB|GB|)\s*", text, re.IGNORECASE)
    if found is None:
        raise CoreError(f"WORKBENCH_MEMORY is {text!r}.", 'Give bytes, or a number of MB or GB like "2GB".')
    return round(float(found[1]) * {"": 1, "MB": 1 << 20, "GB": 1 << 30}[found[2].upper()])


def machine_bytes() -> int:
    """The memory of this machine, or what its container may use of it."""
    whole = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    try:
        allowed = _CONTAINER.read_text().strip()
    except OSError:
        return whole
    return min(whole, int(allowed)) if allowed.isdecimal() else whole


def registry() -> Registry:
    """The registry of the home: SQLite in it, or the SQLAlchemy URL of WORKBENCH_DATABASE_URL. RegistryError."""
    base = folder().absolute()
    try:
        base.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise CoreError(f"{base}: cannot be made: {error.strerror}.", "Check WORKBENCH_HOME.") from None
    return _opened(os.environ.get("WORKBENCH_DATABASE_URL") or f"sqlite:///{base / 'registry.sqlite'}", base)


@lru_cache(maxsize=4)
def _opened(url: str, base: Path) -> Registry:
    from core.registry import Registry

    now = datetime.now(UTC)
    opened = Registry.open(url, memberships=base / "memberships", at=now)
    import_files(opened, base / "audiences", opened.people.local(), now)
    return opened


def import_files(registry: Registry, files: Path, by: Person, at: datetime) -> None:
    """Take over audiences that an earlier version kept as files, once: the folder gets another name afterwards.

    Those that cannot be read or taken over stay there as they were, and are told in the log.
    """
    if not files.is_dir():
        return
    found: dict[str, Audience] = {}
    for path in sorted(files.glob("*.json")):
        try:
            found[path.stem] = read_audience(path)
        except CoreError as error:
            _log.warning("%s is left out: %s", path.name, error)
    # Those that name others come last.
    for audience_id, audience in sorted(found.items(), key=lambda item: (bool(item[1].named_audiences), item[0])):
        try:
            registry.audiences.create(audience, by=by, at=at, audience_id=audience_id)
        except CoreError as error:
            _log.warning("%s.json is left out: %s", audience_id, error)
    files.rename(files.with_name(f"audiences-imported-{at:%Y%m%dT%H%M%S}"))


def bytes_of(path: Path) -> int:
    """How much a folder holds on disk."""
    return sum(each.stat().st_size for each in path.rglob("*") if each.is_file())


def keep_upload(upload_id: str, name: str, file: BinaryIO) -> Path:
    """Write an uploaded file into the home, in a folder of its own; uploads that nobody loaded go after a day."""
    uploads = folder().absolute() / "uploads"
    uploads.mkdir(parents=True, exist_ok=True)
    for old in uploads.iterdir():
        if time.time() - old.stat().st_mtime > UPLOAD_SECONDS:
            shutil.rmtree(old)
    path = uploads / upload_id / (re.sub(r"[^\w.-]+", "_", Path(name).name) or "upload")
    path.parent.mkdir(parents=True, exist_ok=True)
    with whole_file(path) as unfinished, unfinished.open("wb") as target:
        shutil.copyfileobj(file, target)
    return path


def forget_uploads(load: Load) -> None:
    """Remove what was uploaded for a load that has ended, however it did; nothing while it waits or runs."""
    if not load.uploaded or load.open:
        return
    for source in map(Path, load.sources):
        source.unlink(missing_ok=True)
        with suppress(OSError):  # there is more in it, or it is gone
            source.parent.rmdir()
