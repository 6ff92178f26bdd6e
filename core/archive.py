"""The download: a ZIP of one CSV per audience and a manifest (PRODUCT 8).

A CSV has the header `mpid,scanned_timestamp_ms,identity_value,identity_type` and one row for each identity of the
chosen types that a member has anywhere in the account, ascending by mpid, type (in the order of
`schema.IDENTITY_TYPES`, unknown types after them by name) and value.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Final
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

import numpy as np
import numpy.typing as npt
import orjson
import polars as pl

from core import catalog
from core.data.schema import IDENTITY_TYPES
from core.data.snapshot import Snapshot
from core.data.values import millis
from core.errors import CoreError
from core.evaluate import Evaluation
from core.files import whole_file

CHUNK_MEMBERS: Final = 500_000
"""Members whose rows are in memory at once."""

_COLUMNS: Final = ("mpid", "scanned_timestamp_ms", "identity_value", "identity_type")
_FORMULA: Final = r"^[=+\-@\t\r\n]"
_MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")

Progress = Callable[[int, int | None], None]


@dataclass(frozen=True, slots=True)
class Download:
    """One CSV of an archive: the members of an audience at its calculation."""

    audience_id: str
    evaluation: Evaluation


@dataclass(frozen=True, slots=True)
class FileEntry:
    """What one CSV holds. `total_users`: members with at least one row."""

    file_name: str
    min_timestamp_ms: int
    max_timestamp_ms: int
    total_users: int
    total_rows: int
    rows_by_identity: dict[str, int]


@dataclass(frozen=True, slots=True)
class ArchiveManifest:
    """What an archive holds; `to_json` is the archive's `manifest.json`."""

    archive_name: str
    id: str
    audience_ids: list[str]
    included_identities: list[str]
    manifest_generated: str
    min_timestamp_ms: int
    max_timestamp_ms: int
    total_rows: int
    rows_by_identity: dict[str, int]
    files: list[FileEntry]

    def to_json(self) -> bytes:
        """The manifest as written into the archive."""
        return orjson.dumps(self, option=orjson.OPT_INDENT_2)


def chosen_identity_types(known: Sequence[str], names: Iterable[str]) -> list[str]:
    """The known types of that name, each once (`Dataset.identity_types`). CoreError: an unknown one, or none at all."""
    wanted = set(names)
    if not wanted:
        raise CoreError("No identity type is chosen.", f"Choose among {', '.join(known)}.")
    unknown = sorted(wanted - set(known))
    if unknown:
        own = known[len(IDENTITY_TYPES) :]
        hint = f"Known are {', '.join(IDENTITY_TYPES)}" + (f"; the data also has {', '.join(own)}." if own else ".")
        raise CoreError(f"There is no identity type {', '.join(map(repr, unknown))}.", hint)
    return [name for name in known if name in wanted]


def archive_name(archive_id: str, generated: datetime) -> str:
    """`Audiences_{HHMMSSMonDDYYYY}_{first four characters of the id}.zip`."""
    return f"Audiences_{_stamp(generated)}_{archive_id[:4]}.zip"


def file_name(audience_id: str, forwarded_name: str, generated: datetime) -> str:
    """`{audience_id}_{ExternalNameWithoutSpaces}_{HHMMSSMonDDYYYY}.csv`, safe as a path on every system."""
    name = "".join(forwarded_name.split())
    return f"{_safe(audience_id, 80)}_{_safe(name, 120)}_{_stamp(generated)}.csv"


def _stamp(moment: datetime) -> str:
    at = moment.astimezone(UTC)
    # strftime's month names follow the machine's language.
    return f"{at:%H%M%S}{_MONTHS[at.month - 1]}{at:%d}{at.year:04d}"


def _safe(text: str, longest: int) -> str:
    """The text without what a path cannot hold, at most `longest` bytes."""
    safe = re.sub(r'[\x00-\x1f\x7f/\\:*?"<>|]', "-", text)
    return safe.encode("utf-8", "replace")[:longest].decode("utf-8", "ignore")


def write_archive(
    path: str | Path,
    downloads: Sequence[Download],
    *,
    identity_types: Iterable[str],
    archive_id: str,
    generated: datetime,
    sample: int | None = None,
    neutralise_formulas: bool = False,
    progress: Progress | None = None,
) -> ArchiveManifest:
    """Write the archive of audiences of one dataset to `path`: whole or not at all. Returns its manifest.

    `generated` (aware) is the moment of writing. `sample`: the members of each audience with the least hash of their
    mpid, that many; the same members each time. `neutralise_formulas`: an apostrophe goes before every cell that a
    spreadsheet would run. `progress` is told (members written, members in all). Raises CoreError.
    """
    if not downloads:
        raise CoreError("A download needs at least one audience.")
    if sample is not None and sample < 1:
        raise CoreError(f"A sample of {sample} members holds nobody.", "Give a number above 0, or leave it out.")
    members = [_Members.of(each.evaluation, sample) for each in downloads]
    known = catalog.identity_types(snapshot for each in members for snapshot in each.snapshots)
    types = chosen_identity_types(known, identity_types)
    told = _Told(progress, sum(len(each.mpid) for each in members))
    with whole_file(Path(path)) as unfinished, ZipFile(unfinished, "w", ZIP_DEFLATED) as archive:
        files = []
        for download, chosen in zip(downloads, members, strict=True):
            rows = _Rows(download.evaluation, chosen, types, neutralise_formulas)
            name = file_name(download.audience_id, download.evaluation.audience.forwarded_name, generated)
            with archive.open(_info(name, generated), "w", force_zip64=True) as file:
                files.append(rows.write(name, file, told))
        manifest = _manifest(downloads, files, types, archive_id, generated)
        archive.writestr(_info("manifest.json", generated), manifest.to_json())
    return manifest


