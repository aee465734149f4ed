"""The tree of commands, and how a command ends: its exit status, and errors in words."""

from __future__ import annotations

import os
import sys

import typer

from backend.cli import chat, costs, data, deploy, evaluate, flow, machines, models, runs, setup, target, train
from backend.cli.demo import demo
from backend.errors import BadInput, PhiDeskError
from backend.i18n import _

HELP = _("""Fine-tune a Phi chat model on your own examples, deploy it and chat with it.

Every command takes --json: one object on standard output; progress goes to standard error.

Exit status: 0 done, 1 failed, 2 bad input, 3 not found, 4 conflict, 5 unavailable (try again), 6 no room,
7 the run failed, 130 stopped with Ctrl+C.
""")


def new_group(title: str) -> typer.Typer:
    return typer.Typer(help=title, no_args_is_help=True, rich_markup_mode=None, pretty_exceptions_enable=False)


app = typer.Typer(
    name="phidesk",
    help=HELP,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    add_completion=False,
)
GROUPS = (
    (data, "data", _("Datasets: look at files, make datasets of them, see, undo, export and delete.")),
    (train, "train", _("Start a fine-tuning; see the presets.")),
    (runs, "runs", _("Runs: list, show, logs, stop, resume, register, download, code, delete.")),
    (models, "models", _("Registered models, and base models that can be tuned.")),
    (deploy, "deploy", _("Endpoints: create, list, start, stop, traffic, test, expiry, key, delete.")),
    (chat, "chat", _("Ask an endpoint through the prompt flow.")),
    (evaluate, "evaluate", _("Compare a tuned model with its base.")),
    (target, "target", _("Where models train and answer: list, use.")),
    (setup, "setup", _("Connect the target, see what it has and lacks, and mend that.")),
    (machines, "machines", _("Sizes, prices and quotas of the target's machines.")),
    (costs, "costs", _("What is on and what it costs; what was made, and deleting it.")),
    (flow, "flow", _("The chat flow, for a team.")),
)
for module, name, title in GROUPS:
    group = new_group(title)
    module.add_to(group)
    app.add_typer(group, name=name)
app.command()(demo)


@app.command(
    name="app",
    help=_("Start the app and print the link that opens it."),
    context_settings={"allow_extra_args": True, "ignore_unknown_options": True},
)
def start_app(context: typer.Context) -> None:
    os.execv(sys.executable, [sys.executable, "-m", "streamlit_app", *context.args])  # noqa: S606


def main() -> None:
    as_json = "--json" in sys.argv[1:]
    try:
        sys.exit(_run(as_json))
    except PhiDeskError as error:
        _report(error, as_json)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:  # the reader, such as head, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except OSError as error:
        if error.filename is None:  # none of the files that a person named, so a defect
            raise
        _report(_unusable(error), as_json)
        sys.exit(1)


def _unusable(error: OSError) -> PhiDeskError:
    """A path in the way of the work, as of PHIDESK_HOME or of a disk that is gone."""
    return PhiDeskError(
        _("{path} can't be used.").format(path=error.filename),
        why=error.strerror or "",
        how_to_fix=_("Look whether the folder is there, and whether you may read and write in it."),
        code="path_unusable",
        raw=str(error),
    )


def _run(as_json: bool) -> int:
    """The exit status. With --json wrong usage is a PhiDeskError too, so that it has the form of every other error."""
    if not as_json:
        return app(prog_name="phidesk") or 0
    try:
        return app(prog_name="phidesk", standalone_mode=False) or 0
    except typer.TyperException as error:
        raise BadInput(
            error.format_message(), how_to_fix=_("See the same command with --help."), code="bad_usage"
        ) from None


def _report(error: PhiDeskError, as_json: bool) -> None:
    from backend.cli.output import say, show

    if as_json:
        show(
            True, {"error": {"code": error.code, "what": error.what, "why": error.why, "how_to_fix": error.how_to_fix}}
        )
    for part in (error.what, error.why, error.how_to_fix):
        if part:
            say(part)
