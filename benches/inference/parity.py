#!/usr/bin/env python3
"""Logits and greedy continuations of random models by transformers and PEFT, for Fonte's engine to agree with.

    python3 -m venv target/parity && target/parity/bin/pip install torch transformers peft blake3 gguf
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
    "fine": dict(r=5, lora_alpha=7, target_modules="all-linear"),
}

# Digits of an adapter's numbers: as many as bfloat16 has, but of one as many as f32 has, which must be rounded.
DIGITS = {"fine": 24}


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
        fill(model, seed + 1 + index, DIGITS.get(adapter, 8),
             lambda name: name.replace(marker, ".weight") if marker in name and "lora_" in name else None)
    model.eval()
    model.save_pretrained(folder / "adapters")
    return model


def round_adapters(model):
    """The engine reads adapters as bfloat16, to the nearest (docs/spec/models-files.md), and so does PEFT from here on. Gives the
    largest change of a logit, in parts of the row's largest."""
    rows, names = [list(range(3, 35))] * len(ADAPTERS), list(ADAPTERS)
    before = logits(model, rows, names)
    with torch.no_grad():
        for name, tensor in model.named_parameters():
            if "lora_" in name:
                tensor.copy_(tensor.to(torch.bfloat16))
    after = logits(model, rows, names)
    changes = numpy.abs(after - before).max(axis=1) / numpy.abs(before).max(axis=1)
    for name, change in zip(names, changes):
        assert (change > 0) == (DIGITS.get(name, 8) > 8), f"{name} changed by {change}"
    return changes.max()


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
    change = round_adapters(model)
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
        adapters[adapter] = dict(seed=seed + 1 + index, digits=DIGITS.get(adapter, 8), config=settings,
                                 hash=found_hash.hexdigest())
    vectors = dict(
        versions=dict(torch=torch.__version__, transformers=transformers.__version__, peft=peft.__version__,
                      python=platform.python_version()),
        seed=seed, digits=MODELS[name][2], dtype=MODELS[name][3], config=json.loads((base / "config.json").read_text()),
        hash=base_hash.hexdigest(), adapters=adapters, replaced=replaced, answers=found)
    print(f"{name}: {len(found)} prompts, {replaced} replaced as too close to call; rounding an adapter of f32 changed a logit by "
          f"{change:.1e}")
    return vectors


def record_gguf(folder):
    """A Llama in which each kind of tensor that is read from GGUF stands several times, of random bytes, and what the gguf
    package makes of them, in Hugging Face's order of rows."""
    import gguf
    from safetensors.numpy import save_file

    random = numpy.random.Generator(numpy.random.PCG64(7))
    kinds = [gguf.GGMLQuantizationType[name] for name in ["F32", "F16", "BF16", "Q8_0", "Q4_K", "Q5_K", "Q6_K"]]
    # Where a block has its half-precision numbers, and how many.
    halves = dict(F16=[0], Q8_0=[0], Q4_K=[0, 2], Q5_K=[0, 2], Q6_K=[208])
    hidden, heads, head_dim, wide, layers, vocabulary = 256, 4, 64, 512, 7, 32
    shapes = {"token_embd.weight": (vocabulary, hidden), "output.weight": (vocabulary, hidden), "output_norm.weight": (hidden,)}
    names = {"token_embd.weight": "model.embed_tokens.weight", "output.weight": "lm_head.weight",
             "output_norm.weight": "model.norm.weight"}
    for layer in range(layers):
        for short, long, shape in [
            ("attn_norm", "input_layernorm", (hidden,)), ("ffn_norm", "post_attention_layernorm", (hidden,)),
            ("attn_q", "self_attn.q_proj", (heads * head_dim, hidden)), ("attn_k", "self_attn.k_proj", (2 * head_dim, hidden)),
            ("attn_v", "self_attn.v_proj", (2 * head_dim, hidden)), ("attn_output", "self_attn.o_proj", (hidden, heads * head_dim)),
            ("ffn_gate", "mlp.gate_proj", (wide, hidden)), ("ffn_up", "mlp.up_proj", (wide, hidden)),
            ("ffn_down", "mlp.down_proj", (hidden, wide)),
        ]:
            shapes[f"blk.{layer}.{short}.weight"] = shape
            names[f"blk.{layer}.{short}.weight"] = f"model.layers.{layer}.{long}.weight"
    folder.mkdir(parents=True)
    writer = gguf.GGUFWriter(folder / "model.gguf", "llama")
    writer.add_block_count(layers)
    writer.add_context_length(64)
    writer.add_embedding_length(hidden)
    writer.add_feed_forward_length(wide)
    writer.add_head_count(heads)
    writer.add_head_count_kv(2)
    writer.add_key_length(head_dim)
    writer.add_value_length(head_dim)
    writer.add_rope_dimension_count(head_dim)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_freq_base(10000.0)
    writer.add_token_list([f"t{index}" for index in range(vocabulary)])
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    weights = {}
    for index, (name, shape) in enumerate(shapes.items()):
        # A layer begins with the next kind, so that every linear layer meets every kind.
        kind = kinds[0] if len(shape) == 1 else kinds[(index + int(name.split(".")[1] if "blk" in name else 0)) % len(kinds)]
        elements, size = gguf.GGML_QUANT_SIZES[kind]
        blocks = random.integers(0, 256, (int(numpy.prod(shape)) // elements, size), dtype=numpy.uint8)
        if kind.name in ("F32", "BF16"):
            blocks[:, -1] = blocks[:, -1] & 0x80 | 0x3E  # finite and small
        for at in halves.get(kind.name, []):
            blocks[:, at + 1] = blocks[:, at + 1] & 0x80 | 0x20
        rows = blocks.reshape(*shape[:-1], -1)
        if kind.name in ("F32", "F16"):
            rows = rows.view(numpy.float32 if kind.name == "F32" else numpy.float16)
            writer.add_tensor(name, rows)
            found = rows.astype(numpy.float32)
        else:
            writer.add_tensor(name, rows, raw_dtype=kind)
            found = gguf.quants.dequantize(rows, kind)
        found = found.reshape(shape)
        if "attn_q" in name or "attn_k" in name:
            found = found.reshape(-1, head_dim // 2, 2, hidden).swapaxes(1, 2).reshape(shape)
        weights[names[name]] = numpy.ascontiguousarray(found)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    (folder / "base").mkdir()
    save_file(weights, folder / "base" / "model.safetensors")
    (folder / "base" / "config.json").write_text(json.dumps(dict(
        model_type="llama", vocab_size=vocabulary, hidden_size=hidden, intermediate_size=wide, num_hidden_layers=layers,
        num_attention_heads=heads, num_key_value_heads=2, head_dim=head_dim, rms_norm_eps=1e-5, rope_theta=10000.0,
        max_position_embeddings=64, tie_word_embeddings=False, bos_token_id=1, eos_token_id=2)))
    print(f"gguf: {len(weights)} tensors of {len(kinds)} kinds")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--export", type=pathlib.Path, help="folder for whole models with their vectors")
    parser.add_argument("--vectors", type=pathlib.Path, help="folder for the vectors that CI reads")
    parser.add_argument("--prompts", type=int, default=200, help="prompts over all exported models")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    if arguments.export:
        shutil.rmtree(arguments.export / "gguf", ignore_errors=True)
        record_gguf(arguments.export / "gguf")
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
