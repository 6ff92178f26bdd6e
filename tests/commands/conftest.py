"""A small shop for the commands: three profiles in `app/ios`, worked out by hand.

| mpid | tier | email | played | bought |
|---|---|---|---|---|
| 1 | gold | one@x | 1 and 6 days before | 2 days before |
| 2 | gold | | | |
| 3 | | three@x | 2 days before | |

The data ends on 30 June 2026 12:00 UTC.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.commands.running import workbench

END_MS = 1_782_820_800_000
DAY_MS = 86_400_000


def batch(mpid: int, days: int, *events: dict[str, Any], **more: Any) -> dict[str, Any]:
    """A batch so many days before the end, its events at the same moment."""
    at = END_MS - days * DAY_MS
    stamped = [{**each, "data": {**each["data"], "timestamp_unixtime_ms": at}} for each in events]
    return {
        "mpid": mpid,
        "timestamp_unixtime_ms": at,
        "source_request_id": f"{mpid}-{days}",
        "events": stamped,
        **more,
    }


PLAY = {"event_type": "custom_event", "data": {"event_name": "Play", "custom_event_type": "other"}}
BUY = {"event_type": "commerce_event", "data": {"product_action": {"action": "purchase"}}}
BATCHES = [
    batch(1, 0, user_attributes={"tier": "gold"}, user_identities={"email": "one@x"}),
    batch(2, 0, user_attributes={"tier": "gold"}),
    batch(1, 1, PLAY),
    batch(1, 6, PLAY),
    batch(1, 2, BUY),
    batch(3, 2, PLAY, user_identities={"email": "three@x"}),
]


def lines(batches: list[dict[str, Any]]) -> str:
    """Batches as JSON lines."""
    return "".join(json.dumps(each) + "\n" for each in batches)


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """A folder with the dataset `shop`, loaded through the command line."""
    (tmp_path / "batches.jsonl").write_text(lines(BATCHES))
    done = workbench(tmp_path, "import", "batches.jsonl", "--dataset", "shop", "--workspace", "app", "--input", "ios")
    assert (done.code, done.err) == (0, "")
    return tmp_path
