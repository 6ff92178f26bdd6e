"""Who the members are: how they are spread over any property of profiles, against everybody, and by which identities
they can be reached."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt
import orjson
import polars as pl

from core.criteria.distances import Distances
from core.criteria.measures import Amounts, Counts, Marks, Measure, Moments, Several, Values
from core.data.coded import Column, Dictionary, merge
from core.data.schema import IDENTITY_TYPES
from core.data.snapshot import Snapshot
from core.data.values import NO_MOMENT, Mask, Millis, millis
from core.scope import Steps

if TYPE_CHECKING:
    from core.criteria import Criterion
    from core.evaluate import Evaluation

TOP: Final = 8
"""How many values, or bins of numbers and dates, are told apart."""

FRAME: Final = pl.Schema(
    {
        "value": pl.String(),
        "kind": pl.String(),
        "members": pl.Int64(),
        "share": pl.Float64(),
        "against": pl.Int64(),
        "against_share": pl.Float64(),
        "index": pl.Float64(),
    }
)
REACH: Final = pl.Schema({"identity_type": pl.String(), "members": pl.Int64(), "share": pl.Float64()})

Progress = Callable[[int, int], None]
Numbers = npt.NDArray[np.int64]
Profiles = npt.NDArray[np.uint32]


@dataclass(frozen=True, slots=True)
class Groups:
    """Labels, and rows of (group, profile): who has which. `ranked`: in no order of their own, as texts are."""

    labels: list[str]
    group: Numbers
    profile: Profiles
    ranked: bool = False


def composition(
    evaluation: Evaluation, criterion: Criterion, against: Mask | None = None, progress: Progress | None = None
) -> pl.DataFrame:
    """How members are spread over what a criterion measures, against others (a mask; the universe unless given).

    A row a value: `value`, `kind` ("value", "other": the rarer ones together, "none": without a value), `members` and
    `share` of them, `against` and `against_share` of the others, `index` = share / against_share (null where nobody
    else has it). Texts: the `TOP` most frequent among members, then the rest; numbers and dates: bins, ascending.
    Shares of lists and of several values add up to more than 1, because a profile counts for each. `progress(done,
    total)` is called while profiles are measured; what it raises stops the work.
    """
    steps, measured = Steps(progress, evaluation.part_count), []
    for scope, _ in evaluation.parts(steps):
        steps.here()
        measured.append((scope.measure(criterion), scope.universe))
        steps.next()
    members = evaluation.mask
    others = np.concatenate([universe for _, universe in measured]) if against is None else against
    found = _groups([measure for measure, _ in measured], members | others)
    masks = (members, others)
    counted = [np.bincount(found.group[mask[found.profile]], minlength=len(found.labels)) for mask in masks]
    labels, kinds = found.labels, ["value"] * len(found.labels)
    if found.ranked:
        labels, kinds, counted = _top(found, masks, counted)
    has = np.zeros(len(members), np.bool_)
    has[found.profile] = True
    missing = [int(np.count_nonzero(mask & ~has)) for mask in masks]
    if any(missing):
        labels, kinds = [*labels, "no value"], [*kinds, "none"]
        counted = [np.append(each, number) for each, number in zip(counted, missing, strict=True)]
    return _shares(labels, kinds, counted, [int(np.count_nonzero(mask)) for mask in masks])


def _shares(labels: list[str], kinds: list[str], counted: list[Any], totals: list[int]) -> pl.DataFrame:
    share, against_share = (
        np.asarray(each, float) / max(total, 1) for each, total in zip(counted, totals, strict=True)
    )
    index = [mine / theirs if theirs else None for mine, theirs in zip(share, against_share, strict=True)]
    columns = [labels, kinds, counted[0], share, counted[1], against_share, index]
    return pl.DataFrame(dict(zip(FRAME, columns, strict=True)), schema_overrides=dict(FRAME))


def _top(found: Groups, masks: tuple[Mask, Mask], counted: list[Any]) -> tuple[list[str], list[str], list[Any]]:
    """The most frequent groups among members, and everybody who has another one together."""
    labels = found.labels
    order = sorted(range(len(labels)), key=lambda at: (-counted[0][at], -counted[1][at], labels[at]))
    chosen = order[:TOP]
    names, kinds = [labels[at] for at in chosen], ["value"] * len(chosen)
    kept = [each[chosen] for each in counted]
    if len(order) <= TOP:
        return names, kinds, kept
    rare = np.isin(found.group, chosen, invert=True)
    others = [len(np.unique(found.profile[rare & mask[found.profile]])) for mask in masks]
    kept = [np.append(each, number) for each, number in zip(kept, others, strict=True)]
    return [*names, "other"], [*kinds, "other"], kept


# --- groups of a measure -----------------------------------------------------------------------------------------


def _groups(measures: Sequence[Measure], asked: Mask) -> Groups:
    """The groups of what measures, one a shard, hold of some profiles; numbers and dates become at most `TOP` bins."""
    every = np.arange(len(asked), dtype=np.uint32)
    if marks := [each.mask for each in measures if isinstance(each, Marks)]:
        return Groups(["no", "yes"], np.concatenate(marks).astype(np.int64), every)
    if counted := [each.numbers() for each in measures if isinstance(each, Counts | Amounts | Distances)]:
        return _of_numbers(np.concatenate(counted), asked)
    if moments := [each.moments_of() for each in measures if isinstance(each, Moments)]:
        return _of_moments(np.concatenate(moments), asked)
    if values := [each.column for each in measures if isinstance(each, Values)]:
        return _of_column(_together(values), every, asked)
    held = [each.held for each in measures if isinstance(each, Several)]
    begins = np.cumsum([0, *(len(each.first.codes) for each in held)]).astype(np.uint32)
    rows = [each.rows() for each in held]
    profiles = [profile + begin for (profile, _), begin in zip(rows, begins, strict=False)]
    return _of_column(_together([column for _, column in rows]), np.concatenate(profiles), asked)


def _together(columns: list[Column]) -> Column:
    """Columns as one, one below the other."""
    same = merge(columns)
    return Column(np.concatenate([each.codes for each in same]), same[0].dictionary)


def _of_column(column: Column, owners: Profiles, asked: Mask) -> Groups:
    rows, at = column.flat()
    mine = asked[owners[rows]]
    rows, at = rows[mine], at[mine]
    profile, dictionary = owners[rows], column.dictionary
    used = np.unique(at)
    many = len(used) > TOP
    if _are_numbers(dictionary, used):
        return _of_numbers(dictionary.number[at], None, profile)
    if many and (dictionary.moment[used] != NO_MOMENT).all():
        return _of_moments(dictionary.moment[at], None, profile)
    texts = dictionary.texts.gather(pl.Series(used))
    if dictionary.pick("l")[used].any():
        return _of_lists(texts, dictionary.pick("l")[used], np.searchsorted(used, at), profile)
    return _of_texts(texts, np.searchsorted(used, at), profile)


def _are_numbers(dictionary: Dictionary, used: Numbers) -> bool:
    """Whether texts are amounts: all read as numbers and one is or has a fraction; digits alone may be a ZIP code."""
    if not len(used) or not dictionary.numeric[used].all():
        return False
    texts = dictionary.texts.gather(pl.Series(used))
    return bool(dictionary.pick("n")[used].any() or texts.str.contains(".", literal=True).any())


def _of_texts(texts: pl.Series, at: Numbers, profile: Profiles) -> Groups:
    """Groups by text; one that a profile holds twice counts once."""
    labels = texts.unique().sort()
    number = texts.cast(pl.Enum(labels)).to_physical().cast(pl.Int64).to_numpy()[at]
    pairs = np.unique(number * (1 << 32) + profile)
    return Groups(labels.to_list(), pairs >> 32, (pairs & ((1 << 32) - 1)).astype(np.uint32), ranked=True)


def _of_lists(texts: pl.Series, listed: Mask, at: Numbers, profile: Profiles) -> Groups:
    """Groups by element: a profile is in the group of every element of its list."""
    elements = [orjson.loads(text) if is_list else [text] for text, is_list in zip(texts, listed, strict=True)]
    counts = np.array([len(each) for each in elements], np.int64)
    flat = pl.Series([item for each in elements for item in each], dtype=pl.String)
    first = np.cumsum(counts) - counts
    times = counts[at]
    within = np.arange(times.sum()) - np.repeat(np.cumsum(times) - times, times)
    return _of_texts(flat, np.repeat(first[at], times) + within, np.repeat(profile, times))


def _of_numbers(numbers: npt.NDArray[np.float64], asked: Mask | None, profile: Profiles | None = None) -> Groups:
    """Bins of numbers with round edges; every number by itself where there are few."""
    owner = np.arange(len(numbers), dtype=np.uint32) if profile is None else profile
    there = ~np.isnan(numbers) if asked is None else ~np.isnan(numbers) & asked
    numbers, owner = numbers[there], owner[there]
    distinct = np.unique(numbers)
    if len(distinct) <= TOP:
        return Groups([number_label(each) for each in distinct], np.searchsorted(distinct, numbers), owner)
    whole = bool((numbers == np.floor(numbers)).all())
    low, high = np.quantile(numbers, [0.02, 0.98])
    edges = round_edges(float(low), float(high), least=1.0 if whole else 0.0)
    spans = [_span(start, end, whole) for start, end in pairwise(edges)]
    labels = [f"below {number_label(edges[0])}", *spans, f"{number_label(edges[-1])} and more"]
    group = np.searchsorted(edges, numbers, "right")
    first, last = int(group.min()), int(group.max())  # the open bins at both ends may be empty
    return Groups(labels[first : last + 1], group - first, owner)


def _span(start: float, end: float, whole: bool) -> str:
    if whole and end - start == 1:
        return number_label(start)
    return f"{number_label(start)} – {number_label(end - 1 if whole else end)}"


def round_edges(low: float, high: float, most: int = TOP - 2, least: float = 0.0) -> npt.NDArray[np.float64]:
    """Edges of at most `most` bins of one width (1, 2 or 5 times a power of ten, `least` or more) from low to high."""
    power = 10.0 ** np.floor(np.log10(max((high - low) / most, abs(high) * 1e-9, 1e-9)))
    for width in (factor * power for factor in (1, 2, 5, 10, 20)):
        first, last = np.floor(low / width), np.floor(high / width) + 1
        if last - first <= most and width >= least:
            break
    return np.asarray(np.round(np.arange(first, last + 1) * width, 12))  # 3 * 0.1 is no 0.3


def number_label(number: float) -> str:
    """ "1,200", "0.5"."""
    return f"{number:,.10g}"


@dataclass(frozen=True, slots=True)
class Period:
    """A length of time for bins: polars' name, how its start is told, and its months where its end is told too."""

    every: str
    form: str
    months: int | None = None


