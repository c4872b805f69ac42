//! The engine beside transformers and PEFT: logits within 1e-4 of the largest, greedy continuations token for token, for
//! base, single adapters and mixed batches. `benches/inference/parity.py` writes the vectors. Those in the repository hold
//! seeds instead of weights, so these tests write the files themselves; with `FONTE_PARITY` set to a folder that the script
//! exported, what transformers and PEFT saved is read instead.

use std::{
    collections::HashMap,
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use serde_json::{Value, json};

use crate::{
    AdapterSource, Engine, EngineConfig, Event, Generation, Isa, Payer, Profile, Request, Task,
    arena::PackedAdapter,
    formats::{AdapterFiles, Base, Limits, parse_config, read_base},
    forward::{Batch, Model, Row, Scratch, Want},
    model::{Adapter, ContentHash, Linear, ModelConfig},
    pages::{PAGE_TOKENS, Pages},
};

/// Largest difference of a logit, in parts of the row's largest.
const TOLERANCE: f64 = 1e-4;

/// Prompts of a mixed batch.
const MIXED: usize = 8;

struct Answer {
    adapter: Option<String>,
    prompt: Vec<u32>,
    logits: Vec<f64>,
    continuation: Vec<u32>,
}

fn answers(vectors: &Value) -> Vec<Answer> {
    let numbers = |value: &Value| value.as_array().unwrap().iter().map(|n| n.as_u64().unwrap() as u32).collect();
    let read = |answer: &Value| Answer {
        adapter: answer["adapter"].as_str().map(str::to_owned),
        prompt: numbers(&answer["prompt"]),
        logits: answer["logits"].as_array().unwrap().iter().map(|n| n.as_f64().unwrap()).collect(),
        continuation: numbers(&answer["continuation"]),
    };
    vectors["answers"].as_array().unwrap().iter().map(read).collect()
}

#[test]
fn committed_vectors() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/inference");
    for name in ["llama", "qwen2", "qwen3"] {
        let vectors: Value =
            serde_json::from_slice(&fs::read(folder.join(name).with_extension("json")).unwrap()).unwrap();
        let written = tempfile::tempdir().unwrap();
        write_models(written.path(), &vectors);
        let largest = check(name, &vectors, written.path());
        assert!(largest > 0.0, "{name}: no difference at all is no other implementation");
    }
}

#[test]
#[ignore = "needs models that benches/inference/parity.py exported, named by FONTE_PARITY"]
fn exported_models() {
    let folder = PathBuf::from(std::env::var_os("FONTE_PARITY").expect("FONTE_PARITY names the exported folder"));
    let mut prompts = 0;
    for entry in fs::read_dir(folder).unwrap() {
        let folder = entry.unwrap().path();
        let name = folder.file_name().unwrap().to_string_lossy().into_owned();
        if name == "gguf" {
            check_gguf(&folder);
            continue;
        }
        let vectors: Value = serde_json::from_slice(&fs::read(folder.join("vectors.json")).unwrap()).unwrap();
        let base = read(&folder.join("base"));
        // The script hashes with another implementation of BLAKE3, by the specification.
        assert_eq!(base.hash.to_string(), vectors["hash"].as_str().unwrap(), "{name}");
        for (adapter, record) in vectors["adapters"].as_object().unwrap() {
            let found = read_adapter(&folder.join("adapters").join(adapter), &base.config, base.hash);
            assert_eq!(found.hash.to_string(), record["hash"].as_str().unwrap(), "{name} {adapter}");
        }
        let largest = check(&name, &vectors, &folder);
        prompts += answers(&vectors).len();
        println!("{name}: {} prompts agree, logits within {largest:.1e}", answers(&vectors).len());
    }
    assert!(prompts >= 200, "{prompts} prompts: export 200 or more to the folder that FONTE_PARITY names");
    println!("{prompts} prompts agree");
}

/// Every kind of tensor of GGUF, as the gguf package decodes it, bit for bit.
fn check_gguf(folder: &Path) {
    let (found, expected) = (read(&folder.join("model.gguf")), read(&folder.join("base")));
    assert_eq!(found.config, expected.config);
    for (layer, (found, expected)) in found.weights.layers.iter().zip(&expected.weights.layers).enumerate() {
        assert!(found == expected, "layer {layer}");
    }
    assert!(found.weights == expected.weights);
    println!("gguf: {} layers agree bit for bit", found.weights.layers.len());
}

fn read(folder: &Path) -> Base {
    read_base(folder, None, &Limits::default()).unwrap()
}

fn read_adapter(folder: &Path, config: &ModelConfig, base: ContentHash) -> Adapter {
    AdapterFiles::open(folder, config, base, &Limits::default()).unwrap().read(None).unwrap()
}

