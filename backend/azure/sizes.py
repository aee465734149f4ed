"""What a region offers: sizes with GPU, price and quota, the known retired ones marked; and the defaults."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from backend.azure.connection import Connection
from backend.azure.errors import NotChosen, in_words
from backend.azure.gpus import gpu_of
from backend.azure.prices import UNKNOWN, Prices, SizePrices
from backend.azure.quota import QuotaTable, cores_needed, read_quota, shortage
from backend.azure.retired_sizes import find_retirement, is_retired
from backend.domain_setup import MachineSize, Purpose
from backend.i18n import _

VM_SIZES_VERSION = "2023-08-01-preview"
TRAINING_SIZE = "Standard_NC24ads_A100_v4"
TRAINING_SIZE_CPU = "Standard_E16s_v3"
SERVING_SIZE = "Standard_E4s_v3"
# The machines of managed online endpoints, learn.microsoft.com/azure/machine-learning/
# reference-managed-online-endpoints-vm-sku-list. No call lists them before there is a deployment.
_SERVING = re.compile(
    r"Standard_(D\d+as?_v4|DS\d_v2|E\d+s_v3|F\d+s_v2|FX\d+mds|L\d+a?s_v3|L\d+s_v2"
    r"|NC\d+ads_A100_v4|NC\d+as_T4_v3|NC\d+s_v[23]|NC\d+adi?s_H100_v5"
    r"|ND96amsr_A100_v4|ND96asr_v4|ND40rs_v2|ND96isr?_H100_v5|NV\d+adm?s_A10_v5)",
    re.IGNORECASE,
)
LEAST_TRAINING_CORES = 4
LEAST_TRAINING_MEMORY = 14.0


@dataclass(frozen=True)
class Offered:
    """A size as Azure ML lists it for a region."""

    name: str
    family: str
    cpus: int
    memory_gb: float
    gpus: int
    has_low_priority: bool
    compute_types: tuple[str, ...]


KNOWN_FROM_TUTORIALS = (Offered("Standard_NC6s_v3", "standardNCSv3Family", 6, 112.0, 1, False, ()),)
"""People come with this name, so it is shown and explained although no region offers it."""


def list_offered(connection: Connection, subscription: str, region: str) -> tuple[Offered, ...]:
    """Every size of the region, whatever it is for."""
    path = f"/subscriptions/{subscription}/providers/Microsoft.MachineLearningServices/locations/{region}/vmSizes"
    with in_words(_("Listing the sizes")):
        return tuple(_offered(size) for size in connection.arm_list(path, VM_SIZES_VERSION))


def _offered(size: dict[str, Any]) -> Offered:
    return Offered(
        name=size["name"],
        family=size.get("family") or "",
        cpus=int(size.get("vCPUs") or 0),
        memory_gb=float(size.get("memoryGB") or 0),
        gpus=int(size.get("gpus") or 0),
        has_low_priority=bool(size.get("lowPriorityCapable")),
        compute_types=tuple(size.get("supportedComputeTypes") or ()),
    )


def list_sizes(connection: Connection, prices: Prices, purpose: Purpose) -> Sequence[MachineSize]:
    """The default first, then those that can be used, the cheapest first, then the others.

    For training the one without GPU comes second: it is what is left where no GPU can be had.
    """
    config = connection.config
    if not config.subscription or not config.region:
        raise NotChosen(
            _("There is no list of sizes yet."),
            why=_("What can be had depends on the subscription and its region."),
            how_to_fix=_("Choose a subscription and a workspace on Setup."),
            code="not_chosen",
        )
    listed = list_offered(connection, config.subscription, config.region)
    names = {one.name.lower() for one in listed}
    listed += tuple(one for one in KNOWN_FROM_TUTORIALS if one.name.lower() not in names)
    offered = [one for one in listed if fits(one, purpose)]
    quota = read_quota(connection, config.subscription, config.region)
    known = prices.of(config.region, [one.name for one in offered if not is_retired(one.name)])
    default = default_size(purpose, config.training_size, config.serving_size)
    sizes = [
        describe(one, purpose, quota, known.get(one.name, UNKNOWN), is_default=same(one.name, default))
        for one in offered
    ]
    return sorted(sizes, key=lambda size: _order(size, purpose))


def fits(one: Offered, purpose: Purpose) -> bool:
    """Could do the work at all, quota and price aside."""
    if purpose == Purpose.SERVING:
        return bool(_SERVING.fullmatch(one.name))
    if one.compute_types and "AmlCompute" not in one.compute_types:
        return False
    return one.gpus > 0 or (one.cpus >= LEAST_TRAINING_CORES and one.memory_gb >= LEAST_TRAINING_MEMORY)


def default_size(purpose: Purpose, training: str = "", serving: str = "") -> str:
    """What the person chose, or ours."""
    return (training or TRAINING_SIZE) if purpose == Purpose.TRAINING else (serving or SERVING_SIZE)


def same(one: str, other: str) -> bool:
    """Azure writes names of sizes in more than one case."""
    return one.lower() == other.lower()


def describe(one: Offered, purpose: Purpose, quota: QuotaTable, prices: SizePrices, *, is_default: bool) -> MachineSize:
    gpu = gpu_of(one.name) if one.gpus else None
    gone = find_retirement(one.name)
    if gone and is_retired(one.name):
        why_not = retired_words(gone.on, gone.successor)
    elif gpu is not None and not gpu.is_nvidia:
        why_not = _("Its GPU is not of NVIDIA; the images that train and serve need one.")
    else:
        why_not = shortage(quota, one.family, cores_needed(one.name, one.cpus, 1, purpose))
    return MachineSize(
        name=one.name,
        cpus=one.cpus,
        memory_gb=one.memory_gb,
        gpus=one.gpus,
        gpu=gpu.name if gpu else "",
        gpu_memory_gb=gpu.memory_gb if gpu else 0.0,
        price=prices.dedicated,
        low_priority_price=prices.low_priority if one.has_low_priority and purpose == Purpose.TRAINING else None,
        quota=quota.of(one.family, one.name, purpose),
        retired_on=gone.on if gone else None,
        successor=gone.successor if gone else "",
        is_default=is_default,
        why_not=why_not,
    )


def retired_words(on: date, successor: str) -> str:
    return _("Azure retired this size on {date}. Use {successor} instead.").format(
        date=on.isoformat(), successor=successor
    )


def _order(size: MachineSize, purpose: Purpose) -> tuple[bool, bool, bool, float, str]:
    price = size.price.per_hour if size.price else float("inf")
    is_next = purpose == Purpose.TRAINING and same(size.name, TRAINING_SIZE_CPU)
    return (not size.is_default, bool(size.why_not), not is_next, price, size.name)
