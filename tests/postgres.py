"""A PostgreSQL server for the tests: `server` starts one; `python -m tests.postgres` installs it where it can."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tests import debian

COMMAND = "sudo apt-get install -y --no-install-recommends postgresql"
WAY_OUT = f"No PostgreSQL found. On Debian: {COMMAND}. Elsewhere install it, with initdb on the path."


def find() -> Path | None:
    """The folder of PostgreSQL's programs on this machine, the newest; None where there is none."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    named = shutil.which("initdb")
    return found[-1].parent if found else Path(named).parent if named else None


@contextlib.contextmanager
def server() -> Iterator[str]:
    """A running server of its own, thrown away at the end; the URL of its database `postgres`."""
    programs = find()
    if programs is None:
        raise RuntimeError(WAY_OUT)
    as_root = os.geteuid() == 0
    # Root's own temporary folder may be closed to the user that the server runs as.
    folder = Path(tempfile.mkdtemp(prefix="workbench-postgres-", dir="/tmp" if as_root else None))
    data, log = folder / "data", folder / "log"
    if as_root:  # the server refuses to run as root
        shutil.chown(folder, "postgres", "postgres")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]

    def run(program: str, *arguments: str) -> None:
        command = [str(programs / program), "-D", str(data), *arguments]
        if as_root:
            command = ["runuser", "-u", "postgres", "--", *command]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, cwd=folder)

    settings = f"-p {port} -h 127.0.0.1 -k {folder} -c fsync=off -c synchronous_commit=off -c max_connections=200"
    try:
        run("initdb", "-A", "trust", "-U", "workbench", "-E", "UTF8", "--locale=C.UTF-8")
        run("pg_ctl", "-w", "-l", str(log), "-o", settings, "start")
        try:
            yield f"postgresql+psycopg://workbench@127.0.0.1:{port}/postgres"
        finally:
            run("pg_ctl", "-m", "fast", "-w", "stop")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def main() -> None:
    """Install PostgreSQL as root on Debian; elsewhere say the one command that does."""
    if find() is None:
        debian.install(("postgresql",), "the registry's tests", WAY_OUT)


if __name__ == "__main__":
    main()
