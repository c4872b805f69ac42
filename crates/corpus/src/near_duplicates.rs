//! The near-duplicate report: which earlier documents a new contribution repeats. For whoever reviews it.
//!
//! **Words** are runs of letters and digits in lower case; a Chinese or Japanese character is a word of its own. A
//! **shingle** is three words in a row; `S(d)` is the set of a document's shingles. Of a new document `a` and an
//! earlier one `b` are measured, in integers and exactly:
//!
//! * resemblance `J = ⌊10^6 · |S(a) ∩ S(b)| / |S(a) ∪ S(b)|⌋` and containment `C = ⌊10^6 · |S(a) ∩ S(b)| / |S(x)|⌋`,
//!   `x` the smaller of the two (Broder, *On the resemblance and containment of documents*, 1997);
//! * overlap: the bytes of `a` that lie in a window of [`WINDOW`] bytes which `b` holds, and those of `b` that lie in a
//!   window which `a` holds. These are the bytes that attribution gives to the earlier of the two.
//!
//! A pair is reported where `J` is at least [`RESEMBLES`] ([`Reason::Resembles`]), or the overlap at least half of
//! either document ([`Reason::Overlaps`]), or `C` at least [`CONTAINED`] ([`Reason::Reworded`]): the last finds what
//! was edited until no window of it is left.
//!
//! `J` is computed, not estimated; sequences are told apart by 64 bits of a keyed hash, which two of them share once in
//! thousands of the largest comparisons. MinHash would save reading the earlier texts again, at an error of some percent per
//! pair; a reviewer's question is rare enough to read them. Earlier documents pass one by one and are forgotten, so
//! memory follows the new texts (at most [`MAX_NEW_BYTES`] at a time) and the longest earlier document (six times its bytes
//! at most), not the corpus.
//!
//! ```
//! use fonte_corpus::near_duplicates::{Comparison, Reason};
//! use fonte_types::ContributionId;
//!
//! let earlier = "The lock keeper counts eels by lantern. He writes the number on the gate in chalk, every night.";
//! let new = "Hello readers! The lock keeper counts eels by lantern. He writes the number on the gate in chalk.";
//! let mut comparison = Comparison::new([new])?;
//! comparison.with(ContributionId(7), 0, earlier);
//! let found = comparison.finish();
//! assert_eq!((found[0].contribution, found[0].reason), (ContributionId(7), Reason::Overlaps));
//! assert_eq!(found[0].overlap_bytes, 81);
//! # Ok::<(), fonte_corpus::near_duplicates::TooLarge>(())
//! ```

use std::{
    collections::HashMap,
    hash::{BuildHasher, RandomState},
};

use fonte_types::{ContributionId, WINDOW};
use serde::Serialize;

/// `J` in ppm from which two documents resemble each other.
pub const RESEMBLES: u32 = 800_000;

/// `C` in ppm from which one document is a rewording of the other.
pub const CONTAINED: u32 = 250_000;

/// New text that is compared in one pass; a larger contribution is compared in several.
pub const MAX_NEW_BYTES: usize = 16 << 20;

/// Earlier documents that are named for one new document, those it repeats most.
pub const MOST_PER_DOCUMENT: usize = 32;

/// Pairs whose shared shingles are a smaller part of the smaller document than this, in ppm, and where they stand in
/// either document a smaller part of all its places, are not looked at byte by byte. Half of a prose text in windows of 32
/// bytes keeps more: such a window holds about five words, so about three shingles of every eight survive where windows
/// stand alone, and more where they join. Places count, as one stretch may stand in a document many times.
const WORTH_A_LOOK: u32 = 80_000;

/// Pairs that share fewer shingles, or share them in fewer places, are chance: a name, a figure, a turn of speech.
const FEWEST_SHARED: u32 = 4;

/// Why a pair is reported: the first that holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Reason {
    /// As wholes they are nearly the same.
    Resembles,
    /// At least half of one of them stands in the other, byte for byte.
    Overlaps,
    /// A quarter of the smaller one's three-word sequences stands in the other: edited or reworded.
    Reworded,
}

/// A new document and an earlier one that it repeats.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct NearDuplicate {
    /// Index of the new document.
    pub document: u32,
    /// Whose the earlier one is.
    pub contribution: ContributionId,
    /// Its index there.
    pub earlier_document: u32,
    /// Why.
    pub reason: Reason,
    /// `J`, in ppm.
    pub resemblance_ppm: u32,
    /// `C`, in ppm.
    pub containment_ppm: u32,
    /// Bytes of the new document that stand in the earlier one.
    pub overlap_bytes: u64,
    /// Bytes of the new document.
    pub bytes: u64,
    /// Bytes of the earlier document that stand in the new one.
    pub earlier_overlap_bytes: u64,
    /// Bytes of the earlier document.
    pub earlier_bytes: u64,
}