PERIODS: Final = (
    Period("1h", "%-d %b %H:00"),
    Period("1d", "%-d %b %Y"),
    Period("1w", "week of %-d %b %Y"),
    Period("1mo", "%b %Y"),
    Period("1q", "%b %Y", 3),
    Period("1y", "%Y"),
    Period("10y", "%Y", 120),
    Period("100y", "%Y", 1200),
)


def _of_moments(moments: Millis, asked: Mask | None, profile: Profiles | None = None) -> Groups:
    """Bins of moments by the shortest period (UTC) of which there are at most `TOP`."""
    owner = np.arange(len(moments), dtype=np.uint32) if profile is None else profile
    there = moments != NO_MOMENT if asked is None else (moments != NO_MOMENT) & asked
    series = pl.Series(moments[there]).cast(pl.Datetime("ms"))
    for period in PERIODS:
        starts = series.dt.truncate(period.every)
        distinct = starts.unique().sort()
        if len(distinct) <= TOP:
            break
    labels = distinct.dt.strftime(period.form)
    if period.months is not None:
        ends = distinct.dt.offset_by(f"{period.months}mo").dt.offset_by("-1d").dt.strftime(period.form)
        labels = labels + " – " + ends
    group = np.searchsorted(distinct.to_physical().to_numpy(), starts.to_physical().to_numpy())
    return Groups(labels.to_list(), group.astype(np.int64), owner[there])


