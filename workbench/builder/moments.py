"""Moments and windows in words: UTC, short, with the year only where it is not this one."""

from __future__ import annotations

from datetime import UTC, datetime

from core.criteria.windows import EVER

_LAST_MS = 253_402_300_799_999
"""The last moment that a datetime can tell."""


def moment_words(ms: int, now: datetime) -> str:
    """ "24 Oct 13:00"."""
    moment = datetime.fromtimestamp(ms / 1000, UTC)
    return f"{moment:%-d %b %H:%M}" if moment.year == now.year else f"{moment:%-d %b %Y %H:%M}"


def interval_words(first: int, last: int, now: datetime) -> str:
    """ "24 Oct 13:00 – 23 Nov 13:00 UTC", "until 23 Nov 13:00 UTC", "from 24 Oct 2025 00:00 UTC"."""
    open_start, open_end = first <= -EVER, last >= EVER
    if first > last or (open_start and open_end) or not -_LAST_MS < (last if open_start else first) < _LAST_MS:
        return ""
    if open_start:
        return f"until {moment_words(last + 1, now)} UTC"
    if open_end:
        return f"from {moment_words(first, now)} UTC"
    end = last + 1 if (last + 1) % 60_000 == 0 else last
    return f"{moment_words(first, now)} – {moment_words(end, now)} UTC"
