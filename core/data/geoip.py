"""Where an IP address is, by a database in MaxMind's format."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

import maxminddb

from core.errors import InputError


@contextmanager
def locator(path: str | os.PathLike[str]) -> Iterator[Callable[[str], dict[str, Any]]]:
    """A function from an IP address to a location with the keys of a batch's context.location, {} if it is not known.

    Raises InputError when the database cannot be read.
    """
    try:
        database = maxminddb.open_database(path)
    except (OSError, maxminddb.InvalidDatabaseError, ValueError) as error:
        raise InputError(f"The location database {path} cannot be read: {error}.", "Check WORKBENCH_GEOIP.") from error

    @lru_cache(maxsize=65536)
    def locate(ip: str) -> dict[str, Any]:
        try:
            found = database.get(ip)
        except ValueError:
            return {}  # no IP address, or one of version 6 in a database of version 4
        except maxminddb.InvalidDatabaseError as error:
            raise InputError(f"The location database {path} is damaged: {error}.", "Fetch it again.") from error
        return _location(found) if isinstance(found, dict) else {}

    with database:
        yield locate


def _location(record: dict[str, Any]) -> dict[str, Any]:
    regions, place = record.get("subdivisions") or [{}], record.get("location") or {}
    return {
        "country_code": (record.get("country") or {}).get("iso_code"),
        "region_code": regions[0].get("iso_code"),
        "city_name": ((record.get("city") or {}).get("names") or {}).get("en"),
        "postal_code": (record.get("postal") or {}).get("code"),
        "dma_code": place.get("metro_code"),
        "latitude": place.get("latitude"),
        "longitude": place.get("longitude"),
    }
