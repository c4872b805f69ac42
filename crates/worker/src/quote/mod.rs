//! `fonte-quote`: a model without weights. It answers in verbatim quotes with their sources, or says that nothing fits.
//!
//! It never writes a word of its own besides the source marks: what it cannot quote it does not say. All arithmetic is
//! on integers and ties are broken by contribution, document and position, so equal inputs give equal answers
//! everywhere.
//!
//! **Format of an answer.** One paragraph per quote: the quoted bytes, then ` [n]`. Paragraphs are joined by a blank
//! line. `n` numbers the distinct documents from 1 in the order of their first quote. Where nothing fits, the answer is
//! [`nothing_fits`] and nothing else. That sentence is shorter than the attribution window, so nobody can publish it and
//! be paid for refusals.
//!
//! **Tokens.** One per four bytes of UTF-8, rounded up, of the prompt for input and of the answer for output
//! ([`tokens`]). Quotes that do not fit the token limit are left out whole.
//!
//! **What counts as an answer.** The question is cut into content terms, all of one weight: how rare a word is depends on
//! what others publish (`question`). Every sentence gets the share of that weight that it covers: fully by its own words,
//! less by its neighbours, title and paragraph, little by the rest of the document (`score`). An answer needs enough of
//! the whole ([`ENOUGH`]), enough of it in the quoted sentence itself ([`ENOUGH_OWN`]), little that the document never
//! mentions ([`TOO_MUCH_MISSING`]), and every name, every number and whatever is counted somewhere in the document.

mod cues;
mod prose;
mod question;
mod score;
mod sentences;
mod terms;

use std::{
    collections::{HashMap, HashSet},
    ops::Range,
};

use fonte_types::{ContributionId, WINDOW};

use question::{Clause, Memory};
use score::{Read, Score, language_of};
pub use terms::Language;
use terms::{Word, fold, is_function_word, words};

/// Percent of the question's weight that the best sentence and its surroundings must cover.
pub const ENOUGH: u32 = 65;

/// Percent of the question's weight that the quoted sentence must cover by itself.
pub const ENOUGH_OWN: u32 = 25;

/// Percent of the question's weight that may be nowhere in the document.
pub const TOO_MUCH_MISSING: u32 = 30;

/// What a sentence covers past this many percent counts no more: who has all words of a question is no better an answer
/// than who has most of them, and of equals the earliest contribution comes first.
pub const SATURATED: u32 = 80;

/// A further quote must score at least this percentage of the best one.
const FURTHER: u32 = 80;

/// Best candidates for a clause that are held against one another.
const MAX_CANDIDATES: usize = 512;

/// Quotes per clause of a question, and in all.
const QUOTES_PER_CLAUSE: usize = 3;
/// Most quotes of an answer.
pub const MAX_QUOTES: usize = 4;

/// Shortest quote in bytes: a shorter one could not be attributed.
pub const MIN_QUOTE: usize = WINDOW;

/// A sentence longer than this is data or code and is not quoted.
const MAX_SENTENCE: usize = 1000;
/// A quote is not extended beyond this.
const MAX_EXTENDED: usize = 600;

/// Percent of the smaller of two quotes' words at which they say the same.
const SAME: usize = 70;

/// A neighbour that adds this percentage of the question's weight is quoted along.
const WORTH_EXTENDING: u32 = 20;

const NOTHING_ENGLISH: &str = "Nothing in the sources fits.";
const NOTHING_PORTUGUESE: &str = "Nada nas fontes responde.";
const _: () = assert!(NOTHING_ENGLISH.len() < WINDOW && NOTHING_PORTUGUESE.len() < WINDOW);

/// What the model says when no quote answers the question.
pub fn nothing_fits(language: Language) -> &'static str {
    match language {
        Language::English => NOTHING_ENGLISH,
        Language::Portuguese => NOTHING_PORTUGUESE,
    }
}

/// Tokens of a text, by the rule that holds for every model.
pub fn tokens(text: &str) -> u64 {
    fonte_types::fees::tokens(text).into()
}

