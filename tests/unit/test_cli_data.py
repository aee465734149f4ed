"""`phidesk data`: check, convert, stats, split, add, versions, diff, undo and export, as a team's CI would use them."""

from __future__ import annotations

import gzip
import io
import json
import os
import pty
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars
import pytest
from typer.main import get_command
from typer.testing import CliRunner

from backend.cli.data_stats import bars
from backend.cli.main import app
from backend.domain import Message
from backend.studio.token_table import Bin
from backend.studio.versions import Versions
from tests.contract.waiting import wait_until
from tests.unit.conversations import SHARED_DATA, jsonl, needs_shared_data, row, rows

ROOT = Path(__file__).parents[2]
Run = Callable[..., tuple[int, Any]]

ENDS_WITH_QUESTION = {"messages": [*row("Q1", "A1")["messages"], {"role": "user", "content": "And?"}]}
BAD = jsonl(*rows(3)) + b"broken\n" + jsonl(ENDS_WITH_QUESTION, row("Say it", "Well <|end|> yes"))


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PHIDESK_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("HF_TOKEN", raising=False)
    return tmp_path / "home"


@pytest.fixture
def bad(tmp_path: Path) -> str:
    (tmp_path / "bad.jsonl").write_bytes(BAD)
    return str(tmp_path / "bad.jsonl")


@pytest.fixture
def good(tmp_path: Path) -> str:
    (tmp_path / "good.jsonl").write_bytes(jsonl(*rows(20)))
    return str(tmp_path / "good.jsonl")


def codes(found: dict[str, Any], **wanted: Any) -> set[str]:
    return {one["code"] for one in found["findings"] if all(one[key] == value for key, value in wanted.items())}


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_bytes().splitlines()]


def test_structure_and_content_are_checked_together(run: Run, bad: str) -> None:
    status, found = run("data", "check", bad)
    assert (status, found["passed"], found["rows"], found["good_rows"]) == (2, False, 6, 4)
    assert codes(found, severity="refused") == {"not_json", "last_turn_not_assistant"}
    (marks,) = [one for one in found["findings"] if one["code"] == "template_tokens"]
    assert (marks["rows"][0]["file"], marks["rows"][0]["line"]) == ("bad.jsonl", 6)


def test_what_is_decided_no_longer_fails(run: Run, bad: str) -> None:
    assert run("data", "check", bad, "--fix", "last_turn_not_assistant")[0] == 2
    status, found = run("data", "check", bad, "--fix", "last_turn_not_assistant", "--skip", "not_json")
    assert (status, found["good_rows"], found["fixed_rows"], found["skipped_rows"]) == (0, 5, 1, 1)
    assert codes(found, decision="fix") == {"last_turn_not_assistant"} and codes(found, decision="skip") == {"not_json"}


def test_a_fix_that_cannot_mend_every_row_fails_until_the_rest_is_skipped(run: Run, bad: str) -> None:
    assert run("data", "check", bad, "--fix", "all")[0] == 2
    assert run("data", "check", bad, "--fix", "all", "--skip", "refused")[0] == 0


