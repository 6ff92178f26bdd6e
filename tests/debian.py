"""Programs that the tests need and that pip does not have: on Debian, as root, they are installed."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys


def install(packages: tuple[str, ...], what: str, way_out: str) -> None:
    """Install packages for something; where that is not possible, or goes wrong, say the way out."""
    if os.name != "posix" or os.geteuid() != 0 or not shutil.which("apt-get"):
        print(way_out, file=sys.stderr)
        return
    print(f"Installing {' and '.join(packages)} for {what} ...", flush=True)
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    commands = (["update", "-qq"], ["install", "-y", "-qq", "--no-install-recommends", *packages])
    for command in commands:
        if subprocess.run(["apt-get", *command], env=environment, stdout=subprocess.DEVNULL, check=False).returncode:
            print(f"apt-get {command[0]} failed. {way_out}", file=sys.stderr)
            return


def main() -> None:
    """Install git, which tells a test what the repository tracks."""
    if shutil.which("git") is None:
        install(("git",), "the tests of the repository", "No git found: install it.")


if __name__ == "__main__":
    main()
