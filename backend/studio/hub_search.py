"""Looking for datasets on the Hugging Face Hub, and into one before it is fetched. Answers are kept for minutes."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any, TypeVar
from urllib.parse import quote

from backend.domain_datasets import RecordFormat
from backend.errors import BadInput, NotFound, PhiDeskError, Unavailable
from backend.i18n import _
from backend.studio import hub_calls, hub_errors, hub_facts
from backend.studio.hub_calls import Refusal
from backend.studio.hub_facts import HubAbout, HubHit, HubRows, HubSplit
from backend.studio.hub_request import HubRequest, is_hub_id

KEEP_SECONDS = 180.0
KEEP_ANSWERS = 200
MOST_ROWS = 100
"""What the viewer gives at once."""

_FIELDS = ("downloads", "likes", "gated", "private", "lastModified", "tags", "mainSize")
_PAGE = re.compile(r"https?://(?:www\.)?(?:huggingface\.co|hf\.co)/datasets/([\w.-]+/[\w.-]+)(?:[/?#].*)?", re.ASCII)

Answer = TypeVar("Answer")


class HubSearch:
    """Every call ends within some seconds, with what was asked or a PhiDeskError in words."""

    def __init__(self, token: str | None = None, *, viewer: str = "", timeout_seconds: float = 15.0) -> None:
        """`viewer`: the dataset viewer's address, where it is not the Hub's own."""
        self._at = hub_calls.address(token, viewer=viewer, timeout_seconds=timeout_seconds)
        self._lock = threading.Lock()
        self._kept: dict[tuple[object, ...], tuple[float, object]] = {}

    def search(self, text: str, limit: int = 20) -> tuple[HubHit, ...]:
        """The most downloaded first; one that is called exactly so before all. A page's address counts as its id."""
        text = id_in(text)
        return self._once(("search", text, limit), lambda: self._search(text, limit))

    def about(self, hub_id: str, revision: str = "") -> HubAbout:
        """Raises NotFound for an unknown id, at once. A gated one is described, with how to get in (`access`)."""
        wanted = HubRequest(id_in(hub_id), revision=revision).checked()
        return self._once(
            ("about", wanted.hub_id, wanted.revision), lambda: self._about(wanted.hub_id, wanted.revision)
        )

    def first_rows(self, hub_id: str, config: str, split: str, limit: int = 20) -> HubRows:
        """Raises Unavailable where the viewer has no rows (yet), BadInput for a gated one that is not open."""
        hub_id, limit = id_in(hub_id), max(1, min(limit, MOST_ROWS))
        return self._once(
            ("rows", hub_id, config, split, limit), lambda: self._first_rows(hub_id, config, split, limit)
        )

    def forget(self) -> None:
        """Ask anew from now on, as after terms were accepted on the Hub's page."""
        with self._lock:
            self._kept.clear()

    def _search(self, text: str, limit: int) -> tuple[HubHit, ...]:
        query = {"search": text, "limit": limit, "sort": "downloads", "expand": list(_FIELDS)}
        try:
            listed = self._at.ask(f"{self._at.hub}/api/datasets", query)
        except Refusal as refusal:
            raise hub_errors.refused_in_words(refusal, "", has_token=bool(self._at.token)) from refusal
        hits = [hub_facts.hit_of(facts) for facts in listed if isinstance(facts, Mapping) and facts.get("id")]
        if "/" in text and is_hub_id(text) and all(hit.id.lower() != text.lower() for hit in hits):
            with suppress(NotFound):  # the Hub's search is by words, and may miss what has just been made
                hits.append(hub_facts.hit_of(self._facts(text, "")))
        hits.sort(key=lambda hit: hit.id.lower() != text.lower())
        return tuple(hits[:limit])

    def _about(self, hub_id: str, revision: str) -> HubAbout:
        facts = self._facts(hub_id, revision)
        hit = hub_facts.hit_of(facts)
        access = self._access(hit)
        splits, note = self._splits(hit.id, facts.get("cardData"), is_open=access is None)
        return HubAbout(hit, str(facts.get("sha") or ""), splits, access.failure() if access else None, note)

    def _facts(self, hub_id: str, revision: str) -> Mapping[str, Any]:
        url = f"{self._at.hub}/api/datasets/{quote(hub_id)}"
        try:
            facts: Mapping[str, Any] = self._at.ask(
                f"{url}/revision/{quote(revision, safe='')}" if revision else url, {}
            )
        except Refusal as refusal:
            raise hub_errors.refused_in_words(refusal, hub_id, has_token=bool(self._at.token)) from refusal
        return facts

    def _access(self, hit: HubHit) -> PhiDeskError | None:
        """What stands in the way to a gated one's files; its facts are open to everyone."""
        if not hit.gated:
            return None
        has_token = bool(self._at.token)
        if has_token:
            try:
                self._at.ask(f"{self._at.hub}/api/datasets/{quote(hit.id)}/auth-check", {})
            except Refusal as refusal:
                if refusal.status not in {401, 403, 404}:
                    raise hub_errors.refused_in_words(refusal, hit.id, has_token=True) from refusal
            else:
                return None
        return hub_errors.gated(hit.id, hit.gated, has_token=has_token)

    def _splits(self, hub_id: str, card: object, *, is_open: bool) -> tuple[tuple[HubSplit, ...], str]:
        """From the viewer, which counts; else from the dataset's card. And in words what is missing."""
        note = ""
        if is_open:
            ways: tuple[tuple[str, Callable[[Mapping[str, Any]], tuple[HubSplit, ...]]], ...] = (
                ("size", hub_facts.splits_of_sizes),
                ("splits", hub_facts.splits_of_names),
            )
            for path, read in ways:
                try:
                    found = read(self._at.ask(f"{self._at.viewer}/{path}", {"dataset": hub_id}))
                except Refusal as refusal:
                    note = note or hub_errors.viewer_in_words(refusal, hub_id).what
                except (KeyError, TypeError):
                    note = note or hub_errors.viewer_in_words(Refusal(0), hub_id).what
                except Unavailable as error:
                    note = note or error.what
                    break  # it would not answer the next question either
                else:
                    if found:
                        return found, note
        return hub_facts.splits_of_card(card), note

    def _first_rows(self, hub_id: str, config: str, split: str, limit: int) -> HubRows:
        part = {"dataset": hub_id, "config": config, "split": split}
        try:
            page = self._at.ask(f"{self._at.viewer}/rows", {**part, "offset": 0, "length": limit})
        except Refusal as refusal:
            if refusal.status in {401, 404, 422, 429}:
                raise self._no_rows(refusal, hub_id, config, split) from refusal
            try:  # made earlier than /rows, but long cells are cut
                page = self._at.ask(f"{self._at.viewer}/first-rows", part)
            except Refusal as second:
                raise self._no_rows(second, hub_id, config, split) from second
        return rows_of(page, limit)

    def _no_rows(self, refusal: Refusal, hub_id: str, config: str, split: str) -> PhiDeskError:
        if refusal.status in {401, 403, 404} and refusal.code != "ResponseNotFound":
            about = self.about(hub_id)  # raises NotFound where there is none
            if about.access:
                return BadInput.of(replace(about.access, raw=str(refusal)))
        return hub_errors.viewer_in_words(refusal, hub_id, config, split)

    def _once(self, key: tuple[object, ...], ask: Callable[[], Answer]) -> Answer:
        """The kept answer while it is fresh; what went wrong is not kept."""
        with self._lock:
            kept = self._kept.get(key)
            if kept and time.monotonic() - kept[0] < KEEP_SECONDS:
                return kept[1]  # type: ignore[return-value]
        answer = ask()
        with self._lock:
            while len(self._kept) >= KEEP_ANSWERS:
                del self._kept[next(iter(self._kept))]
            self._kept[key] = (time.monotonic(), answer)
        return answer


