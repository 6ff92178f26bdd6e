"""The app of a home on a free port, as long as it is needed."""

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


@contextmanager
def served(home: Path, patience_s: float = 90) -> Iterator[str]:
    """The address of `workbench run` over a home; what it prints goes to `app.log` beside the home."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with (home.parent / "app.log").open("wb") as log:
        command = [sys.executable, "-m", "workbench.cli", "run", "--no-browser", "--port", str(port)]
        app = subprocess.Popen(command, env={**os.environ, "WORKBENCH_HOME": str(home)}, stdout=log, stderr=log)
        address = f"http://127.0.0.1:{port}"
        try:
            deadline = time.monotonic() + patience_s
            while time.monotonic() < deadline and not _healthy(address):
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
