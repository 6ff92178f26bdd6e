"""The builder in a real Chromium, by mouse and keyboard alone: the seed's examples, their numbers, who can use it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from core import Audience, Dataset
from core.registry import Registry
from sample_data.make import main as make
from tests.browser.barriers import serious_barriers
from tests.served import served

WAIT_MS = 120_000
MOST_STOPS = 150
"""More stops than a page has between any two of its elements."""
HANDS = pytest.mark.parametrize("hand", ["mouse", "keys"])
pytestmark = pytest.mark.timeout(900)  # a journey waits for some thirty repaints
Node = dict[str, Any]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    sample = tmp_path_factory.mktemp("builder") / "home"
    make(["--home", str(sample), "--profiles", "800", "--events", "20000"])
    return sample


@pytest.fixture(scope="module")
def url(folder: Path) -> Iterator[str]:
    with served(folder) as address:
        yield address


class Builder:
    """A new audience in the builder, as a person sees it. `now` is fixed to the data's end, so that numbers stay."""

    def __init__(self, chromium: Browser, url: str, folder: Path, name: str, hand: str = "mouse", **scope: Any) -> None:
        """`hand`: "mouse", or "keys": then everything is reached by Tab and arrows, and done by Enter."""
        self.keys = hand == "keys"
        self.data = Dataset.open(folder / "dataset")
        self.registry = Registry.open(
            f"sqlite:///{folder / 'registry.sqlite'}", memberships=folder / "memberships", at=datetime.now(UTC)
        )
        self.me = self.registry.people.local()
        document = {
            "name": name,
            "workspaces": ["travel-app"],
            "definition": {"version": 1, "root": {"type": "and", "criteria": []}},
        }
        made = self.registry.audiences.create(
            Audience.from_dict({**document, **scope}), by=self.me, at=datetime.now(UTC)
        )
        self.id = made.id
        self.page: Page = chromium.new_page(viewport={"width": 1440, "height": 1000})
        self.page.goto(f"{url}/build?audience={self.id}")
        expect(self.page.get_by_test_id("stMetricValue").first).to_be_visible(timeout=WAIT_MS)

    def settled(self) -> None:
        """Wait until nothing runs."""
        app = self.page.get_by_test_id("stApp")
        self.page.wait_for_timeout(150)
        expect(app).to_have_attribute("data-test-script-state", "notRunning", timeout=WAIT_MS)
        self.page.wait_for_timeout(150)
        expect(app).to_have_attribute("data-test-script-state", "notRunning", timeout=WAIT_MS)

    def reach(self, found: Locator, key: str = "Tab", inside: str = "") -> None:
        """Press a key until the element (or, where `inside` is given, one of the same such group) has the focus."""
        there = "(each, inside) => (inside ? each.closest(inside) : each).contains(document.activeElement)"
        for _ in range(MOST_STOPS):
            if found.evaluate(there, inside):
                return
            self.page.keyboard.press(key)
        raise AssertionError(f"{found} is not reached by {key}")

    def click(self, found: Locator) -> None:
        """Press something: by the mouse, or by Enter."""
        if self.keys:
            self.reach(found)
            self.page.keyboard.press("Enter")
        else:
            found.click()

    def add(self, how: str, kind: str) -> None:
        """Add a card."""
        self.click(self.page.get_by_role("button", name=how, exact=True).last)
        choice = self.page.get_by_role("radio", name=kind, exact=True)
        expect(choice).to_be_visible(timeout=WAIT_MS)
        self.settled()
        if self.keys:
            self.reach(choice, inside='[data-testid="stButtonGroup"]')
            self.reach(choice, "ArrowRight")
            self.page.keyboard.press("Enter")
        else:
            choice.click()
        # The card that was open keeps its button for a moment beside the new one's.
        self.settled()
        expect(self.page.get_by_role("button", name="Done")).to_have_count(1, timeout=WAIT_MS)

    def choose(self, label: str, option: str, at: int = 0) -> None:
        """Type into a searchable box and take the option."""
        box = self.page.get_by_role("combobox", name=label, exact=True).nth(at)
        self.enter(box, option)
        known = re.compile(rf"^(\S )?{re.escape(option)}( \(|$| ·)")  # not "Add: ..."
        found = self.page.get_by_role("option", name=known)
        expect(found.first).to_be_visible(timeout=WAIT_MS)
        if self.keys:
            self.page.keyboard.press("Enter")
        else:
            found.first.click()
        self.settled()

    def type(self, label: str, text: str, at: int = 0) -> None:
        """Type into a field and leave it by Tab."""
        field = self.page.get_by_role("textbox", name=label, exact=True).nth(at)
        self.enter(field, text)
        field.press("Tab")
        self.settled()

    def enter(self, field: Locator, text: str) -> None:
        """Write into a field in place of what is there."""
        if self.keys:
            self.reach(field)
            self.page.keyboard.press("ControlOrMeta+A")
            self.page.keyboard.type(text)
        else:
            field.click()
            field.fill(text)

    def press(self, name: str) -> None:
        """Press a button."""
        self.click(self.page.get_by_role("button", name=name, exact=True).first)
        self.settled()

    @property
    def root(self) -> Node:
        """What was built, as it is kept while nothing is saved."""
        draft = self.registry.drafts.get(self.id, self.me)
        assert draft is not None
        root: Node = draft.document["document"]["definition"]["root"]
        return root

    @property
    def now(self) -> datetime:
        """The moment that the page names."""
        panel = self.page.locator(".st-key-panel-head").inner_text()
        found = re.search(r"as of (\d+ \w+ \d+ \d+:\d+) UTC", panel)
        assert found is not None
        return datetime.strptime(found[1], "%d %b %Y %H:%M").replace(tzinfo=UTC)

    def agrees(self) -> int:
        """The size on the page is the core's, at the moment that the page names."""
        self.settled()
        draft = self.registry.drafts.get(self.id, self.me)
        assert draft is not None
        audience = Audience.from_dict(draft.document["document"])
        others = self.registry.audiences.named_by(audience, self.me)
        size = self.data.evaluate(audience, now=self.now, audiences=others).size
        expect(self.page.get_by_test_id("stMetricValue").first).to_have_text(f"{size:,}", timeout=WAIT_MS)
        return size


