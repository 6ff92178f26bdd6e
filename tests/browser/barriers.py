"""What keeps a reader with a screen reader or weak eyes out, found by axe-core in the drawn page."""

from __future__ import annotations

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

SERIOUS = ("serious", "critical")

# Streamlit fades in what was drawn anew (opacity), for a second after the script has ended: half faded, everything
# has too little contrast.
AT_REST = """() => !document.querySelector('[data-stale="true"]')
  && document.querySelector('[data-testid="stApp"]').dataset.testScriptState === 'notRunning'
  && document.getAnimations().every(each => each.playState !== 'running'
     || each.effect.getTiming().iterations === Infinity)"""


def serious_barriers(page: Page, within: str | None = None, *, wait_ms: int = 90_000) -> list[tuple[str, list[str]]]:
    """The rules that axe-core finds broken (serious and critical only) and where, once nothing on the page moves."""
    page.wait_for_function(AT_REST, timeout=wait_ms)
    found = Axe().run(page, context=within).response["violations"]
    return [(each["id"], [node["html"][:200] for node in each["nodes"]]) for each in found if each["impact"] in SERIOUS]
