"""Saves the tuned model as an MLflow model around a plain Hugging Face folder, and proves that it loads and stops."""

from __future__ import annotations

import json
import logging
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from .base_model import ModelSource, load_model
from .chat_tokens import ChatTokenizer, TokenizedRow
from .conversations import Conversation
from .failures import JobFailure
from .files import move_folder
from .scoring import answer_prompts, mean_loss, score_rows, stop_tokens

logger = logging.getLogger(__name__)

TOLERATED_LOSS = 0.005
"""Share by which rounding the weights to the base's own precision may raise the loss."""
SERVING_PACKAGES = ("mlflow", "torch", "transformers", "accelerate", "safetensors", "jinja2")


@dataclass(frozen=True)
class SavedModel:
    folder: Path
    dtype: str
    dtype_reason: str
    sample: dict[str, Any]


def merge_adapter(model: Any, folder: Path) -> Any:
    """Save the LoRA adapter to `folder`, and return the model with it merged in, in fp32."""
    model.save_pretrained(folder)
    return model.float().merge_and_unload()


def save_tuned_model(
    model: Any,
    chat: ChatTokenizer,
    source: ModelSource,
    draft: Path,
    *,
    check_rows: Sequence[TokenizedRow],
    question: Conversation,
    on_saved: Callable[[], None],
) -> SavedModel:
    """Write the MLflow model to `draft`. Raises JobFailure `saved_model_differs` when what is on disk is not the model.

    The weights get the base's own precision, unless that costs more than TOLERATED_LOSS on `check_rows`.
    """
    shutil.rmtree(draft, ignore_errors=True)
    plain = draft.with_name(f"{draft.name}.plain")
    shutil.rmtree(plain, ignore_errors=True)
    stops = stop_tokens(model, chat)
    expected = mean_loss(score_rows(model, check_rows))
    base_dtype = _dtype_on_disk(source)
    _write_plain_folder(model, chat, source, plain, base_dtype, stops)
    on_saved()
    dtype, reason = base_dtype, "as the base model's own"
    loaded = load_model(ModelSource(source.name, plain, ""), attention="sdpa", dtype=torch.float32).to(model.device)
    found = mean_loss(score_rows(loaded, check_rows))
    if found > expected * (1 + TOLERATED_LOSS) and base_dtype != torch.float32:
        reason = f"rounding to the base's {_name(base_dtype)} would raise the loss from {expected:.4f} to {found:.4f}"
        dtype = torch.float32
        _write_plain_folder(model, chat, source, plain, dtype, stops)
        loaded = load_model(ModelSource(source.name, plain, ""), attention="sdpa", dtype=dtype).to(model.device)
        found = mean_loss(score_rows(loaded, check_rows))
    if abs(found - expected) > max(0.02, 0.05 * expected):
        raise JobFailure(
            "saved_model_differs",
            "The saved model does not predict what the trained one did.",
            why=f"Its loss on {len(check_rows)} conversations is {found:.4f} instead of {expected:.4f}.",
            how_to_fix="Please report this with the name of the base model.",
        )
    logger.info("Weights on disk: %s, %s. Loss after loading them again: %.4f.", _name(dtype), reason, found)
    sample = _answer_sample(loaded, chat, question)
    _write_mlflow_model(loaded.to(dtype), chat, plain, source, draft)
    return SavedModel(draft, _name(dtype), reason, sample)


def publish(draft: Path, target: Path) -> None:
    """Put the finished draft where it belongs; a given folder (a mount on Azure) is filled, ours is replaced."""
    try:
        if target.exists() and not any(target.iterdir()):
            target.rmdir()
        elif (target / "MLmodel").exists():
            shutil.rmtree(target)
        target.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        logger.info("%s can't be replaced (%s): it is filled instead.", target, error)
    move_folder(draft, target)


