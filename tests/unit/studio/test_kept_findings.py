"""Findings that were left as they are: kept beside the versions, until there is more of them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from backend.domain_datasets import Finding, Severity
from backend.studio.kept_findings import KeptFindings


def finding(code: str, count: int) -> Finding:
    return Finding(code, Severity.WARNING, "Title", "Effect", count)


def test_a_finding_stays_left_as_it_is_until_it_has_more_examples(tmp_path: Path) -> None:
    KeptFindings(tmp_path).keep(finding("mail_addresses", 3))
    kept = KeptFindings(tmp_path)
    assert kept.holds(finding("mail_addresses", 3)) and kept.holds(finding("mail_addresses", 2))
    assert not kept.holds(finding("mail_addresses", 4)) and not kept.holds(finding("duplicates", 1))
    kept.take_back("mail_addresses")
    kept.take_back("never_kept")
    assert not KeptFindings(tmp_path).holds(finding("mail_addresses", 3))


def test_what_was_left_at_one_length_is_asked_about_at_another(tmp_path: Path) -> None:
    KeptFindings(tmp_path, "tiny 64").keep(finding("over_long", 3))
    assert KeptFindings(tmp_path, "tiny 64").holds(finding("over_long", 3))
    assert not KeptFindings(tmp_path, "tiny 128").holds(finding("over_long", 1))
    assert not KeptFindings(tmp_path).holds(finding("over_long", 1))


def test_a_damaged_file_keeps_nothing_and_is_replaced(tmp_path: Path) -> None:
    for damage in (b"", b"[1]", b'{"mail_addresses": "many"}', b"\xff"):
        KeptFindings(tmp_path).keep(finding("mail_addresses", 3))
        next(tmp_path.glob("*.json")).write_bytes(damage)
        assert not KeptFindings(tmp_path).holds(finding("mail_addresses", 1))


def test_two_windows_lose_nothing_of_each_other(
    tmp_path: Path, in_threads: Callable[[Callable[[], Any]], list[Any]]
) -> None:
    numbers = iter(range(100))

    def keep() -> str:
        code = f"code_{next(numbers)}"
        KeptFindings(tmp_path).keep(finding(code, 1))
        return code

    assert all(KeptFindings(tmp_path).holds(finding(code, 1)) for code in in_threads(keep))
