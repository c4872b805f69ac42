#!/usr/bin/env python3
"""Logits and greedy continuations of random models by transformers and PEFT, for Fonte's engine to agree with.

    python3 -m venv target/parity && target/parity/bin/pip install torch transformers peft blake3
    target/parity/bin/python benches/inference/parity.py --export target/parity-models   # 200 prompts, whole folders
    FONTE_PARITY=$PWD/target/parity-models cargo test -p fonte-inference parity -- --include-ignored
    target/parity/bin/python benches/inference/parity.py --vectors fixtures/inference     # what CI reads

Weights are integers times powers of two, from a seed and the tensor's name alone (`values`), so that the vectors need no
weights: the Rust side (crates/inference/src/parity.rs) makes the same bits. All is computed in f32, on one thread,
without a cache. Where the two likeliest tokens of a greedy step are closer than 1e-3 of the largest logit, rounding could
choose between them; such prompts are replaced, and the output says how many were.
"""

import argparse
import json
import pathlib
import platform
import shutil

import numpy
import peft
import torch
import transformers

GOLDEN = 0x9E3779B97F4A7C15
TOKENS = 12


def values(seed, name, shape, digits):
    """A tensor of random numbers: splitmix64 of (FNV-1a of the name xor the seed), its top `digits` bits as a signed
    number, times a power of two that depends on the kind of tensor."""
    key = 0xCBF29CE484222325
    for byte in name.encode():
        key = ((key ^ byte) * 0x100000001B3) & (2**64 - 1)
    count = int(numpy.prod(shape))
    with numpy.errstate(over="ignore"):
        z = numpy.uint64(key ^ seed) + numpy.arange(1, count + 1, dtype=numpy.uint64) * numpy.uint64(GOLDEN)
        z = (z ^ (z >> numpy.uint64(30))) * numpy.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> numpy.uint64(27))) * numpy.uint64(0x94D049BB133111EB)
        z ^= z >> numpy.uint64(31)
    if name.endswith("norm.weight"):
        # Around 1, in steps that bfloat16 has.
        n = (z >> numpy.uint64(60)).astype(numpy.int64) - 8
        return (1.0 + n.astype(numpy.float64) / 128).astype(numpy.float32).reshape(shape)
    n = (z >> numpy.uint64(64 - digits)).astype(numpy.int64) - (1 << (digits - 1))
    exponent = digits - 1 + scale(name, shape)
    return (n.astype(numpy.float64) * 2.0**-exponent).astype(numpy.float32).reshape(shape)


def scale(name, shape):
    if name.endswith("embed_tokens.weight"):
        return 0
    if name.endswith(".bias") or name.endswith("lora_B.weight"):
        return 3
    return (int(shape[1]).bit_length() - 2) // 2


LLAMA3 = dict(rope_type="llama3", factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0, original_max_position_embeddings=16)
SIZES = dict(vocab_size=128, hidden_size=64, intermediate_size=112, num_hidden_layers=3, num_attention_heads=4,
             max_position_embeddings=256, bos_token_id=1, eos_token_id=2, attn_implementation="eager")

# name: class, what differs from SIZES, digits of the weights, type of the file, bytes of a shard
MODELS = {
    "llama": (transformers.LlamaConfig, dict(num_key_value_heads=2, tie_word_embeddings=False, rms_norm_eps=1e-5,
              rope_parameters=dict(LLAMA3, rope_theta=500000.0)), 24, "float32", None),
    "qwen2": (transformers.Qwen2Config, dict(num_key_value_heads=1, tie_word_embeddings=True,
              rope_parameters=dict(rope_type="default", rope_theta=1000000.0)), 24, "float32", None),
    "qwen3": (transformers.Qwen3Config, dict(num_key_value_heads=2, head_dim=32, tie_word_embeddings=False,
              rope_parameters=dict(rope_type="default", rope_theta=1000000.0)), 8, "bfloat16", None),
    "llama-tied": (transformers.LlamaConfig, dict(num_key_value_heads=4, tie_word_embeddings=True,
              rope_parameters=dict(rope_type="linear", factor=2.0, rope_theta=10000.0)), 8, "float16", None),
    "qwen2-sharded": (transformers.Qwen2Config, dict(num_key_value_heads=4, tie_word_embeddings=False), 24, "float32", "64KB"),
    "qwen3-tied": (transformers.Qwen3Config, dict(num_key_value_heads=1, head_dim=16, tie_word_embeddings=True), 24, "float32",
              "100KB"),
}
VECTORS = ["llama", "qwen2", "qwen3"]

ADAPTERS = {
    "all": dict(r=4, lora_alpha=8, target_modules="all-linear"),
    "rslora": dict(r=8, lora_alpha=6, use_rslora=True, target_modules=["q_proj", "v_proj", "o_proj", "down_proj"],
                   layers_to_transform=[0, 2]),
    "patterns": dict(r=2, lora_alpha=5, target_modules=r".*\.(self_attn\.(q|k)_proj|mlp\.(up|gate)_proj)",
                     rank_pattern={r"layers\.1\.self_attn\.q_proj": 12, "up_proj": 3, "q_proj": 6},
                     alpha_pattern={"gate_proj": 9}),
}


def fill(model, seed, digits, rename=lambda name: name):
    with torch.no_grad():
        for name, tensor in model.named_parameters():
            name = rename(name)
            if name is not None:
                tensor.copy_(torch.from_numpy(values(seed, name, tuple(tensor.shape), digits)))


