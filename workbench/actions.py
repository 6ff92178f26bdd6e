"""What can be done with the chosen audiences of the list."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from core import CoreError, Dataset
from core.registry import AudienceSummary
from workbench import dialogs, session


def draw(data: Dataset, chosen: list[AudienceSummary]) -> None:
    """A band of buttons: those that the person may press for these audiences."""
    one = chosen[0] if len(chosen) == 1 else None
    editor = session.me().may("audiences")
    mine = editor and all(each.own for each in chosen)
    with st.container(horizontal=True, key="selected", vertical_alignment="center"):
        st.markdown(f"**{len(chosen)} selected**", width="content")
        if one and st.button("Open", icon=":material/open_in_new:", key="do-open"):
            dialogs.open_audience(one.id)
        if one and editor and st.button("Clone", icon=":material/content_copy:", key="do-clone"):
            dialogs.open_audience(session.registry().audiences.clone(one.id, by=session.me(), at=session.clock()).id)
        if st.button("Download", icon=":material/download:", key="do-download"):
            dialogs.download(data, chosen)
        if not mine:
            return
        if one and st.button("Share", icon=":material/share:", key="do-share"):
            dialogs.share(one)
        if st.button("Tag", icon=":material/sell:", key="do-tag"):
            dialogs.tag(chosen)
        switch(data, chosen)
        st.space("stretch")
        if st.button(":red[Delete]", icon=":material/delete:", key="do-delete"):
            dialogs.delete(chosen)


def switch(data: Dataset, chosen: list[AudienceSummary]) -> None:
    """Put in force what is not, pause, calculate now, or stop what is being calculated."""
    registry, me = session.registry(), session.me()
    rest = [each for each in chosen if each.status in ("draft", "paused")]
    live = [each for each in chosen if each not in rest]
    busy = [each for each in live if each.status == "calculating"]
    if rest and st.button("Activate", icon=":material/play_arrow:", key="do-activate"):
        _of_each(
            rest,
            lambda each: registry.audiences.activate(
                each.id, by=me, at=session.clock(), seen=each.version, dataset=data
            ),
        )
    if live and st.button("Pause", icon=":material/pause:", key="do-pause"):
        _of_each(live, lambda each: registry.audiences.pause(each.id, by=me, at=session.clock()))
    if live and not busy and st.button("Calculate", icon=":material/refresh:", key="do-calculate"):
        _of_each(live, lambda each: registry.calculations.request(each.id, by=me, at=session.clock()))
    if busy and st.button("Stop calculating", icon=":material/stop:", key="do-stop"):
        _of_each(busy, lambda each: registry.calculations.cancel(each.id, by=me, at=session.clock()))


def _of_each(chosen: list[AudienceSummary], change: Callable[[AudienceSummary], object]) -> None:
    """Do a change to each; those that refuse it are said, the others are done."""
    refused = []
    for each in chosen:
        try:
            change(each)
        except CoreError as error:
            refused.append((each.name, error))
    for name, reason in refused:
        st.toast(f"**{name}:** {reason}", icon=":material/error:", duration="long")
    if not refused:
        st.rerun()
