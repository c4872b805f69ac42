//! How well a sentence answers a clause: the share of the question's weight that it covers, itself or through what
//! stands around it.

use std::ops::Range;

use super::{
    Passage,
    cues::{Kind, Kinds, kinds_in},
    prose::is_word_list,
    question::{Clause, Meets, Memory},
    terms::{Language, Word, words},
};

/// What a term counts, in percent of its weight, by where it is found. The nearer, the more.
const IN_SENTENCE: u32 = 100;
const AS_KIND: u32 = 80;
const IN_SENTENCE_BEFORE: u32 = 70;
const IN_TITLE: u32 = 65;
const IN_SENTENCE_AFTER: u32 = 55;
const IN_PARAGRAPH: u32 = 45;
const IN_DOCUMENT: u32 = 25;

/// What another form of the word counts of that, in percent: "roasted" for "roast", and "roaster" for "roast".
const SAME_STEM: u32 = 96;
const RELATED: u32 = 75;

/// Words of a title, and of author and address, that are looked at.
const MAX_TITLE_WORDS: usize = 16;

/// Bytes of a passage that are read: how long one may be is the caller's affair.
const MAX_PASSAGE: usize = 512 << 10;

/// A sentence without a number loses this much, in percent, where a quantity is asked for.
const WITHOUT_QUANTITY: u32 = 60;

/// A sentence that holds the kind of answer that is asked for gains this much.
const OF_KIND: u32 = 5;

/// A sentence of a passage with what was found in it.
#[derive(Clone, Debug)]
pub(super) struct Sentence {
    /// Bytes of the passage's text.
    pub(super) range: Range<usize>,
    pub(super) paragraph: usize,
    pub(super) heading: bool,
    /// A list of words that meets the question: never quoted, and no context for what stands beside it.
    pub(super) listing: bool,
    meets: Meets,
    /// What the last heading before it meets.
    above: Meets,
    kinds: Kinds,
}

/// A passage with its sentences looked at.
pub(super) struct Read {
    pub(super) sentences: Vec<Sentence>,
    /// What each paragraph meets.
    paragraphs: Vec<Meets>,
    title: Meets,
    whole: Meets,
}

/// What a sentence is worth.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Score {
    /// Percent of the clause's weight that is covered, cues included; may pass 100.
    pub(super) total: u32,
    /// Percent of the clause's weight that the sentence itself covers.
    pub(super) own: u32,
    /// Percent of the clause's weight that the document nowhere covers.
    pub(super) missing: u32,
    /// Whether a name or a number of the question is nowhere in the document.
    pub(super) misses_specific: bool,
}

/// Looks at all sentences of a passage.
pub(super) fn read(passage: &Passage<'_>, memory: &mut Memory<'_>) -> Read {
    let mut whole = Meets::default();
    let mut title = Meets::default();
    // A title has a few words; what follows was put there to be found.
    for word in words(passage.title).take(MAX_TITLE_WORDS).chain(words(passage.about).take(MAX_TITLE_WORDS)) {
        title.join(memory.meets(&word));
    }
    whole.join(title);
    let (mut sentences, mut paragraphs, mut above) = (Vec::new(), Vec::new(), Meets::default());
    for sentence in super::sentences::split(&passage.text[..passage.text.floor_char_boundary(MAX_PASSAGE)]) {
        let text = &passage.text[sentence.range.clone()];
        let all: Vec<Word<'_>> = words(text).collect();
        let mut meets = Meets::default();
        for word in &all {
            meets.join(memory.meets(word));
        }
        // Most sentences meet nothing, and then nobody asks for their kinds.
        let kinds = if meets.any() == 0 { Kinds::default() } else { kinds_in(text, &all) };
        let (range, paragraph, heading) = (sentence.range, sentence.paragraph, sentence.heading);
        let listing = meets.any() != 0 && !heading && is_word_list(&all, passage.language, kinds);
        if listing {
            meets = Meets::default();
        }
        whole.join(meets);
        paragraphs.resize_with(paragraph + 1, Meets::default);
        paragraphs[paragraph].join(meets);
        sentences.push(Sentence { range, paragraph, heading, listing, meets, above, kinds });
        if heading {
            above = meets;
        }
    }
    Read { sentences, paragraphs, title, whole }
}

impl Read {
    /// Scores sentence `index`.
    pub(super) fn score(&self, index: usize, clause: &Clause) -> Score {
        let sentence = &self.sentences[index];
        let beside = |at: Option<usize>| {
            at.and_then(|at| self.sentences.get(at))
                .filter(|other| other.paragraph == sentence.paragraph)
                .map_or(Meets::default(), |other| other.meets)
        };
        let before = beside(index.checked_sub(1));
        let after = beside(Some(index + 1));
        let paragraph = self.paragraphs[sentence.paragraph];
        let mut title = self.title;
        title.join(sentence.above);
        let places = [
            (before, IN_SENTENCE_BEFORE),
            (title, IN_TITLE),
            (after, IN_SENTENCE_AFTER),
            (paragraph, IN_PARAGRAPH),
            (self.whole, IN_DOCUMENT),
        ];
        let (mut total, mut own, mut missing, mut misses_specific) = (0, 0, 0, false);
        for (bit, term) in clause.terms.iter().enumerate() {
            let bit = 1 << bit;
            let mut inside = percent(sentence.meets, bit, IN_SENTENCE);
            if term.kind.is_some_and(|kind| sentence.kinds.has(kind)) {
                inside = inside.max(AS_KIND);
            }
            let cover = places.iter().map(|(meets, worth)| percent(*meets, bit, *worth)).fold(inside, u32::max);
            total += cover;
            own += inside;
            if cover == 0 {
                missing += 100;
                misses_specific |= term.specific;
            }
        }
        let all = clause.weight().max(1);
        let share = |part: u32| part / all;
        let mut total = share(total);
        if let Some(kind) = clause.kind {
            if kind.is_quantity() && !sentence.kinds.has(Kind::Number) {
                total = total * WITHOUT_QUANTITY / 100;
            } else if sentence.kinds.has(kind) {
                total += OF_KIND;
            }
        }
        Score { total, own: share(own), missing: share(missing), misses_specific }
    }

    /// Percent of the clause's weight that sentence `index` covers and `other` does not.
    pub(super) fn adds(&self, index: usize, other: usize, clause: &Clause) -> u32 {
        let (mine, theirs) = (self.sentences[index].meets, self.sentences[other].meets);
        let fresh = mine.any() & !theirs.any();
        fresh.count_ones() * 100 / clause.weight().max(1)
    }
}

fn percent(meets: Meets, bit: u64, worth: u32) -> u32 {
    if meets.identical & bit != 0 {
        worth
    } else if meets.same_stem & bit != 0 {
        worth * SAME_STEM / 100
    } else if meets.related & bit != 0 {
        worth * RELATED / 100
    } else {
        0
    }
}

/// Whether a sentence of a passage is a list of words, be it of the question's or of others.
pub(super) fn is_listing(passage: &Passage<'_>, sentence: &Sentence) -> bool {
    let text = &passage.text[sentence.range.clone()];
    let all: Vec<Word<'_>> = words(text).collect();
    sentence.listing || is_word_list(&all, passage.language, kinds_in(text, &all))
}

/// The language that a passage is read in.
pub(super) fn language_of(passage: &Passage<'_>) -> Language {
    Language::of_tag(passage.language)
}
