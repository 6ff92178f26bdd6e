"""How fast the builder is, in Chromium and in the server's CPU time. Figures, no test: machines differ.

    python -m tests.browser.speed --home DIR

DIR is a sample home (`python -m sample_data.make --home DIR`). The app is started on it, and an audience of 20 cards is
kept in it. Wall times are what a person waits; CPU is what the server spends on one edit, panel included, and says more
where other work runs beside.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil
from playwright.sync_api import Page

from core import Audience
from core.registry import Registry
from tests.served import chromium, served

WATCH = """() => {
  const figure = () => document.querySelector('[data-testid="stMetricValue"]').innerText
  window.before = figure(); window.begun = performance.now(); window.painted = 0
  new MutationObserver(() => { if (!window.painted && figure() !== window.before) window.painted = performance.now() })
    .observe(document.body, {subtree: true, characterData: true, childList: true})
}"""
WAIT_MS = 60_000
CARDS = "speed-twenty-cards"
Cpu = Callable[[], float]


def twenty_cards() -> dict[str, Any]:
    """Twenty criteria of many kinds: the first is edited."""
    last = {"type": "within_last", "amount": 30, "unit": "days"}
    names = ("Play Video", "Search Trips", "Read Article", "Save Trip", "Share Trip", "Push Opened", "Write Review")
    shop = ("view_detail", "add_to_cart", "add_to_wishlist", "checkout", "purchase")
    screens = ("Home", "Destination", "Results")
    some: list[dict[str, Any]] = [
        *({"type": "event", "kind": "custom", "name": name, "when": last} for name in names),
        *({"type": "event", "kind": "ecommerce", "name": name, "when": last} for name in shop),
        *({"type": "event", "kind": "screen_view", "name": name} for name in screens),
        {"type": "user_attribute", "attribute": "tier", "operator": "is_in", "value": ["gold", "platinum"]},
        {"type": "user_attribute", "attribute": "points", "operator": "greater_than", "value": 5000},
        {"type": "consent", "regulation": "gdpr", "purpose": "advertising", "state": "given"},
        {"type": "last_seen", "when": last},
    ]
    edited = {
        "type": "event", "kind": "session", "frequency": {"operator": "at_least", "value": 2, "count": "events"},
        "when": last,
    }  # fmt: skip
    root = {"type": "and", "criteria": [edited, {"type": "or", "criteria": some}]}
    return {"name": "Twenty cards", "workspaces": ["travel-app"], "definition": {"version": 1, "root": root}}


def keep_twenty_cards(home: Path) -> None:
    """The audience of twenty cards in the registry of the home, once."""
    at = datetime.now(UTC)
    registry = Registry.open(f"sqlite:///{home / 'registry.sqlite'}", memberships=home / "memberships", at=at)
    me = registry.people.local()
    if CARDS not in {each.id for each in registry.audiences.list(me, at)}:
        registry.audiences.create(Audience.from_dict(twenty_cards()), by=me, at=at, audience_id=CARDS)
    registry.close()


def quiet(page: Page) -> None:
    """Wait until nothing runs."""
    page.wait_for_timeout(300)
    page.wait_for_selector('[data-testid="stApp"][data-test-script-state="notRunning"]', timeout=WAIT_MS)


def first_paint(page: Page, url: str, audience: str) -> float:
    """Seconds until the size stands there, of a page that was opened once before."""
    for _ in range(2):
        begun = time.perf_counter()
        page.goto(f"{url}/build?audience={audience}")
        page.wait_for_selector('[data-testid="stMetricValue"]', timeout=WAIT_MS)
        seconds = time.perf_counter() - begun
        quiet(page)
    return seconds


def edits(page: Page, rounds: int, cpu: Cpu) -> tuple[list[float], list[float]]:
    """An edit a round: milliseconds from Enter to the first repaint of the size, and CPU until nothing runs."""
    walls, spent = [], []
    page.get_by_role("button", name="Edit A", exact=True).click()
    page.get_by_role("button", name="Done").wait_for(timeout=WAIT_MS)
    for at in range(rounds):
        quiet(page)
        field = page.get_by_role("textbox", name="value", exact=True).first
        field.fill(str(3 + at % 4))
        page.evaluate(WATCH)
        before = cpu()
        field.press("Enter")
        page.wait_for_function("() => window.painted > 0", timeout=WAIT_MS)
        walls.append(float(page.evaluate("() => window.painted - window.begun")))
        quiet(page)
        spent.append(1000 * (cpu() - before))
    return walls, spent


def app_cpu() -> Cpu:
    """Reads the CPU seconds of the app's process, which this one has started."""
    every = psutil.Process().children(recursive=True)
    app = next(each for each in every if "streamlit" in each.cmdline())

    def read() -> float:
        times = app.cpu_times()
        return float(times.user + times.system)

    return read


def tell(what: str, goal: float, unit: str, found: list[float]) -> None:
    """One line of figures."""
    median = statistics.median(found)
    print(f"{what:<32} median {median:7.0f} {unit}  best {min(found):6.0f}  worst {max(found):6.0f}  goal {goal:g}")


def main() -> None:
    """Measure and print: first paint of the page warm, and edits of a sample audience and of twenty cards."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--home", required=True, type=Path)
    parser.add_argument("--audience", default="potential-parisians")
    parser.add_argument("--rounds", type=int, default=12)
    given = parser.parse_args()
    keep_twenty_cards(given.home)
    with served(given.home) as url, chromium() as browser:
        cpu = app_cpu()
        for audience, name, goal in ((given.audience, given.audience, 350), (CARDS, "20 cards", 500)):
            page = browser.new_page(viewport={"width": 1440, "height": 1000})
            tell(f"{name}: first paint, warm", 2000, "ms", [1000 * first_paint(page, url, audience)])
            walls, spent = edits(page, given.rounds, cpu)
            tell(f"{name}: edit to repaint", goal, "ms", walls)
            tell(f"{name}: CPU of an edit", goal, "ms", spent)
            sys.stdout.flush()
            page.close()


if __name__ == "__main__":
    main()