def test_strict_lets_warnings_fail(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "copies.jsonl"
    file.write_bytes(jsonl(*rows(300), *rows(5)))
    status, found = run("data", "check", str(file))
    assert status == 0 and "duplicates" in codes(found, severity="warning")
    assert run("data", "check", str(file), "--strict")[0] == 2


def test_a_code_that_no_check_has_is_refused_with_the_nearest(run: Run, bad: str) -> None:
    status, said = run("data", "check", bad, "--skip", "not_jsn")
    assert status == 2 and said["error"]["code"] == "no_such_finding" and "not_json" in said["error"]["how_to_fix"]


def test_several_files_a_folder_and_a_packed_one_are_one_check(run: Run, good: str, tmp_path: Path) -> None:
    folder = tmp_path / "more"
    folder.mkdir()
    (folder / "a.csv").write_text("question,answer\nWhat is red?,A colour.\n")
    (folder / "b.jsonl.gz").write_bytes(gzip.compress(jsonl(row("Packed?", "Yes."))))
    status, found = run("data", "check", good, str(folder))
    assert (status, found["good_rows"]) == (0, 22)
    assert found["files"] == ["good.jsonl", "a.csv", "b.jsonl.gz"]


def test_a_maximum_length_tells_what_it_cuts(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "long.jsonl"
    file.write_bytes(jsonl(row("Short?", "Yes."), row("Q", "word " * 400), row("word " * 400, "A")))
    status, found = run("data", "check", str(file), "--max-length", "64")
    (cut,) = [one for one in found["findings"] if one["code"] == "answers_cut"]
    assert [(one["file"], one["line"]) for one in cut["rows"]] == [("long.jsonl", 2), ("long.jsonl", 3)]
    assert status == 2 and codes(found, severity="refused") == {"no_trainable_tokens"}


def test_standard_input_is_a_file_too(run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(jsonl(*rows(3)))))
    status, found = run("data", "check", "-")
    assert (status, found["files"], found["good_rows"]) == (0, ["stdin"], 3)


def test_columns_are_mapped_and_converted(run: Run, tmp_path: Path) -> None:
    file, out = tmp_path / "german.csv", tmp_path / "out.jsonl"
    file.write_text("Nummer;Frage;Antwort\n1;Was ist rot?;Eine Farbe.\n2;Was ist 2?;Eine Zahl.\n")
    options = ("--map", "question=Frage", "--map", "answer=Antwort", "--output", str(out))
    status, made = run("data", "convert", str(file), *options)
    assert (status, made["rows"]) == (0, 2)
    assert lines(out) == [row("Was ist rot?", "Eine Farbe."), row("Was ist 2?", "Eine Zahl.")]
    assert run("data", "convert", str(file), *options)[1]["error"]["code"] == "file_exists"
    assert run("data", "convert", str(file), *options, "--overwrite")[0] == 0
    status, said = run("data", "check", str(file), "--map", "question=Fragen", "--map", "answer=Antwort")
    assert status == 2 and said["error"]["code"] == "unknown_column"
    assert run("data", "check", str(file), "--map", "Frage")[1]["error"]["code"] == "bad_mapping"


def test_converting_fixes_and_skips_what_was_decided_and_refuses_the_rest(run: Run, bad: str, tmp_path: Path) -> None:
    out = tmp_path / "out.parquet"
    status, said = run("data", "convert", bad, "--output", str(out))
    assert status == 2 and said["error"]["code"] == "bad_rows" and not out.exists()
    assert "bad.jsonl:4" in said["error"]["why"] and "--skip refused" in said["error"]["how_to_fix"]
    assert run("data", "convert", bad, "--output", str(out), "--fix", "all", "--skip", "refused")[0] == 0
    saved = polars.read_parquet(out)["messages"].to_list()
    assert len(saved) == 5 and saved[-1] == row("Say it", "Well yes")["messages"]
    assert run("data", "convert", bad, "--output", str(tmp_path / "x.doc"))[1]["error"]["code"] == "no_such_format"
    shared = ("--format", "sharegpt", "--skip", "refused,template_tokens")
    run("data", "convert", bad, "--output", str(tmp_path / "out.jsonl"), *shared)
    assert [list(one) for one in lines(tmp_path / "out.jsonl")] == [["conversations"]] * 3


def test_a_split_is_the_same_again_and_loses_no_row(run: Run, good: str, tmp_path: Path) -> None:
    def split(seed: str, *more: str) -> tuple[list[Any], list[Any]]:
        places = (tmp_path / f"train{seed}.jsonl", tmp_path / f"eval{seed}.jsonl")
        to = ("--train", str(places[0]), "--eval", str(places[1]))
        status, made = run("data", "split", good, *to, "--seed", seed, "--overwrite", *more)
        assert status == 0 and made["train"]["rows"] + made["eval"]["rows"] == 20
        return lines(places[0]), lines(places[1])

    options = ("--eval-rows", "5", "--split-similar")
    train, held_out = split("1", *options)
    assert (len(train), len(held_out)) == (15, 5)
    assert sorted(map(str, train + held_out)) == sorted(map(str, rows(20)))
    assert split("1", *options) == (train, held_out) != split("2", *options)


def test_a_dataset_is_added_from_several_files_with_fixes_and_weights(run: Run, bad: str, good: str) -> None:
    assert run("data", "add", bad)[1]["error"]["code"] == "bad_rows"
    status, added = run("data", "add", good, bad, "--fix", "all", "--skip-bad", "--name", "Both")
    assert (status, added["name"], added["train_rows"] + added["eval_rows"]) == (0, "Both", 25)
    assert added["source_detail"]["files"] == ["good.jsonl", "bad.jsonl"]
    status, added = run("data", "add", good, bad, "--skip-bad", "--weight", "good.jsonl=0.5", "--weight", "bad.jsonl=2")
    assert (status, added["train_rows"] + added["eval_rows"]) == (0, 10 + 8)
    for wrong in ("other.jsonl=1", "good.jsonl=no", "good.jsonl=0"):
        assert run("data", "add", good, "--weight", wrong)[1]["error"]["code"] == "bad_weight"


@pytest.fixture
def unclear(tmp_path: Path) -> str:
    (tmp_path / "unclear.csv").write_text("a,b,c\n1,What is this,Hello you\n2,Where is it,Over there\n")
    return str(tmp_path / "unclear.csv")


def test_columns_that_are_only_guessed_fail_until_they_are_said(run: Run, unclear: str, tmp_path: Path) -> None:
    status, found = run("data", "check", unclear)
    assert (status, found["passed"], found["format"]["is_sure"]) == (2, False, False)
    out = str(tmp_path / "out.jsonl")
    for command in (("convert", unclear, "-o", out), ("add", unclear), ("stats", unclear)):
        status, said = run("data", *command)
        assert (status, said["error"]["code"]) == (2, "format_not_sure") and "--map" in said["error"]["how_to_fix"]
    mapped = ("--map", "question=b", "--map", "answer=c")
    assert run("data", "check", unclear, *mapped)[0] == 0
    assert run("data", "convert", unclear, *mapped, "-o", out)[0] == 0
    assert lines(Path(out))[0] == row("What is this", "Hello you")


OF_GERMAN = ("--map", "question=Frage", "--map", "answer=Antwort")
OF_LETTERS = ("--map", "question=b", "--map", "answer=c")


@pytest.fixture
def german(tmp_path: Path) -> str:
    file = tmp_path / "german.csv"
    file.write_text("Nr;Frage;Antwort\n1;Was ist rot?;Eine Farbe.\n2;Was ist 2?;Eine Zahl.\n")
    return str(file)


def test_each_file_takes_the_first_mapping_whose_columns_it_has(
    run: Run, unclear: str, german: str, good: str, tmp_path: Path
) -> None:
    out = tmp_path / "out.jsonl"
    both = (unclear, german, good)
    formats = run("data", "check", *both)[1]["formats"]
    assert [one["is_sure"] for one in formats] == [False, True, True] and formats[0]["columns"] == ["a", "b", "c"]
    status, said = run("data", "convert", *both, "-o", str(out))
    assert (status, said["error"]["code"]) == (2, "format_not_sure") and Path(unclear).name in said["error"]["what"]
    assert run("data", "convert", *both, *OF_GERMAN, *OF_LETTERS, "-o", str(out))[0] == 0
    made = lines(out)
    assert made[0] == row("What is this", "Hello you") and row("Was ist 2?", "Eine Zahl.") in made
    assert made[-20:] == lines(Path(good))
    status, added = run("data", "add", *both, *OF_LETTERS, *OF_GERMAN, "--weight", "german.csv=1")
    assert (status, added["train_rows"] + added["eval_rows"]) == (0, len(made))
    assert run("data", "add", unclear, *OF_LETTERS, *OF_GERMAN, "--eval", german)[0] == 0


def test_a_mapping_that_no_file_is_read_by_is_refused(run: Run, unclear: str, german: str) -> None:
    status, said = run("data", "check", german, *OF_GERMAN, *OF_LETTERS)
    assert (status, said["error"]["code"]) == (2, "unknown_column") and "Frage" in said["error"]["how_to_fix"]
    wider = ("--map", "question=Frage", "--map", "answer=Antwort", "--map", "system=Nr")
    status, said = run("data", "check", german, *OF_GERMAN, *wider)
    assert (status, said["error"]["code"]) == (2, "unused_mapping") and "system=Nr" in said["error"]["what"]
    assert run("data", "check", german, unclear, *wider, *OF_LETTERS)[0] == 0
    status, said = run("data", "check", german, "--map", "question=Frage", *OF_GERMAN)
    assert (status, said["error"]["code"]) == (2, "incomplete_mapping")
    assert run("data", "add", german, *OF_GERMAN, *OF_LETTERS, "--eval", german)[1]["error"]["code"] == "unknown_column"


def test_all_columns_that_are_to_be_said_are_named_with_their_files(run: Run, unclear: str, tmp_path: Path) -> None:
    other = tmp_path / "other.csv"
    other.write_text("left,right\n" + "".join(f"one {n} here,two {n} there\n" for n in range(5)))
    how = run("data", "convert", unclear, str(other), "-o", str(tmp_path / "out.jsonl"))[1]["error"]["how_to_fix"]
    assert "Give that again for each of these" in how
    assert f"The columns of {Path(unclear).name} are: " in how and "The columns of other.csv are: left, right" in how


def test_the_columns_of_a_hub_dataset_are_said_too(run: Run, tmp_path: Path) -> None:
    folder = tmp_path / "hub"
    folder.mkdir()
    (folder / "train.jsonl").write_bytes(jsonl(*({"left": f"left {n}", "right": f"right {n}"} for n in range(9))))
    status, added = run("data", "add", "--hub", str(folder), "--map", "question=right", "--map", "answer=left")
    assert status == 0 and lines(Path(added["eval_path"]))[0]["messages"][0]["content"].startswith("right ")


def test_an_output_in_the_way_is_said_before_anything_is_written(run: Run, good: str, tmp_path: Path) -> None:
    free, taken = tmp_path / "free.jsonl", tmp_path / "taken.jsonl"
    taken.write_text("mine")
    status, said = run("data", "split", good, "--train", str(free), "--eval", str(taken))
    assert (status, said["error"]["code"]) == (4, "file_exists") and "--overwrite" in said["error"]["how_to_fix"]
    status, said = run("data", "split", good, "--train", str(free), "--eval", str(tmp_path / "no" / "such.jsonl"))
    assert (status, said["error"]["code"]) == (3, "no_such_folder")
    status, said = run("data", "split", good, "--train", str(free), "--eval", str(free))
    assert (status, said["error"]["code"]) == (2, "bad_usage")
    added = run("data", "add", good)[1]
    (tmp_path / "free-eval.jsonl").write_text("mine")
    assert run("data", "export", added["id"], "-o", str(free))[0] == 4
    assert sorted(path.name for path in tmp_path.glob("free*")) == ["free-eval.jsonl"]
    assert taken.read_text() == "mine"


@pytest.mark.parametrize("way", ["itself", "a link", "a second name", "another spelling", "its folder"])
def test_a_file_that_is_read_is_never_written_over(run: Run, good: str, tmp_path: Path, way: str) -> None:
    before, named = Path(good).read_bytes(), tmp_path / "named.jsonl"
    if way == "a link":
        named.symlink_to(good)
    elif way == "a second name":
        named.hardlink_to(good)
    elif way == "another spelling":
        named = tmp_path / "x" / ".." / "good.jsonl"
        (tmp_path / "x").mkdir()
    else:
        named = Path(good)
    source = str(tmp_path) if way == "its folder" else good
    free = tmp_path / "free.jsonl"
    for command in (
        ("split", source, "--train", str(named), "--eval", str(free)),
        ("split", source, "--train", str(free), "--eval", str(named)),
        ("convert", source, "-o", str(named)),
    ):
        status, said = run("data", *command, "--overwrite")
        assert (status, said["error"]["code"]) == (2, "output_is_input")
    assert Path(good).read_bytes() == before and not free.exists()


def test_both_parts_are_never_one_file_by_two_names(run: Run, good: str, tmp_path: Path) -> None:
    (tmp_path / "one.jsonl").write_text("mine")
    (tmp_path / "two.jsonl").hardlink_to(tmp_path / "one.jsonl")
    ends = ("--train", str(tmp_path / "one.jsonl"), "--eval", str(tmp_path / "two.jsonl"))
    assert run("data", "split", good, *ends, "--overwrite")[1]["error"]["code"] == "bad_usage"
    assert (tmp_path / "two.jsonl").read_text() == "mine"


@pytest.mark.parametrize(
    ("content", "what", "advice"),
    [
        (b"PK\x03\x04" + bytes(26) + b"xl/workbook.xml", "This is an Excel workbook.", "CSV UTF-8"),
        (b"\xd0\xcf\x11\xe0" + bytes(500), "This is an Office file", "CSV UTF-8"),
        (b"%PDF-1.7", "This is a PDF document.", "a column for each"),
        (b"", "The file is empty.", "at least two conversations"),
    ],
)
def test_advice_is_only_what_can_help(run: Run, tmp_path: Path, content: bytes, what: str, advice: str) -> None:
    (tmp_path / "given").write_bytes(content)
    error = run("data", "add", str(tmp_path / "given"))[1]["error"]
    assert what in error["why"] and advice in error["how_to_fix"]
    said = CliRunner().invoke(app, ["data", "check", str(tmp_path / "given")])
    assert said.exit_code == 2 and what in said.output and advice in said.output
    for text in (error["how_to_fix"], said.output):
        assert "--fix" not in text and "--skip" not in text and "--map" not in text


def test_what_is_only_guessed_is_called_so_and_the_columns_are_named(run: Run, unclear: str) -> None:
    assert "The columns are: a, b, c" in run("data", "stats", unclear)[1]["error"]["how_to_fix"]
    said = CliRunner().invoke(app, ["data", "check", unclear])
    assert said.exit_code == 2 and "The columns are: a, b, c" in said.output and "only a guess" in said.output
    assert "Ready to train" not in said.output


def test_a_name_that_is_taken_is_said_with_the_new_id(good: str) -> None:
    first, second = (CliRunner().invoke(app, ["data", "add", good]) for _again in range(2))
    assert "Another dataset" not in first.output
    assert "Another dataset is called good, too. Name this one by its id: " in second.output


def test_nothing_to_read_is_no_riddle(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "empty.jsonl").touch()
    assert run("data", "check", str(tmp_path / "empty.jsonl"))[1]["findings"][0]["code"] == "empty_file"
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(jsonl(*rows(3)))))
    assert run("data", "check", "-", "-")[1]["error"]["code"] == "bad_usage"
    for length in ("0", "-5"):
        assert run("data", "check", "-", "--max-length", length)[1]["error"]["code"] == "bad_usage"


