"""While members are counted for long: what the estimate says, and that it is the core's."""

from __future__ import annotations

from pathlib import Path

import pytest

from core import Audience, Dataset, Estimate
from core.data import sample
from tests.core.loads import T, batch
from workbench import progress
from workbench.builder.waiting import COUNTING, Waiting, estimate_words


def test_an_estimate_in_words() -> None:
    about = estimate_words(Estimate(14_482, 14_012, 14_961, 50_000))
    assert about.startswith("About **14,482** members, with 95\u00a0% certainty 14,012 to 14,961")
    assert estimate_words(Estimate(12, 12, 12, 40)) == COUNTING, "everybody is in the sample"
    assert estimate_words(Estimate(None, None, None, 50_000, "~")).startswith("\\~ Too few")
    assert ":red[▲] No estimate, because of an error: no disk" in estimate_words(
        Estimate(None, None, None, 0, "error", "no disk")
    )


def test_what_takes_long_is_estimated_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of 900 people every second is gold; a sample of 300 is judged while they are counted."""
    monkeypatch.setattr(sample, "SAMPLE", 300)
    monkeypatch.setattr(progress, "PATIENCE_S", -1)
    data = Dataset.create(tmp_path / "dataset")
    people = [batch(at, time=T, user_attributes={"tier": ("gold", "none")[at % 2]}) for at in range(900)]
    data.load_batches(people, workspace="shop", input="ios")
    gold = {"type": "user_attribute", "attribute": "tier", "operator": "exact_match", "value": "gold"}
    root = {"type": "and", "criteria": [gold, {"type": "not", "criterion": {**gold, "value": "none"}}]}
    document = {"name": "Gold", "workspaces": ["shop"], "definition": {"version": 1, "root": root}}
    audience, now = Audience.from_dict(document), data.end
    assert now is not None
    waiting = Waiting(data, now, {})
    assert data.evaluate(audience, now=now, progress=waiting.of(audience)).size == 450
    assert waiting.words == estimate_words(data.estimate(audience, now=now))
    assert waiting.words.startswith("About **")
