"""Calculated attributes: their definition, and the criterion that compares one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Discriminator, Field, ValidationError, model_validator

from core.criteria import aggregates
from core.criteria.base import Model, Pick
from core.criteria.comparison import Comparison
from core.criteria.doubts import ADDED, MONEY, Currencies, Doubt
from core.criteria.events import Event
from core.criteria.evidence import Evidence, moment_words, value_words
from core.criteria.matchers import Moment, Number
from core.criteria.measures import Counts, Measure, Moments
from core.criteria.operators import COMPARED
from core.criteria.predicates import Ref
from core.criteria.problems import problems_of
from core.criteria.qualifying import aggregated, how_many, newest, qualifying
from core.criteria.users import ComparedProfileCriterion
from core.criteria.windows import EVER, After, Bounds, WithinLast
from core.data.per_profile import earliest
from core.data.values import Mask
from core.errors import DefinitionError, Problem

if TYPE_CHECKING:
    from core.context import Context
    from core.criteria.base import Criterion
    from core.data.events import Rows
    from core.data.snapshot import Snapshot
    from core.scope import Inputs, Scope
    from core.sql import Sql, SqlScope

CalculationName = Literal[
    "count",
    "sum",
    "minimum",
    "maximum",
    "average",
    "most_frequent",
    "unique_count",
    "first_value",
    "last_value",
    "first_timestamp",
    "last_timestamp",
    "unique_list",
]
WITHOUT_VALUE = ("count", "first_timestamp", "last_timestamp")
NUMBERS = ("count", "sum", "minimum", "maximum", "average", "unique_count")


class CalculatedEvent(Event):
    """The events that a calculated attribute reads: what qualifies, without counting or time."""

    WHAT = ""

    type: Literal["event"] = "event"

    @model_validator(mode="after")
    def _bare(self) -> CalculatedEvent:
        for name in ("inputs", "frequency", "aggregate", "when"):
            if getattr(self, name) is not None:
                raise ValueError(f"the event of a calculated attribute has no {name}")
        return self


class CalculatedAttribute(Model):
    """The definition of a calculated attribute: a value computed over all events of its workspace."""

    WORDS: ClassVar[Mapping[str, Mapping[str, str]]] = {
        "calculation": {
            "count": "how many events",
            "most_frequent": "most frequent value",
            "unique_count": "how many different values",
            "first_timestamp": "moment of the first event",
            "last_timestamp": "moment of the last event",
            "unique_list": "list of different values",
        }
    }
    START: ClassVar[Mapping[str, Any]] = {
        "name": "",
        "calculation": "count",
        "event": {"type": "event", "kind": "custom"},
    }

    name: Annotated[str, Field(min_length=1, max_length=256)]
    calculation: CalculationName
    event: CalculatedEvent
    of: Ref | None = None
    window: Annotated[WithinLast | After, Discriminator("type")] | None = None

    @classmethod
    def template(cls, data: Mapping[str, Any]) -> str:
        """What it is computed of stands there only where it needs something."""
        of = "" if data.get("calculation") in WITHOUT_VALUE else " of {of}"
        return f"computes | {{calculation}}{of}\nlooks back | {{window}}"

    @classmethod
    def fitted(cls, data: Mapping[str, Any]) -> dict[str, Any]:
        """Without what the calculation does not read, and with what it needs; name and event are asked beside it."""
        beside = {key: data[key] for key in ("id", "name", "event") if key in data}
        held = {**super().fitted(data), **beside}
        if held.get("calculation") in WITHOUT_VALUE:
            held.pop("of", None)
        elif held.get("of") is None:
            held["of"] = {"attribute": ""}
        return held

    @model_validator(mode="after")
    def _has_its_value(self) -> CalculatedAttribute:
        if self.calculation not in WITHOUT_VALUE and self.of is None:
            raise ValueError(f"{self.calculation} needs `of`: the property that it is computed of")
        return self

    @property
    def result_type(self) -> str:
        """What operators compare: number, date, list or any."""
        if self.calculation in NUMBERS:
            return "number"
        return {"first_timestamp": "date", "last_timestamp": "date", "unique_list": "list"}.get(self.calculation, "any")

    def rows(self, workspace: str, scope: Scope) -> list[Rows]:
        """The events that it reads."""
        return qualifying(self.event, scope, *self._reads(workspace, scope), without_lookback=True)

    def _reads(self, workspace: str, scope: Scope) -> tuple[Inputs, Bounds]:
        inputs = frozenset((workspace, name) for name in scope.snapshot.manifest.workspaces[workspace].inputs)
        return inputs, self.window.bounds(scope.now_ms) if self.window else (-EVER, EVER)

    def measure(self, workspace: str, scope: Scope) -> Measure:
        """Its value a profile: every input of the workspace, no lookback but its own window."""
        if self.calculation == "count":
            return Counts(how_many(self.event, scope, *self._reads(workspace, scope), without_lookback=True))
        if self.calculation == "last_timestamp":
            return newest(self.event, scope, *self._reads(workspace, scope), without_lookback=True)
        if self.calculation == "first_timestamp":
            return Moments(earliest(self.rows(workspace, scope), scope.size))
        assert self.of is not None
        function, reads = self.calculation.removesuffix("_value"), self._reads(workspace, scope)
        return aggregated(function, self.event, self.of, scope, *reads, without_lookback=True)

    def sql(self, workspace: str, comparison: Comparison, to: SqlScope) -> Sql:
        """Whose value satisfies a comparison."""
        window, reads = (self.window,) if self.window else (), to.column("workspace", "e").eq(to.text(workspace))
        rows, matcher = self.event.sql_rows(to, reads, lookback=False, when=window), comparison.matcher
        if self.of is not None:
            function = self.calculation.removesuffix("_value")
            return aggregates.aggregate_sql(function, self.event.sql_values(self.of, rows, to), comparison, to)
        if isinstance(matcher, Number):
            return aggregates.totalled_sql(rows, matcher.sql_number(to.count(), to.number), matcher, to)
        who = rows.select("mpid").group_by("mpid")
        if isinstance(matcher, Moment):
            edge = to.call("MIN" if self.calculation == "first_timestamp" else "MAX", to.column("timestamp_ms", "e"))
            return to.members(who.having(matcher.sql_moment(edge, to)))
        has = to.truth(True) if self.calculation == "count" else to.members(who)
        return to.opposite(has) if matcher.operator.negated else has


def calculated_attribute(definition: Any) -> CalculatedAttribute:
    """The calculated attribute of its JSON form; raises DefinitionError with every problem."""
    if not isinstance(definition, dict):
        raise DefinitionError(
            [Problem("definition", "A calculated attribute is a JSON object.", "It has name, calculation and event.")]
        )
    try:
        return CalculatedAttribute.model_validate(definition)
    except ValidationError as error:
        found = problems_of(error, definition)
        raise DefinitionError([replace(each, path=each.path or "definition") for each in found]) from None


class CalculatedAttributeCriterion(ComparedProfileCriterion):
    """People by one of the workspace's calculated attributes."""

    GROUP = "Users"
    CARDS: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "Calculated attribute": {"type": "calculated_attribute", "name": "", "operator": "exists"}
    }
    TEMPLATE = f"have a calculated {{name}} that {COMPARED}\nin {{workspace}}"

    type: Literal["calculated_attribute"]
    name: Annotated[str, Pick("calculated_attributes")]

    @classmethod
    def properties(cls, snapshot: Snapshot, workspace: str) -> Iterator[tuple[str, Criterion]]:
        for name in snapshot.manifest.workspaces[workspace].calculated_attributes:
            yield (
                f"Calculated: {name}",
                cls(type="calculated_attribute", workspace=workspace, name=name, operator="exists"),
            )

    @classmethod
    def values_of(cls, data: Mapping[str, Any]) -> tuple[str, str] | None:
        return ("calculated_attribute", data["name"]) if data.get("name") else None

    def measure(self, scope: Scope) -> Measure:
        workspace = self.reads(scope)
        known = scope.snapshot.manifest.workspaces[workspace].calculated_attributes[self.name]
        return calculated_attribute(known).measure(workspace, scope)

    def match(self, measure: Measure, scope: Scope) -> Mask:
        return self.holds(measure, scope)

    @property
    def compared(self) -> str:
        return self.name

    def doubts(self, scope: Scope) -> Iterator[Doubt]:
        workspace = self.reads(scope)
        known = calculated_attribute(scope.snapshot.manifest.workspaces[workspace].calculated_attributes[self.name])
        if known.calculation in ADDED and known.of is not None and known.of.ref[1] in MONEY:
            yield Currencies.of(known.rows(workspace, scope), scope)

    def evidence(self, scope: Scope, profile: int) -> Evidence:
        """The calculated value."""
        value = scope.measure(self).at(profile)
        shown = moment_words(round(value.timestamp() * 1000)) if isinstance(value, datetime) else value_words(value)
        found = f"has no {self.name}" if value is None else f"{self.name} is {shown}"
        return Evidence(f"{found}; asked: {self.matcher.words}", value)

    def sql(self, to: SqlScope) -> Sql:
        workspace = self.reads(to)
        return calculated_attribute(to.calculated(workspace, self.name)).sql(workspace, self, to)

    def problems(self, context: Context, path: str) -> Iterator[Problem]:
        yield from super().problems(context, path)
        workspace = context.profile_workspace(self.workspace)
        if workspace not in context.known:
            return  # that there is no such workspace is told already
        known = context.known[workspace].calculated_attributes
        if self.name not in known:
            way_out = f"Known are {', '.join(sorted(known))}." if known else "Define it first."
            yield Problem(path, f"{workspace} has no calculated attribute {self.name!r}.", way_out)
            return
        result = calculated_attribute(known[self.name]).result_type
        if result != "any" and self.matcher.READS not in ("any", result):
            reads = self.matcher.READS
            message = f"The calculated attribute {self.name!r} is a {result}; {self.operator} compares a {reads}."
            yield Problem(path, message, f"Choose an operator for a {result}.")
