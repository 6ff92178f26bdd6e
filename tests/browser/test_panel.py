"""The answers beside the builder in a real Chromium: a number set from its curve, why in, tables, what readers hear."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from core import Audience, Dataset
from core.curves import curve
from core.registry import Registry
from sample_data.make import main as make
from tests.browser.barriers import serious_barriers
from tests.served import served

WAIT_MS = 90_000
pytestmark = [pytest.mark.browser, pytest.mark.timeout(600)]

SEEN = {"type": "last_seen", "when": {"type": "within_last", "amount": 30, "unit": "days"}}
VIEWS = {"type": "event", "kind": "screen_view", "frequency": {"operator": "at_least", "value": 5}}
TRIED = {
    "name": "Tried",
    "workspaces": ["travel-app"],
    "definition": {"version": 1, "root": {"type": "and", "criteria": [VIEWS, SEEN]}},
}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("panel") / "home"
    old = datetime.now(UTC) - timedelta(days=3)  # so old that the page looks at the data's end, which does not move
    make(["--home", str(folder), "--profiles", "800", "--events", "20000", "--end", old.isoformat()])
    at = datetime.now(UTC)
    registry = Registry.open(f"sqlite:///{folder / 'registry.sqlite'}", memberships=folder / "memberships", at=at)
    registry.audiences.create(Audience.from_dict(TRIED), by=registry.people.local(), at=at, audience_id="tried")
    registry.close()
    return folder


@pytest.fixture(scope="module")
def url(home: Path) -> Iterator[str]:
    with served(home) as address:
        yield f"{address}/build?audience=tried"


@pytest.fixture
def page(chromium: Browser, url: str) -> Iterator[Page]:
    opened = chromium.new_page(viewport={"width": 1440, "height": 1600})
    opened.goto(url)
    expect(opened.get_by_role("tab", name="Near misses")).to_be_visible(timeout=WAIT_MS)
    quiet(opened)
    yield opened
    opened.close()


def quiet(page: Page) -> None:
    app = page.locator('[data-testid="stApp"]')
    expect(app).to_have_attribute("data-test-script-state", "notRunning", timeout=WAIT_MS)


def size_of(page: Page) -> int:
    return int(page.get_by_test_id("stMetricValue").first.inner_text().replace(",", ""))


def test_a_point_of_the_curve_sets_the_number(page: Page, home: Path) -> None:
    data = Dataset.open(home / "dataset")
    result = data.evaluate(Audience.from_dict(TRIED), now=data.end or pytest.fail("no data"))
    sizes = {point.setting: point.size for point in curve(result, "root.criteria[0]", "frequency.value").points}
    assert size_of(page) == result.size
    page.get_by_role("button", name="Edit A").click()
    page.get_by_text("Size against its numbers").click()
    points = page.locator('[data-testid="stVegaLiteChart"] path[aria-roledescription="point"]')
    expect(points).to_have_count(len(sizes), timeout=WAIT_MS)
    quiet(page)
    points.nth(1).click(force=True)
    expect(page.get_by_test_id("stMetricValue").first).not_to_have_text(f"{size_of(page):,}", timeout=WAIT_MS)
    quiet(page)
    assert size_of(page) == sorted(sizes.items())[1][1]


def test_who_is_in_and_why(page: Page, home: Path) -> None:
    data = Dataset.open(home / "dataset")
    result = data.evaluate(Audience.from_dict(TRIED), now=data.end or pytest.fail("no data"))
    box = page.get_by_role("textbox", name="Why in, why not")
    box.fill(str(result.members["mpid"][0]))
    box.press("Enter")
    tree = page.get_by_role("list", name="Why in, why not")
    expect(tree).to_contain_text("A viewed any screen at least", timeout=WAIT_MS)
    expect(tree).to_contain_text("count; asked: at least")


def test_every_tab_answers(page: Page) -> None:
    for name, words in (
        ("Overlap", "Members who are in the other audience too"),
        ("Near misses", "kept out by"),
        ("Ahead", "If nothing new arrives"),
        ("Hints", re.compile("Nothing looks odd|changes nothing|everybody")),
    ):
        page.get_by_role("tab", name=name).click()
        expect(page.get_by_text(words).first).to_be_visible(timeout=WAIT_MS)
        quiet(page)


def test_tables_and_what_readers_hear(page: Page) -> None:
    assert not serious_barriers(page, ".st-key-panel-more")
    page.get_by_text("Tables instead of charts").click()
    expect(page.get_by_role("columnheader", name="People who")).to_be_visible(timeout=WAIT_MS)
    assert not serious_barriers(page, ".st-key-panel-more")
