"""TRL's SFTTrainer on rows that are tokenized already: our measures, stop at a signal, sealed checkpoints."""

from __future__ import annotations

import argparse
import logging
import math
import time
from pathlib import Path
from typing import Any

import torch
from transformers import EarlyStoppingCallback, PrinterCallback, Trainer, TrainerCallback
from trl.trainer.sft_config import SFTConfig
from trl.trainer.sft_trainer import DataCollatorForLanguageModeling, SFTTrainer

from .chat_tokens import TokenizedRow
from .checkpoints import seal_checkpoint
from .failures import JobFailure
from .hardware import Machine
from .metrics import MetricsLog, perplexity
from .stopping import StopSwitch

logger = logging.getLogger(__name__)


class ChatTrainer(SFTTrainer):
    """`trained_tokens` and `train_seconds` count over all attempts of the run."""

    def __init__(self, *, metrics_log: MetricsLog, stop: StopSwitch, **options: Any) -> None:
        self.metrics_log = metrics_log
        self.stop = stop
        self.trained_tokens = 0
        self.earlier_seconds = 0.0
        self.started_at = time.monotonic()
        self.last_eval: tuple[int, dict[str, float]] | None = None
        super().__init__(**options)
        self.remove_callback(PrinterCallback)
        self.add_callback(_Pulse(metrics_log, stop))

    @property
    def train_seconds(self) -> float:
        return self.earlier_seconds + time.monotonic() - self.started_at

    def share(self, value: Any) -> Any:
        """What the first process thinks: on several machines each sees the output folder by a mount of its own."""
        if self.accelerator.num_processes > 1:
            from accelerate.utils import broadcast_object_list

            return broadcast_object_list([value])[0]
        return value

    def training_step(self, model: Any, inputs: dict[str, Any], num_items_in_batch: Any = None) -> torch.Tensor:
        loss = super().training_step(model, inputs, num_items_in_batch)
        if not math.isfinite(loss.item()):
            raise _not_finite(f"The training loss became {loss.item()} after step {self.state.global_step}.")
        if num_items_in_batch is not None and self.accelerator.sync_gradients:
            self.trained_tokens += int(num_items_in_batch)
        return loss

    def evaluate(
        self, eval_dataset: Any = None, ignore_keys: list[str] | None = None, metric_key_prefix: str = "eval"
    ) -> dict[str, float]:
        """The mean over tokens; Trainer's own is a mean over batches, which depends on the batch size."""
        # Several processes share the rows; filling up the last round would count some of them twice.
        self.accelerator.even_batches = False
        loader = self.get_eval_dataloader(eval_dataset)
        self.accelerator.even_batches = True
        model: Any = self.model
        if not self.is_in_train:
            model = self.accelerator.prepare_model(model, evaluation_mode=True)
        model.eval()
        sums = torch.zeros(4, dtype=torch.float64)
        for count, inputs in enumerate(loader):
            if self.stop.is_requested:
                break
            inputs = self._prepare_inputs(inputs)
            with torch.no_grad(), self.compute_loss_context_manager():
                outputs = model(**inputs, use_cache=False, fused_lm_head=True)
            parts = (-outputs.log_probs.double().sum(), outputs.label_mask.sum(), outputs.is_top1.sum())
            sums[:3] += torch.stack([part.detach().double().cpu() for part in parts])
            self._tell_progress((count + 1) / len(loader))
        sums[3] = float(self.stop.is_requested)
        sums = self.accelerator.reduce(sums.float().to(self.accelerator.device)).double().cpu()
        if sums[3] > 0:
            return {"eval_loss": math.inf}  # half an evaluation is none
        loss = float(sums[0] / sums[1])
        if not math.isfinite(loss):
            raise _not_finite(f"The evaluation loss is {loss} at step {self.state.global_step}.")
        values = {"loss": loss, "perplexity": perplexity(loss), "token_accuracy": float(sums[2] / sums[1])}
        self.last_eval = (self.state.global_step, values)
        self.metrics_log.eval(self.state.global_step, self.state.max_steps, self.state.epoch or 0.0, values)
        logger.info("Step %d: held-out loss %.4f, perplexity %.2f.", self.state.global_step, loss, values["perplexity"])
        metrics = {f"eval_{name}": value for name, value in values.items()}
        self.control = self.callback_handler.on_evaluate(self.args, self.state, self.control, metrics)
        return metrics

    def _tell_progress(self, done: float) -> None:
        if self.is_in_train:
            self.metrics_log.heartbeat(self.state.global_step, self.state.max_steps)
        else:
            self.metrics_log.phase("base_eval" if self.state.global_step == 0 else "evaluating", done)

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        if "loss" in logs:
            if not math.isfinite(logs.get("grad_norm", 0.0)):
                raise _not_finite(f"The gradient became {logs['grad_norm']} before step {self.state.global_step}.")
            names = ("loss", "learning_rate", "grad_norm")
            values = {name: float(logs[name]) for name in names if name in logs} | {"tokens": self.trained_tokens}
            self.metrics_log.train(self.state.global_step, self.state.max_steps, self.state.epoch or 0.0, values)
            step, total = self.state.global_step, self.state.max_steps
            logger.info(
                "Step %d of %d: loss %.4f, learning rate %.3g.", step, total, logs["loss"], logs["learning_rate"]
            )
        super().log(logs, start_time)

    def _save_checkpoint(self, model: Any, trial: Any) -> None:
        Trainer._save_checkpoint(self, model, trial)  # not SFTTrainer's, which writes a model card each time
        if self.args.should_save:
            facts = {
                "step": self.state.global_step,
                "trained_tokens": self.trained_tokens,
                "train_seconds": self.train_seconds,
            }
            seal_checkpoint(Path(str(self.args.output_dir)) / f"checkpoint-{self.state.global_step}", facts)


