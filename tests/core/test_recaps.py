"""Recaps: they say what counting every event says, at every moment, whatever was loaded, merged, chosen or lost."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core import Audience, Dataset
from core.data import cache, columns, recaps, worth
from tests.core.loads import batch, event, named
from tests.core.test_cache import cut, empty, files, flip, of_another_version
from tests.worlds import created, moment, scratch, shaped

NOW = 1_780_000_000_000
DAY = 86_400_000
EDGES = (0, 1, 1000, DAY - 1, DAY, DAY + 1)


@dataclass(frozen=True)
class Done:
    """One event: who, what (a kind and a name, or several kinds), when, through which input."""

    who: int
    what: str
    at: int
    input: str

    def document(self) -> dict[str, Any]:
        """Its batch."""
        start = {"application_transition_type": "application_initialized", "timestamp_unixtime_ms": self.at}
        made = {
            "view": named("view", timestamp_unixtime_ms=self.at),
            "click": named("click", timestamp_unixtime_ms=self.at),
            "install": event("application_state_transition", **start, is_first_run=True),
            "both": event("application_state_transition", **start, is_first_run=True, is_upgrade=True),
        }
        return batch(self.who, made[self.what], time=self.at)


ASKED: dict[str, tuple[dict[str, Any], frozenset[str]]] = {
    "view": ({"kind": "custom", "name": "view"}, frozenset({"view"})),
    "custom": ({"kind": "custom"}, frozenset({"view", "click"})),
    "install": ({"kind": "install"}, frozenset({"install", "both"})),
    "upgrade": ({"kind": "upgrade"}, frozenset({"both"})),
    "any": ({"kind": "any"}, frozenset({"view", "click", "install", "both"})),
}
"""What is asked for, and which of the events it is. An event of two kinds is one event of any kind."""

moments = st.builds(
    lambda days, edge, sign: NOW - days * DAY + sign * edge,
    st.integers(-3, 12),
    st.sampled_from(EDGES),
    st.sampled_from((-1, 1)),
)
events = st.builds(
    Done,
    st.integers(1, 6),
    st.sampled_from(("view", "view", "view", "click", "install", "both")),
    moments,
    st.sampled_from(("ios", "web")),
)
loads = st.lists(st.lists(events, min_size=1, max_size=25), min_size=1, max_size=4)


def window(kind: str, first: int, last: int) -> dict[str, Any] | None:
    """A window of the definition that holds from `first` to `last`, both included."""
    if kind == "between_dates":
        edges = {key: moment(at).isoformat(timespec="milliseconds") for key, at in (("from", first), ("to", last))}
        return {"type": "between_dates", **edges}
    if kind == "between_ago":
        near, far = (max(NOW - at, 0) / 1000 for at in (last, first))
        return {"type": "between_ago", "from": near, "to": far, "unit": "seconds"}
    return None


def load(dataset: Dataset, some: list[Done]) -> None:
    for source in ("ios", "web"):
        if mine := [each.document() for each in some if each.input == source]:
            dataset.load_batches(mine, workspace="app", input=source)


def audience(root: dict[str, Any], **scope: Any) -> Audience:
    document = {"name": "A", "workspaces": ["app"], "definition": {"version": 1, "root": root}, **scope}
    return Audience.from_dict(document)


def counts(dataset: Dataset, asked: dict[str, Any], now: int, **rest: Any) -> dict[int, int]:
    """How many events each profile has: by the measure, and told by who has none, one, and so on."""
    root = {"type": "event", **asked, **rest, "frequency": {"operator": "at_least", "value": 2}}
    measured = dataset.evaluate(audience(root), now=moment(now)).measure("root")
    found: dict[int, int] = dict(measured.rows())
    for operator, value, holds in (
        ("at_least", 1, lambda count: count >= 1),
        ("equals", 0, lambda count: count == 0),
        ("less_than", 1, lambda count: count < 1),
        ("between", [1, 2], lambda count: 1 <= count <= 2),
    ):
        asked_so = {**root, "frequency": {"operator": operator, "value": value}}
        members = dataset.fresh().evaluate(audience(asked_so), now=moment(now)).members["mpid"].to_list()
        assert members == sorted(who for who, count in found.items() if holds(count)), (operator, value)
    return found


@settings(max_examples=100)
@given(
    loads,
    st.sampled_from(sorted(ASKED)),
    st.sampled_from(("all", "between_dates", "between_ago")),
    st.tuples(moments, moments),
    st.sampled_from((NOW, NOW, NOW - 1, NOW - 4 * DAY, NOW + 2 * DAY)),
    st.sampled_from((None, None, ("ios",))),
    st.sampled_from(("plain", "compacted", "sharded")),
    st.booleans(),
    st.booleans(),
)
def test_counts(
    parts: list[list[Done]],
    asked: str,
    kind: str,
    ends: tuple[int, int],
    now: int,
    inputs: tuple[str, ...] | None,
    shape: str,
    forced: bool,
    on_disk: bool,
) -> None:
    """By hand: an event counts when it is what is asked for, inside the window, not after now, through the inputs.

    `on_disk`: recaps are read from the cache, as programs do that begin after each load.
    """
    criterion, meant = ASKED[asked]
    first, last = sorted(ends)
    if kind == "between_ago":
        now, last = NOW, min(last, NOW)
        first = min(first, last)
    when = window(kind, first, last)
    if when is None:
        first, last = -(1 << 60), 1 << 60
    rest = {**({"when": when} if when else {}), **({"inputs": list(inputs)} if inputs else {})}
    with (
        scratch() as folder,
        worth.always() if forced else nullcontext(),
        pytest.MonkeyPatch.context() as patch,
    ):
        if on_disk:
            patch.setattr(cache, "LEAST_ROWS", 0)
            patch.setattr(columns, "LEAST_ROWS", 0)
        dataset = created(folder / "data", shape)
        dataset.add_input("app", "ios")
        done: list[Done] = []
        for at, part in enumerate(parts):
            load(dataset, part)
            done += part
            if shape == "compacted" and at == len(parts) // 2:
                dataset = shaped(dataset, shape)
            if on_disk:
                dataset = Dataset.open(folder / "data")
            expected = Counter({each.who: 0 for each in done if each.at <= now})
            expected.update(
                each.who
                for each in done
                if each.what in meant
                and first <= each.at <= min(last, now)
                and (inputs is None or each.input in inputs)
            )
            if expected:
                assert counts(dataset, criterion, now, **rest) == dict(expected)


carts = st.lists(st.lists(st.tuples(st.integers(1, 4), st.booleans(), moments), min_size=1, max_size=12), max_size=3)


@settings(max_examples=60)
@given(carts, st.sampled_from((None, 1, 4)), st.sampled_from((1, 3600, 86_400)), st.sampled_from((NOW, NOW - DAY)))
def test_abandoned_carts(parts: list[list[tuple[int, bool, int]]], days: int | None, wait: int, now: int) -> None:
    """By hand: the latest add to cart lies in the window, the wait is over, and nothing was bought at or after it."""
    root: dict[str, Any] = {"type": "cart_abandonment", "wait": {"amount": wait, "unit": "seconds"}}
    root |= {} if days is None else {"when": {"type": "within_last", "amount": days, "unit": "days"}}
    done = [each for part in parts for each in part]
    since = -(1 << 60) if days is None else now - days * DAY
    expected = []
    for who in range(1, 5):
        added = [at for mine, bought, at in done if mine == who and not bought and since <= at <= now]
        bought = [at for mine, bought, at in done if mine == who and bought and at <= now]
        if added and max(added) <= now - wait * 1000 and not any(at >= max(added) for at in bought):
            expected.append(who)
    with scratch() as folder:
        dataset = Dataset.create(folder / "data")
        dataset.add_input("app", "ios")
        for part in parts:
            documents = [
                batch(
                    who,
                    event(
                        "commerce_event",
                        product_action={"action": "purchase" if bought else "add_to_cart", "products": []},
                        timestamp_unixtime_ms=at,
                    ),
                    time=at,
                )
                for who, bought, at in part
            ]
            dataset.load_batches(documents, workspace="app", input="ios")
        for everything in (True, False):
            with worth.always(everything):
                result = Dataset.open(folder / "data").evaluate(audience(root), now=moment(now))
                assert result.members["mpid"].to_list() == expected
                left = {who: at for who, at in result.measure("root").rows() if at is not None}
                assert set(left) >= set(expected)


MAPPING = {
    "rows": "events",
    "user": {"column": "id", "as": "mpid"},
    "time": {"column": "ts", "unit": "ms"},
    "event": {"column": "event"},
}


def table(rows: list[tuple[int, int]], name: str = "view") -> pl.DataFrame:
    """Events of people at moments."""
    frame = pl.DataFrame(rows, schema={"id": pl.Int64, "ts": pl.Int64}, orient="row")
    return frame.with_columns(event=pl.lit(name))


def recap(dataset: Dataset) -> recaps.Recap:
    found = dataset.snapshot.recap(dataset.snapshot.which("app", "custom", "view"))
    assert found is not None
    return found


def test_more_than_a_byte_counts_and_every_bound(tmp_path: Path) -> None:
    """One who does it 700 times a day, one 300 times in all, one daily; counted around each bound."""
    rows = [(1, NOW - day * DAY - each * 1000) for day in range(20) for each in range(700)]
    rows += [(2, NOW - 3 * DAY - each) for each in range(300)]
    rows += [(3, NOW - day * DAY) for day in range(20)]
    dataset = Dataset.create(tmp_path / "dataset")
    dataset.load_table(table(rows), MAPPING, workspace="app", input="web")
    order = [int(each) - 1 for each in dataset.snapshot.mpid]
    with worth.always():
        known = recap(dataset)
        assert len(known.bounds) > 10 and set(known.often + 0) == {order.index(0), order.index(1)}
        edges = sorted({int(bound) + step for bound in known.bounds for step in (-DAY // 2, -1, 0, 1)})
        for first in edges[::3]:
            for last in edges[::4]:
                expected = Counter(who - 1 for who, at in rows if first <= at <= last)
                assert known.between(first, last).tolist() == [expected[who] for who in order], (first, last)


def test_who_ever_did_it_as_often_as_a_byte_wraps(tmp_path: Path) -> None:
    rows = [(1, NOW - each) for each in range(512)] + [(2, NOW - DAY), (2, NOW)]
    dataset = Dataset.create(tmp_path / "dataset")
    dataset.load_table(table(rows), MAPPING, workspace="app", input="web")
    dataset.load_table(table([(3, NOW)], "click"), MAPPING, workspace="app", input="web")
    with worth.always():
        assert counts(dataset, ASKED["view"][0], NOW) == {1: 512, 2: 2, 3: 0}


def test_what_few_rows_more_leave_and_many_make_again(tmp_path: Path) -> None:
    """A load that is small beside the others is looked at beside the recap; people who came later count, too."""
    rows = [(who, NOW - who * 1000 - day * DAY) for who in range(100) for day in range(20)]
    dataset = Dataset.create(tmp_path / "dataset")
    dataset.load_table(table(rows), MAPPING, workspace="app", input="web")
    with worth.always():
        before = recap(dataset)
        few = [(who, NOW) for who in range(95, 105)]
        dataset.load_table(table(few), MAPPING, workspace="app", input="web")
        assert recap(dataset) is before
        assert counts(dataset, ASKED["view"][0], NOW) == Counter(who for who, _ in rows + few)
        many = [(who, NOW - 1) for who in range(200)]
        dataset.load_table(table(many), MAPPING, workspace="app", input="ios")
        assert len(recap(dataset).covered) == 3
        assert counts(dataset, ASKED["view"][0], NOW) == Counter(who for who, _ in rows + few + many)
        only_web = Counter(dict.fromkeys(range(200), 0)) | Counter(who for who, _ in rows + few)
        found = counts(dataset, ASKED["view"][0], NOW, inputs=["web"])
        assert found == {who: only_web[who] for who in range(200)}


def test_a_name_that_is_demoted_counts_no_more(tmp_path: Path) -> None:
    dataset = Dataset.create(tmp_path / "dataset")
    rows = [(who, NOW - who) for who in range(9)]
    for name in ("view", "click"):
        dataset.load_table(table(rows, name), MAPPING, workspace="app", input="web")
    with worth.always():
        assert counts(dataset, {"kind": "any"}, NOW) == dict.fromkeys(range(9), 2)
        dataset.set_event_tier(kind="custom", name="click", tier="preserve", workspace="app")
        assert counts(dataset, {"kind": "any"}, NOW) == dict.fromkeys(range(9), 1)
        assert counts(dataset, {"kind": "custom"}, NOW) == dict.fromkeys(range(9), 1)


def beside(folder: Path, before: set[Path]) -> list[Path]:
    return sorted(set(files(folder)) - before)


@pytest.mark.parametrize("harm", [Path.unlink, cut, flip, of_another_version, empty])
def test_a_harmed_recap_is_made_again(tmp_path: Path, harm: Callable[[Path], None]) -> None:
    rows = [(who, NOW - who * 1000 - day * DAY) for who in range(600) for day in range(20)]
    folder = tmp_path / "dataset"
    Dataset.create(folder).load_table(table(rows), MAPPING, workspace="app", input="web")
    expected = Counter(who for who, _ in rows)
    assert counts(Dataset.open(folder), ASKED["view"][0], NOW) == expected
    before = set(files(folder))
    with worth.always():
        assert counts(Dataset.open(folder), ASKED["view"][0], NOW) == expected
        (file,) = beside(folder, before)
        content = file.read_bytes()
        harm(file)
        assert counts(Dataset.open(folder), ASKED["view"][0], NOW) == expected
        assert file.read_bytes() == content


def test_a_recap_of_segments_that_are_gone_is_not_read(tmp_path: Path) -> None:
    """The same cache folder beside a segment with other rows: what it derives from is checked."""
    folders = [tmp_path / "one", tmp_path / "two"]
    expected = []
    with worth.always():
        for number, folder in enumerate(folders):
            rows = [(who, NOW - who - day * DAY) for who in range(600) for day in range(20 + number)]
            Dataset.create(folder).load_table(table(rows), MAPPING, workspace="app", input="web")
            expected.append(Counter(who for who, _ in rows))
            assert counts(Dataset.open(folder), ASKED["view"][0], NOW) == expected[number]
        for mine, theirs in zip(files(folders[0]), files(folders[1]), strict=True):
            mine.write_bytes(theirs.read_bytes())
        assert counts(Dataset.open(folders[0]), ASKED["view"][0], NOW) == expected[0]


def test_an_earlier_version_reads_what_a_later_one_made(tmp_path: Path) -> None:
    """The later version has people whom the earlier one does not know; the recap leaves their few rows out."""
    rows = [(who, NOW - who * 1000 - day * DAY) for who in range(600) for day in range(20)]
    folder = tmp_path / "dataset"
    Dataset.create(folder).load_table(table(rows), MAPPING, workspace="app", input="web")
    earlier = Dataset.open(folder)
    few = [(who, NOW) for who in range(590, 620)]
    Dataset.open(folder).load_table(table(few), MAPPING, workspace="app", input="web")
    with worth.always():
        assert counts(Dataset.open(folder), ASKED["view"][0], NOW) == Counter(who for who, _ in rows + few)
        assert len(recap(earlier).covered) == 1
        assert counts(earlier, ASKED["view"][0], NOW) == Counter(who for who, _ in rows)


def test_sums_outlive_the_recap_that_they_were_made_with(tmp_path: Path) -> None:
    """A recap that is lost is made again with other days, as there are ten times as many people: sums keep theirs."""
    rows = [(who, NOW - who * 1000 - day * DAY) for who in range(600) for day in range(20)]
    frame = table(rows).with_columns(amount=pl.col("id") % 7)
    folder = tmp_path / "dataset"
    Dataset.create(folder).load_table(frame, {**MAPPING, "attributes": ["amount"]}, workspace="app", input="web")
    since = NOW - 5 * DAY
    root = {"type": "event", "kind": "custom", "name": "view", "when": window("between_dates", since, NOW)}
    root["aggregate"] = {"function": "sum", "of": {"attribute": "amount"}, "operator": "at_least", "value": 20}
    summed = Counter[int]()
    for who, at in rows:
        summed[who] += who % 7 if at >= since else 0
    expected = sorted(who for who, value in summed.items() if value >= 20)

    def members() -> list[int]:
        found: list[int] = Dataset.open(folder).evaluate(audience(root), now=moment(NOW)).members["mpid"].to_list()
        return found

    with worth.always():
        assert members() == expected
        first = recap(Dataset.open(folder))
        people = [batch(who, time=NOW, user_attributes={"tier": "new"}) for who in range(600, 6000)]
        Dataset.open(folder).load_batches(people, workspace="app", input="web")
        assert members() == expected
        for file in files(folder):
            if b"recap/" in file.read_bytes()[:4096]:
                file.unlink()
        assert len(recap(Dataset.open(folder)).bounds) < len(first.bounds)
        assert members() == expected


def test_preparing_makes_recaps(tmp_path: Path) -> None:
    rows = [(who, NOW - who * 1000 - day * DAY) for who in range(600) for day in range(20)]
    folder = tmp_path / "dataset"
    Dataset.create(folder).load_table(table(rows), MAPPING, workspace="app", input="web")
    Dataset.open(folder).prepare()
    counts(Dataset.open(folder), ASKED["view"][0], NOW)
    before = set(files(folder))
    with worth.always():
        Dataset.open(folder).prepare()
        made = beside(folder, before)
        assert len(made) == 2, "of the name, and of any event"
        counts(Dataset.open(folder), ASKED["view"][0], NOW)
        assert beside(folder, before) == made


amounts = st.sampled_from((None, "0", "0.1", "0.2", "12.50", "-3", "1e3", "none", "99999999999.99"))


@settings(max_examples=60)
@given(
    st.lists(st.lists(st.tuples(st.integers(1, 4), amounts, moments), min_size=1, max_size=20), min_size=1, max_size=3),
    st.sampled_from(("sum", "average")),
    st.tuples(moments, moments),
    st.sampled_from((NOW, NOW - DAY)),
)
def test_sums(parts: list[list[tuple[int, str | None, int]]], function: str, ends: tuple[int, int], now: int) -> None:
    """By hand, in decimals: what reads as a number, inside the window and not after now."""
    first, last = sorted(ends)
    when = window("between_dates", first, last)
    of = {"attribute": "amount"}
    root = {"type": "event", "kind": "custom", "name": "spent", "when": when}
    root["aggregate"] = {"function": function, "of": of, "operator": "at_least", "value": 0.3}
    found: dict[int, list[Fraction]] = {}
    known = set()
    with scratch() as folder, worth.always():
        dataset = Dataset.create(folder / "data")
        for part in parts:
            documents = []
            for who, amount, at in part:
                attributes = {} if amount is None else {"amount": amount}
                spent = named("spent", timestamp_unixtime_ms=at, custom_attributes=attributes)
                documents.append(batch(who, spent, time=at))
                known |= {who} if at <= now else set()
                if amount not in (None, "none") and first <= at <= min(last, now):
                    found.setdefault(who, []).append(Fraction(str(amount)))
            dataset.load_batches(documents, workspace="app", input="ios")
            whole = {who: sum(each) / (len(each) if function == "average" else 1) for who, each in found.items()}
            result = dataset.evaluate(audience(root), now=moment(now))
            assert result.members["mpid"].to_list() == sorted(
                who for who in known if whole.get(who, 0) >= Fraction("0.3")
            )