def test_a_folder_that_cannot_be_made_is_said_without_a_traceback(
    run: Run, good: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("PHIDESK_HOME", str(tmp_path / "file" / "home"))
    status, said = run("data", "list")
    assert (status, said["error"]["code"]) == (1, "path_unusable") and str(tmp_path) in said["error"]["what"]


def test_a_dataset_is_deleted_by_its_name_and_what_is_not_there_is_said(run: Run, good: str) -> None:
    added = [run("data", "add", good, "--name", "Mine")[1]["id"] for _again in range(2)]
    assert run("data", "delete", "Mine")[1]["error"]["code"] == "ambiguous_name"
    assert run("data", "delete", added[0]) == (0, {"deleted": added[0]})
    assert run("data", "delete", "Mine") == (0, {"deleted": added[1]})
    status, said = run("data", "delete", "Mine")
    assert (status, said["error"]["code"]) == (3, run("data", "show", "Mine")[1]["error"]["code"])


def test_a_damaged_dataset_can_be_deleted(run: Run, good: str, home: Path) -> None:
    folder = home / "datasets" / run("data", "add", good)[1]["id"]
    for file in folder.glob("*.json"):
        file.write_text("{")
    assert run("data", "show", folder.name)[0] != 0
    assert run("data", "delete", folder.name) == (0, {"deleted": folder.name})
    assert not folder.exists()


def test_ctrl_c_ends_with_130_and_without_a_word_of_python(tmp_path: Path) -> None:
    reader, writer = os.pipe()
    process = subprocess.Popen(
        [sys.executable, "-m", "backend.cli", "data", "check", "-"],
        cwd=ROOT,
        stdin=reader,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "TMPDIR": str(tmp_path)},
        start_new_session=True,
    )
    wait_until(lambda: any(tmp_path.glob("phidesk-*/stdin")), "it reads", 60)
    os.killpg(process.pid, signal.SIGINT)
    _out, said = process.communicate(timeout=60)
    os.close(writer), os.close(reader)
    assert process.returncode == 130 and b"Traceback" not in said
    assert not list(tmp_path.glob("phidesk-*"))


