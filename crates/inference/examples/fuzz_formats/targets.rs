//! The decoders, with what each is fed and what it must keep to.

use std::{collections::BTreeMap, fmt::Write, fs, path::PathBuf, sync::LazyLock};

use fonte_inference::{
    formats::{
        AdapterConfig, AdapterFiles, ChatTemplate, FormatError, GenerationConfig, Gguf, Limits, Message, Safetensors,
        ShardIndex, Tokenizer, parse_config, read_base,
    },
    model::{ContentHash, ModelConfig},
};
use serde_json::{Value, json};

use crate::mutate::{Random, any, bytes, json};

pub(crate) struct Target {
    pub(crate) name: &'static str,
    /// Most bytes in use at once, beyond those before.
    pub(crate) memory: usize,
    /// Runs one case and names what became of it.
    pub(crate) run: fn(&mut Random) -> String,
}

const MIB: usize = 1 << 20;

pub(crate) const TARGETS: &[Target] = &[
    Target { name: "config", memory: MIB, run: config },
    Target { name: "generation", memory: MIB, run: generation },
    Target { name: "safetensors", memory: MIB, run: safetensors },
    Target { name: "index", memory: MIB, run: index },
    Target { name: "gguf", memory: MIB, run: gguf },
    // An expression may take a few MiB while it is compiled (`pattern.rs`).
    Target { name: "adapter-config", memory: 16 * MIB, run: adapter_config },
    Target { name: "adapter-tensors", memory: 16 * MIB, run: adapter_tensors },
    Target { name: "template", memory: 256 * MIB, run: template },
    Target { name: "tokenizer", memory: 16 * MIB, run: tokenizer },
    Target { name: "base-folder", memory: 4 * MIB, run: base_folder },
    Target { name: "gguf-file", memory: 4 * MIB, run: gguf_file },
];

fn outcome<T>(result: Result<T, FormatError>) -> String {
    match result {
        Ok(_) => "accepted".into(),
        Err(error) => {
            // What a user would read must be writable too.
            let text = error.to_string();
            assert!(text.len() < 2000, "a message of {} bytes", text.len());
            let mut name = Name(String::new());
            _ = write!(name, "{error:?}");
            name.0
        }
    }
}

/// Takes the first word, and stops whoever writes more.
struct Name(String);

impl Write for Name {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        let word = text.split([' ', '{', '(']).next().unwrap_or_default();
        self.0.push_str(word);
        if word.len() < text.len() { Err(std::fmt::Error) } else { Ok(()) }
    }
}

const WORDS: &[&str] = &[
    "llama",
    "qwen2",
    "qwen3",
    "mistral",
    "silu",
    "gelu",
    "default",
    "linear",
    "llama3",
    "yarn",
    "rope_type",
    "type",
    "factor",
    "rope_theta",
    "rope_scaling",
    "rope_parameters",
    "low_freq_factor",
    "high_freq_factor",
    "head_dim",
    "sliding_window",
    "original_max_position_embeddings",
    "use_sliding_window",
    "max_window_layers",
    "layer_types",
    "full_attention",
    "sliding_attention",
    "tie_word_embeddings",
    "quantization_config",
    "attention_bias",
    "eos_token_id",
    "top_p",
    "",
];

fn config_json(random: &mut Random) -> Value {
    let kind = *random.pick(&["llama", "qwen2", "qwen3"]);
    let mut config = json!({
        "model_type": kind, "vocab_size": 5, "hidden_size": 4, "intermediate_size": 3, "num_hidden_layers": 1,
        "num_attention_heads": 2, "num_key_value_heads": 1, "head_dim": 2, "rms_norm_eps": 1e-6, "rope_theta": 10000.0,
        "max_position_embeddings": 16, "tie_word_embeddings": random.one_in(2), "eos_token_id": [1, 2], "bos_token_id": 0,
        "hidden_act": "silu",
    });
    if random.one_in(3) {
        let scaling = json!({
            "rope_type": random.pick(&["llama3", "linear", "default"]), "factor": 4.0, "low_freq_factor": 1.0,
            "high_freq_factor": 4.0, "original_max_position_embeddings": 8,
        });
        config[*random.pick(&["rope_scaling", "rope_parameters"])] = scaling;
    }
    config
}

