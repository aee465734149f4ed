"""The command line: its JSON, its exit statuses, and errors in words instead of tracebacks."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import typer

from backend import bootstrap
from backend.bootstrap import Desk
from backend.cli.main import app
from backend.cli.output import harmless, table
from backend.domain import BUILT_IN_MODEL, DEFAULT_HOSTING, Endpoint, Hosting, Job, JobSpec
from backend.settings import Settings
from tests.fakes import FakeTarget
from tests.flows.small_endpoint import SmallEndpoint, serve
from tests.unit.conversations import jsonl, row, rows
from tests.unit.test_deployments_and_evaluation import RESULT

ROOT = Path(__file__).parents[2]


def phidesk(home: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """The real program in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-m", "backend.cli", *arguments],
        cwd=ROOT,
        env={**os.environ, "PHIDESK_HOME": str(home), **environment},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert "Traceback" not in done.stderr, done.stderr
    return done


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    """The services over the fake target, which the commands find instead of this computer."""
    target = FakeTarget()
    desk = bootstrap.assemble(Settings(home=tmp_path), {"fake": target}, target)
    monkeypatch.setattr("backend.bootstrap.build", lambda settings: desk)
    return desk


def test_help_answers_fast_and_tells_the_exit_statuses(tmp_path: Path) -> None:
    started = time.monotonic()
    done = phidesk(tmp_path, "--help")
    assert done.returncode == 0 and "130 stopped" in done.stdout
    assert time.monotonic() - started < 5  # 0.4 s on an idle machine; torch or prompt flow would take far longer


def test_help_loads_no_service(tmp_path: Path) -> None:
    code = (
        "import sys, backend.cli.main; heavy = {'torch', 'datasets', 'promptflow', 'mlflow', 'streamlit', 'pydantic'};"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_looking_for_models_where_there_are_none_makes_no_database_and_loads_no_mlflow(tmp_path: Path) -> None:
    home = tmp_path / "home"
    code = (
        "import sys; from backend.cli.main import app;"
        "app(['models', 'list', '--json'], standalone_mode=False);"
        "print('mlflow' in sys.modules, file=sys.stderr)"
    )
    environment = {**os.environ, "PHIDESK_HOME": str(home)}
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, text=True)
    assert (done.returncode, json.loads(done.stdout), done.stderr.strip()) == (0, {"models": []}, "False")
    assert list(home.iterdir()) == []
    assert phidesk(home, "deploy", "create", "never-was:1").returncode == 3
    assert not (home / "mlflow.db").exists()


def test_every_command_explains_itself_and_takes_json() -> None:
    def commands(group: Any, path: str = "phidesk") -> Iterator[tuple[str, Any]]:
        for name, command in group.commands.items():
            if hasattr(command, "commands"):
                yield from commands(command, f"{path} {name}")
            else:
                yield f"{path} {name}", command

    found = dict(commands(typer.main.get_command(app)))
    assert {"phidesk demo", "phidesk data check", "phidesk setup check"} <= set(found)
    for path, command in found.items():
        assert command.help, path
        options = {option for parameter in command.params for option in parameter.opts}
        assert "--json" in options or path == "phidesk app", path


def test_checking_a_good_file_is_status_0(tmp_path: Path) -> None:
    file = tmp_path / "good.jsonl"
    file.write_bytes(jsonl(*rows(3)))
    done = phidesk(tmp_path, "data", "check", str(file), "--json")
    assert done.returncode == 0
    found = json.loads(done.stdout)
    assert (found["files"], found["rows"], found["good_rows"], found["passed"]) == (["good.jsonl"], 3, 3, True)
    assert found["format"]["kind"] == "messages"
    assert [one["code"] for one in found["findings"]] == ["too_few_examples"]


def test_checking_a_bad_file_is_status_2_with_line_code_message_and_fix(tmp_path: Path) -> None:
    file = tmp_path / "bad.jsonl"
    file.write_bytes(jsonl(row()) + b"broken\n")
    done = phidesk(tmp_path, "data", "check", str(file), "--json")
    assert done.returncode == 2
    finding = json.loads(done.stdout)["findings"][0]
    assert (finding["code"], finding["severity"], finding["count"]) == ("not_json", "refused", 1)
    assert finding["effect"] and finding["fix"] and finding["skip"]
    assert (finding["rows"][0]["file"], finding["rows"][0]["line"]) == ("bad.jsonl", 2)
    said = phidesk(tmp_path, "data", "check", str(file))
    assert "bad.jsonl:2:" in said.stdout and "--skip not_json" in said.stdout
    assert said.stderr == "", "progress is for terminals alone"


def test_a_missing_file_is_status_3_in_words_and_in_json(tmp_path: Path) -> None:
    done = phidesk(tmp_path, "data", "check", "nowhere.jsonl", "--json")
    assert done.returncode == 3
    assert json.loads(done.stdout)["error"]["code"] == "no_such_file"
    assert "There is no file nowhere.jsonl." in done.stderr


