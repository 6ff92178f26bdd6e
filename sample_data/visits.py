"""Visits and their events, drawn as columns: who came when through which input, and what they did there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from sample_data.actions import ACTIONS, CODE, FUNNEL, MIXES, VARIANTS
from sample_data.goods import HOTEL_GOODS, TRIP_KINDS
from sample_data.people import ANDROID, HOURS, IOS, ROKU, WEB, Flags, Floats, Ints, People
from sample_data.world import BUGGY_RELEASE, CITIES, DESTINATION_WEIGHTS, DESTINATIONS, RELEASES

HOUR_MS: Final = 3_600_000


@dataclass(frozen=True, slots=True)
class Input:
    """A source that visits come through; `mix` names its share of events."""

    workspace: str
    name: str
    platform: int
    mix: str


INPUTS: Final = (
    Input("travel-app", "ios", IOS, "app"),
    Input("travel-app", "android", ANDROID, "app"),
    Input("travel-app", "web", WEB, "web"),
    Input("hotel-shop", "web", WEB, "hotel"),
    Input("hotel-shop", "roku", ROKU, "tv"),
)
FIRST_HOTEL_INPUT: Final = 3

GEOMETRIC_MEAN: Final = 9.0
MOST_ACTIONS: Final = 28
MEAN_ACTIONS: Final = GEOMETRIC_MEAN * (1.0 - (1.0 - 1.0 / GEOMETRIC_MEAN) ** MOST_ACTIONS)
"""Events of a visit beside the start and the end of its session: a geometric number, cut at `MOST_ACTIONS`."""
EVENTS_A_VISIT: Final = MEAN_ACTIONS + 2.2
"""With session start and end and the rare others (installs, upgrades, crashes, attribution)."""

HOUR_WEIGHTS: Final = (
    *(0.35, 0.2, 0.12, 0.1, 0.12, 0.25, 0.6, 1.0, 1.15, 1.0, 0.95, 1.0),
    *(1.25, 1.2, 1.0, 0.95, 1.0, 1.2, 1.5, 1.8, 2.1, 2.0, 1.4, 0.8),
)
WEEKDAY_WEIGHTS: Final = (0.95, 0.9, 0.92, 0.95, 1.0, 1.2, 1.35)  # from Monday
GROWTH: Final = 0.6


@dataclass(frozen=True, slots=True)
class Visits:
    """One row a visit, ordered by input and start. `first_event` (one longer) bounds its rows in the event columns."""

    person: Ints
    input: Ints
    start_ms: Ints
    end_ms: Ints  # of the session
    sent_ms: Ints  # the batch's time
    nth: Ints  # of the person in the workspace, from 1
    city: Ints
    is_away: Flags
    has_location: Flags
    release: Ints
    build_step: Flags  # the first visit with a newer release than the one before
    is_first_run: Flags
    is_attributed: Flags  # carries the install's attribution
    crashes: Flags
    quantity: Ints  # bought or looked at, 1..4
    bought_before: Ints  # purchases of the person in the workspace up to and with this visit
    first_event: Ints
    action: Ints  # one an event
    argument: Ints
    at_ms: Ints

    def __len__(self) -> int:
        return len(self.person)


def draw_visits(people: People, events: int, end_ms: int, seed: int) -> Visits:
    """Visits with about `events` events (session starts and ends included), at least one a person and workspace."""
    rng = np.random.default_rng([seed, 2])
    person, is_hotel, is_first = _who(rng, people, round(events / EVENTS_A_VISIT))
    start_ms = _when(rng, people, person, is_first, end_ms)
    source = _through(rng, people, person, is_hotel)
    order = np.lexsort((start_ms, is_hotel, person))
    person, source, start_ms, is_hotel = person[order], source[order], start_ms[order], is_hotel[order]
    nth = _running(person * 2 + is_hotel)
    depth = _depth(rng, people, person, is_hotel)
    bought = _running_total(person * 2 + is_hotel, depth == len(FUNNEL))
    release = _releases(people, person, source, start_ms, end_ms)
    steps, firsts = _steps(person, source, release)

    order = np.lexsort((start_ms, source))
    person, source, start_ms, nth, depth = person[order], source[order], start_ms[order], nth[order], depth[order]
    release, steps, firsts, bought = release[order], steps[order], firsts[order], bought[order]
    count = len(person)
    actions = np.minimum(rng.geometric(1.0 / GEOMETRIC_MEAN, count), MOST_ACTIONS)
    actions = np.maximum(actions, depth)
    first_event = np.concatenate([[0], np.cumsum(actions)])
    visit = np.repeat(np.arange(count), actions)
    action, argument = _what(rng, people, person[visit], source[visit], first_event[1:][visit], depth[visit])
    at_ms, closed_ms = _clock(rng, start_ms, first_event, visit)
    is_away = rng.random(count) < np.where(people.is_weekender[person], 0.16, 0.05)
    app = np.isin(source, (IOS, ANDROID))
    first_run = firsts & app & (people.joined_hour[person] > 0)
    return Visits(
        person=person,
        input=source,
        start_ms=start_ms,
        end_ms=closed_ms,
        sent_ms=closed_ms + rng.integers(200, 3000, count),
        nth=nth,
        city=np.where(is_away, _destination_cities(people.destination[person]), people.city[person]),
        is_away=is_away,
        has_location=rng.random(count) < np.where(app, 0.85, 0.6),
        release=release,
        build_step=steps & app & ~first_run,
        is_first_run=first_run,
        is_attributed=(first_run | ((source == FIRST_HOTEL_INPUT) & (nth == 1))) & (people.campaign[person] >= 0),
        crashes=app & (rng.random(count) < np.where(release == BUGGY_RELEASE, 0.13, 0.004)),
        quantity=np.minimum(rng.geometric(0.55, count), 4),
        bought_before=bought,
        first_event=first_event,
        action=action,
        argument=argument,
        at_ms=at_ms,
    )


def _who(rng: np.random.Generator, people: People, count: int) -> tuple[Ints, Flags, Flags]:
    """Person and workspace of each visit: one for every workspace that knows the person, the rest by activity."""
    travel, hotel = np.flatnonzero(people.in_travel), np.flatnonzero(people.in_hotel)
    more = max(0, count - len(travel) - len(hotel))
    stay = (people.left_hour - people.joined_hour) / HOURS
    weight = people.activity * np.sqrt(stay + 0.002) * (people.in_travel | people.in_hotel)
    cumulative = np.cumsum(weight)
    again = np.searchsorted(cumulative, rng.random(more) * cumulative[-1], side="right")
    again_hotel = people.in_hotel[again] & (~people.in_travel[again] | (rng.random(more) < 0.4))
    person = np.concatenate([travel, hotel, again])
    is_hotel = np.concatenate([np.zeros(len(travel), bool), np.ones(len(hotel), bool), again_hotel])
    return person, is_hotel, np.arange(len(person)) < len(travel)


def _hour_curve(end_ms: int, utc_hours: int) -> Floats:
    """Cumulative visitors by hour of the 90 days: growth, weekday and hour of the day in local time. One longer."""
    hour = np.arange(HOURS)
    local = (end_ms // HOUR_MS - HOURS + hour) + utc_hours
    weekday = (local // 24 + 3) % 7  # 1 January 1970 was a Thursday
    weight = np.array(HOUR_WEIGHTS)[local % 24] * np.array(WEEKDAY_WEIGHTS)[weekday] * (1.0 + GROWTH * hour / HOURS)
    return np.concatenate([[0.0], np.cumsum(weight)])


def _when(rng: np.random.Generator, people: People, person: Ints, is_first: Flags, end_ms: int) -> Ints:
    """Starts between joining and leaving; a newcomer's first visit is the moment of joining."""
    offsets = np.array([city.utc_hours for city in CITIES])[people.city[person]]
    joined, left = people.joined_hour[person], people.left_hour[person]
    hours = np.empty(len(person))
    for offset in np.unique(offsets):
        mine = np.flatnonzero(offsets == offset)
        curve = _hour_curve(end_ms, int(offset))
        low, high = (np.interp(bound[mine], np.arange(HOURS + 1), curve) for bound in (joined, left))
        hours[mine] = np.interp(low + rng.random(len(mine)) * (high - low), curve, np.arange(HOURS + 1))
    hours = np.where(is_first & (joined > 0), joined, hours)
    return end_ms - HOURS * HOUR_MS + (hours * HOUR_MS).astype(np.int64)


