"""The app and its worker: `run`; a worker alone: `serve-jobs`."""

from __future__ import annotations

import argparse
import http.client
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import webbrowser
from collections.abc import Callable
from pathlib import Path
from typing import Final

from core import CoreError
from workbench import home
from workbench.commands import output
from workbench.commands.parser import Parser

HOST: Final = "127.0.0.1"
PORT: Final = 8501
APP: Final = Path(__file__).parent.parent / "app.py"
_START_SECONDS: Final = 120.0
_STOP_SECONDS: Final = 10.0
_LOOK_SECONDS: Final = 0.3
_RESTART_SECONDS: Final = 1.0


def add(commands: argparse._SubParsersAction[Parser]) -> None:
    """Add the command."""
    run = commands.add_parser("run")
    run.add_argument("--port", type=_port, default=PORT, metavar="N", help=f"default: {PORT}")
    run.add_argument("--no-browser", action="store_true", help="print the address only")
    run.set_defaults(run=run_app)

    jobs = commands.add_parser("serve-jobs")
    jobs.add_argument("--with-parent", action="store_true", help="end when the process that started it has ended")
    jobs.set_defaults(run=run_jobs)


def _port(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) < 6 and 0 < int(text) < 65_536):
        raise argparse.ArgumentTypeError(f"{text!r} is no port, a number from 1 to 65535")
    return int(text)


def run_app(given: argparse.Namespace) -> int:
    """Serve the app and its worker until Ctrl-C, or until the app ends."""
    _check_free(given.port)
    home.registry().close()  # what cannot be opened is told here, not by two processes
    app = _start_app(given.port)
    worker = _start_worker()
    url = f"http://{HOST}:{given.port}"
    try:
        _await(app, given.port)
        output.say(f"Audience workbench: {url}   (Ctrl-C stops it)")
        sys.stdout.flush()
        if not given.no_browser:
            webbrowser.open(url)
        code = app.poll()
        while code is None:
            if worker.poll() is not None:
                output.note(f"run: the worker has ended with code {worker.returncode}; it is started again.")
                time.sleep(_RESTART_SECONDS)
                worker = _start_worker()
            time.sleep(_LOOK_SECONDS)
            code = app.poll()
    except KeyboardInterrupt:
        output.note("\nStopped.")
        return 0
    finally:
        _stop(app)
        _stop(worker)
    raise CoreError(f"run: the app ended by itself, with code {code}.", "What it said stands above.")


def run_jobs(given: argparse.Namespace) -> int:
    """Work until the process is told to end."""
    from workbench.worker import Worker

    registry = home.registry()
    worker = Worker(registry, home.dataset_path().absolute())
    parent = os.getppid()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: worker.stop())
    if given.with_parent:
        threading.Thread(target=_watch, args=(parent, worker.stop), daemon=True).start()
    output.say(f"Jobs of {home.folder().absolute()} are done here.   (Ctrl-C stops it)")
    sys.stdout.flush()
    worker.run()
    registry.close()
    return 0


def _watch(parent: int, stop: Callable[[], None]) -> None:
    while os.getppid() == parent:
        time.sleep(_LOOK_SECONDS)
    stop()


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


def _environment() -> dict[str, str]:
    return {**os.environ, "WORKBENCH_HOME": str(home.folder().absolute())}


def _start_worker() -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "workbench.cli", "serve-jobs", "--with-parent"]
    return subprocess.Popen(command, env=_environment(), stdout=subprocess.DEVNULL, start_new_session=True)


def _start_app(port: int) -> subprocess.Popen[bytes]:
    """Streamlit in a process of its own; the project's folder is where it finds its configuration."""
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
    return subprocess.Popen(command, cwd=APP.parent.parent, env=_environment(), start_new_session=True)


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


def _stop(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
