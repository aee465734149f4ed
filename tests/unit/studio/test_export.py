"""Exports: other tools read them, nothing is lost on the way, and no file of a person is replaced unasked."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

import polars
import pyarrow.parquet
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backend.domain import Message
from backend.errors import BadInput, Conflict, NotFound
from backend.studio.conversion import convert
from backend.studio.export import KINDS, export_part
from backend.studio.formats import recognise
from backend.studio.layouts import LAYOUTS
from backend.studio.row_index import line_of

SINGLE = (Message("user", "What is 2 + 2?"), Message("assistant", '4, "four".\nReally.'))
LONG = (
    Message("system", "Be kind."),
    Message("user", "Ça va ?"),
    Message("assistant", "Oui 🙂"),
    Message("user", "2024-01-01"),
    Message("assistant", "1.50"),
)
OTHER = (Message("user", "Name a bird."), Message("assistant", "The lark."))


def written(place: Path, *talks: tuple[Message, ...]) -> Path:
    path = place / "train.jsonl"
    path.write_bytes(b"".join(line_of(messages) for messages in talks))
    return path


def records(path: Path) -> list[dict[str, Any]]:
    if path.suffix == ".parquet":
        return pyarrow.parquet.read_table(path).to_pylist()
    return [json.loads(line) for line in path.read_bytes().splitlines()]


def test_json_lines_of_messages_are_the_saved_bytes(tmp_path: Path) -> None:
    part = written(tmp_path, SINGLE, LONG)
    done = export_part(part, tmp_path / "out.jsonl")
    assert done.path.read_bytes() == part.read_bytes()
    assert (done.rows, done.bytes) == (2, part.stat().st_size)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["out.jsonl", "train.jsonl"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("layout", LAYOUTS)
def test_what_is_exported_is_recognised_and_reads_back_equal(tmp_path: Path, kind: str, layout: str) -> None:
    talks = (SINGLE, OTHER) if layout == "prompt_completion" else (SINGLE, LONG, OTHER)
    done = export_part(written(tmp_path, *talks), tmp_path / f"out.{kind}", kind=kind, layout=layout)
    found = records(done.path)
    assert list(found[0]) == list(LAYOUTS[layout].columns) and done.rows == len(talks)
    form = recognise(found)
    assert form.is_sure and form.kind == layout
    assert tuple(convert(record, form).messages for record in found) == talks


def test_parquet_is_read_by_polars_and_by_datasets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    done = export_part(written(tmp_path, SINGLE, LONG), tmp_path / "out.parquet", kind="parquet")
    frame = polars.read_parquet(done.path)
    assert frame["messages"][1].to_list()[0] == {"role": "system", "content": "Be kind."}
    import datasets

    loaded = datasets.load_dataset(
        "parquet", data_files=str(done.path), split="train", cache_dir=str(tmp_path / "cache")
    )
    assert loaded[0]["messages"] == [{"role": one.role, "content": one.content} for one in SINGLE]


@pytest.mark.parametrize("kind", KINDS)
def test_a_row_that_does_not_fit_is_named_and_nothing_is_written(tmp_path: Path, kind: str) -> None:
    part = written(tmp_path, SINGLE, LONG)
    with pytest.raises(BadInput, match="Example 2 doesn't fit the layout prompt_completion") as caught:
        export_part(part, tmp_path / "out", kind=kind, layout="prompt_completion")
    assert "no system message" in caught.value.why
    assert [file.name for file in tmp_path.iterdir()] == ["train.jsonl"]


def test_a_file_that_is_there_is_replaced_only_when_asked(tmp_path: Path) -> None:
    part, target = written(tmp_path, SINGLE), tmp_path / "mine.jsonl"
    target.write_text("precious")
    with pytest.raises(Conflict, match="is there already"):
        export_part(part, target)
    assert target.read_text() == "precious"
    export_part(part, target, overwrite=True)
    assert target.read_bytes() == part.read_bytes()


def test_a_place_that_cannot_be_is_said(tmp_path: Path) -> None:
    part = written(tmp_path, SINGLE)
    with pytest.raises(NotFound, match="no folder"):
        export_part(part, tmp_path / "nowhere" / "out.jsonl")
    with pytest.raises(BadInput, match="is a folder"):
        export_part(part, tmp_path)
    for wrong in ({"kind": "xlsx"}, {"layout": "poem"}):
        with pytest.raises(BadInput, match="There is no"):
            export_part(part, tmp_path / "out.jsonl", **wrong)  # type: ignore[arg-type]


def test_progress_ends_at_one(tmp_path: Path) -> None:
    told: list[float] = []
    export_part(written(tmp_path, *[LONG] * 50_000), tmp_path / "out.parquet", kind="parquet", on_progress=told.append)
    assert told == sorted(told) and told[-1] == 1.0 and len(told) > 1
    assert pyarrow.parquet.read_metadata(tmp_path / "out.parquet").num_row_groups == len(told)


TEXT = st.text(st.characters(codec="utf-8"), max_size=20)
TALK = st.lists(st.tuples(TEXT, TEXT), min_size=1, max_size=3).map(
    lambda pairs: tuple(m for q, a in pairs for m in (Message("user", q), Message("assistant", a)))
)


@settings(max_examples=40, deadline=None)
@given(st.lists(TALK, min_size=1, max_size=5), st.sampled_from(["messages", "sharegpt", "alpaca"]))
def test_parquet_holds_every_character_that_json_lines_does(talks: list[tuple[Message, ...]], layout: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        part = written(Path(folder), *talks)
        lines = export_part(part, Path(folder) / "out.jsonl", layout=layout).path
        parquet = export_part(part, Path(folder) / "out.parquet", kind="parquet", layout=layout).path
        assert records(lines) == records(parquet)
