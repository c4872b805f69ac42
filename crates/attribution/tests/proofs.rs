//! Proofs as others see them: no changed byte is accepted, no claim but the proven one, no other segment's root; the
//! file beside the segment may be lost or damaged at any time; a file of proofs covers an index or is refused.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use std::{fs, path::PathBuf};

use alloy_primitives::{B256, keccak256};
use fonte_attribution::{
    Document, Everyone, IndexConfig, Occurrence, SuffixIndex, TraceIndex,
    proof::{
        Claim, MAX_PATTERN, MAX_PROOF, Proof, ProofError, SegmentProver,
        file::{FileClaim, FileError, ProofFile, Question, Verdict},
        verify::{Parts, Statement, TEXT_LEAF},
    },
};
use fonte_types::{ContributionId, DatanetId};
use rand::{Rng, SeedableRng, rngs::StdRng};
use serde_json::Value;

/// Words, a paragraph that several documents share, and a document that repeats itself.
fn documents(count: u64, bytes: usize, seed: u64) -> Vec<Document> {
    let mut random = StdRng::seed_from_u64(seed);
    let words: Vec<String> = (0..300)
        .map(|_| (0..random.random_range(2..9)).map(|_| random.random_range(b'a'..=b'z') as char).collect())
        .collect();
    let prose = |random: &mut StdRng, bytes: usize| {
        let mut text = String::new();
        while text.len() < bytes {
            text += &words[random.random_range(0..words.len())];
            text.push(' ');
        }
        text.into_bytes()
    };
    let shared = prose(&mut random, 700);
    (1..=count)
        .map(|id| {
            let mut text = prose(&mut random, bytes);
            if id % 3 == 0 {
                text.extend_from_slice(&shared);
            }
            if id % 5 == 0 {
                text = [&text[..], &text[..]].concat();
            }
            Document { contribution: ContributionId(id), document: 0, datanet: DatanetId(1), text }
        })
        .collect()
}

/// Claims of every kind with their proofs.
fn proven<'a>(prover: &SegmentProver, patterns: &'a [Vec<u8>]) -> Vec<(Claim<'a>, Proof)> {
    let mut all = Vec::new();
    for pattern in patterns {
        let (length, proof) = prover.prove_longest(pattern).unwrap();
        all.push((Claim::Longest { pattern, length }, proof));
        let (count, proof) = prover.prove_count(pattern).unwrap();
        all.push((Claim::Count { pattern, count }, proof));
        if let Some(proof) = prover.prove_absent(pattern).unwrap() {
            all.push((Claim::Absent { pattern }, proof));
        }
        if let Some((place, proof)) = prover.prove_earlier(pattern, ContributionId(u64::MAX)).unwrap() {
            let Occurrence { contribution, document, offset } = place;
            all.push((Claim::Earlier { pattern, before: contribution.0 + 1 }, proof.clone()));
            let offset = offset as u32;
            all.push((Claim::Here { pattern, contribution: contribution.0, document, offset }, proof));
        }
    }
    all
}

/// Patterns that give every kind of proof: present once, present often, absent after a few bytes and after many.
fn patterns(documents: &[Document]) -> Vec<Vec<u8>> {
    let text = |at: usize| &documents[at].text;
    let shared = &text(2)[text(2).len() - 700..];
    vec![
        text(3)[50..90].to_vec(),
        shared[10..400].to_vec(),
        [&text(1)[300..380], b"~ and on"].concat(),
        [&shared[..690], b"#"].concat(),
        b"~nobody".to_vec(),
        b"\0".to_vec(),
        b"\xfe".to_vec(),
        b" ".to_vec(),
        text(4)[..800].to_vec(),
    ]
}

