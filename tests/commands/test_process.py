"""The program as a process: signals, a reader that goes, encodings, and the app that `run` serves."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

from tests.commands.conftest import batch
from tests.commands.running import audience, save, workbench
from workbench.cli import COMMANDS, main

WORKBENCH = str(Path(sys.executable).with_name("workbench"))


def environment(folder: Path, **more: str) -> dict[str, str]:
    return {**os.environ, "WORKBENCH_HOME": str(folder / "home"), **more}


def test_help_names_every_command(tmp_path: Path) -> None:
    done = subprocess.run([WORKBENCH, "--help"], capture_output=True, text=True, check=True, env=environment(tmp_path))
    assert [name for name in COMMANDS if not re.search(rf"^    {name}\b", done.stdout, re.MULTILINE)] == []


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_is_where_it_is_said_to_be(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        main([name, "--help"])
    assert left.value.code == 0
    assert capsys.readouterr().out.startswith(f"usage: workbench {name} ")


def test_the_list_of_commands_needs_no_core() -> None:
    """It is there at once; the core takes half a second to import."""
    code = "import sys, workbench.cli; workbench.cli.main(['--help']); sys.exit('polars' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, check=False).returncode == 0


@pytest.mark.parametrize("arguments", [(), ("fly",), ("check",), ("tier",), ("--version-of-it",)])
def test_misuse_is_one_line(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    done = workbench(tmp_path, *arguments)
    assert (done.code, done.out, len(done.told)) == (2, "", 1)


def test_names_print_wherever_the_terminal_cannot_show_them(shop: Path) -> None:
    save(shop / "A.json", audience({"type": "and", "criteria": []}, name="東京 \x1b[31m"))
    command = [WORKBENCH, "evaluate", "A.json", "--dataset", "shop"]
    ascii_only = environment(shop, PYTHONIOENCODING="ascii", PYTHONUTF8="0", LC_ALL="C")
    done = subprocess.run(command, cwd=shop, capture_output=True, check=False, env=ascii_only)
    assert done.returncode == 0, done.stderr
    assert b"\x1b" not in done.stdout


def test_a_reader_that_goes_is_no_error(shop: Path) -> None:
    save(shop / "A.json", audience({"type": "and", "criteria": []}))
    command = f"{WORKBENCH} convert A.json --to native | true"
    done = subprocess.run(
        command, shell=True, cwd=shop, capture_output=True, text=True, check=True, env=environment(shop)
    )
    assert done.stderr == ""


@pytest.mark.parametrize("closed", [">&-", "2>&-", ">&- 2>&-"])
def test_streams_that_are_closed_are_no_error(shop: Path, closed: str) -> None:
    save(shop / "A.json", audience({"type": "and", "criteria": []}))
    command = f"{WORKBENCH} evaluate A.json --dataset shop --json {closed}"
    done = subprocess.run(
        command, shell=True, cwd=shop, capture_output=True, text=True, check=False, env=environment(shop)
    )
    assert (done.returncode, "Traceback" in done.stderr) == (0, False)


def test_a_full_disk_under_the_output_is_told(shop: Path) -> None:
    save(shop / "A.json", audience({"type": "and", "criteria": []}))
    command = f"{WORKBENCH} evaluate A.json --dataset shop --json > /dev/full"
    done = subprocess.run(
        command, shell=True, cwd=shop, capture_output=True, text=True, check=False, env=environment(shop)
    )
    assert (done.returncode, done.stderr.splitlines()[1:]) == (
        2,
        ["The output cannot be written: No space left on device."],
    )


def test_a_pipe_is_no_file_to_import(tmp_path: Path) -> None:
    command = f"cat /dev/null | {WORKBENCH} import /dev/stdin --workspace shop --input ios"
    done = subprocess.run(command, shell=True, capture_output=True, text=True, check=False, env=environment(tmp_path))
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("/dev/stdin: a pipe or device cannot be read twice, as an import does.")


def test_what_is_loaded_stays_when_the_reader_of_the_report_goes(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text(json.dumps(batch(1, 0)) + "\n")
    command = f"{WORKBENCH} import a.jsonl --dataset shop --workspace app --input ios --json | true"
    subprocess.run(command, shell=True, cwd=tmp_path, check=True, env=environment(tmp_path))
    save(tmp_path / "A.json", audience({"type": "and", "criteria": []}))
    assert workbench(tmp_path, "evaluate", "A.json", "--dataset", "shop", "--json").json["size"] == 1


def test_a_load_that_is_ended_leaves_nothing(tmp_path: Path) -> None:
    """SIGTERM in the middle of a load into a new dataset: the dataset goes again."""
    with (tmp_path / "many.jsonl").open("w") as file:
        file.writelines(json.dumps(batch(mpid, 0)) + "\n" for mpid in range(400_000))
    command = [WORKBENCH, "import", "many.jsonl", "--dataset", "shop", "--workspace", "app", "--input", "ios"]
    with subprocess.Popen(command, cwd=tmp_path, env=environment(tmp_path), stderr=subprocess.PIPE) as process:
        deadline = time.monotonic() + 60
        while not (tmp_path / "shop").exists() and time.monotonic() < deadline:
            time.sleep(0.01)
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=60) == 128 + signal.SIGTERM
    assert [path.name for path in tmp_path.iterdir()] == ["many.jsonl"]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_run_serves_the_app_until_it_is_ended(tmp_path: Path) -> None:
    port = free_port()
    command = [WORKBENCH, "run", "--no-browser", "--port", str(port)]
    process = subprocess.Popen(command, cwd=tmp_path, env=environment(tmp_path), stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        said = next(line for line in process.stdout if line.startswith("Audience workbench"))
        assert f"http://127.0.0.1:{port}" in said
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/_stcore/health", timeout=60) as answer:
            assert answer.read() == b"ok"
        again = workbench(tmp_path, "run", "--no-browser", "--port", port)
        assert (again.code, len(again.told)) == (2, 1)
        assert again.err.startswith("--port: ")
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=60) == 0
    finally:
        process.kill()
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind(("127.0.0.1", port))
