"""Sizes that Azure has retired or said when it will, with a successor; also those that a region no longer lists."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime


@dataclass(frozen=True)
class Retirement:
    """The series' last day. From its announcement on Azure gives no more quota for it."""

    pattern: str
    on: date
    successor: str


# Series, last day, and the size nearest to what a person used the old one for. Sources:
# learn.microsoft.com/azure/virtual-machines/sizes/retirement/retired-sizes-list (as of 2026), and its
# earlier versions for the GPU series of 2016 to 2018.
_A100 = "Standard_NC24ads_A100_v4"
_A10 = "Standard_NV36ads_A10_v5"
_T4 = "Standard_NC4as_T4_v3"
_E_V5, _D_V5 = "Standard_E{cores}s_v5", "Standard_D{cores}s_v5"
RETIREMENTS = (
    Retirement(r"NC\d+s_v3|NC24rs_v3", date(2025, 9, 30), _A100),
    Retirement(r"NC\d+r?(_Promo)?", date(2023, 9, 6), _T4),
    Retirement(r"NC\d+r?s_v2", date(2023, 9, 6), _A100),
    Retirement(r"ND\d+r?s", date(2023, 9, 6), _A100),
    Retirement(r"NV\d+(s_v2|_Promo)?", date(2023, 9, 6), _A10),
    Retirement(r"NV\d+s_v3", date(2026, 9, 30), _A10),
    Retirement(r"NV\d+as_v4", date(2026, 9, 30), _A10),
    Retirement(r"E(?P<cores>\d+)s?_v3", date(2029, 11, 15), _E_V5),
    Retirement(r"D(?P<cores>\d+)s?_v3", date(2029, 11, 15), _D_V5),
    Retirement(r"F(?P<cores>\d+)s?(_v2)?", date(2028, 11, 15), _D_V5),
    Retirement(r"DS?\d+(_v2)?(_Promo)?", date(2028, 5, 1), "Standard_D4s_v5"),
)


def find_retirement(size: str) -> Retirement | None:
    """When and for what the size goes, or None for one that stays."""
    name = re.sub(r"^Standard_", "", size.strip(), flags=re.IGNORECASE)
    for retirement in RETIREMENTS:
        match = re.fullmatch(retirement.pattern, name, re.IGNORECASE)
        if match:
            successor = retirement.successor.format(**match.groupdict())
            return Retirement(retirement.pattern, retirement.on, successor)
    return None


def is_retired(size: str) -> bool:
    """Its last day is over."""
    retirement = find_retirement(size)
    return retirement is not None and retirement.on <= datetime.now(UTC).date()