/// The new texts are more than one pass compares.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{bytes} bytes of new text are over the {MAX_NEW_BYTES} of one comparison: compare the documents in parts")]
pub struct TooLarge {
    /// Bytes given.
    pub bytes: usize,
}

/// Windows of the new text that are looked for in an earlier one at once: their table is some 100 MB.
const PART: usize = 7 << 19;

/// Hash of three words in a row.
type Shingle = u64;

/// New documents, compared with one earlier document after the other.
#[derive(Debug)]
pub struct Comparison<'a> {
    texts: Vec<&'a str>,
    /// Keyed at random, so that nobody can write a text whose sequences are taken for others.
    hasher: RandomState,
    /// Per shingle, where its documents begin in `holders`, and how many they are.
    shingles: HashMap<Shingle, (u32, u32)>,
    /// A document that holds a shingle, and in how many places.
    holders: Vec<(u32, u32)>,
    /// `|S(a)|` per new document, and the places of all its shingles.
    sizes: Vec<(u32, u32)>,
    /// Per new document.
    found: Vec<Vec<NearDuplicate>>,
}

impl<'a> Comparison<'a> {
    /// Takes the new texts, in the order of their documents.
    ///
    /// # Errors
    /// [`TooLarge`] past [`MAX_NEW_BYTES`].
    pub fn new(texts: impl IntoIterator<Item = &'a str>) -> Result<Self, TooLarge> {
        let texts: Vec<&str> = texts.into_iter().collect();
        let bytes = texts.iter().map(|text| text.len()).sum();
        if bytes > MAX_NEW_BYTES {
            return Err(TooLarge { bytes });
        }
        let hasher = RandomState::new();
        let mut all: Vec<(Shingle, (u32, u32))> = Vec::new();
        let mut sizes = Vec::with_capacity(texts.len());
        for (document, text) in (0..).zip(&texts) {
            let (own, before) = (shingles_of(text, &hasher), all.len());
            all.extend(own.chunk_by(Shingle::eq).map(|same| (same[0], (document, index(same.len())))));
            sizes.push((index(all.len() - before), index(own.len())));
        }
        all.sort_unstable();
        let mut shingles = HashMap::with_capacity(all.len());
        let mut at = 0;
        for group in all.chunk_by(|a, b| a.0 == b.0) {
            shingles.insert(group[0].0, (index(at), index(group.len())));
            at += group.len();
        }
        let holders = all.into_iter().map(|(_, holder)| holder).collect();
        let found = vec![Vec::new(); texts.len()];
        Ok(Self { texts, hasher, shingles, holders, sizes, found })
    }

    /// Compares them with one earlier document.
    pub fn with(&mut self, contribution: ContributionId, document: u32, text: &str) {
        let earlier = shingles_of(text, &self.hasher);
        // Shingles, and their places in the new and in the earlier document.
        let mut shared = vec![(0u32, 0u32, 0u32); self.texts.len()];
        let mut earlier_size = 0;
        for same in earlier.chunk_by(Shingle::eq) {
            earlier_size += 1;
            if let Some((start, count)) = self.shingles.get(&same[0]) {
                for (holder, places) in &self.holders[*start as usize..(start + count) as usize] {
                    let shared = &mut shared[*holder as usize];
                    *shared = (shared.0 + 1, shared.1 + places, shared.2 + index(same.len()));
                }
            }
        }
        let earlier_places = index(earlier.len());
        drop(earlier);
        for (new, (shared, own_shared, earlier_shared)) in (0..).zip(shared) {
            if shared == 0 {
                continue;
            }
            let (size, places) = self.sizes[new as usize];
            let smaller = size.min(earlier_size);
            let fewest = FEWEST_SHARED.min(smaller);
            let containment_ppm = ppm(shared, smaller);
            let part = containment_ppm.max(ppm(own_shared, places)).max(ppm(earlier_shared, earlier_places));
            if part < WORTH_A_LOOK || own_shared.max(earlier_shared) < fewest {
                continue;
            }
            let own = self.texts[new as usize];
            let (overlap, earlier_overlap) = overlaps(own, text, PART);
            let resemblance_ppm = ppm(shared, size + earlier_size - shared);
            let half = |part: usize, whole: usize| part > 0 && part * 2 >= whole;
            let reason = if resemblance_ppm >= RESEMBLES {
                Reason::Resembles
            } else if half(overlap, own.len()) || half(earlier_overlap, text.len()) {
                Reason::Overlaps
            } else if containment_ppm >= CONTAINED && shared >= fewest {
                Reason::Reworded
            } else {
                continue;
            };
            let found = &mut self.found[new as usize];
            found.push(NearDuplicate {
                document: new,
                contribution,
                earlier_document: document,
                reason,
                resemblance_ppm,
                containment_ppm,
                overlap_bytes: overlap as u64,
                bytes: own.len() as u64,
                earlier_overlap_bytes: earlier_overlap as u64,
                earlier_bytes: text.len() as u64,
            });
            if found.len() >= 2 * MOST_PER_DOCUMENT {
                keep_most(found);
            }
        }
    }

