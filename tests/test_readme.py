"""What the README and CONTRIBUTING say is true: their commands, their code, their links."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PAGES = ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "docs/architecture.md")


def blocks(page: str, language: str) -> list[str]:
    """The code blocks of one language on a page, in order."""
    return re.findall(rf"```{language}\n(.*?)```", (ROOT / page).read_text(), re.DOTALL)


def shell_lines(page: str, program: str) -> list[str]:
    lines = [line for block in blocks(page, "sh") for line in block.splitlines()]
    return [line for line in lines if line.split()[:1] == [program]]


def run(command: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "WORKBENCH_HOME": str(folder / "home")}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md"])
def test_every_make_command_is_a_target(name: str) -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = {line.split()[1] for line in shell_lines(name, "make")}
    assert named
    assert named <= targets


def test_the_two_commands_stand_in_the_readme() -> None:
    assert [line.split("#")[0].split() for line in shell_lines("README.md", "make")] == [
        ["make", "run"],
        ["make", "test"],
    ]


def test_the_commands_of_the_readme_do_what_it_says(tmp_path: Path) -> None:
    (document,) = blocks("README.md", "json")
    (tmp_path / "audience.json").write_text(document)
    now_ms = 1_782_820_800_000
    viewed = {
        "event_type": "custom_event",
        "data": {
            "event_name": "Play Video",
            "custom_event_type": "media",
            "timestamp_unixtime_ms": now_ms,
            "custom_attributes": {"destination": "Paris"},
        },
    }
    bought = {
        "event_type": "commerce_event",
        "data": {"timestamp_unixtime_ms": now_ms, "product_action": {"action": "purchase"}},
    }
    batches = [
        {"mpid": 1, "timestamp_unixtime_ms": now_ms, "events": [viewed]},
        {"mpid": 2, "timestamp_unixtime_ms": now_ms, "events": [viewed, bought]},
        {"mpid": 3, "timestamp_unixtime_ms": now_ms, "events": []},
    ]
    (tmp_path / "batches.jsonl").write_text("".join(json.dumps(batch) + "\n" for batch in batches))
    commands = shell_lines("README.md", "workbench")
    saved = [*["audiences"] * 4, "why", "profile"]
    assert [shlex.split(line)[1] for line in commands] == ["import", "check", "evaluate", "estimate", "convert", *saved]
    printed = {}
    for line in commands:
        done = run([str(Path(sys.executable).with_name("workbench")), *shlex.split(line, comments=True)[1:]], tmp_path)
        assert done.returncode == 0, f"{line}\n{done.stdout}\n{done.stderr}"
        if shlex.split(line)[1] == "import":  # saved audiences are those of the home's dataset
            shutil.copytree(tmp_path / "shop", tmp_path / "home" / "dataset")
        printed[shlex.split(line)[1]] = done.stdout
    assert (tmp_path / "members.csv").read_text().split() == ["mpid", "1"]
    assert json.loads(printed["estimate"])["size"] == 1
    assert "Audience.of(" in printed["convert"]
    assert "active" in printed["audiences"] and "Potential Parisians" in printed["audiences"]
    assert printed["why"].splitlines()[1].startswith("A member")


def test_the_python_of_the_readme_runs(tmp_path: Path) -> None:
    (code,) = blocks("README.md", "python")
    done = run([sys.executable, "-c", code], tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "1 of 1"


@pytest.mark.parametrize("name", PAGES)
def test_every_local_link_leads_somewhere(name: str) -> None:
    links = re.findall(r"\]\(([^)#]+)", (ROOT / name).read_text())
    local = [link for link in links if "//" not in link]
    assert [link for link in local if not (ROOT / name).parent.joinpath(link).exists()] == []


def test_every_decision_has_a_question_a_choice_and_a_cost() -> None:
    pages = sorted((ROOT / "docs" / "decisions").glob("*.md"))
    numbers = [int(page.name[:4]) for page in pages]
    assert numbers == list(range(1, len(pages) + 1))
    for page in pages:
        text = page.read_text()
        assert text.startswith(f"# {int(page.name[:4])}. "), page.name
        assert re.findall(r"^\*\*(\w+)\.\*\*", text, re.MULTILINE) == ["Question", "Choice", "Cost"], page.name


def test_no_tracked_file_names_a_registry_or_a_machine() -> None:
    """Packages come from whatever index a machine uses, and nothing may lie at a fixed place."""
    pattern = r"python[h]osted|npm[j]s\.|deb\.[d]ebian|py[p]i\.org|(^|[^A-Za-z0-9_.])/(wor[k]|roo[t]|tm[p])/"
    found = subprocess.run(["git", "grep", "-nIE", pattern], cwd=ROOT, capture_output=True, text=True, check=False)
    assert found.returncode == 1, found.stdout + found.stderr
