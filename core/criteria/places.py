"""Where people are: `location` by place names, or within a distance of a point."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Final, Literal

import numpy as np
from pydantic import Field, Strict, model_validator
from pydantic.fields import FieldInfo

from core.criteria.base import Criterion, Pick
from core.criteria.dials import Dial, Gap
from core.criteria.distances import Distances, Points, points_of
from core.criteria.evidence import Condition, Evidence, moment_words, value_words
from core.criteria.matchers import TEXT, Text
from core.criteria.measures import Measure, Values
from core.criteria.users import ProfileCriterion
from core.data.facts import NO_RECORD
from core.data.letters import Arrays
from core.data.places import find_city
from core.data.values import Mask
from core.errors import Problem

if TYPE_CHECKING:
    from core.context import Context
    from core.data.snapshot import Snapshot
    from core.scope import Scope
    from core.sql import Sql, SqlScope

KILOMETERS: Final = {"kilometers": 1.0, "miles": 1.609344, "meters": 0.001}
PARTS: Final = ("city", "state", "zip", "dma", "country")

Number = Annotated[int, Strict()] | Annotated[float, Strict()]
Place = Annotated[str | None, Field(min_length=1)]


class Location(ProfileCriterion):
    """People by their latest known location."""

    GROUP = "Users"
    CARDS: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "Location": {"type": "location", "operator": "equals", "country": ""},
        "Distance from a place": {
            "type": "location", "operator": "within", "city": "", "distance": 25, "unit": "kilometers",
        },
    }  # fmt: skip
    TEMPLATE = "are {operator} {city, state, zip, dma, country}\nin {workspace}"
    NEAR: ClassVar[str] = "are {operator} {distance} {unit} of [{city}] {latitude, longitude}\nin {workspace}"
    WORDS: ClassVar[Mapping[str, Mapping[str, str]]] = {"operator": {"equals": "in"}}

    type: Literal["location"]
    operator: Literal["equals", "within"]
    city: Annotated[Place, Pick("location:city")] = None
    state: Annotated[Place, Pick("location:state")] = None
    zip: Annotated[Place, Pick("location:zip")] = None
    dma: Annotated[Place, Pick("location:dma")] = None
    country: Annotated[Place, Pick("location:country")] = None
    latitude: Annotated[Number, Field(ge=-90, le=90, allow_inf_nan=False)] | None = None
    longitude: Annotated[Number, Field(ge=-180, le=180, allow_inf_nan=False)] | None = None
    distance: Annotated[Number, Field(gt=0, allow_inf_nan=False)] | None = None
    unit: Literal["kilometers", "miles", "meters"] | None = None

    @model_validator(mode="after")
    def _complete(self) -> Location:
        near = {name: getattr(self, name) for name in ("latitude", "longitude", "distance", "unit")}
        if self.operator == "equals":
            if given := [name for name, value in near.items() if value is not None]:
                raise ValueError(f"{given[0]} goes with within, not with equals")
            if all(getattr(self, part) is None for part in PARTS):
                raise ValueError(f"equals needs at least one of {', '.join(PARTS)}")
            return self
        if self.distance is None or self.unit is None:
            raise ValueError("within needs a distance and its unit")
        if given := [part for part in PARTS[1:] if getattr(self, part) is not None]:
            raise ValueError(f"{given[0]} goes with equals, not with within")
        if (self.latitude is None) != (self.longitude is None):
            raise ValueError("a point needs latitude and longitude")
        if (self.city is None) == (self.latitude is None):
            raise ValueError("within needs exactly one of a city and a point")
        return self

    @classmethod
    def properties(cls, snapshot: Snapshot, workspace: str) -> Iterator[tuple[str, Criterion]]:
        for part in PARTS if len(snapshot.locations(workspace).time_ms) else ():
            # Any name will do: what is measured is the part itself.
            named: dict[str, Any] = {part: "any"}
            name = part.upper() if part in ("zip", "dma") else part.capitalize()
            yield name, cls(type="location", operator="equals", workspace=workspace, **named)

    def measure(self, scope: Scope) -> Measure:
        """`within`: kilometers from the place. `equals`: the latest location's first given part."""
        if self.operator == "within":
            return self._distances(scope)
        return self._latest(next(part for part in PARTS if getattr(self, part) is not None), scope)

    @property
    def measured(self) -> str:
        return self.model_dump_json(exclude={"distance", "unit"})

    def match(self, measure: Measure, scope: Scope) -> Mask:
        if isinstance(measure, Distances):
            assert self.distance is not None and self.unit is not None
            return measure.within(self.distance * KILOMETERS[self.unit])
        mask = np.ones(scope.size, np.bool_)
        for part in PARTS:
            if (wanted := getattr(self, part)) is not None:
                mask &= self._latest(part, scope).positive(Text(TEXT["exact_match"], wanted), scope)
        return mask

    def sql(self, to: SqlScope) -> Sql:
        known = self.sql_known("locations", to)
        order, point = ["time_ms", "source", "arrival"], ["latitude", "longitude"]
        if self.operator == "within":
            assert self.distance is not None and self.unit is not None
            known += [to.present(to.column(name, "locations")) for name in point]
            latest = to.latest("locations", order, point, *known)
            places = [*(to.column(name, "r") for name in point), *(to.number(degrees) for degrees in self._center())]
            near = to.call("distance_km", *places) <= to.number(self.distance * KILOMETERS[self.unit])
            return to.members(latest.where(near).select("mpid"))
        given = {part: value for part in PARTS if (value := getattr(self, part)) is not None}
        latest = to.latest("locations", order, list(given), *known)
        same = [to.call("lower_of", to.column(part, "r")).eq(to.text(value.lower())) for part, value in given.items()]
        return to.members(latest.where(*same).select("mpid"))

    def _latest(self, part: str, scope: Scope) -> Values:
        log = scope.snapshot.locations(self.reads(scope))
        return Values(scope.state(log, part))

    def _distances(self, scope: Scope) -> Distances:
        """From each profile's latest coordinates."""
        log = scope.snapshot.coordinates(self.reads(scope))

        def made() -> Arrays:
            latest = log.latest(scope.known_ms, scope.size)
            profile = np.flatnonzero(latest != NO_RECORD)
            records = latest[profile]
            return points_of(profile, log.numbers["latitude"][records], log.numbers["longitude"][records])

        def points() -> Points:
            if log.known(scope.known_ms) < len(log):
                return Points(**made())
            return Points(**scope.snapshot.present("locations", f"by height/{self.reads(scope)}", made))

        return Distances(scope.size, scope.derived(log, "points", points), *self._center())

    def _center(self) -> tuple[float, float]:
        if self.latitude is not None and self.longitude is not None:
            return self.latitude, self.longitude
        city = find_city(self.city or "")
        assert city is not None, "checked before anything is evaluated"
        return city.latitude, city.longitude

    def dials(self) -> Iterator[Dial]:
        if self.distance is not None and self.unit is not None:
            yield Dial("distance", self.unit, self.distance, scale=KILOMETERS[self.unit])

    def gap(self, scope: Scope, wanted: bool) -> Gap | None:
        measure = scope.measure(self)
        if not isinstance(measure, Distances) or self.distance is None or self.unit is None:
            return None
        away = measure.kilometers / KILOMETERS[self.unit]
        gaps = np.maximum(away - self.distance if wanted else self.distance - away, 0.0)
        return Gap(self.unit, np.asarray(gaps))

    def evidence(self, scope: Scope, profile: int) -> Evidence:
        """The distance, or the latest location part by part."""
        log = scope.snapshot.locations(self.reads(scope))
        record = int(log.latest(scope.known_ms, scope.size)[profile])
        when = "" if record == NO_RECORD else f", since {moment_words(int(log.time_ms[record]))}"
        if self.operator == "within":
            value = scope.measure(self).at(profile)
            away = f"{value:,.1f} kilometers away" if value is not None else "no coordinates are known"
            return Evidence(f"{away}; asked: within {self.distance:g} {self.unit}", value)
        conditions, found = [], []
        for part in PARTS:
            if (wanted := getattr(self, part)) is not None:
                value = self._latest(part, scope).at(profile)
                holds = value is not None and str(value).lower() == wanted.lower()
                found.append(f"{part} is {value_words(value)}" if value is not None else f"no {part} is known")
                conditions.append(Condition(f"{part} {wanted}", holds))
        asked = ", ".join(each.text for each in conditions)
        return Evidence(
            f"{', '.join(found)}{when}; asked: {asked}", scope.measure(self).at(profile), (), tuple(conditions)
        )

    @classmethod
    def template(cls, data: Mapping[str, Any]) -> str:
        return cls.NEAR if data.get("operator") == "within" else cls.TEMPLATE

    @classmethod
    def fitted(cls, data: Mapping[str, Any]) -> dict[str, Any]:
        start = cls.CARDS["Distance from a place"] if data.get("operator") == "within" else {}
        return super().fitted({**{key: start[key] for key in ("distance", "unit") if key in start}, **data})

    @classmethod
    def asked(cls, field: str, data: Mapping[str, Any]) -> FieldInfo:
        if field == "city" and data.get("operator") == "within":
            return FieldInfo.from_annotation(Annotated[Place, Pick("place:city")])  # type: ignore[arg-type]
        return super().asked(field, data)

    def problems(self, context: Context, path: str) -> Iterator[Problem]:
        yield from super().problems(context, path)
        if self.operator == "within" and self.city is not None and find_city(self.city) is None:
            message = f"The gazetteer has no city {self.city!r}."
            yield Problem(path, message, 'Write it like "Paris, FR", or give latitude and longitude.')
