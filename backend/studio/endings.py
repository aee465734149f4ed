"""Marks that older training files put at the end of prompts and completions; stripped, and said. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from backend.domain_datasets import RecordFormat

_SPECIAL = (
    "<|endoftext|>",
    "<|end|>",
    "<|im_end|>",
    "<|eot_id|>",
    "<|end_of_text|>",
    "</s>",
    "<eos>",
    "<EOS>",
    "<end_of_turn>",
)
"""Special tokens of models: never part of an answer's own text when they end it."""
_ANSWER_MARKS = ("###", " END", "\nEND", "[END]", "<END>", "<|END|>")
_QUESTION_MARKS = ("###", "->", "=>", "-->", "---", "===", "***", "~~~", ">>>", "|>")


def common_ending(texts: Sequence[str], marks: Sequence[str]) -> str:
    """The mark that at least half of the texts end with (spaces after it don't count), or an empty string."""
    trimmed = [text.rstrip() for text in texts]
    counts = {mark: sum(text.endswith(mark) for text in trimmed) for mark in marks}
    best = max(counts, key=lambda mark: (counts[mark], len(mark)), default="")
    return best if best and counts[best] * 2 >= len(texts) > 0 else ""


def question_ending(questions: Sequence[str]) -> str:
    return common_ending(questions, _QUESTION_MARKS)


def answer_ending(answers: Sequence[str]) -> str:
    return common_ending([without_marks(answer, _SPECIAL) for answer in answers], _ANSWER_MARKS)


def strip_question(question: str, form: RecordFormat) -> tuple[str, tuple[str, ...]]:
    """The question without the separator of its format, and the note's code."""
    mark = form.question_ending
    trimmed = question.rstrip()
    if mark and trimmed.endswith(mark):
        return trimmed.removesuffix(mark).rstrip(), ("separator_stripped",)
    return question, ()


def strip_answer(answer: str, form: RecordFormat) -> tuple[str, tuple[str, ...]]:
    """The answer without special tokens and the ending of its format, and the notes' codes."""
    notes: list[str] = []
    stripped = without_marks(answer, _SPECIAL)
    mark = form.answer_ending
    if mark and stripped.rstrip().endswith(mark):
        stripped = stripped.rstrip().removesuffix(mark).rstrip()
    if stripped != answer:
        notes.append("ending_stripped")
    if form.kind == "prompt_completion" and stripped[:1] == " ":
        stripped = stripped[1:]
        notes.append("leading_space_stripped")
    return stripped, tuple(notes)


def without_marks(text: str, marks: tuple[str, ...]) -> str:
    """The text without the marks at its end and the spaces before them."""
    end = len(text.rstrip())
    if not text.endswith(marks, 0, end):
        return text
    while mark := next((mark for mark in marks if text.endswith(mark, 0, end)), None):
        end -= len(mark)  # no copy: a text may be nothing but marks
        while end and text[end - 1].isspace():
            end -= 1
    return text[:end]
