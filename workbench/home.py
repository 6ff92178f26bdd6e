"""The folder in which everything is kept (WORKBENCH_HOME): its dataset and its audience files."""

from __future__ import annotations

import json
import os
import re
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

from core import Audience, CoreError, DefinitionError
from core.files import whole_file
from core.registry import Registry
from workbench.documents import inside, read_audience

_ID: Final = re.compile(r"[^./\\\x00-\x1f][^/\\\x00-\x1f]{0,199}")


def folder() -> Path:
    """WORKBENCH_HOME, `./.workbench` where it is not set."""
    return Path(os.environ.get("WORKBENCH_HOME") or ".workbench")


def dataset_path() -> Path:
    """Where the account's dataset is."""
    return folder() / "dataset"


def audience_path(audience_id: str) -> Path:
    """Where the document of an audience is. CoreError for an id that cannot name a file."""
    if not _ID.fullmatch(audience_id):
        raise CoreError(f"{audience_id!r} cannot be the id of an audience.", "Use letters, digits and hyphens.")
    return folder() / "audiences" / f"{audience_id}.json"


def audience_ids() -> list[str]:
    """The ids of the audiences that are kept, ascending."""
    return sorted(each.stem for each in (folder() / "audiences").glob("*.json") if _ID.fullmatch(each.stem))


def load_audience(audience_id: str) -> Audience:
    """The audience of an id; InputError if it cannot be read, DefinitionError if it is invalid."""
    return read_audience(audience_path(audience_id))


def save_audience(audience_id: str, audience: Audience) -> None:
    """Keep an audience under an id, in place of the one that is there."""
    path = audience_path(audience_id)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise CoreError(f"{path.parent}: cannot be made: {error.strerror}.", "Check WORKBENCH_HOME.") from None
    with whole_file(path) as unfinished:
        unfinished.write_text(json.dumps(audience.to_dict(), ensure_ascii=False, indent=2) + "\n", "utf-8")


def audiences_named_by(audience: Audience) -> dict[str, Audience]:
    """The kept audiences whose membership an audience asks for; those that are not there are left out."""
    found = {}
    for audience_id in sorted(audience.named_audiences):
        if _ID.fullmatch(audience_id) and audience_path(audience_id).is_file():
            try:
                found[audience_id] = load_audience(audience_id)
            except DefinitionError as error:
                raise DefinitionError(inside(str(audience_path(audience_id)), error)) from None
    return found


def draft_path(audience_id: str) -> Path:
    """Where what is not saved of an audience is kept."""
    return folder() / "drafts" / audience_path(audience_id).name


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object from a file of the home; InputError if it cannot be read."""
    document: dict[str, Any] = read_audience(path).to_dict() if path.parent.name != "drafts" else _draft(path)
    return document


def _draft(path: Path) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(path.read_text("utf-8"))
    return document


def write_json(path: Path, document: dict[str, Any]) -> None:
    """Write a JSON object into the home, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with whole_file(path) as unfinished:
        unfinished.write_text(json.dumps(document, ensure_ascii=False, indent=2) + "\n", "utf-8")


def new_audience(name: str, document: dict[str, Any]) -> str:
    """Keep a new audience under an id made of its name; the id."""
    stem = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:60] or "audience"
    taken = set(audience_ids())
    audience_id = next(each for each in (stem, *(f"{stem}-{n}" for n in range(2, 10_000))) if each not in taken)
    save_audience(audience_id, Audience.from_dict({**document, "name": name}))
    return audience_id


def delete_audience(audience_id: str) -> None:
    """Delete an audience; CoreError while others name it, with their names."""
    users = [load_audience(each).name for each in audience_ids() if audience_id in _named(each)]
    if users:
        raise CoreError(f"It is nested in {', '.join(users)}.", "Remove it from their criteria first.")
    audience_path(audience_id).unlink(missing_ok=True)
    draft_path(audience_id).unlink(missing_ok=True)


def _named(audience_id: str) -> frozenset[str]:
    try:
        return load_audience(audience_id).named_audiences
    except CoreError:  # one that cannot be read names nobody
        return frozenset()


def registry() -> Registry:
    """The registry of the home: SQLite in it, or the SQLAlchemy URL of WORKBENCH_DATABASE_URL. RegistryError."""
    base = folder().absolute()
    base.mkdir(parents=True, exist_ok=True)
    url = os.environ.get("WORKBENCH_DATABASE_URL") or f"sqlite:///{base / 'registry.sqlite'}"
    return _opened(url, base / "memberships")


@lru_cache(maxsize=4)
def _opened(url: str, memberships: Path) -> Registry:
    return Registry.open(url, memberships=memberships, at=datetime.now(UTC))
