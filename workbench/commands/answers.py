"""Answers about an audience: check, evaluate, estimate."""

from __future__ import annotations

import argparse
import time
from dataclasses import asdict
from pathlib import Path

from core import Audience, Dataset, DefinitionError, Estimate, Evaluation, Problem
from core.criteria import And, Not, Or
from core.files import whole_file
from workbench import home
from workbench.commands import options, output
from workbench.commands.parser import Parser
from workbench.documents import read_audience


def add(commands: argparse._SubParsersAction[Parser]) -> None:
    """Add the three commands."""
    check = commands.add_parser("check")
    options.add_audience(check)
    options.add_dataset(check)
    options.add_json(check)
    check.set_defaults(run=run_check)

    evaluate = commands.add_parser("evaluate")
    options.add_audience(evaluate)
    options.add_dataset(evaluate)
    options.add_now(evaluate)
    evaluate.add_argument(
        "--members", type=_members_file, metavar="FILE", help="write the members' mpids: .csv or .parquet"
    )
    evaluate.add_argument("--engine", choices=("polars",), default="polars", help="default: polars")
    options.add_json(evaluate)
    evaluate.set_defaults(run=run_evaluate)

    estimate = commands.add_parser("estimate")
    options.add_audience(estimate)
    options.add_dataset(estimate)
    options.add_now(estimate)
    options.add_json(estimate)
    estimate.set_defaults(run=run_estimate)


def _members_file(text: str) -> Path:
    path = Path(text)
    if path.suffix not in (".csv", ".parquet"):
        raise argparse.ArgumentTypeError(f"{text!r} ends neither in .csv nor in .parquet")
    return path


def run_check(given: argparse.Namespace) -> int:
    """0, also with warnings; 2 with problems."""
    problems: tuple[Problem, ...] = ()
    warnings: tuple[Problem, ...] = ()
    dataset = None
    try:
        audience = read_audience(given.audience)
        if given.dataset is not None or home.dataset_path().exists():
            dataset = options.open_dataset(given.dataset)
            report = audience.check(dataset, options.other_audiences(given.audiences, audience))
            problems, warnings = report.problems, report.warnings
    except DefinitionError as error:
        problems = error.problems
    for problem in problems:
        output.note(str(problem).replace("\n", " "))
    _tell_warnings(warnings)
    if given.json:
        output.say_json(
            {"problems": [asdict(each) for each in problems], "warnings": [asdict(each) for each in warnings]}
        )
    elif not problems:
        against = f"in {dataset.path}" if dataset else "in form; no dataset was asked"
        output.say(f"{audience.name}: no problems {against}.")
        output.say(audience.sentence)
    return 2 if problems else 0


def _tell_warnings(warnings: tuple[Problem, ...]) -> None:
    for each in warnings:
        text = str(Problem(each.path, f"warning: {each.message}", each.hint))
        output.note(text.replace("\n", " "))


def run_evaluate(given: argparse.Namespace) -> int:
    """Size and sizes of all criteria; the members in a file where one is named."""
    audience, dataset, moment = _question(given)
    others = options.other_audiences(given.audiences, audience)
    started = time.perf_counter()
    with output.ProgressLine("evaluating") as told:
        result = dataset.evaluate(audience, now=moment.now, audiences=others, progress=told)
    sizes = [asdict(each) for each in result.criteria]
    seconds = time.perf_counter() - started
    if given.members is not None:
        _write_members(result, given.members)
    if given.json:
        _note_moment(moment)
        answer = {"size": result.size, "universe": result.universe, "now": output.iso(result.now)}
        output.say_json({**answer, "criteria": sizes, "seconds": round(seconds, 6)})
        return 0
    _tell_warnings(audience.check(dataset, others).warnings)
    output.say(audience.name)
    of = f"{result.size:,} of {result.universe:,} profiles ({output.share(result.size, result.universe)})"
    output.say(f"{of}, {moment.text}")
    output.say()
    _say_criteria(result)
    output.say(f"\nAnswered in {seconds * 1000:,.0f} ms.")
    if given.members is not None:
        output.say(f"Members written to {given.members}.")
    return 0


def _question(given: argparse.Namespace) -> tuple[Audience, Dataset, options.AsOf]:
    audience = read_audience(given.audience)
    dataset = options.open_dataset(given.dataset)
    return audience, dataset, options.as_of(dataset, given.now)


def _note_moment(moment: options.AsOf) -> None:
    """Beside a JSON object: the moment that the user did not give."""
    if moment.why:
        output.note(f"now: {moment.text}")


def _write_members(result: Evaluation, path: Path) -> None:
    with whole_file(path) as unfinished:
        if path.suffix == ".csv":
            result.members.write_csv(unfinished)
        else:
            result.members.write_parquet(unfinished)


def _say_criteria(result: Evaluation) -> None:
    nodes = dict(result.audience.nodes())
    words: dict[type, str] = {And: "all of", Or: "any of", Not: "not"}
    rows = [
        (
            each.path,
            f"{each.size:,}",
            f"{each.here:,}",
            f"{each.unique:+,}" if each.unique else "0",
            words.get(type(nodes[each.path])) or nodes[each.path].sentence,
        )
        for each in result.criteria
    ]
    output.say_table([("criterion", "<"), ("alone", ">"), ("so far", ">"), ("without it", ">"), ("who", "<")], rows)


def run_estimate(given: argparse.Namespace) -> int:
    """The estimate; 2 where it failed."""
    audience, dataset, moment = _question(given)
    others = options.other_audiences(given.audiences, audience)
    estimate = dataset.estimate(audience, now=moment.now, audiences=others)
    if estimate.symbol == "error":
        output.note(f"estimate: {estimate.reason}")
    if given.json:
        _note_moment(moment)
        output.say_json(asdict(estimate))
    elif estimate.symbol != "error":
        _tell_warnings(audience.check(dataset, others).warnings)
        output.say(audience.name)
        output.say(f"{_size(estimate)}, {moment.text}")
    return 2 if estimate.symbol == "error" else 0


def _size(estimate: Estimate) -> str:
    if estimate.size is None:
        return f"~ (too few members among {estimate.sample_users:,} sampled profiles to say how many)"
    if estimate.low == estimate.high:
        return f"{estimate.size:,} profiles, exactly"
    between = f"between {estimate.low:,} and {estimate.high:,} with 95 % confidence"
    return f"about {estimate.size:,} profiles ({between}, from {estimate.sample_users:,} sampled)"