@HANDS
def test_install_in_the_last_72_hours_and_fewer_than_three_sessions(
    chromium: Browser, url: str, folder: Path, hand: str
) -> None:
    builder = Builder(chromium, url, folder, f"New and quiet ones by {hand}", hand)
    builder.add("And", "Install")
    builder.choose("when", "in the last")
    builder.type("amount", "72")
    builder.choose("unit", "hours")
    builder.add("And", "Session")
    builder.choose("operator", "fewer than")
    builder.type("value", "3")
    assert builder.root == {
        "type": "and",
        "criteria": [
            {"type": "event", "kind": "install", "when": {"type": "within_last", "amount": 72, "unit": "hours"}},
            {"type": "event", "kind": "session", "frequency": {"operator": "less_than", "value": 3}},
        ],
    }
    builder.agrees()
    builder.press("Save as Draft")
    builder.press("Save")
    expect(builder.page.get_by_text("Edited, not saved")).to_be_hidden(timeout=WAIT_MS)
    saved = builder.registry.audiences.get(builder.id, builder.me)
    assert saved.version == 2
    assert [each.type for each in saved.definition.root.criteria] == ["event", "event"]  # type: ignore[attr-defined]
    builder.page.close()


@HANDS
def test_viewed_the_paris_intro_video_in_the_last_3_days(chromium: Browser, url: str, folder: Path, hand: str) -> None:
    builder = Builder(chromium, url, folder, f"Viewed Paris by {hand}", hand)
    builder.add("And", "Custom event")
    builder.choose("name", "Play Video")
    builder.press("Condition")
    builder.choose("attribute", "title")
    builder.choose("value", "Paris intro")
    builder.type("value", "0")
    builder.choose("when", "in the last")
    builder.type("amount", "3")
    node = builder.root["criteria"][0]
    assert node["where"] == [{"attribute": "title", "operator": "exact_match", "value": "Paris intro"}]
    assert node["when"] == {"type": "within_last", "amount": 3, "unit": "days"}
    assert builder.agrees() > 0
    builder.press("Undo")
    assert builder.root["criteria"][0]["when"]["amount"] != 3
    builder.page.close()


@HANDS
def test_between_4_and_6_days_ago(chromium: Browser, url: str, folder: Path, hand: str) -> None:
    """The seed's example of recency: calculated at a moment, the earliest event is six times 24 hours before it, the
    latest four. Who has such an event is counted here from the events themselves."""
    builder = Builder(chromium, url, folder, f"Some days ago by {hand}", hand)
    builder.add("And", "Custom event")
    builder.choose("name", "Play Video")
    builder.choose("when", "between")
    builder.type("from", "4")
    builder.type("to", "6")
    assert builder.root["criteria"][0]["when"] == {"type": "between_ago", "from": 4, "to": 6, "unit": "days"}
    size = builder.agrees()
    now = builder.now
    first, last = now - timedelta(days=6), now - timedelta(days=4)
    card = builder.page.locator('[class*="st-key-crit-open-"]')
    expect(card).to_contain_text(f"{first:%-d %b %H:%M} – {last:%-d %b %H:%M} UTC")
    events = builder.data.events("Play Video", kind="custom").collect()
    during = events.filter(pl.col("timestamp").is_between(first, last))
    assert size == during.filter(pl.col("workspace") == "travel-app")["mpid"].n_unique() > 0
    builder.page.close()


