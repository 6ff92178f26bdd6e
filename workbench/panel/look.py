"""What the panel looks at, and what every block of it is made of."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

import streamlit as st

from core import Audience, Dataset, Evaluation, Problem
from core.charts.rows import identity_name
from core.charts.style import percent, times
from core.formula import leaf_letters
from core.hints import Hint, hints
from core.history import History, backtest
from core.overlap import Others, others
from workbench import parts
from workbench.progress import Progress

T = TypeVar("T")


@dataclass(frozen=True)
class Look:
    """What the panel looks at. Keys of widgets start with `key`, which names the audience."""

    data: Dataset
    evaluation: Evaluation
    key: str
    named: Mapping[str, Audience] = field(default_factory=dict)
    """Other audiences by id, which answer memberships."""
    saved: Evaluation | None = None
    """The saved version at the same moment, None where there is none or it cannot be evaluated."""
    version: int = 0
    """The number of the saved version."""
    names: Mapping[str, str] = field(default_factory=dict)
    """What leaves are called, by their path in the evaluation's tree, where it is not their letter there."""
    warnings: tuple[Problem, ...] = ()
    """What the check says about the definition."""
    others: Callable[[], Mapping[str, Audience]] = dict
    """Gives the audiences to compare with, by id."""
    masks: bool = True
    """Whether identities are masked, whatever one asks for."""

    @property
    def letters(self) -> dict[str, str]:
        """What leaves are called, by path."""
        return {**leaf_letters(self.evaluation.audience.root), **self.names}

    def hints(self) -> list[Hint]:
        """What is probably not meant."""

        def make() -> list[Hint]:
            with Progress("Looking for what is odd") as step:
                return hints(self.evaluation, self.warnings, self.names, step)

        return self.remembered("hints", make)

    def remembered(self, what: str, make: Callable[[], T], *more: object) -> T:
        """What `make` gives, kept with what the criteria remember of this moment and version."""
        return self.evaluation.once((what, self.evaluation.audience.canonical, *more), make)

    def other_members(self) -> Others | None:
        """The members of the other audiences at the same moment, None where there is no other."""
        audiences = self.others()
        if not audiences:
            return None

        def make() -> Others:
            named = {**audiences, **self.named}
            with Progress("Calculating the other audiences") as step:
                return others(self.data, audiences, now=self.evaluation.now, named=named, progress=step)

        key = tuple((each, audience.canonical) for each, audience in audiences.items())
        return self.evaluation.once(("others", key), make)

    def history(self) -> History:
        """The last 30 days; shows progress where it takes long, and makes room for the next edit between days."""
        found = self.evaluation

        def make() -> History:
            with Progress("Looking at the last 30 days") as step:
                return backtest(self.data, found.audience, now=found.now, audiences=self.named, progress=step)

        return self.remembered("backtest", make)


def block(name: str, note: str = "") -> None:
    """The heading of a block, with a note at its right."""
    aside = f"<span>{note}</span>" if note else ""
    st.html(f'<div class="block"><h2>{name}</h2>{aside}</div>')


def show(chart: Any, frame: Any, tables: bool, columns: Mapping[str, str], alt: str, key: str, height: int) -> None:
    """A chart in its reserved height, or its frame as a table that everybody can read.

    `columns`: the names of the table's columns by those of the frame.
    """
    if tables:
        table(frame, columns)
        return
    with st.container(height=height, border=False, key=key):
        parts.chart(chart, f"{key}-chart", alt)


def table(frame: Any, columns: Mapping[str, str]) -> None:
    """A frame as a table of words: thousands, shares and multiples as people read them."""
    rows = frame.select(list(columns)).rows(named=True)
    st.table([{name: _words(key, row[key]) for key, name in columns.items()} for row in rows])


def _words(column: str, value: Any) -> str:
    if value is None:
        return "–"
    if column == "identity_type":
        return identity_name(value)
    if column == "index":
        return times(value)
    if column.endswith("share") or column == "jaccard":
        return percent(value)
    return f"{value:,.4g}" if isinstance(value, float) else f"{value:,}" if isinstance(value, int) else str(value)