def test_a_setting_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    done = phidesk(tmp_path, "data", "list", PHIDESK_PORT="abc")
    assert done.returncode == 2 and "PORT" in done.stderr


def test_wrong_usage_is_status_2(tmp_path: Path) -> None:
    assert phidesk(tmp_path, "nonsense").returncode == 2
    assert phidesk(tmp_path, "data", "add").returncode == 2


def test_datasets_are_added_listed_shown_and_deleted(tmp_path: Path) -> None:
    home, file = tmp_path / "home", tmp_path / "my data.jsonl"
    file.write_bytes(jsonl(*rows(10)))
    added = json.loads(phidesk(home, "data", "add", str(file), "--seed", "3", "--json").stdout)
    assert (added["name"], added["train_rows"], added["eval_rows"], added["seed"]) == ("my data", 8, 2, 3)
    assert [one["id"] for one in json.loads(phidesk(home, "data", "list", "--json").stdout)["datasets"]] == [
        added["id"]
    ]
    shown = json.loads(phidesk(home, "data", "show", added["id"], "--json").stdout)
    assert shown["statistics"]["train"]["rows"] == 8 and len(shown["rows"]) == 3
    assert phidesk(home, "data", "delete", added["id"]).returncode == 0
    assert json.loads(phidesk(home, "data", "list", "--json").stdout) == {"datasets": []}


def test_a_run_goes_from_start_to_registry(desk: Desk, run: Callable[..., tuple[int, Any]]) -> None:
    dataset = desk.datasets.create_from_file(jsonl(*rows(9)), "Data")
    status, job = run("train", "start", dataset.id, "--set", "num-train-epochs=2", "--name", "Mine")
    assert (status, job["state"], job["spec"]["arguments"]["num_train_epochs"]) == (0, "queued", 2.0)
    run_id = job["spec"]["id"]
    assert run("runs", "register", run_id)[0] == 4
    desk.target.jobs.complete(run_id)  # type: ignore[attr-defined]
    assert run("runs", "wait", run_id)[0] == 0
    assert run("runs", "register", run_id)[1]["ref"] == "mine:1"
    assert run("runs", "list")[1]["runs"][0]["state"] == "completed"
    assert run("runs", "show", run_id)[1]["metrics"][-1]["kind"] == "eval"
    assert "submitted" in run("runs", "logs", run_id)[1]["text"]
    assert run("models", "list")[1]["models"][0]["ref"] == "mine:1"
    assert run("models", "base")[1]["base_models"][0]["id"] == BUILT_IN_MODEL
    assert run("train", "recipes")[1]["recipes"][0]["id"] == "quick"
    assert run("setup", "check") == (0, run("setup", "check")[1])


def test_a_run_that_fails_is_status_7_with_its_reason(desk: Desk, run: Callable[..., tuple[int, Any]]) -> None:
    dataset = desk.datasets.create_from_file(jsonl(*rows(9)), "Data")
    job = desk.training.start(desk.training.spec("x", dataset.id, BUILT_IN_MODEL))
    desk.target.jobs.fail(job.id)  # type: ignore[attr-defined]
    assert run("runs", "wait", job.id)[0] == 7
    assert run("runs", "resume", job.id)[1]["state"] == "queued"
    assert run("runs", "stop", job.id)[1]["state"] == "canceling"
    assert run("runs", "delete", job.id) == (4, run("runs", "delete", job.id)[1])


@pytest.mark.parametrize("pair", ["learning_rate", "learning_rate=fast", "nonsense=1"])
def test_a_wrong_change_is_status_2(desk: Desk, run: Callable[..., tuple[int, Any]], pair: str) -> None:
    dataset = desk.datasets.create_from_file(jsonl(*rows(9)), "Data")
    status, answer = run("train", "start", dataset.id, "--set", pair)
    assert status == 2 and pair.split("=")[0] in answer["error"]["what"]
    assert desk.training.list() == []


class PromptTarget(FakeTarget):
    """Trains and deploys in no time, to an endpoint that answers over HTTP."""

    def __init__(self, server: SmallEndpoint, *, is_failing: bool = False) -> None:
        super().__init__()
        submit, deploy = self.jobs.submit, self.endpoints.deploy

        def submit_and_end(spec: JobSpec) -> Job:
            job = submit(spec)
            if is_failing:
                return self.jobs.fail(job.id)
            return self.jobs.complete(job.id, **{"evaluation.json": json.dumps(RESULT).encode()})

        def deploy_at_once(
            endpoint: str, model: str, deployment: str = "", hosting: Hosting = DEFAULT_HOSTING
        ) -> Endpoint:
            deploy(endpoint, model, deployment, hosting)
            server.key = self.endpoints.key(endpoint)
            ready = replace(self.endpoints.make_ready(endpoint), url=server.url)
            self.endpoints.endpoints[endpoint] = ready
            return ready

        self.jobs.submit = submit_and_end  # type: ignore[method-assign]
        self.endpoints.deploy = deploy_at_once  # type: ignore[method-assign]


