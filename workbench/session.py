"""What a session holds: the only module that touches st.session_state and the caches."""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, TypeVar

import streamlit as st
from streamlit.errors import StreamlitAPIException
from streamlit.runtime.uploaded_file_manager import UploadedFile

from core import Audience, Dataset, suggest
from core.computed import Computed
from core.criteria.calculated import CalculatedAttribute
from core.entries import Entry
from core.explain import Explanation
from core.profile import Profile, Timeline
from core.registry import AudienceSummary, Person, Registry
from core.registry.data import Users
from core.registry.memberships import Mpids, holds, united
from core.suggest import Suggestion
from core.uses import UsedBy
from workbench import home
from workbench.builder.tree import Change, Place, changed, with_ids
from workbench.progress import Progress

Node = dict[str, Any]
T = TypeVar("T")

CATALOGS: Final = 4
"""So many catalogs are kept; a day or a load makes another one."""


@st.cache_resource
def _dataset(path: str) -> Dataset:
    return home.open_dataset(Path(path))


def dataset() -> Dataset | None:
    """The account's dataset at its newest version; None while there is none."""
    path = home.dataset_path()
    return _dataset(str(path.absolute())).refresh() if path.exists() else None


def registry() -> Registry:
    """The registry of the home."""
    return home.registry()


@st.cache_resource(ttl=2, show_spinner=False)
def _local(home_path: str) -> Person:
    return registry().people.local()


def me() -> Person:
    """Who uses the app; asked again after some seconds, not at every line of a page."""
    return _local(str(home.folder().absolute()))


def clock() -> datetime:
    """The present moment: what every change is dated by."""
    return datetime.now(UTC)


@st.cache_data(ttl=5, show_spinner=False)
def audience_names(person: str) -> dict[str, str]:
    """The names of the audiences that a person sees, by id; looked up again after some seconds."""
    return {each.id: each.name for each in registry().audiences.list(me(), clock())}


def named_by(audience: Audience) -> dict[str, Audience]:
    """The definitions in force of the audiences that one names."""
    return registry().audiences.named_by(audience, me())


def moment(data: Dataset) -> datetime:
    """The `now` of this page: the as-of rule, at full minutes so that what was computed serves again."""
    return data.as_of(clock().replace(second=0, microsecond=0))


def as_of_words(data: Dataset, now: datetime) -> str:
    """ "as of 30 Jun 2026 12:00 UTC", and where that is the end of the data."""
    text = f"as of {now:%-d %b %Y %H:%M} UTC"
    return f"{text}, end of data" if now == data.end else text


def reach_words(data: Dataset) -> str:
    """ "The data reaches from 1 Apr 2026 to 30 Jun 2026 12:00 UTC.", nothing where there is none."""
    start, end = data.start, data.end
    if start is None or end is None:
        return ""
    return f"The data reaches from {start:%-d %b %Y} to {end:%-d %b %Y %H:%M} UTC."


@st.cache_data(max_entries=500, show_spinner=False)
def size_of(path: str, version: int, document: str, others: str, now: datetime) -> tuple[int, int]:
    """Members and universe of an audience; remembered by what they depend on."""
    audiences = {key: Audience.from_dict(each) for key, each in json.loads(others).items()}
    result = _dataset(path).evaluate(Audience.from_dict(json.loads(document)), now=now, audiences=audiences)
    return result.size, result.universe


def size(data: Dataset, audience: Audience, now: datetime) -> tuple[int, int]:
    """Members and universe of an audience."""
    others = {key: each.to_dict() for key, each in named_by(audience).items()}
    return size_of(str(data.path), data.version, json.dumps(audience.to_dict()), json.dumps(others), now)


def names(
    path: str, version: int, source: str, workspaces: tuple[str, ...], event: tuple[str, str | None]
) -> list[Suggestion]:
    """The names of a list in some workspaces, most frequent first. Not to be changed."""
    now = _day_of(_dataset(path).end or clock())
    return _names(path, version, source, workspaces, event, now, _catalog(path, version, now))


@st.cache_resource(max_entries=500, show_spinner=False)
def _names(
    path: str,
    version: int,
    source: str,
    workspaces: tuple[str, ...],
    event: tuple[str, str | None],
    now: datetime,
    _known: list[Entry],
) -> list[Suggestion]:
    return suggest.names(_known, source, workspaces, event)


@st.cache_resource(max_entries=500, show_spinner=False)
def values(
    path: str, version: int, kind: str, name: str, workspaces: tuple[str, ...], event: tuple[str, str | None] | None
) -> suggest.Values:
    """The values of a name in some workspaces. Not to be changed."""
    return _dataset(path).suggested(kind, name, workspaces, event)


@st.cache_resource(show_spinner=False)
def _catalogs() -> dict[tuple[str, int, datetime], list[Entry]]:
    return {}