fn config(random: &mut Random) -> String {
    let mut value = config_json(random);
    json(random, &mut value, WORDS);
    let mut text = value.to_string().into_bytes();
    bytes(random, &mut text);
    let found = parse_config("config.json", &text);
    if let Ok(config) = &found {
        check_config(config);
    }
    outcome(found)
}

fn check_config(config: &ModelConfig) {
    let sizes = [config.vocabulary, config.hidden, config.intermediate, config.layers, config.heads, config.kv_heads];
    assert!(sizes.iter().all(|&size| (1..=1 << 21).contains(&size)), "{sizes:?}");
    assert!(config.heads.is_multiple_of(config.kv_heads) && config.head_dim.is_multiple_of(2) && config.head_dim > 0);
    assert!(config.rms_norm_eps > 0.0 && config.rope_theta >= 1.0 && config.max_positions > 0);
    assert!(config.eos.iter().chain(&config.bos).all(|&token| (token as usize) < config.vocabulary));
}

fn generation(random: &mut Random) -> String {
    let mut value = json!({
        "eos_token_id": [1, 2], "do_sample": true, "temperature": 0.7, "top_p": 0.9, "top_k": 40, "repetition_penalty": 1.1,
    });
    json(random, &mut value, WORDS);
    let mut text = value.to_string().into_bytes();
    bytes(random, &mut text);
    let found = GenerationConfig::parse("generation_config.json", &text, 5);
    if let Ok(config) = &found {
        assert!(config.eos.iter().all(|&token| token < 5));
        assert!(config.top_p.is_none_or(|p| p > 0.0 && p <= 1.0) && config.temperature.is_none_or(|t| t >= 0.0));
    }
    outcome(found)
}

/// A header for these tensors and the data, with its structure changed here and there.
fn safetensors_file(random: &mut Random, tensors: &[(String, &str, Vec<usize>)]) -> Vec<u8> {
    let mut header = serde_json::Map::new();
    let mut end = 0;
    for (name, dtype, shape) in tensors {
        let begin = end;
        end += shape.iter().product::<usize>() * if *dtype == "F32" { 4 } else { 2 };
        header.insert(name.clone(), json!({ "dtype": dtype, "shape": shape, "data_offsets": [begin, end] }));
    }
    let mut header = Value::from(header);
    if random.one_in(2) {
        let words =
            ["F32", "F16", "BF16", "I64", "U8", "F4", "dtype", "shape", "data_offsets", "__metadata__", "a", ""];
        json(random, &mut header, &words);
    }
    let mut header = header.to_string().into_bytes();
    if random.one_in(2) {
        bytes(random, &mut header);
    }
    let length = if random.one_in(16) { random.number() } else { header.len() as u64 };
    let mut file = [&length.to_le_bytes()[..], &header].concat();
    let data = if random.one_in(16) { random.below(end + 9) } else { end };
    // Exponents below the largest: every number is finite until a byte is changed.
    file.extend((0..data).map(|_| (random.next() & 0x3b) as u8));
    if random.one_in(2) {
        bytes(random, &mut file);
    }
    file
}

fn safetensors(random: &mut Random) -> String {
    let tensors: Vec<_> = (0..random.below(6))
        .map(|index| {
            let shape = (0..random.below(4)).map(|_| random.below(5)).collect();
            (format!("t{index}"), *random.pick(&["F32", "F16", "BF16"]), shape)
        })
        .collect();
    let file = safetensors_file(random, &tensors);
    let found = Safetensors::parse("model.safetensors", &file, file.len() as u64);
    if let Ok(header) = &found {
        let data: u64 = header.tensors.iter().map(|tensor| tensor.bytes).sum();
        assert_eq!(header.header_bytes + data, file.len() as u64);
        for tensor in &header.tensors {
            assert_eq!(tensor.shape.iter().product::<u64>() * tensor.dtype.bytes(), tensor.bytes);
        }
    }
    outcome(found)
}

