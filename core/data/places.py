"""The gazetteer: the cities of GeoNames with 15,000 inhabitants or more, found by any of their names.

It comes with the package (`places.parquet`, rebuilt by `core.data.make_places`; licence in PLACES_LICENCE.md), is read
at first use (about 0.2 s) and kept for the life of the process; then a look-up takes a millisecond or two.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from typing import Final

import polars as pl

PATH: Final = Path(__file__).with_name("places.parquet")


@dataclass(frozen=True, slots=True)
class City:
    """A city of the gazetteer; `latitude` and `longitude` in degrees, `admin1` GeoNames' code of its region."""

    name: str
    country_code: str
    admin1: str
    latitude: float
    longitude: float
    population: int

    @property
    def label(self) -> str:
        """The city as `find_city` reads it: "Paris, FR"."""
        return f"{self.name}, {self.country_code}"


@lru_cache(maxsize=1024)
def find_city(text: str) -> City | None:
    """The most populous city of that name, ASCII name or alternate name in any case; None if there is none.

    "City, CC" looks in the country of that ISO code only. The whole text is tried as a name first, because some names
    hold a comma themselves ("Misato, Saitama"). Source: DEFINITION 3.4, `location`.
    """
    name, _, country = text.rpartition(",")
    return _gazetteer().most_populous(text) or (_gazetteer().most_populous(name, country) if name.strip() else None)


def suggest_cities(prefix: str, limit: int = 10) -> list[City]:
    """At most `limit` cities with a name that begins with `prefix` in any case.

    Those that match by their own name stand before those that match by an alternate one, the most populous first.
    After a comma the country's code is completed: "paris, u". `find_city` finds every one of them by its label, so of
    two cities with one label the smaller is left out.
    """
    name, _, country = prefix.rpartition(",")
    begins = pl.col("key").str.starts_with(_fold(prefix))
    found = _gazetteer().suggestions(begins, limit)
    if found or not name.strip():
        return found
    in_country = pl.col("country").str.starts_with(country.strip().upper())
    return _gazetteer().suggestions((pl.col("key") == _fold(name)) & in_country, limit)


@dataclass(frozen=True)
class _Gazetteer:
    """`cities` in order of population and `names`, one row a name of a city.

    Columns of `names`: `key` (the name in lower case), `country`, `city` (row in `cities`), `own` (not an alternate
    name) and `labelled` (the city's label finds it).
    """

    cities: pl.DataFrame
    names: pl.DataFrame

    def most_populous(self, name: str, country: str | None = None) -> City | None:
        """The first city of that name, in that country if one is given."""
        found = pl.col("key") == _fold(name)
        if country is not None:
            found &= pl.col("country") == country.strip().upper()
        row = self.names.filter(found)["city"].min()
        return self._city(row) if isinstance(row, int) else None

    def suggestions(self, found: pl.Expr, limit: int) -> list[City]:
        """The labelled cities with such a name, by their own name before by an alternate one, at most `limit`."""
        rows = self.names.filter(found & pl.col("labelled")).group_by("city").agg(pl.col("own").any())
        first = rows.sort("own", "city", descending=[True, False]).head(limit)
        return [self._city(row) for row in first["city"].to_list()]

    def _city(self, row: int) -> City:
        return City(*self.cities.row(row))


@cache
def _gazetteer() -> _Gazetteer:
    """The gazetteer that comes with the package; its rows stand in order of population."""
    places = pl.read_parquet(PATH).with_row_index("city").rename({"country_code": "country"})
    own = places.select("city", "country", key=pl.concat_list("name", "ascii_name"), own=True)
    alternate = places.select("city", "country", key="alternate_names", own=False)
    names = pl.concat([own, alternate]).explode("key").with_columns(key=_lower(pl.col("key")))
    labels = places.select("city", "country", key=_lower(pl.col("name")))
    first = names.group_by("key", "country").agg(pl.col("city").min())
    labelled = labels.join(first, on=["key", "country", "city"], how="semi")["city"].implode()
    cities = places.select("name", "country", "admin1", "latitude", "longitude", "population")
    return _Gazetteer(cities, names.with_columns(labelled=pl.col("city").is_in(labelled)))


def _fold(name: str) -> str:
    """The name as it is compared: without blanks around it, in lower case."""
    return str(pl.select(_lower(pl.lit(name.strip()))).item())


def _lower(names: pl.Expr) -> pl.Expr:
    """Unicode lower case; the same code for the names and for what is looked up."""
    return names.str.to_lowercase()
