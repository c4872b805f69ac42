//! The commitment as plainly as possible, over any rows and entries, true or not: a liar's tool, and the independent
//! second statement of `docs/spec/proofs.md` §2 that the fast trees are held equal to.

use std::collections::BTreeSet;

use super::{
    trees::hash,
    verify::{Entry, Hash, LEAF_ROWS, Opened, ROW, Row, SEPARATOR, Statement, TEXT_LEAF},
};
use crate::Document;

/// A segment spelled out.
#[derive(Clone, Debug)]
pub(super) struct Plain {
    pub(super) text: Vec<u8>,
    pub(super) rows: Vec<Row>,
    pub(super) entries: Vec<Entry>,
}

impl Plain {
    pub(super) fn of(documents: &[Document]) -> Self {
        let mut sorted: Vec<&Document> = documents.iter().collect();
        sorted.sort_by_key(|document| (document.contribution, document.document));
        let (mut text, mut entries) = (Vec::new(), Vec::new());
        for document in sorted {
            entries.push(Entry {
                contribution: document.contribution.0,
                document: document.document,
                datanet: document.datanet.0,
                start: text.len() as u32,
                length: document.text.len() as u32,
            });
            text.extend_from_slice(&document.text);
            text.push(SEPARATOR);
        }
        let mut suffixes: Vec<usize> = (0..text.len()).collect();
        suffixes.sort_by_key(|at| &text[*at..]);
        let rows = Self::rows_of(&text, &suffixes);
        Self { text, rows, entries }
    }

    /// True of neighbours, whatever their order.
    pub(super) fn rows_of(text: &[u8], suffixes: &[usize]) -> Vec<Row> {
        let mut rows = vec![Row { position: suffixes[0] as u32, shared: 0, before: 0 }];
        for pair in suffixes.windows(2) {
            let (a, b) = (&text[pair[0]..], &text[pair[1]..]);
            let shared = a.iter().zip(b).take_while(|(x, y)| x == y).count().min(usize::from(u16::MAX));
            let before = if shared == usize::from(u16::MAX) { 0 } else { a.get(shared).copied().unwrap_or(0) };
            rows.push(Row { position: pair[1] as u32, shared: shared as u16, before });
        }
        rows
    }

    fn leaves(&self) -> [Vec<Hash>; 3] {
        let tagged = |tag: u8, bytes: &[u8]| hash(&[&[tag], bytes].concat());
        let rows: Vec<u8> = self.rows.iter().flat_map(Row::encode).collect();
        [
            self.text.chunks(TEXT_LEAF).map(|text| tagged(0x20, text)).collect(),
            rows.chunks(ROW * LEAF_ROWS).map(|rows| tagged(0x21, rows)).collect(),
            self.entries.iter().map(|entry| tagged(0x22, &entry.encode())).collect(),
        ]
    }

    pub(super) fn root(&self) -> Hash {
        let sizes = [self.text.len() as u32, self.entries.len() as u32].map(u32::to_be_bytes);
        let roots = self.leaves().map(|leaves| climb(&leaves));
        hash(&[&[0x24][..], sizes.as_flattened(), roots.as_flattened()].concat())
    }

    /// The proof's bytes; `None` where the statement leads past the text.
    pub(super) fn assemble(&self, statement: &Statement) -> Option<Vec<u8>> {
        let (text_bytes, documents) = (self.text.len() as u32, self.entries.len() as u32);
        let (head, length) = statement.encode(text_bytes, documents);
        let mut out = head[..length].to_vec();
        let [text_leaves, row_leaves, entry_leaves] = self.leaves();
        let set = |opened: &Opened| opened.leaves().map(|leaf| leaf as usize).collect::<BTreeSet<usize>>();
        let (opened_rows, opened_entries) =
            (set(&statement.row_leaves(text_bytes)), set(&statement.entries(documents)));
        for leaf in &opened_rows {
            let rows = self.rows.iter().skip(leaf * LEAF_ROWS).take(LEAF_ROWS);
            out.extend(rows.flat_map(Row::encode));
        }
        out.extend(opened_entries.iter().flat_map(|index| self.entries[*index].encode()));
        siblings(&row_leaves, &opened_rows, &mut out);
        siblings(&entry_leaves, &opened_entries, &mut out);
        let places =
            statement.places(text_bytes, |rank| self.rows[rank as usize], |index| self.entries[index as usize]).ok()?;
        let opened = set(&places.opened);
        for leaf in &opened {
            let text = self.text.iter().enumerate().skip(leaf * TEXT_LEAF).take(TEXT_LEAF);
            out.extend(text.filter(|(at, _)| !places.holds(*at as u32)).map(|(_, byte)| *byte));
        }
        siblings(&text_leaves, &opened, &mut out);
        Some(out)
    }