fn index(random: &mut Random) -> String {
    let names =
        ["m-1.safetensors", "m-2.safetensors", "../m.safetensors", "/m.safetensors", "m.bin", "..", "weight_map", ""];
    let shards: BTreeMap<_, _> = (0..random.below(8)).map(|i| (format!("t{i}"), names[random.below(2)])).collect();
    let mut value = json!({ "metadata": { "total_size": 3 }, "weight_map": shards });
    json(random, &mut value, &names);
    let mut text = value.to_string().into_bytes();
    bytes(random, &mut text);
    let found = ShardIndex::parse("model.safetensors.index.json", &text);
    if let Ok(index) = &found {
        for name in index.shards.keys() {
            assert!(
                !name.contains(['/', '\\', '\0']) && !name.starts_with('.') && name.ends_with(".safetensors"),
                "{name}"
            );
        }
    }
    outcome(found)
}

fn gguf_text(text: &str) -> Vec<u8> {
    [&(text.len() as u64).to_le_bytes()[..], text.as_bytes()].concat()
}

fn gguf_value(random: &mut Random, kind: u32) -> Vec<u8> {
    match kind {
        0 | 1 | 7 => vec![random.next() as u8],
        2 | 3 => (random.number() as u16).to_le_bytes().into(),
        4..=6 => (random.number() as u32).to_le_bytes().into(),
        8 => {
            let word = random.pick::<&str>(WORDS);
            gguf_text(word)
        }
        9 => {
            let (kind, count) = (random.below(9) as u32, random.below(4));
            let mut out = [&kind.to_le_bytes()[..], &(count as u64).to_le_bytes()].concat();
            (0..count).for_each(|_| out.extend(gguf_value(random, kind)));
            out
        }
        _ => random.number().to_le_bytes().into(),
    }
}

