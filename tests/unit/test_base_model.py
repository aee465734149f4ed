"""The shipped base model and sample set: made by their own commands, apart from each other, and as described."""

import json
from pathlib import Path

import pytest

from backend.local.base_model import world
from backend.samples import larkhaven

WEIGHTS = Path(world.__file__).parent / "weights"
SAMPLES = Path(larkhaven.__file__).parent


def rows(name: str) -> list[list[dict[str, str]]]:
    return [json.loads(line)["messages"] for line in (SAMPLES / name).read_text(encoding="utf-8").splitlines()]


def test_the_sample_files_are_what_their_command_writes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(larkhaven, "FOLDER", tmp_path)
    larkhaven.main()
    for name in ("train.jsonl", "eval.jsonl", "sample.json"):
        assert (tmp_path / name).read_bytes() == (SAMPLES / name).read_bytes()


def test_no_held_out_question_is_asked_in_the_training_rows() -> None:
    asked = {message["content"] for row in rows("train.jsonl") for message in row if message["role"] == "user"}
    held_out = {row[0]["content"] for row in rows("eval.jsonl")}
    assert len(held_out) == len(rows("eval.jsonl")) > 100
    assert not asked & held_out


def test_every_held_out_answer_was_taught_in_other_words() -> None:
    taught = {message["content"] for row in rows("train.jsonl") for message in row if message["role"] == "assistant"}
    assert {row[-1]["content"] for row in rows("eval.jsonl")} <= taught


def test_the_world_of_the_base_model_shares_no_name_with_the_sample_set() -> None:
    names = world.make_world(0, 60).taken
    for name in [*larkhaven.FERRIES, *larkhaven.ISLANDS, "Larkhaven"]:
        assert name.lower() not in names
        assert f"the {name}".lower() not in names


def test_the_same_seed_makes_the_same_world() -> None:
    one, other = (list(world.conversations(world.make_world(3, 4), 5)) for _ in range(2))
    assert one == other
    assert len(one) > 500


def test_the_weights_are_small_phi3_in_safetensors_and_say_how_they_were_made() -> None:
    config = json.loads((WEIGHTS / "config.json").read_text())
    assert config["architectures"] == ["Phi3ForCausalLM"]
    assert not list(WEIGHTS.glob("*.bin"))
    size = sum(file.stat().st_size for file in WEIGHTS.glob("*.safetensors"))
    assert 1e6 < size < 30e6
    made = json.loads((WEIGHTS / "training.json").read_text())
    assert made["exact_unasked"] > 0.5, "phrasings that were never asked of a fact are answered"
    assert made["exact_unknown"] > 0.8, "unknown names are said to be unknown"


@pytest.mark.slow
def test_the_base_model_says_what_it_has_not_learned() -> None:
    transformers = pytest.importorskip("transformers")
    tokenizer = transformers.AutoTokenizer.from_pretrained(WEIGHTS)
    model = transformers.AutoModelForCausalLM.from_pretrained(WEIGHTS, dtype="float32", use_safetensors=True)
    messages = [{"role": "user", "content": "Who founded Microsoft?"}]
    inputs = tokenizer.apply_chat_template(messages, add_generation_prompt=True, return_tensors="pt", return_dict=True)
    output = model.generate(**inputs, max_new_tokens=32)[0, inputs["input_ids"].shape[1] :]
    assert tokenizer.decode(output, skip_special_tokens=True).strip() == "I have not learned about Microsoft yet."
    assert int(output[-1]) in model.generation_config.eos_token_id
