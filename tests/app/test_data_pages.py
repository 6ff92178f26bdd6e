"""Pages Audiences, Data, Catalog, Profiles and Settings driven without a browser, on a sample home and an empty one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from core import Audience, Dataset
from sample_data.make import main as make
from workbench import home, session

ROOT = Path(__file__).parents[2]
PAGES = ("audiences.py", "catalog.py", "profile.py", "data.py", "settings.py")


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sample") / "home"
    make(["--home", str(folder), "--profiles", "800", "--events", "20000"])
    return folder


@pytest.fixture
def at_home(sample: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("WORKBENCH_HOME", str(sample))
    st.cache_resource.clear()  # who uses the app is kept for two seconds
    return sample


@pytest.fixture
def empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("WORKBENCH_HOME", str(tmp_path / "home"))
    return tmp_path


def page(name: str, **query: str) -> AppTest:
    app = AppTest.from_file(str(ROOT / "pages" / name), default_timeout=60)
    for key, value in query.items():
        app.query_params[key] = value
    return ran(app.run())


def ran(app: AppTest) -> AppTest:
    assert not app.exception, app.exception
    return app


def called(elements: Any, label: str) -> Any:
    """The one element of a sort that has a label."""
    (found,) = [each for each in elements if each.label == label]
    return found


def rows(app: AppTest, at: int = 0) -> list[dict[str, Any]]:
    return app.dataframe[at].value.to_dict("records")


def tab(app: AppTest, key: str, label: str) -> AppTest:
    app.session_state[key] = label
    return ran(app.run())


@pytest.mark.parametrize("name", PAGES)
def test_every_page_opens_on_an_empty_home(empty: Path, name: str) -> None:
    app = page(name)
    assert app.title[0].value


@pytest.mark.parametrize("name", ["audiences.py", "catalog.py", "profile.py"])
def test_without_data_a_page_says_what_to_do(empty: Path, name: str) -> None:
    app = page(name)
    assert app.subheader[0].value == "No data yet"
    assert "sample_data.make" in app.code[0].value


def test_the_list_shows_what_the_registry_holds(at_home: Path) -> None:
    app = page("audiences.py")
    registry, me = home.registry(), home.registry().people.local()
    single = [each for each in registry.audiences.list(me, session.clock()) if each.own and len(each.workspaces) == 1]
    assert {row["Name"] for row in rows(app)} == {each.name for each in single}
    called(app.text_input, "Search").set_value("parisians")
    assert [row["Name"] for row in rows(ran(app.run()))] == ["Potential Parisians"]
    called(app.text_input, "Search").set_value("nobody is called so")
    assert ran(app.run()).subheader[0].value == "No audience fits"


def test_the_only_one_left_can_be_cloned_and_tags_filter_by_all_of_them(at_home: Path) -> None:
    registry, me = home.registry(), home.registry().people.local()
    registry.audiences.tag(["potential-parisians"], add=["mine", "ours"], by=me, at=session.clock())
    registry.audiences.tag(["around-paris"], add=["mine"], by=me, at=session.clock())
    app = page("audiences.py")
    called(app.multiselect, "Tags").set_value(["mine"])
    assert {row["Name"] for row in rows(ran(app.run()))} == {"Potential Parisians", "Around Paris, active in 14 days"}
    called(app.multiselect, "Tags").set_value(["mine", "ours"])
    assert [row["Name"] for row in rows(ran(app.run()))] == ["Potential Parisians"]
    assert {"Open", "Clone", "Tag", "Share", ":red[Delete]"} <= {each.label for each in app.button}


def test_the_catalog_shows_every_event_with_its_tier_and_users(at_home: Path) -> None:
    app = page("catalog.py")
    data = Dataset.open(home.dataset_path())
    shown = {(row["Workspace"], row["Kind"], row["Name"]) for row in rows(app)}
    events = [each for each in data.entries(now=session.moment(data)) if each.group == "event"]
    assert len(shown) == len(events)
    (played,) = [row for row in rows(app) if (row["Name"], row["Workspace"]) == ("Play Video", "travel-app")]
    assert "Potential Parisians" in played["Used by"]
    (beat,) = [row for row in rows(app) if (row["Name"], row["Workspace"]) == ("heartbeat", "travel-app")]
    assert (beat["Tier"], beat["Used by"]) == ("Preserve", "")
    called(app.text_input, "Search").set_value("zzz-not-there")
    assert ran(app.run()).subheader[0].value == "Nothing has that name"


def somebody() -> tuple[Dataset, int]:
    data = Dataset.open(home.dataset_path())
    return data, data.recently_seen(now=session.moment(data), limit=1)[0][0]


def test_a_profile_is_found_by_mpid_and_shows_its_events(at_home: Path) -> None:
    data, mpid = somebody()
    app = page("profile.py", find=str(mpid))
    whole = data.timeline(mpid, now=session.moment(data), limit=25)
    assert [row["Event"] for row in rows(app)] == [
        each.name or each.kind.replace("_", " ").capitalize() for each in whole.events
    ]
    app = tab(app, "profile-tab", "Audiences")
    assert len(rows(app)) == len(home.registry().audiences.list(home.registry().people.local(), session.clock()))


def test_nobody_is_said_in_words(at_home: Path) -> None:
    app = page("profile.py", find="nobody@nowhere.example")
    assert "nobody@nowhere.example" in app.subheader[0].value


def test_a_viewer_sees_masked_identities(at_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data, _ = somebody()
    now = session.moment(data)
    email = data.values("identity", "email", workspace="travel-app")["value"][0]
    mpid = data.find(email, now=now)[0].mpid
    assert any(email in each.value for each in page("profile.py", find=str(mpid)).get("html"))
    registry = home.registry()
    vera = registry.people.add("Vera", email=None, role="viewer", by=registry.people.local(), at=session.clock())
    monkeypatch.setattr("core.registry.people.People.local", lambda self: vera)
    st.cache_resource.clear()
    shown = "".join(each.value for each in page("profile.py", find=str(mpid)).get("html"))
    assert email not in shown
    assert f"{email[0]}•••@" in shown


def test_a_table_is_mapped_previewed_and_asked_for(empty: Path) -> None:
    Dataset.create(home.dataset_path()).add_input("shop", "web")
    table = empty / "orders.csv"
    lines = ["user_id,ts,event,amount", "u1,2026-01-01,order placed,5", "u2,soon,open,", "u3,2026-01-03,open,1"]
    table.write_text("\n".join([*lines, *["u4,2026-01-05,open,2"] * 20]) + "\n")
    app = page("data.py")
    app.segmented_control[0].set_value("Path")
    ran(app.run())
    called(app.text_input, "File, folder or pattern on this machine").set_value(str(table))
    ran(app.run())
    preview = rows(app)
    assert [row["name"] for row in preview][:2] == ["order placed", "open"]
    assert [(row["Line"], row["Reason"]) for row in rows(app, 1)] == [(3, 'column "ts": no time of unit iso: "soon"')]
    assert rows(app)[0]["fields"] == "total_amount=5"
    called(app.selectbox, "amount").set_value("attributes")
    ran(app.run())
    assert rows(app)[0]["attributes"] == "amount=5"
    called(ran(app.run()).button, "Load").click()
    ran(app.run())
    (asked,) = home.registry().loads.list(home.registry().people.local())
    assert (asked.format, asked.workspace, asked.input, asked.state) == ("csv", "shop", "web", "queued")
    assert asked.mapping is not None and asked.mapping["attributes"] == "rest"
    (kept,) = home.registry().mappings.list(home.registry().people.local())
    assert (kept.name, kept.columns) == ("orders", ("user_id", "ts", "event", "amount"))


def test_a_mapping_that_cannot_be_meant_is_said_and_cannot_be_loaded(empty: Path) -> None:
    table = empty / "orders.csv"
    table.write_text("user_id,ts,event\n" + "u1,2026-01-01,open\n" * 5)
    app = page("data.py")
    app.segmented_control[0].set_value("Path")
    called(ran(app.run()).text_input, "File, folder or pattern on this machine").set_value(str(table))
    called(ran(app.run()).selectbox, "ts").set_value("attributes")
    ran(app.run())
    assert any("rows of events need the column of their time" in each.value for each in app.error)
    assert "Load" not in {each.label for each in app.button}


def test_a_path_that_is_not_there_is_said(empty: Path) -> None:
    app = page("data.py")
    app.segmented_control[0].set_value("Path")
    called(ran(app.run()).text_input, "File, folder or pattern on this machine").set_value("/nowhere/at-all.csv")
    assert "there is no such file" in ran(app.run()).error[0].value


def test_settings_keep_retention_schedule_people_and_tell_the_log(at_home: Path) -> None:
    registry, me = home.registry(), home.registry().people.local()
    app = tab(page("settings.py"), "settings-tab", "Retention")
    called(app.toggle, "Leave out inactive profiles").set_value(True)
    called(ran(app.run()).number_input, "Days without activity").set_value(200)
    called(ran(app.run()).button, "Save").click()
    ran(app.run())
    assert Dataset.open(home.dataset_path()).profile_retention_days == 200
    app = tab(page("settings.py"), "settings-tab", "Schedule")
    called(app.text_input, "Schedule (empty: never)").set_value("every day")
    called(ran(app.run()).button, "Save").click()
    assert "is no schedule" in ran(app.run()).error[0].value
    called(app.text_input, "Schedule (empty: never)").set_value("30 6 * * *")
    called(ran(app.run()).button, "Save").click()
    ran(app.run())
    assert registry.settings.schedule() == "30 6 * * *"
    app = tab(page("settings.py"), "settings-tab", "People")
    called(app.text_input, "Name").set_value("Noa")
    called(app.selectbox, "Role").set_value("audiences")
    called(app.button, "Add person").click()
    ran(app.run())
    assert [each.role for each in registry.people.list(me) if each.name == "Noa"] == ["audiences"]
    app = tab(page("settings.py"), "settings-tab", "Audit log")
    assert {"profile retention", "schedule", "Noa"} <= {row["Name"] for row in rows(app)}


def test_a_bound_on_memory_that_is_too_tight_is_said(at_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORKBENCH_MEMORY", "500000")
    st.cache_resource.clear()
    about = tab(page("settings.py"), "settings-tab", "About")
    assert not about.warning and any("of at most 500.0 kB" in each.proto.body for each in about.get("html"))
    data = session.dataset()
    assert data is not None
    entries = session.catalog_entries(data, session.moment(data))
    while not data.memory_use.tight:
        for entry in entries:
            if entry.kind == "user_attribute":
                data.profiles([str(entry.name)], workspace=entry.workspace)
    about = tab(page("settings.py"), "settings-tab", "About")
    assert "Set WORKBENCH_MEMORY to more" in about.warning[0].value
    st.cache_resource.clear()


def test_an_audience_that_cannot_be_read_does_not_hide_the_others(at_home: Path) -> None:
    registry, me = home.registry(), home.registry().people.local()
    root = {"type": "event", "kind": "custom", "name": "Gone"}
    document = {"name": "Of a workspace that went", "workspaces": ["gone"], "definition": {"version": 1, "root": root}}
    broken = Audience.from_dict(document)
    made = registry.audiences.create(broken, by=me, at=session.clock())
    assert "Of a workspace that went" in {row["Name"] for row in rows(page("audiences.py"))}
    assert page("catalog.py").title[0].value == "Catalog"
    registry.audiences.delete(made.id, by=me, at=session.clock())


def test_a_calculated_attribute_is_defined_previewed_and_refused_deletion_while_used(at_home: Path) -> None:
    app = page("calculated_attributes.py")
    data = Dataset.open(home.dataset_path())
    assert {row["Name"] for row in rows(app)} == set(data.workspaces["travel-app"].calculated_attributes)
    called(app.button, "New attribute").click()
    ran(app.run())
    assert called(app.button, "Save").disabled, "it has no name yet"
    called(app.text_input, "Name").set_value("events_ever")
    ran(app.run())
    whole = data.compute(
        {"name": "x", "calculation": "count", "event": {"type": "event", "kind": "custom"}},
        workspace="travel-app",
        now=session.moment(data),
    )
    assert called(app.metric, "Have a value").value == f"{whole.having:,}"
    called(app.button, "Save").click()
    ran(app.run())
    assert "events_ever" in {row["Name"] for row in rows(app)}
    assert "events_ever" in Dataset.open(home.dataset_path()).workspaces["travel-app"].calculated_attributes
