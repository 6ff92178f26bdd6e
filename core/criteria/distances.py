"""Points on the Earth and distances from them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
import numpy.typing as npt
import polars as pl

from core.criteria.measures import Measure
from core.data.values import Mask

EARTH_RADIUS_KM: Final = 6371.0088
"""Mean radius (IUGG)."""

_ROUNDING: Final = 1e-14
"""By so much may the product of two unit vectors be wrong."""

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Points:
    """The places of some profiles in degrees, and as unit vectors (shape (3, points))."""

    profile: npt.NDArray[np.int64]
    latitude: Floats
    longitude: Floats
    vectors: Floats

    @classmethod
    def of(cls, profile: npt.NDArray[np.int64], latitude: Floats, longitude: Floats) -> Points:
        """The points of profiles."""
        return cls(profile, latitude, longitude, unit_vectors(latitude, longitude))


def unit_vectors(latitude: Floats, longitude: Floats) -> Floats:
    """Places in degrees as vectors of length 1: shape (3, places)."""
    lat, lon = np.radians(latitude), np.radians(longitude)
    return np.stack([np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)])


@dataclass(frozen=True)
class Distances(Measure):
    """Kilometers of profiles from a place, for those whose place is known."""

    size: int
    points: Points
    latitude: float
    longitude: float

    @cached_property
    def kilometers(self) -> Floats:
        """float64, one a profile, NaN where no place is known."""
        kilometers = np.full(self.size, np.nan)
        kilometers[self.points.profile] = self._exact(slice(None))
        return kilometers

    def _exact(self, some: npt.NDArray[np.int64] | slice) -> Floats:
        return great_circle_km(self.points.latitude[some], self.points.longitude[some], self.latitude, self.longitude)

    def within(self, kilometers: float) -> Mask:
        """Who is at most so far away. Angles are compared by their cosines, and exactly where these are too close."""
        center = unit_vectors(np.array([self.latitude]), np.array([self.longitude]))[:, 0]
        cosines, limit = center @ self.points.vectors, np.cos(min(kilometers / EARTH_RADIUS_KM, np.pi))
        near = cosines >= limit
        close = np.flatnonzero(np.abs(cosines - limit) <= _ROUNDING)
        near[close] = self._exact(close) <= kilometers
        mask = np.zeros(self.size, np.bool_)
        mask[self.points.profile[near]] = True
        return mask

    def values(self) -> pl.Series:
        return pl.Series("value", self.kilometers).fill_nan(None)

    def numbers(self) -> Floats:
        return self.kilometers


def great_circle_km(latitudes: Floats, longitudes: Floats, latitude: float, longitude: float) -> Floats:
    """Haversine distance in kilometers of points from one point, all in degrees."""
    lat, lon, lat0, lon0 = np.radians(latitudes), np.radians(longitudes), np.radians(latitude), np.radians(longitude)
    half = np.sin((lat - lat0) / 2) ** 2 + np.cos(lat) * np.cos(lat0) * np.sin((lon - lon0) / 2) ** 2
    return np.asarray(2 * EARTH_RADIUS_KM * np.arcsin(np.minimum(1.0, np.sqrt(half))))