#[test]
fn every_changed_byte_is_refused() {
    let documents = documents(12, 1_500, 1);
    let prover = SegmentProver::of_documents(&documents).unwrap();
    let patterns = patterns(&documents);
    let all = proven(&prover, &patterns);
    let kinds: Vec<u8> = all.iter().map(|(_, proof)| proof.as_bytes()[0]).collect();
    assert!([1, 2, 3].iter().all(|kind| kinds.contains(kind)), "{kinds:?}");
    for (claim, proof) in &all {
        assert_eq!(proof.verify(prover.root(), claim), Ok(()));
        let bytes = proof.as_bytes();
        assert!(bytes.len() <= MAX_PROOF);
        let refuse = |bytes: Vec<u8>, why: &str| {
            let verdict = Proof::from_bytes(bytes).and_then(|proof| proof.verify(prover.root(), claim));
            assert!(verdict.is_err(), "{why}: {claim:?}");
        };
        for at in 0..bytes.len() {
            for change in [1, 0x80, 0xff] {
                let mut changed = bytes.to_vec();
                changed[at] ^= change;
                refuse(changed, "changed byte");
            }
            refuse(bytes[..at].to_vec(), "cut");
        }
        for more in [1, 2, 7, 32, MAX_PROOF] {
            refuse([bytes, &vec![0; more]].concat(), "more bytes");
        }
        // Two hashes swapped, and one left out.
        for at in (bytes.len() - 256..bytes.len() - 64).step_by(32) {
            let mut swapped = bytes.to_vec();
            swapped[at..at + 64].rotate_left(32);
            refuse(swapped, "swapped hashes");
            refuse([&bytes[..at], &bytes[at + 32..]].concat(), "missing hash");
        }
    }
}

#[test]
fn a_proof_proves_its_claim_and_no_other() {
    let documents = documents(12, 1_500, 2);
    let prover = SegmentProver::of_documents(&documents).unwrap();
    let patterns = patterns(&documents);
    let all = proven(&prover, &patterns);
    for (claim, proof) in &all {
        let near: Vec<Claim<'_>> = match *claim {
            Claim::Here { pattern, contribution, document, offset } => vec![
                Claim::Here { pattern, contribution: contribution + 1, document, offset },
                Claim::Here { pattern, contribution, document: document + 1, offset },
                Claim::Here { pattern, contribution, document, offset: offset + 1 },
                Claim::Here { pattern: &pattern[1..], contribution, document, offset },
            ],
            Claim::Earlier { pattern, before } => vec![
                Claim::Earlier { pattern, before: before - 1 },
                Claim::Earlier { pattern, before: 0 },
                Claim::Earlier { pattern: &pattern[1..], before },
            ],
            Claim::Longest { pattern, length } => vec![
                Claim::Longest { pattern, length: length + 1 },
                Claim::Longest { pattern, length: length.wrapping_sub(1) },
                Claim::Longest { pattern, length: length + 65_536 },
            ],
            Claim::Count { pattern, count } => vec![
                Claim::Count { pattern, count: count + 1 },
                Claim::Count { pattern, count: count.wrapping_sub(1) },
                Claim::Longest { pattern, length: pattern.len() as u32 + 1 },
            ],
            Claim::Absent { pattern } => vec![Claim::Count { pattern, count: 1 }],
        };
        for near in near {
            assert!(proof.verify(prover.root(), &near).is_err(), "{claim:?} passed for {near:?}");
        }
    }
}

#[test]
fn another_segments_root_refuses_every_proof() {
    let documents = documents(6, 900, 3);
    let prover = SegmentProver::of_documents(&documents).unwrap();
    let patterns = patterns(&documents);
    let all = proven(&prover, &patterns);
    let mut roots = vec![B256::ZERO];
    // One byte of one text, one name, one datanet, one document more, and where one ends.
    let changes: [fn(&mut Vec<Document>); 5] = [
        |documents| documents[5].text[10] ^= 1,
        |documents| documents[5].document = 3,
        |documents| documents[0].datanet = DatanetId(2),
        |documents| {
            documents.push(Document { contribution: ContributionId(99), text: Vec::new(), ..documents[0].clone() })
        },
        |documents| {
            let byte = documents[0].text.pop().unwrap();
            documents[1].text.insert(0, byte);
        },
    ];
    for change in changes {
        let mut changed = documents.clone();
        change(&mut changed);
        let root = SegmentProver::of_documents(&changed).unwrap().root();
        assert!(!roots.contains(&root) && root != prover.root());
        roots.push(root);
    }
    for (claim, proof) in &all {
        for root in &roots {
            let error = proof.verify(*root, claim).unwrap_err();
            assert!(matches!(error, ProofError::Root { .. }), "{error}");
        }
    }
    // The order in which documents are handed over is no part of a segment.
    let reversed: Vec<Document> = documents.iter().rev().cloned().collect();
    assert_eq!(SegmentProver::of_documents(&reversed).unwrap().root(), prover.root());
}

