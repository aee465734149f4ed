"""Texts in which a chat template has written a whole conversation already: taken apart again. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from itertools import chain

from backend.studio.endings import without_marks

_ROLE = r"(system|user|human|assistant|gpt|bot|model|developer|tool)"
_MARKED = (
    re.compile(rf"<\|im_start\|>{_ROLE}\n", re.IGNORECASE),
    re.compile(rf"<\|start_header_id\|>{_ROLE}<\|end_header_id\|>\n{{0,2}}", re.IGNORECASE),
    re.compile(r"<start_of_turn>(user|model)\n"),
    re.compile(r"<\|(system|user|assistant)\|>\n?"),
    re.compile(
        r"^#{2,4} ?(Instruction|Input|Context|Question|Human|User|Response|Answer|Output|Assistant|System): ?\n?",
        re.MULTILINE,
    ),
    re.compile(r"^(Human|User|Assistant|System): ?", re.MULTILINE),
)
"""A mark in each opens a turn and names who speaks; tried in this order."""
_ENDS = (
    "<|im_end|>", "<|eot_id|>", "<end_of_turn>", "<|end|>", "<|endoftext|>", "<|end_of_text|>", "</s>",
)  # fmt: skip
_STARTS = ("<|begin_of_text|>", "<|endoftext|>", "<bos>", "<s>")
_MEANT = {
    "instruction": "user",
    "input": "context",
    "context": "context",
    "question": "user",
    "human": "user",
    "user": "user",
    "response": "assistant",
    "answer": "assistant",
    "output": "assistant",
    "assistant": "assistant",
    "gpt": "assistant",
    "bot": "assistant",
    "model": "assistant",
    "system": "system",
    "developer": "system",
    "tool": "tool",
}
_SYS = re.compile(r"\A\s*<<SYS>>\n?(.*?)\n?<</SYS>>\s*", re.DOTALL)


def read_rendered(text: str) -> list[dict[str, object]] | None:
    """The turns as `{"role", "content"}`, or None where no template is recognised that has an answer.

    What stands before the first mark (a preamble such as Alpaca's "Below is an instruction ...") becomes the system
    message.
    """
    readings = chain((_read_inst(text),), (_read_marked(text, opening) for opening in _MARKED))
    return next((turns for turns in readings if turns and _has_answer(turns)), None)


def _has_answer(turns: Sequence[Mapping[str, object]]) -> bool:
    return any(turn["role"] == "assistant" for turn in turns) and any(turn["content"] for turn in turns)


def _read_marked(text: str, opening: re.Pattern[str]) -> list[dict[str, object]] | None:
    marks = list(opening.finditer(text))
    if len(marks) < 2:
        return None
    turns: list[dict[str, object]] = []
    before = _clean(text[: marks[0].start()])
    if before:
        turns.append({"role": "system", "content": before})
    ends = [mark.start() for mark in marks[1:]] + [len(text)]
    for mark, end in zip(marks, ends, strict=True):
        role = _MEANT[mark[1].lower()]
        content = _clean(text[mark.end() : end])
        if role == "context":
            if turns and turns[-1]["role"] == "user":
                if content:
                    turns[-1]["content"] = f"{turns[-1]['content']}\n\n{content}"
                continue
            role = "user"
        turns.append({"role": role, "content": content})
    return turns


def _read_inst(text: str) -> list[dict[str, object]] | None:
    if "[INST]" not in text or "[/INST]" not in text:
        return None
    turns: list[dict[str, object]] = []
    for exchange in text.split("[INST]")[1:]:
        question, _closing, answer = exchange.partition("[/INST]")
        if system := _SYS.match(question):
            turns.append({"role": "system", "content": system[1].strip()})
            question = question[system.end() :]
        answer = answer.partition("</s>")[0]
        turns += [{"role": "user", "content": question.strip()}, {"role": "assistant", "content": _clean(answer)}]
    return turns


def _clean(content: str) -> str:
    content = content.strip()
    for start in _STARTS:
        content = content.removeprefix(start)
    return without_marks(content, _ENDS).strip()
