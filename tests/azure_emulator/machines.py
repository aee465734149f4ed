"""The sizes of machines that the emulated regions offer, with what they are made of."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Machine:
    name: str
    family: str
    cores: int
    memory_gib: float
    disk_gib: int
    gpus: int = 0


MACHINES = {
    machine.name.lower(): machine
    for machine in (
        Machine("Standard_DS3_v2", "standardDSv2Family", 4, 14, 28),
        Machine("Standard_DS4_v2", "standardDSv2Family", 8, 28, 56),
        Machine("Standard_D4s_v3", "standardDSv3Family", 4, 16, 32),
        Machine("Standard_E2s_v3", "standardESv3Family", 2, 16, 32),
        Machine("Standard_E4s_v3", "standardESv3Family", 4, 32, 64),
        Machine("Standard_E8s_v3", "standardESv3Family", 8, 64, 128),
        Machine("Standard_E16s_v3", "standardESv3Family", 16, 128, 256),
        Machine("Standard_F8s_v2", "standardFSv2Family", 8, 16, 64),
        Machine("Standard_NC4as_T4_v3", "standardNCASv3_T4Family", 4, 28, 176, 1),
        Machine("Standard_NC24ads_A100_v4", "standardNCADSA100v4Family", 24, 220, 958, 1),
        Machine("Standard_NC48ads_A100_v4", "standardNCADSA100v4Family", 48, 440, 1916, 2),
        Machine("Standard_NC96ads_A100_v4", "standardNCADSA100v4Family", 96, 880, 3832, 4),
        Machine("Standard_ND96asr_v4", "standardNDASv4_A100Family", 96, 900, 6000, 8),
        Machine("Standard_NC40ads_H100_v5", "standardNCADSH100v5Family", 40, 320, 3576, 1),
        Machine("Standard_NV36ads_A10_v5", "standardNVADSA10v5Family", 36, 440, 720, 1),
    )
}
"""By lower-case name. Standard_NC6s_v3 is gone: Azure retired it on 2025-09-30."""
