"""The browser of the browser tests: `find` names it; `python -m tests.chromium` gets it where that is possible."""

from __future__ import annotations

import os
import shutil
import sys
from ctypes.util import find_library

from tests import debian

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
PACKAGES = ("chromium", "fonts-dejavu-core", "libatomic1")
"""The browser, letters for it, and a library without which Playwright's own programs do not start on a bare Debian."""
COMMAND = f"sudo apt-get install -y --no-install-recommends {' '.join(PACKAGES)}"
WAY_OUT = f"No Chromium found. On Debian: {COMMAND}. Elsewhere install it and name it in WORKBENCH_CHROMIUM."

FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
)
"""What keeps a headless Chromium to itself, also as root and without a network."""


def find() -> str | None:
    """The path of a Chromium or Chrome on this machine, `WORKBENCH_CHROMIUM` first; None where there is none."""
    named = os.environ.get("WORKBENCH_CHROMIUM")
    return named or next((path for name in NAMES if (path := shutil.which(name))), None)


def main() -> None:
    """Install Chromium as root on Debian; elsewhere say the one command that does."""
    if not find() or (sys.platform == "linux" and find_library("atomic") is None):
        debian.install(PACKAGES, "the browser tests", WAY_OUT)


if __name__ == "__main__":
    main()