    /// A statement that refutes this segment; `None` where it is right.
    pub(super) fn fault(&self) -> Option<Statement> {
        let text_bytes = self.text.len() as u64;
        let mut ranks = vec![None; self.text.len()];
        for (row, rank) in self.rows.iter().zip(0..) {
            match ranks.get_mut(row.position as usize) {
                Some(first @ None) => *first = Some(rank),
                Some(Some(lo)) => return Some(Statement::Twice { lo: *lo, hi: rank }),
                None => return Some(Statement::FaultyRow { rank, at: 0 }),
            }
        }
        let suffixes: Vec<usize> = self.rows.iter().map(|row| row.position as usize).collect();
        for ((row, due), rank) in self.rows.iter().zip(Self::rows_of(&self.text, &suffixes)).zip(0..) {
            let lower = rank > 0 && self.text[suffixes[rank as usize - 1]..] > self.text[suffixes[rank as usize]..];
            if *row != due || lower {
                // Too much is called shared: the first byte that differs. Else the byte behind what is.
                return Some(Statement::FaultyRow { rank, at: row.shared.min(due.shared) });
            }
        }
        let mut end = 0;
        let mut name = None;
        for (entry, index) in self.entries.iter().zip(0..) {
            let due = name < Some((entry.contribution, entry.document)) && u64::from(entry.start) == end;
            name = Some((entry.contribution, entry.document));
            end = u64::from(entry.start) + u64::from(entry.length) + 1;
            if !due || (index + 1 == self.entries.len() as u32 && end != text_bytes) {
                return Some(Statement::FaultyEntry { index });
            }
            // One that leads past the text does not meet its successor.
            if self.text.get(end as usize - 1).is_some_and(|byte| *byte != SEPARATOR) {
                return Some(Statement::NoSeparator { index });
            }
        }
        None
    }
}

fn pairs(level: &[Hash]) -> Vec<Hash> {
    let join =
        |pair: &[Hash]| if pair.len() == 2 { hash(&[&[0x23][..], pair.as_flattened()].concat()) } else { pair[0] };
    level.chunks(2).map(join).collect()
}

fn climb(leaves: &[Hash]) -> Hash {
    let mut level = leaves.to_vec();
    while level.len() > 1 {
        level = pairs(&level);
    }
    level[0]
}

/// What is not above an opened leaf, but whose parent is; left to right as a tree is read.
fn siblings(leaves: &[Hash], opened: &BTreeSet<usize>, out: &mut Vec<u8>) {
    if opened.is_empty() {
        out.extend_from_slice(&climb(leaves));
        return;
    }
    let mut found: Vec<(usize, Hash)> = Vec::new();
    let (mut level, mut above, mut width) = (leaves.to_vec(), opened.clone(), 1);
    while level.len() > 1 {
        let lacking: BTreeSet<usize> =
            above.iter().map(|at| at ^ 1).filter(|at| *at < level.len() && !above.contains(at)).collect();
        found.extend(lacking.into_iter().map(|at| (at * width, level[at])));
        above = above.into_iter().map(|at| at / 2).collect();
        level = pairs(&level);
        width *= 2;
    }
    // Nodes that cover no common leaf are in order by the first leaf that they cover.
    found.sort_by_key(|(first, _)| *first);
    out.extend(found.into_iter().flat_map(|(_, hash)| hash));
}