def test_own_held_out_rows_are_taken_as_they_are(run: Run, good: str, tmp_path: Path) -> None:
    held_out = tmp_path / "eval.csv"
    held_out.write_text("question,answer\nHeld?,Out.\n")
    status, added = run("data", "add", good, "--eval", str(held_out))
    assert (status, added["train_rows"], added["eval_rows"]) == (0, 20, 1)


def test_versions_are_listed_compared_and_undone(run: Run, good: str, home: Path) -> None:
    added = run("data", "add", good, "--name", "Mine")[1]
    assert run("data", "undo", "Mine")[1]["error"]["code"] == "nothing_to_undo"
    changed = (Message("user", "Q"), Message("assistant", "Changed."))
    Versions(home / "datasets" / added["id"]).edit("train", 0, changed)
    status, found = run("data", "versions", "Mine")
    assert status == 0 and [one["number"] for one in found["versions"]] == [2, 1]
    (change,) = run("data", "diff", "Mine")[1]["changes"]
    assert change["after"][1]["content"] == "Changed." and change["before"]
    status, made = run("data", "undo", "Mine")
    assert (status, made["number"], made["sha256"]) == (0, 3, added["sha256"])
    assert run("data", "undo", "Mine", "--to", "2")[1]["number"] == 4
    assert run("data", "diff", "Mine", "1", "3")[1]["changes"] == []
    assert run("data", "undo", "Mine", "--to", "9")[0] == 3
    assert run("data", "show", "Mine")[1]["dataset"]["version"] == 4


