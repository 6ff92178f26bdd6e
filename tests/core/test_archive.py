"""The download ZIP: rows, order, names, manifest (PRODUCT 8). Expected values are derived by hand."""

from __future__ import annotations

import csv
import io
import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import numpy as np
import polars as pl
import pytest

from core import Audience, CoreError, Dataset, Evaluation, archive
from core.archive import Download, write_archive
from core.files import whole_file

NOW = datetime(2026, 6, 30, 12, tzinfo=UTC)
NOW_MS = 1_782_820_800_000
WRITTEN = datetime(2026, 7, 1, 17, 21, 36, 21_677, tzinfo=UTC)
HEADER = ["mpid", "scanned_timestamp_ms", "identity_value", "identity_type"]


def batch(mpid: int, at_ms: int = NOW_MS, **identities: str) -> dict[str, Any]:
    return {"mpid": mpid, "timestamp_unixtime_ms": at_ms, "user_identities": identities, "events": []}


def everyone(**own: Any) -> Audience:
    """Everybody seen in the workspace `app`."""
    definition = {"version": 1, "root": {"type": "and", "criteria": []}}
    return Audience.from_dict({"name": "Every one", "workspaces": ["app"], "definition": definition, **own})


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    """Three people in `app`; 7 is known in `shop` too, under more identities; 9 is in `shop` only."""
    made = Dataset.create(tmp_path / "data")
    app = [
        batch(7, email="g@x.org", customer_id="c7"),
        batch(-3, customer_id="c-3", club_card="k1"),
        batch(5),
        batch(7, email="g@x.org"),
    ]
    made.load_batches(app, workspace="app", input="ios")
    shop = [
        batch(7, email="a@x.org", other="o7"),
        batch(7, NOW_MS + 1, email="later@x.org"),
        batch(9, email="nine@x.org"),
    ]
    made.load_batches(shop, workspace="shop", input="web")
    return made


def written(path: Path, evaluation: Evaluation, types: list[str], **own: Any) -> archive.ArchiveManifest:
    given = {"identity_types": types, "archive_id": "9dd9b6dc-f0ec", "generated": WRITTEN, **own}
    return write_archive(path, [Download("8754", evaluation)], **given)


def rows_of(path: Path) -> list[list[str]]:
    """The lines of the only CSV."""
    with ZipFile(path) as opened:
        (name,) = (each for each in opened.namelist() if each.endswith(".csv"))
        return list(csv.reader(io.StringIO(opened.read(name).decode(), newline="")))


def test_rows_stand_by_mpid_type_and_value_over_all_workspaces_up_to_now(dataset: Dataset, tmp_path: Path) -> None:
    written(tmp_path / "a.zip", dataset.evaluate(everyone(), now=NOW), ["email", "customer_id"])
    assert rows_of(tmp_path / "a.zip") == [
        HEADER,
        ["-3", str(NOW_MS), "c-3", "customer_id"],
        ["7", str(NOW_MS), "c7", "customer_id"],
        ["7", str(NOW_MS), "a@x.org", "email"],
        ["7", str(NOW_MS), "g@x.org", "email"],
    ]


def test_the_csv_begins_with_the_exact_header(dataset: Dataset, tmp_path: Path) -> None:
    written(tmp_path / "a.zip", dataset.evaluate(everyone(), now=NOW), ["email"])
    with ZipFile(tmp_path / "a.zip") as opened:
        text = opened.read("8754_Everyone_172136Jul012026.csv")
    assert text.startswith(b"mpid,scanned_timestamp_ms,identity_value,identity_type\n7,")


def test_the_manifest_has_the_fields_of_the_seed(dataset: Dataset, tmp_path: Path) -> None:
    written(tmp_path / "a.zip", dataset.evaluate(everyone(), now=NOW), ["email", "customer_id", "other"])
    with ZipFile(tmp_path / "a.zip") as opened:
        assert opened.testzip() is None
        assert opened.namelist() == ["8754_Everyone_172136Jul012026.csv", "manifest.json"]
        manifest = json.loads(opened.read("manifest.json"))
    counts = {"customer_id": 2, "email": 2, "other": 1}
    assert manifest == {
        "archive_name": "Audiences_172136Jul012026_9dd9.zip",
        "id": "9dd9b6dc-f0ec",
        "audience_ids": ["8754"],
        "included_identities": ["customer_id", "email", "other"],
        "manifest_generated": "2026-07-01T17:21:36.0216770Z",
        "min_timestamp_ms": NOW_MS,
        "max_timestamp_ms": NOW_MS,
        "total_rows": 5,
        "rows_by_identity": counts,
        "files": [
            {
                "file_name": "8754_Everyone_172136Jul012026.csv",
                "min_timestamp_ms": NOW_MS,
                "max_timestamp_ms": NOW_MS,
                "total_users": 2,
                "total_rows": 5,
                "rows_by_identity": counts,
            }
        ],
    }


