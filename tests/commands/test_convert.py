"""`workbench convert`: native, mParticle's schema, SQL and Python; what cannot be said is told, exit code 3."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest

from core import Audience, Dataset
from tests.commands.running import audience, save, workbench

PLAYED = {
    "type": "event",
    "kind": "custom",
    "name": "Play",
    "frequency": {"operator": "at_least", "value": 2},
    "when": {"type": "within_last", "amount": 7, "unit": "days"},
}
GOLD = {"type": "user_attribute", "attribute": "tier", "operator": "exact_match", "value": "gold"}
PATTERN = {"type": "user_attribute", "attribute": "tier", "operator": "pattern", "value": "g*"}
NOW_MS = 1_782_820_800_000


def test_native_to_mparticle_and_back(tmp_path: Path) -> None:
    document = audience({"type": "and", "criteria": [PLAYED, {"type": "not", "criterion": GOLD}]}, lookback_days=30)
    save(tmp_path / "A.json", document)
    there = workbench(tmp_path, "convert", "A.json", "--to", "mparticle")
    assert there.code == 0
    assert there.json["schema_version"] == "1.6.0"
    # The schema has no name; that selects nobody, so it is only noted.
    assert there.told == [
        "audience: note: The schema has no name: 'A' is left out. Give it again when the document is read."
    ]
    (tmp_path / "theirs.json").write_text(there.out)
    back = workbench(tmp_path, "convert", "theirs.json", "--from", "mparticle", "--to", "native", "--name", "A")
    assert (back.code, back.err) == (0, "")
    assert Audience.from_dict(back.json) == Audience.from_dict(document)


def test_the_form_is_seen_and_the_name_is_the_file_s(tmp_path: Path) -> None:
    save(tmp_path / "A.json", audience(GOLD))
    (tmp_path / "Gold.json").write_text(workbench(tmp_path, "convert", "A.json", "--to", "mparticle").out)
    assert workbench(tmp_path, "convert", "Gold.json", "--to", "native").json == {
        **audience(GOLD, name="Gold"),
        "external_name": None,
        "inputs": None,
        "lookback_days": None,
    }


def test_what_mparticle_cannot_say(tmp_path: Path) -> None:
    root = {"type": "and", "criteria": [GOLD, {"type": "or", "criteria": [PATTERN, PATTERN]}]}
    save(tmp_path / "A.json", audience(root))
    done = workbench(tmp_path, "convert", "A.json", "--to", "mparticle")
    assert done.code == 3
    assert [line.split(": ")[0] for line in done.told] == [
        "audience",
        "root.criteria[1].criteria[0]",
        "root.criteria[1].criteria[1]",
    ]
    assert '"not_said"' in done.out


def test_what_ours_cannot_say(tmp_path: Path) -> None:
    order = {"operator": "equals", "left": {"model": "order", "path": "total"}, "right": 1}
    document = {"schema_version": "1.6.0", "audience": {"operator": "and", "expressions": [order, order]}}
    save(tmp_path / "A.json", document)
    done = workbench(tmp_path, "convert", "A.json", "--to", "native")
    assert (done.code, done.out) == (3, "")
    assert [line.split(": ")[0] for line in done.told] == ["audience.expressions[0]", "audience.expressions[1]"]


def test_a_document_without_workspaces(tmp_path: Path) -> None:
    gold = {"operator": "equals", "left": {"model": "user", "path": "tier"}, "right": "gold"}
    save(tmp_path / "A.json", {"schema_version": "1.0.0", "audience": gold})
    said = workbench(tmp_path, "convert", "A.json", "--to", "native", "--workspace", "app", "--workspace", "shop")
    assert (said.code, said.err, said.json["workspaces"]) == (0, "", ["app", "shop"])
    nowhere = workbench(tmp_path, "convert", "A.json", "--to", "native")
    assert (nowhere.code, nowhere.json["workspaces"]) == (0, ["workspace"])
    assert "--workspace" in nowhere.err
    home = Dataset.create(tmp_path / "home" / "dataset")
    home.load_batches([{"mpid": 1, "timestamp_unixtime_ms": NOW_MS}], workspace="travel", input="ios", kind="platform")
    known = workbench(tmp_path, "convert", "A.json", "--to", "native")
    assert (known.code, known.err, known.json["workspaces"]) == (0, "", ["travel"])


def test_python_is_source_that_builds_the_audience(tmp_path: Path) -> None:
    document = audience({"type": "or", "criteria": [PLAYED, PATTERN]})
    save(tmp_path / "A.json", document)
    done = workbench(tmp_path, "convert", "A.json", "--to", "python")
    assert (done.code, done.err) == (0, "")
    names: dict[str, object] = {}
    exec(done.out, names)
    assert names["audience"] == Audience.from_dict(document)


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """Profile 1 is gold and played twice, 2 is gold, 3 played once."""

    def play(mpid: int, days: int) -> dict[str, object]:
        at = NOW_MS - days * 86_400_000
        data = {"event_name": "Play", "custom_event_type": "other", "timestamp_unixtime_ms": at}
        return {"mpid": mpid, "timestamp_unixtime_ms": at, "events": [{"event_type": "custom_event", "data": data}]}

    gold = [{"mpid": mpid, "timestamp_unixtime_ms": NOW_MS, "user_attributes": {"tier": "gold"}} for mpid in (1, 2)]
    dataset = Dataset.create(tmp_path / "shop")
    dataset.load_batches([*gold, play(1, 1), play(1, 6), play(3, 2)], workspace="app", input="ios", kind="platform")
    plays = {"name": "plays", "calculation": "count", "event": {"kind": "custom", "name": "Play"}}
    dataset.add_calculated_attribute(plays, workspace="app")
    return tmp_path


def test_sql_with_its_views_runs_as_it_stands(shop: Path) -> None:
    save(shop / "A.json", audience({"type": "and", "criteria": [PLAYED, GOLD]}))
    when = ("--now", "2026-06-30T12:00:00Z")
    done = workbench(shop, "convert", "A.json", "--to", "sql", "--dataset", "shop", "--views", *when)
    assert (done.code, done.err) == (0, "")
    answer = duckdb.connect().execute(done.out.replace("'shop/", f"'{shop}/shop/"))
    assert answer.fetchall() == [(1,)]


def test_sql_of_a_calculated_attribute_needs_the_dataset(shop: Path) -> None:
    often = {"type": "calculated_attribute", "name": "plays", "operator": "at_least", "value": 2}
    save(shop / "A.json", audience(often))
    alone = workbench(shop, "convert", "A.json", "--to", "sql")
    assert (alone.code, alone.out) == (3, "")
    assert alone.told[0].startswith("root: ")
    assert workbench(shop, "convert", "A.json", "--to", "sql", "--dataset", "shop").code == 0


@pytest.mark.parametrize("dialect", ["duckdb", "spark", "bigquery", "snowflake"])
def test_every_dialect_is_written(tmp_path: Path, dialect: str) -> None:
    save(tmp_path / "A.json", audience({"type": "and", "criteria": [PLAYED, GOLD]}))
    done = workbench(tmp_path, "convert", "A.json", "--to", "sql", "--dialect", dialect)
    assert done.code == 0
    assert ("not run there" in done.out) == (dialect != "duckdb")


@pytest.mark.parametrize(
    ("arguments", "option"),
    [
        (("--to", "native", "--dialect", "spark"), "--dialect"),
        (("--to", "python", "--now", "2026-06-30"), "--now"),
        (("--to", "sql", "--views", "--dialect", "spark"), "--views"),
        (("--to", "native", "--name", "B"), "--name"),
        (("--to", "native", "--workspace", "b"), "--workspace"),
        (("--to", "latin"), "--to"),
        ((), "--to"),
    ],
)
def test_misuse_is_one_line(tmp_path: Path, arguments: tuple[str, ...], option: str) -> None:
    save(tmp_path / "A.json", audience(GOLD))
    done = workbench(tmp_path, "convert", "A.json", *arguments)
    assert (done.code, done.out, len(done.told)) == (2, "", 1)
    assert option in done.err


@pytest.mark.parametrize("source", ["native", "mparticle"])
def test_a_file_of_the_other_form_is_told(tmp_path: Path, source: str) -> None:
    theirs = {"schema_version": "1.6.0", "audience": {"operator": "and", "expressions": []}}
    save(tmp_path / "A.json", theirs if source == "native" else audience(GOLD))
    done = workbench(tmp_path, "convert", "A.json", "--from", source, "--to", "native")
    assert (done.code, done.out) == (2, "")
    assert all(": " in line for line in done.told)