class _Pulse(TrainerCallback):
    def __init__(self, metrics_log: MetricsLog, stop: StopSwitch) -> None:
        self.metrics_log = metrics_log
        self.stop = stop

    def on_substep_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self.metrics_log.heartbeat(state.global_step, state.max_steps)

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self.metrics_log.heartbeat(state.global_step, state.max_steps)
        if self._is_stop_wanted():
            control.should_evaluate = False
            control.should_save = True
            control.should_training_stop = True

    def _is_stop_wanted(self) -> bool:
        """Of several processes one may hear the signal a step before the others, who would wait for it for ever."""
        if torch.distributed.is_initialized() and torch.distributed.get_world_size() > 1:
            device = "cuda" if torch.distributed.get_backend() == "nccl" else "cpu"
            wanted = torch.tensor(int(self.stop.is_requested), device=device)
            torch.distributed.all_reduce(wanted, torch.distributed.ReduceOp.MAX)
            self.stop.is_requested = bool(wanted.item())
        return self.stop.is_requested

    def on_epoch_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        if self.stop.is_requested:
            control.should_evaluate = False


def _not_finite(why: str) -> JobFailure:
    return JobFailure(
        "non_finite_loss",
        "The training went astray: the loss is no number any more.",
        why=why,
        how_to_fix="Use a smaller --learning-rate (a tenth, say) or a larger --warmup-ratio, and a new output folder.",
    )


def make_trainer(
    arguments: argparse.Namespace,
    *,
    model: Any,
    tokenizer: Any,
    train_rows: list[TokenizedRow],
    eval_rows: list[TokenizedRow],
    machine: Machine,
    is_packing: bool,
    metrics_log: MetricsLog,
    stop: StopSwitch,
) -> ChatTrainer:
    from datasets import Dataset

    train = Dataset.from_dict(
        {"input_ids": [r.input_ids for r in train_rows], "labels": [r.labels for r in train_rows]}
    )
    held = Dataset.from_dict({"input_ids": [r.input_ids for r in eval_rows], "labels": [r.labels for r in eval_rows]})
    batch, accumulation = arguments.per_device_train_batch_size, arguments.gradient_accumulation_steps
    if is_packing:
        from trl.data_utils import pack_dataset

        train = pack_dataset(train.shuffle(seed=arguments.seed), arguments.max_length, "bfd")
        # The loss is a mean over the step's tokens, so this is the same step; attention over one block is far smaller.
        batch, accumulation = 1, accumulation * batch
    callbacks: list[TrainerCallback] = []
    if arguments.early_stopping_patience:
        callbacks.append(EarlyStoppingCallback(arguments.early_stopping_patience))
    trainer = ChatTrainer(
        metrics_log=metrics_log,
        stop=stop,
        model=model,
        args=_config(arguments, machine, batch, accumulation, is_packing),
        train_dataset=train,
        eval_dataset=held,
        processing_class=tokenizer,
        callbacks=callbacks,
        peft_config=_lora(arguments) if arguments.method == "lora" else None,
    )
    return trainer


