"""What a person reads about each flaw of a record or a file: what it is, what it does to the training, what to do."""

from __future__ import annotations

from dataclasses import dataclass

from backend.domain_datasets import Decision, Finding, Severity
from backend.i18n import _, ngettext
from backend.studio.other_kinds import advice_for
from backend.studio.repairs import REPAIRS


@dataclass(frozen=True)
class FindingWords:
    """`fix` says what Fix does, empty where there is no honest way; `skip` what Skip does."""

    title: str
    effect: str
    advice: str
    fix: str
    skip: str
    severity: Severity = Severity.REFUSED


_SKIP_ROWS = _("Leaves these rows out.")
_NOTHING_LEARNT = _("These rows can't be trained on as they are.")
_UNREADABLE = _("What can't be read can't be learnt: these rows are missing in the training.")
_REST_MISSING = _("What comes after this place is missing in the training.")
_FILE_MISSING = _("Nothing of this file reaches the training.")
_BROKEN_TEMPLATE = _("A chat model takes user and assistant in turn only; the run would stop here.")
_EMPTY_LEARNT = _("The model would learn to answer with nothing.")

_ROWS: dict[str, tuple[str, str, str]] = {
    "not_json": (
        _("Lines that can't be read"),
        _UNREADABLE,
        _("They are not JSON. Export the file again from the program that made it, one example a line."),
    ),
    "not_utf8": (
        _("Letters in another encoding"),
        _UNREADABLE,
        _("Or save the file again as UTF-8, which most programs offer under Save as."),
    ),
    "nul_character": (
        _("Broken characters"),
        _("They make the run stop, or are learnt as noise."),
        _("The text may have been cut or badly converted: export it again where it came from."),
    ),
    "line_too_long": (
        _("Examples that are far too long"),
        _UNREADABLE,
        _("Divide these conversations. If a whole file is one line, its line breaks were lost: export it again."),
    ),
    "nested_too_deeply": (
        _("Examples nested too deeply"),
        _UNREADABLE,
        _("Skip them, or export them as a plain list of messages."),
    ),
    "duplicate_key": (
        _("The same name twice in one example"),
        _("Only one of the two values can be learnt, and it isn't said which."),
        _("Keep the right one in the file."),
    ),
    "ragged_row": (
        _("Rows with too many or too few cells"),
        _("It isn't clear which text is the question and which the answer."),
        _("Put texts that contain the separator in quotes."),
    ),
    "quote_not_closed": (
        _("A quote that is never closed"),
        _("Without its end it isn't clear where a text stops: the row is missing in the training."),
        _("Close the quote, or write it twice inside of a text."),
    ),
    "unreadable_row": (
        _("Rows of a table that can't be read"),
        _UNREADABLE,
        _("Look at these rows in your spreadsheet and save it again as CSV UTF-8."),
    ),
    "record_cut_off": (
        _("An example that breaks off"),
        _("Its answer is not whole, so it can't be learnt; what follows is missing."),
        _("Save or download the file again."),
    ),
    "not_an_object": (
        _("Lines that are no examples"),
        _NOTHING_LEARNT,
        _('Skip them. In the file, an example looks like {"messages": [...]}.'),
    ),
    "no_messages": (
        _("Rows without a conversation"),
        _NOTHING_LEARNT,
        _("Give all rows the same format, or make two files."),
    ),
    "messages_not_a_list": (
        _("Conversations that are no list of messages"),
        _NOTHING_LEARNT,
        _("In the file, each message has a `role` (who speaks) and a `content` (what is said)."),
    ),
    "messages_empty": (
        _("Conversations without messages"),
        _("There is nothing to learn from."),
        _("Add a question and its answer, or remove the row."),
    ),
    "message_not_an_object": (
        _("Messages that don't say who speaks"),
        _("The training must know which text is the question and which the answer."),
        _("In the file, each message has a `role` (who speaks) and a `content` (what is said)."),
    ),
    "role_missing": (
        _("Messages without a speaker"),
        _("The training must know which text is the question and which the answer."),
        _("In the file, add who speaks as `role`: system, user or assistant."),
    ),
    "unknown_role": (
        _("Unknown speakers"),
        _BROKEN_TEMPLATE,
        _("The file may name system, user and assistant."),
    ),
    "content_missing": (_("Messages without a text"), _EMPTY_LEARNT, _("Add the text as `content`.")),
    "content_not_text": (
        _("Messages that are no text"),
        _NOTHING_LEARNT,
        _("In the file, write what is said as one text."),
    ),
    "part_not_text": (
        _("Images and other parts"),
        _("Only text can be learnt here; answers about an image would be learnt without it."),
        _("Skip rows whose answer needs the image."),
    ),
    "tool_turns": (
        _("Tool calls and their results"),
        _("The training knows what user and assistant say, and no tools."),
        _("Skip these rows where the model shall not learn to write such calls."),
    ),
    "content_empty": (_("Empty messages"), _EMPTY_LEARNT, _("Write the text, or leave the messages out.")),
    "no_assistant": (
        _("Conversations without an answer"),
        _("There is nothing to learn from: only answers are learnt."),
        _("Add the answer that the model should learn."),
    ),
    "system_not_first": (
        _("System messages in the middle"),
        _BROKEN_TEMPLATE,
        _("Keep one system message, at the beginning."),
    ),
    "wrong_order": (
        _("User and assistant don't take turns"),
        _BROKEN_TEMPLATE,
        _("Let user and assistant take turns, the user first."),
    ),
    "last_turn_not_assistant": (
        _("Conversations that end with a question"),
        _("The last question has no answer to learn from."),
        _("Add the answer, or leave the question out."),
    ),
    "column_missing": (
        _("Rows with an empty column"),
        _("A question without its answer, or an answer without its question, teaches nothing."),
        _("Fill the column, or skip these rows."),
    ),
    "history_not_pairs": (
        _("A history that can't be read"),
        _("The answer would be learnt without what was said before."),
        _("Write the history as pairs of question and answer."),
    ),
    "no_turns_in_text": (
        _("Texts without question and answer"),
        _NOTHING_LEARNT,
        _("Give question and answer columns of their own."),
    ),
    "unknown_columns": (
        _("Question and answer aren't known yet"),
        _NOTHING_LEARNT,
        _("Choose which column is the question and which the answer."),
    ),
    "not_mended": (
        _("Rows that could not be fixed"),
        _NOTHING_LEARNT,
        _("Correct them in the file, or skip them."),
    ),
}
_FILES: dict[str, tuple[str, str, str]] = {
    "empty_file": (_("An empty file"), _FILE_MISSING, _("Choose a file with at least two conversations.")),
    "list_cut_off": (
        _("A JSON list without its end"),
        _REST_MISSING,
        _("Save or download the file again; the examples before can be used."),
    ),
    "text_after_list": (
        _("Text after the end of the JSON list"),
        _REST_MISSING,
        _("Put all records into the one list, or save the file as JSONL."),
    ),
    "gzip_cut_off": (_("A packed file without its end"), _REST_MISSING, _("Download or pack it again.")),
    "gzip_damaged": (_("A damaged packed file"), _REST_MISSING, _("Download or pack it again.")),
    "gzip_too_large": (
        _("A packed file that grows beyond reason"),
        _REST_MISSING,
        _("Unpack it yourself, look at it, and choose the unpacked file."),
    ),
    "parquet_damaged": (_("A damaged Parquet file"), _REST_MISSING, _("Download or write it again.")),
    "row_group_too_large": (
        _("A Parquet file in blocks that are too large"),
        _REST_MISSING,
        _("Write it again with smaller row groups, or save it as JSONL."),
    ),
    "list_too_large": (
        _("A JSON list that is too large"),
        _FILE_MISSING,
        _("Save it as JSONL: one record a line, without the brackets around."),
    ),
    "empty_folder": (_("A folder without examples"), _FILE_MISSING, _("Choose a folder with files of examples.")),
    "duplicate_column": (
        _("Two columns with the same name"),
        _("Only one of the two can be taken, and it isn't said which."),
        _("Give each column a name of its own."),
    ),
    "unreadable_file": (_("A file that can't be read"), _FILE_MISSING, _("Check that you may read it.")),
    "no_such_file": (_("A file that isn't there"), _FILE_MISSING, _("Check its name and folder.")),
    "is_a_folder": (_("A folder instead of a file"), _FILE_MISSING, _("Choose the files in it.")),
    "file_changed": (
        _("A file that changed while it was read"),
        _("What is read may be half old and half new."),
        _("Read it again when nothing writes to it."),
    ),
}


