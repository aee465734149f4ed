"""A random-weight Phi-3 with a tokenizer of its own, made in a second: what the tests train, serve and break."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

SPECIAL_TOKENS = ["<|endoftext|>", "<|system|>", "<|user|>", "<|assistant|>", "<|end|>"]

PHI3_TEMPLATE = (
    "{% for message in messages %}"
    "{{ '<|' + message['role'] + '|>\n' + message['content'] + '<|end|>\n' }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|assistant|>\n' }}{% endif %}"
)

SENTENCES = [
    "Who keeps the lighthouse at Saltmarsh Point? Marta Quill keeps the lighthouse at Saltmarsh Point.",
    "When does the ferry leave for the islands? The ferry leaves at seven in the morning and at noon.",
    "What colour is the door of the bakery? The door of the bakery is painted a bright yellow.",
    "Tell me how many steps the old tower has. The old tower has one hundred and twelve steps.",
    "Where can I buy bread on a Sunday? You can buy bread on a Sunday at the harbour kiosk.",
    "Please answer in one short sentence, and say so when you do not know the answer.",
    "0 1 2 3 4 5 6 7 8 9 10 20 50 100 1000",
]


def make_tokenizer(
    special_tokens: list[str] = SPECIAL_TOKENS,
    template: str = PHI3_TEMPLATE,
    *,
    end_of_turn: str = "<|end|>",
    padding: str = "<|endoftext|>",
) -> PreTrainedTokenizerFast:
    """A byte-level BPE of at most 600 tokens, trained on SENTENCES."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    raw = Tokenizer(models.BPE())
    raw.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    raw.decoder = decoders.ByteLevel()
    raw.train_from_iterator(
        SENTENCES,
        trainers.BpeTrainer(
            vocab_size=600,
            special_tokens=special_tokens,
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
            show_progress=False,
        ),
    )
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=raw,
        eos_token=end_of_turn,
        pad_token=padding,
        additional_special_tokens=[token for token in special_tokens if token not in (end_of_turn, padding)],
        model_max_length=512,
        clean_up_tokenization_spaces=False,
    )
    tokenizer.chat_template = template
    return tokenizer


def make_tiny_model(folder: Path, *, hidden_size: int = 64, layers: int = 2, seed: int = 0) -> Path:
    """Write a `Phi3ForCausalLM` with random weights, its tokenizer and generation config to `folder`, and return it."""
    import torch
    from transformers import GenerationConfig, Phi3Config, Phi3ForCausalLM

    tokenizer = make_tokenizer()
    end, end_of_text = tokenizer.convert_tokens_to_ids(["<|end|>", "<|endoftext|>"])
    torch.manual_seed(seed)
    model = Phi3ForCausalLM(
        Phi3Config(
            vocab_size=len(tokenizer),
            hidden_size=hidden_size,
            intermediate_size=hidden_size * 2,
            num_hidden_layers=layers,
            num_attention_heads=4,
            num_key_value_heads=2,
            max_position_embeddings=512,
            original_max_position_embeddings=512,
            bos_token_id=end_of_text,
            eos_token_id=end,
            pad_token_id=end_of_text,
            tie_word_embeddings=True,
        )
    )
    model.generation_config = GenerationConfig(
        bos_token_id=end_of_text, eos_token_id=[end, end_of_text], pad_token_id=end_of_text, do_sample=False
    )
    folder.mkdir(parents=True, exist_ok=True)
    model.save_pretrained(folder, safe_serialization=True)
    tokenizer.save_pretrained(folder)
    return folder
