"""Builders of criteria on profiles: attributes, consent, devices, identities, places, times, memberships."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Generic, Literal, Self, TypeVar

from core.builders.built import Built, changed, once
from core.builders.operators import Comparisons, Fields, Windows, made
from core.criteria.attribution import Attribution
from core.criteria.calculated import CalculatedAttributeCriterion
from core.criteria.memberships import AudienceMembership
from core.criteria.places import Location
from core.criteria.seen import FirstSeen, LastSeen
from core.criteria.users import Consent, Device, Identity, ProfileCriterion, UserAttribute

P = TypeVar("P", bound=ProfileCriterion)


@dataclass(frozen=True)
class Start(Generic[P]):
    """The beginning of a criterion on profile data: what it is about, and in which workspace."""

    model: type[P]
    fields: Fields

    def in_workspace(self, workspace: str) -> Self:
        """Read this workspace, not the audience's first."""
        return replace(self, fields={**self.fields, "workspace": workspace})

    def _made(self, fields: Fields) -> P:
        return made(self.model, {**self.fields, **fields})


@dataclass(frozen=True)
class Compared(Start[P], Comparisons[P]):
    """A value of a profile; an operator makes the criterion."""

    def _operated(self, operator: str, fields: Fields) -> P:
        return self._made({"operator": operator, **fields})


@dataclass(frozen=True)
class Seen(Start[P], Windows[P]):
    """A moment of a profile; a window makes the criterion."""

    def _operated(self, operator: str, fields: Fields) -> P:
        return self._made({"when": {"type": operator, **fields}})


class ConsentStart(Start[Consent]):
    """A consent purpose; a state makes the criterion."""

    def given(self) -> Consent:
        """Consent was given (gdpr)."""
        return self._made({"state": "given"})

    def rejected(self) -> Consent:
        """Consent was rejected (gdpr)."""
        return self._made({"state": "rejected"})

    def opted_out(self) -> Consent:
        """Opted out of data sale (ccpa)."""
        return self._made({"state": "opted_out"})

    def not_opted_out(self) -> Consent:
        """Did not opt out of data sale (ccpa)."""
        return self._made({"state": "not_opted_out"})

    def no_record(self) -> Consent:
        """Nothing is recorded."""
        return self._made({"state": "no_record"})


class LocationStart(Start[Location]):
    """The latest known location; `equals` or `within` makes the criterion."""

    def equals(
        self,
        *,
        city: str | None = None,
        state: str | None = None,
        zip: str | None = None,
        dma: str | None = None,
        country: str | None = None,
    ) -> Location:
        """Every given part is the same, in any case."""
        given = {"city": city, "state": state, "zip": zip, "dma": dma, "country": country}
        return self._made({"operator": "equals", **{key: value for key, value in given.items() if value is not None}})

    def within(
        self,
        distance: float,
        unit: Literal["kilometers", "miles", "meters"] = "kilometers",
        *,
        city: str | None = None,
        latitude: float | None = None,
        longitude: float | None = None,
    ) -> Location:
        """At most so far from a city ("Paris, FR") or a point."""
        given = {"city": city, "latitude": latitude, "longitude": longitude}
        near = {key: value for key, value in given.items() if value is not None}
        return self._made({"operator": "within", "distance": distance, "unit": unit, **near})


class AttributionBuilder(Built):
    """People with an install or uninstall attribution; `publisher` and `campaign` narrow it."""

    node: Attribution

    def in_workspace(self, workspace: str) -> AttributionBuilder:
        """Read this workspace, not the audience's first."""
        return changed(self, **once(self, "workspace", workspace))

    @property
    def publisher(self) -> AttributionPart:
        """The publisher, to be compared."""
        return AttributionPart(self, "publisher")

    @property
    def campaign(self) -> AttributionPart:
        """The campaign, to be compared."""
        return AttributionPart(self, "campaign")


@dataclass(frozen=True)
class AttributionPart(Comparisons[AttributionBuilder]):
    """The publisher or the campaign of an attribution; an operator narrows the criterion."""

    whole: AttributionBuilder
    part: Literal["publisher", "campaign"]
    value_type: str | None = None

    def as_type(self, value_type: str) -> AttributionPart:
        """The part with its type forced."""
        return replace(self, value_type=value_type)

    def _operated(self, operator: str, fields: Fields) -> AttributionBuilder:
        forced = {"value_type": self.value_type} if self.value_type is not None else {}
        return changed(self.whole, **once(self.whole, self.part, {"operator": operator, **fields, **forced}))


def _named(kind: str, key: str, name: str, value_type: str | None) -> Fields:
    forced = {"value_type": value_type} if value_type is not None else {}
    return {"type": kind, key: name, **forced}


def user_attribute(name: str, *, value_type: str | None = None) -> Compared[UserAttribute]:
    """A user attribute: `user_attribute("tier").exact_match("gold")`."""
    return Compared(UserAttribute, _named("user_attribute", "attribute", name, value_type))


def calculated_attribute(name: str, *, value_type: str | None = None) -> Compared[CalculatedAttributeCriterion]:
    """One of the workspace's calculated attributes: `calculated_attribute("lifetime_value").greater_than(100)`."""
    return Compared(CalculatedAttributeCriterion, _named("calculated_attribute", "name", name, value_type))


def device(field: str, *, value_type: str | None = None) -> Compared[Device]:
    """The devices of a profile: `device("carrier").exact_match("AT&T")`."""
    return Compared(Device, _named("device", "field", field, value_type))


def identity(identity_type: str, *, value_type: str | None = None) -> Compared[Identity]:
    """The identities of a type: `identity("email").ends_with("@example.com")`."""
    return Compared(Identity, _named("identity", "identity_type", identity_type, value_type))


def audience_membership(audience: str, operator: Literal["in", "not_in"] = "in") -> AudienceMembership:
    """Members of another audience, by its id (or, with "not_in", all others)."""
    fields = {"type": "audience_membership", "audience": audience, "operator": operator}
    return made(AudienceMembership, fields)


def consent(regulation: Literal["gdpr", "ccpa"], purpose: str | None = None) -> ConsentStart:
    """The latest state of a consent purpose: `consent("gdpr", "ads").given()`, `consent("ccpa").opted_out()`."""
    named = {"purpose": purpose} if purpose is not None else {}
    return ConsentStart(Consent, {"type": "consent", "regulation": regulation, **named})


def first_seen() -> Seen[FirstSeen]:
    """The first activity: `first_seen().within_last(days=30)`."""
    return Seen(FirstSeen, {"type": "first_seen"})


def last_seen() -> Seen[LastSeen]:
    """The latest activity: `last_seen().more_than_ago(weeks=2)`."""
    return Seen(LastSeen, {"type": "last_seen"})


def location() -> LocationStart:
    """The latest known location: `location().within(25, city="Paris, FR")`."""
    return LocationStart(Location, {"type": "location"})


def attribution(event: Literal["install", "uninstall"]) -> AttributionBuilder:
    """Any attribution; narrowed by its parts: `attribution("install").publisher.exact_match("Facebook")`."""
    return AttributionBuilder(node=made(Attribution, {"type": "attribution", "event": event}))
