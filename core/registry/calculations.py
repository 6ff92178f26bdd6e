"""Calculations of audiences as background jobs: asked for, claimed, finished; members, adds and drops over time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Final, cast

from sqlalchemy import update
from sqlmodel import Session, col, or_, select

from core.audience import Audience
from core.errors import LeaseLost, NotFound
from core.estimate import Estimate
from core.registry import listing, nesting
from core.registry.access import acting, locked, owned, visible
from core.registry.audit import record
from core.registry.database import Database
from core.registry.jobs import ATTEMPTS, Jobs, common
from core.registry.memberships import MembershipFiles, Mpids, compared, holds
from core.registry.people import names
from core.registry.rows import AudienceRow, CalculationRow
from core.registry.values import Calculation, Cause, Person

SPARKLINE: Final = 30
"""How many days the sparkline of an audience holds."""

KEPT_MEMBERSHIPS: Final = 2
"""Of how many calculations the members stay on disk: that in force, and the one that it is compared with."""

WORKER: Final = "worker"
"""Who asks for what nobody asked for: recalculation on new data and on schedule."""


@dataclass(frozen=True, slots=True)
class Assignment:
    """A calculation that a worker has claimed, with what it needs to do it."""

    id: int
    audience_id: str
    version: int
    definition: Audience
    named: dict[str, Audience]
    now: datetime | None


class Calculations:
    """Calculations of audiences. Two of one audience never run at once, and at most one more waits."""

    def __init__(self, database: Database, files: MembershipFiles) -> None:
        self._database, self.files = database, files
        self.jobs = Jobs(database, CalculationRow)

    # -- what people ask -------------------------------------------------------------------------------------------

    def request(self, audience_id: str, *, by: Person, at: datetime, now: datetime | None = None) -> Calculation:
        """Ask for a calculation, as of `now` where given. One that waits already is taken, with the newer `now`."""
        with self._database.writing() as session:
            person = acting(session, by, "audiences")
            row = owned(session, person, audience_id)
            asked = self.add(session, row, "demand", person.id, at, now)
            record(session, person, at, "calculation requested", "audience", row.id, row.name)
            return _value(asked, names(session))

    def request_outdated(self, at: datetime, cause: Cause, *, dataset_version: int, now: datetime | None = None) -> int:
        """Ask for all active audiences, of every account, whose answer can have changed since their last calculation:
        on another version of the dataset, of the definition, or (where given) as of another `now`. How many."""
        last = col(AudienceRow.last_calculation)
        changed = [
            last.is_(None),
            col(CalculationRow.dataset_version) != dataset_version,
            col(CalculationRow.version) != col(AudienceRow.active_version),
        ]
        if now is not None:
            changed.append(col(CalculationRow.now) != now)
        with self._database.writing() as session:
            asked = (
                select(AudienceRow)
                .join(CalculationRow, col(CalculationRow.id) == last, isouter=True)
                .where(col(AudienceRow.state) == "active", or_(*changed))
            )
            found = locked(session, *(row.id for row in session.exec(asked))).values()
            rows = [row for row in found if row.state == "active"]  # not paused just now
            for row in rows:
                self.add(session, row, cause, WORKER, at)
            return len(rows)

    def cancel(self, audience_id: str, *, by: Person, at: datetime) -> None:
        """Cancel what waits or runs for an audience; the last complete membership stays in force."""
        with self._database.writing() as session:
            person = acting(session, by, "audiences")
            row = owned(session, person, audience_id)
            self.stop(session, row.id, at)
            record(session, person, at, "calculation cancelled", "audience", row.id, row.name)

    def get(self, calculation_id: int, by: Person) -> Calculation:
        """Where a calculation stands. NotFound."""
        with self._database.reading() as session:
            row = self.jobs.row(session, calculation_id)
            visible(session, acting(session, by), row.audience_id)
            return _value(row, names(session))

    def history(self, audience_id: str, by: Person, *, since: datetime | None = None) -> tuple[Calculation, ...]:
        """The calculations of an audience that are done, oldest first: size, adds and drops over time."""
        return tuple(each for each in self.list(audience_id, by, since=since) if each.state == "done")[::-1]

    def list(
        self, audience_id: str, by: Person, *, since: datetime | None = None, limit: int | None = None
    ) -> tuple[Calculation, ...]:
        """Every calculation of an audience that was asked for (since then), newest first."""
        with self._database.reading() as session:
            visible(session, acting(session, by), audience_id)
            asked = select(CalculationRow).where(col(CalculationRow.audience_id) == audience_id)
            if since is not None:
                asked = asked.where(col(CalculationRow.requested_at) >= since)
            known = names(session)
            rows = session.exec(asked.order_by(col(CalculationRow.id).desc()).limit(limit))
            return tuple(_value(row, known) for row in rows)

    def members(self, audience_id: str, by: Person) -> Mpids:
        """The membership in force, ascending. NotFound before the first calculation is done."""
        with self._database.reading() as session:
            row, _ = visible(session, acting(session, by), audience_id)
            last = session.get(CalculationRow, row.last_calculation) if row.last_calculation else None
        found = None if last is None or last.membership is None else self.files.read(last.membership)
        if found is None:
            raise NotFound(f"{row.name!r} has not been calculated yet.", "Activate or calculate it first.")
        return found

    def containing(self, mpid: int, by: Person) -> dict[str, str]:
        """The audiences, their names by id, in whose membership in force a profile is."""
        with self._database.reading() as session:
            rows = listing.visible_rows(session, acting(session, by))
            last = {row.last_calculation: row for row in rows if row.last_calculation is not None}
            asked = select(CalculationRow.id, CalculationRow.membership).where(col(CalculationRow.id).in_(list(last)))
            files = [(last[each], name) for each, name in session.exec(asked) if each is not None and name is not None]
        read = ((row, self.files.read(name)) for row, name in files)
        found = [row for row, members in read if members is not None and holds(members, mpid)]
        return {row.id: row.name for row in sorted(found, key=lambda row: row.name)}

    # -- the worker's side -----------------------------------------------------------------------------------------

    def claim(self, worker: str, at: datetime, *, limit: int = 100, only: int | None = None) -> tuple[Assignment, ...]:
        """Take calculations that wait, oldest first, of audiences of which none runs. `only` that one."""
        with self._database.writing() as session:
            running = select(CalculationRow.audience_id).where(col(CalculationRow.state) == "running")
            waiting = select(CalculationRow).where(
                col(CalculationRow.state) == "queued", col(CalculationRow.audience_id).not_in(running)
            )
            if only is not None:
                waiting = waiting.where(col(CalculationRow.id) == only)
            rows = session.exec(waiting.order_by(col(CalculationRow.id)).limit(limit)).all()
            return tuple(self._assignment(session, row) for row in rows if self.jobs.claim(session, row, worker, at))

    def finish(
        self,
        assignment: Assignment,
        worker: str,
        at: datetime,
        *,
        now: datetime,
        dataset_version: int,
        members: Mpids,
        universe: int,
    ) -> Calculation:
        """Keep the result: members on disk first, then the row, which is the commit. LeaseLost: nothing is kept."""
        name = self.files.write(assignment.id, members)
        try:
            with self._database.writing() as session:
                audience = locked(session, assignment.audience_id).get(assignment.audience_id)
                row = self.jobs.held(session, assignment.id, worker)
                assert audience is not None
                cancelled = row.cancel
                row.now, row.version, row.dataset_version = now, assignment.version, dataset_version
                if cancelled:
                    self.jobs.end(row, "cancelled", at)
                    old: Sequence[str] = [name]
                else:
                    row.size, row.universe, row.membership = len(members), universe, name
                    self.jobs.end(row, "done", at)
                    old = self._put_in_force(session, audience, row, members, at)
                done = _value(row, names(session))
        except LeaseLost:
            self.files.remove([name])
            raise
        self.files.remove(old)
        if cancelled:
            raise LeaseLost(f"The calculation of {assignment.audience_id!r} was cancelled.")
        return done

    def fail(self, assignment: Assignment, worker: str, at: datetime, reason: str) -> None:
        """Close a calculation that cannot be done; the last membership stays and the audience shows the reason."""
        with self._database.writing() as session:
            audience = locked(session, assignment.audience_id).get(assignment.audience_id)
            row = self.jobs.held(session, assignment.id, worker)
            assert audience is not None
            row.version = assignment.version
            if row.cancel:
                self.jobs.end(row, "cancelled", at)
            else:
                self.jobs.end(row, "failed", at, reason)
                audience.error = reason

    def give_back(self, assignment: Assignment, worker: str, at: datetime) -> None:
        """Stop a calculation: cancelled if somebody wants that, else it waits again unless another does already."""
        with self._database.writing() as session:
            locked(session, assignment.audience_id)
            row = self.jobs.held(session, assignment.id, worker)
            self.jobs.give_back(row, at, again=self._waiting(session, row.audience_id) is None)

    def recover(self, at: datetime) -> int:
        """Mark calculations whose worker died as interrupted and ask for them again, twice; how many there were."""
        with self._database.writing() as session:
            late = self.jobs.expired(session, at)
            audiences = locked(session, *(row.audience_id for row in late))
            found = [row for row in late if self.jobs.interrupt(session, row, at)]
            for row in found:
                audience = audiences[row.audience_id]
                if row.attempts >= ATTEMPTS:
                    audience.error = f"Its calculation has ended the worker {row.attempts} times; see what that said."
                elif not row.cancel:
                    again = self.add(session, audience, cast(Cause, row.cause), row.requested_by, at, row.now)
                    again.attempts = max(again.attempts, row.attempts)
            return len(found)

    def stay(self, before: int, after: int) -> None:
        """What was calculated on one version of the dataset holds on another: it was only compacted."""
        last = select(AudienceRow.last_calculation).where(col(AudienceRow.last_calculation).is_not(None))
        with self._database.writing() as session:
            session.exec(
                update(CalculationRow)
                .where(col(CalculationRow.dataset_version) == before, col(CalculationRow.id).in_(last))
                .values(dataset_version=after)
                .execution_options(synchronize_session=False)
            )

    def unestimated(self, dataset_version: int) -> Sequence[Assignment]:
        """Audiences without any calculation whose newest version was not estimated on this version of the dataset."""
        with self._database.reading() as session:
            rows = session.exec(select(AudienceRow).where(col(AudienceRow.last_calculation).is_(None))).all()
            wanted = [row for row in rows if _estimated(row) != (row.version, dataset_version)]
            return [self._newest(session, row) for row in wanted]

    def keep_estimate(self, assignment: Assignment, estimate: Estimate, dataset_version: int) -> None:
        """Keep an estimate until the audience is calculated or saved anew."""
        kept = {**asdict(estimate), "version": assignment.version, "dataset_version": dataset_version}
        with self._database.writing() as session:
            row = locked(session, assignment.audience_id).get(assignment.audience_id)
            if row is not None and row.last_calculation is None and row.version == assignment.version:
                row.estimate = kept

    def sweep(self) -> None:
        """Remove memberships that no calculation speaks of."""
        with self._database.reading() as session:
            speaks = col(CalculationRow.membership).is_not(None) | (col(CalculationRow.state) == "running")
            kept = session.exec(select(CalculationRow.id).where(speaks)).all()
        self.files.sweep(frozenset(filter(None, kept)))

    # -- within a transaction --------------------------------------------------------------------------------------

    def add(
        self, session: Session, row: AudienceRow, cause: Cause, who: str, at: datetime, now: datetime | None = None
    ) -> CalculationRow:
        """A calculation that waits, of an audience that is locked: the one that is there, else a new one."""
        waiting = self._waiting(session, row.id)
        if waiting is None:
            waiting = CalculationRow(
                audience_id=row.id, state="queued", cause=cause, requested_at=at, requested_by=who, now=now
            )
        elif now is not None:
            waiting.now, waiting.cause, waiting.requested_by = now, cause, who
        session.add(waiting)
        session.flush()
        return waiting

    def _waiting(self, session: Session, audience_id: str) -> CalculationRow | None:
        asked = select(CalculationRow).where(
            col(CalculationRow.audience_id) == audience_id, col(CalculationRow.state) == "queued"
        )
        return session.exec(asked.with_for_update()).first()

    def stop(self, session: Session, audience_id: str, at: datetime) -> None:
        """Cancel what is open for an audience."""
        asked = select(CalculationRow).where(
            col(CalculationRow.audience_id) == audience_id, col(CalculationRow.state).in_(("queued", "running"))
        )
        for row in session.exec(asked).all():
            self.jobs.cancel(session, row, at)

    def _assignment(self, session: Session, row: CalculationRow) -> Assignment:
        audience = session.get(AudienceRow, row.audience_id)
        assert audience is not None and row.id is not None
        definition = nesting.in_force(session, audience)
        version = audience.active_version or audience.version
        return Assignment(row.id, audience.id, version, definition, nesting.named_by(session, definition), row.now)

    def _newest(self, session: Session, row: AudienceRow) -> Assignment:
        definition = nesting.document(session, row.id, row.version)
        return Assignment(0, row.id, row.version, definition, nesting.named_by(session, definition), None)

    def _put_in_force(
        self, session: Session, audience: AudienceRow, row: CalculationRow, members: Mpids, at: datetime
    ) -> Sequence[str]:
        """Compare with the calculation before, take its place; the memberships that nobody needs any more."""
        before = session.get(CalculationRow, audience.last_calculation) if audience.last_calculation else None
        earlier = None if before is None or before.membership is None else self.files.read(before.membership)
        # The members of the first calculation are size, not adds.
        row.adds, row.drops = (0, 0) if earlier is None else compared(earlier, members)
        audience.last_calculation, audience.error, audience.estimate = row.id, None, None
        audience.sparkline = _sparkline(audience.sparkline, at, len(members))
        session.flush()
        kept = select(CalculationRow).where(
            col(CalculationRow.audience_id) == row.audience_id, col(CalculationRow.membership).is_not(None)
        )
        old = session.exec(kept.order_by(col(CalculationRow.id).desc()).offset(KEPT_MEMBERSHIPS)).all()
        names_of_old = [each.membership or "" for each in old]
        for each in old:
            each.membership = None
        return names_of_old


def _estimated(row: AudienceRow) -> tuple[int, int] | None:
    return None if row.estimate is None else (row.estimate["version"], row.estimate["dataset_version"])


def _sparkline(kept: list[list[object]], at: datetime, size: int) -> list[list[object]]:
    """The sizes at the end of the last days; a day's newest takes the place of its earlier one."""
    day = at.date().isoformat()
    return sorted([*(each for each in kept if each[0] != day), [day, size]], key=lambda each: str(each[0]))[-SPARKLINE:]


def _value(row: CalculationRow, known: dict[str, str]) -> Calculation:
    return Calculation(
        **common(row, known),
        audience_id=row.audience_id,
        cause=cast(Cause, row.cause),
        now=row.now,
        version=row.version,
        dataset_version=row.dataset_version,
        size=row.size,
        adds=row.adds,
        drops=row.drops,
        universe=row.universe,
    )
