"""The app's entry: navigation over the pages, and the one place where an error of the core becomes words."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

import core.registry  # noqa: F401  before any page: two that import its parts first, at once, find it half made
from core import CoreError
from workbench import parts

HERE = Path(__file__).parent
PAGES = HERE.parent / "pages"

st.set_page_config(page_title="Audience Workbench", page_icon="🎯", layout="wide")
st.html(HERE / "workbench.css")
with st.container(key="keyboard"):
    st.html(f"<script>{(HERE / 'keyboard.js').read_text()}</script>", unsafe_allow_javascript=True)
st.logo(str(HERE / "logo.svg"), size="large")

page = st.navigation(
    [
        st.Page(PAGES / "audiences.py", title="Audiences", default=True),
        st.Page(PAGES / "build.py", title="Build", url_path="build", visibility="hidden"),
        st.Page(PAGES / "profile.py", title="Profiles", url_path="profile"),
        st.Page(PAGES / "data.py", title="Data", url_path="data"),
        st.Page(PAGES / "catalog.py", title="Catalog", url_path="catalog"),
        st.Page(PAGES / "calculated_attributes.py", title="Calculated attributes", url_path="calculated-attributes"),
        st.Page(PAGES / "settings.py", title="Settings", url_path="settings"),
    ],
    position="top",
)
try:
    page.run()
except CoreError as error:
    parts.failed(error)
parts.foot()
