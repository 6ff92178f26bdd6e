"""When people were first and last seen: the moments of their activity in a workspace."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np

from core.criteria.base import Criterion
from core.criteria.dials import Dial, Gap, moment_gap
from core.criteria.evidence import Evidence, moment_words
from core.criteria.measures import Measure, Moments
from core.criteria.users import ProfileCriterion
from core.criteria.windows import Before, PastWindow
from core.data.values import NO_MOMENT, Mask

if TYPE_CHECKING:
    from core.data.snapshot import Snapshot
    from core.scope import Scope
    from core.sql import Sql, SqlScope

_EVER = Before(type="before", date="9999-12-31")


class _Seen(ProfileCriterion):
    """One moment of each profile, and the window that it lies in."""

    GROUP = "Users"
    SAID: ClassVar[str]
    """The moment in words."""

    when: PastWindow

    @property
    def measured(self) -> str:
        return self.model_dump_json(exclude={"when"})

    def match(self, measure: Measure, scope: Scope) -> Mask:
        assert isinstance(measure, Moments)
        earliest, latest = self.when.bounds(scope.now_ms)
        return np.asarray((measure.moments >= earliest) & (measure.moments <= latest))

    def dials(self) -> Iterator[Dial]:
        yield from (dial.under("when") for dial in self.when.dials())

    def gap(self, scope: Scope, wanted: bool) -> Gap:
        measure = scope.measure(self)
        assert isinstance(measure, Moments)
        return moment_gap(measure.moments, self.when.bounds(scope.now_ms), wanted)

    def evidence(self, scope: Scope, profile: int) -> Evidence:
        """The moment."""
        value = scope.measure(self).at(profile)
        found = "never seen there" if value is None else f"{self.SAID} {moment_words(round(value.timestamp() * 1000))}"
        return Evidence(f"{found}; asked: {self.when.sentence}", value)


class FirstSeen(_Seen):
    """People by their first activity in the workspace."""

    CARDS: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "First seen": {"type": "first_seen", "when": {"type": "within_last", "amount": 30, "unit": "days"}}
    }
    TEMPLATE = "were first seen {when}\nin {workspace}"
    SAID = "first seen"

    type: Literal["first_seen"]

    @classmethod
    def properties(cls, snapshot: Snapshot, workspace: str) -> Iterator[tuple[str, Criterion]]:
        yield "First seen", cls(type="first_seen", workspace=workspace, when=_EVER)

    def measure(self, scope: Scope) -> Moments:
        """The first activity at or before now."""
        first = scope.snapshot.first_seen(self.reads(scope))
        return Moments(np.where(first <= scope.known_ms, first, NO_MOMENT))

    def sql(self, to: SqlScope) -> Sql:
        return to.seen("MIN", self.sql_known("activity", to), self.when)


class LastSeen(_Seen):
    """People by their latest activity in the workspace."""

    CARDS: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "Last seen": {"type": "last_seen", "when": {"type": "within_last", "amount": 30, "unit": "days"}}
    }
    TEMPLATE = "were last seen {when}\nin {workspace}"
    SAID = "last seen"

    type: Literal["last_seen"]

    @classmethod
    def properties(cls, snapshot: Snapshot, workspace: str) -> Iterator[tuple[str, Criterion]]:
        yield "Last seen", cls(type="last_seen", workspace=workspace, when=_EVER)

    def measure(self, scope: Scope) -> Moments:
        """The latest activity at or before now."""
        return Moments(scope.snapshot.last_seen(self.reads(scope), scope.known_ms))

    def sql(self, to: SqlScope) -> Sql:
        return to.seen("MAX", self.sql_known("activity", to), self.when)
