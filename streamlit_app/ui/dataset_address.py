"""What a link to a dataset's page says beside the dataset: section, part, example, finding. Kept in the URL."""

from __future__ import annotations

import streamlit as st

VIEW, PART, EXAMPLE, FINDING = "view", "part", "example", "finding"
PARTS = ("train", "eval")


def chosen(name: str, allowed: tuple[str, ...]) -> str:
    """The first one where the link says nothing, or what does not exist."""
    wanted = st.query_params.get(name, "")
    return wanted if wanted in allowed else allowed[0]


def part() -> str:
    return chosen(PART, PARTS)


def example(rows: int) -> int | None:
    """The number, from 0, of the example that is looked at; None where the link names none of the `rows`."""
    wanted = st.query_params.get(EXAMPLE, "")
    number = int(wanted) - 1 if wanted.isascii() and wanted.isdigit() and len(wanted) < 12 else -1
    return number if 0 <= number < rows else None


def go(**names: str | int | None) -> None:
    """Change these of the address; None leaves one out. For callbacks."""
    for name, value in names.items():
        if value is None:
            st.query_params.pop(name, None)
        else:
            st.query_params[name] = str(value)
