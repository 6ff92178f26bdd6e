"""Small homes for the tests of the command line and the worker, and the command line itself."""

from __future__ import annotations

import contextlib
import io
import json
import logging
import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from core import Dataset
from workbench.cli import main

ROOT = Path(__file__).parents[2]
NOW = datetime(2026, 6, 30, 12, tzinfo=UTC)
HOUR_MS = 3_600_000


def batch(mpid: int, tier: str, *, hours_ago: int = 1, number: int = 0) -> dict[str, Any]:
    """A batch of one profile with a tier and one purchase."""
    at = int(NOW.timestamp() * 1000) - hours_ago * HOUR_MS
    event = {"event_type": "custom_event", "data": {"event_name": "buy", "custom_event_type": "transaction"}}
    event["data"] |= {"timestamp_unixtime_ms": at, "source_message_id": f"{mpid}-{number}"}  # type: ignore[attr-defined]
    return {
        "mpid": mpid,
        "environment": "production",
        "timestamp_unixtime_ms": at,
        "source_request_id": f"{mpid}-{number}",
        "user_attributes": {"tier": tier},
        "user_identities": {"customer_id": f"c{mpid}"},
        "events": [event],
    }


def load(home: Path, batches: Iterator[dict[str, Any]] | list[dict[str, Any]]) -> Dataset:
    """Load batches into the home's dataset, made where there is none."""
    path = home / "dataset"
    dataset = Dataset.open(path) if path.exists() else Dataset.create(path)
    dataset.load_batches(batches, workspace="shop", input="ios")
    return dataset


def tier(value: str, name: str = "Gold") -> dict[str, Any]:
    """The document of an audience of a tier."""
    root = {"type": "user_attribute", "attribute": "tier", "operator": "exact_match", "value": value}
    return {"name": name, "workspaces": ["shop"], "definition": {"version": 1, "root": root}}


@dataclass
class Done:
    """What a command did."""

    returncode: int
    stdout: str
    stderr: str


def run(home: Path, *arguments: str) -> Done:
    """The command line, in this process: its start is what takes longest."""
    out, err, before = io.StringIO(), io.StringIO(), os.environ.get("WORKBENCH_HOME")
    os.environ["WORKBENCH_HOME"] = str(home)
    log = logging.StreamHandler(err)
    logging.getLogger().addHandler(log)
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = main(arguments)
    finally:
        logging.getLogger().removeHandler(log)
        if before is None:
            del os.environ["WORKBENCH_HOME"]
        else:
            os.environ["WORKBENCH_HOME"] = before
    return Done(code, out.getvalue(), err.getvalue())


def answer(home: Path, *arguments: str) -> Any:
    """What a command prints with --json."""
    done = run(home, *arguments, "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)