def _catalog(path: str, version: int, now: datetime) -> list[Entry]:
    """The entries of a catalog; the last few that were read are kept. Shows progress where it takes long."""
    kept, key = _catalogs(), (path, version, now)
    found = kept.get(key)
    if found is None:
        with Progress("Reading the catalog") as step:
            found = kept[key] = _dataset(path).entries(now=now, progress=step)
        for old in list(kept)[:-CATALOGS]:
            kept.pop(old, None)
    return found


def catalog_entries(data: Dataset, now: datetime) -> list[Entry]:
    """Every name of the catalog, with volume up to the day of `now`."""
    return _catalog(str(data.path), data.version, _day_of(now))


def _day_of(now: datetime) -> datetime:
    return now.replace(hour=23, minute=59, second=0, microsecond=0)


def entry_values(data: Dataset, entry: Entry) -> list[tuple[str, int]]:
    """The most frequent values of a name of the catalog, at most 1,000."""
    if entry.data_type is None or entry.kind == "consent" or entry.name is None:
        return []
    found = values(str(data.path), data.version, entry.kind, entry.name, (entry.workspace,), entry.event)
    return [(each.value, each.count or 0) for each in found.first(1000)]


def held(key: str) -> Any:
    """What this session holds under a key, None where nothing is."""
    return st.session_state.get(key)


def hold(key: str, value: Any) -> None:
    """Hold something for this session."""
    st.session_state[key] = value


def put(key: str, value: T) -> T:
    """Let a control that is about to be drawn show a value; the value, which is the control's default as well.

    The default is what a browser shows that has not drawn the control before, or not for a while.
    """
    if key not in st.session_state or st.session_state[key] != value:
        st.session_state[key] = value
    return value


def shown(key: str) -> Any:
    """What a control holds."""
    return st.session_state[key]


def say(text: str) -> None:
    """A message that the next run shows once."""
    st.session_state["said"] = [*st.session_state.get("said", []), text]


def said() -> list[str]:
    """The messages that were not shown yet."""
    return list(st.session_state.pop("said", []))


def later() -> None:
    """End this run of a fragment here, and run it again after the edits that wait; a whole page just goes on."""
    with suppress(StreamlitAPIException):  # a whole page is being drawn
        st.rerun(scope="fragment")


@st.cache_resource(max_entries=4, show_spinner=False)
def _users(path: str, version: int, person: Person, saved: tuple[tuple[str, int, int | None], ...]) -> Users:
    return registry().data.users(_dataset(path), person)


def users(data: Dataset) -> Users:
    """What audiences and calculated attributes refer to, by their names; remembered until one is saved."""
    saved = tuple((each.id, each.version, each.active_version) for each in registry().audiences.list(me(), clock()))
    return _users(str(data.path), data.version, me(), saved)


def used_by(data: Dataset) -> UsedBy:
    """Which audiences and calculated attributes use a name of the catalog."""
    return UsedBy(users(data))


def sees_identities() -> bool:
    """Whether identities are shown to who uses the app; otherwise they are masked."""
    return me().may("audiences")


@st.cache_resource(max_entries=200, show_spinner=False)
def _timeline(
    path: str, version: int, mpid: int, now: datetime, kinds: tuple[str, ...], offset: int, limit: int
) -> Timeline:
    return _dataset(path).timeline(mpid, now=now, kinds=kinds, offset=offset, limit=limit)


def timeline(data: Dataset, mpid: int, now: datetime, kinds: tuple[str, ...], offset: int, limit: int) -> Timeline:
    """A page of a profile's events."""
    return _timeline(str(data.path), data.version, mpid, now, kinds, offset, limit)


def page_number(key: str, pages: int) -> int:
    """The page that a pager drawn below with this key shows, from 1."""
    return min(int(st.session_state.get(key, 1)), max(pages, 1))


def uploaded(files: Sequence[UploadedFile]) -> list[Path]:
    """Uploaded files under WORKBENCH_HOME/uploads, each written once a session."""
    known: dict[str, Path] = st.session_state.setdefault("uploads", {})
    for file in files:
        if file.file_id not in known:
            known[file.file_id] = home.keep_upload(file.file_id, file.name, file)
    return [known[file.file_id] for file in files]


@dataclass
class HeldMapping:
    """The mapping of a table as it is edited."""

    key: str
    samples: dict[str, str]
    """The columns, with a value of each."""
    document: Node
    origin: str
    revision: int = 0

    def change(self, document: Node) -> None:
        """Go on with another; the controls are drawn anew."""
        self.document, self.revision = document, self.revision + 1


def mapping_of(file: Path, begin: Callable[[], tuple[dict[str, str], Node, str]]) -> HeldMapping:
    """The mapping of a file; for another file it begins anew, with the columns, document and origin of `begin`."""
    key = f"{zlib.crc32(str(file.absolute()).encode()):08x}-{file.stat().st_mtime_ns}"
    held: HeldMapping | None = st.session_state.get("mapping")
    if held is None or held.key != key:
        held = HeldMapping(key, *begin())
        st.session_state["mapping"] = held
    return held