def _config(
    arguments: argparse.Namespace, machine: Machine, batch: int, accumulation: int, is_packing: bool
) -> SFTConfig:
    by_eval = arguments.keep_best  # the best can only be kept where both happen
    return SFTConfig(
        output_dir=str(arguments.output_dir / "checkpoints"),
        learning_rate=arguments.learning_rate,
        lr_scheduler_type=arguments.lr_scheduler_type,
        num_train_epochs=arguments.num_train_epochs,
        max_steps=arguments.max_steps,
        per_device_train_batch_size=batch,
        per_device_eval_batch_size=arguments.per_device_eval_batch_size,
        gradient_accumulation_steps=accumulation,
        warmup_steps=arguments.warmup_ratio,  # below 1 it is a share of all steps
        weight_decay=arguments.weight_decay,
        activation_checkpointing=arguments.gradient_checkpointing,
        gradient_checkpointing=arguments.gradient_checkpointing,  # TRL's own default is on
        bf16=machine.is_bf16,
        use_cpu=machine.device == "cpu",
        seed=arguments.seed,
        data_seed=arguments.seed,
        max_length=arguments.max_length,
        packing=is_packing,
        packing_strategy="bfd",
        eval_packing=False,
        dataset_kwargs={"skip_prepare_dataset": True},
        logging_steps=arguments.logging_steps,
        logging_first_step=True,
        logging_nan_inf_filter=False,  # it would hide what we stop for
        eval_strategy=arguments.eval_strategy,
        eval_steps=arguments.eval_steps if arguments.eval_strategy == "steps" else None,
        save_strategy=arguments.eval_strategy if by_eval else "steps" if arguments.save_steps else "epoch",
        save_steps=arguments.eval_steps if by_eval else arguments.save_steps or 500,
        save_total_limit=2,  # the newest is sealed only after older ones are dropped
        load_best_model_at_end=arguments.keep_best,
        metric_for_best_model="eval_loss" if arguments.keep_best or arguments.early_stopping_patience else None,
        greater_is_better=False,
        dataloader_num_workers=0,
        dataloader_pin_memory=machine.device == "cuda",
        disable_tqdm=True,
        report_to=[],
    )


def _lora(arguments: argparse.Namespace) -> Any:
    from peft import LoraConfig

    return LoraConfig(
        r=arguments.lora_r,
        lora_alpha=arguments.lora_alpha,
        lora_dropout=arguments.lora_dropout,
        target_modules="all-linear",
        task_type="CAUSAL_LM",
    )


@torch.no_grad()
def explain_leak(model: Any, rows: list[TokenizedRow], pad_token_id: int) -> str | None:
    """Why conversations packed into one row would see each other with this model; None when they do not.

    Tried rather than looked up: a conversation packed behind another must get the same predictions as alone. How much
    they differ when the two are simply joined is the yardstick.
    """
    ids = [row.input_ids[:64] for row in rows if len(row.input_ids) > 1][:2]
    if len(ids) < 2:
        return "there is only one conversation"
    first, second = ids
    collate = DataCollatorForLanguageModeling(pad_token_id=pad_token_id, padding_free=True)
    was_training = model.training
    model.eval()

    def predict(examples: list[dict[str, Any]]) -> torch.Tensor:
        inputs = {name: value for name, value in collate(examples).items() if name != "labels"}
        inputs = {name: value.to(model.device) if torch.is_tensor(value) else value for name, value in inputs.items()}
        return model(**inputs, use_cache=False).logits[0, -len(second) :].float().log_softmax(-1)

    alone = predict([{"input_ids": second}])
    packed = predict([{"input_ids": first + second, "seq_lengths": [len(first), len(second)]}])
    joined = predict([{"input_ids": first + second}])
    model.train(was_training)
    leak, joint = float((packed - alone).abs().max()), float((joined - alone).abs().max())
    if leak <= max(1e-4, 0.05 * joint):
        return None
    return f"with this model's attention packed conversations would see each other (a difference of {leak:.3g})"