/// A whole small model; `changes` of its fields are replaced by random ones.
fn gguf_bytes(random: &mut Random) -> Vec<u8> {
    let arch = *random.pick(&["llama", "qwen2", "qwen3"]);
    let mut entries: Vec<(String, u32, Vec<u8>)> = vec![
        ("general.architecture".into(), 8, gguf_text(arch)),
        ("tokenizer.ggml.tokens".into(), 9, gguf_value(random, 9)),
    ];
    for (name, value) in [
        ("block_count", 1u32),
        ("context_length", 16),
        ("embedding_length", 4),
        ("feed_forward_length", 3),
        ("attention.head_count", 2),
        ("attention.head_count_kv", 1),
        ("attention.key_length", 2),
    ] {
        entries.push((format!("{arch}.{name}"), 4, value.to_le_bytes().into()));
    }
    entries.push((format!("{arch}.attention.layer_norm_rms_epsilon"), 6, 1e-5f32.to_le_bytes().into()));
    let mut tensors: Vec<(String, Vec<u64>, u32)> =
        vec![("token_embd.weight".into(), vec![4, 5], 1), ("output_norm.weight".into(), vec![4], 0)];
    for (name, sizes) in [
        ("attn_norm.weight", &[4][..]),
        ("ffn_norm.weight", &[4]),
        ("attn_q.weight", &[4, 4]),
        ("attn_k.weight", &[4, 2]),
        ("attn_v.weight", &[4, 2]),
        ("attn_output.weight", &[4, 4]),
        ("ffn_gate.weight", &[4, 3]),
        ("ffn_up.weight", &[4, 3]),
        ("ffn_down.weight", &[3, 4]),
    ] {
        tensors.push((format!("blk.0.{name}"), sizes.to_vec(), *random.pick(&[0, 1, 30])));
    }
    let extra: &[(&str, u64)] = match arch {
        "qwen2" => &[("attn_q.bias", 4), ("attn_k.bias", 2), ("attn_v.bias", 2)],
        "qwen3" => &[("attn_q_norm.weight", 2), ("attn_k_norm.weight", 2)],
        _ => &[],
    };
    tensors.extend(extra.iter().map(|&(name, size)| (format!("blk.0.{name}"), vec![size], 0)));
    let mut data = Vec::new();
    let mut infos = Vec::new();
    for (name, sizes, kind) in &tensors {
        data.resize(data.len().next_multiple_of(32), 0);
        infos.push((name.clone(), sizes.clone(), *kind, data.len() as u64));
        let bytes = sizes.iter().product::<u64>() as usize * if *kind == 0 { 4 } else { 2 };
        data.extend((0..bytes).map(|_| (random.next() & 0x3b) as u8));
    }
    let (mut keys, mut count) = (entries.len() as u64, infos.len() as u64);
    for _ in 0..random.below(4) {
        match random.below(10) {
            0 | 1 => {
                let (place, kind) = (random.below(entries.len()), random.below(14) as u32);
                entries[place].1 = kind;
                entries[place].2 = gguf_value(random, kind);
            }
            2 => {
                let place = random.below(entries.len());
                entries[place].2 = (random.number() as u32).to_le_bytes().into();
            }
            3 => {
                let (place, other) = (random.below(entries.len()), random.below(entries.len()));
                entries[place].0 = entries[other].0.clone();
            }
            4 => {
                let place = random.below(infos.len());
                infos[place].3 = random.number();
            }
            5 => {
                let (place, size) = (random.below(infos.len()), random.number());
                infos[place].1[0] = size;
            }
            6 => {
                let place = random.below(infos.len());
                infos[place].2 = random.below(32) as u32;
            }
            7 => {
                let place = random.below(infos.len());
                infos[place].1.push(random.below(3) as u64);
            }
            8 => keys = random.number(),
            _ => count = random.number(),
        }
    }
    let mut out = b"GGUF\x03\0\0\0".to_vec();
    out.extend(count.to_le_bytes());
    out.extend(keys.to_le_bytes());
    for (key, kind, value) in &entries {
        out.extend(gguf_text(key));
        out.extend(kind.to_le_bytes());
        out.extend(value);
    }
    for (name, sizes, kind, offset) in &infos {
        out.extend(gguf_text(name));
        out.extend((sizes.len() as u32).to_le_bytes());
        sizes.iter().for_each(|size| out.extend(size.to_le_bytes()));
        out.extend(kind.to_le_bytes());
        out.extend(offset.to_le_bytes());
    }
    out.resize(out.len().next_multiple_of(32), 0);
    out.extend(data);
    bytes(random, &mut out);
    out
}

fn gguf(random: &mut Random) -> String {
    let file = gguf_bytes(random);
    let found = Gguf::parse("model.gguf", &file, file.len() as u64);
    if let Ok(header) = &found {
        assert!(header.header_bytes <= file.len() as u64);
    }
    outcome(found)
}

fn tiny() -> ModelConfig {
    let text = json!({
        "model_type": "llama", "vocab_size": 5, "hidden_size": 4, "intermediate_size": 3, "num_hidden_layers": 2,
        "num_attention_heads": 2, "num_key_value_heads": 1, "head_dim": 2, "max_position_embeddings": 16,
    });
    parse_config("config.json", text.to_string().as_bytes()).expect("a valid configuration")
}

static MODEL: LazyLock<ModelConfig> = LazyLock::new(tiny);
const BASE: ContentHash = ContentHash([7; 32]);

const ADAPTER_WORDS: &[&str] = &[
    "q_proj",
    "k_proj",
    "down_proj",
    "lm_head",
    "all-linear",
    "layers.0",
    r".*\.q_proj",
    r"model\.layers\.\d+\..*_proj",
    "(a|b)*c",
    "(",
    "[a-z]+_proj",
    "(x{50}){50}",
    "LORA",
    "none",
    "r",
    "rank_pattern",
    "alpha_pattern",
    "use_rslora",
    "use_dora",
    "modules_to_save",
    "exclude_modules",
    "layers_to_transform",
    "layers_pattern",
    "layers",
    "init_lora_weights",
    "gaussian",
    "fonte_base",
    "lora_alpha",
    "target_modules",
    "0707070707070707070707070707070707070707070707070707070707070707",
    "",
];