def build(name, seed, folder):
    """Saves a base model and its adapters as their libraries do; the model that computes has them all."""
    make, extra, digits, dtype, shard = MODELS[name]
    config = make(**{**SIZES, **extra})
    # A pad token would be one more thing to agree on.
    config.pad_token_id = None
    model = transformers.AutoModelForCausalLM.from_config(config, dtype=torch.float32).eval()
    fill(model, seed, digits)
    base = folder / "base"
    saved = transformers.AutoModelForCausalLM.from_config(config, dtype=torch.float32)
    saved.load_state_dict(model.state_dict())
    saved.to(getattr(torch, dtype)).save_pretrained(base, **({"max_shard_size": shard} if shard else {}))
    for index, (adapter, settings) in enumerate(ADAPTERS.items()):
        settings = peft.LoraConfig(task_type="CAUSAL_LM", **settings)
        if index == 0:
            model = peft.get_peft_model(model, settings, adapter_name=adapter)
        else:
            model.add_adapter(adapter, settings)
        marker = f".{adapter}.weight"
        fill(model, seed + 1 + index, 8,
             lambda name: name.replace(marker, ".weight") if marker in name and "lora_" in name else None)
    model.eval()
    model.save_pretrained(folder / "adapters")
    return model


def logits(model, rows, names):
    """Logits after each row; rows have one length. `names` chooses each row's adapter: a mixed batch of PEFT."""
    with torch.no_grad():
        return model(torch.tensor(rows), adapter_names=names, use_cache=False).logits[:, -1].double().numpy()


def answers(model, seed, prompts, adapters):
    """Prompts in turns over base and adapters; each turn is one mixed batch of equal lengths."""
    random = numpy.random.Generator(numpy.random.PCG64(seed))
    found, replaced = [], 0
    while len(found) < prompts:
        names = (["__base__", *adapters] * 2)[: prompts - len(found)]
        length = int(random.integers(1, 40))
        rows = [[int(token) for token in random.integers(3, 128, length)] for _ in names]
        first, steps, clear = None, [[] for _ in names], [True] * len(names)
        for _ in range(TOKENS):
            step = logits(model, [row + more for row, more in zip(rows, steps)], names)
            first = step if first is None else first
            for index, row in enumerate(step):
                best = numpy.sort(row)[-2:]
                clear[index] &= bool(best[1] - best[0] > 1e-3 * numpy.abs(row).max())
                steps[index].append(int(row.argmax()))
        for index, adapter in enumerate(names):
            if not clear[index]:
                replaced += 1
                continue
            found.append(dict(adapter=None if adapter == "__base__" else adapter, prompt=rows[index],
                              logits=[float(numpy.float32(x)) for x in first[index]], continuation=steps[index]))
    return found, replaced


def manifest_hash(tag, folder, names):
    """docs/spec/models-files.md."""
    import blake3
    out = blake3.blake3(tag + len(names).to_bytes(4, "big"))
    for name in sorted(names, key=str.encode):
        data = (folder / name).read_bytes()
        out.update(len(name).to_bytes(4, "big") + name.encode() + len(data).to_bytes(8, "big") + blake3.blake3(data).digest())
    return out


def record(name, seed, prompts, folder):
    model = build(name, seed, folder)
    found, replaced = answers(model, seed, prompts, list(ADAPTERS))
    base = folder / "base"
    texts = ["config.json", "generation_config.json", "tokenizer.json", "tokenizer_config.json", "chat_template.jinja"]
    names = [text for text in texts if (base / text).exists()] + [path.name for path in base.glob("*.safetensors")]
    base_hash = manifest_hash(b"fonte base 1", base, names)
    adapters = {}
    for index, adapter in enumerate(ADAPTERS):
        path = folder / "adapters" / adapter
        settings = json.loads((path / "adapter_config.json").read_text())
        found_hash = manifest_hash(b"fonte adapter 1" + base_hash.digest(), path,
                                   ["adapter_config.json", "adapter_model.safetensors"])
        adapters[adapter] = dict(seed=seed + 1 + index, config=settings, hash=found_hash.hexdigest())
    vectors = dict(
        versions=dict(torch=torch.__version__, transformers=transformers.__version__, peft=peft.__version__,
                      python=platform.python_version()),
        seed=seed, digits=MODELS[name][2], dtype=MODELS[name][3], config=json.loads((base / "config.json").read_text()),
        hash=base_hash.hexdigest(), adapters=adapters, replaced=replaced, answers=found)
    print(f"{name}: {len(found)} prompts, {replaced} replaced as too close to call")
    return vectors


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--export", type=pathlib.Path, help="folder for whole models with their vectors")
    parser.add_argument("--vectors", type=pathlib.Path, help="folder for the vectors that CI reads")
    parser.add_argument("--prompts", type=int, default=200, help="prompts over all exported models")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    for index, name in enumerate(MODELS):
        if arguments.export:
            folder = arguments.export / name
            shutil.rmtree(folder, ignore_errors=True)
            prompts = -(-arguments.prompts // len(MODELS))
            vectors = record(name, 1000 * (index + 1), prompts, folder)
            (folder / "vectors.json").write_text(json.dumps(vectors))
        if arguments.vectors and name in VECTORS:
            folder = arguments.vectors / "models"
            vectors = record(name, 1000 * (index + 1), 8, folder)
            shutil.rmtree(folder)
            lines = [json.dumps(answer, separators=(",", ":")) for answer in vectors.pop("answers")]
            head = json.dumps(vectors, indent=1)[:-2]
            (arguments.vectors / f"{name}.json").write_text(head + ',\n "answers": [\n' + ",\n".join(lines) + "\n]}\n")


if __name__ == "__main__":
    main()
