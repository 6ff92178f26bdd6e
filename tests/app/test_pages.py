"""The pages driven without a browser (Streamlit's AppTest), on a small sample home."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from core import Audience, Dataset
from sample_data.make import main as make
from workbench import home, session

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sample") / "home"
    make(["--home", str(folder), "--profiles", "800", "--events", "20000"])
    return folder


@pytest.fixture
def at_home(sample: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("WORKBENCH_HOME", str(sample))
    yield sample
    registry = home.registry()
    me = registry.people.local()
    for draft in registry.drafts.list(me):
        registry.drafts.drop(draft.key, by=me)


def page(name: str, **query: str) -> AppTest:
    app = AppTest.from_file(str(ROOT / "pages" / name), default_timeout=60)
    for key, value in query.items():
        app.query_params[key] = value
    app.run()
    assert not app.exception, app.exception
    return app


def members(audience_id: str) -> int:
    data = Dataset.open(home.dataset_path())
    registry = home.registry()
    audience = registry.audiences.get(audience_id, registry.people.local()).definition
    others = registry.audiences.named_by(audience, registry.people.local())
    return data.evaluate(audience, now=session.moment(data), audiences=others).size


def test_without_data_the_page_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORKBENCH_HOME", str(tmp_path / "nothing"))
    app = page("audiences.py")
    assert app.subheader[0].value == "No data yet"
    assert "sample_data.make" in app.code[0].value


def metric(app: AppTest) -> int:
    return int(app.metric[0].value.replace(",", ""))


def test_the_builder_shows_the_size_that_the_core_gives(at_home: Path) -> None:
    app = page("build.py", audience="potential-parisians")
    assert metric(app) == members("potential-parisians")


def test_the_logic_line_edits_the_tree_and_undo_brings_it_back(at_home: Path) -> None:
    app = page("build.py", audience="potential-parisians")
    before = metric(app)
    line = next(each for each in app.text_input if each.label == "Logic")
    line.set_value("not D").run()
    held = Dataset.open(home.dataset_path())
    document = session.registry().audiences.get("potential-parisians", session.me()).definition.to_dict()
    last = document["definition"]["root"]["criteria"][-1]
    alone = Audience.from_dict({**document, "definition": {"version": 1, "root": last}})
    assert metric(app) == held.evaluate(alone, now=session.moment(held)).size
    next(each for each in app.button if each.label == "Undo").click().run()
    assert metric(app) == before


def test_a_mistake_in_the_logic_names_its_column_and_keeps_the_tree(at_home: Path) -> None:
    app = page("build.py", audience="potential-parisians")
    before = metric(app)
    next(each for each in app.text_input if each.label == "Logic").set_value("A and (B").run()
    assert any("column" in each.value for each in app.markdown)
    assert metric(app) == before


@pytest.mark.parametrize(
    "audience_id", ["looked-carted-bought", "lapsed-high-value", "around-paris", "cart-abandoners"]
)
def test_opening_every_card_changes_nothing(at_home: Path, audience_id: str) -> None:
    app = page("build.py", audience=audience_id)
    for at in range(sum(each.label.startswith("Edit ") for each in app.button)):
        letter = "ABCDEFGH"[at]
        next(each for each in app.button if each.label == f"Edit {letter}").click().run()
        assert not app.exception, (letter, app.exception)
        assert metric(app) == members(audience_id)
        next(each for each in app.button if each.label == "Done").click().run()
    assert not session.registry().drafts.list(session.me()), "looking is no edit"


def test_a_name_that_is_too_long_is_told_and_nothing_is_made(at_home: Path) -> None:
    def opened() -> None:
        from workbench import dialogs, session

        data = session.dataset()
        assert data is not None
        dialogs.new(data)

    app = AppTest.from_function(opened, default_timeout=60).run()
    app.text_input(key="new-name").input("x" * 101).run()
    assert ":red[The name is longer than 100 characters.]" in [each.value for each in app.caption]
    assert app.button(key="new-create").disabled
    app.text_input(key="new-name").input("x" * 100).run()
    assert not app.button(key="new-create").disabled


def test_renaming_an_audience_too_long_keeps_the_last_name(at_home: Path) -> None:
    app = page("build.py", audience="potential-parisians")
    app.text_input(key="more-name").input("x" * 101).run()
    assert not app.exception
    assert app.text_input(key="more-name").value == "Potential Parisians"
