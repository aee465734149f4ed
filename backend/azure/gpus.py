"""Which GPU a size has: its model, and the memory of each in GB. Azure's answers have only their number."""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class GpuModel:
    """`is_nvidia`: the images that train and serve are made for CUDA."""

    name: str
    memory_gb: float
    is_nvidia: bool = True


# Pattern of a size's name (without "Standard_") to its GPU, as in
# learn.microsoft.com/azure/virtual-machines/sizes/overview, "GPU accelerated"; the NVads A10 v5 sizes below 36 cores
# have a part of one.
_MODELS: tuple[tuple[str, GpuModel], ...] = (
    (r"NC\d+ads_A100_v4", GpuModel("A100", 80)),
    (r"ND96amsr_A100_v4", GpuModel("A100", 80)),
    (r"ND96asr_v4|ND96asr_A100_v4", GpuModel("A100", 40)),
    (r"NCC?\d+adi?s_H100_v5", GpuModel("H100 NVL", 94)),
    (r"ND96isr?_H100_v5", GpuModel("H100", 80)),
    (r"ND96isr?_H200_v5", GpuModel("H200", 141)),
    (r"NC\d+as_T4_v3", GpuModel("T4", 16)),
    (r"NC\d+r?s_v3", GpuModel("V100", 16)),
    (r"ND40rs_v2", GpuModel("V100", 32)),
    (r"NC\d+r?s_v2", GpuModel("P100", 16)),
    (r"ND\d+r?s", GpuModel("P40", 24)),
    (r"NC\d+r?(_Promo)?", GpuModel("K80", 12)),
    (r"NV6ads_A10_v5", GpuModel("A10 (1/6)", 4)),
    (r"NV12ads_A10_v5", GpuModel("A10 (1/3)", 8)),
    (r"NV18ads_A10_v5", GpuModel("A10 (1/2)", 12)),
    (r"NV(36|72)adm?s_A10_v5", GpuModel("A10", 24)),
    (r"NV\d+s_v[23]|NV\d+(_Promo)?", GpuModel("M60", 8)),
    (r"NV\d+as_v4", GpuModel("MI25", 16, is_nvidia=False)),
    (r"ND96isr_MI300X_v5", GpuModel("MI300X", 192, is_nvidia=False)),
)


def gpu_of(size: str) -> GpuModel | None:
    """The GPU of a size, or None when the name tells none."""
    name = re.sub(r"^Standard_", "", size, flags=re.IGNORECASE)
    return next((model for pattern, model in _MODELS if re.fullmatch(pattern, name, re.IGNORECASE)), None)