fn adapter_json(random: &mut Random) -> Value {
    let mut config = json!({
        "peft_type": "LORA", "r": 2, "lora_alpha": 4, "bias": "none", "use_rslora": random.one_in(2),
        "target_modules": ["q_proj", "down_proj"], "rank_pattern": {}, "alpha_pattern": {}, "lora_dropout": 0.0,
    });
    if random.one_in(8) {
        config["rank_pattern"] = json!({ *random.pick(ADAPTER_WORDS): random.below(4), "down_proj": 2 });
    }
    if random.one_in(8) {
        config["target_modules"] = json!(*random.pick(ADAPTER_WORDS));
    }
    if random.one_in(8) {
        config["layers_to_transform"] = json!([random.below(3)]);
    }
    config
}

fn adapter_config(random: &mut Random) -> String {
    let mut value = adapter_json(random);
    json(random, &mut value, ADAPTER_WORDS);
    let mut text = value.to_string().into_bytes();
    bytes(random, &mut text);
    let found = AdapterConfig::parse("adapter_config.json", &text).and_then(|config| config.modules(&MODEL));
    if let Ok(modules) = &found {
        assert!(
            !modules.is_empty() && modules.windows(2).all(|w| (w[0].layer, w[0].linear) < (w[1].layer, w[1].linear))
        );
        assert!(modules.iter().all(|module| module.rank > 0 && module.scale.is_finite()));
    }
    outcome(found)
}

fn adapter_tensors(random: &mut Random) -> String {
    let mut value = adapter_json(random);
    if random.one_in(8) {
        json(random, &mut value, ADAPTER_WORDS);
    }
    let text = value.to_string();
    let model = &*MODEL;
    // The tensors that the configuration asks for, where it does.
    let modules =
        AdapterConfig::parse("c", text.as_bytes()).and_then(|config| config.modules(model)).unwrap_or_default();
    let dtype = *random.pick(&["F32", "F16", "BF16"]);
    let mut tensors = Vec::new();
    for module in modules.iter().take(14) {
        let (rows, columns) = module.linear.shape(model);
        let group = if (module.linear as usize) < 4 { "self_attn" } else { "mlp" };
        let name =
            ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"][module.linear as usize];
        let prefix = format!("base_model.model.model.layers.{}.{group}.{name}", module.layer);
        let rank = module.rank.min(64);
        tensors.push((format!("{prefix}.lora_A.weight"), dtype, vec![rank, columns]));
        tensors.push((format!("{prefix}.lora_B.weight"), dtype, vec![rows, rank]));
    }
    let file = safetensors_file(random, &tensors);
    let found = AdapterFiles::from_bytes(text.as_bytes(), &file, model, BASE, &Limits::default());
    let found = found.and_then(|files| files.read(None));
    if let Ok(adapter) = &found {
        for module in &adapter.modules {
            let (rows, columns) = module.linear.shape(model);
            assert_eq!((module.a.len(), module.b.len()), (module.rank * columns, rows * module.rank));
            assert!(module.a.iter().chain(&module.b).all(|bits| bits & 0x7f80 != 0x7f80));
        }
    }
    outcome(found)
}

