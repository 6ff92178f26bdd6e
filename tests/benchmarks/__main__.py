"""`make bench`: the engine beside DuckDB, chdb and plain polars on the same data, members compared in every round.

Everything is made once in a folder and kept there; a run that was stopped goes on where it stood. The table is printed
and saved beside the data as report.md.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import Final

import numpy as np

from tests.benchmarks import measures
from tests.benchmarks.audiences import KINDS, THIRTEEN, Asked
from tests.benchmarks.data import Size, make_consents, make_events, make_profiles
from tests.benchmarks.engines import (
    OPENERS,
    Engine,
    Place,
    Workbench,
    has_chdb,
    import_chdb,
    import_duckdb,
    import_parquet,
    import_workbench,
)
from tests.benchmarks.results import Results, growth, machine, report

SIZES: Final = {
    "tiny": Size(3_000, 60_000),
    "1m": Size(50_000, 1_000_000),
    "10m": Size(1_000_000, 10_000_000),
    "100m": Size(1_000_000, 100_000_000),
    "200m": Size(2_000_000, 200_000_000),
}
STEPS: Final = ("answers", "kinds", "recaps", "estimates", "session", "imports", "live", "bytes")


def say(text: str) -> None:
    """A line of progress, with the time."""
    print(f"{time.strftime('%H:%M:%S')} {text}", file=sys.stderr, flush=True)


def prepare(size: Size, place: Place, engines: list[str], results: Results) -> None:
    """The files, then each engine's own data: what is there already is kept."""
    place.raw.mkdir(parents=True, exist_ok=True)
    for name, make, target in (
        ("profiles", make_profiles, place.profiles),
        ("consents", make_consents, place.consents),
        ("events", make_events, place.events[-1]),
    ):
        if not target.exists():
            say(f"making the {name}")
            make(size, place.raw if name == "events" else target)
    ways = {"workbench": import_workbench, "duckdb": import_duckdb, "parquet": import_parquet, "chdb": import_chdb}
    for name, way in ways.items():
        wanted = name in engines or (name == "parquet" and {"polars", "duckdb-parquet"} & set(engines))
        if wanted and f"import, {name}" not in results.steps:
            say(f"importing into {name}")
            events, seconds, peak = measures.apart(way, place)
            told = {"seconds": seconds, "peak (GB)": peak}
            results.keep(f"import, {name}", {"events": events, **told} if events is not None else told)


class Mismatch(SystemExit):
    """Engines disagree: then no number is worth anything."""


def compare(asked: Asked, edit: int, engines: list[Engine]) -> None:
    """Every engine must give the same members."""
    first = engines[0].members(asked, edit)
    for other in engines[1:]:
        found = other.members(asked, edit)
        if not np.array_equal(first, found):
            differ = np.setxor1d(first, found)
            raise Mismatch(
                f"{asked.name} (edit {edit}): {engines[0].name} has {len(first)} members, {other.name} {len(found)}; "
                f"they differ in {len(differ)}, such as {differ[:5].tolist()}."
            )


def timed(engine: Engine, asked: Asked, edit: int) -> tuple[float, int]:
    """Milliseconds to a size, and the size."""
    start = time.perf_counter()
    size = engine.size(asked, edit)
    return (time.perf_counter() - start) * 1e3, size


def one_round(mode: str, number: int, engines: list[Engine], audiences: tuple[Asked, ...], results: Results) -> None:
    """Every audience in every engine, in turns; sizes and members must agree.

    `full` and `kind`: the workbench forgets before each, and each round asks another edit. `edit`: the workbench knows
    the audiences and is asked for an edit that is new to it.
    """
    ours = engines[0]
    assert isinstance(ours, Workbench)
    ours.forget()
    for asked in audiences if mode == "edit" else ():
        ours.size(asked, 0)
    runs = []
    for at, asked in enumerate(audiences):
        turn = (at + number) % len(engines)
        sizes = {}
        for engine in [*engines[turn:], *engines[:turn]]:
            if isinstance(engine, Workbench) and mode != "edit":
                engine.forget()
            ms, sizes[engine.name] = timed(engine, asked, number)
            run = {"mode": mode, "round": number, "audience": asked.name, "engine": engine.name, "ms": ms}
            runs.append({**run, "size": sizes[engine.name]})
        if len(set(sizes.values())) > 1:
            raise Mismatch(f"{asked.name} (edit {number}): the sizes differ: {sizes}.")
        compare(asked, number, engines[:2])
    results.runs += runs
    results.save()


