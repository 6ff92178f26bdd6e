"""The answers beside the builder, driven without a browser, on a small sample home."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from core import Audience, Dataset, Evaluation
from core.charts import waterfall_frame
from core.composition import reach
from core.curves import curve
from core.history import backtest
from core.members import some_members
from sample_data.make import main as make
from workbench import home, panel

pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sample") / "home"
    make(["--home", str(folder), "--profiles", "800", "--events", "20000"])
    return folder


@pytest.fixture(autouse=True)
def at_home(sample: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("WORKBENCH_HOME", str(sample))
    yield


EVENT = {"type": "event", "kind": "screen_view", "frequency": {"operator": "at_least", "value": 5}}
SEEN = {"type": "last_seen", "when": {"type": "within_last", "amount": 30, "unit": "days"}}


@cache
def opened(path: Path) -> Dataset:
    return Dataset.open(path)


def look(root: dict[str, Any]) -> panel.Look:
    """What the panel looks at: a definition on the sample."""
    data = opened(home.dataset_path().absolute())
    document = {"name": "Tried", "workspaces": ["travel-app"], "definition": {"version": 1, "root": root}}
    result = data.evaluate(Audience.from_dict(document), now=data.end or datetime(2026, 1, 1, tzinfo=UTC))
    return panel.Look(data, result, "tried")


def drawn(root: dict) -> None:  # type: ignore[type-arg] # AppTest runs the source alone
    """A page with every block."""
    import streamlit as st

    from tests.app.test_panel import look
    from workbench import panel

    panel.draw(look(root), st.container(), st.container())


def app(root: dict[str, Any]) -> AppTest:
    at = AppTest.from_function(drawn, kwargs={"root": root}, default_timeout=120).run()
    assert not at.exception, at.exception
    return at


def both() -> dict[str, Any]:
    return {"type": "and", "criteria": [EVENT, SEEN]}


def test_every_block_has_its_chart() -> None:
    at = app(both())
    assert len(at.get("vega_lite_chart")) == 4, "narrowing, days, reach, composition"
    badges = " ".join(each.value for each in at.markdown)
    found = look(both())
    last = backtest(found.data, found.evaluation.audience, now=found.evaluation.now).days[-1]
    assert "volatility" in badges
    assert ("as yesterday" in badges) == (last.adds == last.drops)


def test_tables_instead_of_charts() -> None:
    at = app(both())
    at.toggle[0].set_value(True).run()
    assert not at.exception
    assert not at.get("vega_lite_chart")
    found: Evaluation = look(both()).evaluation
    tables = [table.value for table in at.table]
    assert tables[0]["Change"].tolist() == waterfall_frame(found)["figure"].to_list()
    assert tables[2]["Members"].tolist() == [f"{each:,}" for each in reach(found)["members"]]


def test_why_in_for_anybody_who_is_asked_for() -> None:
    found: Evaluation = look(both()).evaluation
    member = some_members(found)["mpid"][0]
    at = app(both())
    box = next(each for each in at.text_input if each.label == "Why in, why not")
    box.set_value(str(member)).run()
    assert not at.exception
    assert any("A member: 2 criteria decide it" in each.value for each in at.markdown)
    box = next(each for each in at.text_input if each.label == "Why in, why not")
    box.set_value("nobody at all").run()
    assert any("Nobody is known by that" in each.value for each in at.caption)


def test_a_file_that_vanished_is_told_where_it_is_needed(sample: Path) -> None:
    """The block that needs it says so in words, and the others stay."""
    at = app(both())
    gone = [(file, file.with_suffix(".away")) for file in sample.glob("dataset/segments/*/identities.parquet")]
    for file, away in gone:
        file.rename(away)
    try:
        box = next(each for each in at.text_input if each.label == "Why in, why not")
        box.set_value("somebody@example.com").run()
    finally:
        for file, away in gone:
            away.rename(file)
    assert not at.exception
    assert any("A file of the dataset is gone" in each.value and "backup" in each.value for each in at.error)
    assert at.get("vega_lite_chart")


def test_an_empty_audience_says_what_to_do() -> None:
    at = app({"type": "and", "criteria": [{"type": "event", "kind": "custom", "name": "never"}]})
    words = " ".join(each.value for each in at.caption)
    assert "There are no members to reach." in words
    assert "Widen a window" in words
    data = opened(home.dataset_path().absolute())
    assert data.start is not None and data.end is not None
    assert f"The data reaches from {data.start:%-d %b %Y} to {data.end:%-d %b %Y %H:%M} UTC." in words


def turning(root: dict) -> None:  # type: ignore[type-arg] # AppTest runs the source alone
    """A page with the curve of the first criterion, which tells what was picked."""
    import json

    import streamlit as st

    from tests.app.test_panel import look
    from workbench import panel

    panel.curve_block(look(root), "root.criteria[0]", lambda document: st.code(json.dumps(document)))


def test_a_number_is_set_from_its_curve() -> None:
    at = AppTest.from_function(turning, kwargs={"root": both()}, default_timeout=120).run()
    assert not at.exception, at.exception
    chosen = at.selectbox[0]
    found: Evaluation = look(both()).evaluation
    points = curve(found, "root.criteria[0]", "frequency.value").points
    assert chosen.options[[point.setting for point in points].index(5)].startswith(f"5: {found.size:,} members")
    chosen.set_value(3).run()
    assert '"value": 3' in at.code[0].value


def saving(before: dict, after: dict) -> None:  # type: ignore[type-arg] # AppTest runs the source alone
    """A page that tells what saving changes."""
    from tests.app.test_panel import look
    from workbench import panel

    panel.effect_block(look(before).evaluation, look(after).evaluation)


def test_what_saving_changes() -> None:
    at = AppTest.from_function(saving, kwargs={"before": both(), "after": SEEN}, default_timeout=120).run()
    assert not at.exception, at.exception
    sizes = [look(root).evaluation.size for root in (both(), SEEN)]
    assert f"{sizes[0]:,} → {sizes[1]:,} members" in at.markdown[0].value
