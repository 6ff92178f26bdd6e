"""The builder driven without a browser: drawing a form changes nothing, an edited form gives the definition."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from core import Audience, Dataset
from core.criteria import CRITERIA
from sample_data.make import main as make
from workbench import home
from workbench.builder.tree import without_ids

ROOT = Path(__file__).parents[2]
Node = dict[str, Any]


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("builder") / "home"
    make(["--home", str(folder), "--profiles", "300", "--events", "6000"])
    return folder


@pytest.fixture
def at_home(sample: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("WORKBENCH_HOME", str(sample))
    yield sample


class Page:
    """The builder of a new audience, its controls found by their labels."""

    def __init__(self, *criteria: Node) -> None:
        registry = home.registry()
        self.me = registry.people.local()
        root = {"type": "and", "criteria": list(criteria)}
        document = {"name": "Test", "workspaces": ["travel-app"], "definition": {"version": 1, "root": root}}
        at = Dataset.open(home.dataset_path()).end
        assert at is not None
        self.id = registry.audiences.create(Audience.from_dict(document), by=self.me, at=at).id
        self.app = AppTest.from_file(str(ROOT / "pages" / "build.py"), default_timeout=120)
        self.app.query_params["audience"] = self.id
        self._run(self.app)

    def _run(self, what: Any) -> None:
        what.run()
        assert not self.app.exception, self.app.exception

    def click(self, label: str, at: int = 0) -> None:
        self._run([each for each in self.app.button if each.label == label][at].click())

    def choose(self, label: str, value: Any, at: int = 0) -> None:
        self._run([each for each in self.app.selectbox if each.label == label][at].set_value(value))

    def type(self, label: str, value: str, at: int = 0) -> None:
        self._run([each for each in self.app.text_input if each.label == label][at].set_value(value))

    def pick(self, label: str, values: list[str]) -> None:
        self._run(next(each for each in self.app.multiselect if each.label == label).set_value(values))

    @property
    def unsaved(self) -> Node | None:
        """The document that is kept beside the saved one, None while nothing differs."""
        draft = home.registry().drafts.get(self.id, self.me)
        return None if draft is None else draft.document["document"]

    @property
    def root(self) -> Node:
        """The tree as it is edited now."""
        unsaved = self.unsaved
        assert unsaved is not None, "nothing was edited"
        root: Node = unsaved["definition"]["root"]
        return root

    @property
    def first(self) -> Node:
        node: Node = self.root["criteria"][0]
        return node

    @property
    def size(self) -> str:
        return self.app.metric[0].value


def complete(start: Node) -> Node:
    """The start of a card with what one must choose."""
    chosen = {"attribute": "tier", "name": "lifetime_value", "audience": "spring-campaigns", "purpose": "advertising"}
    filled = {
        key: chosen.get(key, "Paris, FR" if key == "city" else "FR") if each == "" else each
        for key, each in start.items()
    }
    return {**filled, **({"value": "gold"} if start.get("operator") == "includes" else {})}


CARDS = [(name, start) for kind in CRITERIA.values() for name, start in kind.CARDS.items()]


@pytest.mark.parametrize(("name", "start"), CARDS, ids=[name for name, _ in CARDS])
def test_opening_a_card_changes_nothing(at_home: Path, name: str, start: Node) -> None:
    page = Page(complete(dict(start)))
    before = page.size
    page.click("Edit A")
    assert page.unsaved is None, "looking is no edit"
    assert page.size == before
    page.click("Duplicate A")
    copies = page.root["criteria"]
    assert copies[0] == copies[1]


RICH: list[Node] = [
    {"type": "event", "kind": "ecommerce", "name": "purchase", "inputs": ["ios", "web"],
     "where": [{"any_of": [{"attribute": "a", "operator": "exists"},
                           {"none_of": [{"field": "total_amount", "operator": "between", "value": [1, 2]}]}]}],
     "where_product": [{"field": "category", "operator": "is_in", "value": ["Paris", "x"]},
                       {"any_of": [{"attribute": "c", "operator": "contains", "value": "y", "value_type": "string"}]}],
     "aggregate": {"function": "sum", "of": {"product": {"field": "price"}}, "operator": "at_least", "value": 5},
     "when": {"type": "between_dates", "from": "2026-01-01", "to": "2026-02-01T10:00:00Z"}},
    {"type": "event", "kind": "any", "frequency": {"operator": "between", "value": [2, 4], "count": "days"},
     "when": {"type": "calendar", "unit": "week", "offset": -2}},
    {"type": "event", "kind": "session",
     "aggregate": {"function": "last", "of": {"field": "app_version"}, "operator": "greater_than", "value": "2.9"}},
    {"type": "sequence", "within": {"amount": 2, "unit": "hours"},
     "when": {"type": "more_than_ago", "amount": 1, "unit": "weeks"},
     "steps": [{"type": "event", "kind": "screen_view", "name": "Home"},
               {"type": "event", "kind": "custom", "custom_type": "search",
                "where": [{"attribute": "nights", "operator": "not_equals", "value": 3}]}]},
    {"type": "cart_abandonment", "wait": {"amount": 2, "unit": "hours"},
     "where_product": [{"field": "price", "operator": "greater_than", "value": 10}],
     "when": {"type": "after", "date": "2026-01-01"}},
    {"type": "user_attribute", "attribute": "next_trip", "operator": "within_next", "amount": 9, "unit": "days"},
    {"type": "user_attribute", "attribute": "newsletter", "operator": "equals", "value": True,
     "workspace": "travel-app"},
    {"type": "attribution", "event": "install", "publisher": {"operator": "is_in", "value": ["a"]},
     "campaign": {"operator": "starts_with", "value": "spring"}},
    {"type": "location", "operator": "within", "latitude": 48.85, "longitude": 2.35, "distance": 3, "unit": "miles"},
    {"type": "consent", "regulation": "ccpa", "state": "not_opted_out"},
    {"type": "device", "field": "os_version", "operator": "between", "value": ["16.2", "17"]},
    {"type": "identity", "identity_type": "email", "operator": "matches_regex", "value": "^a"},
]  # fmt: skip


@pytest.mark.parametrize("node", RICH, ids=lambda node: f"{node['type']}-{node.get('kind', '')}")
def test_opening_what_was_made_elsewhere_changes_nothing(at_home: Path, node: Node) -> None:
    page = Page(node)
    page.click("Edit A")
    assert page.unsaved is None


def test_a_sentence_of_controls_gives_the_definition(at_home: Path) -> None:
    page = Page({"type": "event", "kind": "custom"})
    page.click("Edit A")
    page.choose("name", "Play Video")
    page.click("Condition")
    page.choose("attribute", "destination")
    page.choose("value", "Paris")
    page.choose("operator", "at_least", at=1)
    page.type("value", "2")
    page.choose("when", next(each for each in _options(page, "when") if getattr(each, "CHOICE", "") == "in the last"))
    page.type("amount", "7")
    assert page.first == {
        "type": "event", "kind": "custom", "name": "Play Video",
        "where": [{"attribute": "destination", "operator": "exact_match", "value": "Paris"}],
        "frequency": {"operator": "at_least", "value": 2},
        "when": {"type": "within_last", "amount": 7, "unit": "days"},
    }  # fmt: skip
    page.choose("kind", "session")
    assert page.first == {
        "type": "event", "kind": "session",
        "where": [{"attribute": "destination", "operator": "exact_match", "value": "Paris"}],
        "frequency": {"operator": "at_least", "value": 2},
        "when": {"type": "within_last", "amount": 7, "unit": "days"},
    }, "a name goes with the kind that has none"  # fmt: skip


def _options(page: Page, label: str) -> list[Any]:
    """What a select box offers, as its values."""
    from core.criteria.windows import WINDOWS

    assert label == "when" and any(each.label == label for each in page.app.selectbox)
    return list(WINDOWS.values())


def test_alternatives_and_aggregates(at_home: Path) -> None:
    page = Page({"type": "event", "kind": "custom", "name": "Play Video",
                 "where": [{"attribute": "destination", "operator": "exact_match", "value": "Paris"}]})  # fmt: skip
    page.click("Edit A")
    page.click("or")
    page.choose("attribute", "category", at=1)
    page.choose("operator", "exists", at=1)
    page.click("Sum, average, last value")
    page.choose("function", "maximum")
    page.choose("attribute", "completed", at=2)
    page.type("value", "5")
    assert page.first["where"] == [
        {"any_of": [{"attribute": "destination", "operator": "exact_match", "value": "Paris"},
                    {"attribute": "category", "operator": "exists"}]}
    ]  # fmt: skip
    assert page.first["aggregate"] == {
        "function": "maximum", "of": {"attribute": "completed"}, "operator": "greater_than", "value": 5,
    }  # fmt: skip
    assert "frequency" not in page.first


def test_a_forced_type_offers_its_operators_and_recasts_the_value(at_home: Path) -> None:
    page = Page({"type": "user_attribute", "attribute": "tier", "operator": "exact_match", "value": "7"})
    page.click("Edit A")
    page._run(next(each for each in page.app.radio if each.label == "Read the value as").set_value("number"))
    assert page.first == {
        "type": "user_attribute",
        "attribute": "tier",
        "operator": "equals",
        "value": 7,
        "value_type": "number",
    }
    page.choose("operator", "between")
    page.type("value, high", "9")
    assert page.first["value"] == [7, 9]


def test_wrong_input_is_marked_at_its_field_and_the_rest_goes_on(at_home: Path) -> None:
    page = Page(
        {"type": "event", "kind": "session"},
        {"type": "first_seen", "when": {"type": "within_last", "amount": 30, "unit": "days"}},
    )
    alone = Page({"type": "event", "kind": "session"}).size
    page.click("Edit B")
    page.type("amount", "many")
    assert page.first == {"type": "event", "kind": "session"}
    assert any("amount" in each.value and "red" in each.value for each in page.app.markdown)
    assert page.size == alone, "the numbers leave out what is not complete"
    assert any("B cannot be counted yet" in each.value for each in page.app.warning)
    page.type("amount", "30")
    assert page.unsaved is None


def test_brackets_exclude_move_and_undo(at_home: Path) -> None:
    nodes = [{"type": "event", "kind": kind} for kind in ("session", "install", "crash")]
    page = Page(*nodes)
    page.type("Logic", "(A or B) and not C")
    assert page.root["criteria"][0] == {"type": "or", "criteria": nodes[:2]}
    assert page.root["criteria"][1] == {"type": "not", "criterion": nodes[2]}
    page.click("or")
    assert page.root["criteria"][0]["type"] == "and"
    page.click("exclude")
    assert page.root["criteria"][1] == nodes[2]
    page.click("Undo")
    page.click("Undo")
    page.click("Edit C")
    page.click("Include C")
    page.click("Move C up")
    assert [each["type"] for each in page.root["criteria"]] == ["event", "or"]
    page.type("Logic", "A and")
    assert next(each for each in page.app.text_input if each.label == "Logic").value == "A and", "nothing typed is lost"
    assert any("column" in each.value for each in page.app.markdown)


def test_a_long_list_is_pasted(at_home: Path) -> None:
    page = Page({"type": "identity", "identity_type": "email", "operator": "is_in", "value": ["a@example.net"]})
    page.click("Edit A")
    lines = "\n".join(f"user{at}@example.net" for at in range(20_000))
    page._run(next(each for each in page.app.text_area if each.label.startswith("value")).set_value(lines))
    page.click("Use these values")
    assert len(page.first["value"]) == 20_000
    assert page.first["value"][:2] == ["user0@example.net", "user1@example.net"]


def test_events_outside_of_personalize_are_refused_in_words(at_home: Path) -> None:
    page = Page({"type": "event", "kind": "custom"})
    page.click("Edit A")
    names = next(each for each in page.app.selectbox if each.label == "name")
    refused = [each for each in names.options if "✕ tier " in each]
    assert refused, "the sample has a demoted event"
    page.choose("name", refused[0].split(" ✕")[0])
    assert page.unsaved is None
    assert any("not for audiences" in each.value for each in page.app.toast)


def test_a_reload_finds_the_edit_and_two_people_lose_nothing(at_home: Path) -> None:
    page = Page({"type": "event", "kind": "session"})
    page.type("Logic", "not A")
    again = AppTest.from_file(str(ROOT / "pages" / "build.py"), default_timeout=120)
    again.query_params["audience"] = page.id
    again.run()
    assert next(each for each in again.text_input if each.label == "Logic").value == "not A"
    registry, at = home.registry(), Dataset.open(home.dataset_path()).end
    assert at is not None
    saved = registry.audiences.get(page.id, page.me)
    theirs = Audience.from_dict({**saved.definition.to_dict(), "lookback_days": 5})
    registry.audiences.save(page.id, theirs, by=page.me, at=at, seen=saved.version)
    again.run()
    assert any("after you began" in each.value for each in again.warning)
    next(each for each in again.button if each.label == "Keep mine, on top of it").click().run()
    assert next(each for each in again.text_input if each.label == "Logic").value == "not A"
    assert not again.warning


def test_a_link_opens_unsaved_and_a_damaged_one_says_so(at_home: Path) -> None:
    page = Page({"type": "event", "kind": "session"})
    definition = home.registry().audiences.get(page.id, page.me).definition
    linked = AppTest.from_file(str(ROOT / "pages" / "build.py"), default_timeout=120)
    linked.query_params["link"] = definition.to_link()
    linked.run()
    assert not linked.exception
    assert linked.metric[0].value == page.size
    damaged = AppTest.from_file(str(ROOT / "pages" / "build.py"), default_timeout=120)
    damaged.query_params["link"] = definition.to_link()[:-5]
    damaged.run()
    assert not damaged.exception
    assert "The link is damaged" in damaged.error[0].value


def test_ids_are_no_part_of_a_definition() -> None:
    marked = {
        "id": "1",
        "type": "and",
        "criteria": [{"id": "2", "type": "event", "where": [{"id": "3", "field": "id"}]}],
    }
    assert without_ids(marked) == {"type": "and", "criteria": [{"type": "event", "where": [{"field": "id"}]}]}


def test_a_link_restores_tab_and_moment_and_says_what_it_cannot_read(at_home: Path) -> None:
    page = Page({"type": "last_seen", "when": {"type": "within_last", "amount": 30, "unit": "days"}})
    data = Dataset.open(home.dataset_path())
    assert data.end is not None
    moment = data.end.replace(hour=12, minute=0, second=0, microsecond=0) - timedelta(days=40)
    again = AppTest.from_file(str(ROOT / "pages" / "build.py"), default_timeout=120)
    again.query_params.update({"audience": page.id, "as_of": f"{moment:%Y-%m-%dT%H:%MZ}"})
    again.run()
    audience = home.registry().audiences.get(page.id, page.me).definition
    assert again.metric[0].value == f"{data.evaluate(audience, now=moment).size:,}" != page.size
    next(each for each in again.button if each.label == "Back to now").click().run()
    assert "as_of" not in again.query_params and again.metric[0].value == page.size
    damaged = AppTest.from_file(str(ROOT / "pages" / "build.py"), default_timeout=120)
    damaged.query_params.update({"audience": page.id, "as_of": "yesterday"})
    damaged.run()
    assert not damaged.exception and damaged.metric[0].value == page.size
    assert "yesterday in the link could not be read" in damaged.toast[0].value


def test_the_download_of_the_version_in_force(at_home: Path) -> None:
    page = Page({"type": "last_seen", "when": {"type": "within_last", "amount": 30, "unit": "days"}})
    page.app.query_params["tab"] = "Download"
    page._run(page.app)
    assert any("members by **version 1**" in each.value for each in page.app.markdown)
    page.pick("Identity types", ["email"])
    page.click("Prepare")
    assert any("that have one of these identities" in each.value for each in page.app.caption)