def test_several_audiences_have_a_file_each_and_totals(dataset: Dataset, tmp_path: Path) -> None:
    app, shop = everyone(), everyone(name="Shop", workspaces=["shop"])
    earlier = NOW - timedelta(seconds=1)
    parts = [Download("1", dataset.evaluate(app, now=NOW)), Download("2", dataset.evaluate(shop, now=earlier))]
    manifest = write_archive(
        tmp_path / "a.zip", parts, identity_types=["email"], archive_id="abcdef", generated=WRITTEN
    )
    assert manifest.audience_ids == ["1", "2"]
    assert (manifest.min_timestamp_ms, manifest.max_timestamp_ms) == (NOW_MS - 1000, NOW_MS)
    # One second before, nothing had been seen yet.
    assert [(each.total_users, each.total_rows) for each in manifest.files] == [(1, 2), (0, 0)]
    assert manifest.total_rows == 2


def test_without_rows_the_archive_is_still_valid(dataset: Dataset, tmp_path: Path) -> None:
    nobody = everyone(definition={"version": 1, "root": {"type": "or", "criteria": []}})
    manifest = written(tmp_path / "a.zip", dataset.evaluate(nobody, now=NOW), ["email"])
    assert rows_of(tmp_path / "a.zip") == [HEADER]
    assert (manifest.total_rows, manifest.rows_by_identity) == (0, {"email": 0})
    assert (manifest.min_timestamp_ms, manifest.max_timestamp_ms) == (NOW_MS, NOW_MS)


def test_types_that_only_the_data_knows_come_last(dataset: Dataset, tmp_path: Path) -> None:
    manifest = written(tmp_path / "a.zip", dataset.evaluate(everyone(), now=NOW), ["club_card", "customer_id"])
    assert manifest.included_identities == ["customer_id", "club_card"]
    assert [row[3] for row in rows_of(tmp_path / "a.zip")[1:]] == ["customer_id", "club_card", "customer_id"]


def test_an_unknown_type_names_the_known_and_those_of_the_data(dataset: Dataset, tmp_path: Path) -> None:
    with pytest.raises(CoreError, match=r"'mail', 'phone'.*customer_id.*the data also has club_card") as raised:
        written(tmp_path / "a.zip", dataset.evaluate(everyone(), now=NOW), ["phone", "email", "mail"])
    assert "amp_id" in raised.value.hint
    assert list(tmp_path.glob("*.zip")) == []


@pytest.mark.parametrize("types", [[], ["email", "email"]])
def test_types_are_chosen_once_and_at_least_one(dataset: Dataset, tmp_path: Path, types: list[str]) -> None:
    evaluation = dataset.evaluate(everyone(), now=NOW)
    if types:
        assert written(tmp_path / "a.zip", evaluation, types).included_identities == ["email"]
    else:
        with pytest.raises(CoreError, match="No identity type"):
            written(tmp_path / "a.zip", evaluation, types)


VALUES = ["=1+1", "+33 1", "-4", "@me", "\ttab", "a,b", 'say "x"', "two\nlines", "cr\rhere", "Zoë", "a=b"]


@pytest.fixture
def odd(tmp_path: Path) -> Dataset:
    """A person with one odd identity value each, in the order of VALUES."""
    made = Dataset.create(tmp_path / "odd")
    people = [batch(at, other=value) for at, value in enumerate(VALUES)]
    made.load_batches(people, workspace="app", input="ios")
    return made


def test_values_are_quoted_so_that_they_read_back(odd: Dataset, tmp_path: Path) -> None:
    written(tmp_path / "a.zip", odd.evaluate(everyone(), now=NOW), ["other"])
    assert [row[2] for row in rows_of(tmp_path / "a.zip")[1:]] == VALUES


def test_formulas_are_neutralised_on_request_only(odd: Dataset, tmp_path: Path) -> None:
    written(tmp_path / "a.zip", odd.evaluate(everyone(), now=NOW), ["other"], neutralise_formulas=True)
    run = ["'=1+1", "'+33 1", "'-4", "'@me", "'\ttab"]
    assert [row[2] for row in rows_of(tmp_path / "a.zip")[1:]] == run + VALUES[5:]