@pytest.fixture
def prompt_desk(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[bool], SmallEndpoint]]:
    with serve(SmallEndpoint()) as server:

        def use(is_failing: bool) -> SmallEndpoint:
            target = PromptTarget(server, is_failing=is_failing)
            made = bootstrap.assemble(desk.settings, {"fake": target}, target)
            monkeypatch.setattr("backend.bootstrap.build", lambda settings: made)
            return server

        yield use


def test_the_demo_tells_in_one_object_what_it_did(
    prompt_desk: Callable[[bool], SmallEndpoint], run: Callable[..., tuple[int, Any]], tmp_path: Path
) -> None:
    server = prompt_desk(False)
    train, held_out = tmp_path / "t.jsonl", tmp_path / "e.jsonl"
    train.write_bytes(jsonl(row("Who?", "Me."), row("Where?", "Here.")))
    held_out.write_bytes(jsonl(row("Which?", "This.")))
    status, done = run("demo", "--train", str(train), "--eval", str(held_out))
    assert status == 0
    assert (done["state"], done["question"], done["answer"], done["expected"]) == (
        "completed",
        "Who?",
        server.text,
        "Me.",
    )
    assert (done["base_eval_loss"], done["tuned_eval_loss"], done["trained_tokens"]) == (2.0, 0.5, 1234)
    assert (done["model_version"], done["endpoint_url"]) == (1, server.url)
    assert done["run_id"] and done["seconds"] >= 0


def test_a_demo_that_fails_says_why_and_how_far_it_came(
    prompt_desk: Callable[[bool], SmallEndpoint], run: Callable[..., tuple[int, Any]], tmp_path: Path
) -> None:
    prompt_desk(True)
    status, done = run("demo")
    assert (status, done["state"], done["error"]["code"]) == (7, "failed", "no_memory")
    assert done["run_id"] and done["dataset_id"]
    bad = tmp_path / "bad.jsonl"
    bad.write_bytes(b"{broken\n")
    status, done = run("demo", "--train", str(bad))
    assert (status, done["state"], done["error"]["code"]) == (2, "not started", "bad_rows")


def test_an_endpoint_is_made_asked_stopped_and_deleted(
    prompt_desk: Callable[[bool], SmallEndpoint], run: Callable[..., tuple[int, Any]]
) -> None:
    server = prompt_desk(False)
    status, nothing = run("chat", "ask", "Hello?")
    assert (status, nothing["error"]["code"]) == (2, "no_endpoint")
    status, endpoint = run("deploy", "create", BUILT_IN_MODEL, "--wait")
    assert (status, endpoint["name"], endpoint["state"]) == (0, "tiny-phi3", "running")
    assert run("deploy", "key", "tiny-phi3")[1]["key"] == server.key
    status, answer = run("chat", "ask", "Hello?")
    assert (answer["answer"], answer["endpoint"]) == (server.text, "tiny-phi3")
    run("chat", "ask", "And?", "--conversation", answer["conversation_id"])
    assert len(run("chat", "show", answer["conversation_id"])[1]["messages"]) == 4
    assert len(run("chat", "list")[1]["conversations"]) == 1
    assert run("deploy", "stop", "tiny-phi3")[1]["state"] == "stopped"
    assert run("chat", "ask", "Hello?", "--endpoint", "tiny-phi3")[0] == 5
    assert run("deploy", "delete", "tiny-phi3")[0] == 0
    assert run("deploy", "show", "tiny-phi3")[0] == 3


def test_an_evaluation_is_started_and_shown(
    prompt_desk: Callable[[bool], SmallEndpoint], run: Callable[..., tuple[int, Any]]
) -> None:
    prompt_desk(False)
    demo = run("demo")[1]
    status, shown = run("evaluate", "start", demo["model"], "--wait")
    assert (status, shown["rows"], shown["tuned"]["exact_match"]) == (0, 1, 1.0)
    assert run("evaluate", "list")[1]["evaluations"][0]["state"] == "completed"


@pytest.mark.skipif(sys.platform == "win32", reason="sends SIGINT")
def test_ctrl_c_is_status_130_and_no_traceback(tmp_path: Path) -> None:
    code = (
        "import sys; from backend.studio import copy_making;"
        "copy_making.make_working_copy = lambda *a, **b: (print('ready', flush=True), __import__('time').sleep(60));"
        "sys.argv = ['phidesk', 'data', 'check', 'README.md']; from backend.cli import main; main()"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None and process.stdout.readline() == "ready\n"
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "Traceback" not in errors


def test_text_from_a_model_cannot_drive_the_terminal() -> None:
    assert harmless("a\x1b[2Jb\n\tc\x9b") == "a\N{REPLACEMENT CHARACTER}[2Jb\n\tc\N{REPLACEMENT CHARACTER}"


def test_tables_are_aligned() -> None:
    assert table(("A", "B"), [("long", 1), ("x", 22)]) == ["A     B", "long  1", "x     22"]
