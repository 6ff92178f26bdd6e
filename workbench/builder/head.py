"""The head of an audience: its name and state, undo and redo, saving, and the menu."""

from __future__ import annotations

import streamlit as st

from core import Dataset
from core.registry import SavedAudience
from workbench import session
from workbench.builder import saving, sharing
from workbench.builder.draft import Draft

CHIPS = {
    "draft": ("Draft", "gray", ":material/edit_note:"),
    "active": ("Active", "green", ":material/check_circle:"),
    "calculating": ("Calculating", "blue", ":material/hourglass_top:"),
    "paused": ("Paused", "gray", ":material/pause_circle:"),
    "error": ("Error", "red", ":material/error:"),
}


def head(data: Dataset, held: Draft) -> None:
    """One line: breadcrumb, chips, actions. What somebody else saved meanwhile is told below it."""
    saved = None
    if held.audience_id is not None:
        saved = session.registry().audiences.get(held.audience_id, session.me())
    with st.container(horizontal=True, key="page-head", vertical_alignment="center", gap="small"):
        name = str(held.document["name"]).replace("[", "\\[").replace("$", "\\$")
        st.title(f":gray[Audiences /] {name}", anchor=False, width="content")
        _chips(held, saved)
        st.space("stretch")
        with st.container(
            horizontal=True, key="page-actions", width="content", vertical_alignment="center", gap="small"
        ):
            _steps(held)
            sharing.menu(held)
            _save(data, held, saved)
    if saved is not None and saved.version != held.version:
        _overtaken(held, saved)


def _chips(held: Draft, saved: SavedAudience | None) -> None:
    if saved is None:
        st.badge("From a link, not saved", color="gray", icon=":material/link:")
        return
    word, colour, icon = CHIPS[saved.status]
    version = saved.active_version if saved.active_version is not None else saved.version
    st.badge(f"{word} · v{version}", color=colour, icon=icon, help=saved.error)  # type: ignore[arg-type]
    if saved.active_version is not None and saved.version != saved.active_version:
        st.badge(f"v{saved.version} saved as draft", color="gray")
    if held.edited:
        st.badge("Edited, not saved", color="gray")


def _steps(held: Draft) -> None:
    for label, back, off in (("Undo", True, not held.done), ("Redo", False, not held.undone)):
        st.button(
            label, icon=f":material/{label.lower()}:", key=label.lower(), type="tertiary", disabled=off, help=label,
            on_click=held.step, args=(back,),
        )  # fmt: skip


def _save(data: Dataset, held: Draft, saved: SavedAudience | None) -> None:
    whole = held.answer(data).whole
    blocked = None if whole else "Complete or remove what is marked first."
    if st.button("Save as Draft", disabled=not held.edited or not whole, help=blocked, key="save"):
        saving.ask(data, held, saved, False)
    live = saved is not None and saved.status in ("active", "calculating", "error")
    current = saved is not None and live and not held.edited and saved.active_version == saved.version
    label = "Activate changes" if live else "Activate"
    if st.button(label, type="primary", disabled=current or not whole, help=blocked, key="activate"):
        saving.ask(data, held, saved, True)


def _overtaken(held: Draft, saved: SavedAudience) -> None:
    """Two people edit one audience: both know, nothing of either is lost."""
    with st.container(key="overtaken"):
        st.warning(
            f"**{saved.saved_by} saved version {saved.version} at {saved.saved_at:%-d %b %H:%M} UTC, "
            f"after you began.** Your edits began with version {held.version} and are kept. "
            "The History tab shows what changed."
        )
        with st.container(horizontal=True):
            st.button("Keep mine, on top of it", on_click=lambda: _on_top(held, saved), key="overtaken-mine")
            st.button("Open theirs, drop mine", on_click=lambda: saving.reopen(held), key="overtaken-theirs")


def _on_top(held: Draft, saved: SavedAudience) -> None:
    held.accept(saved)
    session.say(f"Saving now makes a version on top of version {saved.version}.")