/// A stretch of a document that search brought up.
#[derive(Clone, Copy, Debug)]
pub struct Passage<'a> {
    /// Whose it is.
    pub contribution: ContributionId,
    /// Index of the document in the contribution.
    pub document: u32,
    /// Title of the document.
    pub title: &'a str,
    /// Where it was published and by whom: names that a question may use.
    pub about: &'a str,
    /// BCP 47 tag.
    pub language: &'a str,
    /// Clean text, cut at sentence ends.
    pub text: &'a str,
    /// Where the text begins in the document.
    pub offset: usize,
}

/// One quote of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quote {
    /// Number of the source, from 1.
    pub number: u32,
    /// Whose it is.
    pub contribution: ContributionId,
    /// Index of the document.
    pub document: u32,
    /// Bytes of the document.
    pub source: Range<usize>,
    /// Bytes of the answer, without the source mark.
    pub answer: Range<usize>,
}

/// What the model says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QuoteAnswer {
    /// The whole text.
    pub text: String,
    /// The pieces in which it is streamed, one per quote; together they are `text`.
    pub pieces: Vec<String>,
    /// Its quotes; none where nothing fits.
    pub quotes: Vec<Quote>,
}

/// The answer does not fit the limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the shortest answer needs {needed} tokens and max_output_tokens is {limit}: allow at least {needed}")]
pub struct TooShort {
    /// Tokens of the shortest answer.
    pub needed: u64,
    /// The limit.
    pub limit: u64,
}

