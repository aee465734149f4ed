"""Train: the list of runs, a new run (?new=1), one run (?job=). The parts are in ui/."""

from __future__ import annotations

import streamlit as st

from backend.i18n import _
from streamlit_app import session
from streamlit_app.ui import connection, errors
from streamlit_app.ui.link_rows import back_link
from streamlit_app.ui.new_run import show_new_run
from streamlit_app.ui.run_list import show_runs
from streamlit_app.ui.run_page import show_run

desk = session.services()
connection.required(_("Train"))
job_id = st.query_params.get(session.JOB_PARAMETER)

if job_id:
    back_link(_("All runs"))
    with errors.shown():
        show_run(desk, desk.training.get(job_id))
elif st.query_params.get("new"):
    back_link(_("All runs"))
    show_new_run(desk)
else:
    show_runs(desk)
