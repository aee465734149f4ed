"""Prices and sums in words. What is not known is said so; every sum is an estimate until the bill exists."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from backend.domain_setup import CostLine, Price
from backend.i18n import _

HOURS_A_MONTH = 730
SYMBOLS = {"USD": "$", "EUR": "€", "GBP": "£"}


def amount(value: float, currency: str) -> str:
    """Two decimals; tenths of a cent where that would be nothing."""
    digits = 3 if 0 < value < 0.01 else 2
    number = f"{value:,.{digits}f}"
    return f"{SYMBOLS[currency]}{number}" if currency in SYMBOLS else f"{number} {currency}"


def per_hour(price: Price | None, machines: int = 1) -> str:
    if price is None:
        return _("price unknown")
    return _("{amount}/h").format(amount=amount(price.per_hour * machines, price.currency))


def per_month(price: Price | None, machines: int = 1) -> str:
    if price is None:
        return _("unknown")
    return amount(price.per_hour * machines * HOURS_A_MONTH, price.currency)


def is_on(line: CostLine) -> bool:
    return line.until is None


def now_per_hour(lines: Sequence[CostLine]) -> str:
    """What everything that is on costs together; says when a part of it is unknown."""
    on = [line for line in lines if is_on(line)]
    sums = _sums((line.price.per_hour * line.machines, line.price.currency) for line in on if line.price)
    parts = [_("{amount}/h").format(amount=amount(value, currency)) for currency, value in sums.items()]
    if any(line.price is None for line in on):
        parts.append(_("a price unknown"))
    return " + ".join(parts)


def so_far(lines: Sequence[CostLine]) -> str:
    sums = _sums((line.so_far, line.price.currency) for line in lines if line.so_far is not None and line.price)
    parts = [amount(value, currency) for currency, value in sums.items()]
    if any(line.so_far is None for line in lines):
        parts.append(_("what is unknown"))
    return " + ".join(parts)


def _sums(amounts: Iterable[tuple[float, str]]) -> dict[str, float]:
    sums: dict[str, float] = {}
    for value, currency in amounts:
        sums[currency] = sums.get(currency, 0) + value
    return sums