#[test]
fn impossible_patterns_are_named() {
    let documents = documents(3, 300, 4);
    let prover = SegmentProver::of_documents(&documents).unwrap();
    let (_, proof) = prover.prove_longest(b"~").unwrap();
    let long = vec![b'a'; MAX_PATTERN + 1];
    for pattern in [&b""[..], &long] {
        let error = proof.verify(prover.root(), &Claim::Absent { pattern }).unwrap_err();
        assert_eq!(error, ProofError::PatternLength { got: pattern.len() });
        assert!(prover.prove_longest(pattern).is_err());
    }
    let error = proof.verify(prover.root(), &Claim::Absent { pattern: b"~a\xff" }).unwrap_err();
    assert_eq!(error, ProofError::PatternSeparator { at: 2 });
    let (length, proof) = prover.prove_longest(&long[1..]).unwrap();
    assert_eq!(proof.verify(prover.root(), &Claim::Longest { pattern: &long[1..], length }), Ok(()));
}

/// Matches longer than a row can count, and the longest pattern that a claim can have.
#[test]
fn long_matches_are_proved_to_the_limit() {
    let mut random = StdRng::seed_from_u64(5);
    let long: Vec<u8> = (0..90_000).map(|_| random.random_range(b'a'..=b'd')).collect();
    let other = [&long[..70_000], b"z", &long[..66_000]].concat();
    let documents: Vec<Document> = [long.clone(), other, long.clone()]
        .into_iter()
        .zip(1..)
        .map(|(text, id)| Document { contribution: ContributionId(id), document: 0, datanet: DatanetId(1), text })
        .collect();
    let prover = SegmentProver::of_documents(&documents).unwrap();
    for (pattern, expected) in [
        (long[..MAX_PATTERN].to_vec(), 4),
        (long[5_000..5_000 + MAX_PATTERN].to_vec(), 2),
        (long[1_000..66_000].to_vec(), 4),
        (long[1_000..66_001].to_vec(), 3),
        ([&long[4_000..66_000], b"y"].concat(), 0),
    ] {
        let (count, proof) = prover.prove_count(&pattern).unwrap();
        let by_hand: usize = documents
            .iter()
            .map(|document| document.text.windows(pattern.len()).filter(|window| *window == pattern).count())
            .sum();
        assert_eq!((count, by_hand), (expected, expected as usize));
        assert_eq!(proof.verify(prover.root(), &Claim::Count { pattern: &pattern, count }), Ok(()));
        let (length, proof) = prover.prove_longest(&pattern).unwrap();
        assert_eq!(proof.verify(prover.root(), &Claim::Longest { pattern: &pattern, length }), Ok(()));
        assert!(proof.as_bytes().len() <= MAX_PROOF);
        // What the pattern spells is not repeated.
        assert!(proof.as_bytes().len() < 2_500, "{}", proof.as_bytes().len());
    }
}

#[test]
fn the_bytes_are_pinned() {
    let texts: [&[u8]; 3] = [b"Green beans lose a seventh of their weight.", b"", b"Beans lose weight."];
    let documents: Vec<Document> = texts
        .into_iter()
        .zip(1..)
        .map(|(text, id)| Document {
            contribution: ContributionId(id),
            document: 2,
            datanet: DatanetId(3),
            text: text.to_vec(),
        })
        .collect();
    let prover = SegmentProver::of_documents(&documents).unwrap();
    let hash = |proof: &Proof| keccak256(proof.as_bytes());
    let pinned = [
        prover.root(),
        hash(&prover.prove_longest(b"beans lose heart").unwrap().1),
        hash(&prover.prove_count(b"eans lose").unwrap().1),
        hash(&prover.prove_earlier(b"lose weight", ContributionId(9)).unwrap().unwrap().1),
    ];
    let shown: Vec<String> = pinned.iter().map(B256::to_string).collect();
    assert_eq!(shown, PINNED);
}

