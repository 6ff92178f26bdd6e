"""Saved audiences: `audiences list|show|create|activate|pause|clone|tag|share|delete|calculate`."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from core import CoreError, Dataset
from workbench import home
from workbench.commands import options, output
from workbench.commands.parser import Parser
from workbench.documents import read_audience

if TYPE_CHECKING:
    from core.registry import AudienceSummary, Calculation, Person, Registry, SavedAudience

ACCESSES: Final = ("private", "view_only", "usable")
STATUSES: Final = ("draft", "active", "calculating", "paused", "error")
_LOOK_SECONDS: Final = 0.1


def add(commands: argparse._SubParsersAction[Parser]) -> None:
    """Add the command with its actions."""
    parser = commands.add_parser("audiences")
    actions = parser.add_subparsers(metavar="ACTION", required=True, parser_class=Parser)

    listed = actions.add_parser("list", help="all of them, changed last first")
    listed.add_argument("--search", default="", metavar="TEXT", help="in name, id or tag")
    listed.add_argument("--tag", action="append", default=[], metavar="TAG", help="with all tags that are given")
    listed.add_argument("--status", action="append", default=[], choices=STATUSES)
    _finish(listed, run_list)
    _finish(_of_one(actions, "show", "one with its definition, versions and calculations"), run_show)
    create = actions.add_parser("create", help="keep an audience document as a draft")
    create.add_argument("file", type=Path, metavar="FILE", help="the audience document")
    _finish(create, run_create)
    _finish(
        _of_one(actions, "activate", "put the newest version in force: it is calculated from then on"), run_activate
    )
    _finish(_of_one(actions, "pause", "stop calculating it; its members stay"), run_pause)
    _finish(_of_one(actions, "clone", "copy it, with its tags, as a draft"), run_clone)
    tag = _of_one(actions, "tag", "add tags, at most 18 characters each")
    tag.add_argument("tags", nargs="+", metavar="TAG")
    tag.add_argument("--remove", action="store_true", help="remove them instead")
    _finish(tag, run_tag)
    share = _of_one(actions, "share", "say what another account may do with it")
    share.add_argument("account", metavar="ACCOUNT", help="its id or name")
    share.add_argument("access", choices=ACCESSES, help="usable: also name it in their own audiences")
    _finish(share, run_share)
    _finish(_of_one(actions, "delete", "delete it with its versions and calculations, without asking"), run_delete)
    calculate = _of_one(actions, "calculate", "calculate its members now, and wait")
    options.add_now(calculate)
    _finish(calculate, run_calculate)


def _of_one(actions: Any, name: str, words: str) -> Parser:
    parser: Parser = actions.add_parser(name, help=words)
    parser.add_argument("id", metavar="ID")
    return parser


def _finish(parser: Parser, run: Callable[[argparse.Namespace], int]) -> None:
    options.add_json(parser)
    parser.set_defaults(run=run)


def _clock() -> datetime:
    return datetime.now(UTC)


def _opened() -> tuple[Registry, Person]:
    registry = home.registry()
    return registry, registry.people.local()


def run_list(given: argparse.Namespace) -> int:
    """The list with its figures of the last 24 hours."""
    registry, me = _opened()
    found = registry.audiences.list(me, _clock(), search=given.search, tags=given.tag, statuses=given.status)
    if given.json:
        output.say_json([_document(each) for each in found])
    elif found:
        columns = [("id", "<"), ("name", "<"), ("status", "<"), ("size", ">"), ("adds", ">"), ("drops", ">")]
        output.say_table([*columns, ("volatility", ">"), ("tags", "<")], [_row(each) for each in found])
    else:
        output.say("No audience." if not (given.search or given.tag or given.status) else "No audience is like that.")
    return 0


def _document(each: AudienceSummary) -> dict[str, Any]:
    return {
        "id": each.id,
        "name": each.name,
        "status": each.status,
        "size": each.size.count,
        "estimated": each.size.estimated,
        "symbol": each.size.symbol,
        "adds_24h": each.adds_24h,
        "drops_24h": each.drops_24h,
        "volatility_24h": each.volatility_24h,
        "tags": list(each.tags),
        "access": each.access,
        "connected_outputs": [],  # the contract of the list; nothing can be connected yet
        "error": each.error,
    }


def _row(each: AudienceSummary) -> list[str]:
    volatility = "–" if each.volatility_24h is None else f"{each.volatility_24h:.1%}".replace("%", " %")
    about = "~" if each.size.estimated else ""
    size = each.size.symbol or "–" if each.size.count is None else f"{about}{each.size.count:,}"
    counts = [f"{each.adds_24h:,}", f"{each.drops_24h:,}"]
    return [each.id, each.name, each.status, size, *counts, volatility, ", ".join(each.tags)]


def run_show(given: argparse.Namespace) -> int:
    """One audience."""
    registry, me = _opened()
    saved = registry.audiences.get(given.id, me)
    versions, done = registry.versions.list(given.id, me), registry.calculations.history(given.id, me)
    if given.json:
        output.say_json(
            {
                **_state(saved),
                "name": saved.name,
                "version": saved.version,
                "active_version": saved.active_version,
                "tags": list(saved.tags),
                "access": saved.access,
                "error": saved.error,
                "sentence": saved.definition.sentence,
                "audience": saved.definition.to_dict(),
                "versions": [
                    {"number": each.number, "saved_at": output.iso(each.saved_at), "saved_by": each.saved_by}
                    | {"note": each.note, "size": each.size}
                    for each in versions
                ],
                "calculations": [_answer(each) for each in done],
            }
        )
        return 0
    output.say(f"{saved.name}  ({saved.id}, {saved.status}, version {saved.version})")
    output.say(saved.definition.sentence)
    if saved.error:
        output.say(f"Error: {saved.error}")
    if saved.tags:
        output.say(f"Tags: {', '.join(saved.tags)}")
    if done:
        last = done[-1]
        output.say(f"{last.size:,} members as of {output.moment(last.now or _clock())}, {len(done):,} calculations")
    return 0


def _state(saved: SavedAudience) -> dict[str, Any]:
    return {"id": saved.id, "status": saved.status}


def _say_state(given: argparse.Namespace, saved: SavedAudience, words: str) -> int:
    if given.json:
        output.say_json(_state(saved))
    else:
        output.say(f"{saved.id}: {words}")
    return 0


def run_create(given: argparse.Namespace) -> int:
    """Keep a document as a draft."""
    audience = read_audience(given.file)
    registry, me = _opened()
    saved = registry.audiences.create(audience, by=me, at=_clock())
    return _say_state(given, saved, f"{saved.name!r} is a draft now.")


def run_activate(given: argparse.Namespace) -> int:
    """Put the newest version in force."""
    registry, me = _opened()
    seen = registry.audiences.get(given.id, me).version
    dataset = Dataset.open(home.dataset_path()) if home.dataset_path().exists() else None
    saved = registry.audiences.activate(given.id, by=me, at=_clock(), seen=seen, dataset=dataset)
    there = registry.settings.worker_is_there(_clock())
    how = "the worker calculates it" if there else "no worker is there: calculate it, or start `workbench serve-jobs`"
    return _say_state(given, saved, f"active; {how}.")


def run_pause(given: argparse.Namespace) -> int:
    """Stop calculating it."""
    registry, me = _opened()
    return _say_state(given, registry.audiences.pause(given.id, by=me, at=_clock()), "paused.")


def run_clone(given: argparse.Namespace) -> int:
    """Copy it as a draft."""
    registry, me = _opened()
    saved = registry.audiences.clone(given.id, by=me, at=_clock())
    return _say_state(given, saved, f"{saved.name!r} is a draft now.")


def run_tag(given: argparse.Namespace) -> int:
    """Add or remove tags."""
    registry, me = _opened()
    added, removed = ([], given.tags) if given.remove else (given.tags, [])
    registry.audiences.tag([given.id], by=me, at=_clock(), add=added, remove=removed)
    tags = registry.audiences.get(given.id, me).tags
    if given.json:
        output.say_json({"id": given.id, "tags": list(tags)})
    else:
        output.say(f"{given.id}: {', '.join(tags) or 'no tags'}.")
    return 0


def run_share(given: argparse.Namespace) -> int:
    """Let an account see or use it, or take that back."""
    registry, me = _opened()
    accounts = registry.people.accounts()
    known = {each.name.casefold(): each.id for each in accounts} | {each.id: each.id for each in accounts}
    account = known.get(given.account) or known.get(given.account.casefold(), given.account)
    registry.audiences.share(given.id, account, given.access, by=me, at=_clock())
    if given.json:
        output.say_json({"id": given.id, "account": account, "access": given.access})
    else:
        output.say(f"{given.id}: {given.access.replace('_', ' ')} for {account}.")
    return 0


def run_delete(given: argparse.Namespace) -> int:
    """Delete it."""
    registry, me = _opened()
    registry.audiences.delete(given.id, by=me, at=_clock())
    if given.json:
        output.say_json({"id": given.id, "deleted": True})
    else:
        output.say(f"{given.id} is deleted.")
    return 0


def run_calculate(given: argparse.Namespace) -> int:
    """Calculate here, or wait for whoever does already."""
    registry, me = _opened()
    done = _calculated(registry, me, given.id, options.open_dataset(None), given.now)
    if given.json:
        output.say_json(_answer(done))
    else:
        assert done.now is not None
        moved = f"{done.adds:,} came and {done.drops:,} went since the calculation before"
        output.say(f"{done.size:,} members as of {output.moment(done.now)}; {moved}.")
    return 0


def _calculated(
    registry: Registry, me: Person, audience_id: str, dataset: Dataset, now: datetime | None
) -> Calculation:
    from core.registry.calculating import calculate
    from workbench.worker import keeping, new_name

    name, calculations = new_name(), registry.calculations
    asked = calculations.request(audience_id, by=me, at=_clock(), now=now)
    with keeping(registry, name):
        while asked.open:
            calculations.recover(_clock())
            claimed = calculations.claim(name, _clock(), only=asked.id)
            calculate(calculations, dataset, claimed, worker=name, clock=_clock)
            asked = calculations.get(asked.id, me)
            if asked.state == "interrupted":  # the worker that had it died; it was asked for again
                asked = calculations.request(audience_id, by=me, at=_clock(), now=now)
            elif not claimed:
                time.sleep(_LOOK_SECONDS)
    if asked.state != "done":
        raise CoreError(asked.error or f"The calculation was {asked.state}.")
    return asked


def _answer(done: Calculation) -> dict[str, Any]:
    assert done.now is not None
    return {"size": done.size, "adds": done.adds, "drops": done.drops, "now": output.iso(done.now)}
