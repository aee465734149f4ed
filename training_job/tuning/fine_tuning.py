"""The story of a run: read, load, measure the base, train, save, prove it. Starting it again resumes it."""

from __future__ import annotations

import argparse
import logging
import os
import shutil
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .arguments import parse_arguments, with_hyphens
from .checkpoints import newest_complete_checkpoint
from .conversations import Conversation, read_conversations
from .failures import JobFailure, StopRequested, explain, report_failure
from .files import hash_files, write_json
from .metrics import MetricsLog, perplexity
from .output_folder import OutputFolder, Progress
from .stopping import StopSwitch

if TYPE_CHECKING:
    from .base_model import ModelSource
    from .chat_tokens import ChatTokenizer, TokenizedRows
    from .hardware import Machine
    from .tracking import MlflowTracker
    from .trainer import ChatTrainer

logger = logging.getLogger(__name__)

STOPPED = 143
CHECKED_ROWS = 64
"""Conversations on which the saved model is compared with the trained one."""


def main(argv: Sequence[str]) -> int:
    """The exit status: 0, 1 for a failure, 2 for unusable arguments, 143 after a SIGTERM."""
    prepare_process()
    output = find_option(argv, "--output-dir")
    run: Run | None = None
    try:
        arguments = parse_arguments(argv)
        output = arguments.output_dir
        run = Run(arguments)
        run.carry_out()
    except StopRequested:
        logger.info("Stopped on request. The same command goes on from the last checkpoint.")
        status, outcome = STOPPED, "KILLED"
    except Exception as error:  # noqa: BLE001  (the one place where every failure becomes words; nothing is hidden)
        failure = explain(error)
        if run is not None and run.has_begun:
            run.drop_drafts()
        # Another run's folder keeps its own words.
        is_ours = failure.code != "output_holds_another_run"
        status, outcome = report_failure(failure, output if is_ours else None), "FAILED"
    else:
        status, outcome = 0, "FINISHED"
    if run is not None:
        run.close(outcome)
    return status