const PINNED: [&str; 4] = [
    "0xe3ffc87a8ea0371c925b2ad62489beda31801ee1e538001f776f7b640048094a",
    "0x181a063cb487104a96a84c01feb02b1c09b8f08dc068a204c4f84a4b89c64c01",
    "0x3d53c0045697856dfcf96d3b5a94d78a96e09d9a21da9de6b8e0712a9c223b1c",
    "0xd85afdb890991d0f050baa3167a861671e78b0bd3778bf8778d305f4afb2c978",
];

#[test]
fn a_proof_says_what_it_is() {
    let documents = documents(8, 900, 6);
    let prover = SegmentProver::of_documents(&documents).unwrap();
    let (length, proof) = prover.prove_longest(b"~").unwrap();
    let parts = Parts::decode(proof.as_bytes()).unwrap();
    assert_eq!(u64::from(parts.text_bytes), prover.text_bytes());
    assert_eq!(parts.documents, 8);
    assert!(matches!(parts.statement, Statement::Boundary { length: 0, .. }) && length == 0);
    assert_eq!(TEXT_LEAF, 64);
}

const CONFIG: IndexConfig = IndexConfig { max_segment_bytes: 8 << 10, merge_at: 64 };

fn files(folder: &tempfile::TempDir, extension: &str) -> Vec<PathBuf> {
    let mut paths: Vec<PathBuf> = fs::read_dir(folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|found| found == extension))
        .collect();
    paths.sort();
    paths
}

/// The provers of an index, and how many of them had their trees built: progress tells the end of each.
fn provers(index: &SuffixIndex) -> (Vec<SegmentProver>, usize) {
    let mut built = 0;
    let provers = index.provers(|done, all| built += usize::from(done == all)).unwrap();
    (provers, built)
}

#[test]
fn lost_and_damaged_trees_are_built_again() {
    let folder = tempfile::tempdir().unwrap();
    let documents = documents(20, 1_500, 7);
    let index = SuffixIndex::open(folder.path(), CONFIG).unwrap();
    index.add(documents.clone()).unwrap();
    let (first, built) = provers(&index);
    let roots: Vec<B256> = first.iter().map(SegmentProver::root).collect();
    assert!(roots.len() > 3 && built == roots.len());
    let paths = files(&folder, "proofs");
    assert_eq!(paths.len(), roots.len());
    let sizes: u64 = first.iter().map(SegmentProver::file_bytes).sum();
    assert_eq!(sizes, paths.iter().map(|path| fs::metadata(path).unwrap().len()).sum::<u64>());
    drop(first);

    let reopen = |expected: usize| {
        let (provers, built) = provers(&index);
        assert_eq!(provers.iter().map(SegmentProver::root).collect::<Vec<_>>(), roots);
        assert_eq!(built, expected);
        let pattern = &documents[4].text[100..200];
        let (length, proof) = provers[0].prove_longest(pattern).unwrap();
        assert_eq!(proof.verify(roots[0], &Claim::Longest { pattern, length }), Ok(()));
    };
    reopen(0);
    let good = fs::read(&paths[0]).unwrap();
    for at in (0..64).chain((64..good.len()).step_by(97)).chain([good.len() - 1]) {
        let mut damaged = good.clone();
        damaged[at] ^= 4;
        fs::write(&paths[0], damaged).unwrap();
        reopen(1);
        assert_eq!(fs::read(&paths[0]).unwrap(), good, "byte {at}");
    }
    for length in [0, 10, 63, 64, good.len() / 2, good.len() - 1] {
        fs::write(&paths[0], &good[..length]).unwrap();
        reopen(1);
    }
    fs::remove_file(&paths[0]).unwrap();
    reopen(1);
    reopen(0);
}