def answers(names: list[str], place: Place, rounds: int, steps: list[str], results: Results) -> None:
    """The rounds that are not there yet."""
    wanted = [("full", THIRTEEN, names), ("edit", THIRTEEN, names[:2])] if "answers" in steps else []
    wanted += [("kind", KINDS, names[:2])] if "kinds" in steps else []
    todo = [each for each in wanted if not all(results.done(each[0], number) for number in range(1, rounds + 1))]
    if not todo:
        return
    engines = [OPENERS[name](place) for name in names]
    for mode, audiences, among in todo:
        chosen = engines[: len(among)]
        if not results.done(mode, 1):
            say(f"{mode}: warming up, comparing all members")
            for asked in audiences:
                compare(asked, 0, chosen)
        for number in range(1, rounds + 1):
            if not results.done(mode, number):
                say(f"{mode}: round {number} of {rounds}")
                one_round(mode, number, chosen, audiences, results)


def others(size: Size, place: Place, rounds: int, steps: list[str], results: Results) -> None:
    """Recaps, estimates, memory, imports, live events and bytes, where asked for and not there yet."""
    if "recaps" in steps and "recaps" not in results.steps and not place.shards:
        say("recaps")
        results.keep("recaps", measures.recaps(place))
    if "estimates" in steps and "estimates" not in results.steps:
        say("estimates")
        results.keep("estimates", measures.estimates(place, min(rounds, 3)))
    if "session" in steps and "session" not in results.steps:
        say("the memory of a session")
        held, _, peak = measures.apart(measures.session, place)
        results.keep("session", {**held, "peak, mapped columns included (GB)": peak})
    if "imports" in steps and "imports" not in results.steps:
        say("imports")
        measures.make_sources(size, place)
        results.keep("imports", measures.imports(place, min(rounds, 3)))
    if "live" in steps and "live" not in results.steps and not place.shards:
        say("live events")
        results.keep("live", measures.live(size, place, min(rounds, 3)))
    if "bytes" in steps and "bytes" not in results.steps:
        say("bytes against memory bandwidth")
        results.keep("bytes", measures.touched(place, rounds))


def grown(size: Size, place: Place, results: Results) -> list[str]:
    """The growth from the next smaller size of as many profiles that was measured in this folder."""
    fewer = [each for each in SIZES.values() if each.profiles == size.profiles and each.events < size.events]
    for each in sorted(fewer, key=lambda each: -each.events) if not place.shards else ():
        file = place.folder.with_name(each.label) / "results.json"
        if file.exists():
            return growth(results, Results(file, again=False), size.events / each.events)
    return []


def options() -> argparse.ArgumentParser:
    """What can be chosen."""
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--size", choices=SIZES, default="1m", help="how much data (default 1m)")
    parser.add_argument("--profiles", type=int, help="another number of profiles")
    parser.add_argument("--events", type=int, help="another number of events; about 130 bytes each on disk")
    parser.add_argument("--shards", type=int, help="split the workbench's dataset by user: memory stays bounded")
    parser.add_argument("--memory", type=int, default=1, help="GB that the workbench may remember (default 1)")
    parser.add_argument(
        "--compact",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="merge the segments of the loads after importing, as a worker does in the background",
    )
    parser.add_argument("--rounds", type=int, default=7, choices=range(1, 10), help="the median counts (default 7)")
    parser.add_argument("--engines", default=",".join(OPENERS), help="those to compare with, separated by commas")
    parser.add_argument("--steps", default=",".join(STEPS), help=f"what to measure: {', '.join(STEPS)}")
    parser.add_argument("--folder", type=Path, default=Path(".bench"), help="where the data is kept (default .bench)")
    parser.add_argument("--again", action="store_true", help="measure again what is there, on the data that is there")
    return parser


def main() -> None:
    chosen = options().parse_args()
    known = SIZES[chosen.size]
    size = Size(chosen.profiles or known.profiles, chosen.events or known.events)
    label = f"{size.label}-{chosen.shards}" if chosen.shards else size.label
    place = Place((chosen.folder / label).resolve(), chosen.shards, chosen.compact, chosen.memory)
    steps = chosen.steps.split(",")
    place.folder.mkdir(parents=True, exist_ok=True)
    asked = {"workbench", "duckdb", *chosen.engines.split(",")}
    names = [name for name in OPENERS if name in asked and (name != "chdb" or has_chdb())]
    results = Results(place.folder / "results.json", chosen.again)
    results.keep("machine", machine())
    prepare(size, place, names, results)
    answers(names, place, chosen.rounds, steps, results)
    others(size, place, chosen.rounds, steps, results)
    said = " ".join(sys.argv[1:]).replace(f"--folder {chosen.folder}", "").split()  # where it lies is nobody's business
    command = f'make bench BENCH_ARGS="{" ".join(said)}"'
    text = report(results, size, command, names, grown(size, place, results))
    (place.folder / "report.md").write_text(text)
    print(text)


if __name__ == "__main__":
    main()
