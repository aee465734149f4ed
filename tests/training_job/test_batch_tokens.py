"""Many conversations at once: the very tokens and answers that the training labels, whatever template and tokenizer."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache, partial
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests.tiny_model import SENTENCES, SPECIAL_TOKENS, make_tokenizer
from tests.training_job.test_chat_tokens import PHI3_PUBLISHED, TEMPLATES
from training_job.tuning.batch_tokens import (
    BatchTokenizer,
    Refused,
    Rendered,
    RowTokens,
    find_anchors,
    shared_length,
    without_oldest_exchange,
)
from training_job.tuning.chat_tokens import IGNORED, ChatTokenizer, common_prefix_length
from training_job.tuning.failures import JobFailure

BUILT_IN = Path(__file__).parents[2] / "backend" / "local" / "base_model" / "weights"

PHI4 = (
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '<|im_sep|>' + message['content'] + "
    "'<|im_end|>' }}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant<|im_sep|>' }}{% endif %}"
)
STRIPPING = (
    "{{ bos_token }}{% for message in messages %}{{ '<|' + message['role'] + '|>' + message['content'] | trim + "
    "'<|end|>' }}{% endfor %}{% if add_generation_prompt %}{{ '<|assistant|>' }}{% endif %}"
)
# Earlier answers are shown without the thought before </think>, the last one with it.
DROPS_THOUGHTS = (
    "{% for message in messages %}{% set words = message['content'] %}"
    "{% if message['role'] == 'assistant' and not loop.last and '</think>' in words %}"
    "{% set words = words.split('</think>')[-1] %}{% endif %}"
    "{{ '<|' + message['role'] + '|>\n' + words + '<|end|>\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|assistant|>\n' }}{% endif %}"
)
NO_MARKS = (
    "{% for message in messages %}{{ message['role'] + ': ' + message['content'] + '\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ 'assistant: ' }}{% endif %}"
)


def with_swallowing_tokens(template: str) -> ChatTokenizer:
    """As the real Phi-3: pieces of sentences, marks that swallow the white space after them."""
    from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, trainers
    from transformers import PreTrainedTokenizerFast

    raw = Tokenizer(models.BPE(byte_fallback=True, unk_token="<unk>", fuse_unk=True))
    raw.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    raw.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()])
    special = ["<unk>", "<s>", *[f"<0x{byte:02X}>" for byte in range(256)]]
    raw.train_from_iterator(SENTENCES, trainers.BpeTrainer(vocab_size=700, special_tokens=special, show_progress=False))
    plain = Tokenizer.from_str(raw.to_str())
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=plain, bos_token="<s>", eos_token="<|endoftext|>", unk_token="<unk>"
    )
    marks = ["<|endoftext|>", "<|system|>", "<|user|>", "<|assistant|>", "<|end|>"]
    tokenizer.add_tokens([AddedToken(mark, rstrip=True, normalized=False, special=True) for mark in marks])
    tokenizer.chat_template = template
    return ChatTokenizer(tokenizer)


def with_odd_added_tokens() -> ChatTokenizer:
    """Runs of white space as tokens (as Phi-2), one mark within another, one as a whole word only, and a normalizer."""
    from tokenizers import AddedToken, normalizers

    tokenizer = make_tokenizer(template=DROPS_THOUGHTS)
    tokenizer.backend_tokenizer.normalizer = normalizers.NFKC()
    odd = [AddedToken(" " * count, normalized=False) for count in (2, 3, 4)]
    odd += [
        AddedToken("<|end|>\n<|user|>", normalized=False),
        AddedToken("harbour", single_word=True, normalized=False),
    ]
    odd += [AddedToken("<think>", normalized=True), AddedToken("</think>", lstrip=True, rstrip=True, normalized=False)]
    tokenizer.add_tokens(odd)
    return ChatTokenizer(tokenizer)


def with_bos(template: str, special: list[str], end: str) -> ChatTokenizer:
    tokenizer = make_tokenizer(special, template, end_of_turn=end, padding=end)
    tokenizer.bos_token = special[0]
    return ChatTokenizer(tokenizer)


def built_in() -> ChatTokenizer:
    from transformers import AutoTokenizer

    return ChatTokenizer(AutoTokenizer.from_pretrained(BUILT_IN))


def of_the_mask_tests(name: str) -> ChatTokenizer:
    special, template, end, _closing = TEMPLATES[name]
    return with_bos(template, list(special), end)


CHATS: dict[str, Callable[[], ChatTokenizer]] = {
    "built-in": built_in,
    "phi 4": lambda: with_bos(PHI4, ["<|endoftext|>", "<|im_start|>", "<|im_sep|>", "<|im_end|>"], "<|im_end|>"),
    "stripping, bos": lambda: with_bos(STRIPPING, SPECIAL_TOKENS, "<|end|>"),
    "drops thoughts": lambda: with_bos(DROPS_THOUGHTS, SPECIAL_TOKENS, "<|end|>"),
    "no marks": lambda: with_bos(NO_MARKS, SPECIAL_TOKENS, "<|end|>"),
    "swallowing": lambda: with_swallowing_tokens(PHI3_PUBLISHED),
    "swallowing, no line feeds": lambda: with_swallowing_tokens(STRIPPING),
    "odd added tokens": with_odd_added_tokens,
    **{name: partial(of_the_mask_tests, name) for name in TEMPLATES},
}


@cache
def batch_of(name: str) -> BatchTokenizer:
    return BatchTokenizer(CHATS[name]())


@cache
def batch_of_short_tails(name: str) -> BatchTokenizer:
    """Takes every tail for a long one, which is cut where nothing after it can matter."""
    return BatchTokenizer(batch_of(name).chat, longest_tail=0)


HOSTILE = [
    "<|end|>", "<|user|>", "<|endoftext|>", "<|assistant|>\n", "<|im_end|>", "<|im_start|>", "</s>", "<s>", "[INST]",
    "<think>", "a</think>\nb", "<|en", "|>", "\n", "  ", "\u3000", "　Ａ＜s＞", "e\u0301", "é漢😀👩‍👩‍👧", "\x00",
    "harbour", "The old tower.", "lighthouse\n\n", " The ferry ",
]  # fmt: skip
TEXT = st.text(st.characters(codec="utf-8"), max_size=12)
WORDS = st.lists(st.one_of(st.sampled_from(HOSTILE), TEXT), min_size=1, max_size=4).map("".join)


@st.composite
def conversations(draw: st.DrawFn) -> list[dict[str, str]]:
    messages = [{"role": "system", "content": draw(WORDS)}] if draw(st.booleans()) else []
    alike = draw(st.sampled_from(["", "Who keeps the tower? "]))
    for _turn in range(draw(st.integers(1, 3))):
        messages += [{"role": "user", "content": alike + draw(WORDS)}, {"role": "assistant", "content": draw(WORDS)}]
    if draw(st.integers(0, 4)) == 0:
        messages.append({"role": "user", "content": draw(WORDS)})
    if draw(st.integers(0, 9)) == 0:
        messages = [message for message in messages if message["role"] != "user"]
    return messages


def the_slow_way(chat: ChatTokenizer, messages: list[dict[str, str]]) -> RowTokens | type[Refused]:
    try:
        text = chat.render(messages, prompt=False)
        ids, labels = chat.tokenize(messages)
        spans = chat.answer_spans(messages, text, ids)
    except JobFailure:
        return Refused
    marked = [IGNORED] * len(ids)
    for start, end in spans:
        marked[start:end] = ids[start:end]
    assert marked == labels
    [rendered] = BatchTokenizer(chat).render([messages])
    assert isinstance(rendered, Rendered) and bool(rendered.shortened) == bool(without_oldest_exchange(messages))
    opening = common_prefix_length(chat.encode(rendered.shortened), ids) if rendered.shortened else 0
    return RowTokens(len(ids), spans, opening)


def ends_before_the_first_question(chat: ChatTokenizer, messages: list[dict[str, str]], opening: int) -> bool:
    """White space at its beginning is not counted, nor a token of nothing, with which some begin each piece."""
    asked = 1 if messages[0]["role"] == "system" else 0
    text = chat.render(messages, prompt=False)
    other = [*messages[:asked], {**messages[asked], "content": "\ue000"}, *messages[asked + 1 :]]
    before = chat.render(other, prompt=False).partition("\ue000")[0]
    assert text.startswith(before)
    words = len(text) - len(text[len(before) :].lstrip())
    found = chat.tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
    while opening and not chat.tokenizer.decode(found["input_ids"][opening - 1]).strip():
        opening -= 1
    return opening == 0 or bool(found["offset_mapping"][opening - 1][1] <= words)


def shorter_by_exchanges(messages: list[dict[str, str]]) -> Iterator[list[dict[str, str]]]:
    """Without the oldest exchange, then without the two oldest, and so on."""
    while (shorter := without_oldest_exchange(messages)) is not None:
        yield shorter
        messages = shorter


@pytest.mark.parametrize("name", CHATS)
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(rows=st.lists(conversations(), min_size=1, max_size=4))
@example([[{"role": "user", "content": "0"}, {"role": "assistant", "content": " \n<|end|>\n "}] * 2])
@example([[{"role": "user", "content": "Q"}, {"role": "assistant", "content": "<think>x</think>y"}] * 2])
@example([[{"role": "user", "content": "Q"}, {"role": "assistant", "content": "A<|end|>\n<|user|>\nB"}] * 2])
def test_the_fast_way_finds_what_the_training_labels(name: str, rows: list[list[dict[str, str]]]) -> None:
    batch = batch_of(name)
    assert batch_of_short_tails(name).count(rows) == batch.count(rows)
    for messages, found in zip(rows, batch.count(rows), strict=True):
        expected = the_slow_way(batch.chat, messages)
        assert isinstance(found, Refused) if expected is Refused else found == expected
        if isinstance(found, RowTokens):
            assert ends_before_the_first_question(batch.chat, messages, found.opening)
            for (_start, end), shorter in zip(found.spans, shorter_by_exchanges(messages), strict=False):
                left = len(batch.chat.encode(batch.chat.render(shorter, prompt=False)))
                assert left <= found.total - max(0, end - found.opening)


@pytest.mark.parametrize("name", CHATS)
def test_ordinary_rows_take_the_fast_way(name: str) -> None:
    batch = BatchTokenizer(CHATS[name]())
    turns = [{"role": "user", "content": "Who keeps it?"}, {"role": "assistant", "content": "Marta keeps it."}]
    assert len(batch.count([turns * 3] * 5)) == 5
    assert batch.slow_rows == 0
    assert len(batch._tails) <= 8  # borders are the same in each row: nothing is tokenized twice


def test_a_tokenizer_without_a_fast_backend_is_counted_the_slow_way() -> None:
    batch = BatchTokenizer(CHATS["built-in"]())
    batch.backend = None
    messages = [{"role": "user", "content": "Who?"}, {"role": "assistant", "content": "Marta."}]
    assert batch.count([messages]) == batch_of("built-in").count([messages])
    assert batch.slow_rows == 1


def test_anchors_are_only_what_nothing_else_can_hide() -> None:
    chat = with_odd_added_tokens()
    anchors = set(find_anchors(chat.tokenizer, chat.tokenizer.backend_tokenizer).values())
    assert "<|assistant|>" in anchors
    assert not anchors & {"  ", "<|end|>", "<|user|>", "harbour", "<think>"}
    chat.tokenizer.backend_tokenizer.encode_special_tokens = True
    assert find_anchors(chat.tokenizer, chat.tokenizer.backend_tokenizer) == {}


def test_what_the_template_refuses_is_told_and_the_others_counted() -> None:
    tokenizer = make_tokenizer()
    tokenizer.chat_template = (
        "{% if messages[0]['role'] == 'system' %}{{ raise_exception('no system role') }}{% endif %}"
        + str(tokenizer.chat_template)
    )
    batch = BatchTokenizer(ChatTokenizer(tokenizer))
    good = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Ho"}]
    found = batch.count([good, [{"role": "system", "content": "x"}, *good], good])
    assert found[0] == found[2] and isinstance(found[0], RowTokens)
    assert found[1] == Refused("no system role")


@given(st.text("ab", max_size=8), st.text("ab", max_size=8))
def test_shared_length_is_that_of_the_common_prefix(one: str, other: str) -> None:
    assert shared_length(one, other) == common_prefix_length(one, other)
