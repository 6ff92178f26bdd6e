"""Who people are: attributes, consent, devices, identities."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field, model_validator

from core.criteria.base import Criterion, Pick
from core.criteria.comparison import Comparison
from core.criteria.dials import Dial, Gap
from core.criteria.evidence import Evidence, moment_words, things, value_words
from core.criteria.measures import Measure, Several, Values
from core.criteria.operators import COMPARED
from core.criteria.template import plain_words
from core.data.coded import ABSENT, NULL
from core.data.facts import NO_RECORD
from core.data.schema import IDENTITY_TYPES, VERSION_FIELDS
from core.data.values import Mask
from core.errors import Problem

if TYPE_CHECKING:
    from core.context import Context
    from core.data.snapshot import Snapshot
    from core.scope import Scope
    from core.sql import Sql, SqlScope

Workspace = Annotated[str | None, Pick("workspaces")]


class ProfileCriterion(Criterion):
    """A criterion on profile data of one workspace: the named one, else the audience's first."""

    workspace: Workspace = None

    def reads(self, scope: Scope | SqlScope) -> str:
        """The workspace whose data it reads."""
        return self.workspace if self.workspace is not None else scope.workspaces[0]

    def sql_known(self, table: str, to: SqlScope, **match: str) -> list[Sql]:
        """The records of a table that it reads: of its workspace, up to now, with the values of `match`."""
        mine = {"workspace": self.reads(to), **match}
        known = [to.column(name, table).eq(to.text(value)) for name, value in mine.items()]
        return [*known, to.column("time_ms", table) <= to.now]

    def problems(self, context: Context, path: str) -> Iterator[Problem]:
        if self.workspace is not None and self.workspace not in context.workspaces:
            yield Problem(
                path,
                f"The workspace {self.workspace!r} is not among the audience's.",
                f"Choose one of {', '.join(context.workspaces)}.",
            )


class ComparedProfileCriterion(ProfileCriterion, Comparison):
    """A profile criterion that compares a value."""

    @property
    def compared(self) -> str:
        """What is compared: the name of the value."""
        raise AssertionError

    def dials(self) -> Iterator[Dial]:
        yield from self.value_dials(self.compared)

    def gap(self, scope: Scope, wanted: bool) -> Gap | None:
        return self.gap_of(scope.measure(self), scope, wanted)

    def match(self, measure: Measure, scope: Scope) -> Mask:
        return self.holds(measure, scope)

    @property
    def measured(self) -> str:
        named = {name for name in type(self).model_fields if name not in Comparison.model_fields}
        return self.model_dump_json(include=named)


class UserAttribute(ComparedProfileCriterion):
    """People by a user attribute, list attributes included."""

    GROUP = "Users"
    CARDS: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "Attribute": {"type": "user_attribute", "attribute": "", "operator": "exists"},
        "Attribute list": {"type": "user_attribute", "attribute": "", "operator": "includes", "value": ""},
    }
    TEMPLATE = f"have a {{attribute}} that {COMPARED}\nin {{workspace}}"

    type: Literal["user_attribute"]
    attribute: Annotated[str, Pick("user_attributes")]

    @classmethod
    def values_of(cls, data: Mapping[str, Any]) -> tuple[str, str] | None:
        return ("user_attribute", data["attribute"]) if data.get("attribute") else None

    @classmethod
    def properties(cls, snapshot: Snapshot, workspace: str) -> Iterator[tuple[str, Criterion]]:
        for key in snapshot.keys("attributes", "key", workspace):
            yield key, cls(type="user_attribute", workspace=workspace, attribute=key, operator="exists")

    def measure(self, scope: Scope) -> Values:
        """The attribute's latest value."""
        log = scope.snapshot.attribute(self.reads(scope), self.attribute)
        return Values(scope.state(log, "value"))

    @property
    def compared(self) -> str:
        return self.attribute

    def evidence(self, scope: Scope, profile: int) -> Evidence:
        """The value, and since when it stands."""
        log = scope.snapshot.attribute(self.reads(scope), self.attribute)
        measure, record = self.measure(scope), int(log.latest(scope.known_ms, scope.size)[profile])
        since = "" if record == NO_RECORD else f", since {moment_words(int(log.time_ms[record]))}"
        found = {
            ABSENT: f"has no {self.attribute}" if not since else f"{self.attribute} was deleted{since}",
            NULL: f"{self.attribute} is there without a value{since}",
        }
        value = measure.at(profile)
        code = int(measure.column.codes[profile])
        text = found.get(code, f"{self.attribute} is {value_words(value)}{since}")
        return Evidence(f"{text}; asked: {self.matcher.words}", value)

    def sql(self, to: SqlScope) -> Sql:
        known = self.sql_known("attributes", to, key=self.attribute)
        latest = to.latest("attributes", ["time_ms", "arrival"], ["value"], *known)
        return self.sql_among(latest, to.column("value", "r"), to)

    def warnings(self, context: Context, path: str) -> Iterator[Problem]:
        workspace = context.profile_workspace(self.workspace)
        if not context.knows("attributes", workspace, self.attribute):
            message = f"No profile in {workspace} ever had the attribute {self.attribute!r}."
            yield Problem(path, message, "It is missing for everyone.")


