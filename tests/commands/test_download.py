"""`workbench download`: the archive of PRODUCT 8 through the command line, whole or not at all."""

from __future__ import annotations

import csv
import io
import json
import re
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pytest

from tests.commands.conftest import END_MS
from tests.commands.running import Done, audience, files, save, workbench

EVERYBODY = {"type": "and", "criteria": []}
HEADER = ["mpid", "scanned_timestamp_ms", "identity_value", "identity_type"]


def download(folder: Path, *more: object, root: dict[str, Any] = EVERYBODY) -> Done:
    save(folder / "people.json", audience(root, name="All of them", external_name="Every One"))
    return workbench(folder, "download", "people.json", "--dataset", "shop", *more)


def test_the_archive(shop: Path) -> None:
    """1 and 3 have an e-mail address, 2 has none."""
    done = download(shop, "--identity-types", "email,customer_id", "--out", "a.zip")
    assert (done.code, done.err) == (0, "")
    with ZipFile(shop / "a.zip") as archive:
        names = archive.namelist()
        manifest = json.loads(archive.read("manifest.json"))
        (table,) = (name for name in names if name != "manifest.json")
        rows = list(csv.reader(io.StringIO(archive.read(table).decode(), newline="")))
    assert re.fullmatch(r"people_EveryOne_\d{6}[A-Z][a-z]{2}\d{6}\.csv", table)
    assert rows == [HEADER, ["1", str(END_MS), "one@x", "email"], ["3", str(END_MS), "three@x", "email"]]
    assert manifest["total_rows"] == 2
    assert manifest["rows_by_identity"] == {"email": 2, "customer_id": 0}
    assert [(each["file_name"], each["total_users"]) for each in manifest["files"]] == [(table, 2)]


def test_an_earlier_moment_and_a_sample(shop: Path) -> None:
    """At 29 June noon 3 was known with its address, 1 without; a sample of one holds one member at most."""
    early = ("--now", "2026-06-29T12:00:00Z", "--identity-types", "email")
    assert download(shop, *early, "--out", "a.zip").code == 0
    with ZipFile(shop / "a.zip") as archive:
        (table,) = (name for name in archive.namelist() if name != "manifest.json")
        assert archive.read(table).decode().splitlines()[1:] == [f"3,{END_MS - 86_400_000},three@x,email"]
    done = download(shop, "--identity-types", "email", "--sample", "1", "--out", "b.zip")
    assert (done.code, done.err) == (0, "")
    assert "a sample of 1 among 3 members" in done.out


@pytest.mark.parametrize(
    ("more", "told"),
    [
        (("--identity-types", "pigeon", "--out", "a.zip"), "--identity-types: "),
        (("--identity-types", "email,", "--out", "a.zip"), "--identity-types: "),
        (("--identity-types", "email", "--out", "nowhere/a.zip"), "nowhere/a.zip: "),
        (("--identity-types", "email", "--out", "shop"), "shop: "),
        (("--identity-types", "email", "--sample", "0", "--out", "a.zip"), "--sample: "),
        (("--identity-types", "email", "--sample", "1.5", "--out", "a.zip"), "--sample: "),
        (("--identity-types", "email"), "workbench download: "),
        (("--out", "a.zip"), "workbench download: "),
    ],
)
def test_what_cannot_be_written_leaves_nothing(shop: Path, more: tuple[str, ...], told: str) -> None:
    before = [*files(shop), "people.json"]
    done = download(shop, *more)
    assert (done.code, done.out, len(done.told)) == (2, "", 1)
    assert done.err.startswith(told)
    assert files(shop) == sorted(before)


def test_an_invalid_audience_leaves_the_old_archive(shop: Path) -> None:
    (shop / "a.zip").write_text("mine")
    bad = {"type": "calculated_attribute", "name": "ltv", "operator": "exists"}
    done = download(shop, "--identity-types", "email", "--out", "a.zip", root=bad)
    assert (done.code, done.out) == (2, "")
    assert done.told[0].startswith("root: ")
    assert (shop / "a.zip").read_text() == "mine"
