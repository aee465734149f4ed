"""Makes the built-in base model from nothing: text (world.py), tokenizer, weights. One command, one seed.

    python -m backend.local.base_model.train --output backend/local/base_model/weights

The shipped weights were made by this command on two CPU cores; `training.json` beside them says in what time.
"""

from __future__ import annotations

import argparse
import copy
import json
import math
import random
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))
import world  # beside this file, so that the folder also runs alone on a borrowed GPU

ROLE_TOKENS = ("<|system|>", "<|user|>", "<|assistant|>")
END, END_OF_TEXT = "<|end|>", "<|endoftext|>"
CHAT_TEMPLATE = (
    "{% for message in messages %}"
    "{{ '<|' + message['role'] + '|>\\n' + message['content'] + '<|end|>\\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|assistant|>\\n' }}{% endif %}"
)
COMMON_WORDS = """the be to of and a in that have I it for not on with he as you do at this but his by from they we say her she
or an will my one all would there their what so up out if about who get which go me when make can like time no just him know
take people into year your good some could them see other than then now look only come its over think also back after use two
how our work first well way even new want because any these give day most us is are was were been has had did does said got
made going really something thing things very much many more here where why again always never maybe sure okay yes still
already today tomorrow tonight yesterday week month morning evening night hour minute second home house school office family
friend mother father sister brother child children man woman boy girl dog cat car bus train phone money book movie music food
water coffee dinner lunch breakfast party birthday weekend holiday meeting problem question answer idea plan help need love
feel mean try ask tell call send bring buy pay wait talk write read play run walk sit stand start stop open close turn leave
meet learn change follow keep let begin seem show hear believe hold happen must might should shall before between under
through during without against however while since until both each few other such same own too last long great little old
right big high small large next early young important public bad able different best better free full easy hard clear simple
please thanks thank sorry hello welcome summary summarize dialog explain describe write list example following sentence word
number city country world state life part place case point company group system program government hand eye head face door
table room side kind business service power health data model computer internet story history science art law war market
price cost value level order result reason effect research study student teacher doctor patient team game player north south
one two three four five six seven eight nine ten hundred thousand million percent first second third""".split()

ROW, LONG_ROW = 256, 1024
"""Tokens a training row, and in the last tenth of the training. A row starts where a conversation starts."""


def make_tokenizer(texts: list[str], vocabulary: int) -> Any:
    from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Split(Regex(r"\d"), "isolated"), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=[END_OF_TEXT, END, *ROLE_TOKENS],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        eos_token=END,
        pad_token=END_OF_TEXT,
        additional_special_tokens=list(ROLE_TOKENS),
        model_max_length=2048,
        padding_side="left",
        clean_up_tokenization_spaces=False,
    )
    fast.chat_template = CHAT_TEMPLATE
    return fast


