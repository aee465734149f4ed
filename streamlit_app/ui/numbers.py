"""Numbers, times and sizes in words that a person reads at a glance. Pure functions."""

from __future__ import annotations

import math
from datetime import UTC, datetime

from backend.i18n import _, ngettext

UNKNOWN = "–"


def count(number: float) -> str:
    """1204 -> "1,204"."""
    return f"{number:,.0f}"


def short_count(number: float) -> str:
    """Parameters and tokens: 3821079552 -> "3.8 B"."""
    for limit, unit in ((1e9, "B"), (1e6, "M"), (1e3, "k")):
        if number >= limit:
            return f"{number / limit:.1f} {unit}"
    return f"{number:.0f}"


def size(number_of_bytes: float) -> str:
    """7642159104 -> "7.6 GB" (decimal units, as disks and downloads are labelled)."""
    for limit, unit in ((1e9, "GB"), (1e6, "MB"), (1e3, "kB")):
        if number_of_bytes >= limit:
            return f"{number_of_bytes / limit:.1f} {unit}"
    return f"{number_of_bytes:.0f} B"


def duration(seconds: float) -> str:
    """A length of time in at most two units: "14 min", "1 h 5 min", "40 s"."""
    if not math.isfinite(seconds) or seconds < 0:
        return UNKNOWN
    whole = round(seconds)
    if whole < 60:
        return _("{n} s").format(n=whole)
    minutes, rest = divmod(whole, 60)
    if minutes < 10 and rest >= 5:
        return _("{m} min {s} s").format(m=minutes, s=rest)
    if minutes < 60:
        return _("{m} min").format(m=minutes)
    hours, minutes = divmod(minutes, 60)
    if hours < 24:
        return _("{h} h {m} min").format(h=hours, m=minutes) if minutes else _("{h} h").format(h=hours)
    days, hours = divmod(hours, 24)
    text = ngettext("{n} day", "{n} days", days).format(n=days)
    return f"{text} {hours} h" if hours else text


def about(seconds: float | None) -> str:
    """An estimate in words: "About 9 minutes", never "532.4 s"."""
    if seconds is None or not math.isfinite(seconds) or seconds < 0:
        return _("Estimating…")
    if seconds < 10:
        return _("A few seconds")
    if seconds < 55:
        return _("About {n} seconds").format(n=round(seconds / 10) * 10)
    if seconds < 55 * 60:
        minutes = max(1, round(seconds / 60))
        return ngettext("About {n} minute", "About {n} minutes", minutes).format(n=minutes)
    hours = max(1, round(seconds / 3600))
    return ngettext("About {n} hour", "About {n} hours", hours).format(n=hours)


def decimals(number: float | None, digits: int = 2) -> str:
    if number is None or not math.isfinite(number):
        return UNKNOWN
    return f"{number:,.{digits}f}"


def percent(share: float) -> str:
    """0.915 -> "92 %"."""
    return _("{n} %").format(n=round(share * 100))


def clock(moment: datetime | None = None) -> str:
    """Local time of day, "12:03:11"; now when nothing is given."""
    return (moment or datetime.now(UTC)).astimezone().strftime("%H:%M:%S")


def local_time(moment: datetime) -> str:
    """ "today 14:03", else "3 Nov 14:03"."""
    local = moment.astimezone()
    if local.date() == datetime.now().astimezone().date():
        return _("today {time}").format(time=local.strftime("%H:%M"))
    return f"{local.day} {local.strftime('%b %H:%M')}"


def ago(moment: datetime, now: datetime | None = None) -> str:
    seconds = ((now or datetime.now(UTC)) - moment).total_seconds()
    if seconds < 10:
        return _("just now")
    return _("{time} ago").format(time=duration(seconds))
