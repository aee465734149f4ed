"""What the names of columns mean, in the spellings and languages that files use. Pure."""

from __future__ import annotations

import re

from backend.domain_datasets import FormatKind

_NOT_LETTERS = re.compile(r"[\W_]+")


def bare(name: str) -> str:
    """The name without case, spaces, underscores and marks: by this names are compared."""
    return _NOT_LETTERS.sub("", name).casefold()


MESSAGES = ("messages", "conversations", "conversation", "dialogue", "dialog", "chat", "turns", "contents")
"""Columns that hold a list of turns; the first two are taken at their word, the others when their values fit."""

SYSTEM = ("system", "systemprompt", "systemmessage", "systeminstruction", "sys")
CONTEXT = ("context", "passage", "kontext", "background", "contexte", "contesto", "contexto")
HISTORY = ("history", "chathistory")

PAIRS: tuple[tuple[FormatKind, tuple[str, ...], tuple[str, ...], tuple[str, ...]], ...] = (
    (FormatKind.ALPACA, ("instruction",), ("output",), ("input", *CONTEXT)),
    (FormatKind.INSTRUCTION_RESPONSE, ("instruction",), ("response",), ("context", "input", *CONTEXT)),
    (FormatKind.PROMPT_COMPLETION, ("prompt",), ("completion",), CONTEXT),
    (FormatKind.PROMPT_COMPLETION, ("prompt",), ("response",), CONTEXT),
    (FormatKind.QUESTION_ANSWER, ("question",), ("answer",), (*CONTEXT, "input")),
    (FormatKind.TEXT_GROUND_TRUTH, ("text",), ("groundtruth",), CONTEXT),
)
"""The pairs that have a name of their own: kind, question, answer, what may be added to the question."""

QUESTIONS = (
    *("question", "instruction", "prompt", "query", "input", "user", "human", "q", "request", "usermessage"),
    *("questions", "userprompt", "userinput", "usermsg", "source", "inputtext", "problem", "ask"),
    *("frage", "anfrage", "eingabe", "pregunta", "domanda", "pergunta", "vraag", "fråga", "spørgsmål", "kysymys"),
    *(
        "pytanie",
        "otázka",
        "kérdés",
        "întrebare",
        "soru",
        "вопрос",
        "питання",
        "ερώτηση",
        "问题",
        "問題",
        "質問",
        "질문",
    ),
)
ANSWERS = (
    *("answer", "output", "response", "completion", "reply", "assistant", "gpt", "bot", "a", "chosen"),
    *("answers", "responses", "groundtruth", "target", "targettext", "outputtext", "assistantmessage", "solution"),
    *("antwort", "ausgabe", "réponse", "reponse", "respuesta", "risposta", "resposta", "antwoord", "svar", "vastaus"),
    *("odpowiedź", "odpověď", "válasz", "răspuns", "cevap", "yanıt", "ответ", "відповідь", "απάντηση"),
    *("答案", "回答", "答え", "답변", "대답"),
)
"""Names that say by themselves that a column is the question, or the answer."""

CHOSEN, REJECTED = ("chosen", "chosenresponse", "accepted"), ("rejected", "rejectedresponse")
"""The better and the worse answer of a preference set."""

RIVALS = ("question", "instruction", "prompt", "query", "answer", "output", "response", "completion", "reply")
"""Of these a third column beside a question and its answer makes it unclear which two are meant."""

GUESSED_QUESTIONS = (
    "text",
    "document",
    "article",
    "dialogue",
    "dialog",
    "sentence",
    "content",
    "title",
    "message",
    "front",
)
GUESSED_ANSWERS = ("label", "summary", "highlights", "category", "class", "intent", "translation", "labeltext", "back")
"""Names that may mean it: good for a guess that a person looks at."""

IGNORED = (*REJECTED, "id", "promptid", "index", "score", "source", "url", "date", "timestamp", "lang", "language")
"""Never the question or the answer."""
