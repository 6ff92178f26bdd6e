"""The chosen entry of the catalog: its volume, its attributes or values, who uses it, and its tier."""

from __future__ import annotations

import streamlit as st

from core import CoreError, Dataset
from core.charts import volume_chart
from core.criteria.template import plain_words as words
from core.data.schema import OTHER
from core.entries import Entry
from core.profile import masked
from core.registry.data import TIERS, Tier
from core.uses import User
from workbench import parts, session, tables


def details(data: Dataset, entry: Entry, everything: list[Entry], users: list[User]) -> None:
    """The chosen entry: its volume, its attributes or values, who uses it, and its tier."""
    with st.container(key="panel-entry"):
        with st.container(horizontal=True, vertical_alignment="center"):
            st.subheader(tables.full_name(entry), anchor=False, width="content")
            st.caption(f"{words(entry.kind).capitalize()} in {entry.workspace}", width="content")
        left, middle, right = st.columns([4, 4, 3], gap="medium")
        with left:
            st.markdown("**Records a day**")
            drawn = volume_chart(entry.days, session.moment(data).date(), parts.scheme())
            parts.chart(drawn, "volume", "Records a day")
        with middle:
            if entry.tier is not None:
                attributes(entry, everything)
            elif entry.kind == OTHER:
                st.markdown("**What it does**")
                st.caption("No criterion reads events of this type. Who had one counts as seen.")
            else:
                values(data, entry)
        with right:
            used_by(users)
            if entry.tier is not None:
                tier(data, entry)


def attributes(entry: Entry, everything: list[Entry]) -> None:
    """The attributes that an event carries, and those of its products."""
    st.markdown("**Attributes**")
    place = (entry.workspace, (entry.kind, entry.name))
    rows = [
        {"Attribute": each.name, "Of": words(each.kind).split()[0], "Type": each.data_type or "", "Filled": each.filled}
        for each in everything
        if (each.workspace, each.event) == place
    ]
    if rows:
        st.dataframe(rows, hide_index=True, height=196, key="attributes", column_config=tables.CATALOG)
    else:
        st.caption("It carries no attribute of its own.")


def values(data: Dataset, entry: Entry) -> None:
    """The values of an attribute with how many have them."""
    st.markdown("**Most frequent values**")
    found = session.entry_values(data, entry)
    if not found:
        st.caption("It never had a value.")
        return
    hidden = entry.kind == "identity" and not session.sees_identities()
    rows = [{"Value": masked(value) if hidden else value, "Count": count} for value, count in found]
    st.dataframe(rows, hide_index=True, height=196, key="values", column_config={"Count": tables.NUMBER})


def used_by(users: list[User]) -> None:
    """Who uses it."""
    st.markdown("**Used by**")
    if not users:
        st.caption("No audience and no calculated attribute.")
    for user in users[:8]:
        st.caption(f"{user.owner}{f', read as {user.forced}' if user.forced else ''}")
    if len(users) > 8:
        st.caption(f"and {len(users) - 8} more")


def tier(data: Dataset, entry: Entry) -> None:
    """The tier of an event, to change."""
    kinds: dict[str, Tier] = {each: each for each in TIERS}
    key = f"tier-{entry.workspace}-{entry.kind}-{entry.name}"
    chosen = st.segmented_control(
        "Tier", list(kinds), default=entry.tier, required=True, key=key,
        format_func=str.capitalize, disabled=not session.me().may("admin"),
        help="Outside of Personalize no audience can use it; it still reaches profiles.",
    )  # fmt: skip
    if chosen == entry.tier:
        return
    try:
        session.registry().data.set_tier(
            data, workspace=entry.workspace, kind=entry.kind, name=entry.name, tier=kinds[str(chosen)], by=session.me(),
            at=session.clock(),
        )  # fmt: skip
    except CoreError as error:
        parts.failed(error)
    else:
        st.rerun()
