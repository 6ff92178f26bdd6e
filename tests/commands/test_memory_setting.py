"""WORKBENCH_MEMORY bounds what a dataset remembers."""

from __future__ import annotations

from pathlib import Path

import pytest

from core import CoreError, Dataset
from workbench import home


@pytest.mark.parametrize(
    ("text", "wanted"),
    [("", 1 << 30), ("2GB", 2 << 30), ("0.5 gb", 1 << 29), ("800 MB", 800 << 20), ("123456", 123456)],
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