class Consent(ProfileCriterion):
    """People by the latest state of a consent purpose. CCPA `consented: true` means opted out of data sale."""

    GROUP = "Users"
    CARDS: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "Consent": {"type": "consent", "regulation": "gdpr", "purpose": "", "state": "given"}
    }
    TEMPLATE = "{state} {regulation} {purpose}\nin {workspace}"
    WORDS: ClassVar[Mapping[str, Mapping[str, str]]] = {
        "regulation": {"gdpr": "GDPR consent to", "ccpa": "data sale (CCPA)"},
        "state": {
            "given": "gave",
            "opted_out": "opted out of",
            "not_opted_out": "did not opt out of",
            "no_record": "have no record of",
        },
    }
    STATES: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "gdpr": ("given", "rejected", "no_record"),
        "ccpa": ("opted_out", "not_opted_out", "no_record"),
    }

    type: Literal["consent"]
    regulation: Literal["gdpr", "ccpa"]
    purpose: Annotated[str | None, Pick("consent_purposes")] = None
    state: Literal["given", "rejected", "opted_out", "not_opted_out", "no_record"]

    @classmethod
    def template(cls, data: Mapping[str, Any]) -> str:
        return cls.TEMPLATE if data.get("regulation") == "gdpr" else cls.TEMPLATE.replace(" {purpose}", "")

    @classmethod
    def options(cls, field: str, data: Mapping[str, Any]) -> tuple[str, ...]:
        allowed = cls.STATES.get(data.get("regulation", "")) if field == "state" else None
        return allowed or super().options(field, data)

    @model_validator(mode="after")
    def _fits_its_regulation(self) -> Consent:
        if self.regulation == "gdpr" and self.purpose is None:
            raise ValueError("a gdpr consent needs its purpose")
        if self.regulation == "ccpa" and self.purpose is not None:
            raise ValueError("a ccpa consent has no purpose")
        states = self.STATES[self.regulation]
        if self.state not in states:
            raise ValueError(f"the states of {self.regulation} are {', '.join(states[:-1])} and {states[-1]}")
        return self

    @classmethod
    def properties(cls, snapshot: Snapshot, workspace: str) -> Iterator[tuple[str, Criterion]]:
        for purpose in snapshot.keys("consents", "purpose", workspace):
            gdpr: dict[str, Any] = {"regulation": "gdpr", "purpose": purpose, "state": "given"}
            yield f"GDPR consent to {purpose}", cls(type="consent", workspace=workspace, **gdpr)

    def measure(self, scope: Scope) -> Values:
        """The latest `consented`, absent where there is no record."""
        return Values(
            scope.state(scope.snapshot.consent(self.reads(scope), self.regulation, self.purpose), "consented")
        )

    @property
    def measured(self) -> str:
        return self.model_dump_json(exclude={"state"})

    def match(self, measure: Measure, scope: Scope) -> Mask:
        assert isinstance(measure, Values)
        if self.state == "no_record":
            return ~measure.present()
        dictionary = measure.column.dictionary
        return measure.column.where(dictionary.spread(dictionary.boolean == (self.state in ("given", "opted_out"))))

    def value_said(self, value: str | None) -> str:
        gdpr = self.regulation == "gdpr"
        words = {"true": "given" if gdpr else "opted out", "false": "rejected" if gdpr else "not opted out"}
        return words.get((value or "").lower(), "no record")

    def evidence(self, scope: Scope, profile: int) -> Evidence:
        """The latest state and its moment."""
        log = scope.snapshot.consent(self.reads(scope), self.regulation, self.purpose)
        record = int(log.latest(scope.known_ms, scope.size)[profile])
        asked = f"asked: {self.state.replace('_', ' ')}"
        if record == NO_RECORD:
            return Evidence(f"no record; {asked}")
        consented = log.columns["consented"].tagged()[record] == "btrue"
        gdpr = self.regulation == "gdpr"
        state = ("given" if consented else "rejected") if gdpr else ("opted out" if consented else "not opted out")
        return Evidence(f"{state}, since {moment_words(int(log.time_ms[record]))}; {asked}", state)

    def sql(self, to: SqlScope) -> Sql:
        known = self.sql_known("consents", to, regulation=self.regulation)
        purpose = to.column("purpose", "consents")
        known.append(to.absent(purpose) if self.purpose is None else purpose.eq(to.text(self.purpose)))
        latest = to.latest("consents", ["time_ms", "arrival"], ["consented"], *known)
        if self.state == "no_record":
            return to.opposite(to.members(latest.select("mpid")))
        consented = to.column("consented", "r").eq(to.truth(self.state in ("given", "opted_out")))
        return to.members(latest.where(consented).select("mpid"))


