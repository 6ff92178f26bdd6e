"""The app's entry: navigation over the pages, and the one place where an error of the core becomes words."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from core import CoreError

HERE = Path(__file__).parent
PAGES = HERE.parent / "pages"

st.set_page_config(page_title="Audience Workbench", page_icon="🎯", layout="wide")
st.html(HERE / "workbench.css")
st.logo(str(HERE / "logo.svg"), size="large")

page = st.navigation(
    [
        st.Page(PAGES / "audiences.py", title="Audiences", default=True),
        st.Page(PAGES / "build.py", title="Build", url_path="build"),
    ],
    position="top",
)
try:
    page.run()
except CoreError as error:
    st.error(f"**{error.message}** {error.hint}")
st.caption("Times are UTC.")
