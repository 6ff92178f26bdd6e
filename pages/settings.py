"""Settings: workspaces and inputs, how long profiles are kept, the schedule, people and roles, the audit log."""

from __future__ import annotations

import os
import platform
import resource
import sys
from importlib.metadata import version

import streamlit as st

from core import CoreError
from workbench import audit, home, inputs, parts, people, session


def retention() -> None:
    """After how long without activity a profile leaves the universe."""
    data = session.dataset()
    days = None if data is None else data.profile_retention_days
    st.caption("A profile that was not seen for longer cannot be a member of any audience. Nothing is deleted.")
    limited = st.toggle("Leave out inactive profiles", value=days is not None, key="retention-on")
    chosen = None
    if limited:
        chosen = float(st.number_input("Days without activity", 1, 3650, int(days or 365), key="retention", width=240))
    if st.button("Save", type="primary", key="retention-save", disabled=chosen == days):
        session.registry().data.set_retention(session.dataset_or_new(), chosen, by=session.me(), at=session.clock())
        st.rerun()


def schedule() -> None:
    """When active audiences are calculated without new data."""
    settings, now = session.registry().settings, session.clock()
    cron = settings.schedule()
    upcoming = settings.next_run(now)
    st.caption(
        "Windows such as “in the last 7 days” move with time, so active audiences are calculated on a schedule, and "
        "whenever data was loaded. Five fields of cron in UTC: minute, hour, day, month, weekday."
    )
    text = st.text_input("Schedule (empty: never)", cron or "", key="schedule", placeholder="0 * * * *")
    if upcoming is not None:
        st.caption(f"Next on {parts.moment(upcoming)} UTC")
    if not settings.worker_is_there(now):
        st.warning("**No worker is there.** Loads and calculations wait until `workbench run` or `serve-jobs` runs.")
    if st.button("Save", type="primary", key="schedule-save", disabled=(text.strip() or None) == cron):
        settings.set_schedule(text.strip() or None, by=session.me(), at=now)
        st.rerun()


def memory_bytes() -> int:
    """How much memory this process has taken at most."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def about() -> None:
    """Where everything is kept, and what runs here."""
    database = os.environ.get("WORKBENCH_DATABASE_URL", "").partition("@")[2]
    rows = {
        "Version": version("audience-workbench"),
        "Home": str(home.folder().absolute()),
        "Registry": f"PostgreSQL or other, {database}" if database else "SQLite in the home",
        "Data on disk": parts.bytes_words(home.bytes_of(home.dataset_path())),
        "Members and uploads on disk": parts.bytes_words(
            home.bytes_of(home.folder() / "memberships") + home.bytes_of(home.folder() / "uploads")
        ),
        "Memory of the app, at most": parts.bytes_words(memory_bytes()),
        "Python": platform.python_version(),
    }
    data = session.dataset()
    if data is not None:
        use = data.memory_use
        held, bound = parts.bytes_words(use.held), parts.bytes_words(use.bound)
        rows["Columns and answers in memory"] = f"{held} of at most {bound}"
        if use.tight:
            st.warning(
                f"**The memory for columns and answers is too small for this data.** {parts.bytes_words(use.again)} "
                "had to be read again. Set WORKBENCH_MEMORY to more, where the machine has it."
            )
    st.html(parts.facts([(name, value, "") for name, value in rows.items()]))


TABS = {
    "Workspaces and inputs": lambda: inputs.draw(session.dataset()),
    "Retention": retention,
    "Schedule": schedule,
    "People": people.draw,
    "Audit log": audit.draw,
    "About": about,
}

with parts.head("Settings"):
    pass
me = session.me()
if not me.may("admin"):
    st.info(f"You have the role {people.ROLE_WORDS[me.role]}. Only an Admin changes settings.")
for tab, draw in zip(st.tabs(list(TABS), key="settings-tab", on_change="rerun"), TABS.values(), strict=True):
    if tab.open:
        with tab:
            try:
                draw()
            except CoreError as error:
                parts.failed(error)
