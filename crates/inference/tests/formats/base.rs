use std::{fs, os::unix::fs::symlink};

use fonte_inference::{
    formats::{FormatError, Limits, hash_base, read_base},
    model::ContentHash,
};
use serde_json::{Value, json};

use super::files::{
    base_tensors, base_weights, bytes_of, config, folder, model_folder, numbers, safetensors, tensor, with, write,
};

fn read(folder: &tempfile::TempDir) -> Result<fonte_inference::formats::Base, FormatError> {
    read_base(folder.path(), None, &Limits::default())
}

fn refusal(folder: &tempfile::TempDir) -> FormatError {
    read(folder).map(|_| ()).expect_err("must be refused")
}

#[test]
fn every_family_and_type_reads_back_exactly() {
    for kind in ["llama", "qwen2", "qwen3"] {
        for dtype in ["F32", "F16", "BF16"] {
            for tied in [false, true] {
                let config = with(config(kind), "tie_word_embeddings", json!(tied));
                let base = read(&model_folder(&config, &base_tensors(kind, dtype, tied))).unwrap();
                assert!(base.weights == base_weights(kind, tied), "{kind} {dtype} {tied}");
                assert_eq!(base.config.tied_embeddings, tied);
            }
        }
    }
}

/// A shard for each part, and the index.
fn sharded(parts: &[&[super::files::Tensor]]) -> (tempfile::TempDir, Value) {
    let config = config("llama").to_string();
    let folder = folder(&[("config.json", config.as_bytes())]);
    let mut map = serde_json::Map::new();
    for (index, part) in parts.iter().enumerate() {
        let name = format!("model-{index}.safetensors");
        write(folder.path(), &name, &safetensors(part));
        map.extend(part.iter().map(|tensor| (tensor.name.clone(), json!(name))));
    }
    let index = json!({ "metadata": { "total_size": 1 }, "weight_map": map });
    write(folder.path(), "model.safetensors.index.json", index.to_string().as_bytes());
    (folder, index)
}

#[test]
fn shards_are_one_model() {
    let tensors = base_tensors("llama", "F16", false);
    let (folder, index) = sharded(&[&tensors[..5], &tensors[5..]]);
    assert!(read(&folder).unwrap().weights == base_weights("llama", false));

    // The index puts a tensor into the other shard, forgets one, or invents one.
    let write_index =
        |index: &Value| write(folder.path(), "model.safetensors.index.json", index.to_string().as_bytes());
    let name = &tensors[0].name;
    for shard in [json!("model-1.safetensors"), Value::Null] {
        let mut wrong = index.clone();
        match shard {
            Value::Null => _ = wrong["weight_map"].as_object_mut().unwrap().remove(name),
            shard => wrong["weight_map"][name] = shard,
        }
        write_index(&wrong);
        assert!(matches!(refusal(&folder), FormatError::IndexMismatch { tensor, .. } if tensor == *name));
    }
    let mut wrong = index.clone();
    wrong["weight_map"]["x"] = json!("model-2.safetensors");
    write_index(&wrong);
    assert!(matches!(refusal(&folder), FormatError::MissingFile { .. }));
    write_index(&index);
    write(folder.path(), "model.safetensors", b"");
    assert!(matches!(refusal(&folder), FormatError::Ambiguous { .. }));

    let (folder, _) = sharded(&[&tensors, &tensors[..1]]);
    assert!(matches!(refusal(&folder), FormatError::IndexMismatch { .. }), "one tensor in two shards");
}

