"""mParticle batches: load them, leniently where SDKs and documents differ (DEFINITION 6)."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson

from core.data.interim.batch_rows import BatchRows, Refused
from core.data.loading import Loader, LoadReport, Refusal
from core.data.places_of_ip import locator
from core.data.sources import Broken, documents
from core.data.store import Store
from core.errors import InputError

PART_EVENTS = 250_000
"""How many events are held as Python objects at once."""


def load_batches(
    store: Store,
    batches: Any,
    *,
    workspace: str,
    input: str,
    kind: str = "platform",
    received_at: datetime | None = None,
    environment: str = "production",
    geoip_path: Path | None = None,
    progress: Callable[[int, int | None], None] | None = None,
) -> LoadReport:
    """Load batches (dicts, or paths of files, folders and globs) through an input: all or nothing.

    `received_at` stands for the arrival time; a batch without any time of its own is refused without it. `progress`
    gets (bytes read, bytes in all) for paths, (batches, None) else; whatever it raises cancels the load. Raises
    InputError when a file cannot be read; lines that are no batch are refused one by one in the report.
    """
    if environment not in ("production", "development", "all"):
        raise InputError(f"{environment!r} is no environment.", "Use production, development or all.")
    rows = BatchRows(_millis(received_at), locator(geoip_path))
    refusals: list[Refusal] = []
    skipped = 0
    with Loader(store, workspace=workspace, input=input, kind=kind) as load:
        for found in documents([batches] if isinstance(batches, str | Path | dict) else batches):
            source, line, document = found.source, found.line, found.document
            if _other_environment(document, environment):
                skipped += 1
                continue
            try:
                faults = rows.add(_batch(document))
            except Refused as error:
                refusals.append(Refusal(source, line, str(error)))
                continue
            refusals += [Refusal(source, line, fault) for fault in faults]
            if rows.events >= PART_EVENTS:
                load.stage(rows.part())
                if progress is not None:
                    progress(rows.taken, None)
        load.stage(rows.part())
        if progress is not None:
            progress(rows.taken, None)
        return load.commit(skipped=skipped, cut=rows.cut, refusals=refusals)


def _batch(document: Any) -> dict[str, Any]:
    if isinstance(document, Broken):
        raise Refused(document.reason)
    document = plain_json(document)
    if not isinstance(document, dict):
        raise Refused("no batch: a JSON object is needed")
    return document


def _other_environment(document: Any, environment: str) -> bool:
    if environment == "all" or not isinstance(document, dict):
        return False
    given = document.get("environment")
    return (str(given).lower() == "development") != (environment == "development")


def _millis(moment: datetime | None) -> int | None:
    if moment is None:
        return None
    if moment.tzinfo is None:
        raise InputError("received_at has no time zone.", "Pass an aware datetime, for example datetime.now(UTC).")
    delta = moment - datetime(1970, 1, 1, tzinfo=UTC)
    return (delta.days * 86_400 + delta.seconds) * 1000 + delta.microseconds // 1000


def plain_json(item: Any) -> Any:
    """A document given as Python objects as it would come out of JSON; raises Refused for what cannot be JSON."""
    try:
        orjson.dumps(item)
        return item
    except TypeError:
        try:
            text = json.dumps(item, default=str, ensure_ascii=False)
            return json.loads(text.encode("utf-8", "replace"))
        except (TypeError, ValueError, RecursionError) as error:
            raise Refused(f"no JSON: {error}") from None
