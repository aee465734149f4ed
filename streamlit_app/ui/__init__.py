"""Parts that pages share. Each knows Streamlit and the values of `backend.domain`; none knows a vendor."""
