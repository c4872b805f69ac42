//! Seeded fuzzing of every decoder, and of the prover's adversary.
//!
//! `cargo run --release -p fonte-attribution --features fuzzing --example fuzz -- [--cases N] [--seed S] [TARGET]...`
//!
//! Each case starts from good bytes and changes them in one to four places; half of those with a checksum are sealed
//! again, so that what is behind it is reached. Nothing may panic; a changed proof may prove nothing. A failure names
//! target, seed and case, and `--seed S --case N TARGET` makes that case again. Targets: segment-header, document-table,
//! manifest, paths, proof-trees, proof, refutation, proof-file, evidence, run-opening, bundle, falsehood.

use std::{
    collections::BTreeMap,
    fs,
    ops::Range,
    panic::{AssertUnwindSafe, catch_unwind},
    time::Instant,
};

use alloy_primitives::{B256, keccak256};
use fonte_attribution::{
    Document, FolderIndex, IndexConfig, SuffixIndex, fuzzing,
    proof::{
        Claim, Proof, SegmentProver,
        adversary::{Tries, attack},
        file::{ProofFile, Question},
        verify,
    },
};
use fonte_types::{
    ContributionId, DatanetId,
    bundle::{self, ReceiptBundle},
    evidence::{Evidence, OtherChannels, Run, RunOpening, Source},
};
use rand::{Rng, RngCore, SeedableRng, rngs::StdRng};
use serde_json::Value;

type Outcome = Result<bool, String>;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (mut cases, mut seed, mut only, mut wanted) = (100_000_u64, 1_u64, None, Vec::new());
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let mut number = || arguments.next().and_then(|text| text.parse().ok()).ok_or("a number is due");
        match argument.as_str() {
            "--cases" => cases = number()?,
            "--seed" => seed = number()?,
            "--case" => only = Some(number()?),
            target => wanted.push(target.to_owned()),
        }
    }
    let seeds = Seeds::new()?;
    let targets = targets(&seeds);
    if let Some(unknown) = wanted.iter().find(|name| !targets.contains_key(name.as_str())) {
        return Err(format!("unknown target {unknown}: there are {:?}", targets.keys()).into());
    }
    for (name, target) in targets {
        if !wanted.is_empty() && !wanted.iter().any(|wanted| wanted == name) {
            continue;
        }
        let start = Instant::now();
        let range = only.map_or(0..cases, |case| case..case + 1);
        let Tries { tried, accepted } = run(name, &target, seed, range, cases)?;
        println!("{name}: {tried} cases, {accepted} accepted, {:.0} s", start.elapsed().as_secs_f64());
    }
    Ok(())
}