@HANDS
def test_cart_abandonment_of_4_days_without_a_campaigns_audience(
    chromium: Browser, url: str, folder: Path, hand: str
) -> None:
    builder = Builder(chromium, url, folder, f"Left in the cart by {hand}", hand, lookback_days=30)
    builder.add("And", "Cart abandonment")
    builder.add("Exclude", "Audience membership")
    builder.choose("audience", "Came with a spring campaign")
    assert builder.root == {
        "type": "and",
        "criteria": [
            {"type": "cart_abandonment", "wait": {"amount": 4, "unit": "days"}},
            {
                "type": "not",
                "criterion": {"type": "audience_membership", "audience": "spring-campaigns", "operator": "in"},
            },
        ],
    }
    assert builder.agrees() > 0
    expect(builder.page.get_by_role("textbox", name="Logic")).to_have_value("A and not B")
    builder.page.close()


@HANDS
def test_dates_are_picked_and_a_time_may_be_left_out(chromium: Browser, url: str, folder: Path, hand: str) -> None:
    builder = Builder(chromium, url, folder, f"Before a day by {hand}", hand)
    builder.add("And", "Custom event")
    builder.choose("name", "Play Video")
    builder.choose("when", "before")
    day = f"{builder.now - timedelta(days=7):%Y%m%d}"
    if builder.keys:
        builder.reach(builder.page.get_by_role("spinbutton", name="year, date, day (UTC)"))
        builder.page.keyboard.type(day)
        builder.page.keyboard.press("Tab")
        builder.page.keyboard.press("Tab")
    else:
        builder.page.get_by_role("button", name="Choose date").click()
        back = builder.now - timedelta(days=7)
        if back.month != builder.now.month:
            builder.page.get_by_role("button", name="Previous").click()
        builder.page.get_by_role("button", name=re.compile(rf"{back:%B} {back.day}, {back.year}")).click()
    builder.settled()
    date = f"{day[:4]}-{day[4:6]}-{day[6:]}"
    assert builder.root["criteria"][0]["when"] == {"type": "before", "date": date}
    whole = builder.agrees()
    hour = builder.page.get_by_role("spinbutton", name="hour, date, time (UTC)")
    builder.reach(hour) if builder.keys else hour.click()
    builder.page.keyboard.type("0930")
    builder.page.keyboard.press("Tab")
    builder.settled()
    assert builder.root["criteria"][0]["when"]["date"] == f"{date}T09:30:00Z"
    assert builder.agrees() >= whole > 0
    builder.page.close()


def test_who_opens_a_popover_by_keyboard_is_in_it(chromium: Browser, url: str, folder: Path) -> None:
    builder = Builder(chromium, url, folder, "Reached by keyboard", "keys")
    page, chip = builder.page, builder.page.get_by_role("button", name="Event data Unlimited")
    opened = page.get_by_test_id("stPopoverBody")
    builder.press("Event data Unlimited")
    expect(opened.get_by_role("spinbutton", name="Days of events (0: unlimited)")).to_be_focused(timeout=WAIT_MS)
    page.keyboard.press("Escape")
    expect(opened).to_have_count(0, timeout=WAIT_MS)
    expect(chip).to_be_focused(timeout=WAIT_MS)
    page.keyboard.press("Enter")
    expect(opened.get_by_role("spinbutton")).to_be_focused(timeout=WAIT_MS)
    builder.reach(chip)
    expect(opened).to_have_count(0, timeout=WAIT_MS)
    chart = page.locator(".st-key-panel .stVegaLiteChart").first
    expect(chart).to_be_visible(timeout=WAIT_MS)
    expect(page.locator(".st-key-panel").get_by_role("button", name="Fullscreen: ")).to_have_count(0)
    page.close()


@pytest.mark.parametrize(("width", "scheme"), [(1440, "light"), (390, "dark")])
def test_no_serious_barrier(chromium: Browser, url: str, width: int, scheme: str) -> None:
    context = chromium.new_context(viewport={"width": width, "height": 1400}, color_scheme=scheme)
    page = context.new_page()
    page.goto(f"{url}/build?audience=potential-parisians")
    expect(page.get_by_test_id("stMetricValue").first).to_be_visible(timeout=WAIT_MS)
    page.get_by_role("button", name="Edit A").click()
    expect(page.get_by_role("button", name="Done")).to_be_visible(timeout=WAIT_MS)
    assert not serious_barriers(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    context.close()


def test_cards_that_change_nothing_or_leave_nobody_are_readable(chromium: Browser, url: str, folder: Path) -> None:
    """Two equal cards are grey, as either alone would do; with their opposite, nobody is left and they are amber."""
    builder = Builder(chromium, url, folder, "Twice the same")
    builder.add("And", "Custom event")
    builder.add("And", "Custom event")
    for mood in ("idle", "empty"):
        expect(builder.page.locator(f".crit.{mood}")).not_to_have_count(0, timeout=WAIT_MS)
        for scheme in ("light", "dark"):
            builder.page.emulate_media(color_scheme=scheme)
            builder.settled()
            assert not serious_barriers(builder.page)
        if mood == "idle":
            builder.add("Exclude", "Custom event")
            builder.page.get_by_role("button", name="Done").click()
    builder.page.close()