def mapping_columns() -> list[str]:
    """The columns of the table whose mapping is being edited."""
    held: HeldMapping | None = st.session_state.get("mapping")
    return list(held.samples) if held else []


def forget_upload() -> None:
    """Begin the wizard anew: what was uploaded and mapped is on its way."""
    for key in ("uploads", "mapping"):
        st.session_state.pop(key, None)
    st.session_state["upload-round"] = upload_round() + 1


def remember_load(load_id: int) -> None:
    """This load was asked for here: how it ends is told here."""
    st.session_state["asked-load"] = load_id


def remembered_load() -> int | None:
    """The load that was asked for here last."""
    found: int | None = st.session_state.get("asked-load")
    return found


def upload_round() -> int:
    """Grows with every load, so that the uploader begins empty."""
    return int(st.session_state.get("upload-round", 0))


def dataset_or_new() -> Dataset:
    """The account's dataset, made where there is none."""
    found = dataset()
    if found is None:
        Dataset.create(home.dataset_path())
        found = dataset()
    assert found is not None
    return found


@st.cache_resource(max_entries=2000, show_spinner=False)
def _members(audience_id: str, calculated_at: datetime, person: Person) -> Mpids:
    return registry().calculations.members(audience_id, person)


@st.cache_resource(max_entries=20, show_spinner=False)
def _reached(person: Person, known: int, _calculated: tuple[tuple[str, datetime], ...]) -> int:
    return united(_members(*each, person) for each in _calculated)


def reached(found: Sequence[AudienceSummary]) -> tuple[int, int]:
    """How many people are in at least one of some audiences, and how many profiles there are."""
    calculated = tuple((each.id, each.calculated_at) for each in found if each.calculated_at is not None)
    data = dataset()
    # Streamlit takes long to make a key of a thousand pairs.
    return _reached(me(), hash(calculated), calculated), 0 if data is None else data.size[0]


def keep_download(asked: object, name: str, content: bytes, words: str) -> None:
    """Keep an archive that was written for what was asked, in place of the one before."""
    st.session_state["download"] = (asked, name, content, words)


def kept_download(asked: object) -> tuple[str, bytes, str] | None:
    """Name, content and words of the archive that was written for exactly this; None where none was."""
    held = st.session_state.get("download")
    return None if held is None or held[0] != asked else held[1:]


def dialog_opens() -> None:
    """A dialog is being drawn: what would close it waits."""
    st.session_state["dialog"] = True


def no_dialog() -> None:
    """The page is drawn from its start; a dialog that is to stay says so again."""
    st.session_state["dialog"] = False


def dialog_is_open() -> bool:
    """Whether a dialog is open."""
    return bool(st.session_state.get("dialog"))


def holding(mpid: int) -> list[tuple[AudienceSummary, bool | None]]:
    """The audiences that the person can see, those that hold an mpid first; None before the first calculation."""
    services, person = registry(), me()
    found: list[tuple[AudienceSummary, bool | None]] = []
    for each in services.audiences.list(person, clock()):
        at = each.calculated_at
        found.append((each, None if at is None else holds(_members(each.id, at, person), mpid)))
    return sorted(found, key=lambda one: (one[1] is not True, one[1] is None, one[0].name.casefold()))


def explanation(data: Dataset, audience_id: str, known: Profile) -> Explanation:
    """Why a profile is in an audience or not, by its definition in force, at the moment of the profile."""
    audience = registry().audiences.get(audience_id, me()).definition_in_force
    others = registry().audiences.named_by(audience, me())
    return data.evaluate(audience, now=known.now, audiences=others).explain(known.mpid)


@dataclass
class HeldAttribute:
    """A calculated attribute being defined: its document with ids; `known`: it is there already."""

    workspace: str
    document: Node
    known: bool

    def edit(self, place: Place, change: Change) -> None:
        """Go on with another dictionary at a place of the document."""
        self.document = changed(self.document, place, change)


def attribute() -> HeldAttribute | None:
    """The calculated attribute that is being defined."""
    found: HeldAttribute | None = st.session_state.get("attribute")
    return found


def begin_attribute(workspace: str, definition: Node | None) -> None:
    """Define a calculated attribute, or define one anew."""
    document = with_ids(CalculatedAttribute.START if definition is None else definition)
    st.session_state["attribute"] = HeldAttribute(workspace, document, definition is not None)


def end_attribute() -> None:
    """It is saved, or not wanted any more."""
    st.session_state.pop("attribute", None)


@st.cache_resource(max_entries=100, show_spinner="Computing")
def _computed(path: str, version: int, workspace: str, definition: str, now: datetime) -> Computed:
    return _dataset(path).compute(json.loads(definition), workspace=workspace, now=now)


def computed(data: Dataset, workspace: str, definition: Node) -> Computed:
    """What a calculated attribute gives; raises DefinitionError."""
    text = json.dumps(definition, sort_keys=True)
    return _computed(str(data.path), data.version, workspace, text, moment(data))
