"""What people did one after the other: `sequence`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field, model_validator

from core.criteria.base import And, Criterion
from core.criteria.dials import Dial
from core.criteria.doubts import Doubt, Outside
from core.criteria.event_checks import event_problems, event_warnings
from core.criteria.events import Event
from core.criteria.evidence import Condition, Evidence, moment_words
from core.criteria.measures import Measure, Moments
from core.criteria.qualifying import latest, qualifying
from core.criteria.windows import EVER, PastWindow, Wait
from core.data import kernels
from core.data.events import Rows
from core.data.values import Mask, Millis
from core.errors import Problem

if TYPE_CHECKING:
    from core.context import Context
    from core.scope import Scope
    from core.sql import Sql, SqlScope


class Step(Event):
    """One step of a sequence: an event without frequency and aggregate."""

    WHAT = "happened | {when}"

    @model_validator(mode="after")
    def _bare(self) -> Step:
        if self.frequency is not None or self.aggregate is not None:
            raise ValueError("a step of a sequence has no frequency and no aggregate")
        return self


class Sequence(Criterion):
    """People who did one thing after the other, strictly later each time."""

    GROUP = "Events"
    CARDS: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "Sequence of steps": {
            "type": "sequence",
            "steps": [{"type": "event", "kind": "custom"}, {"type": "event", "kind": "custom"}],
        }
    }
    ADDS: ClassVar[Mapping[str, str]] = {"steps": "Step", "within": "Time limit"}
    TEMPLATE = "steps | {steps}\nall within {within}\nhappened | {when}"

    type: Literal["sequence"]
    steps: Annotated[tuple[Step, ...], Field(min_length=1)]
    within: Wait | None = None
    when: PastWindow | None = None

    def measure(self, scope: Scope) -> Moments:
        """The moment of the latest completion that is quick enough."""
        bounds = self.when.bounds(scope.now_ms) if self.when else (-EVER, EVER)
        steps = [
            qualifying(step, scope, scope.choose_inputs(step.inputs, user_based=False), bounds) for step in self.steps
        ]
        return Moments(completions(steps, self.within.ms if self.within else None, scope.size))

    def match(self, measure: Measure, scope: Scope) -> Mask:
        return measure.present()

    def doubts(self, scope: Scope) -> Iterator[Doubt]:
        yield Outside.of(self.when, scope)
        for step in self.steps:
            yield from step.doubts(scope)

    def weaker(self, now_ms: int) -> Iterator[tuple[str, Criterion]]:
        if self.within is not None:
            yield f"not within {self.within.words}", self._of(self.steps, when=self.when)
        if self.when is not None:
            yield "at another time", self._of(self.steps)
        for done in range(len(self.steps) - 1, 0, -1):
            yield f"{done} of {len(self.steps)} steps", self._of(self.steps[:done])
        yield "not the first step", And.of()

    @staticmethod
    def _of(steps: tuple[Step, ...], when: PastWindow | None = None) -> Sequence:
        return Sequence(type="sequence", steps=steps, when=when)

    def dials(self) -> Iterator[Dial]:
        if self.within is not None:
            yield from (dial.under("within") for dial in self.within.dials())
        if self.when is not None:
            yield from (dial.under("when") for dial in self.when.dials())

    def evidence(self, scope: Scope, profile: int) -> Evidence:
        """The latest completion, and how many events each step has."""
        bounds = self.when.bounds(scope.now_ms) if self.when else (-EVER, EVER)
        counted: list[Rows] = []
        conditions = []
        for step in self.steps:
            rows, funnel = step.funnel(scope, profile, scope.choose_inputs(step.inputs, user_based=False), bounds)
            counted += rows
            left = funnel[-1].left
            conditions.append(Condition(step.sentence, bool(left), left))
        value = scope.measure(self).at(profile)
        done = value is not None
        asked = "one after the other" + (f", within {self.within.words}" if self.within else "")
        conditions.append(Condition(asked, done))
        found = f"completed at {moment_words(round(value.timestamp() * 1000))}" if done else "never completed"
        return Evidence(f"{found}; asked: {asked}", value, latest(counted), tuple(conditions))

    def said(self, field: str) -> str:
        return " and then ".join(step.sentence for step in self.steps) if field == "steps" else super().said(field)

    def sql(self, to: SqlScope) -> Sql:
        when = (self.when,) if self.when else ()
        chain: Sql = None
        for step in self.steps:
            rows = step.sql_rows(to, to.reads(step.inputs, user_based=False), when=when)
            chain = to.chained(chain, rows.select("e.mpid", "e.timestamp_ms"))
        done = to.select(chain.subquery("c"))
        if self.within is not None:
            done = done.where(to.column("timestamp_ms") - to.column("begun") <= self.within.ms)
        return to.members(done.select("mpid"))

    def problems(self, context: Context, path: str) -> Iterator[Problem]:
        for at, step in enumerate(self.steps):
            yield from event_problems(step, context, f"{path}.steps[{at}]", context.inputs)

    def warnings(self, context: Context, path: str) -> Iterator[Problem]:
        for at, step in enumerate(self.steps):
            yield from event_warnings(step, context, f"{path}.steps[{at}]")


def completions(steps: list[list[Rows]], within_ms: int | None, size: int) -> Millis:
    """Each profile's latest completion of the steps in strictly ascending time, `NO_MOMENT` where there is none."""
    return kernels.chain([[rows.dated for rows in step] for step in steps], within_ms, size)
