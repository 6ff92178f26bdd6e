"""Audience: a name, a scope and a definition, read from and written to the document of DEFINITION 2."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, Protocol

from pydantic import Field, Strict, ValidationError, field_validator

from core.context import Context
from core.criteria import Criterion, Model, Node, walk
from core.criteria.memberships import AudienceMembership
from core.criteria.problems import problems_of
from core.criteria.sentences import whole
from core.data.values import millis
from core.errors import DefinitionError, Problem

if TYPE_CHECKING:
    from core.dataset import Dataset

NAME_CHARACTERS: Final = 100
"""How long a name may be."""

MAX_DEPTH: Final = 100
"""Nodes below each other, the root included, and alternatives (`any_of`, `none_of`) below the last of them."""

_NESTING: Final = ("criteria", "criterion", "any_of", "none_of")
_CONDITIONS: Final = ("where", "where_product", "steps")


@dataclass(frozen=True, slots=True)
class Report:
    """What `check` found: problems (the definition cannot be evaluated) and warnings (it can, but look here)."""

    problems: tuple[Problem, ...]
    warnings: tuple[Problem, ...]


class Checkable(Protocol):
    """A dataset, as far as a check needs it."""

    def context(self, audience: Audience, audiences: Mapping[str, Audience]) -> Context:
        """The ground on which an audience is checked."""
        ...


class Definition(Model):
    """A tree of criteria."""

    version: Literal[1]
    root: Node

    @field_validator("version", mode="before")
    @classmethod
    def _number(cls, version: Any) -> Any:
        return None if isinstance(version, bool) else version  # True equals 1 in Python


class Audience(Model):
    """A named definition with the scope that it reads. Frozen; equal when it says the same."""

    name: Annotated[str, Field(min_length=1, max_length=NAME_CHARACTERS)]
    external_name: Annotated[str, Field(min_length=1, max_length=NAME_CHARACTERS)] | None = None
    workspaces: Annotated[tuple[str, ...], Field(min_length=1)]
    inputs: Annotated[tuple[str, ...], Field(min_length=1)] | None = None
    lookback_days: (
        Annotated[Annotated[int, Strict()] | Annotated[float, Strict()], Field(gt=0, allow_inf_nan=False, lt=1e6)]
        | None
    ) = None
    definition: Definition

    @field_validator("workspaces", "inputs")
    @classmethod
    def _once(cls, names: tuple[str, ...] | None) -> tuple[str, ...] | None:
        if names is not None and len(set(names)) < len(names):
            raise ValueError("a name is given twice")
        return names

    @classmethod
    def from_dict(cls, document: Any) -> Audience:
        """The audience of a document; raises DefinitionError with every problem of its form."""
        if not isinstance(document, dict):
            raise DefinitionError([Problem("", "An audience is a JSON object.", "See the audience document.")])
        if _depth(document) > MAX_DEPTH:
            message = f"The definition is nested more than {MAX_DEPTH} levels deep."
            raise DefinitionError([Problem("root", message, "Join criteria in one group instead of nesting groups.")])
        try:
            audience = cls.model_validate(document)
        except ValidationError as error:
            raise DefinitionError(list(problems_of(error, document))) from None
        if not _is_text(audience):
            leaves = (path for path, node in audience.nodes() if not node.children() and not _is_text(node))
            message, way_out = "A text holds half of a character (a lone surrogate).", "Write the whole character."
            raise DefinitionError([Problem(path, message, way_out) for path in list(leaves) or [""]])
        return audience

    @classmethod
    def of(cls, root: Criterion | Any, *, name: str, workspaces: list[str], **scope: Any) -> Audience:
        """An audience from a criterion and its scope; raises DefinitionError."""
        if not isinstance(root, Criterion):
            message = f"{type(root).__name__} is no criterion yet."
            raise DefinitionError([Problem("root", message, "Finish it, for example with .exists() or .at_least(1).")])
        definition = {"version": 1, "root": root.plain.model_dump(mode="json", by_alias=True, exclude_unset=True)}
        return cls.from_dict({"name": name, "workspaces": list(workspaces), **scope, "definition": definition})

    def to_dict(self) -> dict[str, Any]:
        """The document: JSON values only, what the definition leaves out left out."""
        document = self.model_dump(mode="json", by_alias=True, exclude_unset=True)
        return {"external_name": None, "inputs": None, "lookback_days": None} | document

    @classmethod
    def json_schema(cls) -> dict[str, Any]:
        """The JSON Schema of the document."""
        return cls.model_json_schema(by_alias=True)

    @property
    def root(self) -> Criterion:
        """The definition's root node."""
        root: Criterion = self.definition.root
        return root

    @property
    def forwarded_name(self) -> str:
        """The name that connections and downloads use."""
        return self.external_name or self.name

    def nodes(self) -> Iterator[tuple[str, Criterion]]:
        """Every node with its path, pre-order."""
        return walk(self.root)

    @property
    def named_audiences(self) -> frozenset[str]:
        """The ids of the audiences whose membership it asks for."""
        return frozenset(node.audience for _, node in self.nodes() if isinstance(node, AudienceMembership))

    def check(self, dataset: Checkable, audiences: Mapping[str, Audience] | None = None) -> Report:
        """Every problem and warning of this definition in a dataset; `audiences` by id, for memberships."""
        context = dataset.context(self, audiences or {})
        problems = self.problems(context)
        if problems:  # warnings may ask for what a broken scope does not have
            return Report(problems, ())
        warnings = (warning for path, node in self.nodes() for warning in node.warnings(context, path))
        return Report(problems, tuple(warnings))

    def problems(self, context: Context) -> tuple[Problem, ...]:
        """Why this definition cannot be evaluated on a ground (`Checkable.context`)."""
        of_nodes = (problem for path, node in self.nodes() for problem in node.problems(context, path))
        return (*context.problems, *of_nodes)

    @property
    def formula(self) -> str:
        """The logic line: "(A or B) and not C", letters for the criteria in their order."""
        from core.formula import to_formula

        return to_formula(self.root)

    def to_python(self) -> str:
        """Python source that rebuilds this audience with the notebook builders, as `audience`."""
        from core.builders.source import to_python

        return to_python(self)

    def to_sql(
        self,
        dialect: str = "duckdb",
        *,
        now: datetime | None = None,
        dataset: Dataset | None = None,
        audiences: Mapping[str, Audience] | None = None,
    ) -> str:
        """A query over the views of a dataset (`Dataset.sql_views`) that selects the members: `mpid`, ascending.

        `now` left out is the query's parameter `now_ms`. `dataset` is needed where calculated attributes are named,
        `audiences` (by id) where memberships are. SqlError lists everything that SQL cannot say; DefinitionError what
        is wrong with the definition in that dataset. DuckDB runs the query; spark, bigquery and snowflake are written.
        """
        from core.dialects import to_sql

        return to_sql(self, dialect, None if now is None else millis(now), dataset, audiences or {})

    def to_link(self, audiences: Mapping[str, Audience] | None = None) -> str:
        """The document as a text that is safe in a URL, with those of `audiences` (by id) that it names. LinkError."""
        from core.links import to_link

        return to_link(self, audiences)

    @property
    def sentence(self) -> str:
        """The definition in English."""
        return whole(self.root)


def _is_text(model: Model) -> bool:
    """Whether all its texts can be written: JSON's escapes can spell what is no character."""
    try:
        model.model_dump_json()
    except ValueError:  # pydantic's own error is one
        return False
    return True


def _depth(document: dict[str, Any]) -> int:
    """How many nodes and alternatives lie below each other; no recursion, so that any depth is told."""
    definition = document.get("definition")
    deepest, todo = 0, [(definition.get("root") if isinstance(definition, dict) else None, 1)]
    while todo and deepest <= MAX_DEPTH:
        value, depth = todo.pop()
        if isinstance(value, list):
            todo.extend((item, depth) for item in value)
        elif isinstance(value, dict):
            deepest = max(deepest, depth)
            todo.extend((value[key], depth + 1) for key in _NESTING if key in value)
            # A condition lies in its node; only what alternatives nest lies deeper.
            todo.extend((value[key], depth) for key in _CONDITIONS if key in value)
    return deepest
