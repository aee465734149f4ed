"""What an hour of a machine costs: Microsoft's public retail prices, kept for a day. Unknown is None, never a guess."""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from backend.azure.config import read_private, write_private
from backend.domain_setup import Price

ADDRESS = "https://prices.azure.com/api/retail/prices"
CURRENCY = "USD"
"""What Microsoft sets its prices in; other currencies are for reference only."""
KEPT_SECONDS = 24 * 3600
REST_SECONDS = 60
"""After a failure nobody asks again for so long: a page must not wait for a service that is down each time."""
SIZES_A_REQUEST = 15
TIMEOUT = (4, 10)
MOST_PAGES = 10

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class SizePrices:
    dedicated: Price | None = None
    low_priority: Price | None = None


UNKNOWN = SizePrices()


class Prices:
    def __init__(self, file: Path) -> None:
        self.file = file
        self._lock = threading.Lock()
        self._failed_at = -REST_SECONDS * 1.0

    def of(self, region: str, sizes: Iterable[str]) -> Mapping[str, SizePrices]:
        """For each size what is known; asks for those that are not known of today. Never raises."""
        wanted = sorted({size for size in sizes})
        if not region or not wanted:
            return dict.fromkeys(wanted, UNKNOWN)
        with self._lock:
            kept = self._read(region)
            missing = [size for size in wanted if size.lower() not in kept]
            if missing and time.monotonic() - self._failed_at > REST_SECONDS:
                kept |= self._ask(region, missing)
                self._write(region, kept)
        return {size: _prices(kept.get(size.lower())) for size in wanted}

    def _read(self, region: str) -> dict[str, dict[str, float | None]]:
        """Of today only, by the size's name in lower case."""
        kept = (read_private(self.file) or {}).get(region)
        if not isinstance(kept, dict):
            return {}
        now = time.time()
        return {size: row for size, row in kept.items() if 0 <= now - (row.get("asked_at") or 0) < KEPT_SECONDS}

    def _write(self, region: str, kept: Mapping[str, Any]) -> None:
        write_private(self.file, (read_private(self.file) or {}) | {region: kept})

    def _ask(self, region: str, sizes: list[str]) -> dict[str, dict[str, float | None]]:
        import requests

        parts = [sizes[start : start + SIZES_A_REQUEST] for start in range(0, len(sizes), SIZES_A_REQUEST)]
        now = time.time()
        found: dict[str, dict[str, float | None]] = {}
        with ThreadPoolExecutor(max_workers=4) as pool:
            for part, answer in [(part, pool.submit(_items, region, part)) for part in parts]:
                try:
                    items = answer.result()
                except (requests.RequestException, ValueError, KeyError) as error:
                    logger.warning("prices of %d sizes in %s can't be had: %s", len(part), region, error)
                    self._failed_at = time.monotonic()
                    continue
                for size in part:
                    found[size.lower()] = {"asked_at": now, **read_items(items, size)}
        return found


def _items(region: str, sizes: list[str]) -> list[dict[str, Any]]:
    import requests

    names = " or ".join(f"armSkuName eq '{size}'" for size in sizes)
    parameters: dict[str, str] | None = {
        "api-version": "2023-01-01-preview",
        "currencyCode": f"'{CURRENCY}'",
        "$filter": f"serviceName eq 'Virtual Machines' and priceType eq 'Consumption' "
        f"and armRegionName eq '{region}' and ({names})",
    }
    items: list[dict[str, Any]] = []
    address = ADDRESS
    for _page in range(MOST_PAGES):
        reply = requests.get(address, params=parameters, timeout=TIMEOUT)
        reply.raise_for_status()
        body = json.loads(reply.content)
        items += body["Items"]
        if not body.get("NextPageLink"):
            break
        address, parameters = body["NextPageLink"], None
    return items


def read_items(items: Iterable[Mapping[str, Any]], size: str) -> dict[str, float | None]:
    """An hour of Linux of this size, dedicated and low priority, out of the many meters that name it."""
    found: dict[str, float | None] = {"dedicated": None, "low_priority": None}
    newest: dict[str, str] = {}
    for item in items:
        words = f"{item.get('productName')} {item.get('skuName')} {item.get('meterName')}"
        if (
            str(item.get("armSkuName", "")).lower() != size.lower()
            or item.get("type") != "Consumption"
            or item.get("unitOfMeasure") != "1 Hour"
            or item.get("currencyCode") != CURRENCY
            or "Windows" in words
            or "Spot" in words  # Azure ML bills its low priority by the meter of that name, which is another one
            or "CloudServices" in words.replace(" ", "")
        ):
            continue
        kind = "low_priority" if "Low Priority" in words else "dedicated"
        since = str(item.get("effectiveStartDate", ""))
        if item.get("retailPrice") and since >= newest.get(kind, ""):
            newest[kind] = since
            found[kind] = float(item["retailPrice"])
    return found


def _prices(row: Mapping[str, float | None] | None) -> SizePrices:
    if row is None:
        return UNKNOWN
    dedicated, low = row.get("dedicated"), row.get("low_priority")
    return SizePrices(
        Price(dedicated, CURRENCY) if dedicated else None,
        Price(low, CURRENCY) if low else None,
    )
