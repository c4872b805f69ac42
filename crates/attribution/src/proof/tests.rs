//! The adversary has the prover's own code, with honest openings of everything, and states what it likes. On small
//! segments all statements that a proof can make are tried: none may prove a falsehood, and every truth has its proof.

use fonte_types::{ContributionId, DatanetId};
use rand::{Rng, SeedableRng, rngs::StdRng};

use super::{
    Claim, ProofError, SegmentProver,
    verify::{Entry, SEPARATOR, Statement},
};
use crate::{Document, Occurrence};

/// Few letters, so that everything repeats; now and then the smallest and the largest byte.
fn documents(random: &mut StdRng, most: usize) -> Vec<Document> {
    let letters: &[u8] = [&b"ab"[..], b"abc", b"a", b"a\0", b"ab\xff", b"a\xfe\xff"][random.random_range(0..6)];
    let count = random.random_range(1..=5);
    let text = |random: &mut StdRng| {
        let length = random.random_range(0..=most);
        (0..length).map(|_| letters[random.random_range(0..letters.len())]).collect::<Vec<u8>>()
    };
    let mut documents: Vec<Document> = (0..count)
        .map(|at| Document {
            contribution: ContributionId(1 + at / 2),
            document: (at % 2) as u32,
            datanet: DatanetId(9),
            text: text(random),
        })
        .collect();
    if count > 1 && random.random_bool(0.3) {
        documents[1].text = documents[0].text.clone();
    }
    documents
}

fn pattern(random: &mut StdRng, documents: &[Document]) -> Vec<u8> {
    let text = &documents[random.random_range(0..documents.len())].text;
    let from = random.random_range(0..=text.len());
    let mut pattern = text[from..text.len().min(from + random.random_range(0..7))].to_vec();
    while pattern.is_empty() || random.random_bool(0.4) {
        pattern.push(b"abc\0\xfe"[random.random_range(0..5)]);
    }
    pattern
}

fn positions(document: &Document, pattern: &[u8]) -> Vec<usize> {
    (0..document.text.len()).filter(|at| document.text[*at..].starts_with(pattern)).collect()
}

/// What is so, by comparing everything with everything.
struct Truth {
    longest: usize,
    count: usize,
    places: Vec<(u64, u32, usize)>,
}

impl Truth {
    fn of(documents: &[Document], pattern: &[u8]) -> Self {
        let places: Vec<_> = documents
            .iter()
            .flat_map(|document| {
                positions(document, pattern).into_iter().map(|at| (document.contribution.0, document.document, at))
            })
            .collect();
        let longest = (0..=pattern.len())
            .rev()
            .find(|length| documents.iter().any(|document| !positions(document, &pattern[..*length]).is_empty()))
            .unwrap_or(0);
        Self { longest, count: places.len(), places }
    }

    fn agrees(&self, claim: &Claim<'_>) -> bool {
        match *claim {
            Claim::Here { contribution, document, offset, .. } => {
                self.places.contains(&(contribution, document, offset as usize))
            }
            Claim::Earlier { before, .. } => self.places.iter().any(|(contribution, ..)| *contribution < before),
            Claim::Longest { length, .. } => self.longest == length as usize,
            Claim::Absent { .. } => self.count == 0,
            Claim::Count { count, .. } => self.count == count as usize,
        }
    }
}

/// All claims about a pattern that could be confused with a true one.
fn claims<'a>(documents: &[Document], pattern: &'a [u8]) -> Vec<Claim<'a>> {
    let mut claims = vec![Claim::Absent { pattern }];
    claims.extend((0..=pattern.len() as u32 + 1).map(|length| Claim::Longest { pattern, length }));
    let bytes: usize = documents.iter().map(|document| document.text.len() + 1).sum();
    claims.extend((0..=bytes as u32 + 1).map(|count| Claim::Count { pattern, count }));
    claims.extend((0..=4).map(|before| Claim::Earlier { pattern, before }));
    claims
}

/// Every statement that fits the segment's size, whether anything about it is true or not.
fn statements(prover: &SegmentProver, longest: u16, random: &mut StdRng) -> Vec<Statement> {
    let bytes = prover.text_bytes() as u32;
    let mut statements = Vec::new();
    for rank in 0..=bytes {
        for length in 0..=longest {
            for upper in [true, false] {
                statements.push(Statement::Boundary { rank, upper, length });
            }
        }
        for lo in 0..rank {
            statements.push(Statement::Interval { lo, hi: rank, length: longest });
        }
    }
    for index in 0..prover.source.documents() {
        let honest = prover.source.entry(index);
        let mut entries = vec![honest];
        // Documents moved, stretched over their neighbours, or given to others.
        for _ in 0..4 {
            let start = random.random_range(0..bytes);
            let length = random.random_range(0..bytes - start);
            let contribution = random.random_range(1..4);
            entries.push(Entry { start, length, ..honest });
            entries.push(Entry { contribution, document: 0, ..honest });
        }
        for entry in entries {
            for offset in 0..=entry.length {
                statements.push(Statement::Place { index, entry, offset, length: longest });
            }
        }
    }
    statements
}

