"""The models that a training may begin with: which are offered, whether they fit, and where their files are."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from backend.domain import BUILT_IN_MODEL, BaseModel, Model
from backend.errors import BadInput, Unavailable
from backend.i18n import _
from backend.local.machine import Machine, look_at_machine
from backend.model_files import BUILT_IN_FOLDER, count_parameters
from backend.model_refs import HUB_ID, MODEL_REF

TOKENIZER_FILES = ("tokenizer.json", "tokenizer.model", "vocab.json")

HUB_MODELS = (
    # id, title, licence, parameters and bytes of its safetensors files
    ("microsoft/Phi-3-mini-4k-instruct", "Phi-3 mini 4k instruct", "MIT", 3_820_000_000, 7_640_000_000),
    ("microsoft/Phi-3.5-mini-instruct", "Phi-3.5 mini instruct", "MIT", 3_820_000_000, 7_640_000_000),
    ("microsoft/Phi-4-mini-instruct", "Phi-4 mini instruct", "MIT", 3_840_000_000, 7_680_000_000),
)

FULL_BYTES = 16
"""A parameter's in full fine-tuning with AdamW: fp32 weight, gradient and two moments, 4 bytes each."""
LORA_BYTES = 2.3
"""A parameter's in LoRA: the frozen weight in bf16, and the adapter with its moments."""
ACTIVATION_BYTES = 1_500_000_000
"""Of a model of billions of parameters at batch 1 and 2,048 tokens with checkpointing; the tiny one needs less."""


def known_base_models(home: Path, built_in: Path = BUILT_IN_FOLDER) -> list[BaseModel]:
    """The built-in one first, then Microsoft's, each with whether this computer can train it."""
    machine = look_at_machine(home)
    parameters = count_parameters(built_in)
    fits, reason = fit(parameters, 0, machine)
    models = [
        BaseModel(
            id=BUILT_IN_MODEL,
            title=_("Built-in tiny Phi-3"),
            licence="MIT",
            parameters=parameters,
            download_bytes=0,
            is_local=True,
            fits=fits and parameters > 0,
            fit_reason=reason if parameters else _("Its weights are missing from this installation."),
        )
    ]
    for hub_id, title, licence, count, size in HUB_MODELS:
        is_cached = _is_cached(hub_id)
        fits, reason = fit(count, 0 if is_cached else size, machine)
        models.append(BaseModel(hub_id, title, licence, count, size, is_cached, fits, reason))
    return models


def fit(parameters: int, download: int, machine: Machine) -> tuple[bool, str]:
    """Whether it can be trained here at all, and the reason in words."""
    room = machine.training_memory
    activations = min(ACTIVATION_BYTES, parameters * 8)
    full, lora = parameters * FULL_BYTES + activations, int(parameters * LORA_BYTES) + activations
    where = _("the GPU has {room:.1f} GB") if machine.gpu else _("about {room:.1f} GB of memory can be used")
    where = where.format(room=room / 1e9)
    disk = download + parameters * 6
    if machine.free_disk < disk:
        return False, _("Needs about {needed:.1f} GB of disk; {free:.1f} GB are free.").format(
            needed=disk / 1e9, free=machine.free_disk / 1e9
        )
    if lora > room:
        return False, _("Even LoRA needs about {needed:.1f} GB; {where}.").format(needed=lora / 1e9, where=where)
    slow = "" if machine.gpu or parameters < 500_000_000 else " " + _("Without a GPU a training takes days.")
    if full > room:
        return True, _("LoRA fits (about {lora:.1f} GB), full training does not ({full:.0f} GB): {where}.").format(
            lora=lora / 1e9, full=full / 1e9, where=where
        ) + slow
    return True, _("Full training fits: about {full:.1f} GB; {where}.").format(full=full / 1e9, where=where) + slow


class BaseModels:
    """Turns what a person chose into what the training script takes."""

    def __init__(self, find_model: Callable[[str], Model], built_in: Path = BUILT_IN_FOLDER) -> None:
        self.find_model = find_model
        self.built_in = built_in

    def resolve(self, base: str) -> str:
        """A folder's path, or the Hub's id as it is. Raises BadInput, NotFound (registry) or Unavailable (built-in)."""
        if base == BUILT_IN_MODEL:
            if not any(self.built_in.glob("*.safetensors")):
                raise Unavailable(
                    _("The built-in model is missing."),
                    why=_("There are no weights in {folder}.").format(folder=self.built_in),
                    how_to_fix=_("Install Phi Desk again."),
                    code="no_built_in_model",
                )
            return str(self.built_in)
        if MODEL_REF.fullmatch(base):
            return self.find_model(base).path
        folder = Path(base).expanduser()
        if folder.is_dir():
            check_model_folder(folder)
            return str(folder.resolve())
        if HUB_ID.fullmatch(base):
            return base
        raise BadInput(
            _("{id} is no base model.").format(id=repr(base)),
            why=_("It is neither a folder on this computer, nor a model of the registry, nor a Hugging Face id."),
            how_to_fix=_("Write an id such as microsoft/Phi-3-mini-4k-instruct, or the path of a model's folder."),
            code="bad_base_model",
        )

    def size(self, base: str) -> tuple[int, int]:
        """Parameters, and bytes still to download; zeros where unknown."""
        for hub_id, _title, _licence, parameters, download in HUB_MODELS:
            if base == hub_id:
                return parameters, 0 if _is_cached(hub_id) else download
        resolved = Path(self.resolve(base))
        return count_parameters(resolved), 0


def check_model_folder(folder: Path) -> None:
    """Raises BadInput that says what is missing for a causal model in safetensors."""
    missing = []
    if not (folder / "config.json").is_file():
        missing.append("config.json")
    if not any(folder.glob("*.safetensors")):
        missing.append(_("*.safetensors (the weights)"))
    if not any((folder / name).is_file() for name in TOKENIZER_FILES):
        missing.append(_("tokenizer.json (the tokenizer)"))
    if missing:
        raise BadInput(
            _("The folder {folder} holds no usable model.").format(folder=folder),
            why=_("Missing: {files}.").format(files=", ".join(missing)),
            how_to_fix=_("Give the folder that `save_pretrained` wrote, in safetensors form with its tokenizer."),
            code="bad_model_folder",
        )


def _is_cached(hub_id: str) -> bool:
    from huggingface_hub import try_to_load_from_cache

    return isinstance(try_to_load_from_cache(hub_id, "config.json"), str)