def _info(name: str, generated: datetime) -> ZipInfo:
    """An entry dated to the archive's moment, so that one download is one set of bytes; ZIP starts at 1980."""
    at = generated.astimezone(UTC)
    info = ZipInfo(name, (max(at.year, 1980), at.month, at.day, at.hour, at.minute, at.second))
    info.compress_type = ZIP_DEFLATED
    info.external_attr = 0o644 << 16
    return info


def _manifest(
    downloads: Sequence[Download], files: list[FileEntry], types: list[str], archive_id: str, generated: datetime
) -> ArchiveManifest:
    at = generated.astimezone(UTC)
    return ArchiveManifest(
        archive_name=archive_name(archive_id, generated),
        id=archive_id,
        audience_ids=[each.audience_id for each in downloads],
        included_identities=types,
        # Seven digits, as mParticle's manifests have them.
        manifest_generated=f"{at:%Y-%m-%dT%H:%M:%S}.{at.microsecond:06d}0Z",
        min_timestamp_ms=min(file.min_timestamp_ms for file in files),
        max_timestamp_ms=max(file.max_timestamp_ms for file in files),
        total_rows=sum(file.total_rows for file in files),
        rows_by_identity={name: sum(file.rows_by_identity[name] for file in files) for name in types},
        files=files,
    )


class _Told:
    """Progress over all files of an archive."""

    def __init__(self, progress: Progress | None, total: int) -> None:
        self._progress, self._total, self._done = progress, total, 0

    def __call__(self, members: int) -> None:
        self._done += members
        if self._progress is not None:
            self._progress(self._done, self._total)


@dataclass(frozen=True)
class _Members:
    """The members, or their sample, ascending by mpid: of each its shard (a place in `snapshots`) and profile index."""

    snapshots: list[Snapshot]
    mpid: npt.NDArray[np.int64]
    shard: npt.NDArray[np.uint16]
    profile: npt.NDArray[np.uint32]

    @classmethod
    def of(cls, evaluation: Evaluation, sample: int | None) -> _Members:
        snapshots, mpids, shards, profiles, hashes = [], [], [], [], []
        for number, (scope, mask) in enumerate(evaluation.parts()):
            snapshot, chosen = scope.snapshot, np.flatnonzero(mask)
            snapshots.append(snapshot)
            mpids.append(snapshot.mpid[chosen])
            shards.append(np.full(len(chosen), number, np.uint16))
            profiles.append(chosen.astype(np.uint32))
            hashes.append(snapshot.hash[chosen] if sample is not None else np.zeros(0, np.uint64))
        mpid = np.concatenate(mpids)
        order = np.argsort(mpid)
        if sample is not None and sample < len(mpid):
            order = np.lexsort((mpid, np.concatenate(hashes)))[:sample]
            order = order[np.argsort(mpid[order])]
        return cls(snapshots, mpid[order], np.concatenate(shards)[order], np.concatenate(profiles)[order])

    def chunks(self) -> Iterator[tuple[int, list[pl.LazyFrame]]]:
        """Some members after the other: how many, and of each shard `profile`, `mpid` and its identities."""
        for start in range(0, len(self.mpid), CHUNK_MEMBERS):
            some = slice(start, start + CHUNK_MEMBERS)
            mpid, shard, profile = self.mpid[some], self.shard[some], self.profile[some]
            frames = []
            for number in np.unique(shard).tolist():
                mine = shard == number
                who = pl.LazyFrame({"profile": profile[mine], "mpid": mpid[mine]})
                frames.append(self.snapshots[number].table("identities").join(who, on="profile"))
            yield len(mpid), frames


class _Rows:
    """The rows of one CSV, a chunk of members at a time."""

    def __init__(self, evaluation: Evaluation, members: _Members, types: list[str], neutralise_formulas: bool) -> None:
        self._now_ms = millis(evaluation.now)
        self._members, self._types, self._neutralise = members, types, neutralise_formulas

    def write(self, name: str, file: IO[bytes], told: _Told) -> FileEntry:
        """Write header and rows; returns what was written."""
        file.write((",".join(_COLUMNS) + "\n").encode())
        by_type: Counter[str] = Counter()
        users = 0
        for size, frames in self._members.chunks():
            rows = self._identities(frames)
            by_type.update(dict(rows["identity_type"].value_counts().rows()))
            users += rows["mpid"].n_unique()
            self._safe(rows).write_csv(file, include_header=False)
            told(size)
        counts = {each: by_type[each] for each in self._types}
        return FileEntry(name, self._now_ms, self._now_ms, users, by_type.total(), counts)

    def _identities(self, frames: list[pl.LazyFrame]) -> pl.DataFrame:
        """The identities that members were seen with up to now in any workspace, each once, in the file's order."""
        order = pl.col("identity_type").replace_strict({name: at for at, name in enumerate(self._types)})
        seen = pl.col("identity_type").is_in(self._types) & (pl.col("time_ms") <= self._now_ms)
        return (
            pl.concat(frames)
            .filter(seen)
            .select("mpid", "identity_type", "value")
            .unique()
            .sort("mpid", order, "value")
            .select(
                "mpid", pl.lit(self._now_ms).alias(_COLUMNS[1]), pl.col("value").alias(_COLUMNS[2]), "identity_type"
            )
            .collect()
        )

    def _safe(self, rows: pl.DataFrame) -> pl.DataFrame:
        if not self._neutralise:
            return rows
        return rows.with_columns(
            pl.when(pl.col(name).str.contains(_FORMULA))
            .then(pl.lit("'") + pl.col(name))
            .otherwise(pl.col(name))
            .alias(name)
            for name in _COLUMNS[2:]
        )