# --- reach -------------------------------------------------------------------------------------------------------


def reach(evaluation: Evaluation, progress: Progress | None = None) -> pl.DataFrame:
    """Members with at least one identity of a type, as outputs send them: seen up to now in any workspace.

    Columns `identity_type`, `members`, `share` of the members; the most reaching first, types of nobody left out.
    `progress(done, total)` is called before and after every shard; what it raises stops the work.
    """
    now_ms, reached = millis(evaluation.now), Counter[str]()
    steps = Steps(progress, evaluation.part_count)
    steps.here()
    for scope, members in evaluation.parts(steps):
        for identity_type, (profile, time_ms) in _holders(scope.snapshot).items():
            known = int(np.searchsorted(time_ms, now_ms, "right"))
            has = np.zeros(len(members), np.bool_)
            has[profile[:known]] = True
            reached[identity_type] += int(np.count_nonzero(has & members))
        steps.next()
    rows = [(name, count, count / evaluation.size) for name, count in reached.items() if count]
    order = {name: at for at, name in enumerate(IDENTITY_TYPES)}
    rows.sort(key=lambda row: (-row[1], order.get(row[0], len(order)), row[0]))
    return pl.DataFrame(rows, schema=REACH, orient="row")


def _holders(snapshot: Snapshot) -> dict[str, tuple[Profiles, Millis]]:
    """By identity type: each profile that ever held one and since when, in order of time."""

    def read() -> dict[str, tuple[Profiles, Millis]]:
        frame = (
            snapshot.table("identities")
            .group_by("identity_type", "profile")
            .agg(pl.col("time_ms").min())
            .sort("time_ms")
            .collect()
        )
        parts = frame.partition_by("identity_type", as_dict=True, maintain_order=True)
        return {str(key[0]): (part["profile"].to_numpy(), part["time_ms"].to_numpy()) for key, part in parts.items()}

    return snapshot.remember(("holders of identities",), read)


# --- what members can be spread over -----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Trait:
    """A property of profiles: its name for people, and the criterion that measures it."""

    name: str
    criterion: Criterion


def traits(evaluation: Evaluation) -> list[Trait]:
    """What members can be spread over: each criterion says which of its questions ask for one property."""
    from core.criteria import CRITERIA

    workspaces = evaluation.audience.workspaces
    several = len(workspaces) > 1
    found = {
        Trait(f"{name} ({workspace})" if several else name, criterion)
        for scope, _ in evaluation.parts()
        for kind in CRITERIA.values()
        for workspace in workspaces
        for name, criterion in kind.properties(scope.snapshot, workspace)
    }
    return sorted(found, key=lambda trait: (trait.name.lower().lstrip("$"), trait.criterion.canonical))
