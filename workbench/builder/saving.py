"""Before saving: what it changes, for this audience and for those that name it. Asked once, then done."""

from __future__ import annotations

import streamlit as st

from core import Audience, CoreError, Dataset
from core.registry import SavedAudience
from workbench import panel, session
from workbench.builder import sharing
from workbench.builder.draft import Draft, discarded


@st.dialog("What saving changes")
def ask(data: Dataset, held: Draft, saved: SavedAudience | None, activate: bool) -> None:
    """Members who enter and leave, by criterion; the audiences affected; then save, or go back."""
    _effect(data, held)
    if saved is not None:
        naming = session.registry().audiences.naming(saved.id, session.me())
        if naming and activate:
            st.markdown(f"**Also changes** {', '.join(naming.values())}, defined by members of this audience.")
    if activate:
        st.caption("It is calculated in the background; the last complete membership stands until that is done.")
    elif saved is not None and saved.active_version is not None:
        st.caption(f"Version {saved.active_version} stays in force until you activate this one.")
    label = "Save and activate" if activate else "Save"
    if st.button(label, type="primary", key="saving-confirm"):
        _save(data, held, activate)


def _effect(data: Dataset, held: Draft) -> None:
    after = held.answer(data).evaluation
    before = held.saved_answer(data)
    if after is None:
        st.error("**This cannot be evaluated yet.** Complete or remove what is marked first.")
        return
    if before is None:
        st.markdown(f"A new audience of **{after.size:,}** members, as of {after.now:%-d %b %H:%M} UTC.")
        return
    st.caption(f"As of {after.now:%-d %b %H:%M} UTC.")
    panel.effect_block(before, after)


def _save(data: Dataset, held: Draft, activate: bool) -> None:
    registry, by, at = session.registry(), session.me(), session.clock()
    try:
        document = sharing.settled(held)
        audience = Audience.from_dict(document)
        if held.audience_id is None:
            held.accept(registry.audiences.create(audience, by=by, at=at))
        if activate:
            assert held.audience_id is not None
            kept = registry.audiences.activate(
                held.audience_id, by=by, at=at, seen=held.version, audience=audience, dataset=data
            )
        else:
            assert held.audience_id is not None
            kept = registry.audiences.save(held.audience_id, audience, by=by, at=at, seen=held.version)
    except CoreError as error:
        st.error(f"**Not saved.** {error}")
        return
    held.accept(kept)
    session.say(f"Version {kept.version} is {'in force; its members are being calculated' if activate else 'saved'}.")
    if st.query_params.get("audience") != kept.id:
        st.query_params.clear()
        st.query_params["audience"] = kept.id
    session.hold("draft", held)
    st.rerun()


def reopen(held: Draft) -> None:
    """The newest saved version in place of what was not saved."""
    assert held.audience_id is not None
    discarded(held.audience_id)