/// A whole file with good checksums, of the same sizes, but of another segment.
#[test]
fn trees_of_another_segment_are_built_again() {
    let (folder, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let ours = documents(4, 900, 8);
    let mut theirs = ours.clone();
    // The same lengths throughout.
    theirs.iter_mut().for_each(|document| document.text.reverse());
    let open = |folder: &tempfile::TempDir, documents: &[Document]| {
        let index = SuffixIndex::open(folder.path(), IndexConfig::default()).unwrap();
        index.add(documents.to_vec()).unwrap();
        let root = index.provers(|_, _| {}).unwrap()[0].root();
        (index, root)
    };
    let ((index, root), (_, foreign)) = (open(&folder, &ours), open(&other, &theirs));
    assert_ne!(root, foreign);
    fs::copy(&files(&other, "proofs")[0], &files(&folder, "proofs")[0]).unwrap();
    let (provers, built) = provers(&index);
    assert_eq!((provers[0].root(), built), (root, 1));
}

#[test]
fn trees_of_segments_that_are_gone_are_removed() {
    let folder = tempfile::tempdir().unwrap();
    let index = SuffixIndex::open(folder.path(), IndexConfig { merge_at: 2, ..CONFIG }).unwrap();
    index.add(documents(2, 500, 9)).unwrap();
    let first = index.provers(|_, _| {}).unwrap()[0].root();
    let mut more = documents(1, 500, 10);
    more[0].contribution = ContributionId(50);
    index.add(more).unwrap();
    // Gone with the segment, not at the next proof: they are hashes of its text.
    assert_eq!(files(&folder, "proofs").len(), 0);
    let provers = index.provers(|_, _| {}).unwrap();
    assert_eq!(files(&folder, "proofs").len(), provers.len());
    assert!(provers.iter().all(|prover| prover.root() != first));

    // Erased: the segment is rebuilt without the text, and nothing of the old one is left.
    index.erase(&[ContributionId(2)].into()).unwrap();
    assert_eq!(files(&folder, "proofs").len(), 0);
    drop((index, provers));

    // A writer that was killed between the two removals.
    fs::write(folder.path().join("segment-0000000000000099.proofs"), b"x").unwrap();
    fs::write(folder.path().join("notes.proofs"), b"not ours").unwrap();
    let index = SuffixIndex::open(folder.path(), CONFIG).unwrap();
    assert_eq!(files(&folder, "proofs"), [folder.path().join("notes.proofs")]);
    let live = index.provers(|_, _| {}).unwrap().len();
    drop(index);
    SuffixIndex::open(folder.path(), CONFIG).unwrap();
    assert_eq!(files(&folder, "proofs").len(), live + 1);
}

#[test]
fn a_file_covers_the_whole_index_or_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let documents = documents(20, 1_500, 11);
    let index = SuffixIndex::open(folder.path(), CONFIG).unwrap();
    index.add(documents.clone()).unwrap();
    let provers = index.provers(|_, _| {}).unwrap();
    let roots: Vec<B256> = provers.iter().map(SegmentProver::root).collect();

    let shared = &documents[2].text[documents[2].text.len() - 600..];
    let count = index.count(shared, &Everyone).unwrap();
    assert!(count > 3);
    let file = ProofFile::prove(&provers, shared, Question::Count).unwrap();
    assert_eq!(file.verify(&roots).unwrap(), Verdict { segments: roots.len(), value: count });
    let read = ProofFile::from_json(file.to_json().as_bytes()).unwrap();
    assert_eq!(read, file);

    // One segment left out, twice, unknown, or with another's value.
    let error = |change: &dyn Fn(&mut ProofFile), roots: &[B256]| {
        let mut changed = file.clone();
        change(&mut changed);
        changed.verify(roots).unwrap_err()
    };
    assert!(matches!(error(&|file| drop(file.segments.pop()), &roots), FileError::Missing { .. }));
    assert!(matches!(error(&|_| {}, &roots[1..]), FileError::Unknown { index: 0, .. }));
    let twice = |file: &mut ProofFile| file.segments.push(file.segments[0].clone());
    assert!(matches!(error(&twice, &roots), FileError::TooMany { .. }));
    assert!(matches!(error(&|file| file.segments[1].value = None, &roots), FileError::Value { index: 1 }));
    let lie = |file: &mut ProofFile| *file.segments[1].value.as_mut().unwrap() += 1;
    assert!(matches!(error(&lie, &roots), FileError::Refused { index: 1, .. }));
    let swap = |file: &mut ProofFile| {
        let root = file.segments[0].root;
        file.segments[0].root = file.segments[1].root;
        file.segments[1].root = root;
    };
    assert!(matches!(error(&swap, &roots), FileError::Refused { .. }));

    let answer = [&documents[7].text[30..130], b"~ and what nobody wrote"].concat();
    let file = ProofFile::prove(&provers, &answer, Question::Longest).unwrap();
    assert_eq!(file.verify(&roots).unwrap(), Verdict { segments: roots.len(), value: 100 });
    let file = ProofFile::prove(&provers, &answer, Question::Absent).unwrap();
    assert_eq!(file.verify(&roots).unwrap().value, 0);
    let file = ProofFile::prove(&provers, shared, Question::Earlier(ContributionId(20))).unwrap();
    assert_eq!(file.verify(&roots).unwrap(), Verdict { segments: 1, value: 1 });
    // One proof is enough for a place, a second is one too many although it holds, and none is none.
    let question = Question::Earlier(ContributionId(20));
    let alone =
        provers.iter().filter_map(|prover| ProofFile::prove(std::slice::from_ref(prover), shared, question).ok());
    let mut both: Vec<ProofFile> = alone.take(2).collect();
    assert!(both.len() == 2 && both.iter().all(|file| file.verify(&roots).is_ok()));
    let second = both[1].segments.remove(0);
    both[0].segments.push(second);
    assert!(matches!(both[0].verify(&roots), Err(FileError::TooMany { index: 1 })));
    assert!(matches!(both[1].verify(&roots), Err(FileError::NotThere)));

    let place = Occurrence { contribution: ContributionId(8), document: 0, offset: 30 };
    let file = ProofFile::prove(&provers, &answer[..100], Question::Here(place)).unwrap();
    assert_eq!(file.verify(&roots).unwrap().value, 1);
    assert!(matches!(ProofFile::prove(&provers, &answer, Question::Here(place)), Err(FileError::NotThere)));
    let elsewhere = Occurrence { offset: u64::MAX, ..place };
    assert!(matches!(ProofFile::prove(&provers, b"a", Question::Here(elsewhere)), Err(FileError::NotThere)));
    assert!(matches!(
        ProofFile::prove(&provers, shared, Question::Earlier(ContributionId(1))),
        Err(FileError::NotThere)
    ));
    let shown = ProofFile::prove(&provers, shared, Question::Earlier(ContributionId(20))).unwrap().place();
    assert_eq!(shown, Some(Occurrence { contribution: ContributionId(3), document: 0, ..shown.unwrap() }));
    assert_eq!(file.place(), Some(Occurrence { contribution: ContributionId(8), document: 0, offset: 30 }));

    // Over no segments everything would be so.
    for question in [Question::Longest, Question::Absent, Question::Count, Question::Here(place)] {
        assert!(matches!(ProofFile::prove(&[], b"a", question), Err(FileError::NoSegments)));
        let none = ProofFile { segments: Vec::new(), ..file.clone() };
        assert!(matches!(none.verify(&[]), Err(FileError::NoSegments)));
    }
    let Err(FileError::Stands(place)) = ProofFile::prove(&provers, shared, Question::Absent) else { panic!() };
    assert_eq!(place.contribution, ContributionId(3));
}

