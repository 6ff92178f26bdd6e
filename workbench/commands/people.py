"""One profile: `profile`, and why it is in an audience or not: `why`."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from typing import Any, Final

from core import CoreError, Dataset
from core.explain import Explained
from core.profile import Happening, InWorkspace
from workbench import home
from workbench.commands import options, output
from workbench.commands.parser import Parser

_EVENTS: Final = 25
_GROUPS: Final = {"and": "all of", "or": "any of", "not": "not"}


def add(commands: argparse._SubParsersAction[Parser]) -> None:
    """Add the two commands."""
    profile = commands.add_parser("profile")
    profile.add_argument("profile", metavar="MPID|IDENTITY", help="an mpid, or an identity such as an e-mail address")
    _finish(profile)
    profile.set_defaults(run=run_profile)
    why = commands.add_parser("why")
    why.add_argument("profile", metavar="MPID|IDENTITY")
    why.add_argument("id", metavar="ID", help="the id of a saved audience")
    _finish(why)
    why.set_defaults(run=run_why)


def _finish(parser: Parser) -> None:
    options.add_dataset(parser)
    options.add_now(parser)
    options.add_json(parser)


def _found(dataset: Dataset, text: str, moment: options.AsOf) -> int:
    """The one profile of an mpid or identity. CoreError: nobody, or several."""
    matches = dataset.find(text, now=moment.now)
    mpids = list(dict.fromkeys(each.mpid for each in matches))
    if not mpids:
        raise CoreError(f"Nobody with the mpid or the identity {text!r} is known {moment.text}.", "Check its spelling.")
    if len(mpids) > 1:
        raise CoreError(f"{text!r} is an identity of several profiles: {', '.join(map(str, mpids))}.", "Give an mpid.")
    return mpids[0]


def run_profile(given: argparse.Namespace) -> int:
    """Everything known of one profile."""
    dataset = options.open_dataset(given.dataset)
    moment = options.as_of(dataset, given.now)
    mpid = _found(dataset, given.profile, moment)
    profile = dataset.profile(mpid, now=moment.now)
    timeline = dataset.timeline(mpid, now=moment.now, limit=_EVENTS)
    audiences = _audiences(mpid) if given.dataset is None else {}
    if given.json:
        output.say_json(
            {
                **profile.to_dict(),
                "audiences": [{"id": key, "name": name} for key, name in audiences.items()],
                "events": {
                    "total": timeline.total,
                    "kinds": timeline.kinds,
                    "newest": [_happening(each) for each in timeline.events],
                },
            }
        )
        return 0
    output.say(f"Profile {mpid}, {moment.text}")
    for part in profile.workspaces:
        _say_workspace(part)
    output.say(f"\nMember of {', '.join(audiences.values()) or 'no calculated audience'}.")
    output.say(f"{timeline.total:,} events; the newest:")
    rows = [(output.moment(e.at), f"{e.workspace}/{e.input}", e.kind, e.name or "") for e in timeline.events]
    output.say_table([("when", "<"), ("where", "<"), ("kind", "<"), ("name", "<")], rows)
    return 0


def _happening(event: Happening) -> dict[str, Any]:
    place = {"at": output.iso(event.at), "workspace": event.workspace, "input": event.input}
    what = {"kind": event.kind, "name": event.name, "attributes": event.attributes, "fields": event.fields}
    return place | what | {"products": list(event.products)}


def _say_workspace(part: InWorkspace) -> None:
    seen = f"first seen {output.moment(part.first_seen)}, last seen {output.moment(part.last_seen)}"
    output.say(f"\n{part.workspace}: {seen}")
    known = [*part.identities, *part.attributes, *part.devices, *part.location, *part.attributions]
    rows = [(each.name, "" if each.value is None else str(each.value), output.moment(each.at)) for each in known]
    rows += [(name, "" if value is None else str(value), "calculated") for name, value in part.calculated]
    if rows:
        output.say_table([("what", "<"), ("value", "<"), ("since", "<")], rows)


def _audiences(mpid: int) -> dict[str, str]:
    registry = home.registry()
    return registry.calculations.containing(mpid, registry.people.local())


def run_why(given: argparse.Namespace) -> int:
    """Why in, or why not."""
    dataset = options.open_dataset(given.dataset)
    registry = home.registry()
    me = registry.people.local()
    moment = options.as_of(dataset, given.now)
    saved = registry.audiences.get(given.id, me)
    audience = saved.definition_in_force
    others = registry.audiences.named_by(audience, me)
    mpid = _found(dataset, given.profile, moment)
    found = dataset.evaluate(audience, now=moment.now, audiences=others).explain(mpid)
    if given.json:
        output.say_json({"audience": saved.id, **found.to_dict()})
        return 0
    output.say(f"{mpid} and {saved.name!r}, {moment.text}")
    output.say(found.summary)
    for depth, node in _walk(found.root, 0):
        sign = "✓" if node.holds else "✗"
        decides = "  ← decides" if node.decides else ""
        evidence = "" if node.evidence is None else f"  ({node.evidence.text})"
        output.say(f"{'  ' * (depth + 1)}{sign} {_GROUPS.get(node.type, node.sentence)}{evidence}{decides}")
    return 0


def _walk(node: Explained, depth: int) -> Iterator[tuple[int, Explained]]:
    yield depth, node
    for child in node.children:
        yield from _walk(child, depth + 1)
