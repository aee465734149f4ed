"""Work in a process of its own: watched through its folder, ended with its children, never thought alive when dead."""

from __future__ import annotations

import os
import textwrap
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest

from backend.studio import background_process
from tests.contract.waiting import wait_until

WORK = """
import subprocess, sys, time
from pathlib import Path
from backend.studio import background_process
folder = Path(sys.argv[1])
what = sys.argv[2]
if what == "child":
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    background_process.tell(folder, "running", child=child.pid)
    time.sleep(600)
if what == "die":
    background_process.tell(folder, "running", done=0.5)
    print("a word before the end", flush=True)
    import os; os._exit(9)
if what == "fail":
    from backend.errors import BadInput
    background_process.tell_failure(folder, BadInput("It is bad.", code="bad"))
background_process.tell(folder, "done", rows=7) if what == "work" else None
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "some_work.py").write_text(textwrap.dedent(WORK))
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "code"))
    (tmp_path / "work").mkdir()
    return tmp_path / "work"


def test_it_works_and_says_so(folder: Path) -> None:
    background_process.start("some_work", folder, "work")
    assert background_process.wait(folder, seconds=60) == {"phase": "done", "rows": 7}
    wait_until(lambda: not background_process.is_alive(folder), "its process ends")
    assert background_process.read_progress(folder)["rows"] == 7


def test_its_own_failure_is_told_in_its_words(folder: Path) -> None:
    background_process.start("some_work", folder, "fail")
    failure = background_process.failure_of(background_process.wait(folder, seconds=60))
    assert failure is not None and (failure.what, failure.code) == ("It is bad.", "bad")


def test_one_that_dies_without_a_word_has_failed(folder: Path) -> None:
    background_process.start("some_work", folder, "die")
    progress = background_process.wait(folder, seconds=60)
    failure = background_process.failure_of(progress)
    assert failure is not None and failure.code == "process_died" and "a word before" in failure.raw
    assert progress["done"] == 0.5


def test_stopping_ends_it_and_what_it_started_and_may_be_repeated(folder: Path) -> None:
    background_process.start("some_work", folder, "child")
    wait_until(lambda: "child" in background_process.read_progress(folder), "it tells of its child")
    child = background_process.read_progress(folder)["child"]
    background_process.stop(folder)
    assert not background_process.is_alive(folder)
    assert not psutil.pid_exists(child) or psutil.Process(child).status() == psutil.STATUS_ZOMBIE
    background_process.stop(folder)


def test_a_reused_pid_is_no_sign_of_life(folder: Path) -> None:
    background_process.write_facts(folder / "process.json", {"pid": os.getpid(), "started": 5.0})
    assert not background_process.is_alive(folder)
    assert background_process.read_progress(folder)["phase"] == "failed"
    background_process.stop(folder)


def test_work_that_is_only_beginning_has_not_failed(folder: Path) -> None:
    """A second window may look before the process is known."""
    assert background_process.read_progress(folder)["phase"] == "waiting"
    background_process.tell(folder, "running", done=0.5)
    assert background_process.read_progress(folder)["phase"] == "running"
    os.utime(folder, (1, 1))
    assert background_process.read_progress(folder)["phase"] == "failed", "it never began"


def test_several_threads_may_tell_at_once(folder: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: background_process.tell(folder, "done", rows=number), range(200)))
    assert background_process.read_progress(folder)["phase"] == "done"
    assert [path.name for path in folder.iterdir()] == ["progress.json"]