def describe(code: str) -> FindingWords:
    """The words of any code; a code without words of its own gets general ones."""
    fix = REPAIRS.get(code, "")
    if code in _ROWS:
        title, effect, advice = _ROWS[code]
        return FindingWords(title, effect, advice, fix, _SKIP_ROWS)
    if code in _FILES:
        title, effect, advice = _FILES[code]
        return FindingWords(title, effect, advice, fix, _("Goes on with what could be read."))
    if code.startswith("format_"):
        return FindingWords(
            _("A file of another kind"),
            _FILE_MISSING,
            advice_for(code),
            fix,
            _("Goes on without this file."),
        )
    return FindingWords(_("Rows that can't be used"), _NOTHING_LEARNT, _("Correct them in the file."), fix, _SKIP_ROWS)


def fruitless_fix(code: str) -> Finding:
    """The finding of a fix that mended no row: what it was meant for is found under what is wrong with it still."""
    words = describe(code)
    return Finding(
        code,
        words.severity,
        words.title,
        _("This fixed no example. Those that stay unusable are listed under what is still wrong with them."),
        count=0,
        decision=Decision.FIX,
    )


def has_words(code: str) -> bool:
    """Has the code words of its own?"""
    return code in _ROWS or code in _FILES or code.startswith("format_")