def prepare_process() -> None:
    """Before torch and the Hub's library are imported, which read these once."""
    for name, value in {
        "OMP_WAIT_POLICY": "PASSIVE",  # 8 to 9 times faster beside other busy processes
        "TOKENIZERS_PARALLELISM": "false",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "DO_NOT_TRACK": "1",
        "MLFLOW_DISABLE_TELEMETRY": "true",
    }.items():
        os.environ.setdefault(name, value)
    level = logging.INFO if is_main_process() else logging.ERROR
    logging.basicConfig(stream=sys.stdout, level=level, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    for noisy in ("httpx", "httpcore", "alembic", "mlflow", "datasets", "accelerate"):
        logging.getLogger(noisy).setLevel(logging.WARNING)


def is_main_process() -> bool:
    """Of several processes (torchrun, accelerate, Azure ML's PyTorch distribution) one speaks and saves."""
    return int(os.environ.get("RANK", "0")) == 0


def find_option(argv: Sequence[str], option: str) -> Path | None:
    """The value of one option in a command line that may be unusable otherwise."""
    items = with_hyphens(argv)
    for place, item in enumerate(items):
        if item.startswith(f"{option}="):
            return Path(item.partition("=")[2])
        if item == option and place + 1 < len(items):
            return Path(items[place + 1])
    return None


class Run:
    def __init__(self, arguments: argparse.Namespace) -> None:
        self.arguments = arguments
        self.output: Path = arguments.output_dir
        self.model_folder: Path = arguments.model_output_dir or self.output / "model"
        self.draft = self.output / "model.partial"
        self.is_main = is_main_process()
        self.metrics = MetricsLog(self.output, is_main=self.is_main)
        self.tracker: MlflowTracker | None = None
        self.stop = StopSwitch()
        self.has_begun = False

    def carry_out(self) -> None:
        folder = OutputFolder(self.output)
        folder.open()
        self.data_sha256 = hash_files([self.arguments.train_file, self.arguments.eval_file])
        folder.claim(self.arguments, self.data_sha256, is_main=self.is_main)
        if folder.is_complete(self.model_folder):
            logger.info("This run is complete: see %s.", self.output / "result.json")
            return
        self.has_begun = True
        self.stop.install()
        progress = folder.find_progress()
        self.metrics.keep_until(progress.step)
        self.metrics.phase("loading", 0.0)
        train_conversations = read_conversations(self.arguments.train_file)
        eval_conversations = read_conversations(self.arguments.eval_file)
        source, chat, trainer, rows, machine = self._load(train_conversations, eval_conversations)
        base = self._measure_base(trainer)
        self._train(trainer, progress)
        tuned = self._measure_tuned(trainer)
        if not self.is_main:
            return
        facts = self._result(trainer, source, machine, rows, base, tuned)
        self._save(trainer, chat, source, rows, train_conversations, facts)

    def close(self, outcome: str) -> None:
        """`outcome` in MLflow's words."""
        self.metrics.close()
        if self.tracker is not None:
            self.tracker.close(outcome)

    def drop_drafts(self) -> None:
        """A half-written model helps nobody, and on a full disk its room is needed for the error's words."""
        for path in self.output.glob("model.partial*"):
            shutil.rmtree(path, ignore_errors=True)
        newest_complete_checkpoint(self.output / "checkpoints")  # removes what is torn

    def _load(
        self, train: list[Conversation], held: list[Conversation]
    ) -> tuple[ModelSource, ChatTokenizer, ChatTrainer, TokenizedRows, Machine]:
        from .base_model import is_folder

        arguments = self.arguments
        if is_folder(arguments.model_name_or_path):
            os.environ["HF_HUB_OFFLINE"] = "1"
        started = time.monotonic()
        import torch
        import transformers

        from . import base_model, hardware
        from .chat_tokens import ChatTokenizer, tokenize_rows
        from .tracking import MlflowTracker, is_tracking_wanted
        from .trainer import explain_leak, make_trainer

        logger.info("torch, transformers and TRL imported in %.1f s.", time.monotonic() - started)
        transformers.logging.set_verbosity_error()
        transformers.logging.disable_progress_bar()
        transformers.set_seed(arguments.seed)
        if self.is_main and is_tracking_wanted():
            plain = {name: str(value) for name, value in vars(arguments).items()}
            self.tracker = MlflowTracker(self.output, plain | {"data_sha256": self.data_sha256})
            self.metrics.tracker = self.tracker

        source = base_model.find_model(
            arguments.model_name_or_path, arguments.revision, lambda done: self.metrics.phase("downloading", done)
        )
        logger.info("Base model: %s (%s).", source.name, source.revision)
        chat = ChatTokenizer(base_model.load_tokenizer(source))
        self._fit_length(base_model.read_config(source))
        settings: dict[str, Any] = {
            "max_length": arguments.max_length,
            "assistant_only": arguments.assistant_only_loss,
        }
        rows = tokenize_rows(
            chat, train, name="train", **settings, on_progress=lambda done: self.metrics.phase("tokenizing", done / 2)
        )
        self.eval_rows = tokenize_rows(
            chat,
            held,
            name="eval",
            **settings,
            on_progress=lambda done: self.metrics.phase("tokenizing", (1 + done) / 2),
        )
        logger.info("%s.", rows.describe("Training", arguments.max_length))
        logger.info("%s.", self.eval_rows.describe("Evaluation", arguments.max_length))

        lengths = sorted(len(row.input_ids) for row in rows.rows)
        machine = hardware.choose_machine(
            arguments,
            typical_tokens=lengths[int(0.9 * (len(lengths) - 1))],
            parameters=base_model.count_parameters(source),
            is_packing=arguments.packing,
        )
        logger.info("%s", machine.reason)
        # What is trained is always fp32: bf16 weights with AdamW hardly move. A frozen base may be bf16.
        is_frozen = arguments.method == "lora" and machine.is_bf16
        model = base_model.load_model(
            source, attention=machine.attention, dtype=torch.bfloat16 if is_frozen else torch.float32
        ).to(machine.device)
        is_packing = arguments.packing
        if is_packing and (leak := explain_leak(model, rows.rows, chat.tokenizer.pad_token_id or 0)):
            logger.warning("Packing is off: %s.", leak)
            is_packing = False
        self.is_packing = is_packing
        self.base_parameters = model.num_parameters()
        trainer = make_trainer(
            arguments,
            model=model,
            tokenizer=chat.tokenizer,
            train_rows=rows.rows,
            eval_rows=self.eval_rows.rows,
            machine=machine,
            is_packing=is_packing,
            metrics_log=self.metrics,
            stop=self.stop,
        )
        self.metrics.phase("loading", 1.0)
        return source, chat, trainer, rows, machine

    def _fit_length(self, config: Any) -> None:
        limit = getattr(config.get_text_config(), "max_position_embeddings", None)
        if limit and self.arguments.max_length > limit:
            logger.warning("--max-length is lowered to %d: the model knows no more positions.", limit)
            self.arguments.max_length = limit

    def _measure_base(self, trainer: ChatTrainer) -> dict[str, float]:
        known: dict[str, float] | None = trainer.share(self.metrics.base_eval())
        if known is not None:
            return known
        self.metrics.phase("base_eval", 0.0)
        trainer.evaluate()
        assert trainer.last_eval is not None  # noqa: S101
        return trainer.last_eval[1]

    def _train(self, trainer: ChatTrainer, progress: Progress) -> None:
        progress = trainer.share(progress)
        trainer.trained_tokens, trainer.earlier_seconds = progress.trained_tokens, progress.train_seconds
        trainer.started_at = time.monotonic()
        self.metrics.phase("training")
        self.stop.is_training = True
        trainer.train(resume_from_checkpoint=str(progress.checkpoint) if progress.checkpoint else None)
        self.stop.is_training = False
        self.train_seconds = trainer.train_seconds
        if self.stop.is_requested:
            raise StopRequested
        logger.info("Trained %d steps in %.1f s.", trainer.state.global_step, self.train_seconds)
        if trainer.trained_tokens == 0:
            raise JobFailure(
                "no_trained_tokens",
                "Nothing was learnt.",
                why="Training ended without a single step.",
                how_to_fix="Raise --num-train-epochs or --max-steps.",
            )

    def _measure_tuned(self, trainer: ChatTrainer) -> dict[str, float]:
        """Of what is saved: with --keep-best that is not the last step's model."""
        is_known = trainer.last_eval is not None and trainer.last_eval[0] == trainer.state.global_step
        if not is_known or self.arguments.keep_best:
            if self.arguments.keep_best and trainer.state.best_metric is not None:
                loss = float(trainer.state.best_metric)
                return {"loss": loss, "perplexity": perplexity(loss)}
            self.metrics.phase("evaluating", 0.0)
            trainer.evaluate()
        assert trainer.last_eval is not None  # noqa: S101
        return trainer.last_eval[1]

    def _result(
        self,
        trainer: ChatTrainer,
        source: ModelSource,
        machine: Machine,
        rows: TokenizedRows,
        base: dict[str, float],
        tuned: dict[str, float],
    ) -> dict[str, Any]:
        from importlib.metadata import version

        packages = ("torch", "transformers", "trl", "peft", "accelerate", "datasets", "mlflow")
        model: Any = trainer.model
        trainable = sum(weight.numel() for weight in model.parameters() if weight.requires_grad)
        return {
            "base_eval_loss": base["loss"],
            "tuned_eval_loss": tuned["loss"],
            "base_perplexity": base["perplexity"],
            "tuned_perplexity": tuned["perplexity"],
            "trained_tokens": trainer.trained_tokens,
            "steps": trainer.state.global_step,
            "epochs": round(float(trainer.state.epoch or 0.0), 3),
            "train_seconds": round(self.train_seconds, 2),
            "train_rows": len(rows.rows),
            "eval_rows": len(self.eval_rows.rows),
            "dropped_rows": rows.without_trainable,
            "rows_too_long": rows.too_long,
            "answers_cut": rows.answers_cut,
            "packing": self.is_packing,
            "method": self.arguments.method,
            "recipe": self.arguments.recipe,
            "parameters": self.base_parameters,
            "trainable_parameters": trainable,
            "device": machine.device,
            "device_name": machine.device_name,
            "dtype": machine.dtype,
            "attention": machine.attention,
            "reason": machine.reason,
            "base_model": source.name,
            "base_revision": source.revision,
            "data_sha256": self.data_sha256,
            "seed": self.arguments.seed,
            "versions": {package: version(package) for package in packages}
            | {"python": ".".join(map(str, sys.version_info[:3]))},
        }

    def _save(
        self,
        trainer: ChatTrainer,
        chat: ChatTokenizer,
        source: ModelSource,
        rows: TokenizedRows,
        train: list[Conversation],
        facts: dict[str, Any],
    ) -> None:
        from .saving import merge_adapter, publish, save_tuned_model

        self.metrics.phase("saving", 0.0)
        model = trainer.accelerator.unwrap_model(trainer.model)
        trainer.optimizer = None  # its memory is needed for the copy that is checked
        if self.arguments.method == "lora":
            model = merge_adapter(model, self.output / "adapter")
        learnt = {row.line for row in rows.rows}
        question = next((one for one in train if one.line in learnt and one.last_exchange()), train[0])
        saved = save_tuned_model(
            model,
            chat,
            source,
            self.draft,
            check_rows=self.eval_rows.rows[:CHECKED_ROWS],
            question=question,
            on_saved=lambda: self.metrics.phase("verifying", 0.0),
        )
        publish(self.draft, self.model_folder)
        self.metrics.phase("verifying", 1.0)
        warnings = rows.warnings(self.arguments.max_length)
        if not saved.sample["stopped"]:
            warnings.append("The tuned model did not end its answer to a training question by itself.")
        if facts["tuned_eval_loss"] > facts["base_eval_loss"]:
            warnings.append("The tuned model predicts the held-out conversations worse than the base model does.")
        for warning in warnings:
            logger.warning("%s", warning)
        facts |= {"weights_dtype": saved.dtype, "weights_dtype_reason": saved.dtype_reason}
        facts |= {"sample": saved.sample, "warnings": warnings}
        write_json(self.output / "result.json", facts)
        logger.info(
            "Complete: held-out loss %.3f -> %.3f. Model: %s",
            facts["base_eval_loss"],
            facts["tuned_eval_loss"],
            self.model_folder,
        )