def test_old_versions_are_forgotten_and_what_cannot_be_is_said(run: Run, good: str, home: Path) -> None:
    added = run("data", "add", good, "--name", "Mine")[1]
    versions = Versions(home / "datasets" / added["id"])
    for number in range(4):
        versions.edit("train", number, (Message("user", "Q"), Message("assistant", "Changed.")))
    for wrong in ((), ("--keep", "0"), ("--keep", "1", "--versions", "1"), ("--versions", "x"), ("--versions", "3-1")):
        assert run("data", "forget", "Mine", *wrong)[0] == 2
    status, said = run("data", "forget", "Mine", "--versions", "1,7-9")
    assert status == 3 and "no versions 7, 8, 9" in said["error"]["what"] and "1, 2, 3, 4, 5" in said["error"]["why"]
    assert run("data", "forget", "Mine", "--versions", "5")[1]["error"]["code"] == "newest_version"
    status, would = run("data", "forget", "Mine", "--keep", "2", "--dry-run")
    assert (status, would["would_forget"], would["forgotten"]) == (0, [1, 2, 3], []) and would["bytes"] > 0
    assert len(versions.list()) == 5
    status, done = run("data", "forget", "Mine", "--keep", "2")
    assert (status, done["forgotten"], done["bytes"]) == (0, [1, 2, 3], would["bytes"])
    assert [one["number"] for one in run("data", "versions", "Mine")[1]["versions"]] == [5, 4]
    assert run("data", "forget", "Mine", "--keep", "2")[1]["forgotten"] == []
    assert run("data", "diff", "Mine")[1]["before"] == 4


