"""Who is in other audiences: `audience_membership`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from core.criteria.base import Criterion, Pick
from core.criteria.evidence import Evidence
from core.criteria.measures import Marks, Measure
from core.data.values import Mask
from core.errors import Problem

if TYPE_CHECKING:
    from core.context import Context
    from core.scope import Scope
    from core.sql import Sql, SqlScope


class AudienceMembership(Criterion):
    """Members of another audience, evaluated at the same now with that audience's own scope; `not_in`: all others."""

    GROUP = "Users"
    CARDS: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "Audience membership": {"type": "audience_membership", "audience": "", "operator": "in"}
    }
    TEMPLATE = "are {operator} the audience {audience}"

    type: Literal["audience_membership"]
    audience: Annotated[str, Pick("audiences")]
    operator: Literal["in", "not_in"]

    def measure(self, scope: Scope) -> Marks:
        """Who is a member of the other audience."""
        return Marks(scope.members_of(self.audience))

    @property
    def measured(self) -> str:
        return self.model_dump_json(exclude={"operator"})

    def match(self, measure: Measure, scope: Scope) -> Mask:
        assert isinstance(measure, Marks)
        return measure.mask if self.operator == "in" else ~measure.mask

    def evidence(self, scope: Scope, profile: int) -> Evidence:
        """Whether the profile is in the other audience."""
        inside = bool(scope.measure(self).at(profile))
        asked = "in" if self.operator == "in" else "not in"
        return Evidence(f"{'in' if inside else 'not in'} the audience {self.audience}; asked: {asked}", inside)

    def said(self, field: str) -> str:
        return f"“{self.audience}”" if field == "audience" else super().said(field)

    def sql(self, to: SqlScope) -> Sql:
        found = to.members(to.members_of(self.audience))
        return found if self.operator == "in" else to.opposite(found)

    def problems(self, context: Context, path: str) -> Iterator[Problem]:
        nested = context.nested(self.audience)
        if nested is None:
            yield Problem(path, f"There is no audience {self.audience!r}.", "Choose an audience that exists.")
        elif nested:
            yield Problem(
                path,
                f"The audience {self.audience!r} is defined by memberships itself, so it cannot be named here.",
                "Name an audience whose definition holds no audience membership.",
            )
        else:
            for fault in context.faults(self.audience):
                message = f"The audience {self.audience!r} cannot be evaluated: {fault.message}"
                yield Problem(path, message, fault.hint)
