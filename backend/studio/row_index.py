"""Where each row of a part begins, so that any page comes at once: one pass, kept in a small file beside the part.

A part is a file of canonical lines `{"messages":[{"role":...,"content":...},...]}` as this package writes them.
"""

from __future__ import annotations

import hashlib
import struct
from array import array
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import orjson
from blake3 import blake3

from backend.domain import Message
from backend.domain_datasets import Row
from backend.studio.atomic_files import write_atomically

_HEAD = struct.Struct("=8sQQQ")
_MAGIC = b"phirows2"
_HAS_SYSTEM = 0x8000
DIGEST_BYTES = 16
_SYSTEM_START = b'{"messages":[{"role":"system"'
_ROLE = b'"role":"'
_READ_AHEAD = 1 << 20


@dataclass(frozen=True)
class RowIndex:
    """`starts` has one entry more than there are rows: row n is bytes starts[n] to starts[n + 1].

    `facts` holds for each row the number of messages without the system's, and whether there is one (`turns`,
    `has_system`), `digests` the `digest_of` of each row, one after another.
    """

    path: Path
    starts: array[int]
    facts: array[int]
    digests: bytes

    def __len__(self) -> int:
        return len(self.facts)

    def digest_list(self) -> list[bytes]:
        return [self.digests[at : at + DIGEST_BYTES] for at in range(0, len(self.digests), DIGEST_BYTES)]

    def turns(self, number: int) -> int:
        return self.facts[number] & ~_HAS_SYSTEM

    def has_system(self, number: int) -> bool:
        return bool(self.facts[number] & _HAS_SYSTEM)

    def lines(self, numbers: Iterable[int]) -> Iterator[bytes]:
        with self.path.open("rb") as file:
            for number in numbers:
                file.seek(self.starts[number])
                yield file.read(self.starts[number + 1] - self.starts[number])

    def rows(self, numbers: Iterable[int]) -> Iterator[Row]:
        numbers = list(numbers)
        for number, line in zip(numbers, self.lines(numbers), strict=True):
            yield Row(number + 1, messages_of(line))


def facts_of(line: bytes) -> int:
    """A quote inside a text is escaped in JSON: `"role":"` counts the messages alone."""
    messages = line.count(_ROLE)
    if line.startswith(_SYSTEM_START):
        return min(messages - 1, _HAS_SYSTEM - 1) | _HAS_SYSTEM
    return min(messages, _HAS_SYSTEM - 1)


def facts_of_messages(count: int, *, has_system: bool) -> int:
    """The same of a conversation of so many messages, the system's among them."""
    return min(count - 1, _HAS_SYSTEM - 1) | _HAS_SYSTEM if has_system else min(count, _HAS_SYSTEM - 1)


def messages_of(line: bytes) -> tuple[Message, ...]:
    return tuple(Message(turn["role"], turn["content"]) for turn in orjson.loads(line)["messages"])


def line_of(messages: Iterable[Message]) -> bytes:
    """Only role and content are kept: columns of mixed types would stop the trainer's reader."""
    return orjson.dumps(
        {"messages": [{"role": message.role, "content": message.content} for message in messages]},
        option=orjson.OPT_APPEND_NEWLINE,
    )


def digest_of(line: bytes) -> bytes:
    """BLAKE3 of a canonical line with its line break: equal for equal conversations."""
    return blake3(line).digest(DIGEST_BYTES)


def content_hash(parts: Iterable[RowIndex]) -> str:
    """What identifies a dataset: SHA-256 of each part's count of rows (8 bytes, little-endian) and their digests.

    So a change of some rows needs no look at the others.
    """
    hashed = hashlib.sha256()
    for part in parts:
        hashed.update(len(part).to_bytes(8, "little") + part.digests)
    return hashed.hexdigest()


def index_of(path: Path) -> RowIndex:
    """From memory, else from the file beside, else by reading the part (4 s for 1.4 GB). Raises FileNotFoundError."""
    found = path.stat()
    return _index(path, found.st_mtime_ns, found.st_size)


@lru_cache(maxsize=8)
def _index(path: Path, changed: int, size: int) -> RowIndex:
    kept = _read_kept(path, changed, size)
    if kept is not None:
        return kept
    starts, facts, digests, at = array("Q", [0]), array("H"), bytearray(), 0
    with path.open("rb", buffering=_READ_AHEAD) as file:
        for line in file:
            at += len(line)
            starts.append(at)
            facts.append(facts_of(line))
            digests += digest_of(line)
    index = RowIndex(path, starts, facts, bytes(digests))
    with suppress(OSError):  # a folder that can't be written: the index lives in memory alone
        keep_index(index, changed, size)
    return index


def kept_beside(path: Path) -> Path:
    return path.with_name(f".{path.name}.rows")


def keep_index(index: RowIndex, changed: int, size: int) -> None:
    head = _HEAD.pack(_MAGIC, changed, size, len(index))
    write_atomically(kept_beside(index.path), head + index.starts.tobytes() + index.facts.tobytes() + index.digests)


def _read_kept(path: Path, changed: int, size: int) -> RowIndex | None:
    """None when there is none, when the part is another by now, or when the file is damaged."""
    starts, facts = array("Q"), array("H")
    try:
        with kept_beside(path).open("rb") as file:
            magic, of_time, of_size, rows = _HEAD.unpack(file.read(_HEAD.size))
            if (magic, of_time, of_size) != (_MAGIC, changed, size):
                return None
            starts.fromfile(file, rows + 1)
            facts.fromfile(file, rows)
            digests = file.read()
    except (OSError, EOFError, struct.error, OverflowError, MemoryError):
        return None
    is_whole = starts[0] == 0 and starts[-1] == size and len(digests) == rows * DIGEST_BYTES
    return RowIndex(path, starts, facts, digests) if is_whole else None