def _through(rng: np.random.Generator, people: People, person: Ints, is_hotel: Flags) -> Ints:
    """The input of each visit: the person's platform, or sometimes the web beside an app."""
    web_now = people.has_web_too[person] & (rng.random(len(person)) < 0.25)
    travel = np.where(web_now, WEB, people.travel_platform[person])
    hotel = np.where(people.hotel_platform[person] == ROKU, FIRST_HOTEL_INPUT + 1, FIRST_HOTEL_INPUT)
    return np.where(is_hotel, hotel, travel)


def _starts_group(group: Ints) -> Flags:
    """Where a new group begins in a sorted column."""
    return np.concatenate([[True], group[1:] != group[:-1]])


def _running(group: Ints) -> Ints:
    """1, 2, 3 ... within each group of a sorted column."""
    at = np.arange(len(group))
    return at - np.maximum.accumulate(np.where(_starts_group(group), at, 0)) + 1


def _running_total(group: Ints, counted: Flags) -> Ints:
    """How many were counted in the group up to and with each row."""
    total = np.cumsum(counted)
    before = np.maximum.accumulate(np.where(_starts_group(group), total - counted, 0))
    return np.asarray(total - before)


def _depth(rng: np.random.Generator, people: People, person: Ints, is_hotel: Flags) -> Ints:
    """How many steps of the funnel a visit goes: 0 none, 1 looked, 2 in the cart, 3 checkout, 4 bought."""
    wish = rng.random(len(person)) - np.where(people.is_vip[person], 0.14, 0.0)
    depth = np.select([wish < 0.045, wish < 0.075, wish < 0.19, wish < 0.38], [4, 3, 2, 1], 0)
    persuaded = (depth == 3) & people.one_page_checkout[person] & ~is_hotel & (rng.random(len(person)) < 0.4)
    depth = np.where(persuaded, 4, depth)
    return np.where(is_hotel & (people.hotel_platform[person] == ROKU), 0, depth)


