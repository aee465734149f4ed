"""A folder that appears whole or not at all."""

from __future__ import annotations

from pathlib import Path

import pytest

from backend.errors import Conflict
from backend.new_folder import new_folder


def test_it_is_there_once_it_is_filled(tmp_path: Path) -> None:
    made = tmp_path / "new" / "run"
    with new_folder(made) as draft:
        (draft / "model.txt").write_text("whole")
        assert not made.exists() and draft.parent == made.parent
    assert (made / "model.txt").read_text() == "whole"
    assert list(made.parent.iterdir()) == [made]
    (plain := tmp_path / "plain").mkdir()
    assert made.stat().st_mode == plain.stat().st_mode


def test_nothing_is_left_where_filling_it_fails(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="gone"), new_folder(tmp_path / "run") as draft:
        (draft / "half.txt").write_text("half")
        raise OSError("gone")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_there_or_came_meanwhile_is_kept(tmp_path: Path) -> None:
    made = tmp_path / "run"
    with pytest.raises(Conflict, match="is there already"), new_folder(made) as draft:
        (draft / "mine.txt").write_text("mine")
        made.mkdir()
        (made / "theirs.txt").write_text("theirs")
    assert [file.name for file in made.iterdir()] == ["theirs.txt"] and list(tmp_path.iterdir()) == [made]
    with pytest.raises(Conflict, match="is there already"), new_folder(made):
        pytest.fail("it was begun")
