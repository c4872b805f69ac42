use fonte_inference::{
    formats::{FormatError, Gguf, HeaderFault, Limits, MetadataValue, hash_base, read_base},
    model::{Architecture, ContentHash, RopeScaling, Weights},
};

use super::files::{base_weights, bytes_of, folder, numbers, write};

#[derive(Clone)]
struct GgufTensor {
    name: String,
    /// Innermost first, as in the file.
    sizes: Vec<u64>,
    kind: u32,
    bytes: Vec<u8>,
}

#[derive(Clone)]
enum Entry {
    U32(u32),
    F32(f32),
    Text(&'static str),
    /// Element type and count, then the elements' bytes.
    List(u32, u64, Vec<u8>),
}

fn text(text: &str) -> Vec<u8> {
    [&(text.len() as u64).to_le_bytes()[..], text.as_bytes()].concat()
}

fn gguf(entries: &[(&str, Entry)], tensors: &[GgufTensor]) -> Vec<u8> {
    let mut out = b"GGUF\x03\0\0\0".to_vec();
    out.extend((tensors.len() as u64).to_le_bytes());
    out.extend((entries.len() as u64).to_le_bytes());
    for (key, entry) in entries {
        out.extend(text(key));
        match entry {
            Entry::U32(number) => out.extend([&4u32.to_le_bytes()[..], &number.to_le_bytes()].concat()),
            Entry::F32(number) => out.extend([&6u32.to_le_bytes()[..], &number.to_le_bytes()].concat()),
            Entry::Text(value) => out.extend([&8u32.to_le_bytes()[..], &text(value)].concat()),
            Entry::List(kind, count, bytes) => {
                out.extend([&9u32.to_le_bytes()[..], &kind.to_le_bytes(), &count.to_le_bytes(), bytes].concat());
            }
        }
    }
    let mut data = Vec::new();
    for tensor in tensors {
        data.resize(data.len().next_multiple_of(32), 0);
        out.extend(text(&tensor.name));
        out.extend((tensor.sizes.len() as u32).to_le_bytes());
        tensor.sizes.iter().for_each(|size| out.extend(size.to_le_bytes()));
        out.extend(tensor.kind.to_le_bytes());
        out.extend((data.len() as u64).to_le_bytes());
        data.extend(&tensor.bytes);
    }
    data.resize(data.len().next_multiple_of(32), 0);
    out.resize(out.len().next_multiple_of(32), 0);
    out.extend(data);
    out
}

fn entries(arch: &'static str) -> Vec<(&'static str, Entry)> {
    let key = |name: &str| -> &'static str { format!("{arch}.{name}").leak() };
    vec![
        ("general.architecture", Entry::Text(arch)),
        ("general.file_type", Entry::U32(1)),
        (key("block_count"), Entry::U32(2)),
        (key("context_length"), Entry::U32(64)),
        (key("embedding_length"), Entry::U32(12)),
        (key("feed_forward_length"), Entry::U32(10)),
        (key("attention.head_count"), Entry::U32(4)),
        (key("attention.head_count_kv"), Entry::U32(2)),
        (key("attention.key_length"), Entry::U32(8)),
        (key("attention.layer_norm_rms_epsilon"), Entry::F32(1e-5)),
        (key("rope.freq_base"), Entry::F32(20000.0)),
        ("tokenizer.ggml.tokens", Entry::List(8, 2, [text("a"), text("b")].concat())),
        ("tokenizer.ggml.scores", Entry::List(6, 2, vec![0; 8])),
        ("tokenizer.ggml.bos_token_id", Entry::U32(1)),
        ("tokenizer.ggml.eos_token_id", Entry::U32(2)),
    ]
}

/// The same numbers as `files::base_tensors`, under llama.cpp's names and in its order of rows.
fn tensors(arch: &str, kind: u32, tied: bool) -> Vec<GgufTensor> {
    let mut found = Vec::new();
    let dtype = match kind {
        0 => "F32",
        1 => "F16",
        _ => "BF16",
    };
    let mut add = |name: String, hugging_face: String, sizes: &[u64], heads: Option<usize>| {
        let mut values = numbers(&hugging_face, sizes.iter().product::<u64>() as usize);
        if let Some(heads) = heads {
            // reshape(heads, 2, head_dim / 2, columns), swap the middle two.
            let columns = sizes[0] as usize;
            let rows: Vec<_> = values.chunks(columns).map(<[f32]>::to_vec).collect();
            values = (0..heads)
                .flat_map(|head| (0..4).flat_map(move |j| (0..2).map(move |half| head * 8 + half * 4 + j)))
                .flat_map(|row| rows[row].clone())
                .collect();
        }
        found.push(GgufTensor { name, sizes: sizes.to_vec(), kind, bytes: bytes_of(dtype, &values) });
    };
    add("token_embd.weight".into(), "model.embed_tokens.weight".into(), &[12, 21], None);
    add("output_norm.weight".into(), "model.norm.weight".into(), &[12], None);
    if !tied {
        add("output.weight".into(), "lm_head.weight".into(), &[12, 21], None);
    }
    for layer in 0..2 {
        let mut part = |name: &str, hugging_face: &str, sizes: &[u64], heads| {
            add(format!("blk.{layer}.{name}"), format!("model.layers.{layer}.{hugging_face}"), sizes, heads);
        };
        let permuted = |heads| (arch == "llama").then_some(heads);
        part("attn_norm.weight", "input_layernorm.weight", &[12], None);
        part("ffn_norm.weight", "post_attention_layernorm.weight", &[12], None);
        part("attn_q.weight", "self_attn.q_proj.weight", &[12, 32], permuted(4));
        part("attn_k.weight", "self_attn.k_proj.weight", &[12, 16], permuted(2));
        part("attn_v.weight", "self_attn.v_proj.weight", &[12, 16], None);
        part("attn_output.weight", "self_attn.o_proj.weight", &[32, 12], None);
        part("ffn_gate.weight", "mlp.gate_proj.weight", &[12, 10], None);
        part("ffn_up.weight", "mlp.up_proj.weight", &[12, 10], None);
        part("ffn_down.weight", "mlp.down_proj.weight", &[10, 12], None);
        if arch == "qwen2" {
            part("attn_q.bias", "self_attn.q_proj.bias", &[32], None);
            part("attn_k.bias", "self_attn.k_proj.bias", &[16], None);
            part("attn_v.bias", "self_attn.v_proj.bias", &[16], None);
        }
        if arch == "qwen3" {
            part("attn_q_norm.weight", "self_attn.q_norm.weight", &[8], None);
            part("attn_k_norm.weight", "self_attn.k_norm.weight", &[8], None);
        }
    }
    found
}

fn read(bytes: &[u8]) -> Result<(fonte_inference::model::ModelConfig, Weights, ContentHash), FormatError> {
    let folder = folder(&[("any name.gguf", bytes)]);
    let base = read_base(&folder.path().join("any name.gguf"), None, &Limits::default())?;
    Ok((base.config, base.weights, base.hash))
}

#[test]
fn every_family_reads_back_exactly_with_rows_in_the_order_of_hugging_face() {
    for (arch, architecture) in
        [("llama", Architecture::Llama), ("qwen2", Architecture::Qwen2), ("qwen3", Architecture::Qwen3)]
    {
        for kind in [0, 1, 30] {
            for tied in [false, true] {
                let (config, weights, _) = read(&gguf(&entries(arch), &tensors(arch, kind, tied))).unwrap();
                assert!(weights == base_weights(arch, tied), "{arch} {kind} {tied}");
                assert_eq!((config.architecture, config.tied_embeddings), (architecture, tied));
                assert_eq!((config.vocabulary, config.hidden, config.intermediate, config.layers), (21, 12, 10, 2));
                assert_eq!((config.heads, config.kv_heads, config.head_dim), (4, 2, 8));
                assert_eq!((config.rms_norm_eps, config.rope_theta, config.max_positions), (1e-5, 20000.0, 64));
                assert_eq!((config.rope_scaling, config.bos, config.eos), (RopeScaling::None, Some(1), vec![2]));
            }
        }
    }
}

#[test]
fn the_hash_covers_the_file_under_a_fixed_name() {
    let bytes = gguf(&entries("qwen2"), &tensors("qwen2", 1, true));
    let mut preimage = b"fonte base 1\0\0\0\x01\0\0\0\x0amodel.gguf".to_vec();
    preimage.extend((bytes.len() as u64).to_be_bytes());
    preimage.extend(blake3::hash(&bytes).as_bytes());
    let expected = ContentHash(*blake3::hash(&preimage).as_bytes());
    assert_eq!(read(&bytes).unwrap().2, expected);
    // In a folder, what stands beside it counts as well.
    let folder = folder(&[("m.gguf", &bytes)]);
    assert_eq!(hash_base(folder.path()).unwrap(), expected);
    assert_eq!(hash_base(&folder.path().join("m.gguf")).unwrap(), expected);
    write(folder.path(), "generation_config.json", b"{}");
    let whole = read_base(folder.path(), None, &Limits::default()).unwrap();
    assert_eq!(hash_base(folder.path()).unwrap(), whole.hash);
    assert_ne!(whole.hash, expected);
    write(folder.path(), "n.gguf", &bytes);
    assert!(matches!(hash_base(folder.path()), Err(FormatError::Ambiguous { .. })));
}

/// A Llama of one row of 256 in which `output_norm` is stored as one block.
fn one_block(kind: u32, block: &[u8]) -> Vec<f32> {
    let mut entries = entries("qwen2");
    for (key, entry) in &mut entries {
        match *key {
            "qwen2.embedding_length" => *entry = Entry::U32(256),
            "qwen2.block_count" => *entry = Entry::U32(1),
            _ => {}
        }
    }
    let zeros = |name: &str, sizes: &[u64]| GgufTensor {
        name: name.into(),
        sizes: sizes.to_vec(),
        kind: 1,
        bytes: vec![0; 2 * sizes.iter().product::<u64>() as usize],
    };
    let mut tensors = vec![
        zeros("token_embd.weight", &[256, 3]),
        GgufTensor { name: "output_norm.weight".into(), sizes: vec![256], kind, bytes: block.into() },
    ];
    for (name, sizes) in [
        ("attn_norm.weight", &[256][..]),
        ("ffn_norm.weight", &[256]),
        ("attn_q.weight", &[256, 32]),
        ("attn_k.weight", &[256, 16]),
        ("attn_v.weight", &[256, 16]),
        ("attn_output.weight", &[32, 256]),
        ("ffn_gate.weight", &[256, 10]),
        ("ffn_up.weight", &[256, 10]),
        ("ffn_down.weight", &[10, 256]),
        ("attn_q.bias", &[32]),
        ("attn_k.bias", &[16]),
        ("attn_v.bias", &[16]),
    ] {
        tensors.push(zeros(&format!("blk.0.{name}"), sizes));
    }
    read(&gguf(&entries, &tensors)).unwrap().1.norm
}

/// Packs by the description of each layout; the reader unpacks by another path.
#[test]
fn quantized_blocks() {
    let half = |value: f32| bytes_of("F16", &[value]);

    // Eight blocks of 32 bytes with a scale.
    let value = |index: usize| (index as i32 * 37 % 256 - 128) as i8;
    let q8: Vec<u8> = (0..8)
        .flat_map(|block| [half(0.25), (0..32).map(|i| value(block * 32 + i) as u8).collect()].concat())
        .collect();
    let expected: Vec<f32> = (0..256).map(|index| 0.25 * f32::from(value(index))).collect();
    assert_eq!(one_block(8, &q8), expected);

    // 4 and 5 bits: scales and minima of 6 bits for each of eight groups.
    let (scales, minima) = ([1, 9, 33, 63, 2, 17, 40, 60u8], [5, 0, 62, 31, 48, 16, 7, 63u8]);
    let mut packed = [0u8; 12];
    for group in 0..4 {
        packed[group] = scales[group] | scales[group + 4] >> 4 << 6;
        packed[group + 4] = minima[group] | minima[group + 4] >> 4 << 6;
        packed[group + 8] = scales[group + 4] & 15 | minima[group + 4] << 4;
    }
    for (kind, bits) in [(12, 4), (13, 5)] {
        let quant = |index: usize| (index * 29 + 3) as u8 % (1 << bits);
        let mut low = [0u8; 128];
        let mut fifth = [0u8; 32];
        for index in 0..256 {
            let (group, place) = (index / 32, index % 32);
            low[group / 2 * 32 + place] |= (quant(index) & 15) << (4 * (group % 2));
            fifth[place] |= quant(index) >> 4 << group;
        }
        let fifth: &[u8] = if bits == 5 { &fifth } else { &[] };
        let block = [&half(0.5)[..], &half(0.25), &packed, fifth, &low].concat();
        let expected: Vec<f32> = (0..256)
            .map(|index| {
                let group = index / 32;
                0.5 * f32::from(scales[group]) * f32::from(quant(index)) - 0.25 * f32::from(minima[group])
            })
            .collect();
        assert_eq!(one_block(kind, &block), expected, "{bits} bits");
    }

    // 6 bits: halves of 128, in which quarters of 32 share 64 low bytes and 32 high ones.
    let scale = |group: usize| (group as i32 * 23 % 256 - 128) as i8;
    let quant = |index: usize| (index * 41 + 7) as u8 % 64;
    let (mut low, mut high) = ([0u8; 128], [0u8; 64]);
    for index in 0..256 {
        let (part, quarter, place) = (index / 128, index % 128 / 32, index % 32);
        low[part * 64 + quarter % 2 * 32 + place] |= (quant(index) & 15) << (4 * (quarter / 2));
        high[part * 32 + place] |= quant(index) >> 4 << (2 * quarter);
    }
    let scales: Vec<u8> = (0..16).map(|group| scale(group) as u8).collect();
    let block = [&low[..], &high, &scales, &half(0.125)].concat();
    let expected: Vec<f32> =
        (0..256).map(|index| 0.125 * f32::from(scale(index / 16)) * (f32::from(quant(index)) - 32.0)).collect();
    assert_eq!(one_block(14, &block), expected, "6 bits");
}

#[test]
fn every_truncation_is_refused() {
    let bytes = gguf(&entries("qwen3"), &tensors("qwen3", 1, false));
    let parse = |bytes: &[u8]| Gguf::parse("m.gguf", bytes, bytes.len() as u64);
    let header = parse(&bytes).unwrap();
    assert_eq!(header.metadata["general.architecture"], MetadataValue::Text("qwen3".into()));
    assert_eq!(header.metadata["tokenizer.ggml.tokens"], MetadataValue::List(2));
    // The padding after the last tensor may be missing.
    let padding = bytes.len() - (bytes.len() - 8 * 2).next_multiple_of(32).min(bytes.len());
    for end in 0..bytes.len() - 32 - padding {
        let found = parse(&bytes[..end]);
        assert!(matches!(found, Err(FormatError::Truncated { .. })), "{end}: {found:?}");
    }
    // The first bytes of a longer file.
    let found = Gguf::parse("m.gguf", &bytes[..100], bytes.len() as u64);
    assert!(matches!(found, Err(FormatError::TooLarge { .. })), "{found:?}");
    let found = parse(&[&bytes[..], &[0; 32]].concat());
    assert!(matches!(found, Err(FormatError::Header { fault: HeaderFault::TrailingBytes(_), .. })), "{found:?}");
}

#[test]
fn hostile_headers() {
    let fault = |bytes: &[u8]| match Gguf::parse("m", bytes, bytes.len() as u64) {
        Err(FormatError::Header { fault, .. }) => fault,
        other => panic!("{other:?}"),
    };
    let too_large =
        |bytes: &[u8]| matches!(Gguf::parse("m", bytes, bytes.len() as u64), Err(FormatError::TooLarge { .. }));
    let counts =
        |tensors: u64, keys: u64| [&b"GGUF\x03\0\0\0"[..], &tensors.to_le_bytes(), &keys.to_le_bytes()].concat();
    assert_eq!(fault(b"GGML\x03\0\0\0"), HeaderFault::Magic);
    assert_eq!(fault(b"GGUF\x01\0\0\0"), HeaderFault::Version(1));
    assert_eq!(fault(b"GGUF\0\0\0\x03"), HeaderFault::Version(3 << 24), "big-endian");
    assert!(too_large(&counts(u64::MAX, 0)) && too_large(&counts(0, u64::MAX)));
    let key = |name: &[u8], value: &[u8]| [&counts(0, 1)[..], &(name.len() as u64).to_le_bytes(), name, value].concat();
    assert!(too_large(&[&counts(0, 1)[..], &u64::MAX.to_le_bytes()].concat()), "length of a name");
    assert!(
        too_large(&key(b"k", &[&8u32.to_le_bytes()[..], &(1u64 << 40).to_le_bytes()].concat())),
        "length of a text"
    );
    assert_eq!(fault(&key(b"", &[])), HeaderFault::Name(String::new()));
    assert_eq!(fault(&key(b"\n", &[])), HeaderFault::Name("\n".into()));
    assert_eq!(fault(&key(b"\xff", &[])), HeaderFault::Utf8);
    let unknown = |kind: &str| HeaderFault::Type { name: "k".into(), kind: kind.into() };
    assert_eq!(fault(&key(b"k", &13u32.to_le_bytes())), unknown("13"));
    let nested = [9u32.to_le_bytes(), 9u32.to_le_bytes()].concat();
    assert_eq!(fault(&key(b"k", &[&nested[..], &1u64.to_le_bytes()].concat())), unknown("9"));
    for kind in [0u32, 4, 8, 12] {
        // A list of 2^63 elements.
        let list = [&9u32.to_le_bytes()[..], &kind.to_le_bytes(), &(1u64 << 63).to_le_bytes()].concat();
        let bytes = key(b"k", &list);
        let found = Gguf::parse("m", &bytes, bytes.len() as u64);
        assert!(matches!(found, Err(FormatError::Truncated { .. })), "{kind}: {found:?}");
    }
    let alignment = |value| gguf(&[("general.alignment", Entry::U32(value))], &[]);
    assert_eq!(fault(&alignment(0)), HeaderFault::Alignment(0));
    assert_eq!(fault(&alignment(48)), HeaderFault::Alignment(48));
    assert_eq!(fault(&alignment(1 << 17)), HeaderFault::Alignment(1 << 17));
    let twice = gguf(&[("k", Entry::U32(1)), ("k", Entry::U32(2))], &[]);
    assert_eq!(fault(&twice), HeaderFault::Duplicate("k".into()));

    let tensor = |sizes: &[u64], kind, bytes: usize| GgufTensor {
        name: "t".into(),
        sizes: sizes.to_vec(),
        kind,
        bytes: vec![0; bytes],
    };
    let one = |sizes: &[u64], kind, bytes| fault(&gguf(&[], &[tensor(sizes, kind, bytes)]));
    assert_eq!(one(&[], 0, 0), HeaderFault::Dimensions { name: "t".into(), dimensions: 0 });
    assert_eq!(one(&[1; 5], 0, 4), HeaderFault::Dimensions { name: "t".into(), dimensions: 5 });
    assert_eq!(one(&[1], 4, 0), HeaderFault::Type { name: "t".into(), kind: "4".into() });
    assert_eq!(one(&[16, 2], 8, 34), HeaderFault::Size("t".into()), "half a block");
    assert_eq!(one(&[1 << 32, 1 << 32], 0, 0), HeaderFault::Size("t".into()));
    assert_eq!(one(&[1 << 62], 0, 0), HeaderFault::Size("t".into()));
    let short = gguf(&[], &[tensor(&[1 << 40], 0, 4)]);
    assert!(matches!(Gguf::parse("m", &short, short.len() as u64), Err(FormatError::Truncated { .. })));
    let both = gguf(&[], &[tensor(&[8], 0, 32), tensor(&[8], 0, 32)]);
    assert_eq!(fault(&both), HeaderFault::Duplicate("t".into()));
    // The second tensor's offset is the last number before the data.
    let mut pair = gguf(&[], &[tensor(&[8], 0, 32), GgufTensor { name: "u".into(), ..tensor(&[8], 0, 32) }]);
    let header = 24 + 2 * (8 + 1 + 4 + 8 + 4 + 8);
    for offset in [0u64, 31, 33, 64, u64::MAX, 1 << 63] {
        pair[header - 8..header].copy_from_slice(&offset.to_le_bytes());
        assert!(matches!(fault(&pair), HeaderFault::Offsets(_)), "{offset}");
    }
}

#[test]
fn what_would_change_results_is_refused() {
    let with = |extra: Vec<(&'static str, Entry)>| {
        let mut entries = entries("llama");
        for (key, entry) in extra {
            entries.retain(|(other, _)| *other != key);
            entries.push((key, entry));
        }
        read(&gguf(&entries, &tensors("llama", 0, false))).map(|(config, ..)| config)
    };
    for (key, entry, named) in [
        ("general.type", Entry::Text("adapter"), "adapter"),
        ("general.architecture", Entry::Text("gemma"), "gemma"),
        ("split.count", Entry::U32(2), "split"),
        ("llama.expert_count", Entry::U32(8), "experts"),
        ("llama.attention.value_length", Entry::U32(4), "value_length"),
        ("llama.rope.dimension_count", Entry::U32(4), "dimension_count"),
        ("llama.attention.sliding_window", Entry::U32(16), "window"),
        ("llama.rope.scaling.type", Entry::Text("yarn"), "yarn"),
    ] {
        let found = with(vec![(key, entry)]);
        assert!(
            matches!(&found, Err(FormatError::Unsupported { feature, .. }) if feature.contains(named)),
            "{found:?}"
        );
    }
    for (key, entry) in [
        ("llama.block_count", Entry::U32(0)),
        ("llama.block_count", Entry::Text("2")),
        ("llama.attention.head_count_kv", Entry::U32(3)),
        ("llama.attention.head_count", Entry::List(4, 1, vec![0; 4])),
        ("llama.attention.key_length", Entry::U32(7)),
        ("llama.attention.layer_norm_rms_epsilon", Entry::F32(f32::NAN)),
        ("tokenizer.ggml.eos_token_id", Entry::U32(21)),
    ] {
        let found = with(vec![(key, entry)]);
        let named = matches!(&found, Err(FormatError::Field { field, .. }) if key.ends_with(field));
        assert!(named, "{key}: {found:?}");
    }
    let linear =
        vec![("llama.rope.scaling.type", Entry::Text("linear")), ("llama.rope.scaling.factor", Entry::F32(4.0))];
    assert_eq!(with(linear).unwrap().rope_scaling, RopeScaling::Linear { factor: 4.0 });
    let found = with(vec![("llama.rope.scaling.type", Entry::Text("linear"))]);
    assert!(matches!(found, Err(FormatError::MissingField { .. })));

    let entries = entries("llama");
    let tensors = tensors("llama", 0, false);
    for (index, tensor) in tensors.iter().enumerate() {
        let rest = [&tensors[..index], &tensors[index + 1..]].concat();
        // Without a head the embeddings are tied.
        match read(&gguf(&entries, &rest)) {
            Ok((config, ..)) => assert!(tensor.name == "output.weight" && config.tied_embeddings),
            found => assert!(matches!(&found, Err(FormatError::TensorMissing { tensor: t, .. }) if *t == tensor.name)),
        }
    }
    let replaced = |change: fn(&mut GgufTensor)| {
        let mut tensors = tensors.clone();
        change(&mut tensors[5]);
        read(&gguf(&entries, &tensors)).map(|_| ())
    };
    let found = replaced(|tensor| tensor.sizes.reverse());
    assert!(matches!(found, Err(FormatError::TensorShape { .. })), "{found:?}");
    let found = replaced(|tensor| tensor.kind = 26);
    assert!(matches!(&found, Err(FormatError::TensorType { dtype, .. }) if dtype.starts_with("26")), "{found:?}");
    let found = replaced(|tensor| tensor.bytes[7] = 0x7f);
    assert!(found.is_ok(), "a large number: {found:?}");
    let found = replaced(|tensor| tensor.bytes[4..8].copy_from_slice(&f32::INFINITY.to_le_bytes()));
    assert!(matches!(found, Err(FormatError::NotFinite { index: 1, .. })), "{found:?}");
    let found = replaced(|tensor| tensor.name = "blk.0.attn_sinks.weight".into());
    assert!(matches!(found, Err(FormatError::TensorUnexpected { .. })), "{found:?}");
    let limits = Limits { weight_bytes: 1000, ..Limits::default() };
    let folder = folder(&[("m.gguf", &gguf(&entries, &tensors))]);
    let found = read_base(folder.path(), None, &limits).map(|_| ());
    assert!(matches!(found, Err(FormatError::WeightMemory { limit: 1000, .. })), "{found:?}");
}

#[test]
fn the_scaling_of_llama_3_is_recognised_by_its_factors() {
    // As `convert_hf_to_gguf.py` computes them, for a base of 20000 and heads of 8.
    let factors = |factor: f64, low: f64| -> Vec<f32> {
        (0..4)
            .map(|index| {
                let wavelength = std::f64::consts::TAU * 20000f64.powf(f64::from(2 * index) / 8.0);
                if wavelength < 8192.0 / 4.0 {
                    1.0
                } else if wavelength > 8192.0 / low {
                    factor as f32
                } else {
                    let smooth = (8192.0 / wavelength - low) / (4.0 - low);
                    (1.0 / ((1.0 - smooth) / factor + smooth)) as f32
                }
            })
            .collect()
    };
    let read = |factors: Vec<f32>| {
        let bytes = bytes_raw(&factors);
        let rope = GgufTensor { name: "rope_freqs.weight".into(), sizes: vec![4], kind: 0, bytes };
        let tensors = [&tensors("llama", 1, false)[..], &[rope]].concat();
        read(&gguf(&entries("llama"), &tensors)).map(|(config, ..)| config.rope_scaling)
    };
    let expected = RopeScaling::Llama3 {
        factor: 32.0,
        low_frequency_factor: 1.0,
        high_frequency_factor: 4.0,
        original_positions: 8192,
    };
    assert_eq!(read(factors(32.0, 1.0)).unwrap(), expected);
    assert_eq!(read(vec![1.0; 4]).unwrap(), RopeScaling::None);
    for other in [vec![1.0, 2.0, 3.0, 4.0], vec![8.0; 4], vec![0.0; 4], vec![-1.0, 1.0, 1.0, 32.0]] {
        assert!(matches!(read(other), Err(FormatError::Unsupported { .. })));
    }
}

fn bytes_raw(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_le_bytes()).collect()
}
