"""One journey in a real Chromium: list, builder, an edit by keyboard, save, download."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from core import Dataset
from core.registry import Registry
from sample_data.make import main as make
from tests.served import served

WAIT_MS = 60_000


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    sample = tmp_path_factory.mktemp("browser") / "home"
    make(["--home", str(sample), "--profiles", "800", "--events", "20000"])
    return sample


@pytest.fixture(scope="module")
def url(folder: Path) -> Iterator[str]:
    with served(folder) as address:
        yield address


def size_of(page: Page) -> int:
    metric = page.get_by_test_id("stMetricValue").first
    expect(metric).to_have_text(re.compile(r"[\d,]+"), timeout=WAIT_MS)
    return int(metric.inner_text().replace(",", ""))


def test_journey(chromium: Browser, url: str, folder: Path, tmp_path: Path) -> None:
    page = chromium.new_page(viewport={"width": 1440, "height": 1000}, accept_downloads=True)
    outside: list[str] = []
    page.on("request", lambda request: None if "127.0.0.1" in request.url else outside.append(request.url))
    page.goto(f"{url}/build?audience=potential-parisians")
    before = size_of(page)
    line = page.get_by_role("textbox", name="Logic")
    line.fill("C and not D")
    line.press("Enter")
    expect(page.get_by_text("Edited, not saved")).to_be_visible(timeout=WAIT_MS)
    expect(page.get_by_role("textbox", name="Logic")).to_have_value("A and not B", timeout=WAIT_MS)
    after = size_of(page)
    assert after != before
    page.get_by_role("button", name="Save as Draft").click()
    page.get_by_role("button", name="Save", exact=True).click(timeout=WAIT_MS)
    expect(page.get_by_text("Edited, not saved")).to_be_hidden(timeout=WAIT_MS)
    page.reload()
    expect(page.get_by_role("textbox", name="Logic")).to_have_value("A and not B", timeout=WAIT_MS)
    assert size_of(page) == after
    with page.expect_download(timeout=WAIT_MS) as waiting:
        page.get_by_role("button", name="Download members (CSV)").click()
    waiting.value.save_as(tmp_path / "members.csv")
    with (tmp_path / "members.csv").open(encoding="utf-8") as file:
        downloaded = [int(row["mpid"]) for row in csv.DictReader(file)]
    data = Dataset.open(folder / "dataset")
    registry = Registry.open(f"sqlite:///{folder / 'registry.sqlite'}", memberships=folder, at=datetime.now(UTC))
    saved = registry.audiences.get("potential-parisians", registry.people.local()).definition
    registry.close()
    result = data.evaluate(saved, now=data.end or pytest.fail("no data"))
    assert len(downloaded) == after
    assert len(set(downloaded) ^ set(result.members["mpid"].to_list())) <= 2, "only a window's edge lies between"
    assert not outside
    page.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_phone_reads_without_sideways_scroll(chromium: Browser, url: str, scheme: str) -> None:
    context = chromium.new_context(viewport={"width": 390, "height": 844}, color_scheme=scheme)
    page = context.new_page()
    page.goto(f"{url}/build?audience=around-paris")
    size_of(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    context.close()
