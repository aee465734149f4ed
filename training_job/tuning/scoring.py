"""Loss and greedy answers of a model, in plain PyTorch: for checking a saved model and for comparing two."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch.nn import functional

from .chat_tokens import IGNORED, ChatTokenizer, TokenizedRow

BATCH_TOKENS = 2048
"""Tokens scored at once, padding included: bounds the logits of a large vocabulary to about 1.6 GB."""


@dataclass(frozen=True)
class RowScore:
    """Sums over the row's labelled tokens."""

    loss_sum: float
    tokens: int

    @property
    def loss(self) -> float:
        return self.loss_sum / self.tokens


@dataclass(frozen=True)
class Answer:
    text: str
    is_stopped: bool
    """Whether it ended with a stop token rather than at the limit."""


def mean_loss(scores: Sequence[RowScore]) -> float:
    """Per token, so that long answers count for more."""
    return sum(score.loss_sum for score in scores) / sum(score.tokens for score in scores)


@torch.no_grad()
def score_rows(
    model: Any, rows: Sequence[TokenizedRow], on_progress: Callable[[float], None] = lambda done: None
) -> list[RowScore]:
    """In the order of `rows`, each of which has at least one labelled token after its first."""
    model.eval()
    scores: list[RowScore | None] = [None] * len(rows)
    finished = 0
    for places in _batches([len(row.input_ids) for row in rows], BATCH_TOKENS):
        batch = [rows[place] for place in places]
        ids = _pad([row.input_ids for row in batch], 0).to(model.device)
        labels = _pad([row.labels for row in batch], IGNORED)[:, 1:].to(model.device)
        mask = _pad([[1] * len(row.input_ids) for row in batch], 0).to(model.device)
        # Only positions that predict a label in some row go through the vocabulary.
        needed = (labels != IGNORED).any(dim=0).nonzero().flatten()
        logits = model(input_ids=ids, attention_mask=mask, logits_to_keep=needed, use_cache=False).logits.float()
        labels = labels[:, needed]
        losses = functional.cross_entropy(logits.transpose(1, 2), labels, ignore_index=IGNORED, reduction="none")
        for place, loss, tokens in zip(
            places, losses.sum(1).tolist(), (labels != IGNORED).sum(1).tolist(), strict=True
        ):
            scores[place] = RowScore(loss, tokens)
        finished += len(places)
        on_progress(finished / len(rows))
    return [score for score in scores if score is not None]


@torch.no_grad()
def answer_prompts(
    model: Any,
    chat: ChatTokenizer,
    prompts: Sequence[Sequence[dict[str, str]]],
    *,
    max_new_tokens: int,
    batch_size: int = 16,
    on_progress: Callable[[float], None] = lambda done: None,
) -> list[Answer]:
    """Greedy, in the order of `prompts`; batches are padded on the left, where it does not part prompt and answer."""
    from transformers import GenerationConfig

    model.eval()
    stops = stop_tokens(model, chat)
    pad = chat.tokenizer.pad_token_id
    settings = GenerationConfig(
        max_new_tokens=max_new_tokens,
        do_sample=False,
        eos_token_id=stops,
        pad_token_id=stops[0] if pad is None else pad,
    )
    encoded = [chat.encode(chat.render(prompt, prompt=True)) for prompt in prompts]
    answers = [Answer("", False)] * len(prompts)
    order = sorted(range(len(encoded)), key=lambda place: len(encoded[place]))
    for start in range(0, len(order), batch_size):
        places = order[start : start + batch_size]
        ids = _pad([encoded[place] for place in places], settings.pad_token_id, on_left=True).to(model.device)
        mask = _pad([[1] * len(encoded[place]) for place in places], 0, on_left=True).to(model.device)
        output = model.generate(input_ids=ids, attention_mask=mask, generation_config=settings, use_cache=True)
        for place, new in zip(places, output[:, ids.shape[1] :].tolist(), strict=True):
            end = next((index for index, token in enumerate(new) if token in stops), None)
            text = chat.tokenizer.decode(new[:end], skip_special_tokens=True)
            answers[place] = Answer(text.strip(), end is not None)
        on_progress((start + len(places)) / len(order))
    return answers


def stop_tokens(model: Any, chat: ChatTokenizer) -> list[int]:
    """The token that ends a turn in the chat template first, then what the model itself names."""
    named = model.generation_config.eos_token_id
    named = named if isinstance(named, list) else [named]
    found = [chat.end_of_turn, *named, chat.tokenizer.eos_token_id]
    return list(dict.fromkeys(token for token in found if token is not None))


def _batches(lengths: Sequence[int], budget: int) -> Iterator[list[int]]:
    """Places of rows of about the same length, whose padded size is within the budget."""
    batch: list[int] = []
    for place in sorted(range(len(lengths)), key=lengths.__getitem__):
        if batch and (len(batch) + 1) * lengths[place] > budget:
            yield batch
            batch = []
        batch.append(place)
    if batch:
        yield batch


def _pad(rows: Sequence[Sequence[int]], value: int, *, on_left: bool = False) -> torch.Tensor:
    width = max(map(len, rows))
    fill = [[value] * (width - len(row)) for row in rows]
    return torch.tensor(
        [space + list(row) if on_left else list(row) + space for row, space in zip(rows, fill, strict=True)]
    )
