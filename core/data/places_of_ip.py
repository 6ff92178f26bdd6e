"""The place of an IP address, from a MaxMind-format database."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import maxminddb

from core.errors import InputError

Locate = Callable[[str], dict[str, Any] | None]


def locator(path: Path | None) -> Locate | None:
    """From an IP address to a batch's `context.location`; None without a database. InputError if it is unreadable."""
    if path is None:
        return None
    try:
        database = maxminddb.open_database(str(path))
    except (OSError, maxminddb.InvalidDatabaseError) as error:
        raise InputError(f"{path}: no MaxMind database ({error}).", "Check WORKBENCH_GEOIP.") from None

    def locate(ip: str) -> dict[str, Any] | None:
        try:
            record = database.get(ip)
        except ValueError:
            return None
        return _location(record) if isinstance(record, dict) else None

    return locate


def _location(record: dict[str, Any]) -> dict[str, Any]:
    """GeoLite2 City's fields as a batch's location. Source: MaxMind, GeoIP2 City and Country database contents."""
    regions = record.get("subdivisions") or [{}]
    where = record.get("location") or {}
    return {
        "country_code": (record.get("country") or {}).get("iso_code"),
        "region_code": regions[0].get("iso_code"),
        "city_name": ((record.get("city") or {}).get("names") or {}).get("en"),
        "postal_code": (record.get("postal") or {}).get("code"),
        "dma_code": where.get("metro_code"),
        "latitude": where.get("latitude"),
        "longitude": where.get("longitude"),
    }
