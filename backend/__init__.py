"""Phi Desk's backend: services over one `Target` interface. Nothing in here knows Streamlit."""
