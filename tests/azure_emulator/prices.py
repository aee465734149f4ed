"""prices.azure.com: Microsoft's public retail prices, in the documented shape, for the machines of this cloud."""

from __future__ import annotations

import re
from typing import Any

from tests.azure_emulator.machines import MACHINES, Machine
from tests.azure_emulator.wire import Reply, Request, routes
from tests.azure_emulator.world import World

PER_HOUR = {
    "Standard_DS3_v2": 0.229,
    "Standard_DS4_v2": 0.458,
    "Standard_D4s_v3": 0.192,
    "Standard_E2s_v3": 0.126,
    "Standard_E4s_v3": 0.252,
    "Standard_E8s_v3": 0.504,
    "Standard_E16s_v3": 1.008,
    "Standard_F8s_v2": 0.338,
    "Standard_NC4as_T4_v3": 0.526,
    "Standard_NC24ads_A100_v4": 3.673,
    "Standard_NC48ads_A100_v4": 7.346,
    "Standard_NC96ads_A100_v4": 14.692,
    "Standard_ND96asr_v4": 27.197,
    "Standard_NV36ads_A10_v5": 3.2,
}
"""US dollars in eastus. Standard_NC40ads_H100_v5 has none, so that "unknown" is met."""
PAGE = 100
REGIONS = {"eastus": ("US East", 1.0), "westeurope": ("EU West", 1.2), "swedencentral": ("SE Central", 1.1)}


@routes.on(r"prices\.azure\.com", "GET", r"/api/retail/prices", anonymous=True)
def retail_prices(request: Request, world: World) -> Reply:
    """Filters: `field eq 'text'`, joined by and, or and brackets; as documented, the values' case counts."""
    wish = request.query.get("$filter", "")
    found = [item for item in _items() if _matches(item, wish)]
    start = int(request.query.get("$skip") or 0)
    page = found[start : start + PAGE]
    following = None
    if start + PAGE < len(found):
        following = f"https://{request.host}{request.target.partition('&$skip')[0]}&$skip={start + PAGE}"
    return Reply(
        200,
        {
            "BillingCurrency": "USD",
            "CustomerEntityId": "Default",
            "CustomerEntityType": "Retail",
            "Items": page,
            "NextPageLink": following,
            "Count": len(page),
        },
    )


def _items() -> list[dict[str, Any]]:
    items = []
    for region, (place, factor) in REGIONS.items():
        for machine in MACHINES.values():
            base = PER_HOUR.get(machine.name)
            if base is None:
                continue
            # What stands in the same list and is easily mistaken for the price: Windows, spot and low priority.
            for product, sku, price in (
                ("", "", base),
                (" Windows", "", base * 1.5),
                ("", " Spot", base * 0.3),
                ("", " Low Priority", base * 0.2),
            ):
                items.append(_item(machine, region, place, product, sku, round(price * factor, 6)))
    return items


def _item(machine: Machine, region: str, place: str, product: str, sku: str, price: float) -> dict[str, Any]:
    words = machine.name.removeprefix("Standard_").replace("_", " ")
    series = machine.family.removeprefix("standard").removesuffix("Family")
    return {
        "currencyCode": "USD",
        "tierMinimumUnits": 0.0,
        "retailPrice": price,
        "unitPrice": price,
        "armRegionName": region,
        "location": place,
        "effectiveStartDate": "2024-01-01T00:00:00Z",
        "meterId": f"00000000-0000-0000-0000-{abs(hash((machine.name, region, product, sku))) % 10**12:012d}",
        "meterName": f"{words}{sku}",
        "productId": "DZH318Z0BPVW",
        "skuId": "DZH318Z0BPVW/00G1",
        "productName": f"Virtual Machines {series} Series{product}",
        "skuName": f"{words}{sku}",
        "serviceName": "Virtual Machines",
        "serviceId": "DZH313Z7MMC8",
        "serviceFamily": "Compute",
        "unitOfMeasure": "1 Hour",
        "type": "Consumption",
        "isPrimaryMeterRegion": True,
        "armSkuName": machine.name,
    }


def _matches(item: dict[str, Any], wish: str) -> bool:
    """Each comparison becomes True or False, and Python reads the rest."""

    def compare(match: re.Match[str]) -> str:
        name = "type" if match[1].lower() == "pricetype" else match[1]
        return str(item.get(name) == match[2])

    words = re.sub(r"(\w+) eq '([^']*)'", compare, wish) or "True"
    if not re.fullmatch(r"(?:True|False|and|or|not|[()\s])+", words):
        raise ValueError(f"a filter that the emulator can't read: {wish}")
    return bool(eval(words))