const FRAGMENTS: &[&str] = &[
    "{% for m in messages %}",
    "{% endfor %}",
    "{{ m.role }}",
    "{{ m['content'] }}",
    "{% if add_generation_prompt %}",
    "{% endif %}",
    "{% else %}",
    "{% set ns = namespace(x='ab') %}",
    "{% set ns.x = ns.x ~ ns.x %}",
    "{{ ns.x }}",
    "{% for i in range(100) %}",
    "{% for i in range(99999) %}",
    "{% set x = [x, x] %}",
    "{{ x | tojson }}",
    "{{ x | tojson(indent=4) }}",
    "{% macro f(a) %}",
    "{% endmacro %}",
    "{{ f(f(1)) }}",
    "{{ 'x' * 99999999 }}",
    "{{ m.content.split('a')[-1].strip() }}",
    "{{ messages[1:] | length }}",
    "{{ raise_exception('no') }}",
    "{% set x %}",
    "{% endset %}",
    "{% break %}",
    "{% continue %}",
    "{{ bos_token + eos_token }}",
    "{{ messages | map(attribute='role') | list }}",
    "{{ m.content | upper | trim | replace('a', 'bbbb') }}",
    "{%- generation %}",
    "{% endgeneration -%}",
    "{{ 9223372036854775807 + 1 }}",
    "{{ 1 // 0 }}",
    "{{ 7 ** 99 }}",
    "{{ x[::-1] }}",
    "{# note #}",
    "{{ loop.index0 }}",
    "text\n",
    "{% include 'chat' %}",
    "{% filter upper %}",
    "{% endfilter %}",
    "{{ '%s' | format(x) }}",
    "{{ m.items() | list }}",
    "{{ dict(a=1) }}",
    "{{ range(10) | batch(3) | list }}",
    "{{ caller() }}",
    "{% call f(1) %}",
    "{% endcall %}",
    "{{ 'a'.join(x) }}",
    "{{ '{:>99999}'.format('a') }}",
    "{{ x | sort | unique | list }}",
    "{{ m.content | indent(9999) }}",
    "{{ -x if x is defined else not x }}",
    "{{ ((((1)))) }}",
    "{% with y = 1 %}",
    "{% endwith %}",
    "{{ undefined.a.b }}",
];

fn template(random: &mut Random) -> String {
    let mut source = Vec::new();
    let mut open = Vec::new();
    for _ in 0..random.below(12) {
        let fragment = *random.pick(FRAGMENTS);
        source.extend(fragment.as_bytes());
        // Closes what it opens more often than not, so that most templates compile.
        for (begin, end) in [
            ("{% for", "{% endfor %}"),
            ("{% if", "{% endif %}"),
            ("{% macro", "{% endmacro %}"),
            ("{% call", "{% endcall %}"),
            ("{% filter", "{% endfilter %}"),
            ("{% with", "{% endwith %}"),
            ("{% set x %}", "{% endset %}"),
        ] {
            if fragment.starts_with(begin) {
                open.push(end);
            }
        }
        if random.one_in(3)
            && let Some(end) = open.pop()
        {
            source.extend(end.as_bytes());
        }
    }
    open.iter().rev().for_each(|end| source.extend(end.as_bytes()));
    bytes(random, &mut source);
    let source = String::from_utf8_lossy(&source);
    let messages: Vec<_> = (0..random.below(4))
        .map(|_| Message { role: random.pick(WORDS).to_string(), content: random.pick(FRAGMENTS).to_string() })
        .collect();
    let extra = BTreeMap::from([("x".to_owned(), any(random, WORDS))]);
    let found = ChatTemplate::compile("chat_template.jinja", &source, "<s>", "</s>")
        .and_then(|template| template.render(&messages, random.one_in(2), &extra));
    if let Ok(text) = &found {
        assert!(text.len() <= 4 << 20);
    }
    outcome(found)
}

fn tokenizer(random: &mut Random) -> String {
    let mut value = json!({
        "version": "1.0", "truncation": null, "padding": null, "normalizer": { "type": "NFC" },
        "added_tokens": [{ "id": 7, "content": "<s>", "special": true, "single_word": false, "lstrip": false, "rstrip": false,
            "normalized": false }],
        "pre_tokenizer": { "type": "Split", "pattern": { "Regex": "\\s+|\\p{L}+" }, "behavior": "Isolated", "invert": false },
        "post_processor": null, "decoder": { "type": "ByteLevel", "add_prefix_space": true, "trim_offsets": true },
        "model": { "type": "BPE", "dropout": null, "unk_token": null, "fuse_unk": false, "byte_fallback": false,
            "vocab": { "a": 0, "b": 1, "ab": 2, "c": 3, "abc": 4 }, "merges": [["a", "b"], ["ab", "c"]] },
    });
    let words = [
        "BPE",
        "Unigram",
        "WordPiece",
        "ByteLevel",
        "Metaspace",
        "Sequence",
        "Split",
        "Regex",
        "type",
        "pattern",
        "vocab",
        "(a+)+$",
        "\\p{L}",
        "(?<!a)b",
        "merges",
        "unk_token",
        "ByteFallback",
        "Strip",
        "Replace",
        "content",
        "a",
        "ab c",
        "",
    ];
    json(random, &mut value, &words);
    let mut text = value.to_string().into_bytes();
    bytes(random, &mut text);
    let found = Tokenizer::parse("tokenizer.json", &text, 8).map(|tokenizer| {
        // Encoding or decoding may fail, on what the library accepted, but must come back.
        for text in ["", "abc <s> aab", "é\u{0}\n\u{fdd0}x"] {
            if let Ok(tokens) = tokenizer.encode(&tokenizer.guard(text), true) {
                assert!(tokens.iter().all(|&token| token < 8), "{tokens:?}");
                _ = tokenizer.decode(&tokens);
            }
        }
        _ = tokenizer.decode(&[0, 4, 7, 9, u32::MAX]);
    });
    outcome(found)
}