/// Checks every answer alone and in a mixed batch; the largest difference of a logit, in parts of its row's largest.
fn check(name: &str, vectors: &Value, folder: &Path) -> f64 {
    let answers = answers(vectors);
    let base = read(&folder.join("base"));
    let mut adapters: Vec<(String, Adapter)> = Vec::new();
    for adapter in vectors["adapters"].as_object().unwrap().keys() {
        let read = read_adapter(&folder.join("adapters").join(adapter), &base.config, base.hash);
        adapters.push((adapter.clone(), read));
    }
    let model = Model::new(base.config.clone(), base.weights.clone(), Profile::F32Exact, Isa::best(), 128);
    let alone: Vec<Vec<f64>> =
        answers.iter().flat_map(|answer| logits(&model, &adapters, std::slice::from_ref(answer))).collect();
    let mixed = answers.len().min(MIXED);
    assert!(logits(&model, &adapters, &answers[..mixed]) == alone[..mixed], "{name}: a mixed batch has other logits");
    let mut largest = 0f64;
    for (answer, found) in answers.iter().zip(&alone) {
        let scale = answer.logits.iter().fold(0f64, |largest, logit| largest.max(logit.abs()));
        assert_eq!(found.len(), answer.logits.len());
        for (token, (found, expected)) in found.iter().zip(&answer.logits).enumerate() {
            let difference = (found - expected).abs() / scale;
            assert!(
                difference <= TOLERANCE,
                "{name}, adapter {:?}, token {token}: {found} instead of {expected}",
                answer.adapter
            );
            largest = largest.max(difference);
        }
    }
    for (answer, found) in answers.iter().zip(continuations(&base, &adapters, &answers)) {
        assert_eq!(found, answer.continuation, "{name}, adapter {:?}, prompt {:?}", answer.adapter, answer.prompt);
    }
    largest
}

/// The logits after each prompt, all prompts in one pass.
fn logits(model: &Model, adapters: &[(String, Adapter)], answers: &[Answer]) -> Vec<Vec<f64>> {
    let packed: Vec<_> =
        adapters.iter().map(|(_, adapter)| Arc::new(PackedAdapter::pack(adapter, &model.config).unwrap())).collect();
    let of = |answer: &Answer| {
        answer.adapter.as_ref().map(|name| adapters.iter().position(|(other, _)| other == name).unwrap())
    };
    let mut pages = Pages::new(&model.config);
    let mut table = |answer: &Answer| -> Vec<_> {
        (0..answer.prompt.len().div_ceil(PAGE_TOKENS)).map(|_| pages.allocate()).collect()
    };
    let tables: Vec<Vec<_>> = answers.iter().map(&mut table).collect();
    let tables: Vec<&[_]> = tables.iter().map(Vec::as_slice).collect();
    // Rows of one adapter stand together.
    let mut order: Vec<usize> = (0..answers.len()).collect();
    order.sort_by_key(|place| of(&answers[*place]));
    let rows: Vec<Row> = order
        .iter()
        .flat_map(|&place| {
            let (answer, last) = (&answers[place], answers[place].prompt.len() - 1);
            answer.prompt.iter().enumerate().map(move |(position, &token)| Row {
                token,
                position,
                table: place,
                adapter: of(answer),
                want: if position == last { Want::Logits } else { Want::Nothing },
            })
        })
        .collect();
    let mut scratch = Scratch::default();
    model.forward(&Batch { rows: &rows, tables: &tables, adapters: &packed }, &mut pages, &mut scratch);
    let mut found = vec![Vec::new(); answers.len()];
    for (index, place) in order.into_iter().enumerate() {
        found[place] = scratch.logits(index, model.config.vocabulary).into_iter().map(f64::from).collect();
    }
    found
}

struct Loaded(HashMap<ContentHash, Adapter>);

impl AdapterSource for Loaded {
    fn load(&self, hash: &ContentHash) -> Result<Adapter, Box<dyn std::error::Error + Send + Sync>> {
        Ok(self.0[hash].clone())
    }
}

/// Greedy continuations of all prompts, which run in the engine together.
fn continuations(base: &Base, adapters: &[(String, Adapter)], answers: &[Answer]) -> Vec<Vec<u32>> {
    let source = adapters.iter().map(|(_, adapter)| (adapter.hash, adapter.clone())).collect();
    let settings = EngineConfig { threads: 1, max_context: 128, ..EngineConfig::default() };
    let mut engine = Engine::new(base.config.clone(), base.weights.clone(), settings, Loaded(source)).unwrap();
    adapters.iter().for_each(|(_, adapter)| engine.register(adapter.hash));
    let mut places = HashMap::new();
    for (place, answer) in answers.iter().enumerate() {
        let adapter = answer.adapter.as_ref();
        let adapter = adapter.map(|name| adapters.iter().find(|(other, _)| other == name).unwrap().1.hash);
        let generation = Generation { ignore_eos: true, ..Generation::greedy(answer.continuation.len()) };
        let (prompt, task) = (answer.prompt.clone(), Task::Generate(generation));
        let request = Request { payer: Payer::default(), adapter, prefix_scope: 0, prompt, task };
        places.insert(engine.submit(request).unwrap(), place);
    }
    let mut found = vec![Vec::new(); answers.len()];
    while !engine.is_idle() {
        for event in engine.step() {
            match event {
                Event::Token { request, token, .. } => found[places[&request]].push(token),
                Event::Failed { error, .. } => panic!("{error}"),
                Event::Embedding { .. } | Event::Finished { .. } => {}
            }
        }
    }
    found
}