/// Cases of one target, until so many were tried: one draw may make many.
fn run(name: &str, target: &Target<'_>, seed: u64, range: Range<u64>, cases: u64) -> Result<Tries, String> {
    let mut all = Tries::default();
    for case in range {
        if all.tried >= cases {
            break;
        }
        let mut random = StdRng::seed_from_u64(seed ^ case.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let tries = catch_unwind(AssertUnwindSafe(|| target(&mut random)))
            .map_err(|_| "panicked".to_owned())
            .and_then(|tries| tries)
            .map_err(|why| format!("{name}: --seed {seed} --case {case}: {why}"))?;
        all.tried += tries.tried;
        all.accepted += tries.accepted;
    }
    Ok(all)
}

type Target<'a> = Box<dyn Fn(&mut StdRng) -> Result<Tries, String> + 'a>;

fn targets(seeds: &Seeds) -> BTreeMap<&'static str, Target<'_>> {
    let one = |outcome: Outcome| outcome.map(|accepted| Tries { tried: 1, accepted: accepted.into() });
    let mut targets: BTreeMap<&'static str, Target<'_>> = BTreeMap::new();
    targets.insert(
        "segment-header",
        Box::new(move |random| {
            // Header and length are what is read; the sections may be anything.
            let mut file = seeds.segment.clone();
            if random.random_bool(0.2) {
                mutate_length(&mut file, random);
            }
            let header = file.len().min(64);
            let mut changed = file[..header].to_vec();
            mutate(&mut changed, random, &seeds.segment[..64]);
            changed.truncate(header);
            file[..changed.len()].copy_from_slice(&changed);
            seal(&mut file, 64, random);
            one(Ok(fuzzing::segment_header(&file)))
        }),
    );
    targets.insert(
        "document-table",
        Box::new(move |random| {
            let (table, text_bytes) = &seeds.table;
            let mut table = table.clone();
            mutate(&mut table, random, &seeds.table.0);
            let text_bytes = if random.random_bool(0.2) { draw_number(random) as usize } else { *text_bytes };
            one(Ok(fuzzing::document_table(&table, text_bytes)))
        }),
    );
    targets.insert(
        "manifest",
        Box::new(move |random| {
            let mut manifest = seeds.manifest.clone();
            mutate(&mut manifest, random, &seeds.manifest);
            let end = manifest.len();
            seal(&mut manifest, end, random);
            one(Ok(fuzzing::manifest(&manifest)))
        }),
    );
    targets.insert(
        "paths",
        Box::new(move |random| {
            let mut paths = seeds.paths.clone();
            mutate(&mut paths, random, &seeds.paths);
            let end = paths.len();
            seal(&mut paths, end, random);
            one(Ok(fuzzing::paths(&paths)))
        }),
    );
    targets.insert(
        "proof-trees",
        Box::new(move |random| {
            let mut changed = false;
            let other = seeds.segment.as_slice();
            let taken = fuzzing::proof_trees(&seeds.prover, |bytes| {
                let good = bytes.clone();
                mutate(bytes, random, other);
                // The first checksum is over what follows the header, the second over the header.
                if bytes.len() > 64 && random.random_bool(0.7) {
                    let body = crc32fast::hash(&bytes[64..]).to_le_bytes();
                    bytes[20..24].copy_from_slice(&body);
                    let header = crc32fast::hash(&bytes[..60]).to_le_bytes();
                    bytes[60..64].copy_from_slice(&header);
                }
                changed = *bytes != good;
            });
            let Some(prover) = taken else {
                return if changed { one(Ok(false)) } else { Err("the trees as they were written are refused".into()) };
            };
            // Changed where nobody looked: a proof made with it holds for the true root, or for none, and is of the claim.
            let (claim, good) = &seeds.proofs[random.random_range(0..seeds.proofs.len())];
            let made = match claim {
                Claim::Longest { pattern, .. } => prover.prove_longest(pattern).map(|(_, proof)| Some(proof)),
                Claim::Count { pattern, .. } => prover.prove_count(pattern).map(|(_, proof)| Some(proof)),
                Claim::Earlier { pattern, before } => {
                    prover.prove_earlier(pattern, ContributionId(*before)).map(|found| found.map(|(_, proof)| proof))
                }
                _ => Ok(None),
            };
            let Some(made) = made.map_err(|error| error.to_string())? else { return one(Ok(true)) };
            match made.verify(seeds.root.into(), claim) {
                Ok(()) if made.as_bytes() != good => Err(format!("another proof of {claim:?}")),
                Err(error) if !changed => Err(format!("{claim:?}: {error}")),
                _ => one(Ok(true)),
            }
        }),
    );
    targets.insert(
        "proof",
        Box::new(move |random| {
            let (claim, good) = &seeds.proofs[random.random_range(0..seeds.proofs.len())];
            let other = &seeds.proofs[random.random_range(0..seeds.proofs.len())].1;
            let mut bytes = good.clone();
            mutate(&mut bytes, random, other);
            let verdict = Proof::from_bytes(bytes.clone()).and_then(|proof| proof.verify(seeds.root.into(), claim));
            match verdict {
                // Another good proof of the same claim may come of a splice.
                Ok(()) if bytes == *good || bytes == *other => one(Ok(true)),
                Ok(()) => Err(format!("changed bytes prove {claim:?}")),
                Err(_) => one(Ok(false)),
            }
        }),
    );
    targets.insert(
        "refutation",
        Box::new(move |random| {
            let mut bytes = seeds.proofs[random.random_range(0..seeds.proofs.len())].1.clone();
            let other = &seeds.proofs[random.random_range(0..seeds.proofs.len())].1;
            if random.random_bool(0.8) {
                bytes[0] = random.random_range(4..8);
            }
            mutate(&mut bytes, random, other);
            match verify::refute(|bytes| keccak256(bytes).0, &seeds.root, &bytes) {
                Ok(statement) => Err(format!("an honest segment is refuted by {statement:?}")),
                Err(_) => one(Ok(false)),
            }
        }),
    );
    targets.insert(
        "proof-file",
        Box::new(move |random| {
            let (good, root) = &seeds.file;
            let mut bytes = good.clone().into_bytes();
            mutate(&mut bytes, random, good.as_bytes());
            let Ok(file) = ProofFile::from_json(&bytes) else { return one(Ok(false)) };
            one(Ok(file.verify(&[(*root).into()]).is_ok()))
        }),
    );
    targets.insert(
        "evidence",
        Box::new(move |random| {
            let mut bytes = seeds.evidence.clone().into_bytes();
            mutate(&mut bytes, random, seeds.evidence.as_bytes());
            let Ok(runs) = serde_json::from_slice::<Vec<Run>>(&bytes) else { return one(Ok(false)) };
            let answer_bytes = if random.random_bool(0.5) { runs.last().map_or(0, |run| run.end) } else { 500 };
            let Ok(evidence) = Evidence::new(runs, answer_bytes) else { return one(Ok(false)) };
            let total: u64 = evidence.runs().iter().map(|run| u64::from(run.bytes())).sum();
            if total != u64::from(answer_bytes) {
                return Err(format!("{total} bytes of {answer_bytes} are covered"));
            }
            let others = OtherChannels { context: random.random::<[u8; 32]>().into(), influence: B256::ZERO };
            let opening = evidence.open(0, &others).ok_or("the first run does not open")?;
            opening.verify(evidence.hash(&others)).map_err(|error| error.to_string())?;
            one(Ok(true))
        }),
    );
    targets.insert(
        "run-opening",
        Box::new(move |random| {
            let (good, hash) = &seeds.opening;
            let mut bytes = good.clone().into_bytes();
            mutate(&mut bytes, random, good.as_bytes());
            let Ok(opening) = serde_json::from_slice::<RunOpening>(&bytes) else { return one(Ok(false)) };
            let same = serde_json::from_str::<RunOpening>(good).is_ok_and(|good| good == opening);
            match opening.verify(*hash) {
                Ok(()) if !same => Err("a changed opening is accepted".into()),
                verdict => one(Ok(verdict.is_ok())),
            }
        }),
    );
    targets.insert(
        "bundle",
        Box::new(move |random| {
            let (good, value) = &seeds.bundles[random.random_range(0..seeds.bundles.len())];
            let read = if random.random_bool(0.3) {
                let mut bytes = value.to_string().into_bytes();
                mutate(&mut bytes, random, value.to_string().as_bytes());
                serde_json::from_slice::<ReceiptBundle>(&bytes)
            } else {
                let mut changed = value.clone();
                for _ in 0..random.random_range(0..4) {
                    change(&mut changed, value, random);
                }
                serde_json::from_value(changed)
            };
            let Ok(mut read) = read else { return one(Ok(false)) };
            // What was said of the generation, committed anew: behind the comparison of its words there is more to check.
            if random.random_bool(0.5)
                && let Some(generation) = &read.generation
            {
                read.generation_words = generation.words();
                read.other_channels.context = generation.commitment(read.answer.salt);
                if let Ok(evidence) = Evidence::new(read.runs.clone(), read.receipt.answer_bytes) {
                    read.receipt.evidence_hash = evidence.hash(&read.other_channels);
                }
            }
            let verification = bundle::verify(&read);
            if !verification.ok {
                return if read == *good { Err("the good bundle is refused".into()) } else { one(Ok(false)) };
            }
            // What the receipt binds; the record of a generation may be left out as a whole.
            let bound = |bundle: &ReceiptBundle| {
                let ReceiptBundle { id, receipt, signed_words, prompt, answer, runs, run_leaves, .. } = bundle.clone();
                (id, receipt, signed_words, prompt, answer, runs, run_leaves, bundle.other_channels)
            };
            let told = |read: &ReceiptBundle| {
                (read.generation.is_none() || read.generation == good.generation)
                    && (read.log_probs.is_none() || read.log_probs == good.log_probs)
            };
            if bound(&read) == bound(good) && told(&read) {
                one(Ok(true))
            } else {
                Err("a changed bundle verifies".into())
            }
        }),
    );
    targets.insert(
        "falsehood",
        Box::new(move |random| {
            let most = random.random_range(1..14);
            Ok(attack(&mut |below| random.random_range(0..below), most))
        }),
    );
    targets
}

/// Claims and the bytes that prove them.
type Proven = Vec<(Claim<'static>, Vec<u8>)>;

/// Good bytes of each kind.
struct Seeds {
    prover: SegmentProver,
    bundles: Vec<(ReceiptBundle, Value)>,
    segment: Vec<u8>,
    table: (Vec<u8>, usize),
    manifest: Vec<u8>,
    paths: Vec<u8>,
    root: [u8; 32],
    proofs: Proven,
    file: (String, [u8; 32]),
    evidence: String,
    opening: (String, alloy_primitives::B256),
}

impl Seeds {
    fn new() -> Result<Self, Box<dyn std::error::Error>> {
        let mut random = StdRng::seed_from_u64(7);
        let documents: Vec<Document> = (1..=9)
            .map(|id| {
                let length = random.random_range(0..400);
                let text = (0..length).map(|_| b"abc ab"[random.random_range(0..6)]).collect();
                Document { contribution: ContributionId(id), document: 0, datanet: DatanetId(1), text }
            })
            .collect();
        let folder = tempfile::tempdir()?;
        let index = SuffixIndex::open(folder.path(), IndexConfig::default())?;
        index.add(documents.clone())?;
        let mut provers = index.provers(|_, _| {})?;
        let prover = provers.first().ok_or("one segment was written")?;
        let mut segment = Vec::new();
        for entry in fs::read_dir(folder.path())? {
            let path = entry?.path();
            if path.extension().is_some_and(|extension| extension == "fonte") {
                segment = fs::read(path)?;
            }
        }
        let text_bytes = prover.text_bytes() as usize;
        // The table follows the header.
        let table = (segment[64..64 + 24 * documents.len()].to_vec(), text_bytes);
        if !fuzzing::segment_header(&segment) || !fuzzing::document_table(&table.0, table.1) {
            return Err("the seeds are not good; has the format changed?".into());
        }
        let mut named = FolderIndex::open(&folder.path().join("named"), IndexConfig::default())?;
        let files = folder.path().join("files");
        fs::create_dir(&files)?;
        for name in ["a", "b.txt", "another name"] {
            fs::write(files.join(name), name)?;
        }
        named.add(&named.plan(&files, &mut |_, _| {})?, &mut |_| {})?;
        let proofs = proofs(prover, &documents)?;
        let pattern = &documents[3].text[..20.min(documents[3].text.len())];
        let file = ProofFile::prove(&provers, pattern, Question::Count)?.to_json();
        let runs = vec![
            Run::witnessed(0, 40, Source::Contribution(ContributionId(7)), 0, 0, 40, 12),
            Run::nobody(40, 50),
            Run::witnessed(50, 500, Source::Prompt, 0, 45, 500, 3),
        ];
        let evidence = Evidence::new(runs, 500)?;
        let others = OtherChannels { context: keccak256("a generation"), influence: keccak256("an estimate") };
        let opening = evidence.open(1, &others).ok_or("there are three runs")?;
        let root = prover.root().0;
        Ok(Self {
            prover: provers.remove(0),
            bundles: bundles()?,
            segment,
            table,
            manifest: fs::read(folder.path().join("manifest"))?,
            paths: fs::read(folder.path().join("named/paths"))?,
            root,
            proofs,
            file: (file, root),
            evidence: serde_json::to_string(&evidence)?,
            opening: (serde_json::to_string(&opening)?, evidence.hash(&others)),
        })
    }
}

/// Those that the tests of Rust and TypeScript share: quoted, with log-probabilities, and with the record of a generation.
fn bundles() -> Result<Vec<(ReceiptBundle, Value)>, Box<dyn std::error::Error>> {
    let quoted: Value = serde_json::from_str(include_str!("../../../fixtures/bundle.json"))?;
    let generated: Value = serde_json::from_str(include_str!("../../../fixtures/generation.json"))?;
    let all = [&quoted["bundle"], &quoted["recorded"]["bundle"], &generated["bundle"]];
    let read = |value: &Value| Ok((serde_json::from_value(value.clone())?, value.clone()));
    all.into_iter().map(read).collect()
}

/// Somewhere below a value: another number or text, or one from elsewhere in the whole; an element or a field less, or one
/// twice.
fn change(value: &mut Value, whole: &Value, random: &mut StdRng) {
    // Not always to the bottom.
    let stop = random.random_bool(0.15);
    match value {
        Value::Array(items) if !items.is_empty() => {
            let index = random.random_range(0..items.len());
            match random.random_range(0..3) {
                0 if stop => drop(items.remove(index)),
                1 if stop => items.insert(index, items[index].clone()),
                _ if stop => items.reverse(),
                _ => change(&mut items[index], whole, random),
            }
        }
        Value::Object(fields) if !fields.is_empty() => {
            let index = random.random_range(0..fields.len());
            let name = fields.keys().nth(index).expect("there are so many").clone();
            if stop {
                fields.remove(&name);
            } else {
                change(&mut fields[&name], whole, random);
            }
        }
        leaf => *leaf = another(leaf, whole, random),
    }
}

fn another(leaf: &Value, whole: &Value, random: &mut StdRng) -> Value {
    match (leaf, random.random_range(0..4)) {
        (_, 0) => any_leaf(whole, random),
        (Value::String(text), 1) if text.len() > 2 && text.starts_with("0x") => {
            let mut bytes = text.clone().into_bytes();
            let at = random.random_range(2..bytes.len());
            bytes[at] = b"0123456789abcdef"[random.random_range(0..16)];
            Value::from(String::from_utf8_lossy(&bytes).into_owned())
        }
        (Value::String(text), _) => {
            let mut bytes = text.clone().into_bytes();
            mutate(&mut bytes, random, text.as_bytes());
            Value::from(String::from_utf8_lossy(&bytes).into_owned())
        }
        (Value::Number(_), 1) => Value::from(random.random::<u64>()),
        (Value::Number(number), 2) => Value::from(number.as_i64().unwrap_or(0).wrapping_add(1)),
        (Value::Number(number), _) => Value::from(number.as_i64().unwrap_or(0).wrapping_sub(1)),
        _ => Value::Null,
    }
}

fn any_leaf(value: &Value, random: &mut StdRng) -> Value {
    match value {
        Value::Array(items) if !items.is_empty() => any_leaf(&items[random.random_range(0..items.len())], random),
        Value::Object(fields) if !fields.is_empty() => {
            let index = random.random_range(0..fields.len());
            any_leaf(fields.values().nth(index).expect("there are so many"), random)
        }
        leaf => leaf.clone(),
    }
}

fn proofs(prover: &SegmentProver, documents: &[Document]) -> Result<Proven, Box<dyn std::error::Error>> {
    let mut all = Vec::new();
    let long = documents.iter().max_by_key(|document| document.text.len()).ok_or("there are documents")?;
    let patterns = [
        long.text[10..150].to_vec(),
        [&long.text[30..90], b"d"].concat(),
        b"ab".to_vec(),
        b"ba ~".to_vec(),
        b"~".to_vec(),
        b"\0".to_vec(),
    ];
    for pattern in patterns {
        let pattern: &'static [u8] = pattern.leak();
        let (length, proof) = prover.prove_longest(pattern)?;
        all.push((Claim::Longest { pattern, length }, proof));
        let (count, proof) = prover.prove_count(pattern)?;
        all.push((Claim::Count { pattern, count }, proof));
        if let Some((place, proof)) = prover.prove_earlier(pattern, ContributionId(u64::MAX))? {
            let (contribution, document, offset) = (place.contribution.0, place.document, place.offset as u32);
            all.push((Claim::Here { pattern, contribution, document, offset }, proof.clone()));
            all.push((Claim::Earlier { pattern, before: contribution + 1 }, proof));
        }
    }
    for (claim, proof) in &all {
        proof.verify(prover.root(), claim)?;
    }
    Ok(all.into_iter().map(|(claim, proof)| (claim, proof.as_bytes().to_vec())).collect())
}

/// Zero to four changes; `other` is where spliced bytes come from.
fn mutate(bytes: &mut Vec<u8>, random: &mut StdRng, other: &[u8]) {
    for _ in 0..random.random_range(0..5) {
        if bytes.is_empty() {
            return;
        }
        let at = random.random_range(0..bytes.len());
        match random.random_range(0..10) {
            0 => bytes[at] ^= 1 << random.random_range(0..8),
            1 => bytes[at] = random.random(),
            2 => bytes[at] = [0, 1, 0x7f, 0x80, 0xff, b'0', b'9', b'"'][random.random_range(0..8)],
            3 => mutate_length(bytes, random),
            4 => {
                // A number of four bytes, in either order.
                let number = draw_number(random);
                let number = if random.random() { number.to_be_bytes() } else { number.to_le_bytes() };
                let end = bytes.len().min(at + 4);
                bytes[at..end].copy_from_slice(&number[..end - at]);
            }
            5 => {
                // A little more or less, the first fields preferred.
                let at = at.min(random.random_range(0..32));
                bytes[at] = bytes[at].wrapping_add([1, 255, 2, 16][random.random_range(0..4)]);
            }
            6 if other.len() > 1 => {
                let from = random.random_range(0..other.len());
                let length = random.random_range(1..=64).min(other.len() - from).min(bytes.len() - at);
                bytes[at..at + length].copy_from_slice(&other[from..from + length]);
            }
            7 if other.len() > 1 => {
                let at = at.min(other.len());
                bytes.truncate(at);
                bytes.extend_from_slice(&other[at..]);
            }
            8 if bytes.len() > 64 => {
                // Two neighbouring hashes, leaves or words change places.
                let width = [4, 7, 24, 32][random.random_range(0..4)];
                let at = at.min(bytes.len() - 2 * width);
                bytes[at..at + 2 * width].rotate_left(width);
            }
            _ => {
                let length = random.random_range(1..=32).min(bytes.len() - at);
                let copied = bytes[at..at + length].to_vec();
                let to = random.random_range(0..=bytes.len() - length);
                bytes[to..to + length].copy_from_slice(&copied);
            }
        }
    }
}

fn mutate_length(bytes: &mut Vec<u8>, random: &mut StdRng) {
    let at = random.random_range(0..=bytes.len());
    match random.random_range(0..3) {
        0 => bytes.truncate(at),
        1 => {
            let mut more = vec![0; random.random_range(1..80)];
            random.fill_bytes(&mut more);
            bytes.splice(at..at, more);
        }
        _ => {
            let end = bytes.len().min(at + random.random_range(1..40));
            bytes.drain(at..end);
        }
    }
}

fn draw_number(random: &mut StdRng) -> u32 {
    match random.random_range(0..4) {
        0 => random.random(),
        1 => 1_u32.checked_shl(random.random_range(0..32)).unwrap_or(0).wrapping_sub(random.random_range(0..2)),
        2 => u32::MAX - random.random_range(0..3),
        _ => random.random_range(0..5_000),
    }
}

/// Half of the time: makes the checksum in the last four of `end` bytes hold again.
fn seal(bytes: &mut [u8], end: usize, random: &mut StdRng) {
    if (5..=bytes.len()).contains(&end) && random.random_bool(0.5) {
        let crc = crc32fast::hash(&bytes[..end - 4]);
        bytes[end - 4..end].copy_from_slice(&crc.to_le_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every target takes good bytes and refuses bad ones: neither shows in a run that refuses, or takes, whatever comes.
    #[test]
    fn some_cases_of_every_target_pass() {
        let seeds = Seeds::new().unwrap();
        let targets = targets(&seeds);
        assert_eq!(targets.len(), 12);
        for (name, target) in targets {
            let Tries { tried, accepted } = run(name, &target, 1, 0..400, 400).unwrap();
            println!("{name}: {accepted} of {tried}");
            assert!(tried >= 400 && accepted < tried, "{name}: {accepted} of {tried}");
            // An honest segment is never refuted.
            assert_eq!(accepted > 0, name != "refutation", "{name}: {accepted} of {tried}");
        }
    }
}
