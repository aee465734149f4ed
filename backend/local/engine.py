"""The model behind an endpoint: transformers' continuous batching, with sampling of its own for each request.

Its scheduler is used directly rather than through `transformers serve`, whose handler fixes the first request's
temperature for everybody after it and goes on generating for a caller who left (docs/decisions/0003).
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from typing import Any

PAGE = 32
"""Tokens in a block of the cache."""
BATCH_TOKENS = 512
LONGEST_CONTEXT = 4096
CACHE_TOKENS = 16384
"""What is shared by all chats that are served at once."""
CACHE_BYTES = 1_000_000_000
"""Memory for the cache; only a model of billions of parameters reaches it, and then still gets one whole context."""
SPARE_BLOCKS = 4


@dataclass(frozen=True)
class Sampling:
    """Greedy at temperature 0. `stop` are strings that end the answer and are no part of it."""

    max_tokens: int
    temperature: float = 0.0
    top_p: float = 1.0
    stop: tuple[str, ...] = ()


@dataclass(frozen=True)
class Piece:
    """A piece of an answer; the last has a `finish_reason`: stop (the model ended) or length (max_tokens)."""

    text: str
    tokens: int
    finish_reason: str | None = None


class EngineError(RuntimeError):
    """A generation failed, or the engine is dead."""


class Engine:
    def __init__(self, model: str) -> None:
        import torch
        from transformers import AutoModelForCausalLM, AutoTokenizer

        self.device = "cuda" if torch.cuda.is_available() else "cpu"
        # bf16 on a CPU only pays with AMX (ML.md: 1.45 times there, a tenth on AVX2).
        has_amx = self.device == "cpu" and torch.cpu._is_amx_tile_supported()
        self.dtype = torch.bfloat16 if self.device == "cuda" or has_amx else torch.float32
        self.tokenizer: Any = AutoTokenizer.from_pretrained(model, trust_remote_code=False)
        loaded: Any = AutoModelForCausalLM.from_pretrained(
            model, dtype=self.dtype, attn_implementation="sdpa", trust_remote_code=False, use_safetensors=True
        )
        self.model = loaded.to(self.device)
        self.end_tokens = self._end_tokens()
        self.cache_tokens = self._cache_tokens()
        longest = getattr(self.model.config, "max_position_embeddings", None) or LONGEST_CONTEXT
        # A request that the cache can't hold alone would end the engine, so none may be longer.
        self.context = min(longest, LONGEST_CONTEXT, self.cache_tokens - SPARE_BLOCKS * PAGE)
        self.ids = itertools.count()
        self.batching = self._start()

    def _end_tokens(self) -> list[int]:
        configured = self.model.generation_config.eos_token_id
        ids = set(configured if isinstance(configured, list) else [configured])
        ids.add(self.tokenizer.eos_token_id)
        # Phi's chat turns end with <|end|> also where a saved generation config forgot it.
        vocabulary = self.tokenizer.get_vocab()
        ids.update(vocabulary.get(token) for token in ("<|end|>", "<|endoftext|>"))
        return sorted(token for token in ids if token is not None)

    def _cache_tokens(self) -> int:
        config = self.model.config.get_text_config()
        head = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
        heads = getattr(config, "num_key_value_heads", None) or config.num_attention_heads
        per_token = 2 * config.num_hidden_layers * heads * head * self.dtype.itemsize
        longest = min(config.max_position_embeddings, LONGEST_CONTEXT) + SPARE_BLOCKS * PAGE
        tokens = min(CACHE_TOKENS, max(longest, CACHE_BYTES // per_token))
        return -(-tokens // PAGE) * PAGE

    def _start(self) -> Any:
        from transformers import ContinuousBatchingConfig, GenerationConfig

        # These values only make the three processors exist; every request brings its own. Greedy is top_k 1.
        shared = GenerationConfig(
            do_sample=True,
            temperature=0.7,
            top_k=50,
            top_p=0.9,
            eos_token_id=self.end_tokens,
            pad_token_id=self.tokenizer.pad_token_id,
            max_new_tokens=BATCH_TOKENS,
            use_cache=False,
        )
        limits = ContinuousBatchingConfig(
            page_size=PAGE,
            num_blocks=self.cache_tokens // PAGE,
            max_batch_tokens=BATCH_TOKENS,
            per_request_processors=True,
            auto_switch_to_flash=False,
            use_cuda_graph=False,
        )
        batching = self.model.init_continuous_batching(generation_config=shared, continuous_batching_config=limits)
        batching.start()
        return batching

    def fatal_error(self) -> BaseException | None:
        """Why the engine will never answer again, or None."""
        return self.batching.background_thread_status.fatal_error

    def encode(self, messages: Sequence[dict[str, str]]) -> list[int]:
        """The conversation as the model reads it, up to where its answer begins."""
        encoded = self.tokenizer.apply_chat_template(
            list(messages), add_generation_prompt=True, tokenize=True, return_dict=True
        )
        return list(encoded["input_ids"])

    async def answer(self, prompt: list[int], sampling: Sampling) -> AsyncGenerator[Piece]:
        """Pieces as they come. Leaving the iterator early frees its place in the batch. Raises EngineError."""
        from tokenizers.decoders import DecodeStream

        request = f"request-{next(self.ids)}"
        outputs: asyncio.Queue[Any] = asyncio.Queue()
        self.batching.register_result_handler(request, outputs.put_nowait)
        is_greedy = sampling.temperature == 0
        accepted = self.batching.add_request(
            prompt,
            request_id=request,
            max_new_tokens=sampling.max_tokens,
            streaming=True,
            eos_token_id=self.end_tokens,
            temperature=1.0 if is_greedy else float(sampling.temperature),
            top_k=1 if is_greedy else int(self.model.config.vocab_size),
            top_p=1.0 if is_greedy else float(sampling.top_p),
        )
        is_finished = accepted is None
        try:
            if is_finished:
                raise EngineError(str(self.fatal_error() or "The engine takes no more requests."))
            decoder, stopper, seen = DecodeStream([], skip_special_tokens=True), Stopper(sampling.stop), 0
            while True:
                output = await outputs.get()
                is_finished = output.is_finished()
                if output.error is not None:
                    raise EngineError(str(output.error))
                new, seen = output.generated_tokens[seen:], len(output.generated_tokens)
                has_ended = any(token in self.end_tokens for token in new)
                words = [
                    decoder.step(self.tokenizer._tokenizer, token) for token in new if token not in self.end_tokens
                ]
                text = stopper.feed("".join(word for word in words if word))
                if stopper.has_stopped or is_finished:
                    reason = "stop" if stopper.has_stopped or has_ended else "length"
                    yield Piece(text + stopper.rest(), seen, reason)
                    return
                if text:
                    yield Piece(text, seen)
        finally:
            if not is_finished:
                self.batching.cancel_request(request)
            with contextlib.suppress(KeyError):
                del self.batching.output_router.result_handlers[request]

    @property
    def busy(self) -> int:
        """Requests being answered or waiting."""
        return len(self.batching.output_router.result_handlers)


class Stopper:
    """Cuts a text before the first of the stop strings, and holds back what may be the beginning of one."""

    def __init__(self, stops: Sequence[str]) -> None:
        self.stops = stops
        self.held = ""
        self.has_stopped = False

    def feed(self, text: str) -> str:
        """What can be shown now."""
        text, self.held = self.held + text, ""
        found = [position for position in (text.find(stop) for stop in self.stops) if position >= 0]
        if found:
            self.has_stopped = True
            return text[: min(found)]
        longest = max((len(stop) for stop in self.stops), default=1) - 1
        for count in range(min(longest, len(text)), 0, -1):
            if any(stop.startswith(text[-count:]) for stop in self.stops):
                self.held = text[-count:]
                return text[:-count]
        return text

    def rest(self) -> str:
        """What was held back for a stop string that never came."""
        return "" if self.has_stopped else self.held
