"""What people left in their carts: `cart_abandonment`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Final, Literal

from core.criteria.base import Criterion
from core.criteria.dials import Dial, Gap, moment_gap
from core.criteria.event_checks import demoted_problem, product_warnings
from core.criteria.events import Event
from core.criteria.evidence import Condition, Evidence, moment_words
from core.criteria.measures import Measure, Moments
from core.criteria.predicates import WhereProduct
from core.criteria.qualifying import latest, newest
from core.criteria.windows import EVER, PastWindow, Wait
from core.data.values import Mask
from core.errors import Problem

if TYPE_CHECKING:
    from core.context import Context
    from core.criteria.doubts import Doubt
    from core.scope import Scope
    from core.sql import Sql, SqlScope


class CartAbandonment(Criterion):
    """People whose latest add to cart is older than `wait`, with no purchase at or after it."""

    READS_EVENTS = (("ecommerce", "add_to_cart"), ("ecommerce", "purchase"))
    GROUP = "Events"
    CARDS: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "Cart abandonment": {"type": "cart_abandonment", "wait": {"amount": 4, "unit": "days"}}
    }
    ADDS: ClassVar[Mapping[str, str]] = {"where_product": "Product condition"}
    TEMPLATE = (
        "added to a cart [{when}]\nwhere a product’s {where_product}\nat least {wait} ago and bought nothing since"
    )

    type: Literal["cart_abandonment"]
    wait: Wait
    where_product: tuple[WhereProduct, ...] = ()
    when: PastWindow | None = None

    def measure(self, scope: Scope) -> Moments:
        """The moment of the latest add to cart that no purchase followed."""
        added = newest(self._added, scope, self._added.reads(scope))
        since = self.when.bounds(scope.now_ms)[0] if self.when else -EVER  # what was bought before does not matter
        bought = newest(BOUGHT, scope, BOUGHT.reads(scope), (since, EVER))
        return Moments(added.moments, held=added.present() & (bought.moments < added.moments))

    @property
    def _added(self) -> Event:
        where = self.where_product
        return Event(type="event", kind="ecommerce", name="add_to_cart", where_product=where, when=self.when)

    def doubts(self, scope: Scope) -> Iterator[Doubt]:
        yield from self._added.doubts(scope)
        yield from BOUGHT.doubts(scope)

    def dials(self) -> Iterator[Dial]:
        yield from (dial.under("wait") for dial in self.wait.dials())
        if self.when is not None:
            yield from (dial.under("when") for dial in self.when.dials())

    def gap(self, scope: Scope, wanted: bool) -> Gap:
        """How long an abandoned cart still has to wait; a cart that was bought, or never filled, has no gap."""
        measure = scope.measure(self)
        assert isinstance(measure, Moments)
        return moment_gap(measure.moments_of(), (-EVER, scope.now_ms - self.wait.ms), wanted)

    def evidence(self, scope: Scope, profile: int) -> Evidence:
        """When something was last added, and what was bought since."""
        rows, conditions = self._added.funnel(scope, profile, self._added.reads(scope))
        added = latest(rows)
        if not added:
            return Evidence("nothing was added to a cart", None, (), tuple(conditions))
        added_ms = round(added[0].at.timestamp() * 1000)
        bought, _ = BOUGHT.funnel(scope, profile, BOUGHT.reads(scope), (added_ms, scope.now_ms))
        abandoned = Condition("nothing bought since", not bought)
        waited = Condition(f"at least {self.wait.words} ago", added_ms <= scope.now_ms - self.wait.ms)
        since = "nothing bought since"
        if bought:
            since = f"bought at {moment_words(round(latest(bought)[0].at.timestamp() * 1000))}"
        text = f"last added to a cart at {moment_words(added_ms)}, {since}; asked: {waited.text}, {abandoned.text}"
        return Evidence(text, added[0].at, added, (*conditions, waited, abandoned))

    @property
    def measured(self) -> str:
        return self.model_dump_json(by_alias=True, exclude_defaults=True, exclude={"wait"})

    def sql(self, to: SqlScope) -> Sql:
        left, bought = (
            to.latest_event(event.sql_rows(to, to.reads(None, user_based=False))) for event in (self._added, BOUGHT)
        )
        moment, later = to.column("timestamp_ms", "a"), to.column("timestamp_ms", "b")
        both = to.select(left.subquery("a")).join(bought.subquery("b"), on="a.mpid = b.mpid", join_type="left")
        waited = both.where(moment <= to.now - self.wait.ms, to.any_of([to.absent(later), later < moment]))
        return to.members(waited.select("a.mpid"))

    def match(self, measure: Measure, scope: Scope) -> Mask:
        assert isinstance(measure, Moments)
        return measure.present() & (measure.moments <= scope.now_ms - self.wait.ms)

    def problems(self, context: Context, path: str) -> Iterator[Problem]:
        for workspace in context.workspaces:
            for kind, name in self.READS_EVENTS:
                tier = context.tier(workspace, kind, name)
                if tier != "personalize":
                    yield demoted_problem(path, kind, name, workspace, tier)

    def warnings(self, context: Context, path: str) -> Iterator[Problem]:
        yield from product_warnings(self.where_product, context, path)


BOUGHT: Final = Event(type="event", kind="ecommerce", name="purchase")
