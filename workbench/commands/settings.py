"""Settings of a dataset: `calculated-attribute` and `tier`."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from core import CoreError, Dataset
from core.data.schema import EVENT_KINDS, TIERS
from workbench.commands import options, output
from workbench.commands.parser import Parser
from workbench.documents import read_json


def add(commands: argparse._SubParsersAction[Parser]) -> None:
    """Add the two commands with their own."""
    calculated = commands.add_parser("calculated-attribute")
    actions = calculated.add_subparsers(metavar="add|list|remove", required=True, parser_class=Parser)
    parser = actions.add_parser("add", help="define one, or replace the one of that name")
    parser.add_argument("file", type=Path, metavar="FILE.json", help="its definition")
    _finish(parser, run_add, workspace_needed=True)
    _finish(actions.add_parser("list", help="those of a workspace, or of all"), run_list, workspace_needed=False)
    parser = actions.add_parser("remove", help="remove one")
    parser.add_argument("name", metavar="NAME")
    _finish(parser, run_remove, workspace_needed=True)

    tier = commands.add_parser("tier")
    actions = tier.add_subparsers(metavar="set|list", required=True, parser_class=Parser)
    parser = actions.add_parser("set", help="set the tier of an event")
    parser.add_argument("--kind", required=True, choices=EVENT_KINDS)
    parser.add_argument("--name", metavar="NAME", help="left out for kinds whose events have no name")
    parser.add_argument("--tier", required=True, choices=TIERS)
    _finish(parser, run_set_tier, workspace_needed=True)
    _finish(actions.add_parser("list", help="events outside of personalize"), run_list_tiers, workspace_needed=False)


def _finish(parser: argparse.ArgumentParser, run: Any, *, workspace_needed: bool) -> None:
    options.add_dataset(parser)
    parser.add_argument("--workspace", required=workspace_needed, metavar="W")
    if not workspace_needed:
        options.add_json(parser)
    parser.set_defaults(run=run)


def _workspaces(dataset: Dataset, name: str | None) -> Mapping[str, Any]:
    known = dataset.workspaces
    if name is None:
        return known
    if name not in known:
        raise CoreError(
            f"--workspace: the dataset has no workspace {name!r}.", f"Known: {', '.join(known) or 'none yet'}."
        )
    return {name: known[name]}


def run_add(given: argparse.Namespace) -> int:
    """Define a calculated attribute."""
    definition = read_json(given.file)
    dataset = options.open_dataset(given.dataset)
    dataset.add_calculated_attribute(definition, workspace=given.workspace)
    output.say(f"{given.workspace} has the calculated attribute {definition['name']!r}.")
    return 0


def run_list(given: argparse.Namespace) -> int:
    """List calculated attributes."""
    found = _workspaces(options.open_dataset(given.dataset), given.workspace)
    if given.json:
        output.say_json(
            {"calculated_attributes": {name: list(each.calculated_attributes.values()) for name, each in found.items()}}
        )
        return 0
    rows = [
        (workspace, name, each["calculation"], each["event"]["kind"], each["event"].get("name") or "any")
        for workspace, settings in found.items()
        for name, each in settings.calculated_attributes.items()
    ]
    if rows:
        output.say_table([(name, "<") for name in ("workspace", "name", "calculation", "kind", "event")], rows)
    else:
        output.say("There is no calculated attribute.")
    return 0


def run_remove(given: argparse.Namespace) -> int:
    """Remove a calculated attribute."""
    options.open_dataset(given.dataset).remove_calculated_attribute(given.name, workspace=given.workspace)
    output.say(f"{given.workspace} no longer has the calculated attribute {given.name!r}.")
    return 0


def run_set_tier(given: argparse.Namespace) -> int:
    """Set a tier."""
    dataset = options.open_dataset(given.dataset)
    dataset.set_event_tier(kind=given.kind, name=given.name, tier=given.tier, workspace=given.workspace)
    output.say(f"{given.workspace}: {given.kind} {given.name or '(no name)'} is in the tier {given.tier}.")
    return 0


def run_list_tiers(given: argparse.Namespace) -> int:
    """List the events whose tier is not personalize."""
    found = _workspaces(options.open_dataset(given.dataset), given.workspace)
    rows = [
        {"workspace": workspace, "kind": kind, "name": name, "tier": tier}
        for workspace, settings in found.items()
        for (kind, name), tier in settings.tiers.items()
    ]
    if given.json:
        output.say_json({"tiers": rows})
    elif rows:
        columns = [(name, "<") for name in ("workspace", "kind", "name", "tier")]
        output.say_table(columns, [[each or "" for each in row.values()] for row in rows])
    else:
        output.say("Every event is in the tier personalize.")
    return 0
