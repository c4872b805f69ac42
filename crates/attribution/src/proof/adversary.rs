//! An adversary with the prover's own code and honest openings of everything, who states what it likes: on small
//! segments, every statement that the format can express, against every claim that could be confused with it. For tests
//! and the fuzzer.

use fonte_types::{ContributionId, DatanetId};

use super::{Claim, SegmentProver, verify::Statement};
use crate::Document;

/// How often something was tried and how often it proved a truth.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tries {
    /// Pairs of a proof and a claim.
    pub tried: u64,
    /// Pairs that were accepted; all of them true.
    pub accepted: u64,
}

/// A number below the argument.
pub type Draw<'a> = &'a mut dyn FnMut(usize) -> usize;

/// Tries every statement on every claim about one pattern over one random segment; panics if a falsehood passes.
pub fn attack(draw: Draw<'_>, most: usize) -> Tries {
    let documents = documents(draw, most);
    let prover = SegmentProver::of_documents(&documents).expect("small documents make a segment");
    let pattern = pattern(draw, &documents);
    let truth = Truth::of(&documents, &pattern);
    let claims = claims(&documents, &pattern);
    let mut tries = Tries::default();
    for statement in statements(&prover, pattern.len() as u16) {
        // What leads past the text has no openings; the verifier refuses such numbers by themselves.
        let Ok(proof) = prover.assemble(&statement) else { continue };
        let mut check = |claim: &Claim<'_>| {
            tries.tried += 1;
            if proof.verify(prover.root(), claim).is_ok() {
                assert!(truth.agrees(claim), "{claim:?} by {statement:?} over {documents:?}");
                tries.accepted += 1;
            }
        };
        claims.iter().for_each(&mut check);
        if let Statement::Place { offset, .. } = statement {
            for document in &documents {
                let (contribution, document) = (document.contribution.0, document.document);
                check(&Claim::Here { pattern: &pattern, contribution, document, offset });
            }
        }
    }
    tries
}

/// Few letters, so that everything repeats; now and then the smallest and the largest byte.
pub fn documents(draw: Draw<'_>, most: usize) -> Vec<Document> {
    let letters: &[u8] = [&b"ab"[..], b"abc", b"a", b"a\0", b"ab\xff", b"a\xfe\xff"][draw(6)];
    let count = 1 + draw(5) as u64;
    let mut documents = Vec::new();
    for at in 0..count {
        let length = draw(most + 1);
        let text = (0..length).map(|_| letters[draw(letters.len())]).collect();
        let (contribution, document) = (ContributionId(1 + at / 2), (at % 2) as u32);
        documents.push(Document { contribution, document, datanet: DatanetId(9), text });
    }
    if count > 1 && draw(3) == 0 {
        documents[1].text = documents[0].text.clone();
    }
    documents
}

/// Something from a document, changed or not.
pub fn pattern(draw: Draw<'_>, documents: &[Document]) -> Vec<u8> {
    let text = &documents[draw(documents.len())].text;
    let from = draw(text.len() + 1);
    let mut pattern = text[from..text.len().min(from + draw(7))].to_vec();
    while pattern.is_empty() || draw(5) < 2 {
        pattern.push(b"abc\0\xfe"[draw(5)]);
    }
    pattern
}

/// What is so, by comparing everything with everything.
pub struct Truth {
    /// Longest prefix in any document.
    pub longest: usize,
    /// Occurrences.
    pub count: usize,
    /// Contribution, document and offset of each.
    pub places: Vec<(u64, u32, usize)>,
}

impl Truth {
    /// About a pattern; the documents are in order.
    pub fn of(documents: &[Document], pattern: &[u8]) -> Self {
        let positions = |document: &Document, pattern: &[u8]| -> Vec<usize> {
            (0..document.text.len()).filter(|at| document.text[*at..].starts_with(pattern)).collect()
        };
        let mut places = Vec::new();
        for document in documents {
            let name = (document.contribution.0, document.document);
            places.extend(positions(document, pattern).into_iter().map(|at| (name.0, name.1, at)));
        }
        let stands =
            |length: &usize| documents.iter().any(|document| !positions(document, &pattern[..*length]).is_empty());
        let longest = (1..=pattern.len()).rev().find(stands).unwrap_or(0);
        Self { longest, count: places.len(), places }
    }

    /// Whether a claim is true.
    pub fn agrees(&self, claim: &Claim<'_>) -> bool {
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

fn claims<'a>(documents: &[Document], pattern: &'a [u8]) -> Vec<Claim<'a>> {
    let mut claims = vec![Claim::Absent { pattern }];
    claims.extend((0..=pattern.len() as u32 + 1).map(|length| Claim::Longest { pattern, length }));
    let bytes: usize = documents.iter().map(|document| document.text.len() + 1).sum();
    claims.extend((0..=bytes as u32 + 1).map(|count| Claim::Count { pattern, count }));
    claims.extend((0..=4).map(|before| Claim::Earlier { pattern, before }));
    claims
}

/// Every statement about a pattern that fits the segment's size, whether anything about it is true or not.
fn statements(prover: &SegmentProver, longest: u16) -> Vec<Statement> {
    let bytes = prover.text_bytes() as u32;
    let mut statements = Vec::new();
    for rank in 0..=bytes {
        for length in 0..=longest {
            if rank < bytes {
                statements.push(Statement::Boundary { rank, upper: true, length });
            }
            if rank > 0 {
                statements.push(Statement::Boundary { rank, upper: false, length });
            }
        }
        statements.extend((0..rank).map(|lo| Statement::Interval { lo, hi: rank, length: longest }));
    }
    for index in 0..prover.source.documents() {
        let offsets = 0..=prover.source.entry(index).length + 1;
        statements.extend(offsets.map(|offset| Statement::Place { index, offset, length: longest }));
    }
    statements
}
