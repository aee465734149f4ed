"""Personal data and keys: what is found, and above all what is not."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backend.studio.private_data import (
    ACCOUNT,
    KEY,
    MAIL,
    PHONE,
    STAND_INS,
    find_private,
    is_card,
    is_iban,
    mask_private,
    replace_private,
)

# put together here, so that nobody who looks for lost keys finds one in this file
_AWS = "AKIA" + "IOSFODNN7EXAMPLE"
_GITHUB = "ghp_" + "a1B2" * 9
_HUB = "hf_" + "AbCdEfGhIj" * 3 + "1234"
_OPENAI = "sk-" + "proj-T3st" + "K3yAbCd" * 4
_JWT = "eyJ" + "hbGciOiJIUzI1NiJ9" + ".eyJ" + "zdWIiOiIxMjM0NTY3ODkwIn0" + ".dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0"
_PEM = "-----BEGIN RSA " + "PRIVATE KEY-----\nMIIEow\nabc\n-----END RSA " + "PRIVATE KEY-----"


@pytest.mark.parametrize(
    ("code", "value"),
    [
        (MAIL, "anna.schmidt@firma.de"),
        (MAIL, "first+tag@mail.uni-jena.de"),
        (PHONE, "+49 711 1234567"),
        (PHONE, "+49 170 12345105"),  # without its plus these are the digits of a card
        (PHONE, "+44 20 7946 0958"),
        (PHONE, "+1 202-456-1414"),
        (PHONE, "(202) 456-1414"),
        (PHONE, "202-456-1414"),
        (PHONE, "202.456.1414"),
        (PHONE, "0711/123456"),
        (PHONE, "030 12345678"),
        (PHONE, "020 7946 0958"),
        (PHONE, "01 42 68 53 00"),
        (PHONE, "0171-1234567"),
        (KEY, _AWS),
        (KEY, _GITHUB),
        (KEY, _HUB),
        (KEY, _OPENAI),
        (KEY, _JWT),
        (KEY, _PEM),
        (ACCOUNT, "DE89 3704 0044 0532 0130 00"),
        (ACCOUNT, "GB29NWBK60161331926819"),
        (ACCOUNT, "4111 1111 1111 1111"),
        (ACCOUNT, "3782 822463 10005"),
        (ACCOUNT, "4111111111111111"),
        (ACCOUNT, "5500-0055-5555-5559"),
    ],
)
@pytest.mark.parametrize("around", ["{}", "Write to {}, please.", "it is: {}.", "({})", "x\n{}\ny"])
def test_it_is_found_replaced_and_masked(code: str, value: str, around: str) -> None:
    text = around.format(value)
    assert [(hit.code, text[hit.start : hit.end]) for hit in find_private(text)] == [(code, value)]
    assert replace_private(text, frozenset({code})) == around.format(STAND_INS[code])
    assert replace_private(text, frozenset(STAND_INS) - {code}) == text
    masked = mask_private(text)
    assert value not in masked and value[4:] not in masked and find_private(masked) == []


@pytest.mark.parametrize(
    "text",
    [
        "on 2023-01-02 and 02.01.2023, 01/02/2023 or 1-2-2023",
        "from 2019-2023, 1990 - 1995, at 12:30:45 or 2023-01-02T10:11:12.123456Z",
        "$1,234,567.89 or 1.234.567,89 € or EUR 1 234 567",
        "Order 202-456-1414, invoice no. 202-456-1414, ticket #2024561414",
        "ISBN 978-3-16-148410-0 and ISBN: 0-306-40615-2",
        "version 10.15.7.1234 at 192.168.100.200",
        "3.14159265358979, 0.123456789 and 1234567890123",
        "100 200 300 400, 1 2 3 4 5 6 7 8 9 10 11",
        "2 + 3 = 5, 12-30-45, 555-123-4567 in a film",
        "0 123 456 is no number of anybody; 000-000-0000 neither",
        "order number 4111 1111 1111 1112",
        "49 170 12345105 and 411 111 111 111 1111",
        "DE89 3704 0044 0532 0130 01",
        "user@example.com, name@localhost, icon@2x.png, @mention, a @ b.c",
        "task-sklearn-pipeline-with-a-very-long-name, sk-learn-something-long-without-digits",
        "the hf_hub module and ghp_short and AKIA alone",
        "+ 5 points, +100 %, +20,000 km",
        "coordinates 48.7758459, 9.1829321",
    ],
)
def test_dates_prices_and_numbers_of_things_raise_no_alarm(text: str) -> None:
    assert [text[hit.start : hit.end] for hit in find_private(text)] == []


@given(st.datetimes(), st.integers(0, 10**7), st.integers(1, 99))
@settings(deadline=None)
def test_no_date_and_no_price_is_ever_a_phone_number(when: object, cents: int, count: int) -> None:
    text = " ".join(
        [f"{when:%Y-%m-%d} {when:%d.%m.%Y} {when:%m/%d/%Y} {when:%H:%M:%S}", f"${cents / 100:,.2f} {count} x {cents} €"]
    )
    assert [text[hit.start : hit.end] for hit in find_private(text)] == []


@given(st.text(max_size=300))
@settings(deadline=None)
def test_any_text_is_left_alone_but_for_what_is_found(text: str) -> None:
    hits = find_private(text)
    assert all(one.end <= two.start for one, two in pairwise(hits))
    assert (replace_private(text, frozenset(STAND_INS)) == text) is (not hits)


@given(st.integers(0, 10**14 - 1))
def test_check_digits_refuse_nine_numbers_of_ten(number: int) -> None:
    assert sum(is_card(f"4{number:014}{last}") for last in range(10)) == 1
    ibans = [f"DE{check:02}37040044{number % 10**10:010}" for check in range(2, 99)]
    assert sum(map(is_iban, ibans)) == 1


@pytest.mark.timeout(20)
@pytest.mark.parametrize(
    ("text", "count"),
    [
        pytest.param("anna.schmidt@firma.de " * 20_000, 20_000, id="mails"),
        pytest.param("+49 711 1234567, " * 5_000, 5_000, id="phones"),
        pytest.param("1" * 500_000, 0, id="digits"),
        pytest.param("1 " * 200_000, 0, id="spaced digits"),
        pytest.param("a" * 500_000 + "@", 0, id="one word"),
        pytest.param("@" * 200_000, 0, id="at signs"),
        pytest.param("eyJ" * 100_000, 0, id="a token"),
        pytest.param("-----BEGIN " * 20_000 + "PRIVATE KEY", 0, id="PEM"),
        pytest.param("AB12 " * 50_000, 0, id="accounts"),
    ],
)
def test_no_text_takes_for_ever(text: str, count: int) -> None:
    assert len(find_private(text)) == count
