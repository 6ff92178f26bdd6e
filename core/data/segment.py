"""Segment and RudderStack messages (NDJSON): each becomes a batch, which the batches' importer loads."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

from core.data.batches import load_batches
from core.data.loading import LoadReport
from core.data.messages import UnreadableMessage, batch_of
from core.data.sources import Broken, Found, documents
from core.data.store import Store


def _batches(source: Any) -> Iterator[Found]:
    """The messages of a source as batches, each with where it stood; `Broken` in place of those that are none."""
    for found in documents([source] if isinstance(source, str | Path | dict) else source):
        yield found._replace(document=_batch(found.document))


def _batch(document: Any) -> Any:
    if isinstance(document, Broken):
        return document
    try:
        return batch_of(document)
    except UnreadableMessage as error:
        return Broken(str(error))


def load_segment(
    store: Store,
    source: Any,
    *,
    workspace: str,
    input: str,
    kind: str = "platform",
    received_at: datetime | None = None,
    progress: Callable[[int, int | None], None] | None = None,
) -> LoadReport:
    """Loads messages (dicts, or paths of files, folders and globs) into one input, all or nothing.

    What becomes of which message: core.data.messages. Those that cannot be read are refused one by one in the report.
    `received_at` is the moment of messages without a time of their own. InputError: a file cannot be read.
    """
    return load_batches(
        store,
        _batches(source),
        workspace=workspace,
        input=input,
        kind=kind,
        received_at=received_at,
        progress=progress,
    )