class Device(ComparedProfileCriterion):
    """People by their devices: every value ever seen in the workspace."""

    GROUP = "Users"
    CARDS: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "Device, OS, carrier": {"type": "device", "field": "platform", "operator": "exists"}
    }
    TEMPLATE = f"have a device whose {{field}} {COMPARED}\nin {{workspace}}"

    type: Literal["device"]
    field: Annotated[
        Literal[
            "device_type",
            "platform",
            "os_version",
            "device_model",
            "device_brand",
            "device_manufacturer",
            "carrier",
            "device_country",
            "language",
        ],
        Pick("device_fields"),
    ]

    @property
    def _is_version(self) -> bool:
        return self.field in VERSION_FIELDS

    @classmethod
    def values_of(cls, data: Mapping[str, Any]) -> tuple[str, str] | None:
        return ("device", data["field"]) if data.get("field") else None

    @classmethod
    def properties(cls, snapshot: Snapshot, workspace: str) -> Iterator[tuple[str, Criterion]]:
        for field in snapshot.keys("devices", "field", workspace):
            name = f"Device: {field.replace('_', ' ')}"
            yield (
                name,
                cls.model_validate({"type": "device", "workspace": workspace, "field": field, "operator": "exists"}),
            )

    def measure(self, scope: Scope) -> Several:
        """Every value of the field."""
        return Several(scope.held(scope.snapshot.devices(self.reads(scope), self.field)))

    @property
    def compared(self) -> str:
        return plain_words(self.field)

    def evidence(self, scope: Scope, profile: int) -> Evidence:
        """Every value of the profile's devices."""
        held = self.measure(scope).at(profile)
        found = f"{self.field.replace('_', ' ')} is {value_words(held)}" if held else "no device is known"
        return Evidence(f"{found}; asked: {self.matcher.words}", held)

    def sql(self, to: SqlScope) -> Sql:
        known = self.sql_known("devices", to, field=self.field)
        return self.sql_among(to.select("devices", *known), to.column("value", "devices"), to)


class Identity(ComparedProfileCriterion):
    """People by their identities of a type: every value ever seen in the workspace."""

    GROUP = "Users"
    CARDS: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "Identities": {"type": "identity", "identity_type": "email", "operator": "exists"}
    }
    TEMPLATE = f"have a {{identity_type}} that {COMPARED}\nin {{workspace}}"

    type: Literal["identity"]
    identity_type: Annotated[str, Field(min_length=1), Pick("identity_types")]

    @classmethod
    def values_of(cls, data: Mapping[str, Any]) -> tuple[str, str] | None:
        return ("identity", data["identity_type"]) if data.get("identity_type") else None

    def said(self, field: str) -> str:
        return plain_words(self.identity_type) if field == "identity_type" else super().said(field)

    def measure(self, scope: Scope) -> Several:
        """Every identity of the type."""
        return Several(scope.held(scope.snapshot.identities(self.reads(scope), self.identity_type)))

    @property
    def compared(self) -> str:
        return plain_words(self.identity_type)

    def evidence(self, scope: Scope, profile: int) -> Evidence:
        """How many identities of the type; `value` holds them."""
        held = self.measure(scope).at(profile)
        found = f"has {things(len(held), self.identity_type.replace('_', ' '))}"
        return Evidence(f"{found}; asked: {self.matcher.words}", held, identifying=True)

    def sql(self, to: SqlScope) -> Sql:
        known = self.sql_known("identities", to, identity_type=self.identity_type)
        tagged = to.call("CONCAT", to.text("s"), to.column("value", "identities"))
        return self.sql_among(to.select("identities", *known), tagged, to)

    def warnings(self, context: Context, path: str) -> Iterator[Problem]:
        workspace = context.profile_workspace(self.workspace)
        if self.identity_type not in IDENTITY_TYPES and not context.knows("identities", workspace, self.identity_type):
            message = f"{self.identity_type!r} is no known identity type and the data holds none."
            yield Problem(path, message, "It is missing for everyone.")