/// Where the targets that read files write them; `main` removes it.
pub(crate) static FOLDER: LazyLock<PathBuf> =
    LazyLock::new(|| std::env::temp_dir().join(format!("fonte-fuzz-formats-{}", std::process::id())));

fn base_folder(random: &mut Random) -> String {
    let folder = FOLDER.join("base");
    fs::create_dir_all(&folder).expect("a temporary folder");
    let mut config = config_json(random);
    let kind = config["model_type"].as_str().unwrap_or_default().to_owned();
    let dtype = *random.pick(&["F32", "F16", "BF16"]);
    let mut tensors = vec![
        ("model.embed_tokens.weight".to_owned(), dtype, vec![5, 4]),
        ("model.norm.weight".to_owned(), dtype, vec![4]),
    ];
    if config["tie_word_embeddings"] == json!(false) {
        tensors.push(("lm_head.weight".into(), dtype, vec![5, 4]));
    }
    let mut add = |name: &str, shape: &[usize]| tensors.push((format!("model.layers.0.{name}"), dtype, shape.to_vec()));
    add("input_layernorm.weight", &[4]);
    add("post_attention_layernorm.weight", &[4]);
    for (name, rows, columns) in [
        ("self_attn.q_proj", 4, 4),
        ("self_attn.k_proj", 2, 4),
        ("self_attn.v_proj", 2, 4),
        ("self_attn.o_proj", 4, 4),
        ("mlp.gate_proj", 3, 4),
        ("mlp.up_proj", 3, 4),
        ("mlp.down_proj", 4, 3),
    ] {
        add(&format!("{name}.weight"), &[rows, columns]);
        if kind == "qwen2" && name.len() == 16 && !name.contains("o_proj") {
            add(&format!("{name}.bias"), &[rows]);
        }
    }
    if kind == "qwen3" {
        add("self_attn.q_norm.weight", &[2]);
        add("self_attn.k_norm.weight", &[2]);
    }
    if random.one_in(4) {
        json(random, &mut config, WORDS);
    }
    let file = safetensors_file(random, &tensors);
    fs::write(folder.join("config.json"), config.to_string()).expect("a temporary file");
    fs::write(folder.join("model.safetensors"), file).expect("a temporary file");
    let limits = Limits { weight_bytes: 1 << 20, ..Limits::default() };
    let found = read_base(&folder, None, &limits);
    if let Ok(base) = &found {
        check_config(&base.config);
        assert!(base.weights.layers.iter().flat_map(|layer| &layer.linears).flatten().all(|value| value.is_finite()));
    }
    outcome(found)
}

fn gguf_file(random: &mut Random) -> String {
    let path = FOLDER.join("model.gguf");
    let file = gguf_bytes(random);
    fs::create_dir_all(&*FOLDER).and_then(|()| fs::write(&path, file)).expect("a temporary file");
    let limits = Limits { weight_bytes: 1 << 20, ..Limits::default() };
    let found = read_base(&path, None, &limits);
    if let Ok(base) = &found {
        check_config(&base.config);
        assert!(base.weights.layers.iter().flat_map(|layer| &layer.linears).flatten().all(|value| value.is_finite()));
    }
    outcome(found)
}
