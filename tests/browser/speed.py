"""How long an edit takes until its numbers are repainted, measured in Chromium. No timed test: machines differ.

python -m tests.browser.speed --url http://127.0.0.1:8501 --audience potential-parisians
"""

from __future__ import annotations

import argparse
import statistics
import time

from playwright.sync_api import Page, sync_playwright

from tests.chromium import FLAGS, find

WATCH = """() => {
  const figure = () => document.querySelector('[data-testid="stMetricValue"]').innerText
  window.before = figure(); window.begun = performance.now(); window.painted = 0
  new MutationObserver(() => { if (!window.painted && figure() !== window.before) window.painted = performance.now() })
    .observe(document.body, {subtree: true, characterData: true, childList: true})
}"""
WAIT_MS = 60_000


def quiet(page: Page) -> None:
    """Wait until nothing runs."""
    page.wait_for_timeout(300)
    page.wait_for_selector('[data-testid="stApp"][data-test-script-state="notRunning"]', timeout=WAIT_MS)


def edits(page: Page, rounds: int) -> list[float]:
    """Milliseconds from Enter in the first number of the open card to the first repaint of the size."""
    found = []
    for at in range(rounds):
        quiet(page)
        field = page.get_by_role("textbox", name="value", exact=True).first
        field.fill(str(3 + at % 4))
        page.evaluate(WATCH)
        field.press("Enter")
        page.wait_for_function("() => window.painted > 0", timeout=WAIT_MS)
        found.append(float(page.evaluate("() => window.painted - window.begun")))
    return found


def main() -> None:
    """Measure and print: first paint of the page warm, and edits."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--url", required=True)
    parser.add_argument("--audience", default="potential-parisians")
    parser.add_argument("--rounds", type=int, default=12)
    given = parser.parse_args()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(find()), args=list(FLAGS))
        page = browser.new_page(viewport={"width": 1440, "height": 1000})
        for _ in range(2):
            begun = time.perf_counter()
            page.goto(f"{given.url}/build?audience={given.audience}")
            page.wait_for_selector('[data-testid="stMetricValue"]', timeout=WAIT_MS)
            first = time.perf_counter() - begun
            quiet(page)
        page.get_by_role("button", name="Edit A", exact=True).click()
        page.get_by_role("button", name="Done").wait_for(timeout=WAIT_MS)
        times = edits(page, given.rounds)
        browser.close()
    print(f"first paint, warm: {first:.2f} s")
    print(f"edit to repaint: median {statistics.median(times):.0f} ms, best {min(times):.0f}, worst {max(times):.0f}")


if __name__ == "__main__":
    main()
