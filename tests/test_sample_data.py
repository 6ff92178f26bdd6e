"""The sample data: the same for the same arguments, complete on disk, and with the people that its stories promise."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core import Audience, Dataset
from core.registry import STATUSES, Registry
from sample_data.actions import CODE, VARIANTS, VIDEO_CATEGORIES
from sample_data.make import CALCULATED_ATTRIBUTES, Plan, draw, latest_end, make
from sample_data.people import IOS
from sample_data.sdk import EVENT_MAKERS, sdk_batches, sdk_people
from sample_data.shelf import AUDIENCES
from sample_data.visits import FIRST_HOTEL_INPUT, HOUR_MS
from sample_data.world import DESTINATIONS, DEVICES
from tests.oracle import members as oracle_members
from tests.oracle_world import World

END = datetime(2026, 11, 24, 12, tzinfo=UTC)
PROFILES, EVENTS = 2_000, 80_000
DAY_MS = 24 * HOUR_MS
PARIS = DESTINATIONS.index("Paris")

Batch = dict[str, Any]


def silent(_line: str) -> None:
    """Nobody reads the progress here."""


@pytest.fixture(scope="module")
def plan() -> Plan:
    return draw(end=END, profiles=PROFILES, events=EVENTS)


@pytest.fixture(scope="module")
def home(plan: Plan, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sample") / "home"
    assert make(folder, lambda: plan, say=silent)
    return folder


@pytest.fixture(scope="module")
def dataset(home: Path) -> Dataset:
    return Dataset.open(home / "dataset")


@pytest.fixture(scope="module")
def audiences(home: Path) -> dict[str, Audience]:
    registry = opened(home)
    found = registry.audiences.definitions(registry.people.local(), NAMES)
    registry.close()
    return found


def opened(home: Path) -> Registry:
    return Registry.open(f"sqlite:///{home / 'registry.sqlite'}", memberships=home / "memberships", at=END)


def read_audience(path: Path) -> Audience:
    return Audience.from_dict(json.loads(path.read_text(encoding="utf-8")))


def every_batch(plan: Plan) -> Iterator[Batch]:
    for load in plan.loads():
        yield from load.batches()


def every_event(plan: Plan) -> Iterator[Batch]:
    for batch in every_batch(plan):
        yield from batch.get("events") or ()


# --- the plan ------------------------------------------------------------------------------------------------------


def test_the_same_arguments_give_the_same_batches() -> None:
    first, second = (list(every_batch(draw(end=END, profiles=200, events=6_000))) for _ in range(2))
    assert first == second
    assert first != list(every_batch(draw(end=END, profiles=200, events=6_000, seed=5)))


def test_data_made_a_week_later_is_the_same_data_a_week_later() -> None:
    week = timedelta(days=7)
    now, later = (draw(end=end, profiles=200, events=6_000) for end in (END, END + week))
    shift = week // timedelta(milliseconds=1)
    assert [event["data"]["timestamp_unixtime_ms"] + shift for event in every_event(now)] == [
        event["data"]["timestamp_unixtime_ms"] for event in every_event(later)
    ]


def test_everything_lies_in_the_90_days(plan: Plan) -> None:
    end_ms = int(END.timestamp() * 1000)
    batch_times = [batch["timestamp_unixtime_ms"] for batch in every_batch(plan) if "timestamp_unixtime_ms" in batch]
    event_times = [event["data"]["timestamp_unixtime_ms"] for event in every_event(plan)]
    # A newsletter goes out an hour before it is opened.
    assert min(batch_times + event_times) >= end_ms - 90 * DAY_MS - HOUR_MS
    assert end_ms - DAY_MS < max(batch_times + event_times) <= end_ms


def test_sizes_are_what_was_asked_for(plan: Plan) -> None:
    events = sum(1 for _ in every_event(plan))
    assert len(plan.people) == PROFILES
    assert abs(events - EVENTS) < 0.05 * EVENTS


def test_activity_is_skewed(plan: Plan) -> None:
    visits = np.sort(np.bincount(plan.visits.person, minlength=PROFILES))
    assert visits[-PROFILES // 10 :].sum() > 0.4 * visits.sum()


def test_data_ends_at_noon_or_the_last_full_hour_before() -> None:
    assert latest_end(datetime(2026, 11, 24, 15, 10, tzinfo=UTC)) == END
    assert latest_end(datetime(2026, 11, 24, 9, 10, 5, tzinfo=UTC)) == datetime(2026, 11, 24, 9, tzinfo=UTC)


# --- the dataset ---------------------------------------------------------------------------------------------------

PLAIN_KINDS = {
    "session_start": "session",
    "session_end": "session_end",
    "screen_view": "screen_view",
    "crash_report": "crash",
    "first_run": "install",
    "uninstall": "uninstall",
}


def kind_of(event: Batch) -> str:
    """The kind of an event of the sample by DEFINITION 3.1; none of them is install and upgrade at once."""
    event_type, data = event["event_type"], event["data"]
    if event_type == "custom_event":
        return "attribution" if data["custom_event_type"] == "attribution" else "custom"
    if event_type == "commerce_event":
        return "crash" if "class_name" in data else "ecommerce"
    if (
        event_type == "application_state_transition"
        and data["application_transition_type"] == "application_initialized"
    ):
        return "install" if data["is_first_run"] else "upgrade" if data["is_upgrade"] else "other"
    return PLAIN_KINDS.get(event_type, "other")


def test_every_event_is_there_under_its_kind(plan: Plan, dataset: Dataset) -> None:
    planned = Counter(map(kind_of, every_event(plan)))
    assert {"custom", "attribution", "ecommerce", "screen_view", "session", "crash", "install", "uninstall"} < set(
        planned
    )
    assert planned["upgrade"] > 0
    events = dataset.events().collect()
    stored = dict(events["kind"].value_counts().iter_rows())
    assert stored == planned


def test_servers_find_the_profiles_that_apps_made(plan: Plan, dataset: Dataset) -> None:
    nameless = [batch for batch in every_batch(plan) if "mpid" not in batch]
    assert len(nameless) > 100
    with_mpid = {batch["mpid"] for batch in every_batch(plan) if "mpid" in batch}
    people = plan.people
    assert with_mpid == set(people.mpid[~people.is_lead].tolist())
    # Leads carry no mpid, so each makes one new profile; everybody else without mpid is found.
    for workspace, is_in in (("travel-app", people.in_travel | people.is_lead), ("hotel-shop", people.in_hotel)):
        assert dataset.profiles([], workspace=workspace).height == np.count_nonzero(is_in)


def test_settings_of_the_travel_app(dataset: Dataset) -> None:
    settings = dataset.workspaces["travel-app"]
    assert set(settings.calculated_attributes) == {each["name"] for each in CALCULATED_ATTRIBUTES}
    assert settings.tiers == {("custom", "heartbeat"): "preserve"}
    assert dict(settings.inputs) == {
        "ios": "platform",
        "android": "platform",
        "web": "platform",
        "crm": "feed",
        "server": "feed",
    }


def test_batches_of_the_sdk_load_alone(plan: Plan, tmp_path: Path) -> None:
    alone = Dataset.create(tmp_path / "sdk")
    batches = list(sdk_batches(plan.people, plan.batches.details, plan.end_ms))
    report = alone.load_batches(batches, workspace="travel-app", input="server", kind="feed")
    assert (report.batches, report.events, report.profiles) == (200, 1000, len(sdk_people(plan.people)))
    assert not report.refusals and not report.skipped and not report.duplicates
    # Twenty makers take turns over a thousand events: fifty each, four of them commerce or its look-alike, and so on.
    each = 1000 // len(EVENT_MAKERS)
    kinds = dict(alone.events().collect()["kind"].value_counts().iter_rows())
    assert (
        kinds["crash"] == kinds["session"] == kinds["screen_view"] == kinds["attribution"] == kinds["uninstall"] == each
    )
    assert kinds["ecommerce"] == 3 * each and kinds["custom"] == 2 * each and kinds["install"] == each
    by_mpid = {batch["mpid"] for batch in batches if "mpid" in batch}
    assert by_mpid < set(alone.profiles([])["mpid"].to_list())


ASKED_OF_THE_SDK: dict[str, dict[str, Any]] = {
    **{kind: {"type": "event", "kind": kind} for kind in ("custom", "attribution", "ecommerce", "screen_view")},
    **{kind: {"type": "event", "kind": kind} for kind in ("session", "crash", "install", "upgrade", "uninstall")},
    "often": {"type": "event", "kind": "any", "frequency": {"operator": "at_least", "value": 5}},
    "bought for": {
        "type": "event",
        "kind": "ecommerce",
        "name": "purchase",
        "aggregate": {"function": "sum", "of": {"field": "total_amount"}, "operator": "greater_than", "value": 100},
    },
    "where": {
        "type": "event",
        "kind": "custom",
        "where": [
            {"attribute": "even", "operator": "equals", "value": True},
            {"attribute": "note", "operator": "exists"},
            {"attribute": "ratio", "operator": "greater_than", "value": 12.5},
        ],
    },
    "surveys": {"type": "consent", "regulation": "gdpr", "purpose": "surveys", "state": "given"},
    "opted out": {"type": "consent", "regulation": "ccpa", "state": "opted_out"},
    "segment": {"type": "user_attribute", "attribute": "server_segment", "operator": "exact_match", "value": "g1"},
    "seat": {"type": "user_attribute", "attribute": "seats", "operator": "includes", "value": "aisle"},
    "credit": {"type": "user_attribute", "attribute": "credit", "operator": "at_least", "value": 150},
    "address": {"type": "identity", "identity_type": "email", "operator": "exists"},
    "customer": {"type": "identity", "identity_type": "customer_id", "operator": "exists"},
    "advertising id": {"type": "identity", "identity_type": "ios_advertising_id", "operator": "exists"},
    "attributed": {"type": "attribution", "event": "install"},
    "sequence": {
        "type": "sequence",
        "steps": [{"type": "event", "kind": "custom"}, {"type": "event", "kind": "ecommerce"}],
        "within": {"amount": 1, "unit": "hours"},
    },
}


def test_batches_of_the_sdk_have_the_members_that_the_oracle_finds(plan: Plan, tmp_path: Path) -> None:
    """Every event class, attributes, consent and identities, as the SDK writes them: judged from its raw batches."""
    batches = list(sdk_batches(plan.people, plan.batches.details, plan.end_ms))
    alone = Dataset.create(tmp_path / "sdk")
    alone.load_batches(batches, workspace="travel-app", input="server", kind="feed")
    world = World()
    world.load(batches, "travel-app", "server", "feed", None)
    counts = {}
    for name, root in ASKED_OF_THE_SDK.items():
        document = {"name": name, "workspaces": ["travel-app"], "definition": {"version": 1, "root": root}}
        found = alone.evaluate(Audience.from_dict(document), now=END).members["mpid"].to_list()
        assert found == sorted(oracle_members(world, document, END)), name
        counts[name] = len(found)
    # The all-zero advertising id that every batch carries is no identity; a re-engagement is no install attribution.
    assert (counts.pop("advertising id"), counts.pop("attributed")) == (0, 0)
    assert [name for name, count in counts.items() if not count] == []


# --- the audiences -------------------------------------------------------------------------------------------------

NAMES = sorted(path.stem for path in AUDIENCES.iterdir())


def test_there_are_at_least_a_dozen_audiences_of_most_kinds() -> None:
    types: set[str] = set()
    kinds: set[str] = set()
    for name in NAMES:
        for _, node in read_audience(AUDIENCES / f"{name}.json").nodes():
            types.add(node.type)
            kinds.add(getattr(node, "kind", ""))
    assert len(NAMES) >= 12
    profile = {"user_attribute", "calculated_attribute", "audience_membership", "consent", "device", "first_seen"}
    assert types >= profile | {"last_seen", "location", "identity", "attribution", "cart_abandonment", "sequence"}
    events = {
        "custom",
        "attribution",
        "ecommerce",
        "screen_view",
        "session",
        "crash",
        "install",
        "uninstall",
        "upgrade",
    }
    assert kinds >= events | {"any"}


@pytest.mark.parametrize("name", NAMES)
def test_an_audience_is_valid_and_neither_empty_nor_everybody(
    name: str, dataset: Dataset, audiences: dict[str, Audience]
) -> None:
    report = audiences[name].check(dataset, audiences)
    assert (report.problems, report.warnings) == ((), ())
    result = dataset.evaluate(audiences[name], now=END, audiences=audiences)
    assert 0 < result.size < result.universe


def members(dataset: Dataset, audiences: dict[str, Audience], name: str) -> set[int]:
    return set(dataset.evaluate(audiences[name], now=END, audiences=audiences).members["mpid"].to_list())


def mpids(plan: Plan, chosen: np.ndarray) -> set[int]:
    return set(plan.people.mpid[chosen].tolist())


def travel_events(plan: Plan) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Person, action, argument and moment of everything done in the travel app's own inputs."""
    visits = plan.visits
    stop = visits.first_event[np.searchsorted(visits.input, FIRST_HOTEL_INPUT)]
    visit = np.searchsorted(visits.first_event, np.arange(stop), side="right") - 1
    return visits.person[visit], visits.action[:stop], visits.argument[:stop], visits.at_ms[:stop]


