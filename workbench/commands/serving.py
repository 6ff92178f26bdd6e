"""The app: `run`."""

from __future__ import annotations

import argparse
import http.client
import os
import signal
import socket
import subprocess
import sys
import time
import webbrowser
from pathlib import Path
from typing import Final

from core import CoreError
from workbench import home
from workbench.commands import options, output

HOST: Final = "127.0.0.1"
PORT: Final = 8501
APP: Final = Path(__file__).parent.parent / "app.py"
_START_SECONDS: Final = 120.0
_STOP_SECONDS: Final = 10.0


def add(commands: argparse._SubParsersAction[options.Parser]) -> None:
    """Add the command."""
    run = commands.add_parser("run", help="open the app")
    run.add_argument("--port", type=_port, default=PORT, metavar="N", help=f"default: {PORT}")
    run.add_argument("--no-browser", action="store_true", help="print the address only")
    run.set_defaults(run=run_app)


def _port(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) < 6 and 0 < int(text) < 65_536):
        raise argparse.ArgumentTypeError(f"{text!r} is no port, a number from 1 to 65535")
    return int(text)


def run_app(given: argparse.Namespace) -> int:
    """Serve the app until Ctrl-C, or until it ends."""
    _check_free(given.port)
    app = _start(given.port)
    url = f"http://{HOST}:{given.port}"
    try:
        _await(app, given.port)
        output.say(f"Audience workbench: {url}   (Ctrl-C stops it)")
        sys.stdout.flush()
        if not given.no_browser:
            webbrowser.open(url)
        code = app.wait()
    except KeyboardInterrupt:
        output.note("\nStopped.")
        return 0
    finally:
        _stop(app)
    raise CoreError(f"run: the app ended by itself, with code {code}.", "What it said stands above.")


def _check_free(port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            reason = (error.strerror or str(error)).lower()
            raise CoreError(
                f"--port: {HOST}:{port} cannot be used: {reason}.", "Choose another with --port N."
            ) from None


def _start(port: int) -> subprocess.Popen[bytes]:
    """Streamlit in a process of its own; the project's folder is where it finds its configuration."""
    environment = {**os.environ, "WORKBENCH_HOME": str(home.folder().absolute())}
    settings = {
        "server.address": HOST,
        "server.port": port,
        "server.headless": "true",
        "browser.gatherUsageStats": "false",
        "logger.hideWelcomeMessage": "true",
    }
    flags = [f"--{name}={value}" for name, value in settings.items()]
    command = [sys.executable, "-m", "streamlit", "run", str(APP), *flags]
    # A session of its own: Ctrl-C reaches this process alone, which then ends the app in order.
    return subprocess.Popen(command, cwd=APP.parent.parent, env=environment, start_new_session=True)


def _await(app: subprocess.Popen[bytes], port: int) -> None:
    """Wait until the app answers. CoreError: it ended, or did not answer in time."""
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline:
        if app.poll() is not None:
            raise CoreError(f"run: the app did not start, code {app.returncode}.", "What it said stands above.")
        if _answers(port):
            return
        time.sleep(0.1)
    raise CoreError(f"run: the app did not answer within {_START_SECONDS:.0f} seconds.")


def _answers(port: int) -> bool:
    # No urllib: it would ask a proxy of the environment for this machine's own address.
    connection = http.client.HTTPConnection(HOST, port, timeout=1)
    try:
        connection.request("GET", "/_stcore/health")
        return connection.getresponse().status == http.HTTPStatus.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _stop(app: subprocess.Popen[bytes]) -> None:
    if app.poll() is None:
        app.send_signal(signal.SIGTERM)
        try:
            app.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            app.kill()
            app.wait()
