"""Sizes of a region with GPU, quota, price and retirement, over the emulated cloud and its price list."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import date

import pytest

from backend.azure.connection import Connection
from backend.azure.errors import NotChosen
from backend.azure.gpus import gpu_of
from backend.azure.prices import Prices, read_items
from backend.azure.quota import cores_needed
from backend.azure.retired_sizes import find_retirement, is_retired
from backend.azure.sizes import list_sizes
from backend.domain_setup import MachineSize, Price, Purpose
from tests.azure_emulator.emulator import Emulator
from tests.azure_emulator.quota import cores
from tests.azure_emulator.world import REGION, SUBSCRIPTION, World

A100 = "Standard_NC24ads_A100_v4"


@pytest.fixture
def prices(connection: Connection) -> Prices:
    return Prices(connection.folder / "prices.json")


def offered(connection: Connection, prices: Prices, purpose: Purpose) -> Mapping[str, MachineSize]:
    return {size.name: size for size in list_sizes(connection, prices, purpose)}


def test_training_sizes_begin_with_the_default_a100(connection: Connection, prices: Prices) -> None:
    sizes = list_sizes(connection, prices, Purpose.TRAINING)
    first = sizes[0]
    assert (first.name, first.is_default, first.gpus, first.gpu, first.gpu_memory_gb) == (A100, True, 1, "A100", 80)
    assert first.quota is not None and (first.quota.limit, first.quota.used) == (24, 0)
    assert not first.why_not
    usable = [not size.why_not for size in sizes[1:]]
    assert usable == sorted(usable, reverse=True)
    assert sizes[1].name == "Standard_E16s_v3", "what is left where no GPU can be had"
    assert "Standard_E2s_v3" not in {size.name for size in sizes}, "two cores are no machine to train on"


def test_usable_sizes_come_the_cheapest_first(connection: Connection, prices: Prices) -> None:
    sizes = [size for size in list_sizes(connection, prices, Purpose.SERVING)[1:] if not size.why_not and size.price]
    costs = [size.price.per_hour for size in sizes if size.price]
    assert len(costs) > 2 and costs == sorted(costs)


def test_serving_sizes_begin_with_the_cpu_default_and_keep_to_what_endpoints_take(
    connection: Connection, prices: Prices
) -> None:
    sizes = list_sizes(connection, prices, Purpose.SERVING)
    assert sizes[0].name == "Standard_E4s_v3" and sizes[0].is_default
    assert sizes[0].quota is not None and sizes[0].quota.reserve == 0.2
    assert "Standard_D4s_v3" not in {size.name for size in sizes}
    assert A100 in {size.name for size in sizes}


def test_too_little_quota_is_said_in_cores(connection: Connection, prices: Prices, world: World) -> None:
    cores(world, SUBSCRIPTION, REGION).limits["standardNCADSA100v4Family"] = 0
    size = offered(connection, prices, Purpose.TRAINING)[A100]
    assert size.why_not == "It needs 24 cores; the limit is 0, 0 are used."


def test_the_size_of_the_tutorials_is_listed_as_retired(connection: Connection, prices: Prices) -> None:
    size = offered(connection, prices, Purpose.TRAINING)["Standard_NC6s_v3"]
    assert size.retired_on == date(2025, 9, 30) and size.successor == A100
    assert "2025-09-30" in size.why_not and A100 in size.why_not
    assert (size.gpu, size.price) == ("V100", None)


def test_without_a_region_there_is_no_list(connection: Connection, prices: Prices) -> None:
    connection.save(type(connection.config)())
    with pytest.raises(NotChosen):
        list_sizes(connection, prices, Purpose.TRAINING)


def test_prices_are_asked_once_a_day(connection: Connection, emulator: Emulator) -> None:
    file = connection.folder / "prices.json"
    first = Prices(file).of(REGION, [A100])[A100]
    assert first.dedicated is not None and first.dedicated.currency == "USD" and first.dedicated.per_hour > 0
    asked = len(emulator.asked(host=r"prices\.azure\.com"))
    assert asked and Prices(file).of(REGION, [A100])[A100] == first
    assert len(emulator.asked(host=r"prices\.azure\.com")) == asked
    kept = json.loads(file.read_text(encoding="utf-8"))
    kept[REGION][A100.lower()]["asked_at"] -= 25 * 3600
    file.write_text(json.dumps(kept), encoding="utf-8")
    Prices(file).of(REGION, [A100])
    assert len(emulator.asked(host=r"prices\.azure\.com")) > asked


@pytest.mark.parametrize("fault", [503, "drop"])
def test_prices_that_cannot_be_had_are_unknown_and_not_asked_again_at_once(
    connection: Connection, emulator: Emulator, fault: int | str
) -> None:
    emulator.faults.add(fault, host=r"prices\.azure\.com", times=-1)
    prices = Prices(connection.folder / "prices.json")
    assert prices.of(REGION, [A100])[A100].dedicated is None
    asked = len(emulator.asked(host=r"prices\.azure\.com"))
    assert prices.of(REGION, [A100])[A100].dedicated is None
    assert len(emulator.asked(host=r"prices\.azure\.com")) == asked
    assert offered(connection, prices, Purpose.TRAINING)[A100].price is None


def test_a_size_without_a_price_is_unknown(connection: Connection) -> None:
    prices = Prices(connection.folder / "prices.json").of(REGION, ["Standard_Nothing_v9"])
    assert prices["Standard_Nothing_v9"].dedicated is None


def test_low_priority_spot_windows_and_reserved_meters_are_told_apart() -> None:
    def meter(price: float, sku: str, product: str = "NCADS A100 v4 Series", **more: object) -> dict[str, object]:
        return {
            "retailPrice": price, "armSkuName": A100, "skuName": sku, "meterName": sku, "productName": product,
            "type": "Consumption", "unitOfMeasure": "1 Hour", "currencyCode": "USD",
            "effectiveStartDate": "2024-01-01T00:00:00Z", **more,
        }  # fmt: skip

    items = [
        meter(3.673, "NC24ads A100 v4"),
        meter(9.9, "NC24ads A100 v4", "NCADS A100 v4 Series Windows"),
        meter(0.7, "NC24ads A100 v4 Spot"),
        meter(0.735, "NC24ads A100 v4 Low Priority"),
        meter(2.0, "NC24ads A100 v4", type="Reservation"),
        meter(1.0, "NC24ads A100 v4", unitOfMeasure="1/Month"),
        meter(5.0, "NC24ads A100 v4", effectiveStartDate="2022-01-01T00:00:00Z"),
        meter(1.5, "NC24ads A100 v4", armSkuName="Standard_NC48ads_A100_v4"),
    ]
    assert read_items(items, A100.upper()) == {"dedicated": 3.673, "low_priority": 0.735}
    assert read_items(items, "Standard_E4s_v3") == {"dedicated": None, "low_priority": None}


@pytest.mark.parametrize(
    ("size", "on", "successor"),
    [
        ("Standard_NC6s_v3", date(2025, 9, 30), A100),
        ("standard_nc24rs_v3", date(2025, 9, 30), A100),
        ("Standard_NC6", date(2023, 9, 6), "Standard_NC4as_T4_v3"),
        ("Standard_NC12s_v2", date(2023, 9, 6), A100),
        ("Standard_ND24rs", date(2023, 9, 6), A100),
        ("Standard_NV12s_v3", date(2026, 9, 30), "Standard_NV36ads_A10_v5"),
        ("Standard_E16s_v3", date(2029, 11, 15), "Standard_E16s_v5"),
        ("Standard_DS3_v2", date(2028, 5, 1), "Standard_D4s_v5"),
    ],
)
def test_a_retirement_has_its_date_and_successor(size: str, on: date, successor: str) -> None:
    found = find_retirement(size)
    assert found is not None and (found.on, found.successor) == (on, successor)


@pytest.mark.parametrize(
    "size",
    [A100, "Standard_ND96asr_v4", "Standard_ND40rs_v2", "Standard_NC40ads_H100_v5", "Standard_NC4as_T4_v3",
     "Standard_NV36ads_A10_v5", "Standard_E16s_v5", "Standard_D4as_v4", ""],
)  # fmt: skip
def test_a_size_that_stays_is_not_called_retired(size: str) -> None:
    assert find_retirement(size) is None and not is_retired(size)


@pytest.mark.parametrize(
    ("size", "gpu", "memory"),
    [
        (A100, "A100", 80),
        ("Standard_ND96amsr_A100_v4", "A100", 80),
        ("Standard_ND96asr_v4", "A100", 40),
        ("Standard_NC80adis_H100_v5", "H100 NVL", 94),
        ("Standard_ND96isr_H100_v5", "H100", 80),
        ("Standard_NC6s_v3", "V100", 16),
        ("Standard_NV12ads_A10_v5", "A10 (1/3)", 8),
        ("Standard_NV36adms_A10_v5", "A10", 24),
    ],
)
def test_a_size_tells_its_gpu_and_its_memory(size: str, gpu: str, memory: float) -> None:
    found = gpu_of(size)
    assert found is not None and (found.name, found.memory_gb) == (gpu, memory)


def test_a_size_without_a_gpu_tells_none() -> None:
    assert gpu_of("Standard_E16s_v3") is None


@pytest.mark.parametrize(
    ("size", "cpus", "machines", "purpose", "needed"),
    [
        ("Standard_E4s_v3", 4, 1, Purpose.SERVING, 8),
        ("Standard_E4s_v3", 4, 5, Purpose.SERVING, 24),
        ("Standard_E4s_v3", 4, 6, Purpose.SERVING, 32),
        (A100, 24, 1, Purpose.SERVING, 24),
        ("Standard_NC4as_T4_v3", 4, 1, Purpose.SERVING, 8),
        ("Standard_E16s_v3", 16, 3, Purpose.TRAINING, 48),
    ],
)
def test_endpoints_reserve_whole_machines_except_of_scarce_sizes(
    size: str, cpus: int, machines: int, purpose: Purpose, needed: int
) -> None:
    assert cores_needed(size, cpus, machines, purpose) == needed


def test_a_price_is_an_amount_and_its_currency(connection: Connection) -> None:
    found = Prices(connection.folder / "prices.json").of(REGION, [A100])[A100]
    assert isinstance(found.dedicated, Price) and isinstance(found.low_priority, Price)
    assert found.low_priority.per_hour < found.dedicated.per_hour
