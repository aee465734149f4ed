"""What could be made again has a limit on the disk; what is in use stays, and what is damaged counts as none."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from backend import datasets
from backend.studio import background_process, examination, examination_cache, tokens
from backend.studio.disk_cache import IN_USE, keep_within, mark_used
from backend.studio.examination import Part, examine, read_examination, start_examination
from backend.studio.examination_cache import Result, read_result, write_result
from backend.studio.set_checks import Observed, Place
from tests.contract.waiting import wait_until
from tests.unit.conversations import jsonl, row
from tests.unit.studio.test_tokens import ROWS, finish
from tests.unit.studio.token_files import BUILT_IN, table_of, write_part
from training_job.tuning.batch_tokens import Refused, RowTokens

KILOBYTE = 1024
BLOCK = 4 * KILOBYTE


def put(place: Path, days: float, size: int = BLOCK) -> Path:
    """A file last used so many days ago."""
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_bytes(b"x" * size)
    return age(place, days)


def age(place: Path, days: float) -> Path:
    for one in [*place.iterdir(), place] if place.is_dir() else [place]:
        os.utime(one, (time.time() - days * 24 * 60 * 60,) * 2)
    return place


def names(folder: Path) -> set[str]:
    return {place.name for place in folder.iterdir()}


def test_the_least_recently_used_go_first_and_no_more_than_it_takes(tmp_path: Path) -> None:
    for days in (3, 9, 5, 2, 7):
        put(tmp_path / f"{days}.npz", days)
    keep_within(5 * BLOCK, tmp_path.glob("*"))
    assert len(names(tmp_path)) == 5
    keep_within(3 * BLOCK, tmp_path.glob("*"))
    assert names(tmp_path) == {"2.npz", "3.npz", "5.npz"}
    mark_used(tmp_path / "5.npz")
    keep_within(1, tmp_path.glob("*"))
    assert names(tmp_path) == {"5.npz"}


def test_what_was_used_within_a_day_stays_however_much_it_is(tmp_path: Path) -> None:
    put(tmp_path / "now", 0)
    put(tmp_path / "an hour ahead", -1 / 24)
    put(tmp_path / "this morning", 0.9)
    put(tmp_path / "yesterday", 1.1)
    put(tmp_path / "by a clock that was wrong", -5000)
    keep_within(0, tmp_path.glob("*"))
    assert names(tmp_path) == {"now", "an hour ahead", "this morning"}


def test_the_folder_of_a_process_goes_when_it_is_over_and_never_before(tmp_path: Path) -> None:
    for name in ("runs", "over"):
        put(tmp_path / name / "sample.npz", 0)
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    started = background_process.psutil.Process(process.pid).create_time()
    background_process.write_facts(tmp_path / "runs" / "process.json", {"pid": process.pid, "started": started})
    for name in ("runs", "over"):
        age(tmp_path / name, 30)
    keep_within(0, tmp_path.glob("*"))
    assert names(tmp_path) == {"runs"}
    process.communicate()
    keep_within(0, tmp_path.glob("*"))
    assert names(tmp_path) == set()


def test_processes_that_clear_up_at_once_remove_no_more_than_one_alone(tmp_path: Path) -> None:
    for number in range(400):
        put(tmp_path / f"{number}.npz", 2 + number)
    code = (
        "import sys; from pathlib import Path; from backend.studio.disk_cache import keep_within; "
        f"input(); keep_within(100 * {BLOCK}, Path(sys.argv[1]).glob('*.npz'))"
    )
    command = [sys.executable, "-c", code, str(tmp_path)]
    several = [subprocess.Popen(command, stdin=subprocess.PIPE, text=True) for _process in range(3)]
    for one in several:
        assert one.stdin is not None
        one.stdin.write("\n")
        one.stdin.flush()
    for one in several:
        one.communicate()
    assert [one.returncode for one in several] == [0, 0, 0]
    assert names(tmp_path) == {f"{number}.npz" for number in range(100)}


def test_an_examination_that_is_looked_at_stays_and_the_oldest_others_go(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(examination_cache, "CACHE_BYTES", 0)
    cache = tmp_path / "cache"
    parts = []
    for number in range(3):
        path = tmp_path / f"{number}.jsonl"
        path.write_bytes(jsonl(row(f"Question {number}?", "Answer.")))
        parts.append(Part("rows", path))
        examine([parts[-1]], cache=cache)
    assert len(names(cache)) == 3, "all are new"
    left_behind = put(cache / ".half.npz.123.abc", 9)
    for kept in cache.iterdir():
        age(kept, 9)
    examine([parts[1]], cache=cache)  # somebody looks at it
    path = tmp_path / "new.jsonl"
    path.write_bytes(jsonl(row("Something else?", "Answer.")))
    examine([Part("rows", path)], cache=cache)
    assert not left_behind.exists()
    assert names(cache) == {kept_as(parts[1], cache).name, kept_as(Part("rows", path), cache).name}


def kept_as(part: Part, cache: Path) -> Path:
    return cache / f"{examination_cache.content_hash([(part.name, part.path)])}.npz"


def test_token_tables_and_old_countings_go_when_something_new_is_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tokens, "CACHE_BYTES", 0)
    cache, looked_at = tmp_path / "cache", write_part(tmp_path / "b.jsonl", ROWS[:9])
    finish([looked_at], cache)
    [kept] = cache.glob("*.v*/*.npz")
    [work] = (cache / "work").iterdir()
    wait_until(lambda: not background_process.is_alive(work), "its process is over")
    for place in (kept, work):
        age(place, 9)
    for place in (kept.parent / "other.npz", cache / "hub-x.v0" / "table.npz", cache / "work" / "old" / "sample-0.npz"):
        put(place, 3)
    age(cache / "work" / "old", 3)
    tokens._load_cached.cache_clear()
    assert tokens.measure([looked_at], str(BUILT_IN), cache).phase == "done"
    new = write_part(tmp_path / "new.jsonl", ROWS[:20])
    assert tokens.measure([new], str(BUILT_IN), cache).phase == "waiting"
    assert [place.name for place in cache.glob("*.v*/*")] == [kept.name]
    assert len(names(cache / "work")) == 1, "that of the new one"
    tokens.stop([new], str(BUILT_IN), cache)


def test_a_damaged_result_of_a_large_set_is_found_anew_in_the_background(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(examination, "SMALL_BYTES", 0)
    cache, folder = tmp_path / "cache", tmp_path / "examination"
    path = tmp_path / "rows.jsonl"
    path.write_bytes(jsonl(row("Question?", "Answer.")))
    start_examination(folder, [Part("rows", path)], cache=cache)
    wait_until(lambda: read_examination(folder).phase == "done", "it is examined", 60)
    [kept] = cache.glob("*.npz")
    kept.write_bytes(kept.read_bytes()[:-40])
    assert read_examination(folder).phase == "waiting"
    assert not folder.exists(), "it can be started again"


def test_checks_of_a_saved_set_are_forgotten_when_others_were_looked_at_since_and_known_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(datasets, "EXAMINATIONS_BYTES", 0)
    saved = datasets.Datasets(tmp_path)
    sets = [jsonl(*(row(f"Question {name} {number}?", "Answer.") for number in range(4))) for name in "ab"]
    first, second = (saved.create_from_file(content, "Set") for content in sets)
    found = saved.examine(first.id)
    [folder] = (tmp_path / ".examinations").iterdir()
    age(folder, 2)
    saved.examine(second.id)
    assert names(tmp_path / ".examinations") == {f"{second.id}-v1"}
    assert saved.examine(first.id) == found
    assert len(names(tmp_path / ".cache")) == 2


RESULT = Result([Observed("duplicates", 2, [Place(1, 0)], {})], (0, 50), np.arange(90, dtype=np.uint32), np.arange(90))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_whatever_happens_to_a_file_it_is_read_whole_or_not_at_all(tmp_path: Path, data: st.DataObject) -> None:
    result, table = tmp_path / "result.npz", tmp_path / "0.npz"
    write_result(result, RESULT)
    table_of(tmp_path, [RowTokens(20, [(5, 19)]), Refused("no"), RowTokens(30, [(5, 9), (11, 29)])])
    for path in (result, table):
        content = bytearray(path.read_bytes())
        if data.draw(st.booleans()):
            content = content[: data.draw(st.integers(0, len(content) - 1))]
        for _byte in range(data.draw(st.integers(0, 3)) if content else 0):
            content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
        path.write_bytes(bytes(content))
    found = read_result(result)
    assert found is None or (found.firsts == RESULT.firsts and (found.groups == RESULT.groups).all())
    tokens._load_cached.cache_clear()
    try:
        loaded = tokens._load_part("train", table)
    except FileNotFoundError:
        assert not table.exists()
    else:
        assert loaded.totals.tolist() == [20, 0, 30]


def test_a_file_that_may_only_be_read_can_still_be_used(tmp_path: Path) -> None:
    mark_used(tmp_path / "nowhere.npz")
    write_result(tmp_path / "result.npz", RESULT)
    age(tmp_path / "result.npz", 3)
    assert read_result(tmp_path / "result.npz") is not None
    assert time.time() - (tmp_path / "result.npz").stat().st_mtime < IN_USE
    shutil.rmtree(tmp_path)
    keep_within(0, [tmp_path / "result.npz"])