def counted(people: np.ndarray) -> np.ndarray:
    return np.bincount(people, minlength=PROFILES)


def gave_consent(plan: Plan) -> np.ndarray:
    """GDPR consent to advertising at the end: the first answer, or its opposite after the second visit of some."""
    visits = plan.visits
    in_travel = visits.input < FIRST_HOTEL_INPUT
    twice = counted(visits.person[in_travel]) >= 2
    people = plan.people
    return people.in_travel & people.asked_gdpr & (people.consents != (people.changes_consent & twice))


def test_planned_members_of_watched_paris_intro(plan: Plan, dataset: Dataset, audiences: dict[str, Audience]) -> None:
    person, action, argument, at_ms = travel_events(plan)
    intro = np.array([category == "Destination Intro" for category in VIDEO_CATEGORIES])
    watched = (action == CODE["custom", "Play Video"]) & (argument // VARIANTS == PARIS)
    watched &= intro[argument % VARIANTS % len(VIDEO_CATEGORIES)] & (at_ms >= plan.end_ms - 3 * DAY_MS)
    assert members(dataset, audiences, "watched-paris-intro") == mpids(plan, np.unique(person[watched]))


def test_planned_members_of_potential_parisians(plan: Plan, dataset: Dataset, audiences: dict[str, Audience]) -> None:
    person, action, argument, at_ms = travel_events(plan)
    month = at_ms >= plan.end_ms - 30 * DAY_MS
    intro = np.array([category == "Destination Intro" for category in VIDEO_CATEGORIES])
    watched = (action == CODE["custom", "Play Video"]) & (argument // VARIANTS == PARIS) & month
    watched &= intro[argument % VARIANTS % len(VIDEO_CATEGORIES)]
    kinds = len(plan_products()) // len(DESTINATIONS)
    of_paris = argument // kinds == PARIS
    wished = (action == CODE["product", "add_to_wishlist"]) & of_paris & month
    bought = (action == CODE["product", "purchase"]) & of_paris
    keen = (counted(person[watched]) >= 2) & gave_consent(plan)
    chosen = (keen | (counted(person[wished]) > 0)) & (counted(person[bought]) == 0)
    assert members(dataset, audiences, "potential-parisians") == mpids(plan, np.flatnonzero(chosen))


def plan_products() -> list[dict[str, Any]]:
    from sample_data.goods import products

    return products("travel-app")[0][0]


def test_planned_members_of_new_and_quiet(plan: Plan, dataset: Dataset, audiences: dict[str, Audience]) -> None:
    visits = plan.visits
    installed = visits.is_first_run & (visits.start_ms + 20 >= plan.end_ms - 72 * HOUR_MS)
    app_session = (visits.input < 2) & (visits.start_ms >= plan.end_ms - 30 * DAY_MS)
    chosen = (counted(visits.person[installed]) > 0) & (counted(visits.person[app_session]) < 3)
    assert members(dataset, audiences, "new-and-quiet") == mpids(plan, np.flatnonzero(chosen))


def test_planned_members_of_push_reachable_ios(plan: Plan, dataset: Dataset, audiences: dict[str, Audience]) -> None:
    people = plan.people
    came_by_ios = counted(plan.visits.person[plan.visits.input == IOS]) > 0
    models = [DEVICES[device] for device in people.device.tolist()]
    recent = [
        not model.is_tablet and int(model.os_versions[row % len(model.os_versions)].split(".")[0]) >= 17
        for row, model in enumerate(models)
    ]
    chosen = came_by_ios & gave_consent(plan) & people.has_push & np.array(recent)
    assert members(dataset, audiences, "push-reachable-ios") == mpids(plan, np.flatnonzero(chosen))


def test_the_oracle_finds_the_same_members(tmp_path: Path) -> None:
    """Every audience on a smaller sample, judged from the raw batches by the oracle."""
    plan = draw(end=END, profiles=300, events=12_000)
    assert make(tmp_path / "home", lambda: plan, say=silent)
    dataset = Dataset.open(tmp_path / "home" / "dataset")
    world = World(
        calculated={("travel-app", str(each["name"])): dict(each) for each in CALCULATED_ATTRIBUTES},
        tiers={("travel-app", "custom", "heartbeat"): "preserve"},
    )
    for load in plan.loads():
        world.load(load.batches(), load.workspace, load.input, load.kind, plan.end_ms)
    documents = {name: json.loads((AUDIENCES / f"{name}.json").read_text(encoding="utf-8")) for name in NAMES}
    audiences = {name: Audience.from_dict(document) for name, document in documents.items()}
    cities = {"Paris, FR": (48.85341, 2.3488)}  # GeoNames
    for name, document in documents.items():
        expected = oracle_members(world, document, END, audiences=documents, cities=cities)
        assert members(dataset, audiences, name) == expected, name


# --- the home ------------------------------------------------------------------------------------------------------


def test_a_home_is_made_once(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def never() -> Plan:
        raise AssertionError("drawn although the dataset is there")

    assert not make(home, never)
    assert "already" in capsys.readouterr().out
    assert sorted(path.name for path in home.iterdir()) == ["dataset", "memberships", "registry.sqlite"]
    assert [path.name for path in home.parent.iterdir()] == [home.name]


def test_there_are_audiences_in_every_state_with_their_history(home: Path) -> None:
    registry = opened(home)
    listed = {each.id: each for each in registry.audiences.list(registry.people.local(), END)}
    registry.close()
    assert {each.status for each in listed.values()} == set(STATUSES)
    assert [each.id for each in listed.values() if not each.own] == ["paris-city-card-holders"]
    active = [each for each in listed.values() if each.status == "active"]
    assert len(active) >= 9
    assert all(len(each.sparkline) == 30 and each.size.count == each.sparkline[-1] for each in active)
    assert any(each.adds_24h for each in active) and any(each.drops_24h for each in active)
    assert all(
        each.size.estimated and each.size.count is not None for each in listed.values() if each.status == "draft"
    )
    assert "churn_score" in (listed["likely-to-churn"].error or "")


def test_force_remakes_the_sample_and_keeps_the_rest(tmp_path: Path) -> None:
    def small() -> Plan:
        return draw(end=END, profiles=50, events=1_000)

    home = tmp_path / "home"
    assert make(home, small, say=silent)
    (home / "mine.txt").write_text("kept")
    (home / "dataset" / "stray").write_text("gone")
    registry = opened(home)
    me = registry.people.local()
    renamed = Audience.from_dict({**registry.versions.get("around-paris", 1, me).to_dict(), "name": "Renamed"})
    registry.audiences.save("around-paris", renamed, by=me, at=END, seen=1)
    mine = registry.audiences.create(renamed, by=me, at=END)
    registry.close()
    assert make(home, small, force=True, say=silent)
    registry = opened(home)
    assert (home / "mine.txt").read_text() == "kept" and registry.audiences.get(mine.id, me).name == "Renamed"
    assert registry.audiences.get("around-paris", me).name == "Around Paris, active in 14 days"
    registry.close()
    assert not (home / "dataset" / "stray").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["home"]


def test_an_interrupted_run_leaves_no_home(tmp_path: Path) -> None:
    def interrupted() -> Plan:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        make(tmp_path / "home", interrupted, say=silent)
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_run_left_is_cleared(tmp_path: Path) -> None:
    dead = tmp_path / ".home.making-4194305"  # above the highest process number of Linux
    (dead / "dataset").mkdir(parents=True)
    assert make(tmp_path / "home", lambda: draw(end=END, profiles=50, events=1_000), say=silent)
    assert [path.name for path in tmp_path.iterdir()] == ["home"]