def test_a_dataset_is_exported_as_files(run: Run, good: str, tmp_path: Path) -> None:
    added = run("data", "add", good)[1]
    status, made = run("data", "export", added["id"], "-o", str(tmp_path / "out.jsonl"))
    assert status == 0 and [Path(one["path"]).name for one in made["files"]] == ["out-train.jsonl", "out-eval.jsonl"]
    assert (tmp_path / "out-train.jsonl").read_bytes() == Path(added["train_path"]).read_bytes()
    options = ("--part", "eval", "--format", "alpaca")
    run("data", "export", added["id"], "-o", str(tmp_path / "eval.parquet"), *options)
    assert polars.read_parquet(tmp_path / "eval.parquet").columns[:3] == ["instruction", "input", "output"]
    assert run("data", "export", added["id"])[1]["error"]["code"] == "bad_usage"
    assert run("data", "export", added["id"], "--to-hub", "me/mine")[1]["error"]["code"] == "no_hub_token"
    wrong = run("data", "export", added["id"], "-o", str(tmp_path / "x.jsonl"), "--part", "test")
    assert wrong[1]["error"]["code"] == "no_such_part"


def test_statistics_count_tokens_once_for_the_same_content(run: Run, good: str) -> None:
    added = run("data", "add", good)[1]
    of_dataset = run("data", "stats", added["id"])[1]
    assert of_dataset["rows"] == 20 and sum(one["rows"] for one in of_dataset["conversations"]) == 20
    assert of_dataset["tokens"] > of_dataset["answer_tokens"] > 20 * 2
    assert of_dataset["suggested_max_length"] == 128 and of_dataset["cut"]["answers_cut"] == 0
    started = time.monotonic()
    of_file = run("data", "stats", added["train_path"], "--max-length", "8")[1]
    assert time.monotonic() - started < 5, "no process was started again"
    assert of_file["rows"] == 16 and of_file["rows_left_out"] == 0 and of_file["cut"]["rows_too_long"] == 16
    assert run("data", "stats", "nothing-here")[0] == 3