def _releases(people: People, person: Ints, source: Ints, start_ms: Ints, end_ms: int) -> Ints:
    """The app release in use: the newest that came out before the visit by the person's lag."""
    hours = (start_ms - end_ms) / HOUR_MS + HOURS - people.release_lag_hours[person]
    out_at = np.array([day * 24.0 for _, _, day in RELEASES])
    newest = np.searchsorted(out_at, (start_ms - end_ms) / HOUR_MS + HOURS, side="right") - 1
    late = np.maximum(np.searchsorted(out_at, hours, side="right") - 1, 0)
    came_late = np.searchsorted(out_at, people.joined_hour[person], side="right") - 1
    return np.where(source < WEB, np.minimum(np.maximum(late, came_late), newest), 0)


def _steps(person: Ints, source: Ints, release: Ints) -> tuple[Flags, Flags]:
    """Rows in order of person and time -> (newer release than at the last visit through the input, first visit)."""
    order = np.lexsort((np.arange(len(person)), source, person))
    first = _starts_group((person * 8 + source)[order])
    newer = ~first & np.concatenate([[False], np.diff(release[order]) > 0])
    steps, firsts = np.empty(len(person), bool), np.empty(len(person), bool)
    steps[order], firsts[order] = newer, first
    return steps, firsts


def _what(
    rng: np.random.Generator, people: People, person: Ints, source: Ints, last: Ints, depth: Ints
) -> tuple[Ints, Ints]:
    """Action and argument of every event. The last `depth` of a visit are the steps of the funnel, of one product."""
    count = len(person)
    action = np.empty(count, np.int64)
    for at, where in enumerate(INPUTS):
        mine = slice(*np.searchsorted(source, [at, at + 1]))
        codes, shares = zip(*MIXES[where.mix].items(), strict=True)
        cumulative = np.cumsum(shares) / sum(shares)
        action[mine] = np.array(codes)[np.searchsorted(cumulative, rng.random(mine.stop - mine.start), side="right")]
    reads = people.is_reader[person] & (action == CODE["screen", "travel"]) & (rng.random(count) < 0.4)
    action = np.where(reads, CODE["custom", "Read Article"], action)

    step = np.arange(count) - (last - depth)
    shops = step >= 0
    action = np.where(shops, np.array(FUNNEL)[np.maximum(step, 0)], action)
    dream = people.destination[person]
    weights = np.cumsum(DESTINATION_WEIGHTS) / np.sum(DESTINATION_WEIGHTS)
    other = np.searchsorted(weights, rng.random(count), side="right")
    place = np.where(rng.random(count) < 0.55, dream, other)
    variant = (VARIANTS * rng.random(count) ** 1.5).astype(np.int64)
    short = people.is_weekender[person] & (action == CODE["custom", "Search Trips"])
    variant = np.where(short, variant * 24 // VARIANTS, variant)

    # One product a visit's funnel: the drawing of its last event stands for all of its steps.
    kinds = np.where(source >= FIRST_HOTEL_INPUT, len(HOTEL_GOODS), len(TRIP_KINDS))
    product = place * kinds + variant % kinds
    is_product = np.array([a.form == "product" for a in ACTIONS])[action]
    argument = np.where(is_product, product, place * VARIANTS + variant)
    return action, np.where(shops, product[last - 1], argument)


def _clock(rng: np.random.Generator, start_ms: Ints, first_event: Ints, visit: Ints) -> tuple[Ints, Ints]:
    """Times of the events (strictly rising within a visit) and the end of each session, at most 40 minutes on."""
    gaps = np.minimum(rng.exponential(28_000.0, len(visit)), 78_000.0).astype(np.int64) + 350
    elapsed = np.cumsum(gaps)
    before = np.concatenate([[0], elapsed])[first_event[:-1]]
    at_ms = start_ms[visit] + elapsed - before[visit]
    last_gap = np.minimum(rng.exponential(20_000.0, len(start_ms)), 60_000.0).astype(np.int64) + 500
    return at_ms, at_ms[first_event[1:] - 1] + last_gap


def _destination_cities(destination: Ints) -> Ints:
    """The city of each destination."""
    names = [city.name for city in CITIES]
    return np.array([names.index(place) for place in DESTINATIONS])[destination]