#[test]
fn tensors_must_be_those_of_the_configuration() {
    let (config, tensors) = (config("llama"), base_tensors("llama", "F32", false));
    let without = |index: usize| [&tensors[..index], &tensors[index + 1..]].concat();
    for (index, tensor) in tensors.iter().enumerate() {
        let found = refusal(&model_folder(&config, &without(index)));
        assert!(matches!(&found, FormatError::TensorMissing { tensor: named, .. } if *named == tensor.name), "{found}");
    }
    let q_proj = tensors.iter().position(|t| t.name.ends_with("0.self_attn.q_proj.weight")).unwrap();
    let instead = |replacement| [&without(q_proj)[..], &[replacement]].concat();
    let name = tensors[q_proj].name.clone();

    let found = refusal(&model_folder(&config, &instead(tensor(&name, "F32", &[12, 32]))));
    assert!(
        matches!(&found, FormatError::TensorShape { shape, expected, .. } if *shape == [12, 32] && *expected == [32, 12])
    );
    let mut integers = tensors[q_proj].clone();
    integers.dtype = "I32";
    let found = refusal(&model_folder(&config, &instead(integers)));
    assert!(matches!(&found, FormatError::TensorType { dtype, .. } if dtype == "I32"), "{found}");
    for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        let mut values = numbers(&name, 32 * 12);
        values[37] = bad;
        let mut broken = tensors[q_proj].clone();
        broken.bytes = bytes_of("F32", &values);
        let found = refusal(&model_folder(&config, &instead(broken)));
        assert!(matches!(&found, FormatError::NotFinite { tensor, index: 37, .. } if *tensor == name), "{found}");
    }

    let with_more = |more: &str, shape: &[usize]| [&tensors[..], &[tensor(more, "F32", shape)]].concat();
    let found = refusal(&model_folder(&config, &with_more("model.layers.0.self_attn.q_proj.bias", &[32])));
    assert!(
        matches!(&found, FormatError::TensorUnexpected { tensor, .. } if tensor.ends_with("q_proj.bias")),
        "{found}"
    );
    let found = refusal(&model_folder(&config, &with_more("model.layers.2.input_layernorm.weight", &[12])));
    assert!(matches!(&found, FormatError::TensorUnexpected { .. }), "a layer too many: {found}");
    let old = with_more("model.layers.0.self_attn.rotary_emb.inv_freq", &[4]);
    assert!(read(&model_folder(&config, &old)).unwrap().weights == base_weights("llama", false));
}

#[test]
fn a_head_beside_tied_embeddings_must_be_the_embeddings() {
    let config = with(config("qwen3"), "tie_word_embeddings", json!(true));
    let mut tensors = base_tensors("qwen3", "BF16", true);
    let mut head = tensors.iter().find(|t| t.name == "model.embed_tokens.weight").unwrap().clone();
    head.name = "lm_head.weight".into();
    tensors.push(head.clone());
    assert!(read(&model_folder(&config, &tensors)).unwrap().weights == base_weights("qwen3", true));
    tensors.last_mut().unwrap().bytes[100] ^= 1;
    assert!(matches!(refusal(&model_folder(&config, &tensors)), FormatError::TiedHead { .. }));
    head.bytes = bytes_of("F32", &numbers("model.embed_tokens.weight", 21 * 12));
    head.dtype = "F32";
    *tensors.last_mut().unwrap() = head;
    assert!(matches!(refusal(&model_folder(&config, &tensors)), FormatError::TiedHead { .. }));
    *tensors.last_mut().unwrap() = tensor("lm_head.weight", "BF16", &[12, 21]);
    assert!(matches!(refusal(&model_folder(&config, &tensors)), FormatError::TensorShape { .. }));
}

#[test]
fn a_shard_that_was_cut_short_is_refused() {
    let bytes = safetensors(&base_tensors("llama", "F16", false));
    let config = config("llama").to_string();
    let folder = folder(&[("config.json", config.as_bytes())]);
    // Every truncation of a header is in the tests of safetensors.
    for end in (0..bytes.len()).step_by(61).chain([bytes.len() - 1]) {
        write(folder.path(), "model.safetensors", &bytes[..end]);
        let found = refusal(&folder);
        assert!(matches!(found, FormatError::Truncated { .. } | FormatError::Header { .. }), "{end}: {found}");
    }
}

#[test]
fn memory_is_asked_for_before_it_is_taken() {
    let folder = model_folder(&config("llama"), &base_tensors("llama", "F32", false));
    let parameters = 21 * 12 * 2 + 12 + 2 * (2 * 12 + 32 * 12 * 2 + 2 * 16 * 12 + 3 * 10 * 12);
    let limits = |weight_bytes| Limits { weight_bytes, ..Limits::default() };
    assert!(read_base(folder.path(), None, &limits(4 * parameters)).is_ok());
    let found = read_base(folder.path(), None, &limits(4 * parameters - 1)).map(|_| ());
    assert!(matches!(found, Err(FormatError::WeightMemory { size, .. }) if size == 4 * parameters), "{found:?}");

    // A configuration of 100 TB without a file to match is refused by its arithmetic.
    let huge = with(with(config("llama"), "hidden_size", json!(1 << 18)), "intermediate_size", json!(1 << 18));
    let folder = model_folder(&huge, &[]);
    let refusal = refusal(&folder);
    assert!(matches!(refusal, FormatError::WeightMemory { .. }));
    assert!(refusal.to_string().contains("--weight-memory "), "{refusal}");
}

