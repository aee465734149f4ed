"""Texts that a chat template has rendered are taken apart into the turns that it was made of."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.studio.rendered_chat import read_rendered

QA = [("user", "Q"), ("assistant", "A")]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("<|user|>\nQ<|end|>\n<|assistant|>\nA<|end|>\n<|endoftext|>", QA),
        ("<|system|>\nS<|end|>\n<|user|>\nQ<|end|>\n<|assistant|>\nA<|end|>", [("system", "S"), *QA]),
        ("<|im_start|>user\nQ<|im_end|>\n<|im_start|>assistant\nA<|im_end|>\n", QA),
        (
            "<|begin_of_text|><|start_header_id|>user<|end_header_id|>\n\nQ<|eot_id|>"
            "<|start_header_id|>assistant<|end_header_id|>\n\nA<|eot_id|>",
            QA,
        ),
        ("<bos><start_of_turn>user\nQ<end_of_turn>\n<start_of_turn>model\nA<end_of_turn>", QA),
        ("### Instruction:\nQ\n\n### Response:\nA", QA),
        ("### Instruction: Q\n### Input: I\n### Response: A</s>", [("user", "Q\n\nI"), ("assistant", "A")]),
        (
            "Below is an instruction.\n\n### Instruction:\nQ\n\n### Input:\n\n\n### Response:\nA",
            [("system", "Below is an instruction."), *QA],
        ),
        ("### Human: Q### not a mark\n### Assistant: A", [("user", "Q### not a mark"), ("assistant", "A")]),
        ("Human: Q\n\nAssistant: A\n\nHuman: Q\n\nAssistant: A", QA + QA),
        ("<s>[INST] Q [/INST] A </s>", QA),
        ("[INST] <<SYS>>\nS\n<</SYS>>\n\nQ [/INST] A </s><s>[INST] Q [/INST] A </s>", [("system", "S"), *QA, *QA]),
    ],
)
def test_a_rendered_conversation_is_taken_apart(text: str, expected: list[tuple[str, str]]) -> None:
    turns = read_rendered(text)
    assert turns is not None
    assert [(turn["role"], turn["content"]) for turn in turns] == expected


@pytest.mark.parametrize(
    "text",
    ["", "plain prose", "User: alone", "### Instruction: Q", "[INST] open", "[/INST] [INST]", "<|user|><|user|>"],
)
def test_a_text_without_an_answer_is_no_conversation(text: str) -> None:
    assert read_rendered(text) is None


MARKS = ["<|user|>", "<|assistant|>", "[INST]", "[/INST]", "<<SYS>>", "<</SYS>>", "### Response:", "\n", "<s>", "</s>"]


@given(st.lists(st.sampled_from(MARKS) | st.text(max_size=3), max_size=20))
def test_no_text_makes_it_fail(pieces: list[str]) -> None:
    turns = read_rendered("".join(pieces))
    assert turns is None or any(turn["role"] == "assistant" for turn in turns)


@pytest.mark.parametrize("piece", [*MARKS, " ", "[INST] <<SYS>> ", "Human: ", "\nUser: ", "### ", "</s> "])
def test_a_hostile_text_takes_no_longer_than_its_size_asks(piece: str) -> None:
    start = time.process_time()
    for beginning in ("[INST] [/INST]", "<|user|>Q<|assistant|>A"):
        read_rendered((beginning + piece * 400_000)[:1_000_000])
    assert time.process_time() - start < 5
