"""Points on the Earth and distances from them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
import numpy.typing as npt
import polars as pl

from core.criteria.measures import Measure
from core.data.letters import Arrays
from core.data.values import Mask

EARTH_RADIUS_KM: Final = 6371.0088
"""Mean radius (IUGG)."""

_ROUNDING: Final = 1e-14
"""By so much may the product of two unit vectors be wrong."""

_ROUNDING_OF_A_LINE: Final = 1e-6
"""By so much may the length of a line in units of the radius be wrong: the square root of `_ROUNDING`, and more."""

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Points:
    """The places of some profiles from south to north: in degrees, and as vectors of length 1."""

    profile: npt.NDArray[np.uint32]
    latitude: Floats
    longitude: Floats
    x: Floats
    y: Floats
    z: Floats


def points_of(profile: npt.NDArray[np.int64], latitude: Floats, longitude: Floats) -> Arrays:
    """The arrays of `Points` of profiles at some degrees."""
    x, y, z = unit_vectors(latitude, longitude)
    north = np.argsort(z)  # and not by degrees: data may say a latitude of 200, which is south of 0
    places: Arrays = {"profile": profile[north].astype(np.uint32), "x": x[north], "y": y[north], "z": z[north]}
    return places | {"latitude": latitude[north], "longitude": longitude[north]}


def unit_vectors(latitude: Floats, longitude: Floats) -> tuple[Floats, Floats, Floats]:
    """x, y and z of places in degrees, as vectors of length 1."""
    lat, lon = np.radians(latitude), np.radians(longitude)
    across = np.cos(lat)
    return across * np.cos(lon), across * np.sin(lon), np.sin(lat)


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
        points = self.points
        x, y, z = unit_vectors(np.array([self.latitude]), np.array([self.longitude]))
        limit = np.cos(min(kilometers / EARTH_RADIUS_KM, np.pi))
        # The straight line through the Earth is no longer than the way, and no shorter than the difference in height.
        line = np.sqrt(2 - 2 * limit) + _ROUNDING_OF_A_LINE
        south, north = np.searchsorted(points.z, [z[0] - line, z[0] + line])
        cosines = x * points.x[south:north]
        cosines += y * points.y[south:north]
        cosines += z * points.z[south:north]
        near = np.flatnonzero(cosines >= limit - _ROUNDING)
        close = np.flatnonzero(cosines[near] <= limit + _ROUNDING)
        far = close[~(self._exact(south + near[close]) <= kilometers)]
        mask = np.zeros(self.size, np.bool_)
        mask[points.profile[south + near]] = True
        mask[points.profile[south + near[far]]] = False
        return mask

    def values(self) -> pl.Series:
        return pl.Series("value", self.kilometers).fill_nan(None)

    def numbers(self) -> Floats:
        return self.kilometers


def great_circle_km(latitudes: Floats, longitudes: Floats, latitude: float, longitude: float) -> Floats:
    """Haversine distance in kilometers of points from one point, all in degrees."""
    lat, lon, lat0, lon0 = np.radians(latitudes), np.radians(longitudes), np.radians(latitude), np.radians(longitude)
    half = np.sin((lat - lat0) / 2) ** 2 + np.cos(lat) * np.cos(lat0) * np.sin((lon - lon0) / 2) ** 2
    return np.asarray(2 * EARTH_RADIUS_KM * np.arcsin(np.sqrt(np.clip(half, 0.0, 1.0))))