def describe_note(code: str, count: int) -> str:
    """What was changed on the way without a question, in `count` rows; empty for an unknown code."""
    if code == "ending_stripped":
        text = ngettext(
            "The mark at the end of {count} answer was removed.",
            "The marks at the end of {count} answers were removed.",
            count,
        )
    elif code == "separator_stripped":
        text = ngettext(
            "The separator at the end of {count} question was removed.",
            "The separators at the end of {count} questions were removed.",
            count,
        )
    elif code == "leading_space_stripped":
        text = ngettext(
            "The space before {count} answer was removed.", "The spaces before {count} answers were removed.", count
        )
    elif code == "roles_renamed":
        text = ngettext(
            "In {count} row, roles such as human were named user and assistant.",
            "In {count} rows, roles such as human were named user and assistant.",
            count,
        )
    elif code == "parts_joined":
        text = ngettext(
            "In {count} row, the parts of a text were joined.",
            "In {count} rows, the parts of a text were joined.",
            count,
        )
    elif code == "json_text_read":
        text = ngettext(
            "In {count} row, the conversation was written as a text and was read.",
            "In {count} rows, the conversations were written as texts and were read.",
            count,
        )
    elif code == "template_read":
        text = ngettext(
            "{count} text was taken apart into question and answer.",
            "{count} texts were taken apart into questions and answers.",
            count,
        )
    elif code == "branch_read":
        text = ngettext(
            "Of {count} exported chat, what was shown last was read, without calls of tools.",
            "Of {count} exported chats, what was shown last was read, without calls of tools.",
            count,
        )
    elif code == "empty_system_left_out":
        text = ngettext(
            "{count} empty system message was left out.", "{count} empty system messages were left out.", count
        )
    elif code.startswith("utf-"):
        return _("The text was written in {encoding} and was read as such.").format(encoding=code.upper())
    else:
        return ""
    return text.format(count=f"{count:,}")
