"""The frames that charts stand on, worked out by hand; the charts themselves are valid, coloured by meaning."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl
import pytest

from core import Dataset, charts
from core.charts.style import PALETTES, percent, signed, times
from core.composition import composition, reach, traits
from core.history import backtest
from tests.core.answers import NOW, answer, asked, both, dataset, did, either, event, of, without


@pytest.fixture
def data(tmp_path: Path) -> Dataset:
    """1 does a, 2 does a and b, 3 does c, 4 does a, b and d, 5 does nothing."""
    done = {1: "a", 2: "ab", 3: "c", 4: "abd", 5: ""}
    return dataset(
        tmp_path,
        *(of(mpid, *(did(name, 1) for name in names), days=1, user_identities={"email": f"{mpid}@x.io"})
          for mpid, names in done.items()),
    )  # fmt: skip


A, B, C, D = (event(name) for name in "abcd")


def steps(frame: pl.DataFrame) -> list[tuple[Any, ...]]:
    return frame.select("row", "from", "to", "change", "what", "figure").rows()


def test_a_waterfall_follows_the_letters(data: Dataset) -> None:
    """((a and b) or c) and not d: {1, 2, 4}, {2, 4}, {2, 3, 4}, {2, 3}."""
    frame = charts.waterfall_frame(answer(data, both(either(both(A, B), C), without(D))))
    assert steps(frame) == [
        ("A", 0, 3, 3, "start", "3"),
        ("and B", 3, 2, -1, "kept out", "−1"),
        ("or C", 2, 3, 1, "brought in", "+1"),
        ("exclude D", 3, 2, -1, "excluded", "−1"),
        ("Members", 0, 2, 2, "members", "2"),
    ]


def test_a_group_is_joined_by_its_own_word(data: Dataset) -> None:
    frame = charts.waterfall_frame(answer(data, either(both(A, B), both(C, D))))
    assert frame["row"].to_list() == ["A", "and B", "or C", "and D", "Members"]


def test_everybody_and_other_names(data: Dataset) -> None:
    assert steps(charts.waterfall_frame(answer(data, both()))) == [("Members", 0, 5, 5, "members", "5")]
    frame = charts.waterfall_frame(answer(data, both(A, B)), {"root.criteria[1]": "C"})
    assert frame["row"].to_list() == ["A", "and C", "Members"]


def test_figures_in_words() -> None:
    assert [signed(number) for number in (-1980, 0, 96)] == ["−1,980", "0", "+96"]
    assert percent(0.3821) == "38.2\u00a0%"
    assert [times(index) for index in (1.591, None)] == ["×\u00a01.59", "–"]


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_every_chart_is_valid_and_coloured_by_meaning(data: Dataset, theme: str) -> None:
    """Altair checks a chart against Vega-Lite's schema; members have one colour everywhere."""
    result = answer(data, both(A, B))
    history = backtest(data, asked(both(A, B)), now=NOW, days=3).frame
    spread = composition(result, traits(result)[0].criterion)
    curve = pl.DataFrame({"setting": [1.0, 2.0], "size": [2, 1], "current": [True, False], "change": [0, -1]})
    overlap = pl.DataFrame({"name": ["Other"], "size": [3], "both": [1], "share": [0.5], "jaccard": [0.25]})
    drawn = [
        charts.waterfall(charts.waterfall_frame(result), theme),
        charts.days_chart(history, theme),
        charts.days_chart(history, theme, expected=True),
        charts.reach_chart(reach(result), theme),
        charts.composition_chart(spread, theme),
        charts.overlap_chart(overlap, theme),
        charts.curve_chart(curve, "times", theme),
        charts.counts_chart([("gold", 2), ("silver", 1)], 3, theme),
        charts.volume_chart([3, 0, 1], NOW.date(), theme),
    ]
    for chart in drawn:
        written = chart.altair().to_json()
        assert PALETTES[theme].members in written
        assert '"background": "transparent"' in written


def test_a_curve_of_nobody_has_numbers_at_its_axis() -> None:
    """A scale from 0 to 0 would be labelled NaN; whole settings have whole ticks."""

    def axes(settings: list[float], sizes: list[int]) -> tuple[bool, bool]:
        frame = pl.DataFrame({"setting": settings, "size": sizes, "current": [True, False], "change": [0, 0]})
        written = charts.curve_chart(frame, "times").altair().to_dict()["layer"][1]["encoding"]
        return "domain" in written["y"]["scale"], written["x"]["axis"].get("tickMinStep") == 1

    assert axes([1.0, 2.0], [0, 0]) == (True, True)
    assert axes([0.5, 2.0], [0, 3]) == (False, False)
