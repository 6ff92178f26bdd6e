"""People and their roles, and the accounts with which audiences can be shared."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import streamlit as st

from core import CoreError
from core.registry import ROLES, Person, Role
from workbench import parts, session

ROLE_WORDS: Final[dict[Role, str]] = {"viewer": "Viewer", "audiences": "Audiences", "admin": "Admin"}
ROLE_HELP: Final = (
    "Viewer: looks. Audiences: also makes and edits audiences, and sees identities. "
    "Admin: also loads data, and changes settings and people."
)


def draw() -> None:
    """Everybody of the account, and who is new; then the accounts."""
    registry, me = session.registry(), session.me()
    for person in registry.people.list(me):
        _person(person, me)
    if not me.may("admin"):
        return
    with st.form("new-person", border=False, clear_on_submit=True), _line():
        name = st.text_input("Name", key="person-name")
        email = st.text_input("E-mail", key="person-email")
        role = st.selectbox("Role", ROLES, key="person-role", format_func=ROLE_WORDS.__getitem__, help=ROLE_HELP)
        if st.form_submit_button("Add person", icon=":material/person_add:"):
            _do(lambda: registry.people.add(name, email=email, role=role, by=me, at=session.clock()))
    st.subheader("Accounts", anchor=False)
    names = ", ".join(parts.plain(each.name) for each in registry.people.accounts())
    st.caption(f"Audiences are shared between accounts. There are: {names}")
    with st.form("new-account", border=False, clear_on_submit=True), _line():
        account = st.text_input("Name of a new account", key="account-name")
        if st.form_submit_button("Add account", icon=":material/add:"):
            _do(lambda: registry.people.add_account(account, by=me, at=session.clock()))


def _person(person: Person, me: Person) -> None:
    registry = session.registry()
    with st.container(horizontal=True, vertical_alignment="center", key=f"person-{person.id}"):
        st.markdown(f"**{parts.plain(person.name)}**{' :gray[(you)]' if person.id == me.id else ''}", width=220)
        st.caption(parts.plain(person.email or "no e-mail"), width=240)
        role = st.segmented_control(
            f"Role of {person.name}", ROLES, default=person.role, required=True, key=f"role-{person.id}-{person.role}",
            format_func=ROLE_WORDS.__getitem__, disabled=not me.may("admin"), label_visibility="collapsed",
        )  # fmt: skip
        here = st.toggle(
            f"{person.name} works here", value=person.active, key=f"active-{person.id}-{person.active}",
            disabled=not me.may("admin"),
        )  # fmt: skip
    if role is not None and (role, here) != (person.role, person.active):
        _do(lambda: registry.people.change(person.id, role=role, active=here, by=me, at=session.clock()))


def _line() -> Any:
    return st.container(horizontal=True, vertical_alignment="bottom")


def _do(change: Callable[[], object]) -> None:
    """Do a change and draw anew; an error in words."""
    try:
        change()
    except CoreError as error:
        parts.failed(error)
    else:
        st.rerun()
