"""What belongs to a dataset: one manifest a version, a small JSON document; everything else are files that it names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

import orjson

from core.data.schema import FORMAT
from core.errors import DatasetError, DatasetTooNew

INPUT_KINDS: Final = ("platform", "feed")


@dataclass(frozen=True)
class Segment:
    """The files of one load (or of one part of a big load): rows by table; times in UTC ms, None without any."""

    name: str
    tables: Mapping[str, int]
    first_ms: int | None
    last_ms: int | None


@dataclass(frozen=True)
class Retired:
    """A segment that was merged into another one; readers of this generation and earlier ones may still open it."""

    name: str
    generation: int


@dataclass(frozen=True)
class Shard:
    """What a manifest says of the profiles of one shard: their segments, number, and retired segments."""

    segments: tuple[Segment, ...] = ()
    profiles: int = 0
    retired: tuple[Retired, ...] = ()


@dataclass(frozen=True)
class Workspace:
    """A workspace's settings: inputs with their kind, event tiers by (kind, name), calculated attributes by name."""

    inputs: Mapping[str, str] = field(default_factory=dict)
    tiers: Mapping[tuple[str, str | None], str] = field(default_factory=dict)
    calculated_attributes: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Manifest:
    """One version of a dataset. `profiles` and `next_arrival` are the next free profile index and arrival number.

    `generation` counts compactions; `retired` are the segments that they replaced and that are still on disk.
    Where there are `shards`, profiles and their rows are theirs; `segments` then hold the keys of de-duplication only,
    and `profiles` is the sum.
    """

    version: int = 1
    segments: tuple[Segment, ...] = ()
    profiles: int = 0
    next_arrival: int = 0
    workspaces: Mapping[str, Workspace] = field(default_factory=dict)
    profile_retention_days: float | None = None
    generation: int = 0
    retired: tuple[Retired, ...] = ()
    shards: tuple[Shard, ...] = ()

    def part(self, number: int) -> Manifest:
        """What it says of one shard, as the manifest of an ordinary dataset; of the whole where there are no shards."""
        if not self.shards:
            return self
        own = self.shards[number]
        return replace(self, segments=own.segments, profiles=own.profiles, retired=own.retired, shards=())

    def with_part(self, number: int, part: Manifest) -> Manifest:
        """The same with other segments, profiles and retired segments in one shard, or in the whole without shards."""
        own = Shard(part.segments, part.profiles, part.retired)
        if not self.shards:
            return replace(self, segments=own.segments, profiles=own.profiles, retired=own.retired)
        shards = (*self.shards[:number], own, *self.shards[number + 1 :])
        return replace(self, shards=shards, profiles=sum(shard.profiles for shard in shards))

    def with_workspace(self, name: str, workspace: Workspace) -> Manifest:
        """The same with that workspace's settings."""
        return replace(self, workspaces={**self.workspaces, name: workspace})

    def settings(self, workspace: str) -> Workspace:
        """A workspace's settings; DatasetError if the dataset has no such workspace."""
        if workspace not in self.workspaces:
            known = ", ".join(self.workspaces) or "none yet"
            raise DatasetError(
                f"The dataset has no workspace {workspace!r}.", f"Known: {known}. Load data into it first."
            )
        return self.workspaces[workspace]

    def with_input(self, workspace: str, input: str, kind: str) -> Manifest:
        """The same with that input; DatasetError for a name or kind that cannot be, or an input of the other kind."""
        for label, name in (("workspace", workspace), ("input", input)):
            if not isinstance(name, str) or not name.strip() or "/" in name or not name.isprintable():
                raise DatasetError(f"{name!r} cannot name the {label}.", "Use a printable text without '/'.")
        if kind not in INPUT_KINDS:
            raise DatasetError(f"{kind!r} is no kind of input.", f"Use one of {', '.join(INPUT_KINDS)}.")
        settings = self.workspaces.get(workspace, Workspace())
        known = settings.inputs.get(input, kind)
        if known != kind:
            raise DatasetError(
                f"Input {input!r} of {workspace!r} is a {known}, not a {kind}.", "Use another input name."
            )
        return self.with_workspace(workspace, replace(settings, inputs={**settings.inputs, input: kind}))

    def to_json(self) -> bytes:
        """As written to disk."""
        document = {
            "format": FORMAT,
            "version": self.version,
            "segments": [vars(segment) for segment in self.segments],
            "shards": [_shard_document(shard) for shard in self.shards],
            "profiles": self.profiles,
            "next_arrival": self.next_arrival,
            "workspaces": {name: _workspace_document(workspace) for name, workspace in self.workspaces.items()},
            "profile_retention_days": self.profile_retention_days,
            "generation": self.generation,
            "retired": [vars(retired) for retired in self.retired],
        }
        return orjson.dumps(document, option=orjson.OPT_INDENT_2)

    @staticmethod
    def from_json(text: bytes) -> Manifest:
        """Raises DatasetTooNew for a later format, DatasetError for anything that is no manifest."""
        try:
            document = orjson.loads(text)
            if document["format"] > FORMAT:
                raise DatasetTooNew(
                    f"The dataset has format {document['format']}; this program reads up to {FORMAT}.",
                    "Open it with a newer version of the program.",
                )
            return Manifest(
                version=document["version"],
                segments=tuple(Segment(**segment) for segment in document["segments"]),
                profiles=document["profiles"],
                next_arrival=document["next_arrival"],
                workspaces={name: _workspace(entry) for name, entry in document["workspaces"].items()},
                profile_retention_days=document["profile_retention_days"],
                generation=document.get("generation", 0),
                retired=tuple(Retired(**retired) for retired in document.get("retired", ())),
                shards=tuple(_shard(entry) for entry in document.get("shards", ())),
            )
        except (orjson.JSONDecodeError, KeyError, TypeError, AttributeError) as error:
            raise DatasetError(
                f"The manifest of the dataset is damaged: {error}.", "Restore it from a backup."
            ) from error


def _shard_document(shard: Shard) -> dict[str, Any]:
    return {
        "segments": [vars(segment) for segment in shard.segments],
        "profiles": shard.profiles,
        "retired": [vars(retired) for retired in shard.retired],
    }


def _shard(document: dict[str, Any]) -> Shard:
    segments = tuple(Segment(**segment) for segment in document["segments"])
    retired = tuple(Retired(**retired) for retired in document["retired"])
    return Shard(segments, document["profiles"], retired)


def _workspace_document(workspace: Workspace) -> dict[str, Any]:
    tiers = [{"kind": kind, "name": name, "tier": tier} for (kind, name), tier in workspace.tiers.items()]
    return {
        "inputs": dict(workspace.inputs),
        "tiers": tiers,
        "calculated_attributes": dict(workspace.calculated_attributes),
    }


def _workspace(document: dict[str, Any]) -> Workspace:
    tiers = {(entry["kind"], entry["name"]): entry["tier"] for entry in document["tiers"]}
    return Workspace(document["inputs"], tiers, document["calculated_attributes"])
