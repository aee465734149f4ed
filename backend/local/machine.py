"""What this computer has: cores, memory, disk, GPU. Asked without importing torch."""

from __future__ import annotations

import functools
import os
import platform
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import psutil

from backend.domain_setup import Check
from backend.i18n import _

LEAST_DISK = 5_000_000_000
LEAST_MEMORY = 4_000_000_000


@dataclass(frozen=True)
class Gpu:
    name: str
    memory: int


@dataclass(frozen=True)
class Machine:
    """Bytes throughout. `gpu` is the largest one, None when NVIDIA's tool names none."""

    processor: str
    cores: int
    memory: int
    free_memory: int
    free_disk: int
    gpu: Gpu | None

    @property
    def training_memory(self) -> int:
        """What a training may use: the GPU's memory, else four fifths of the computer's."""
        return self.gpu.memory if self.gpu else int(self.memory * 0.8)


def look_at_machine(home: Path) -> Machine:
    memory = psutil.virtual_memory()
    return Machine(
        processor=_processor(),
        cores=len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else (os.cpu_count() or 1),
        memory=memory.total,
        free_memory=memory.available,
        free_disk=shutil.disk_usage(nearest_folder(home)).free,
        gpu=find_gpu(),
    )


def nearest_folder(path: Path) -> Path:
    """The folder itself, or the nearest one above it that exists."""
    return next(folder for folder in (path, *path.resolve().parents) if folder.is_dir())


@functools.lru_cache(maxsize=1)
def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


@functools.lru_cache(maxsize=1)
def find_gpu() -> Gpu | None:
    """NVIDIA's own tool says; its absence means no GPU that PyTorch's CUDA build can use."""
    command = ["nvidia-smi", "--query-gpu=name,memory.total", "--format=csv,noheader,nounits"]
    try:
        answer = subprocess.run(command, capture_output=True, text=True, timeout=10, check=True).stdout
    except (OSError, subprocess.SubprocessError):
        return None
    gpus = []
    for line in answer.splitlines():
        name, separator, mebibytes = line.rpartition(",")
        if separator and mebibytes.strip().isdigit():
            gpus.append(Gpu(name.strip(), int(mebibytes) * 1024**2))
    return max(gpus, key=lambda gpu: gpu.memory, default=None)


def check_machine(home: Path, built_in: Path) -> list[Check]:
    """Everything that training and serving here rests on."""
    machine = look_at_machine(home)
    return [
        _check_python(),
        Check(
            _("Processor"),
            True,
            _("{cores} CPU cores, {processor}").format(cores=machine.cores, processor=machine.processor),
        ),
        Check(
            _("Memory"),
            machine.memory >= LEAST_MEMORY,
            _("{total:.1f} GB, {free:.1f} GB of them free").format(
                total=machine.memory / 1e9, free=machine.free_memory / 1e9
            ),
            why=_("Training beside the app needs about {least:.0f} GB.").format(least=LEAST_MEMORY / 1e9),
            how_to_fix=_("Close other programs, or use a computer with more memory."),
        ),
        Check(
            _("Disk"),
            machine.free_disk >= LEAST_DISK,
            _("{free:.1f} GB free in {folder}").format(free=machine.free_disk / 1e9, folder=home),
            why=_("Checkpoints and models need room: at least {least:.0f} GB.").format(least=LEAST_DISK / 1e9),
            how_to_fix=_("Delete old runs or other files, or set PHIDESK_HOME to a folder on a larger disk."),
        ),
        _check_gpu(machine),
        _check_home(home),
        Check(
            _("Base model"),
            any(built_in.glob("*.safetensors")),
            _("The built-in model, {folder}").format(folder=built_in),
            why=_("Without it a first training needs a download of several GB."),
            how_to_fix=_("Install Phi Desk again: its weights are part of it."),
        ),
    ]


def _check_python() -> Check:
    version = platform.python_version()
    return Check(
        "Python",
        (3, 11) <= sys.version_info[:2] <= (3, 13),
        _("Python {version}").format(version=version),
        why=_("The training libraries are made for Python 3.11 to 3.13."),
        how_to_fix=_("Install Python 3.11 and run the installation again."),
    )


def _check_gpu(machine: Machine) -> Check:
    if machine.gpu:
        what = _("{name} with {memory:.0f} GB").format(name=machine.gpu.name, memory=machine.gpu.memory / 1e9)
        return Check(_("GPU"), True, what)
    return Check(
        _("GPU"),
        False,
        _("No GPU found. Training and answers use the CPU."),
        why=_("The built-in model trains in minutes on a CPU; models of billions of parameters would take days."),
        how_to_fix=_("Use the built-in model here; a larger one needs a computer with a GPU."),
        is_warning=True,
    )


def _check_home(home: Path) -> Check:
    nearest = nearest_folder(home)
    return Check(
        _("Workspace folder"),
        os.access(nearest, os.W_OK | os.X_OK) and (nearest == home or not home.exists()),
        str(home),
        why=_("Data sets, runs and models are kept there."),
        how_to_fix=_("Give yourself the right to write there, or set PHIDESK_HOME to another folder."),
    )
