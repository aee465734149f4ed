"""Parquet: columns of unusual types, none, too much, damage."""

from __future__ import annotations

import datetime
import decimal
import io
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from tests.corpus.case import Case, Problem, row

NAME = "a.parquet"
PAIRS = {"question": ["What?", "Why?"], "answer": ["That.", "So."]}
TURNS = row("What?", "That.")["messages"]


def parquet(columns: Mapping[str, Any], schema: Any = None, **options: Any) -> bytes:
    import pyarrow
    from pyarrow import parquet as writer

    content = io.BytesIO()
    table = pyarrow.table(dict(columns), schema=schema) if schema else pyarrow.table(dict(columns))
    writer.write_table(table, content, **options)
    return content.getvalue()


def cases() -> Iterator[Case]:
    for make in (_types, _conversations, _whole_files):
        for name, content, good, problems in make():
            yield Case(f"Parquet: {name}", content, good, problems, NAME)
    yield Case("Parquet without a line feed in its bytes", _without_line_feeds(), 1, (), NAME)
    yield Case("Parquet named .jsonl", parquet(PAIRS), 2, (), "a.jsonl")
    yield Case("Parquet: one row group of 60,000 rows", _many_rows, 60_000, (), NAME)
    yield Case("Parquet: a text of 40 MB", _large_text, 1, (("line_too_long", 2),), NAME)
    yield Case(
        "Parquet: 1 GB of one text, packed to nothing",
        _packed_to_nothing,
        0,
        tuple(("line_too_long", n) for n in range(1, 201)),
        NAME,
    )


Made = Iterator[tuple[str, bytes, int, tuple[Problem, ...]]]


def _types() -> Made:
    import pyarrow as pa

    extras: dict[str, Any] = {
        "decimals": pa.array([decimal.Decimal("1.50"), None], pa.decimal128(10, 2)),
        "times": pa.array([datetime.datetime(2024, 1, 1), None], pa.timestamp("ns", "UTC")),
        "days": pa.array([datetime.date(1, 1, 1), None]),
        "durations": pa.array([datetime.timedelta(days=9), None]),
        "a dictionary": pa.array(["x", "x"]).dictionary_encode(),
        "bytes": pa.array([b"\xff\x00", None]),
        "bytes of one length": pa.array([b"ab", b"cd"], pa.binary(2)),
        "a map": pa.array([[("a", 1)], None], pa.map_(pa.string(), pa.int64())),
        "a map with one key twice": pa.array([[("a", 1), ("a", 2)], []], pa.map_(pa.string(), pa.int64())),
        "lists of lists of lists": pa.array([[[[1], []], []], None]),
        "a struct of nulls": pa.array([{"a": None}, None], pa.struct([("a", pa.null())])),
        "nulls": pa.nulls(2),
        "half numbers": pa.array([1.5, None], pa.float32()).cast(pa.float16()),
        "NaN": pa.array([float("nan"), float("inf")]),
        "large numbers": pa.array([2**64 - 1, 0], pa.uint64()),
        "large texts": pa.array(["x", None], pa.large_string()),
    }
    for name, column in extras.items():
        yield f"another column of {name}", parquet({**PAIRS, "more": column}), 2, ()
    yield "questions as bytes", parquet({"question": [b"What?", b"Why?"], "answer": ["That.", "So."]}), 2, ()
    yield (
        "answers of a dictionary",
        parquet({**PAIRS, "answer": pa.array(["That.", "That."]).dictionary_encode()}),
        2,
        (),
    )
    missing = {"question": ["What?", None], "answer": ["That.", "So."]}
    yield "a question that is null", parquet(missing), 1, (("column_missing", 2),)