/// Writes the base and the adapters of committed vectors, from their seeds.
fn write_models(folder: &Path, vectors: &Value) {
    let seed = vectors["seed"].as_u64().unwrap();
    let digits = vectors["digits"].as_u64().unwrap() as u32;
    let text = vectors["config"].to_string();
    let config = parse_config("config.json", text.as_bytes()).unwrap();
    let base = folder.join("base");
    fs::create_dir(&base).unwrap();
    fs::write(base.join("config.json"), &text).unwrap();
    let mut shapes = vec![
        ("model.embed_tokens.weight".to_owned(), vec![config.vocabulary, config.hidden]),
        ("model.norm.weight".to_owned(), vec![config.hidden]),
    ];
    if !config.tied_embeddings {
        shapes.push(("lm_head.weight".into(), vec![config.vocabulary, config.hidden]));
    }
    for layer in 0..config.layers {
        let mut add = |name: &str, shape| shapes.push((format!("model.layers.{layer}.{name}"), shape));
        add("input_layernorm.weight", vec![config.hidden]);
        add("post_attention_layernorm.weight", vec![config.hidden]);
        for linear in Linear::ALL {
            let (rows, columns) = linear.shape(&config);
            add(&format!("{}.weight", module(linear)), vec![rows, columns]);
            if vectors["config"]["model_type"] == "qwen2" && (linear as usize) < 3 {
                add(&format!("{}.bias", module(linear)), vec![rows]);
            }
        }
        if vectors["config"]["model_type"] == "qwen3" {
            add("self_attn.q_norm.weight", vec![config.head_dim]);
            add("self_attn.k_norm.weight", vec![config.head_dim]);
        }
    }
    write_tensors(&base.join("model.safetensors"), &shapes, seed, digits);

    for (name, record) in vectors["adapters"].as_object().unwrap() {
        let folder = folder.join("adapters").join(name);
        fs::create_dir_all(&folder).unwrap();
        let digits = record["digits"].as_u64().unwrap() as u32;
        let text = record["config"].to_string();
        fs::write(folder.join("adapter_config.json"), &text).unwrap();
        let parsed = crate::formats::AdapterConfig::parse("adapter_config.json", text.as_bytes()).unwrap();
        let mut shapes = Vec::new();
        for shape in parsed.modules(&config).unwrap() {
            let (rows, columns) = shape.linear.shape(&config);
            let prefix = format!("base_model.model.model.layers.{}.{}", shape.layer, module(shape.linear));
            shapes.push((format!("{prefix}.lora_A.weight"), vec![shape.rank, columns]));
            shapes.push((format!("{prefix}.lora_B.weight"), vec![rows, shape.rank]));
        }
        write_tensors(&folder.join("adapter_model.safetensors"), &shapes, record["seed"].as_u64().unwrap(), digits);
    }
}

fn module(linear: Linear) -> &'static str {
    match linear {
        Linear::Query => "self_attn.q_proj",
        Linear::Key => "self_attn.k_proj",
        Linear::Value => "self_attn.v_proj",
        Linear::Output => "self_attn.o_proj",
        Linear::Gate => "mlp.gate_proj",
        Linear::Up => "mlp.up_proj",
        Linear::Down => "mlp.down_proj",
    }
}

fn write_tensors(path: &Path, shapes: &[(String, Vec<usize>)], seed: u64, digits: u32) {
    let mut header = serde_json::Map::new();
    let mut data = Vec::new();
    for (name, shape) in shapes {
        let begin = data.len();
        data.extend(values(seed, name, shape, digits).iter().flat_map(|value| value.to_le_bytes()));
        let entry = json!({ "dtype": "F32", "shape": shape, "data_offsets": [begin, data.len()] });
        header.insert(name.clone(), entry);
    }
    let header = Value::from(header).to_string();
    fs::write(path, [&(header.len() as u64).to_le_bytes()[..], header.as_bytes(), &data].concat()).unwrap();
}

/// `values` of `benches/inference/parity.py`: the same integers, and only exact operations after them.
fn values(seed: u64, name: &str, shape: &[usize], digits: u32) -> Vec<f32> {
    let step = |key: u64, byte: u8| (key ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3);
    let key = name.bytes().fold(0xcbf2_9ce4_8422_2325, step) ^ seed;
    let is_norm = name.ends_with("norm.weight");
    let scale = if name.ends_with("embed_tokens.weight") {
        0
    } else if name.ends_with(".bias") || name.ends_with("lora_B.weight") {
        3
    } else if is_norm {
        0
    } else {
        (shape[1].ilog2() - 1) / 2
    };
    (1..=shape.iter().product::<usize>() as u64)
        .map(|index| {
            let mut z = key.wrapping_add(index.wrapping_mul(0x9e37_79b9_7f4a_7c15));
            z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
            z ^= z >> 31;
            if is_norm {
                return 1.0 + ((z >> 60) as i64 - 8) as f32 / 128.0;
            }
            let number = (z >> (64 - digits)) as i64 - (1 << (digits - 1));
            number as f32 / 2f32.powi((digits - 1 + scale) as i32)
        })
        .collect()
}
