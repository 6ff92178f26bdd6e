"""SQL over the views of a dataset (`core.data.views`): the words in which criteria say what they select.

A criterion's `sql(to)` is a condition on `u`, one row a profile of the universe, true where `judge` is. Conditions may
be NULL for "no"; `to.opposite` makes true of both. Expressions are sqlglot's, so every dialect is written by it; it is
imported when the first SqlScope is made, because that takes longer than most commands.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from decimal import Context, Decimal
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from core.data.schema import EVENT_KINDS
from core.errors import Problem, SqlError

if TYPE_CHECKING:
    from core.criteria.windows import Window

Sql: TypeAlias = Any
"""A sqlglot expression."""

DAY_MS: Final = 86_400_000
NOW: Final = "now_ms"
"""The name of the parameter that stands for `now` where no moment is given."""

_DIGITS: Final = Decimal(10) ** 20
_WIDE: Final = Context(prec=1000)


def refuse(message: str, hint: str = "") -> SqlError:
    """The error of a criterion that SQL cannot say; whoever walks the tree adds the path."""
    return SqlError([Problem("", message, hint)])


class SqlScope:
    """What one audience's SQL may read, and the words to say it in."""

    def __init__(
        self,
        workspaces: tuple[str, ...],
        inputs: tuple[str, ...] | None,
        lookback_days: float | None,
        now_ms: int | None,
        calculated: Callable[[str, str], Any],
        members_of: Callable[[str], Sql],
    ) -> None:
        """`now_ms` None: the parameter `now_ms`. `calculated(workspace, name)` and `members_of(id)` raise SqlError."""
        from sqlglot import exp

        self._exp = exp
        self.workspaces, self.inputs, self.lookback_days = workspaces, inputs, lookback_days
        self.calculated, self.members_of = calculated, members_of
        self.now: Sql = exp.Placeholder(this=NOW) if now_ms is None else exp.Literal.number(now_ms)

    # -- words -----------------------------------------------------------------------------------------------------

    def column(self, name: str, table: str | None = None) -> Sql:
        """A column."""
        return self._exp.column(name, table=table)

    def text(self, value: str) -> Sql:
        """A text literal."""
        return self._exp.Literal.string(value)

    def number(self, value: float | Decimal) -> Sql:
        """A number literal, in plain digits."""
        return self._exp.convert(Decimal(repr(value)) if isinstance(value, float) else value)

    def digits(self, value: float) -> Sql:
        """A number as a text of plain digits, none lost."""
        return self.text(f"{Decimal(repr(value)):f}")

    def decimal(self, value: float) -> Sql:
        """A number as DECIMAL(38, 18), in which sums are exact; SqlError where it does not fit."""
        exact = Decimal(repr(value))
        if abs(exact) >= _DIGITS or int(exact.normalize(_WIDE).as_tuple().exponent) < -18:
            hint = "Compare with at most 20 digits and 18 decimal places."
            raise refuse(f"DECIMAL(38, 18) cannot hold {value}.", hint)
        return self._exp.cast(self.digits(value), "DECIMAL(38, 18)")

    def call(self, function: str, *arguments: Any) -> Sql:
        """A function, or a macro of the views."""
        return self._exp.func(function, *arguments, dialect="duckdb")

    def truth(self, value: bool) -> Sql:
        """TRUE or FALSE."""
        return self._exp.convert(value)

    def all_of(self, conditions: Iterable[Sql]) -> Sql:
        """And; without any, true."""
        return self._exp.and_(*conditions) if (conditions := list(conditions)) else self._exp.true()

    def any_of(self, conditions: Iterable[Sql]) -> Sql:
        """Or; without any, false."""
        return self._exp.or_(*conditions) if (conditions := list(conditions)) else self._exp.false()

    def opposite(self, condition: Sql) -> Sql:
        """True where the condition is false or NULL."""
        exp = self._exp
        never_null = isinstance(condition, exp.Exists | exp.Boolean | exp.Not)
        if never_null or (isinstance(condition, exp.In) and condition.args.get("query")):
            return exp.not_(condition)
        return exp.Not(this=exp.Is(this=exp.paren(condition), expression=exp.true()))

    def count(self) -> Sql:
        """COUNT(*)."""
        return self._exp.Count(this=self._exp.Star())

    def distinct(self, value: Sql) -> Sql:
        """COUNT(DISTINCT value)."""
        return self._exp.Count(this=self._exp.Distinct(expressions=[value]))

    def present(self, value: Sql) -> Sql:
        """IS NOT NULL."""
        return value.is_(self._exp.null()).not_()

    def absent(self, value: Sql) -> Sql:
        """IS NULL."""
        return value.is_(self._exp.null())

    def some(self, lists: Sql, condition: Callable[[Sql], Sql], name: str) -> Sql:
        """Whether the condition holds for an element of a list; `name` stands for the element. NULL without a list."""
        exp = self._exp
        holds = exp.Lambda(this=condition(self.column(name)), expressions=[exp.to_identifier(name)])
        return exp.ArraySize(this=exp.ArrayFilter(this=lists, expression=holds)) > 0

    def unnested(self, lists: Sql, name: str, place: str | None = None) -> Sql:
        """A list as rows of one column, and its place in the list beside it if that has a name."""
        names = [self._exp.to_identifier(each) for each in (name, place) if each]
        alias = self._exp.TableAlias(this=self._exp.to_identifier(f"of_{name}"), columns=names)
        return self._exp.Unnest(expressions=[lists], alias=alias, offset=place is not None)

    def select(self, table: str | Sql, *where: Sql) -> Sql:
        """SELECT of nothing yet FROM a table or an aliased query WHERE all of the conditions hold."""
        query = self._exp.select().from_(table, dialect="duckdb")
        return query.where(*where) if where else query

    def members(self, query: Sql) -> Sql:
        """Those profiles of the universe that a query with the column mpid holds."""
        return self.column("mpid", "u").isin(query=query)

    # -- data ------------------------------------------------------------------------------------------------------

    def inside(self, moment: Sql, window: Window | None) -> list[Sql]:
        """The conditions of a window on a moment; none without one."""
        first, last = (None, None) if window is None else window.sql_bounds(self)
        bounds = [moment >= first] if first is not None else []
        return [*bounds, moment <= last] if last is not None else bounds

    def seen(self, edge: str, known: list[Sql], window: Window) -> Sql:
        """Those whose first (`MIN`) or last (`MAX`) known activity lies in a window."""
        moment = self.call(edge, self.column("time_ms"))
        who = self.select("activity", *known).select("mpid").group_by("mpid")
        return self.members(who.having(*self.inside(moment, window)))

    def latest(self, table: str, order: Sequence[str], columns: Sequence[str], *where: Sql) -> Sql:
        """Each profile's latest record of those that qualify, by `order`: `mpid` and columns, as the query `r`."""
        place = self._place(["mpid"], [self._exp.Ordered(this=self.column(name), desc=True) for name in order])
        ranked = self.select(table, *where).select("mpid", *(self.column(name) for name in columns), place)
        return self.select(ranked.subquery("r"), self.column("place", "r").eq(1))

    def ranked(self, query: Sql, order: Sequence[tuple[str, bool]]) -> Sql:
        """Rows of a query with mpid and value, as the query `r` with `place`: 1, 2, ... by (column, descending)."""
        place = self._place(["mpid"], [self._exp.Ordered(this=self.column(name), desc=down) for name, down in order])
        return self.select(self.select(query.subquery("q")).select("mpid", "value", place).subquery("r"))

    def _place(self, by: Sequence[str], order: list[Sql]) -> Sql:
        exp = self._exp
        ordering = exp.Order(expressions=order)
        rank = exp.Window(this=exp.RowNumber(), partition_by=[self.column(name) for name in by], order=ordering)
        return exp.alias_(rank, "place")

    def events(
        self,
        kind: str,
        name: str | None,
        custom_type: str | None,
        reads: Sql,
        lookback: bool = True,
    ) -> Sql:
        """The events of a kind (or `any`) and name, in the lookback and up to now, as the query's table `e`."""
        exp, moment = self._exp, self.column("timestamp_ms", "e")
        of_kind = self.column("kind", "e").isin(*EVENT_KINDS) if kind == "any" else self.column("kind", "e").eq(kind)
        where = [reads, of_kind]
        if kind == "any":  # an event that two kinds hold counts once
            where.append(exp.not_(self.column("also", "e")))
        if name is not None:
            where.append(self.column("name", "e").eq(self.text(name)))
        if custom_type is not None:
            where.append(self.column("custom_type", "e").eq(self.text(custom_type)))
        where += [self.column("tier", "e").eq("personalize"), moment <= self.now]
        if lookback and self.lookback_days is not None:
            where.append(moment >= self.now - round(self.lookback_days * DAY_MS))
        return self.select("events AS e", *where)

    def latest_event(self, rows: Sql) -> Sql:
        """Each profile's latest event of `rows`: mpid and timestamp_ms."""
        latest = self.call("MAX", self.column("timestamp_ms", "e")).as_("timestamp_ms")
        return rows.select("e.mpid", latest).group_by("e.mpid")

    def session_duration(self, only: bool) -> Sql:
        """The duration of the session `e` from its latest end; with `only` false `e` may be of any kind."""
        exp = self._exp
        nameless = self.any_of([self.absent(self.column("session_uuid", table)) for table in ("s", "e")])
        ends = [self._ends("session_uuid"), self._ends("session_id").where(nameless)]
        latest = self.select(ends[0].union(ends[1], distinct=False).subquery("s")).select("session_duration_ms")
        latest = latest.order_by("timestamp_ms DESC", "arrival DESC").limit(1)
        joined = latest.subquery()
        if only:
            return joined
        return exp.case().when(self.column("kind", "e").eq("session"), joined).else_("e.session_duration_ms")

    def _ends(self, named: str) -> Sql:
        """The session ends `s` with the same name as the event `e` of the same profile."""
        same = [self.column(name, "s").eq(self.column(name, "e")) for name in ("workspace", "mpid", named)]
        past = self.column("timestamp_ms", "s") <= self.now
        ends = self.select("events AS s", self.column("kind", "s").eq("session_end"), past, *same)
        return ends.select("s.session_duration_ms", "s.timestamp_ms", "s.arrival")

    def chained(self, before: Sql | None, step: Sql) -> Sql:
        """A sequence's next step: mpid, timestamp_ms, and when the latest chain that it ends begun.

        `before`: the chain up to the step before, None for the first step. Of all earlier links the one that begun
        last gives the quickest chain.
        """
        exp, moment = self._exp, self.column("timestamp_ms")
        rows = self.select(step.subquery("s"))
        if before is None:
            return rows.select("mpid", "timestamp_ms", moment.as_("begun"))
        mine = rows.select(
            "mpid", "timestamp_ms", exp.cast(exp.null(), "BIGINT").as_("begun"), self.truth(True).as_("own")
        )
        links = self.select(before.subquery("b")).select("mpid", "timestamp_ms", "begun", self.truth(False).as_("own"))
        spec = exp.WindowSpec(
            kind="RANGE", start="UNBOUNDED", start_side="PRECEDING", end=self.number(1), end_side="PRECEDING"
        )
        order = exp.Order(expressions=[exp.Ordered(this=moment)])
        latest = exp.Window(
            this=exp.Max(this=self.column("begun")), partition_by=[self.column("mpid")], order=order, spec=spec
        )
        every = self.select(mine.union(links, distinct=False).subquery("l"))
        reached = self.select(every.select("mpid", "timestamp_ms", "own", latest.as_("begun")).subquery("w"))
        return reached.where("own", self.present(self.column("begun"))).select("mpid", "timestamp_ms", "begun")

    def reads(self, names: tuple[str, ...] | None, user_based: bool) -> Sql:
        """Whether an event came through the inputs that a criterion reads: the workspaces', the audience's, its own."""
        where = [self.column("workspace", "e").isin(*self.workspaces)]
        if not user_based and self.inputs is not None:
            where.append(self._through(self.inputs))
        if names is not None:
            where.append(self._through(names))
        return self.all_of(where)

    def _through(self, names: tuple[str, ...]) -> Sql:
        plain = [name for name in names if "/" not in name]
        pairs = [name.split("/", 1) for name in names if "/" in name]
        ways = [self.column("input", "e").isin(*plain)] if plain else []
        ways += [
            self.all_of([self.column("workspace", "e").eq(workspace), self.column("input", "e").eq(source)])
            for workspace, source in pairs
        ]
        return self.any_of(ways)

    def universe(self) -> Sql:
        """The profiles that can be members: one column, mpid."""
        exp, seen = self._exp, self.column("time_ms")
        query = self.select("activity", self.column("workspace").isin(*self.workspaces), seen <= self.now).select(
            "mpid"
        )
        kept = self.select("settings").select("profile_retention_ms").subquery()
        oldest = self.call("COALESCE", self.now - kept, exp.Max(this=seen))
        return query.group_by("mpid").having(exp.Max(this=seen) >= oldest)