#[test]
fn files_that_are_not_there_or_must_not_be_read() {
    let tensors = safetensors(&base_tensors("llama", "F32", false));
    let config = config("llama").to_string();
    let named = |error: FormatError, file: &str| assert!(error.to_string().contains(file), "{error}");

    named(refusal(&folder(&[])), "model.safetensors");
    let found = refusal(&folder(&[("model.safetensors", &tensors)]));
    assert!(matches!(found, FormatError::MissingFile { file: "config.json", .. }));
    let found = refusal(&folder(&[("config.json", config.as_bytes()), ("pytorch_model.bin", b"")]));
    assert!(matches!(found, FormatError::Pickle { .. }));
    let found = read_base(&folder(&[]).path().join("no"), None, &Limits::default()).map(|_| ());
    assert!(matches!(found, Err(FormatError::Read { .. })));

    // Links out of the folder, folders and pipes.
    let elsewhere = folder(&[("secret.safetensors", &tensors)]);
    let target = folder(&[("config.json", config.as_bytes())]);
    let link = target.path().join("model.safetensors");
    for to in [elsewhere.path().join("secret.safetensors"), "../x.safetensors".into(), "config.json".into()] {
        symlink(to, &link).unwrap();
        assert!(matches!(refusal(&target), FormatError::NotRegular { .. }));
        fs::remove_file(&link).unwrap();
    }
    fs::create_dir(&link).unwrap();
    assert!(matches!(refusal(&target), FormatError::NotRegular { .. }));
    fs::remove_dir(&link).unwrap();
    assert!(std::process::Command::new("mkfifo").arg(&link).status().unwrap().success());
    assert!(matches!(refusal(&target), FormatError::NotRegular { .. }));
}

#[test]
fn the_cache_of_hugging_face_is_followed_to_its_blobs() {
    let cache = folder(&[]);
    let snapshot = cache.path().join("snapshots/abc");
    fs::create_dir_all(&snapshot).unwrap();
    fs::create_dir(cache.path().join("blobs")).unwrap();
    let tensors = safetensors(&base_tensors("llama", "F32", false));
    for (name, blob, bytes) in
        [("config.json", "b1", config("llama").to_string().into_bytes()), ("model.safetensors", "b2", tensors)]
    {
        write(&cache.path().join("blobs"), blob, &bytes);
        symlink(format!("../../blobs/{blob}"), snapshot.join(name)).unwrap();
    }
    let read = || read_base(&snapshot, None, &Limits::default());
    assert!(read().unwrap().weights == base_weights("llama", false));
    // A blob that is itself a link leads anywhere.
    fs::rename(cache.path().join("blobs/b2"), cache.path().join("b2")).unwrap();
    symlink("../b2", cache.path().join("blobs/b2")).unwrap();
    assert!(matches!(read().map(|_| ()), Err(FormatError::NotRegular { .. })));
}

#[test]
fn the_hash_is_that_of_the_specification() {
    let (config, tensors) = (config("llama").to_string(), safetensors(&base_tensors("llama", "F32", false)));
    let generation = br#"{"eos_token_id": 9}"#;
    let folder = folder(&[
        ("config.json", config.as_bytes()),
        ("model.safetensors", &tensors),
        ("generation_config.json", generation),
        ("README.md", b"not part of the model"),
    ]);
    let mut preimage = b"fonte base 1\0\0\0\x03".to_vec();
    for (name, bytes) in
        [("config.json", config.as_bytes()), ("generation_config.json", generation), ("model.safetensors", &tensors)]
    {
        preimage.extend((name.len() as u32).to_be_bytes());
        preimage.extend(name.as_bytes());
        preimage.extend((bytes.len() as u64).to_be_bytes());
        preimage.extend(blake3::hash(bytes).as_bytes());
    }
    let expected = ContentHash(*blake3::hash(&preimage).as_bytes());
    let base = read(&folder).unwrap();
    assert_eq!(base.hash, expected);
    assert_eq!(base.config.eos, [9], "the generation configuration decides");
    assert_eq!(hash_base(folder.path()).unwrap(), expected);
    assert!(read_base(folder.path(), Some(expected), &Limits::default()).is_ok());
    let other = ContentHash([1; 32]);
    let found = read_base(folder.path(), Some(other), &Limits::default()).map(|_| ());
    assert!(
        matches!(found, Err(FormatError::HashMismatch { expected: e, found: f, .. }) if e == other && f == expected)
    );

    // Every file counts, and nothing else does.
    write(folder.path(), "README.md", b"other");
    assert_eq!(hash_base(folder.path()).unwrap(), expected);
    for name in ["config.json", "model.safetensors", "generation_config.json"] {
        let path = folder.path().join(name);
        let bytes = fs::read(&path).unwrap();
        let mut changed = bytes.clone();
        *changed.last_mut().unwrap() ^= 1;
        fs::write(&path, changed).unwrap();
        assert_ne!(hash_base(folder.path()).unwrap(), expected, "{name}");
        fs::write(&path, bytes).unwrap();
    }
    write(folder.path(), "chat_template.jinja", b"");
    assert_ne!(hash_base(folder.path()).unwrap(), expected);
}
