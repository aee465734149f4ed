"""Made-up conversations of the shape of ultrachat_200k: prompt, prompt_id, messages; some 7 KB a row, seeded."""

from __future__ import annotations

import hashlib
import json
import random
from pathlib import Path

WORDS = 20_000
TURNS = (4, 6, 6, 8)
QUESTION_WORDS = (8, 90)
ANSWER_WORDS = (140, 430)


def write(path: Path, rows: int, seed: int = 0) -> None:
    """The same bytes for the same seed. About 7 KB a row: 200,000 rows are 1.4 GB."""
    chance = random.Random(seed)
    letters = "etaoinshrdlucmfwypvbgk"
    words = ["".join(chance.choices(letters, k=chance.randint(2, 9))) for _word in range(WORDS)]
    pool = [" ".join(chance.choices(words, k=500)) for _text in range(400)]
    with path.open("w", encoding="utf-8") as file:
        for number in range(rows):
            messages = []
            for turn in range(chance.choice(TURNS)):
                role, size = ("assistant", ANSWER_WORDS) if turn % 2 else ("user", QUESTION_WORDS)
                text = _text(pool, chance, chance.randint(*size) * 6)
                messages.append({"content": f'{text} — "{number}"\n\n{turn}.', "role": role})
            prompt = messages[0]["content"]
            identity = hashlib.sha256(f"{seed} {number}".encode()).hexdigest()
            file.write(json.dumps({"prompt": prompt, "prompt_id": identity, "messages": messages}) + "\n")


def _text(pool: list[str], chance: random.Random, letters: int) -> str:
    text = chance.choice(pool)
    start = chance.randrange(max(1, len(text) - letters))
    return text[start : start + letters]
