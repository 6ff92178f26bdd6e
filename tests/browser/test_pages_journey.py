"""Journeys through every page but the builder in a real Chromium, the worker beside; and what every page must hold."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from core import Audience, Dataset
from core.interchange import to_mparticle
from core.registry import Registry
from sample_data.make import main as make
from tests.browser.barriers import serious_barriers
from tests.served import WAIT_MS, chromium, pick_row, ready, served

pytestmark = [pytest.mark.browser, pytest.mark.timeout(900)]

PAGES = ("", "profile", "data", "catalog", "calculated-attributes", "settings")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pages") / "home"
    make(["--home", str(folder), "--profiles", "800", "--events", "20000"])
    return folder


@pytest.fixture(scope="module")
def url(home: Path) -> Iterator[str]:
    with served(home) as address:
        yield address


@pytest.fixture(scope="module")
def browser_() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.fixture
def page(browser_: Browser) -> Iterator[Page]:
    context = browser_.new_context(viewport={"width": 1440, "height": 1000}, accept_downloads=True)
    opened = context.new_page()
    outside: list[str] = []
    opened.on("request", lambda request: None if "127.0.0.1" in request.url else outside.append(request.url))
    yield opened
    context.close()
    assert not outside, "nothing is fetched from elsewhere"


def registry(home: Path) -> Registry:
    url = f"sqlite:///{home / 'registry.sqlite'}"
    return Registry.open(url, memberships=home / "memberships", at=datetime.now(UTC))


def choose(page: Page, label: str, option: str, exact: bool = True) -> None:
    """Pick an option of a select box by its label."""
    box = page.get_by_role("combobox", name=label, exact=True)
    box.click()
    page.get_by_role("option", name=option, exact=exact).first.click()
    ready(page)


def press(page: Page, name: str, exact: bool = True) -> None:
    page.get_by_role("button", name=name, exact=exact).click()
    ready(page)


def search(page: Page, text: str) -> None:
    page.get_by_role("textbox", name="Search").fill(text)
    page.wait_for_timeout(600)
    ready(page)


def test_an_audience_is_made_tagged_calculated_downloaded_and_deleted(
    page: Page, url: str, home: Path, tmp_path: Path
) -> None:
    page.goto(url)
    ready(page)
    press(page, "New audience")
    page.get_by_role("textbox", name="Name", exact=True).fill("Everybody of the app")
    page.wait_for_timeout(600)
    press(page, "Create")
    page.wait_for_url(re.compile(r"/build\?audience=everybody-of-the-app"), timeout=WAIT_MS)
    page.get_by_role("link", name="Audiences").first.click()
    ready(page)
    search(page, "everybody of")
    press(page, "Tag")
    tags = page.get_by_role("combobox", name="Tags that all of them have")
    tags.fill("journey")
    tags.press("Enter")
    tags.press("Tab")  # closes the list, which hides the rest from readers
    press(page, "Save tags")
    press(page, "Activate")
    expect(page.get_by_role("button", name="Pause", exact=True)).to_be_visible(timeout=WAIT_MS)
    services = registry(home)
    me = services.people.local()
    expect(page.get_by_role("button", name="Calculate", exact=True)).to_be_visible(timeout=WAIT_MS)
    (found,) = services.audiences.list(me, datetime.now(UTC), search="journey")
    data = Dataset.open(home / "dataset")
    everybody = data.profiles([], workspace="travel-app").height
    assert (found.status, found.size.count) == ("active", everybody)
    press(page, "Download")
    types = page.get_by_role("combobox", name="Identity types")
    types.fill("email")
    page.get_by_role("option", name="email", exact=True).click()
    types.press("Tab")
    press(page, "Prepare")
    with page.expect_download(timeout=WAIT_MS) as waiting:
        page.get_by_role("button", name="Save the ZIP").click()
    assert re.fullmatch(r"Audiences_\w+\.zip", waiting.value.suggested_filename)
    page.get_by_role("button", name="Close").click()
    ready(page)
    press(page, "Delete")
    expect(page.get_by_text("deleted for good")).to_be_visible()
    page.get_by_role("dialog").get_by_role("button", name="Delete", exact=True).click()
    ready(page)
    expect(page.get_by_text("No audience fits")).to_be_visible(timeout=WAIT_MS)
    assert not services.audiences.list(me, datetime.now(UTC), search="journey")
    services.close()


def test_audiences_are_imported_or_refused_one_by_one(page: Page, url: str, home: Path, tmp_path: Path) -> None:
    bought = {"type": "event", "kind": "ecommerce", "name": "purchase"}
    native = {"name": "Brought along", "workspaces": ["travel-app"], "definition": {"version": 1, "root": bought}}
    mparticle = to_mparticle(Audience.from_dict(native)).document
    files = {
        "native.json": json.dumps(native),
        "From elsewhere.json": json.dumps(mparticle),
        "two problems.json": json.dumps({**native, "name": "", "inputs": []}),
        "no.json": "{",
    }
    for name, content in files.items():
        (tmp_path / name).write_text(content)
    page.goto(url)
    ready(page)
    press(page, "Import")
    dialog = page.get_by_role("dialog")
    dialog.locator('input[type="file"]').set_input_files([tmp_path / name for name in files])
    ready(page)
    dialog.get_by_role("button", name="Import", exact=True).click()
    expect(dialog.get_by_text("2 of 4 imported as drafts: Brought along, From elsewhere.")).to_be_visible(
        timeout=WAIT_MS
    )
    expect(dialog.get_by_text("no.json is no JSON", exact=False)).to_be_visible()
    expect(dialog.get_by_text("two problems.json:", exact=False)).to_be_visible()
    services = registry(home)
    me = services.people.local()
    found = {each.name: each.status for each in services.audiences.list(me, datetime.now(UTC))}
    assert (found["Brought along"], found["From elsewhere"]) == ("draft", "draft")
    (copied,) = services.audiences.list(me, datetime.now(UTC), search="From elsewhere")
    assert services.audiences.get(copied.id, me).definition.root == Audience.from_dict(native).root
    services.close()


def test_a_nested_audience_is_not_deleted_and_those_in_the_way_are_named(page: Page, url: str) -> None:
    page.goto(url)
    ready(page)
    search(page, "Came with a spring campaign")
    press(page, "Delete")
    expect(page.get_by_text("it is nested in Cart abandoners", exact=False)).to_be_visible(timeout=WAIT_MS)
    expect(page.get_by_role("dialog").get_by_role("button", name="Delete", exact=True)).to_have_count(0)


def test_a_table_is_uploaded_mapped_loaded_and_its_refusals_downloaded(
    page: Page, url: str, home: Path, tmp_path: Path
) -> None:
    table = tmp_path / "orders.csv"
    lines = ["user_id,ts,what,amount", "j1,2026-01-01T10:00:00Z,order placed,5", "j2,soon,order placed,1"]
    table.write_text("\n".join([*lines, *["j3,2026-01-02T10:00:00Z,order placed,2"] * 30]) + "\n")
    before = Dataset.open(home / "dataset").size[1]
    page.goto(f"{url}/data")
    ready(page)
    page.locator('input[type="file"]').set_input_files(table)
    ready(page)
    choose(page, "what", "event")
    expect(page.get_by_text("1 of the first rows are refused")).to_be_visible(timeout=WAIT_MS)
    press(page, "Load")
    expect(page.get_by_text("1 refused.")).to_be_visible(timeout=WAIT_MS)
    assert Dataset.open(home / "dataset").size[1] == before + 31
    page.get_by_role("tab", name="Past loads").click()
    ready(page)
    pick_row(page, 0)
    with page.expect_download(timeout=WAIT_MS) as waiting:
        page.get_by_role("button", name="Download all refusals (CSV)").click()
    waiting.value.save_as(tmp_path / "refused.csv")
    with (tmp_path / "refused.csv").open(encoding="utf-8") as file:
        assert [(row["Line"], row["Reason"]) for row in csv.DictReader(file)] == [
            ("3", 'column "ts": no time of unit iso: "soon"')
        ]


def test_an_event_leaves_personalize_unless_it_is_used(page: Page, url: str, home: Path) -> None:
    page.goto(f"{url}/catalog")
    ready(page)
    search(page, "Share Trip")
    pick_row(page, 0)
    page.get_by_role("radio", name="Connect").click()
    ready(page)
    tiers = Dataset.open(home / "dataset").workspaces["travel-app"].tiers
    assert tiers["custom", "Share Trip"] == "connect"
    search(page, "Play Video")
    pick_row(page, 0)
    page.get_by_role("radio", name="Connect").click()
    expect(page.get_by_text("is used by").first).to_be_visible(timeout=WAIT_MS)
    assert ("custom", "Play Video") not in Dataset.open(home / "dataset").workspaces["travel-app"].tiers


def test_a_profile_is_found_by_identity_and_told_why(page: Page, url: str, home: Path) -> None:
    data = Dataset.open(home / "dataset")
    email = str(data.values("identity", "email", workspace="travel-app")["value"][0])
    mpid = data.find(email, now=datetime.now(UTC))[0].mpid
    page.goto(f"{url}/profile")
    ready(page)
    find = page.get_by_role("textbox", name="Find")
    find.fill(email)
    find.press("Enter")
    ready(page)
    expect(page.get_by_role("heading", name=f"Profile {mpid}")).to_be_visible(timeout=WAIT_MS)
    expect(page.get_by_role("rowheader", name="email").first).to_be_visible()
    page.get_by_role("tab", name="Audiences").click()
    ready(page)
    pick_row(page, 0, row_height=35)
    expect(page.get_by_label("Why in, why not")).to_be_visible(timeout=WAIT_MS)
    find.fill("nobody-has-this")
    find.press("Enter")
    expect(page.get_by_text("Nobody has “nobody-has-this”")).to_be_visible(timeout=WAIT_MS)


def test_a_calculated_attribute_is_defined_and_deleted(page: Page, url: str, home: Path) -> None:
    page.goto(f"{url}/calculated-attributes")
    ready(page)
    press(page, "New attribute")
    page.get_by_role("textbox", name="Name", exact=True).fill("aaa_screens")
    page.wait_for_timeout(600)
    ready(page)
    choose(page, "kind", "Screen", exact=False)
    expect(page.get_by_text("Have a value")).to_be_visible(timeout=WAIT_MS)
    press(page, "Save")
    expect(page.get_by_role("button", name="New attribute")).to_be_visible(timeout=WAIT_MS)
    kept = Dataset.open(home / "dataset").workspaces["travel-app"].calculated_attributes
    assert kept["aaa_screens"]["event"]["kind"] == "screen_view"
    pick_row(page, 0)
    press(page, "Delete")
    page.get_by_role("dialog").get_by_role("button", name="Delete", exact=True).click()
    ready(page)
    assert "aaa_screens" not in Dataset.open(home / "dataset").workspaces["travel-app"].calculated_attributes


def test_settings_people_and_the_log(page: Page, url: str, home: Path) -> None:
    page.goto(f"{url}/settings")
    ready(page)
    page.get_by_role("textbox", name="Input", exact=True).fill("kiosk")
    choose(page, "Workspace", "hotel-shop")
    press(page, "Add input")
    assert Dataset.open(home / "dataset").workspaces["hotel-shop"].inputs["kiosk"] == "platform"
    page.get_by_role("tab", name="People").click()
    ready(page)
    page.get_by_role("textbox", name="Name", exact=True).fill("Noa")
    press(page, "Add person")
    expect(page.get_by_text("Noa", exact=True).first).to_be_visible(timeout=WAIT_MS)
    page.get_by_role("tab", name="Audit log").click()
    ready(page)
    search(page, "Noa")
    expect(page.get_by_text("1–1 of 1 changes")).to_be_visible(timeout=WAIT_MS)


@pytest.mark.parametrize("name", PAGES)
def test_readers_find_no_serious_obstacle(page: Page, url: str, name: str) -> None:
    page.goto(f"{url}/{name}")
    ready(page)
    assert not serious_barriers(page)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_phone_reads_every_page_without_sideways_scroll(browser_: Browser, url: str, scheme: str) -> None:
    context = browser_.new_context(viewport={"width": 390, "height": 844}, color_scheme=scheme)
    phone = context.new_page()
    for name in PAGES:
        phone.goto(f"{url}/{name}")
        ready(phone)
        assert phone.evaluate("document.documentElement.scrollWidth") <= 390, name
    context.close()