/// Paths to every scalar below `value`.
fn leaves(value: &Value, path: &str, into: &mut Vec<String>) {
    match value {
        Value::Object(fields) => fields.iter().for_each(|(name, v)| leaves(v, &format!("{path}/{name}"), into)),
        Value::Array(items) => items.iter().enumerate().for_each(|(at, v)| leaves(v, &format!("{path}/{at}"), into)),
        _ => into.push(path.to_owned()),
    }
}

/// Others of the same type: numbers one more and one less, text with a character changed in each of a few places.
fn others(value: &Value) -> Vec<Value> {
    match value {
        Value::Number(number) => {
            let number = number.as_u64().unwrap();
            [number + 1, number.wrapping_sub(1), number / 2, number + (1 << 32)].map(Value::from).to_vec()
        }
        Value::String(text) => {
            let at = [2, text.len() / 3, text.len() / 2, text.len() - 1].map(|at| at.min(text.len() - 1));
            let changed = at.map(|at| {
                let other = if &text[at..=at] == "0" { "1" } else { "0" };
                Value::from(format!("{}{other}{}", &text[..at], &text[at + 1..]))
            });
            let longer = Value::from(format!("{text}00"));
            changed.into_iter().chain([longer]).collect()
        }
        other => panic!("not a scalar of a proof file: {other}"),
    }
}