def test_the_document_s_commands_and_options_are_there() -> None:
    commands = get_command(app).commands["data"].commands  # type: ignore[attr-defined]
    text = (ROOT / "docs" / "command-line.md").read_text()
    shown = [shlex.split(line.partition("phidesk data ")[2]) for line in text.splitlines() if "phidesk data " in line]
    named = [words for words in shown if words and words[0] in commands]
    assert len(named) > 12 and {words[0] for words in named} >= set(commands) - {"list", "show"}
    for command, *words in named:
        options = {option for parameter in commands[command].params for option in parameter.opts}
        assert {word for word in words if word.startswith("--")} <= options, command


def test_bars_are_as_long_as_their_share() -> None:
    drawn = list(bars([Bin(0, 10, 4), Bin(10, 20, 2), Bin(20, None, 0)]))
    assert [line.count("█") for line in drawn] == [40, 20, 0]
    assert drawn[0].strip().startswith("0 - 9") and "20 and more" in drawn[2]
    assert list(bars([])) == []
    assert [line.split()[0] for line in bars([Bin(0, 1, 0), Bin(1, 2, 3), Bin(2, None, 1)])] == ["1", "2"]


@pytest.mark.skipif(sys.platform == "win32", reason="needs a terminal of its own")
def test_progress_is_written_over_on_a_terminal_and_the_result_stays_clean(tmp_path: Path) -> None:
    file = tmp_path / "many.jsonl"
    file.write_bytes(jsonl(*rows(4_000)))
    screen, terminal = pty.openpty()
    done = subprocess.run(
        [sys.executable, "-m", "backend.cli", "data", "check", str(file), "--json"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=terminal,
        env={**os.environ},
        timeout=120,
    )
    os.close(terminal)
    said = os.read(screen, 1 << 16)
    os.close(screen)
    assert b"Checking " in said and b" %" in said and said.endswith(b"\r\x1b[K")
    assert json.loads(done.stdout)["good_rows"] == 4_000


@needs_shared_data
@pytest.mark.parametrize("file", sorted(SHARED_DATA.glob("*.json*")) if SHARED_DATA.is_dir() else [])
def test_real_files_are_recognised_without_a_question(run: Run, file: Path) -> None:
    status, found = run("data", "check", str(file))
    assert status == 0 and found["format"]["is_sure"] and found["good_rows"] == found["rows"] > 0