def test_a_sample_is_the_least_hashes_and_the_same_each_time(tmp_path: Path) -> None:
    made = Dataset.create(tmp_path / "many")
    made.load_batches([batch(at, email=f"{at}@x.org") for at in range(200)], workspace="app", input="ios")
    evaluation = made.evaluate(everyone(), now=NOW)
    written(tmp_path / "a.zip", evaluation, ["email"], sample=20)
    written(tmp_path / "b.zip", evaluation, ["email"], sample=20)
    assert (tmp_path / "a.zip").read_bytes() == (tmp_path / "b.zip").read_bytes()
    chosen = [int(row[0]) for row in rows_of(tmp_path / "a.zip")[1:]]
    assert len(set(chosen)) == 20
    assert chosen == sorted(chosen)
    snapshot = evaluation.scope.snapshot
    rank = np.argsort(np.argsort(snapshot.hash))
    assert {int(mpid) for mpid in snapshot.mpid[rank < 20]} == set(chosen)
    written(tmp_path / "c.zip", evaluation, ["email"], sample=10)
    assert {int(row[0]) for row in rows_of(tmp_path / "c.zip")[1:]} < set(chosen)
    written(tmp_path / "all.zip", evaluation, ["email"], sample=1000)
    assert len(rows_of(tmp_path / "all.zip")) == 201


def test_a_sample_of_nobody_is_refused(dataset: Dataset, tmp_path: Path) -> None:
    with pytest.raises(CoreError, match="holds nobody"):
        written(tmp_path / "a.zip", dataset.evaluate(everyone(), now=NOW), ["email"], sample=0)


def test_members_are_written_chunk_by_chunk(dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    evaluation = dataset.evaluate(everyone(), now=NOW)
    written(tmp_path / "whole.zip", evaluation, ["email", "customer_id"])
    monkeypatch.setattr(archive, "CHUNK_MEMBERS", 1)
    told: list[tuple[int, int | None]] = []
    manifest = written(
        tmp_path / "parts.zip",
        evaluation,
        ["email", "customer_id"],
        progress=lambda done, total: told.append((done, total)),
    )
    assert rows_of(tmp_path / "parts.zip") == rows_of(tmp_path / "whole.zip")
    assert (manifest.files[0].total_users, manifest.total_rows) == (2, 4)
    assert told == [(1, 3), (2, 3), (3, 3)]


@pytest.mark.parametrize(
    ("audience_id", "name", "expected"),
    [
        ("8754", "Potential Parisians", "8754_PotentialParisians_172136Jul012026.csv"),
        ("8754", "Nov\t29 \u00a0sale", "8754_Nov29sale_172136Jul012026.csv"),
        ("../up", "a/b\\c: *?", "..-up_a-b-c---_172136Jul012026.csv"),
        ("8754", "Été 50 %", "8754_Été50%_172136Jul012026.csv"),
    ],
)
def test_file_names(audience_id: str, name: str, expected: str) -> None:
    assert archive.file_name(audience_id, name, WRITTEN) == expected


def test_long_names_stay_below_what_file_systems_take() -> None:
    name = archive.file_name("i" * 300, "🎉" * 100, WRITTEN)
    assert len(name.encode()) <= 255
    assert re.fullmatch("i{80}_🎉{30}_172136Jul012026.csv", name)


def test_names_are_stamped_in_utc() -> None:
    moment = datetime.fromisoformat("2026-01-01T00:30:05+02:00")
    assert archive.archive_name("abcdef", moment) == "Audiences_223005Dec312025_abcd.zip"


def test_a_failure_leaves_what_was_there(dataset: Dataset, tmp_path: Path) -> None:
    target = tmp_path / "a.zip"
    target.write_text("before")
    evaluation = dataset.evaluate(everyone(), now=NOW)

    def fail(done: int, total: int | None) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        written(target, evaluation, ["email"], progress=fail)
    assert target.read_text() == "before"
    assert sorted(each.name for each in tmp_path.iterdir()) == ["a.zip", "data"]


@pytest.mark.parametrize("place", ["missing/a.zip", "folder"])
def test_where_nothing_can_be_written_the_place_is_named(tmp_path: Path, place: str) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(CoreError, match=f"{place}: cannot be written"), whole_file(tmp_path / place) as unfinished:
        unfinished.write_text("text")
    assert [each.name for each in tmp_path.iterdir()] == ["folder"]


def test_a_whole_file_has_the_rights_of_any_new_file(tmp_path: Path) -> None:
    (tmp_path / "plain").touch()
    with whole_file(tmp_path / "whole") as unfinished:
        pl.DataFrame({"mpid": [1]}).write_csv(unfinished)
    assert (tmp_path / "whole").stat().st_mode == (tmp_path / "plain").stat().st_mode
    assert (tmp_path / "whole").read_text() == "mpid\n1\n"
