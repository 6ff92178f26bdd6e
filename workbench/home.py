"""The folder in which everything is kept (WORKBENCH_HOME): its dataset and its audience files."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Final

from core import Audience, CoreError, DefinitionError
from core.files import whole_file
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