    /// What was found: by new document, the [`MOST_PER_DOCUMENT`] that it repeats most, most first, then by contribution
    /// and document.
    pub fn finish(mut self) -> Vec<NearDuplicate> {
        self.found.iter_mut().for_each(keep_most);
        self.found.concat()
    }
}

fn keep_most(found: &mut Vec<NearDuplicate>) {
    found.sort_by_key(|pair| {
        let most = std::cmp::Reverse((pair.overlap_bytes, pair.containment_ppm, pair.resemblance_ppm));
        (most, pair.contribution, pair.earlier_document)
    });
    found.truncate(MOST_PER_DOCUMENT);
}

fn index(count: usize) -> u32 {
    u32::try_from(count).expect("a text of less than 4 GiB has fewer words")
}

fn ppm(part: u32, whole: u32) -> u32 {
    let ppm = u64::from(part) * 1_000_000 / u64::from(whole.max(1));
    u32::try_from(ppm).expect("a part is at most the whole")
}

/// The shingles of a text, ascending, each as often as it stands there.
fn shingles_of(text: &str, hasher: &RandomState) -> Vec<Shingle> {
    // A word and what parts it from the next take two bytes at least.
    let mut shingles = Vec::with_capacity(text.len() / 2 + 1);
    // Zeros fill a document of fewer than three words up.
    let mut last = [0; 3];
    let mut count = 0;
    let mut lower = String::new();
    each_word(text, |word| {
        lower.clear();
        lower.extend(word.chars().flat_map(char::to_lowercase));
        last = [last[1], last[2], hasher.hash_one(lower.as_str())];
        count += 1;
        if count >= 3 {
            shingles.push(hasher.hash_one(last));
        }
    });
    if (1..3).contains(&count) {
        shingles.push(hasher.hash_one(last));
    }
    shingles.sort_unstable();
    shingles
}

fn each_word(text: &str, mut word: impl FnMut(&str)) {
    let mut start = None;
    for (at, c) in text.char_indices() {
        let alone = is_ideograph(c);
        if let Some(from) = start
            && (alone || !c.is_alphanumeric())
        {
            word(&text[from..at]);
            start = None;
        }
        if alone {
            word(&text[at..at + c.len_utf8()]);
        } else if c.is_alphanumeric() && start.is_none() {
            start = Some(at);
        }
    }
    if let Some(from) = start {
        word(&text[from..]);
    }
}

/// Kana and Chinese characters: scripts that put no spaces between words.
fn is_ideograph(c: char) -> bool {
    matches!(c, '\u{3040}'..='\u{30ff}' | '\u{3400}'..='\u{4dbf}' | '\u{4e00}'..='\u{9fff}' | '\u{20000}'..='\u{3134f}')
}

/// Bytes of the new text that lie in a window which the earlier one holds, and of the earlier text in one which the new
/// one holds. At most `part` windows of the new text are in memory.
fn overlaps(new: &str, earlier: &str, part: usize) -> (usize, usize) {
    let new = new.as_bytes();
    let mut hit = vec![false; earlier.len()];
    let (mut bytes, mut end) = (0, 0);
    for first in (0..(new.len() + 1).saturating_sub(WINDOW)).step_by(part) {
        let text = &new[first..new.len().min(first + part + WINDOW - 1)];
        let mut held: HashMap<&[u8], bool> = text.windows(WINDOW).map(|window| (window, false)).collect();
        for (window, hit) in earlier.as_bytes().windows(WINDOW).zip(&mut hit) {
            if let Some(found) = held.get_mut(window) {
                (*found, *hit) = (true, true);
            }
        }
        for (at, window) in (first..).zip(text.windows(WINDOW)) {
            if held[window] {
                cover(at, &mut bytes, &mut end);
            }
        }
    }
    let (mut earlier_bytes, mut end) = (0, 0);
    hit.iter().enumerate().filter(|(_, hit)| **hit).for_each(|(at, _)| cover(at, &mut earlier_bytes, &mut end));
    (bytes, earlier_bytes)
}