def _name(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.").replace("bfloat16", "bf16").replace("float", "fp")


def _dtype_on_disk(source: ModelSource) -> torch.dtype:
    """What the base's largest tensor is stored in; anything unusual is saved as fp32."""
    from safetensors import safe_open

    with safe_open(sorted(source.folder.glob("*.safetensors"))[0], framework="pt") as file:
        stored = {str(file.get_slice(name).get_dtype()) for name in file.keys()}  # noqa: SIM118  (no dictionary)
    return (
        {"BF16": torch.bfloat16, "F16": torch.float16}.get(stored.pop(), torch.float32)
        if len(stored) == 1
        else (torch.float32)
    )


def _write_plain_folder(
    model: Any, chat: ChatTokenizer, source: ModelSource, folder: Path, dtype: torch.dtype, stops: list[int]
) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    state: dict[str, torch.Tensor] = {}
    rounded: dict[tuple[int, torch.Size], torch.Tensor] = {}
    for name, tensor in model.state_dict().items():
        # Tied weights stay one tensor, or they would be stored twice.
        key = (tensor.data_ptr(), tensor.shape)
        if key not in rounded:
            rounded[key] = tensor.to(dtype) if tensor.is_floating_point() else tensor
        state[name] = rounded[key]
    model.generation_config.eos_token_id = stops
    if chat.tokenizer.pad_token_id is not None:
        model.generation_config.pad_token_id = chat.tokenizer.pad_token_id
    try:
        model.generation_config.validate(strict=True)
    except ValueError:
        # Some bases name a temperature without sampling, which can be read but not saved.
        model.generation_config.do_sample = True
    model.save_pretrained(folder, state_dict=state)
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    config["dtype"] = str(dtype).removeprefix("torch.")
    (folder / "config.json").write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
    # For serving in batches; only what it was made with is saved.
    chat.tokenizer.padding_side = chat.tokenizer.init_kwargs["padding_side"] = "left"
    chat.tokenizer.save_pretrained(folder)
    for licence in source.folder.glob("LICENSE*"):
        shutil.copy(licence, folder)


def _answer_sample(model: Any, chat: ChatTokenizer, question: Conversation) -> dict[str, Any]:
    exchange = question.last_exchange()
    prompt, expected = exchange if exchange else (question.messages, "")
    limit = min(512, max(64, 2 * len(chat.encode(expected))))
    answer = answer_prompts(model, chat, [prompt], max_new_tokens=limit)[0]
    return {
        "question": prompt[-1]["content"],
        "expected": expected,
        "answer": answer.text,
        "stopped": answer.is_stopped,
    }


def serving_requirements() -> list[str]:
    """Stated, not inferred: inferring loads the model once more. The last one is Azure's no-code container's."""
    pins = [f"{package}=={version(package).split('+')[0]}" for package in SERVING_PACKAGES]
    return [*pins, "azureml-ai-monitoring"]


def _write_mlflow_model(model: Any, chat: ChatTokenizer, plain: Path, source: ModelSource, draft: Path) -> None:
    """MLflow's own description and environment files around the plain folder, which is moved in as it was checked."""
    import mlflow.transformers
    from mlflow.models import Model

    logging.getLogger("mlflow").setLevel(logging.ERROR)
    # save_model and not log_model, which Azure ML answers with 404 (azure-sdk-for-python#44896). The model is given in
    # memory: MLflow 3.15 can't read transformers 5.23's table of tasks when given a folder.
    mlflow.transformers.save_model(
        transformers_model={"model": model, "tokenizer": chat.tokenizer},
        path=str(draft),
        task="llm/v1/chat",
        pip_requirements=serving_requirements(),
        metadata={"base_model": source.name, "base_revision": source.revision},
    )
    shutil.rmtree(draft / "model")
    move_folder(plain, draft / "model")
    # MLflow takes the scratch folder for the model's name, and names a licence page on the Hub after it.
    description = Model.load(str(draft))
    description.flavors["transformers"]["source_model_name"] = source.name
    description.save(str(draft / "MLmodel"))
    (draft / "LICENSE.txt").unlink(missing_ok=True)
