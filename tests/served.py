"""The app as `workbench run` serves it, worker included, and a Chromium to look at it."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright

from tests.chromium import FLAGS, find

WAIT_MS = 90_000


@contextmanager
def served(home: Path) -> Iterator[str]:
    """The address of the app over a home; what it says goes to `app.log` beside it."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with (home.parent / "app.log").open("wb") as log:
        command = [sys.executable, "-m", "workbench.cli", "run", "--no-browser", "--port", str(port)]
        app = subprocess.Popen(command, env={**os.environ, "WORKBENCH_HOME": str(home)}, stdout=log, stderr=log)
        address = f"http://127.0.0.1:{port}"
        try:
            deadline = time.monotonic() + WAIT_MS / 1000
            while not _healthy(address):
                assert app.poll() is None, (home.parent / "app.log").read_text()
                assert time.monotonic() < deadline, "the app does not answer"
                time.sleep(0.2)
            yield address
        finally:
            app.terminate()
            app.wait(30)


def _healthy(address: str) -> bool:
    try:
        with urllib.request.urlopen(f"{address}/_stcore/health", timeout=2) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


@contextmanager
def chromium() -> Iterator[Browser]:
    """A headless Chromium."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(find()), args=list(FLAGS))
        yield browser
        browser.close()


def ready(page: Page) -> None:
    """Wait until the page is drawn."""
    page.wait_for_selector('[data-testid="stMainBlockContainer"]', timeout=WAIT_MS)
    page.wait_for_timeout(400)
    page.wait_for_selector('[data-testid="stApp"][data-test-script-state="notRunning"]', timeout=WAIT_MS)
    page.wait_for_timeout(200)


def pick_row(page: Page, number: int, *, table: int = 0, row_height: int = 40) -> None:
    """Tick a row of a table, which is a canvas: by its place below the header."""
    frame = page.get_by_test_id("stDataFrame").nth(table)
    frame.click(position={"x": 15, "y": 38 + row_height * number + row_height // 2})
    ready(page)