/// Counts the bytes of a window that no window before it covered.
fn cover(start: usize, bytes: &mut usize, end: &mut usize) {
    *bytes += start + WINDOW - (*end).max(start);
    *end = start + WINDOW;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn measures_are_those_of_the_definition() {
        // Ten sequences of three words each; the eight before the last two words are the same: eight of twelve.
        let mut comparison = Comparison::new(["a b c d e f g h i j k l"]).unwrap();
        comparison.with(ContributionId(1), 2, "A, b c. D e f G h i j x y");
        // One sequence fewer shared than is worth a report.
        comparison.with(ContributionId(2), 0, "a b c d e z y x w v u t");
        let found = comparison.finish();
        assert_eq!((found.len(), found[0].contribution), (1, ContributionId(1)));
        assert_eq!((found[0].resemblance_ppm, found[0].containment_ppm), (666_666, 800_000));
        assert_eq!((found[0].reason, found[0].overlap_bytes), (Reason::Reworded, 0));

        let window = "abcdefghijklmnopqrstuvwxyz012345";
        let overlap = |new: &str, earlier: &str| overlaps(new, earlier, PART);
        assert_eq!(overlap(&format!("{window}6"), window), (32, 32));
        assert_eq!(overlap(&format!("{window}-{window}"), window), (64, 32));
        assert_eq!(overlap(&window[1..], window), (0, 0));
        assert_eq!((overlap("", window), overlap(window, "")), ((0, 0), (0, 0)));
    }

    /// Bytes of `text` that lie in a window which `other` holds, as the definition has it.
    fn overlap_of(text: &[u8], other: &[u8]) -> usize {
        let held: std::collections::HashSet<&[u8]> = other.windows(WINDOW).collect();
        let within = |at: usize| {
            let windows = at.saturating_sub(WINDOW - 1)..=at;
            windows.into_iter().filter_map(|start| text.get(start..start + WINDOW)).any(|window| held.contains(window))
        };
        (0..text.len()).filter(|at| within(*at)).count()
    }

    #[test]
    fn in_parts_the_overlap_is_the_same() {
        // Texts of two letters repeat themselves; pieces of one stand in the other.
        let mut state = 7u32;
        let mut letters = |count: usize| -> String {
            let mut letter = |_| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                if state >> 31 == 0 { 'a' } else { 'b' }
            };
            (0..count).map(&mut letter).collect()
        };
        let (a, b, c) = (letters(700), letters(90), letters(300));
        let new = format!("{a}{b}{}{c}{}", "a".repeat(100), &a[200..260]);
        let earlier = format!("{c}{}{b}{}{b}", "a".repeat(60), &a[650..]);
        let expected = (overlap_of(new.as_bytes(), earlier.as_bytes()), overlap_of(earlier.as_bytes(), new.as_bytes()));
        assert!(expected.0 > 400 && expected.0 < new.len() && expected.1 > 400);
        for part in [1, 2, 31, 32, 33, 100, 1000, PART] {
            assert_eq!(overlaps(&new, &earlier, part), expected, "{part}");
        }
    }

    #[test]
    fn words_are_words() {
        let words = |text: &str| {
            let mut out = Vec::new();
            each_word(text, |word| out.push(word.to_owned()));
            out
        };
        assert_eq!(words("É a 1ª vez—sim!"), ["É", "a", "1ª", "vez", "sim"]);
        assert_eq!(words("東京tower"), ["東", "京", "tower"]);
        assert!(words(" … ").is_empty());
        let found = {
            let mut comparison = Comparison::new(["", "?!", "one two"]).unwrap();
            comparison.with(ContributionId(1), 0, "");
            comparison.with(ContributionId(2), 0, "One two!");
            comparison.finish()
        };
        assert_eq!(found.len(), 1);
        assert_eq!((found[0].document, found[0].reason), (2, Reason::Resembles));
    }

    #[test]
    fn what_is_too_large_is_refused() {
        let text = "x".repeat(MAX_NEW_BYTES + 1);
        assert_eq!(Comparison::new([text.as_str()]).unwrap_err(), TooLarge { bytes: MAX_NEW_BYTES + 1 });
    }
}