/// Answers a question from passages. `passages` in any order; equal inputs give equal answers. What `boilerplate` says yes
/// to (a licence's wording, say) is nobody's answer and never quoted.
///
/// # Errors
/// [`TooShort`] if not even one quote, or the refusal, fits `max_tokens`.
pub fn answer(
    question: &str,
    passages: &[Passage<'_>],
    boilerplate: &mut dyn FnMut(&str) -> bool,
    max_tokens: u64,
) -> Result<QuoteAnswer, TooShort> {
    let language = Language::of_question(question);
    let mut found: Vec<Found> = Vec::new();
    let clauses = question::read(question, language);
    let asks = prose::asks(question, &clauses);
    // What says nothing but the question is no answer to it, except to the question whether it is so.
    let settled = (asks && prose::wants_yes_or_no(question)).then(|| prose::folded_words(question));
    let decides = |line: &[Word<'_>]| !asks || settled.as_ref().is_some_and(|asked| prose::settles(line, asked));
    let echoed = if asks { prose::windows(question) } else { HashSet::new() };
    let mut unfit = |quote: &str| prose::echoes(quote, &echoed) || boilerplate(quote);
    for clause in &clauses {
        let candidates = candidates(clause, &decides, passages);
        found.extend(choose(candidates, passages, &mut unfit, &found));
    }
    if found.is_empty() {
        let text = nothing_fits(language).to_owned();
        let needed = tokens(&text);
        if needed > max_tokens {
            return Err(TooShort { needed, limit: max_tokens });
        }
        return Ok(QuoteAnswer { pieces: vec![text.clone()], text, quotes: Vec::new() });
    }
    write(&found, passages, max_tokens)
}

/// A quote before it has a number.
#[derive(Clone, Debug)]
struct Found {
    passage: usize,
    /// Bytes of the passage's text.
    range: Range<usize>,
    total: u32,
    /// Its content words, sorted: what near-copies share.
    words: Vec<String>,
}

impl Found {
    fn key(&self, passages: &[Passage<'_>]) -> (ContributionId, u32, usize) {
        let passage = &passages[self.passage];
        (passage.contribution, passage.document, passage.offset + self.range.start)
    }

    fn says_the_same(&self, other: &Self) -> bool {
        let (fewer, more) = if self.words.len() <= other.words.len() { (self, other) } else { (other, self) };
        let has = |word: &String| more.words.binary_search(word).is_ok() || more.words.iter().any(|o| nearly(word, o));
        let shared = fewer.words.iter().filter(|word| has(word)).count();
        let smaller = self.words.len().min(other.words.len()).max(1);
        shared * 100 >= smaller * SAME
    }
}

/// Whether two words differ by one letter put in, left out or replaced: a copy with small edits says the same.
fn nearly(a: &str, b: &str) -> bool {
    let (short, long) = if a.len() <= b.len() { (a.as_bytes(), b.as_bytes()) } else { (b.as_bytes(), a.as_bytes()) };
    if short.len() < 4 || long.len() - short.len() > 1 || short[0].is_ascii_digit() {
        return false;
    }
    let same = short.iter().zip(long).take_while(|(a, b)| a == b).count();
    let rest = if short.len() == long.len() { same + 1 } else { same };
    short.get(rest..).unwrap_or_default() == long.get(same + 1..).unwrap_or_default()
}

/// All sentences that answer the clause, best first. Of those that only repeat it, the ones that decide it do.
fn candidates(clause: &Clause, decides: &dyn Fn(&[Word<'_>]) -> bool, passages: &[Passage<'_>]) -> Vec<Found> {
    let mut memories: HashMap<Language, Memory<'_>> = HashMap::new();
    let mut found = Vec::new();
    for (number, passage) in passages.iter().enumerate() {
        let language = language_of(passage);
        let memory = memories.entry(language).or_insert_with(|| Memory::new(clause, language));
        let read = score::read(passage, memory);
        for index in 0..read.sentences.len() {
            let sentence = &read.sentences[index];
            // A question in a text is not an answer to one.
            let text = &passage.text[sentence.range.clone()];
            if text.ends_with('?') || sentence.heading || sentence.listing || sentence.range.len() > MAX_SENTENCE {
                continue;
            }
            let score = read.score(index, clause);
            if !answers(&score) {
                continue;
            }
            let line: Vec<Word<'_>> = words(text).collect();
            if prose::only_repeats(&line, language, memory) && !decides(&line) {
                continue;
            }
            let Some(range) = extend(passage, &read, index, clause) else { continue };
            let mut content: Vec<String> = words(&passage.text[range.clone()])
                .filter(|word| !is_function_word(word.text, language))
                .map(|word| fold(&word.text.to_lowercase()))
                .collect();
            content.sort_unstable();
            content.dedup();
            found.push(Found { passage: number, range, total: score.total.min(SATURATED), words: content });
        }
    }
    found.sort_by(|a, b| b.total.cmp(&a.total).then_with(|| a.key(passages).cmp(&b.key(passages))));
    found
}

fn answers(score: &Score) -> bool {
    score.total >= ENOUGH && score.own >= ENOUGH_OWN && score.missing <= TOO_MUCH_MISSING && !score.misses_specific
}

/// The bytes to quote for a sentence: with the sentence before it where it leans on that ("It was lowered …") or where
/// a neighbour holds more of the question, and with a neighbour where it is too short to be attributed. `None` where it
/// cannot be made long enough.
fn extend(passage: &Passage<'_>, read: &Read, index: usize, clause: &Clause) -> Option<Range<usize>> {
    let (text, sentences) = (passage.text, &read.sentences);
    let mut range = sentences[index].range.clone();
    let neighbour = |at: Option<usize>| {
        at.and_then(|at| sentences.get(at).map(|other| (at, other)))
            .filter(|(_, other)| !other.heading && other.paragraph == sentences[index].paragraph)
            .filter(|(_, other)| other.range.len() <= MAX_SENTENCE && !score::is_listing(passage, other))
    };
    let before = neighbour(index.checked_sub(1));
    let after = neighbour(Some(index + 1));
    if let Some((at, other)) = before {
        let wanted = leans_back(&text[range.clone()]) || read.adds(at, index, clause) >= WORTH_EXTENDING;
        if wanted && range.end - other.range.start <= MAX_EXTENDED {
            range.start = other.range.start;
        }
    }
    if let Some((at, other)) = after
        && read.adds(at, index, clause) >= WORTH_EXTENDING
        && other.range.end - range.start <= MAX_EXTENDED
    {
        range.end = other.range.end;
    }
    // Too short to be attributed: with the sentences around it. Never across a blank line, which parts the quotes of an
    // answer.
    let (mut first, mut last) = (index, index);
    while range.len() < MIN_QUOTE {
        if let Some((at, other)) = neighbour(Some(last + 1)) {
            last = at;
            range.end = range.end.max(other.range.end);
        } else if let Some((at, other)) = neighbour(first.checked_sub(1)) {
            first = at;
            range.start = range.start.min(other.range.start);
        } else {
            return None;
        }
    }
    (range.len() <= MAX_SENTENCE + MIN_QUOTE).then_some(range)
}

/// Whether a sentence begins with a word that points back.
fn leans_back(sentence: &str) -> bool {
    const POINTERS: &str = "it they this that these those he she its their such both isso isto esse essa esses essas ele \
        ela eles elas este esta aquilo nele nela dele dela";
    words(sentence).next().is_some_and(|word| {
        let first = fold(&word.text.to_lowercase());
        POINTERS.split_ascii_whitespace().any(|pointer| pointer == first)
    })
}

/// Takes the best candidates. Of those that say the same, the earliest contribution speaks, unless it is much worse.
fn choose(
    candidates: Vec<Found>,
    passages: &[Passage<'_>],
    boilerplate: &mut dyn FnMut(&str) -> bool,
    already: &[Found],
) -> Vec<Found> {
    let Some(best) = candidates.first().map(|found| found.total) else { return Vec::new() };
    let mut clusters: Vec<Vec<Found>> = Vec::new();
    let good = candidates.into_iter().filter(|found| found.total * 100 >= best * FURTHER);
    for candidate in good.take(MAX_CANDIDATES) {
        match clusters.iter().position(|cluster| cluster[0].says_the_same(&candidate)) {
            Some(at) => clusters[at].push(candidate),
            None if clusters.len() < 4 * MAX_QUOTES => clusters.push(vec![candidate]),
            None => {}
        }
    }
    clusters
        .into_iter()
        .filter_map(|cluster| cluster.into_iter().min_by_key(|found| found.key(passages)))
        .filter(|found| !already.iter().any(|other| other.says_the_same(found)))
        .filter(|found| !boilerplate(&passages[found.passage].text[found.range.clone()]))
        .take(QUOTES_PER_CLAUSE)
        .collect()
}

/// Writes the answer: the quotes in order, as many as fit.
fn write(found: &[Found], passages: &[Passage<'_>], max_tokens: u64) -> Result<QuoteAnswer, TooShort> {
    let mut answer = QuoteAnswer { text: String::new(), pieces: Vec::new(), quotes: Vec::new() };
    let mut sources: Vec<(ContributionId, u32)> = Vec::new();
    let mut needed = u64::MAX;
    for found in found {
        if answer.quotes.len() == MAX_QUOTES {
            break;
        }
        let passage = &passages[found.passage];
        let source = (passage.contribution, passage.document);
        let known = sources.iter().position(|known| *known == source);
        let number = known.unwrap_or(sources.len()) + 1;
        let joint = if answer.text.is_empty() { "" } else { "\n\n" };
        let quote = &passage.text[found.range.clone()];
        let piece = format!("{joint}{quote} [{number}]");
        let length = (answer.text.len() + piece.len()) as u64;
        needed = needed.min(length.div_ceil(4));
        if length.div_ceil(4) > max_tokens {
            continue;
        }
        if known.is_none() {
            sources.push(source);
        }
        let start = answer.text.len() + joint.len();
        answer.quotes.push(Quote {
            number: u32::try_from(number).expect("at most MAX_QUOTES sources"),
            contribution: passage.contribution,
            document: passage.document,
            source: passage.offset + found.range.start..passage.offset + found.range.end,
            answer: start..start + quote.len(),
        });
        answer.text.push_str(&piece);
        answer.pieces.push(piece);
    }
    if answer.quotes.is_empty() { Err(TooShort { needed, limit: max_tokens }) } else { Ok(answer) }
}

#[cfg(test)]
mod tests;