/// Whether the documents bear a claim out, without an index.
fn is_true(claim: &FileClaim, verdict: Verdict, documents: &[Document]) -> bool {
    let texts = || documents.iter().map(|document| document.text.as_slice());
    let stands = |pattern: &[u8], text: &[u8]| text.windows(pattern.len()).any(|window| window == pattern);
    match claim {
        FileClaim::Longest { pattern } => {
            let anywhere = |length: usize| texts().any(|text| stands(&pattern[..length], text));
            let longest = (1..=pattern.len()).take_while(|length| anywhere(*length)).count();
            longest as u64 == verdict.value
        }
        FileClaim::Absent { pattern } => !texts().any(|text| stands(pattern, text)),
        FileClaim::Earlier { pattern, before } => {
            documents.iter().any(|document| document.contribution.0 < *before && stands(pattern, &document.text))
        }
        // Of these no other pattern follows.
        FileClaim::Here { .. } | FileClaim::Count { .. } => false,
    }
}

#[test]
fn every_changed_leaf_of_a_file_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let documents = documents(12, 1_500, 12);
    let index = SuffixIndex::open(folder.path(), CONFIG).unwrap();
    index.add(documents.clone()).unwrap();
    let provers = index.provers(|_, _| {}).unwrap();
    let roots: Vec<B256> = provers.iter().map(SegmentProver::root).collect();
    assert!(roots.len() > 1);
    let shared = &documents[2].text[documents[2].text.len() - 600..];
    let answer = [&documents[7].text[30..130], b"~ and what nobody wrote"].concat();
    let place = Occurrence { contribution: ContributionId(8), document: 0, offset: 30 };
    let cases = [
        // Leaves: format, kind and pattern; what else the kind has; root, proof and value of each segment.
        (&answer[..100], Question::Here(place), 3 + 3 + 2),
        (shared, Question::Earlier(ContributionId(9)), 3 + 1 + 2),
        (&answer, Question::Longest, 3 + 3 * roots.len()),
        (shared, Question::Count, 3 + 3 * roots.len()),
        (b"~nobody", Question::Absent, 3 + 2 * roots.len()),
    ];
    for (pattern, question, expected) in cases {
        let file = ProofFile::prove(&provers, pattern, question).unwrap();
        let good: Value = serde_json::from_str(&file.to_json()).unwrap();
        let mut paths = Vec::new();
        leaves(&good, "", &mut paths);
        assert_eq!(paths.len(), expected, "{paths:?}");
        for path in paths {
            let value = good.pointer(&path).unwrap();
            for other in others(value).into_iter().filter(|other| other != value) {
                let mut changed = good.clone();
                *changed.pointer_mut(&path).unwrap() = other.clone();
                let Ok(read) = ProofFile::from_json(changed.to_string().as_bytes()) else { continue };
                let Ok(verdict) = read.verify(&roots) else { continue };
                // Another claim may follow from the same bytes, and then it is true: behind the byte in which nothing
                // agrees any more the pattern may go on as it likes, and what precedes 9 precedes 10.
                assert!(["/claim/pattern", "/claim/before"].contains(&path.as_str()), "{question:?}: {path} = {other}");
                assert!(is_true(&read.claim, verdict, &documents), "{question:?}: {path} = {other}");
            }
        }
    }
}

#[test]
fn files_of_another_form_are_refused() {
    let good = r#"{"format":"fonte-proof-1","claim":{"kind":"absent","pattern":"0x61"},"segments":[]}"#;
    assert!(ProofFile::from_json(good.as_bytes()).is_ok());
    for bad in [
        "",
        "{}",
        &good.replace("fonte-proof-1", "fonte-proof-2"),
        &good.replace("absent", "present"),
        &good.replace("\"0x61\"", "\"0x6\""),
        &good.replace("[]", "[{}]"),
        &good.replace("\"segments\"", "\"more\":1,\"segments\""),
        &good.replace("\"pattern\"", "\"before\":1,\"pattern\""),
        &format!("{good}x"),
    ] {
        assert!(ProofFile::from_json(bad.as_bytes()).is_err(), "{bad}");
    }
}
