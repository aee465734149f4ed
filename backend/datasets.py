"""The datasets of the workspace folder: checked, split, saved, listed, looked into. Knows files, and no target."""

from __future__ import annotations

import json
import logging
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from backend.domain import Dataset, Message
from backend.domain_datasets import (
    Decision,
    Draft,
    Examination,
    Finding,
    RecordFormat,
    Row,
    RowFilter,
    RowPage,
    SplitChoice,
    Version,
)
from backend.errors import BadInput, Conflict, NotFound
from backend.i18n import _
from backend.studio import (
    adding,
    content_decisions,
    conversion,
    dataset_folder,
    examination,
    formats,
    hub_import,
    hub_push,
    length_decisions,
    pasted_text,
    saving,
    token_findings,
    tokens,
)
from backend.studio.conversion import Converted
from backend.studio.disk_cache import keep_within
from backend.studio.draft_checks import DraftChecks, require_clear, require_decided, rows_of
from backend.studio.draft_lengths import DraftLengths, LengthChoice
from backend.studio.drafts import Drafts
from backend.studio.examination import Part
from backend.studio.export import export_part
from backend.studio.hub_import import HubImport
from backend.studio.hub_request import HubRequest
from backend.studio.hub_search import HubSearch
from backend.studio.mapping import Mappings
from backend.studio.rated_chats import RatedChats
from backend.studio.row_index import index_of, messages_of
from backend.studio.row_origins import origins_of
from backend.studio.row_search import EVERY_ROW, find_rows
from backend.studio.running_work import OnProgress
from backend.studio.saving import RowSet
from backend.studio.token_view import RenderedRow, TokenViews
from backend.studio.tokens import TokenMeasurement
from backend.studio.versions import Versions

logger = logging.getLogger(__name__)

SAMPLES = Path(__file__).parent / "samples"
"""What the project ships: train.jsonl, eval.jsonl and sample.json (name, description)."""

EXAMINATIONS_BYTES = 20_000_000
"""How far they are, and of which files: 16 KB for each version that was examined. What was found is in the cache."""
BYTES_PER_TOKEN = 4
"""Of UTF-8 text under Phi's tokenizers, about; bytes and tokens correlate .999 on chat data."""
TOKENS_PER_TURN = 4
"""The marks that the chat template puts around a message."""


@dataclass(frozen=True)
class PartStatistics:
    """Figures of train or eval. `tokens` is an estimate (`BYTES_PER_TOKEN`); `longest_row` counts from 0."""

    rows: int
    turns: int
    characters: int
    tokens: int
    longest_tokens: int
    longest_row: int


@dataclass(frozen=True)
class Statistics:
    train: PartStatistics
    eval: PartStatistics