def encode_pass(arguments: tuple[str, int, int, int]) -> tuple[Any, Any, Any]:
    """One pass over the world as tokens: (token ids, 1 where the assistant speaks, starts of conversations)."""
    import numpy as np
    from tokenizers import Tokenizer

    tokenizer_file, seed, world_seed, entities = arguments
    tokenizer = Tokenizer.from_file(tokenizer_file)
    pieces: list[str] = []
    spoken: list[bool] = []
    begins: list[bool] = []
    for system, turns in world.conversations(world.make_world(world_seed, entities), seed):
        first = True
        if system:
            pieces.append(f"<|system|>\n{system}<|end|>\n")
            spoken.append(False)
            begins.append(first)
            first = False
        for question, answer in turns:
            pieces += [f"<|user|>\n{question}<|end|>\n<|assistant|>\n", f"{answer}<|end|>"]
            spoken += [False, True]
            begins += [first, False]
            first = False
            pieces.append("\n")
            spoken.append(False)
            begins.append(False)
    ids: list[Any] = []
    for start in range(0, len(pieces), 100_000):
        batch = tokenizer.encode_batch(pieces[start : start + 100_000])
        ids.extend(np.asarray(encoding.ids, dtype=np.int16) for encoding in batch)
    lengths = np.asarray([len(piece) for piece in ids])
    ends = np.cumsum(lengths)
    return (
        np.concatenate(ids),
        np.repeat(np.asarray(spoken, dtype=np.uint8), lengths),
        (ends - lengths)[np.asarray(begins)],
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--tokens", type=float, default=2.4e7, help="training tokens")
    parser.add_argument("--entities", type=int, default=60, help="per kind")
    parser.add_argument("--vocabulary", type=int, default=2048)
    parser.add_argument("--hidden", type=int, default=256)
    parser.add_argument("--layers", type=int, default=4)
    parser.add_argument("--heads", type=int, default=4)
    parser.add_argument("--batch", type=int, default=8192, help="tokens a step")
    parser.add_argument("--learning-rate", type=float, default=2e-3)
    parser.add_argument("--passes", type=int, default=8, help="differently worded passes made; cycled")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--compile", action=argparse.BooleanOptionalAction, default=True, help="needs a C compiler")
    options = parser.parse_args()

    import torch
    from transformers import GenerationConfig, Phi3Config, Phi3ForCausalLM

    started = time.time()
    random.seed(options.seed)
    torch.manual_seed(options.seed)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    options.output.mkdir(parents=True, exist_ok=True)
    invented = world.make_world(options.seed, options.entities)
    texts = [f"{s} {q} {a}" for s, turns in world.conversations(invented, 1) for q, a in turns]
    words = [f" {word}" for word in COMMON_WORDS] + [word.title() for word in COMMON_WORDS]
    tokenizer = make_tokenizer(texts + words * max(1, len(texts) // 2000), options.vocabulary)
    tokenizer.save_pretrained(options.output)
    jobs = [
        (str(options.output / "tokenizer.json"), seed + 1, options.seed, options.entities)
        for seed in range(options.passes)
    ]
    with ProcessPoolExecutor() as pool:
        passes = [
            tuple(torch.from_numpy(part).to(device) for part in encoded) for encoded in pool.map(encode_pass, jobs)
        ]
    print(
        f"{sum(len(p[0]) for p in passes):,} tokens in {len(passes)} passes, {time.time() - started:.0f} s", flush=True
    )

    config = Phi3Config(
        vocab_size=len(tokenizer),
        hidden_size=options.hidden,
        intermediate_size=options.hidden * 8 // 3 // 32 * 32,
        num_hidden_layers=options.layers,
        num_attention_heads=options.heads,
        num_key_value_heads=options.heads,
        max_position_embeddings=2048,
        original_max_position_embeddings=2048,
        tie_word_embeddings=True,
        bos_token_id=None,
        eos_token_id=tokenizer.convert_tokens_to_ids(END),
        pad_token_id=tokenizer.pad_token_id,
        sliding_window=None,
    )
    model: Any = Phi3ForCausalLM(config)
    model.to(device)
    model.generation_config = GenerationConfig(
        do_sample=False, eos_token_id=[config.eos_token_id, tokenizer.pad_token_id], pad_token_id=tokenizer.pad_token_id
    )
    parameters = sum(p.numel() for p in model.parameters())
    print(f"{parameters:,} parameters on {device}", flush=True)
    decay = [p for p in model.parameters() if p.ndim > 1]
    plain = [p for p in model.parameters() if p.ndim <= 1]
    optimizer = torch.optim.AdamW(
        [{"params": decay, "weight_decay": 0.1}, {"params": plain, "weight_decay": 0.0}],
        lr=options.learning_rate,
        betas=(0.9, 0.98),
        fused=device == "cuda",
    )
    step_model: Any = torch.compile(model, dynamic=False) if options.compile else model
    generator = torch.Generator(device=device).manual_seed(options.seed)
    seen, step, began, recent = 0, 0, time.time(), 0.0
    while (progress := seen / options.tokens) < 1:
        length = ROW if progress < 0.9 else LONG_ROW
        ids, spoken, starts = passes[step % len(passes)]
        usable = int((starts < len(ids) - length).sum())
        rows = starts[torch.randint(usable, (options.batch // length,), generator=generator, device=device)]
        index = rows[:, None] + torch.arange(length, device=device)
        tokens, weights = ids[index].long(), spoken[index].float()
        weights = weights + 0.05 * (1 - weights)
        warm = min(1.0, (step + 1) / 100)
        for group in optimizer.param_groups:
            group["lr"] = options.learning_rate * warm * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * progress)))
        with torch.autocast(device, dtype=torch.bfloat16):
            logits = step_model(input_ids=tokens, use_cache=False).logits
        losses = torch.nn.functional.cross_entropy(
            logits[:, :-1].float().flatten(0, 1), tokens[:, 1:].flatten(), reduction="none"
        )
        weight = weights[:, 1:].flatten()
        loss = (losses * weight).sum() / weight.sum()
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        seen += tokens.numel()
        step += 1
        if step % 100 == 0:
            recent = float((losses * (weight > 0.5)).sum() / (weight > 0.5).sum())
            print(
                f"step {step} tokens {seen / 1e6:.0f}M answer loss {recent:.3f} {seen / (time.time() - began) / 1e3:.0f}k tokens/s",
                flush=True,
            )
        if step % 500 == 0:  # a stop loses little
            copy.deepcopy(model).to(torch.bfloat16).save_pretrained(options.output)

    scores = score(model, tokenizer, invented, device)
    model.to(torch.bfloat16).save_pretrained(options.output)
    card = {
        "parameters": parameters,
        "training_tokens": seen,
        "steps": step,
        "answer_loss": round(recent, 4),
        "seconds": round(time.time() - started),
        "device": torch.cuda.get_device_name() if device == "cuda" else "cpu",
        "arguments": {key: str(value) for key, value in vars(options).items() if key != "output"},
        **scores,
    }
    (options.output / "training.json").write_text(json.dumps(card, indent=1) + "\n")
    print(json.dumps(card), flush=True)


def score(model: Any, tokenizer: Any, invented: world.World, device: str) -> dict[str, float]:
    """Share of exact answers: asked phrasings, never-asked phrasings of known facts, unknown names, reading a prompt."""
    import torch

    rng = random.Random(1)
    groups: dict[str, list[tuple[list[dict[str, str]], str]]] = {
        "asked": [],
        "unasked": [],
        "unknown": [],
        "reading": [],
        "summary": [],
    }
    numbered = list(enumerate(invented.facts))
    for number, fact in rng.sample(numbered, min(800, len(numbered))):
        for question in world.questions_of(fact):
            asked = random.Random(f"{number}{question}").random() >= 0.15
            groups["asked" if asked else "unasked"].append(([{"role": "user", "content": question}], fact.answer))
    for _ in range(300):
        question, answer = world.unknown(rng, invented.taken)
        groups["unknown"].append(([{"role": "user", "content": question}], answer))
        system, turns = world.from_context(rng)
        messages = [{"role": "system", "content": system}] if system else []
        groups["reading"].append(([*messages, {"role": "user", "content": turns[0][0]}], turns[0][1]))
        question, answer = world.summary(rng)
        groups["summary"].append(([{"role": "user", "content": question}], answer))
    model.eval()
    shares: dict[str, float] = {}
    for name, items in groups.items():
        items = rng.sample(items, min(300, len(items)))
        right = 0
        for start in range(0, len(items), 100):
            batch = items[start : start + 100]
            prompts = [tokenizer.apply_chat_template(m, tokenize=False, add_generation_prompt=True) for m, _ in batch]
            inputs = tokenizer(prompts, return_tensors="pt", padding=True).to(device)
            inputs.pop("token_type_ids", None)
            with torch.no_grad():
                output = model.generate(**inputs, max_new_tokens=48)
            texts = tokenizer.batch_decode(output[:, inputs["input_ids"].shape[1] :], skip_special_tokens=True)
            right += sum(text.strip() == answer for text, (_, answer) in zip(texts, batch, strict=True))
            if start == 0:
                for text, (messages, answer) in list(zip(texts, batch, strict=True))[:3]:
                    print(f"[{name}] {messages[-1]['content'][-90:]!r} -> {text!r} (wanted {answer!r})", flush=True)
        shares[f"exact_{name}"] = round(right / max(1, len(items)), 3)
    return shares


if __name__ == "__main__":
    main()
