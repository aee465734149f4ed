"""The loss mask: exactly what the assistant says is learnt, whatever the chat template."""

from __future__ import annotations

from functools import cache

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests.tiny_model import PHI3_TEMPLATE, SPECIAL_TOKENS, make_tokenizer
from training_job.tuning.chat_tokens import IGNORED, ChatTokenizer, tokenize_rows
from training_job.tuning.conversations import Conversation
from training_job.tuning.failures import JobFailure

PHI3_PUBLISHED = (
    "{% for message in messages %}{% if message['role'] == 'system' and message['content'] %}"
    "{{'<|system|>\n' + message['content'] + '<|end|>\n'}}{% elif message['role'] == 'user' %}"
    "{{'<|user|>\n' + message['content'] + '<|end|>\n'}}{% elif message['role'] == 'assistant' %}"
    "{{'<|assistant|>\n' + message['content'] + '<|end|>\n'}}{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|assistant|>\n' }}{% else %}{{ eos_token }}{% endif %}"
)
CHATML = (
    "{% if messages[0]['role'] != 'system' %}{{ '<|im_start|>system\nYou are kind.<|im_end|>\n' }}{% endif %}"
    "{% for message in messages %}"
    "{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
LLAMA3 = (
    "{% for message in messages %}{% set content = '<|start_header_id|>' + message['role'] + '<|end_header_id|>\n\n'"
    "+ message['content'] | trim + '<|eot_id|>' %}{% if loop.index0 == 0 %}{% set content = bos_token + content %}"
    "{% endif %}{{ content }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|start_header_id|>assistant<|end_header_id|>\n\n' }}{% endif %}"
)
LLAMA2 = (
    "{{ '<s>' }}{% for message in messages %}{% if message['role'] == 'assistant' %}"
    "{{ ' ' + message['content'] + ' </s>' }}{% else %}{{ '[INST] ' + message['content'] + ' [/INST]' }}{% endif %}"
    "{% endfor %}"
)
# Its prompt opens a thought, which earlier answers are shown without.
THINKING = (
    "{% for message in messages %}{% if message['role'] == 'assistant' %}"
    "{{ '<|a|>' + message['content'] + '<|eos|>' }}{% else %}{{ '<|u|>' + message['content'] }}{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|a|><think>\n' }}{% endif %}"
)

TEMPLATES = {
    "phi3": (SPECIAL_TOKENS, PHI3_TEMPLATE, "<|end|>", "<|end|>"),
    "phi3 as published": (SPECIAL_TOKENS, PHI3_PUBLISHED, "<|endoftext|>", "<|end|>"),
    "chatml": (["<|im_start|>", "<|im_end|>", "<|endoftext|>"], CHATML, "<|im_end|>", "<|im_end|>"),
    "llama 3": (
        ["<|begin_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"],
        LLAMA3,
        "<|eot_id|>",
        "<|eot_id|>",
    ),
    "llama 2": (["<s>", "</s>"], LLAMA2, "</s>", " </s>"),
    "thinking": (["<|a|>", "<|u|>", "<|eos|>"], THINKING, "<|eos|>", "<|eos|>"),
}


@cache
def chat_of(name: str) -> ChatTokenizer:
    special, template, end, _closing = TEMPLATES[name]
    tokenizer = make_tokenizer(list(special), template, end_of_turn=end, padding=end)
    tokenizer.bos_token = special[0]
    return ChatTokenizer(tokenizer)


TEXT = st.text(st.characters(codec="utf-8", exclude_categories=["C"]), min_size=1, max_size=25).map(str.strip)
WORDS = st.one_of(TEXT, st.sampled_from(["assistant", "user", "a\nb", "The old tower.", "é漢😀"])).filter(bool)


@st.composite
def conversations(draw: st.DrawFn) -> list[dict[str, str]]:
    messages = [{"role": "system", "content": draw(WORDS)}] if draw(st.booleans()) else []
    for _turn in range(draw(st.integers(1, 3))):
        messages += [{"role": "user", "content": draw(WORDS)}, {"role": "assistant", "content": draw(WORDS)}]
    if draw(st.booleans()):
        messages.append({"role": "user", "content": draw(WORDS)})
    return messages


def learnt_spans(chat: ChatTokenizer, messages: list[dict[str, str]]) -> list[str]:
    """The text of each run of labelled tokens."""
    ids, labels = chat.tokenize(messages)
    assert len(ids) == len(labels)
    assert all(label in (IGNORED, token) for label, token in zip(labels, ids, strict=True))
    spans: list[list[int]] = []
    for place, label in enumerate(labels):
        if label != IGNORED:
            if place == 0 or labels[place - 1] == IGNORED:
                spans.append([])
            spans[-1].append(label)
    return [chat.tokenizer.decode(span) for span in spans]


@pytest.mark.parametrize("name", TEMPLATES)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(messages=conversations())
@example(
    [{"role": "user", "content": "0"}, {"role": "assistant", "content": "<"}]
)  # as the thought that the prompt opens
@example([{"role": "user", "content": "0"}, {"role": "assistant", "content": "<0"}])
@example([{"role": "user", "content": "0"}, {"role": "assistant", "content": "A"}])
def test_exactly_the_assistants_words_and_their_end_are_learnt(name: str, messages: list[dict[str, str]]) -> None:
    closing = TEMPLATES[name][3]
    expected = [message["content"] + closing for message in messages if message["role"] == "assistant"]
    found = learnt_spans(chat_of(name), messages)
    if name == "llama 2":
        # Its answers begin with a space that no special token parts from the prompt.
        found, expected = [text.strip() for text in found], [text.strip() for text in expected]
    assert found == expected


@pytest.mark.parametrize("name", TEMPLATES)
@settings(max_examples=25, deadline=None)
@given(messages=conversations())
def test_the_whole_conversation_is_tokenized_as_it_is_rendered(name: str, messages: list[dict[str, str]]) -> None:
    chat = chat_of(name)
    whole = chat.tokenizer.apply_chat_template(messages, tokenize=True, return_dict=False)
    assert chat.tokenize(messages)[0] == list(whole)
    ids, labels = chat.tokenize(messages, assistant_only=False)
    assert labels == ids == list(whole)


@pytest.mark.parametrize("name", TEMPLATES)
def test_the_token_that_ends_an_answer_is_found(name: str) -> None:
    chat = chat_of(name)
    assert chat.tokenizer.convert_ids_to_tokens(chat.end_of_turn) == TEMPLATES[name][3].strip()


def test_no_system_turn_is_inserted() -> None:
    chat = chat_of("phi3")
    ids, _labels = chat.tokenize([{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Ho"}])
    assert chat.tokenizer.decode(ids) == "<|user|>\nHi<|end|>\n<|assistant|>\nHo<|end|>\n"


def row(line: int, *contents: str) -> Conversation:
    roles = ("user", "assistant")
    return Conversation(line, [{"role": roles[i % 2], "content": text} for i, text in enumerate(contents)])


def test_rows_without_an_answer_are_left_out_and_counted() -> None:
    rows = tokenize_rows(chat_of("phi3"), [row(1, "Hi", "Ho"), row(2, "Hi")], name="train", max_length=100)
    assert [one.line for one in rows.rows] == [1]
    assert rows.without_trainable == 1


def test_a_file_that_teaches_nothing_is_an_error() -> None:
    with pytest.raises(JobFailure) as caught:
        tokenize_rows(chat_of("phi3"), [row(1, "Hi"), row(2, "Hello")], name="train", max_length=100)
    assert caught.value.code == "no_trainable_tokens"


def test_cut_answers_are_counted_and_cut_rows_fit() -> None:
    long = row(1, "Who?", "The old tower has one hundred and twelve steps. " * 6, "And?", "The ferry leaves at seven.")
    rows = tokenize_rows(chat_of("phi3"), [long, row(2, "Hi", "Ho")], name="train", max_length=40)
    assert (rows.too_long, rows.answers_cut) == (1, 2)
    assert [len(one.input_ids) <= 40 for one in rows.rows] == [True, True]


def test_a_row_that_the_template_refuses_is_named_by_its_line() -> None:
    tokenizer = make_tokenizer()
    tokenizer.chat_template = (
        "{% if messages[0]['role'] == 'system' %}{{ raise_exception('no system role') }}{% endif %}" + (PHI3_TEMPLATE)
    )
    bad = Conversation(9, [{"role": "system", "content": "x"}, *row(9, "Hi", "Ho").messages])
    with pytest.raises(JobFailure, match="line 9") as caught:
        tokenize_rows(ChatTokenizer(tokenizer), [bad], name="train", max_length=100)
    assert "no system role" in caught.value.why


def test_a_model_without_a_chat_template_is_refused() -> None:
    tokenizer = make_tokenizer()
    tokenizer.chat_template = None
    with pytest.raises(JobFailure) as caught:
        ChatTokenizer(tokenizer)
    assert caught.value.code == "no_chat_template"