class Datasets:
    """Every dataset is a folder `<id>/` with train.jsonl, eval.jsonl and dataset.json."""

    def __init__(
        self,
        folder: Path,
        *,
        hub_token: str | None = None,
        resolve: Callable[[str], str] = lambda base: base,
        rated: Callable[[], RatedChats] = RatedChats,
    ) -> None:
        """`resolve` turns a base model's id into the folder or the Hub id where its tokenizer is; `rated` gives the
        answers that were rated in the chat.
        """
        self.folder = folder
        self.mappings = Mappings(folder / ".mappings.json")
        self.drafts = Drafts(folder / ".drafts", self.mappings)
        self.hub = HubSearch(hub_token)
        self._hub_token = hub_token
        self._rated = rated
        self._resolve = resolve
        self._views = TokenViews()
        self._cache = folder / ".cache"
        self._examinations = folder / ".examinations"
        self._draft_checks = DraftChecks(self.drafts, self._cache)
        self._draft_lengths = DraftLengths(self.drafts, self._draft_checks, self._cache / "tokens", resolve)

    def create_from_file(
        self,
        source: Path | bytes,
        name: str,
        *,
        filename: str = "",
        eval_source: Path | bytes | None = None,
        eval_filename: str = "",
        eval_fraction: float = 0.2,
        seed: int = 0,
        skip_bad: bool = False,
    ) -> Dataset:
        """Of any format that is recognised, without a draft. Raises as `adding.add_file`."""
        held_out = None if eval_source is None else _named(eval_source, eval_filename or _("Held out"))
        choice = SplitChoice(eval_fraction=eval_fraction, seed=seed)
        given = _named(source, filename or name)
        return adding.add_file(self.folder, given, name, choice, held_out=held_out, skip_bad=skip_bad)

    def create_from_sample(self, folder: Path = SAMPLES) -> Dataset:
        about = json.loads((folder / "sample.json").read_bytes())
        return adding.add_file(
            self.folder,
            folder / "train.jsonl",
            about["name"],
            SplitChoice(),
            origin="sample",
            held_out=folder / "eval.jsonl",
            detail={"description": about["description"]},
        )

    def create_from_hub(self, request: HubRequest) -> Dataset:
        """Import and wait for it (command line). Raises BadInput, NotFound or Unavailable with the reason."""
        started = self.start_hub_import(request)
        done = hub_import.wait_for_import(self.folder, started.id)
        hub_import.forget_import(self.folder, started.id)
        return self.get(done.dataset_id)

    def start_hub_import(self, request: HubRequest, *, as_draft: bool = False) -> HubImport:
        """Start it in a process of its own, which outlives the app, and return at once (pages poll `hub_import`)."""
        return hub_import.start_import(self.folder, request, self._hub_token, as_draft=as_draft)

    def hub_import(self, import_id: str) -> HubImport:
        """How far it is; one that was started `as_draft` ends as a draft. Raises NotFound."""
        return hub_import.hand_over(self.folder, import_id, self.drafts)

    def cancel_hub_import(self, import_id: str) -> None:
        hub_import.cancel_import(self.folder, import_id)

    def list(self) -> Sequence[Dataset]:
        """Newest first."""
        found = []
        for place in self.folder.glob("*/dataset.json"):
            if place.parent.name.startswith("."):
                continue
            try:
                found.append(dataset_folder.load(self.folder, place.parent.name))
            except NotFound as error:
                logger.warning("dataset %s is left out of the list: %s", place.parent.name, error.raw)
        return sorted(found, key=lambda dataset: dataset.created_at, reverse=True)

    def get(self, dataset_id: str) -> Dataset:
        """Raises NotFound."""
        return dataset_folder.load(self.folder, dataset_id)

    def find(self, id_or_name: str) -> Dataset:
        """By id, or by a name that only one has. Raises NotFound, or Conflict for a name that several have."""
        named = [one for one in self.list() if one.name == id_or_name]
        if len(named) > 1 and all(one.id != id_or_name for one in named):
            raise Conflict(
                _("{count} datasets are called {name}.").format(count=len(named), name=id_or_name),
                how_to_fix=_("Give the id of one: {ids}").format(ids=", ".join(one.id for one in named)),
                code="ambiguous_name",
            )
        return named[0] if len(named) == 1 else self.get(id_or_name)

    def delete(self, dataset_id: str) -> None:
        """Already gone is success. Runs made with it keep their figures."""
        dataset_folder.remove(self.folder, dataset_id)

    def preview(self, dataset_id: str, part: str = "train", offset: int = 0, limit: int = 20) -> Sequence[Row]:
        """`part` is "train" or "eval"; a row's `line` is its place in the part, from 1."""
        index = index_of(self._part(dataset_id, part))
        return list(index.rows(range(len(index))[max(0, offset) :][: max(0, limit)]))

    def statistics(self, dataset_id: str) -> Statistics:
        parts = [self._part(dataset_id, part) for part in ("train", "eval")]
        train, held_out = (_part_statistics(path, path.stat().st_mtime_ns) for path in parts)
        return Statistics(train=train, eval=held_out)

    def open_text(self, text: str, name: str) -> Draft:
        """Pasted text as a draft, whatever format it has. Raises BadInput where no examples can be told apart."""
        pasted_text.require_records(text)
        return self.drafts.open([(name, text.encode("utf-8", errors="replace"))], name)

    def rated_chats(self) -> RatedChats:
        """Answers with a thumbs up, as examples."""
        return self._rated()

    def open_rated_chats(self) -> Draft:
        name = _("Rated chats")
        return self.drafts.open([(name, self.rated_chats().content())], name, origin="chats")

    def possible_formats(self, draft_id: str, file: int | None = None) -> Sequence[RecordFormat]:
        """How the records of the draft's file with this number may be read, the likeliest first."""
        return formats.possible(self.drafts.first_records(draft_id, 200, file))

    def preview_mapping(
        self, draft_id: str, form: RecordFormat, limit: int = 3, file: int | None = None
    ) -> Sequence[Converted]:
        """What the first records of that file become if they are read so."""
        convert = conversion.converter(form)
        return [convert(record) for record in self.drafts.first_records(draft_id, limit, file)]

    def examine_draft(self, draft_id: str, *, again: bool = False) -> Examination:
        """The checks of a draft's content: started when needed, and how far they are, with what was decided. A failure
        stays until it is asked for `again`.
        """
        return self._draft_checks.look(draft_id, again=again)

    def decide_content(self, draft_id: str, code: str, decision: Decision | None) -> None:
        """About a finding of these checks; it is carried out when the draft is saved."""
        self._draft_checks.decide(draft_id, code, decision)

    def measure_draft_tokens(self, draft_id: str, base_model: str, *, again: bool = False) -> TokenMeasurement:
        """As `measure_tokens`. Raises Conflict while the draft is read."""
        return self._draft_lengths.measure(draft_id, base_model, again=again)

    def draft_length_findings(self, draft_id: str, choice: LengthChoice) -> Sequence[Finding]:
        """As `length_findings`, with what was decided by `decide_content`: carried out when the draft is saved."""
        return self._draft_lengths.findings(draft_id, choice)

    def count_left_out(self, draft_id: str, lengths: LengthChoice | None = None) -> int:
        """How many of the draft's usable rows would not be saved, as it was decided about them."""
        return self._draft_checks.count_left_out(draft_id, self._draft_lengths.left_out(draft_id, lengths))

    def draft_rows_of(self, draft_id: str, code: str, lengths: LengthChoice | None = None) -> Sequence[int]:
        """The numbers of all the draft's rows that have a finding, in rising order; none where it names no rows."""
        if lengths is not None and code in token_findings.CODES:
            return self._draft_lengths.rows_of(draft_id, lengths, code)
        return self._draft_checks.rows_of(draft_id, code)

    def save_draft(
        self,
        draft_id: str,
        name: str,
        choice: SplitChoice,
        *,
        eval_source: Path | tuple[str, bytes] | None = None,
        mix: Mapping[str, float] | None = None,
        drop_leaks: bool = False,
        lengths: LengthChoice | None = None,
    ) -> Dataset:
        """The draft, with what was decided, becomes a dataset, and is gone.

        `lengths` is what the findings of length that were decided about were looked at with.

        `mix` has weights of saved datasets that are mixed in, by their ids. `eval_source` is a held-out file instead
        of a split; `drop_leaks` leaves out of train what stands there too. Raises Conflict while the draft is read or
        the tokens that a decision needs are counted, BadInput for rows that nobody has decided about, for too few
        rows, and for an unfit held-out file.
        """
        draft = self.drafts.get(draft_id)
        require_decided(draft.report)
        self._draft_lengths.require_decided(draft_id, lengths)
        rows = self._draft_checks.row_set(draft_id, self._draft_lengths.left_out(draft_id, lengths))
        origin, detail = self.drafts.detail(draft_id)
        facts = {**detail, "files": list(draft.files)}
        sets = [rows, *self._mixed_in(mix or {})]
        if eval_source is None:
            dataset = saving.save_split(self.folder, sets, name, origin, choice, detail=facts)
        else:
            held_out = self.drafts.open([eval_source], _("Held out"), mappings=draft.mappings)
            try:
                held_out = self.drafts.wait(held_out.id)
                require_clear(held_out)
                require_decided(held_out.report)
                dataset = saving.save_pair(
                    self.folder,
                    sets,
                    self._draft_checks.row_set(held_out.id),
                    name,
                    origin,
                    seed=choice.seed,
                    drop_leaks=drop_leaks,
                    detail=facts,
                )
            finally:
                self.drafts.discard(held_out.id)
        self.drafts.discard(draft_id)
        return dataset

    def _mixed_in(self, mix: Mapping[str, float]) -> Sequence[RowSet]:
        found = []
        for dataset_id, weight in mix.items():
            dataset = self.get(dataset_id)
            for part in (dataset.train_path, dataset.eval_path):
                found.append(RowSet(dataset.name, Path(part), weight=weight))
        return found

    def versions(self, dataset_id: str) -> Versions:
        """Its history, and the only way to change it. Raises NotFound."""
        self.get(dataset_id)
        return Versions(self.folder / dataset_id)

    def page(
        self,
        dataset_id: str,
        part: str,
        offset: int = 0,
        limit: int = 20,
        query: str = "",
        where: RowFilter = EVERY_ROW,
    ) -> RowPage:
        """Rows of the current version that have `query` in any message and fit `where`."""
        return find_rows(self._part(dataset_id, part), query, offset, limit, wanted=where)

    def source_files(self, dataset_id: str, part: str) -> Sequence[str]:
        """The files that the part's rows came from; none where it is not known."""
        return tuple(origins_of(self._part(dataset_id, part)).names)

    def examine(self, dataset_id: str, *, again: bool = False) -> Examination:
        """The checks of the current version's content: started when needed, and how far they are.

        A failure stays until it is asked for `again`.
        """
        dataset = self.get(dataset_id)
        folder = self._examinations / f"{dataset.id}-v{dataset.version}"
        if again:
            examination.forget_examination(folder)
        found = examination.read_examination(folder)
        if found.phase == "waiting" and not folder.exists():
            examination.start_examination(folder, self._parts(dataset), cache=self._cache)
            keep_within(EXAMINATIONS_BYTES, self._examinations.glob("*/"))
            found = examination.read_examination(folder)
        return found

    def rows_of(
        self, dataset_id: str, part: str, code: str, *, base_model: str = "", max_length: int = 0
    ) -> Sequence[int]:
        """The numbers of all the part's rows that have a finding, in rising order; for one of `length_findings` with
        what it was found with. None where it names no rows, or is not known yet.
        """
        dataset = self.get(dataset_id)
        if code in token_findings.CODES:
            table = self.measure_tokens(dataset_id, base_model).table if base_model else None
            if table is None or table.is_estimate:
                return []
            return [int(number) for number in token_findings.rows_of(code, table, max_length)[part]]
        if self.examine(dataset_id).phase != "done":
            return []
        return rows_of(examination.examine(self._parts(dataset), cache=self._cache), part, code)

    def apply_decisions(
        self, dataset_id: str, decisions: Mapping[str, Decision], on_progress: OnProgress = lambda done: None
    ) -> Version:
        """Rows with these findings are put right or left out, in a new version."""
        dataset = self.get(dataset_id)
        found = examination.examine(self._parts(dataset), decisions=decisions, cache=self._cache)
        versions = self.versions(dataset_id).telling(on_progress)
        return content_decisions.apply_decisions(versions, found, decisions, based_on=dataset.version)

    def measure_tokens(self, dataset_id: str, base_model: str, *, again: bool = False) -> TokenMeasurement:
        """Tokens of all rows by the model's own tokenizer: an estimate at once, then all. Call it repeatedly to watch.

        A failure stays until it is asked for `again`. Raises Unavailable or BadInput where the model's tokenizer can't
        be had here.
        """
        parts = self._parts(self.get(dataset_id))
        return tokens.measure(parts, self._resolve(base_model), self._cache / "tokens", again=again)

    def length_findings(self, dataset_id: str, base_model: str, max_length: int) -> Sequence[Finding]:
        """What a maximum length cuts and the model's template refuses; none until the tokens are counted."""
        counted = self.measure_tokens(dataset_id, base_model)
        return token_findings.findings(counted.table, max_length) if counted.table else ()

    def apply_length_decisions(
        self,
        dataset_id: str,
        base_model: str,
        max_length: int,
        decisions: Mapping[str, Decision],
        on_progress: OnProgress = lambda done: None,
    ) -> Version:
        """Rows with these findings are shortened or left out, in a new version; the current one when none changes.

        Raises Conflict while the tokens are still being counted.
        """
        dataset = self.get(dataset_id)
        table = self.measure_tokens(dataset_id, base_model).table
        if table is None or table.is_estimate:
            raise Conflict(
                _("The tokens are still being counted."),
                how_to_fix=_("Wait until all examples are counted, then try again."),
                code="still_counting",
            )
        titles = [one.title for one in token_findings.findings(table, max_length) if one.code in decisions]
        summary = _("Checks: {what}").format(what="; ".join(titles))
        versions = self.versions(dataset_id).telling(on_progress)
        return length_decisions.apply_length_decisions(
            versions, table, max_length, decisions, summary, based_on=dataset.version
        )

    def explain(self, base_model: str, messages: Sequence[Message], max_length: int) -> RenderedRow:
        """A row as the model sees it: token by token, what is learnt and what is cut."""
        return self._views.view(self._resolve(base_model)).explain(messages, max_length)

    def get_ready_to_explain(self, base_model: str) -> bool:
        """Begin what `explain` needs, without waiting; whether an answer comes at once by now."""
        view = self._views.view(self._resolve(base_model))
        view.warm_up()
        return view.is_ready

    def export(self, dataset_id: str, part: str, kind: str, target: Path | None = None) -> bytes | Path:
        """The part as a file of the format `kind` (jsonl, parquet): written to `target`, or given as bytes."""
        path = self._part(dataset_id, part)
        if target is not None:
            return export_part(path, target, kind=kind).path
        with tempfile.TemporaryDirectory() as place:
            return export_part(path, Path(place) / f"{part}.{kind}", kind=kind).path.read_bytes()

    def push_to_hub(self, dataset_id: str, repo_id: str, *, private: bool = True, replace: bool = False) -> str:
        """Upload both parts; the address. Raises what `hub_push.push_to_hub` does."""
        return hub_push.push_to_hub(
            self.get(dataset_id), repo_id, private=private, token=self._hub_token, replace=replace
        )

    def _parts(self, dataset: Dataset) -> Sequence[Part]:
        return [Part("train", Path(dataset.train_path)), Part("eval", Path(dataset.eval_path))]

    def _part(self, dataset_id: str, part: str) -> Path:
        dataset = self.get(dataset_id)
        if part not in {"train", "eval"}:
            raise BadInput(_("There is no part {part}; use train or eval.").format(part=part), code="no_such_part")
        return Path(dataset.train_path if part == "train" else dataset.eval_path)


def _named(source: Path | bytes, name: str) -> adding.Source:
    return source if isinstance(source, Path) else (name, source)


@lru_cache(maxsize=32)
def _part_statistics(path: Path, changed: int) -> PartStatistics:
    rows = turns = characters = tokens = longest = longest_row = 0
    with path.open("rb") as file:
        for number, line in enumerate(file):
            messages = messages_of(line)
            of_row = sum(TOKENS_PER_TURN + -(-len(message.content.encode()) // BYTES_PER_TOKEN) for message in messages)
            rows += 1
            turns += len(messages)
            characters += sum(len(message.content) for message in messages)
            tokens += of_row
            if of_row > longest:
                longest, longest_row = of_row, number
    return PartStatistics(rows, turns, characters, tokens, longest, longest_row)