def rows_of(page: Mapping[str, Any], limit: int) -> HubRows:
    """Of the viewer's /rows or /first-rows: recognised like a file's, and shown as conversations."""
    from backend.studio.conversion import converter
    from backend.studio.formats import recognise

    try:
        sent = [(dict(one["row"]), tuple(one.get("truncated_cells") or ())) for one in page["rows"][:limit]]
        columns = tuple(str(feature["name"]) for feature in page["features"])
    except (KeyError, TypeError, ValueError) as error:
        raise Unavailable(
            _("The Hub's preview can't be read."),
            how_to_fix=_("Get the dataset without it; its examples are checked then."),
            code="no_preview",
            raw=f"{type(error).__name__}: {error}",
        ) from error
    whole = [row for row, cut in sent if not cut]
    form: RecordFormat = recognise(whole or [row for row, _cut in sent])
    convert = converter(form)
    total = page.get("num_rows_total")
    return HubRows(
        columns=columns,
        rows=tuple(row for row, _cut in sent),
        format=form,
        conversations=tuple(None if cut else convert(row).messages for row, cut in sent),
        total=total if isinstance(total, int) else None,
        cut_columns=tuple(dict.fromkeys(str(name) for _row, cut in sent for name in cut)),
    )


def id_in(text: str) -> str:
    """The id in a dataset page's address, else the text as it is."""
    text = text.strip()
    found = _PAGE.fullmatch(text)
    return found[1] if found else text