/// Whether the assembler can open what the statement needs; the verifier refuses the others by their numbers.
fn fits(prover: &SegmentProver, statement: &Statement) -> bool {
    let bytes = prover.text_bytes() as u32;
    let holds = |rank: u32, length: u32| prover.source.suffix(rank).unwrap() + length <= bytes;
    match *statement {
        Statement::Place { entry, offset, length, .. } => {
            length > 0 && entry.start + offset + u32::from(length) <= bytes
        }
        Statement::Boundary { rank, upper: true, length } => rank < bytes && holds(rank, u32::from(length) + 1),
        Statement::Boundary { rank, upper: false, length } => rank > 0 && holds(rank - 1, u32::from(length) + 1),
        Statement::Interval { lo, hi, length } => {
            length > 0 && holds(lo, length.into()) && holds(hi - 1, length.into())
        }
    }
}

/// Tries every statement on every claim about some patterns; returns how many proofs were accepted.
fn attack(random: &mut StdRng, most: usize) -> usize {
    let documents = documents(random, most);
    let prover = SegmentProver::of_documents(&documents).unwrap();
    let pattern = pattern(random, &documents);
    let truth = Truth::of(&documents, &pattern);
    let claims = claims(&documents, &pattern);
    let mut accepted = 0;
    for statement in statements(&prover, pattern.len() as u16, random) {
        if !fits(&prover, &statement) {
            continue;
        }
        let proof = prover.assemble(&statement).unwrap();
        let mut check = |claim: &Claim<'_>| {
            if proof.verify(prover.root(), claim).is_ok() {
                assert!(truth.agrees(claim), "{claim:?} by {statement:?} over {documents:?}");
                accepted += 1;
            }
        };
        claims.iter().for_each(&mut check);
        if let Statement::Place { entry, offset, .. } = statement {
            let Entry { contribution, document, .. } = entry;
            check(&Claim::Here { pattern: &pattern, contribution, document, offset });
        }
    }
    accepted
}

#[test]
fn no_statement_proves_a_falsehood() {
    let mut random = StdRng::seed_from_u64(11);
    let accepted: usize = (0..150).map(|_| attack(&mut random, 9)).sum();
    // That nothing false passed means something only if much that is true did.
    assert!(accepted > 1_000, "{accepted}");
}

#[test]
fn every_truth_has_its_proof() {
    let mut random = StdRng::seed_from_u64(12);
    for round in 0..400 {
        let documents = documents(&mut random, [5, 40, 300][round % 3]);
        let prover = SegmentProver::of_documents(&documents).unwrap();
        let root = prover.root();
        for _ in 0..20 {
            let pattern = pattern(&mut random, &documents);
            let truth = Truth::of(&documents, &pattern);
            for &(contribution, document, at) in &truth.places {
                let place = Occurrence { contribution: ContributionId(contribution), document, offset: at as u64 };
                let proof = prover.prove_here(&pattern, place).unwrap().unwrap();
                let claim = Claim::Here { pattern: &pattern, contribution, document, offset: at as u32 };
                assert_eq!(proof.verify(root, &claim), Ok(()), "{documents:?}");
            }
            for before in 0..5 {
                let earlier = prover.prove_earlier(&pattern, ContributionId(before)).unwrap();
                let first = truth.places.first().filter(|place| place.0 < before);
                let place =
                    earlier.as_ref().map(|(place, _)| (place.contribution.0, place.document, place.offset as usize));
                assert_eq!(place, first.copied(), "{documents:?}");
                if let Some((_, proof)) = earlier {
                    assert_eq!(proof.verify(root, &Claim::Earlier { pattern: &pattern, before }), Ok(()));
                }
            }
            if let Some(at) = pattern.iter().position(|byte| *byte == SEPARATOR) {
                let refused = Some(ProofError::PatternSeparator { at });
                let of = |error| match error {
                    super::ProveError::Pattern(error) => Some(error),
                    _ => None,
                };
                assert_eq!(prover.prove_longest(&pattern).map_err(of).err(), Some(refused));
                assert_eq!(prover.prove_count(&pattern).map_err(of).err(), Some(refused));
                assert_eq!(prover.prove_absent(&pattern).map_err(of).err(), Some(refused));
                continue;
            }
            let (length, proof) = prover.prove_longest(&pattern).unwrap();
            assert_eq!(length as usize, truth.longest, "{pattern:?} in {documents:?}");
            assert_eq!(proof.verify(root, &Claim::Longest { pattern: &pattern, length }), Ok(()), "{documents:?}");
            let (count, proof) = prover.prove_count(&pattern).unwrap();
            assert_eq!(count as usize, truth.count, "{pattern:?} in {documents:?}");
            assert_eq!(proof.verify(root, &Claim::Count { pattern: &pattern, count }), Ok(()), "{documents:?}");
            let absent = prover.prove_absent(&pattern).unwrap();
            assert_eq!(absent.is_some(), truth.count == 0);
            if let Some(proof) = absent {
                assert_eq!(proof.verify(root, &Claim::Absent { pattern: &pattern }), Ok(()));
            }
        }
    }
}