def _conversations() -> Made:
    import pyarrow as pa

    turn = pa.struct([("role", pa.string()), ("content", pa.string())])
    yield "messages", parquet({"messages": [TURNS, TURNS]}), 2, ()
    nulls = pa.array([TURNS, None, []], pa.list_(turn))
    yield "messages that are null", parquet({"messages": nulls}), 1, (("messages_not_a_list", 2), ("messages_empty", 3))
    null_turn = pa.array([TURNS, [None]], pa.list_(turn))
    yield "a message that is null", parquet({"messages": null_turn}), 1, (("message_not_an_object", 2),)
    null_role = [TURNS, [{"role": None, "content": "x"}]]
    yield "a role that is null", parquet({"messages": null_role}), 1, (("unknown_role", 2),)
    yield (
        "a content that is null",
        parquet({"messages": [TURNS, [TURNS[0], {"role": "assistant", "content": None}]]}),
        1,
        (("content_not_text", 2),),
    )
    yield (
        "lists of messages of messages",
        parquet({"messages": [[TURNS], [TURNS]]}),
        0,
        (
            ("message_not_an_object", 1),
            ("message_not_an_object", 2),
        ),
    )
    yield (
        "one struct for messages",
        parquet({"messages": [TURNS[0], TURNS[1]]}),
        0,
        (
            ("messages_not_a_list", 1),
            ("messages_not_a_list", 2),
        ),
    )
    maps = pa.array([[list(one.items()) for one in TURNS]], pa.list_(pa.map_(pa.string(), pa.string())))
    yield "messages of maps", parquet({"messages": maps}), 1, ()
    view = pa.array([TURNS, TURNS], pa.large_list(turn))
    yield "messages of a large list", parquet({"messages": view}), 2, ()
    yield "messages of two in a list of fixed size", parquet({"messages": pa.array([TURNS], pa.list_(turn, 2))}), 1, ()


def _whole_files() -> Made:
    import pyarrow as pa

    whole = parquet(PAIRS)
    damaged = (("parquet_damaged", 0),)
    yield (
        "no rows",
        parquet({"question": pa.array([], pa.string()), "answer": pa.array([], pa.string())}),
        0,
        (("empty_file", 0),),
    )
    yield "no columns", parquet({}), 0, (("empty_file", 0),)
    yield "its first letters alone", b"PAR1", 0, damaged
    yield "first and last letters alone", b"PAR1PAR1", 0, damaged
    yield "a footer longer than the file", b"PAR1" + b"\xff\xff\xff\x7f" + b"PAR1", 0, damaged
    yield "wrong last letters", whole[:-4] + b"PAR2", 0, damaged
    yield "encrypted", whole[:-4] + b"PARE", 0, damaged
    yield "its footer overwritten", whole[:-60] + b"\xaa" * 52 + whole[-8:], 0, damaged
    yield "zeros for its footer", whole[:-60] + bytes(52) + whole[-8:], 0, damaged
    yield "text after it", whole + b"\n", 0, damaged
    twice = pa.table([["a?"], ["b?"], ["c"]], names=["question", "question", "answer"])
    content = io.BytesIO()
    from pyarrow import parquet as writer

    writer.write_table(twice, content)
    yield "two columns with one name", content.getvalue(), 0, (("duplicate_column", 0),)
    yield "2,000 columns", parquet({**PAIRS, **{f"c{n}": [n, n] for n in range(2_000)}}), 2, ()
    for packing in ("gzip", "zstd", "brotli", "lz4", "none"):
        yield f"packed with {packing}", parquet(PAIRS, compression=packing), 2, ()
    groups = {"question": [f"q{n}?" for n in range(100)], "answer": ["a"] * 100}
    yield "100 row groups of one row", parquet(groups, row_group_size=1), 100, ()
    pages = parquet(
        {"question": [f"q{n}?" for n in range(100)], "answer": ["a"] * 100},
        compression="none",
        row_group_size=50,
        use_dictionary=False,
    )
    hurt = pages[:4] + b"\xff" * 24 + pages[28:]
    yield "one row group damaged", hurt, 50, (("parquet_damaged", 1),)


def _without_line_feeds() -> bytes:
    """As text, it would have the line ends of an old Mac."""
    import polars

    for length in range(1, 500):
        written = io.BytesIO()
        polars.DataFrame({"question": ["\r" * length + "What?"], "answer": ["That."]}).write_parquet(
            written, compression="uncompressed", statistics=False
        )
        if b"\n" not in (content := written.getvalue()):
            return content
    raise AssertionError("Every such file has a line feed in it.")


def _many_rows(path: Path) -> None:
    columns = {"question": [f"Question {n}?" for n in range(60_000)], "answer": ["An answer."] * 60_000}
    path.write_bytes(parquet(columns, row_group_size=60_000))


def _large_text(path: Path) -> None:
    path.write_bytes(parquet({"question": ["What?", "Why?"], "answer": ["That.", "word " * 8_000_000]}))


def _packed_to_nothing(path: Path) -> None:
    """200 rows that share one text of 5 MB, which stands in the file once."""
    import pyarrow as pa

    answers = pa.DictionaryArray.from_arrays(pa.array([0] * 200, pa.int32()), pa.array(["word " * 1_000_000]))
    path.write_bytes(parquet({"question": ["What?"] * 200, "answer": answers}, store_schema=False))
