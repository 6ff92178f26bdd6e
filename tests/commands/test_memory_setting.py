"""WORKBENCH_MEMORY bounds what a dataset remembers."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from core import CoreError, Dataset
from workbench import home


@pytest.mark.parametrize(
    ("text", "wanted"),
    [("2GB", 2 << 30), ("0.5 gb", 1 << 29), ("800 MB", 800 << 20), ("123456", 123456)],
)
def test_sizes(text: str, wanted: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORKBENCH_MEMORY", text)
    monkeypatch.setenv("WORKBENCH_HOME", str(tmp_path))
    Dataset.create(home.dataset_path())
    assert home.open_dataset().memory_bytes == wanted


@pytest.mark.parametrize("text", ["much", "-1GB", "1TB", "GB"])
def test_what_is_no_size_is_refused(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORKBENCH_MEMORY", text)
    with pytest.raises(CoreError, match="WORKBENCH_MEMORY"):
        home.memory_bytes()


@pytest.mark.parametrize(
    ("machine", "wanted"), [(2 << 30, 1 << 30), (8 << 30, 1 << 30), (24 << 30, 3 << 30), (256 << 30, 4 << 30)]
)
def test_an_eighth_of_the_machine(machine: int, wanted: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WORKBENCH_MEMORY", raising=False)
    monkeypatch.setattr(home, "machine_bytes", lambda: machine)
    assert home.memory_bytes() == wanted


@pytest.mark.parametrize(
    ("said", "wanted"), [("1048576\n", 1 << 20), ("max\n", None), (None, None), (str(1 << 60), None)]
)
def test_a_container_may_use_less(
    said: str | None, wanted: int | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    if said is not None:
        (tmp_path / "memory.max").write_text(said)
    monkeypatch.setattr(home, "_CONTAINER", tmp_path / "memory.max")
    assert home.machine_bytes() == (wanted or whole)
