"""What the data studio speaks of: rows and where they stand, formats, findings and what to do about them, versions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from backend.domain import Failure, Message


@dataclass(frozen=True)
class Row:
    """One usable conversation, and where it stands: the line (from 1; of Parquet and CSV the record) of which file."""

    line: int
    messages: tuple[Message, ...]
    file: str = ""


class Decision(StrEnum):
    """What a person chose to do about one finding."""

    FIX = "fix"
    SKIP = "skip"
    KEEP = "keep"


class Severity(StrEnum):
    REFUSED = "refused"
    """These rows can't be trained on; nothing is saved until they are fixed or skipped."""
    WARNING = "warning"
    HINT = "hint"


@dataclass(frozen=True)
class FoundRow:
    """A row of a finding. `number` counts the usable rows of its part from 0; -1 where the row can't be used yet."""

    file: str
    line: int
    detail: str
    excerpt: str = ""
    part: str = ""
    number: int = -1


@dataclass(frozen=True)
class Finding:
    """One thing that a check found, in words.

    `effect` is what it does to the training. `fix` and `skip` say what each would do; empty where it can't be done.
    `rows` are the first of `count`. `decision` is what was chosen, None so far.
    """

    code: str
    severity: Severity
    title: str
    effect: str
    count: int
    rows: tuple[FoundRow, ...] = ()
    fix: str = ""
    skip: str = ""
    advice: str = ""
    decision: Decision | None = None
    figures: Mapping[str, float] = field(default_factory=dict)


class FormatKind(StrEnum):
    MESSAGES = "messages"
    SHAREGPT = "sharegpt"
    ALPACA = "alpaca"
    INSTRUCTION_RESPONSE = "instruction_response"
    PROMPT_COMPLETION = "prompt_completion"
    QUESTION_ANSWER = "question_answer"
    TEXT_GROUND_TRUTH = "text_ground_truth"
    PREFERENCE = "preference"
    """A better and a worse answer to each question: the better one is learnt."""
    TWO_COLUMNS = "two_columns"
    RENDERED = "rendered"
    """One column of texts in which a chat template has written the whole conversation."""
    MAPPED = "mapped"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class RecordFormat:
    """How records of a file become conversations.

    `fields` maps the parts of a conversation (`messages`, `question`, `answer`, `system`, `context`, `history`) to
    the columns that hold them. `columns` are all that the file has; `is_sure` is False where a person should look.
    `question_ending` and `answer_ending` are marks such as `###` that the file puts there and that are stripped.
    """

    kind: FormatKind
    fields: Mapping[str, str] = field(default_factory=dict)
    columns: tuple[str, ...] = ()
    is_sure: bool = True
    question_ending: str = ""
    answer_ending: str = ""


@dataclass(frozen=True)
class FileFormat:
    """How a file of a draft is read: as a person said, else the best guess. `number` counts the files from 0."""

    number: int
    name: str
    format: RecordFormat


@dataclass(frozen=True)
class ReadReport:
    """What reading found: `rows` records in all, `good_rows` of them usable (`fixed_rows` after a fix).

    `formats` are those of all its files, each once; `format` is the first, unless there is an unsure one.
    `notes` tell what was changed on the way without a question, such as endings stripped.
    """

    format: RecordFormat
    rows: int
    good_rows: int
    fixed_rows: int = 0
    skipped_rows: int = 0
    findings: tuple[Finding, ...] = ()
    notes: tuple[str, ...] = ()
    formats: tuple[RecordFormat, ...] = ()

    @property
    def bad_rows(self) -> int:
        return self.rows - self.good_rows - self.skipped_rows


@dataclass(frozen=True)
class Draft:
    """Files being looked at before they are saved. `phase` is reading, ready, failed or damaged.

    `report` is of what is read so far while `phase` is reading. `done` is 0..1. `read_as` are the files that are looked
    into so far, in their order. One that can't be opened any more is damaged: it has a `failure` and nothing else, and
    can only be discarded.
    """

    id: str
    name: str
    files: tuple[str, ...]
    total_bytes: int
    phase: str
    done: float
    report: ReadReport
    decisions: Mapping[str, Decision] = field(default_factory=dict)
    mappings: tuple[RecordFormat, ...] = ()
    failure: Failure | None = None
    read_as: tuple[FileFormat, ...] = ()

    @property
    def unclear(self) -> tuple[FileFormat, ...]:
        """The files of which nobody has said yet what their columns mean."""
        return tuple(one for one in self.read_as if one.format.columns and not one.format.is_sure)

    @property
    def answered(self) -> tuple[FileFormat, ...]:
        """The files of which somebody has."""
        return tuple(one for one in self.read_as if one.format.kind is FormatKind.MAPPED)


@dataclass(frozen=True)
class Examination:
    """The checks of a set of rows whose form is in order. `phase` is waiting, running, done or failed."""

    phase: str
    done: float
    findings: tuple[Finding, ...] = ()
    failure: Failure | None = None


@dataclass(frozen=True)
class SplitChoice:
    """How rows are held out: a share of them, or a count where `eval_rows` is given. Every source gives its share.

    Equal rows stay on one side, with `keep_similar_together` near-duplicates too.
    """

    eval_fraction: float = 0.2
    eval_rows: int | None = None
    seed: int = 0
    keep_similar_together: bool = True


@dataclass(frozen=True)
class RowPage:
    """Some rows of a part with their numbers (from 0), and how many there are in all that the search finds."""

    rows: tuple[tuple[int, Row], ...]
    total: int


@dataclass(frozen=True)
class RowFilter:
    """Which rows of a part are wanted; each given one must hold.

    `min_turns` and `max_turns` (both included) count the messages of user and assistant. `file` is the file that a
    row came from, `numbers` (from 0) are the rows of a finding.
    """

    min_turns: int = 0
    max_turns: int | None = None
    has_system: bool | None = None
    file: str = ""
    numbers: tuple[int, ...] | None = None


@dataclass(frozen=True)
class RowChange:
    """One wish: `messages` is None to leave the row out, `number` is None to add one, else the row is replaced."""

    part: str
    number: int | None
    messages: tuple[Message, ...] | None


@dataclass(frozen=True)
class Change:
    """One row that differs between two versions; `before` is None for an added row, `after` for a removed one."""

    part: str
    before: tuple[Message, ...] | None
    after: tuple[Message, ...] | None


@dataclass(frozen=True)
class Version:
    """A state of a dataset that never changes. `summary` says what was done to the one before."""

    number: int
    created_at: datetime
    summary: str
    train_rows: int
    eval_rows: int
    sha256: str
    added: int = 0
    removed: int = 0
    edited: int = 0


@dataclass(frozen=True)
class DataAsset:
    """Data that a place keeps under a name, in its newest version. `kind` is the place's own word (uri_file, ...)."""

    name: str
    version: str
    kind: str
    created_at: datetime | None = None
