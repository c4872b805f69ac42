//! A question taken apart: clauses, content terms with their weights, and the kind of answer that is asked for.

use std::collections::HashMap;

use super::{
    Rarity,
    cues::{Asked, Kind, asked, kind_of_noun},
    terms::{Language, Stems, Word, fold, is_function_word, words},
};

/// Content terms of a clause past this many are not looked at: each is one bit of a word.
const MAX_TERMS: usize = 64;

/// Clauses of a question past this many are not answered.
const MAX_CLAUSES: usize = 3;

/// A content word of a question.
#[derive(Clone, Debug)]
pub(super) struct Term {
    /// In lower case, without accents.
    folded: String,
    /// Its folded stems, one per language of the documents it may meet.
    stems: [String; 2],
    /// How much it says: the rarer, the more.
    pub(super) weight: u32,
    /// A name or a number: an answer that misses it answers another question.
    pub(super) specific: bool,
    /// "temperature" is covered by "196 °C" as well.
    pub(super) kind: Option<Kind>,
}

/// One thing that is asked.
#[derive(Clone, Debug)]
pub(super) struct Clause {
    pub(super) terms: Vec<Term>,
    pub(super) kind: Option<Kind>,
}

/// How a document's word meets the terms of a clause.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Meets {
    /// Terms that are this very word.
    pub(super) identical: u64,
    /// Terms with the same stem.
    pub(super) same_stem: u64,
    /// Terms with a related stem ("roast" and "roaster").
    pub(super) related: u64,
}

/// Takes a question apart. Empty where it has no content word.
pub(super) fn read(question: &str, language: Language, rarity: &dyn Rarity) -> Vec<Clause> {
    let mut clauses: Vec<Clause> = split(question)
        .into_iter()
        .take(MAX_CLAUSES)
        .map(|clause| read_clause(clause, language, rarity))
        // A number alone asks for nothing.
        .filter(|clause| clause.terms.iter().any(|term| !term.folded.starts_with(|c: char| c.is_ascii_digit())))
        .collect();
    // A clause of a single word ("…, and between which places?") leans on the one before: it is no question by itself.
    if clauses.iter().any(|clause| clause.terms.len() < 2) {
        clauses = vec![read_clause(question, language, rarity)];
    }
    clauses
}

/// Cuts "how long …, and how much …?" and questions that follow each other.
fn split(question: &str) -> Vec<&str> {
    const JOINTS: [&str; 6] = [", and ", " and ", "; ", ", e ", " e ", "? "];
    const OPENERS: &str = "how what when where who why which quanto quanta quantos quantas qual quais quando onde quem por \
        que como de em a at with com";
    let mut parts = Vec::new();
    let mut start = 0;
    for (at, _) in question.char_indices() {
        let Some(joint) = JOINTS.iter().find(|joint| question[at..].starts_with(**joint)) else { continue };
        if at < start {
            continue;
        }
        let rest = &question[at + joint.len()..];
        let next: Vec<String> = words(rest).take(2).map(|word| fold(&word.text.to_lowercase())).collect();
        let opener = |word: &str| OPENERS.split_ascii_whitespace().take(16).any(|opener| opener == word);
        let preposition = |word: &str| OPENERS.split_ascii_whitespace().skip(16).any(|opener| opener == word);
        let opens = match next.as_slice() {
            [first, second] => opener(first) || preposition(first) && opener(second),
            _ => false,
        };
        if opens {
            parts.push(&question[start..at]);
            start = at + joint.len();
        }
    }
    parts.push(&question[start..]);
    parts
}

fn read_clause(clause: &str, language: Language, rarity: &dyn Rarity) -> Clause {
    let all: Vec<Word<'_>> = words(clause).collect();
    let folded: Vec<String> = all.iter().map(|word| fold(&word.text.to_lowercase())).collect();
    let Asked { kind, phrase } = asked(&folded);
    let stems = [Stems::new(Language::English), Stems::new(Language::Portuguese)];
    let mut terms: Vec<Term> = Vec::new();
    let documents = rarity.documents().max(1);
    for (at, word) in all.iter().enumerate() {
        if terms.len() == MAX_TERMS || phrase.contains(&at) || is_function_word(word.text, language) {
            continue;
        }
        let both = [stems[0].of(word), stems[1].of(word)];
        if terms.iter().any(|term| term.stems == both) {
            continue;
        }
        let holding = rarity.holding(word.text).min(documents);
        let capital = word.is_capitalised() && at > 0 && !word.text.chars().skip(1).all(char::is_uppercase);
        terms.push(Term {
            folded: folded[at].clone(),
            stems: both,
            // At least one, so that a word which stands everywhere still counts for a little.
            weight: (log2(documents + 1) - log2(holding + 1)).max(0).unsigned_abs() + (1 << FRACTION),
            specific: capital || word.is_number(),
            kind: kind_of_noun(&folded[at]),
        });
    }
    Clause { terms, kind }
}

impl Meets {
    /// Terms that are met in any way.
    pub(super) fn any(self) -> u64 {
        self.identical | self.same_stem | self.related
    }

    pub(super) fn join(&mut self, other: Self) {
        self.identical |= other.identical;
        self.same_stem |= other.same_stem;
        self.related |= other.related;
    }
}

impl Clause {
    /// Which terms a document's word meets, with its stem in `language`.
    fn meets(&self, word: &str, stem: &str, language: Language) -> Meets {
        let folded = fold(&word.to_lowercase());
        let mut meets = Meets::default();
        let index = usize::from(language == Language::Portuguese);
        for (bit, term) in self.terms.iter().enumerate() {
            let wanted = &term.stems[index];
            if term.folded == folded {
                meets.identical |= 1 << bit;
            } else if wanted == stem {
                meets.same_stem |= 1 << bit;
            } else if related(wanted, stem) {
                meets.related |= 1 << bit;
            }
        }
        meets
    }

    /// Sum of all weights.
    pub(super) fn weight(&self) -> u64 {
        self.terms.iter().map(|term| u64::from(term.weight)).sum()
    }
}

/// Remembers which terms a document's word meets: documents repeat their words.
pub(super) struct Memory<'c> {
    clause: &'c Clause,
    language: Language,
    stems: Stems,
    known: HashMap<String, Meets>,
}

impl<'c> Memory<'c> {
    pub(super) fn new(clause: &'c Clause, language: Language) -> Self {
        Self { clause, language, stems: Stems::new(language), known: HashMap::new() }
    }

    pub(super) fn meets(&mut self, word: &Word<'_>) -> Meets {
        if let Some(known) = self.known.get(word.text) {
            return *known;
        }
        let meets = self.clause.meets(word.text, &self.stems.of(word), self.language);
        self.known.insert(word.text.to_owned(), meets);
        meets
    }
}

/// Stems of one family: a common beginning of at least five letters that is most of the longer one.
fn related(a: &str, b: &str) -> bool {
    if a.len() < 4 || b.len() < 4 || a.starts_with(|c: char| c.is_ascii_digit()) {
        return false;
    }
    let common = a.bytes().zip(b.bytes()).take_while(|(a, b)| a == b).count();
    let longer = a.len().max(b.len());
    common >= 4 && common * 10 >= longer * 7
}

/// Fractional bits of [`log2`].
const FRACTION: u32 = 6;

/// Binary logarithm as a fixed-point number with [`FRACTION`] bits, by repeated squaring: no floating point, so that
/// every machine ranks alike.
fn log2(value: u64) -> i32 {
    let value = value.max(1);
    let whole = 63 - value.leading_zeros();
    let mut mantissa = (u128::from(value) << 32) >> whole;
    let mut result = whole as i32;
    for _ in 0..FRACTION {
        mantissa = (mantissa * mantissa) >> 32;
        result <<= 1;
        if mantissa >= 2 << 32 {
            mantissa >>= 1;
            result |= 1;
        }
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Even;

    impl Rarity for Even {
        fn documents(&self) -> u64 {
            100
        }

        fn holding(&self, word: &str) -> u64 {
            if word == "common" { 100 } else { 1 }
        }
    }

    fn stems(question: &str) -> Vec<Vec<String>> {
        let language = Language::of_question(question);
        let index = usize::from(language == Language::Portuguese);
        let clauses = read(question, language, &Even);
        clauses.iter().map(|clause| clause.terms.iter().map(|term| term.stems[index].clone()).collect()).collect()
    }

    #[test]
    fn questions_come_apart() {
        let two = stems("How long does caffeine stay in the blood, and how much caffeine is left in decaf coffee?");
        assert_eq!(two, [vec!["caffein", "stay", "blood"], vec!["caffein", "left", "decaf", "coffe"]]);
        let one = stems("How much of the Mill Brook was opened, and between which places?");
        assert_eq!(one, [vec!["mill", "brook", "open", "place"]]);
        assert_eq!(stems("Por que se deve deixar o feijão de molho?"), [vec!["deix", "feija", "molh"]]);
        assert!(stems("How are you?").is_empty());
        assert!(stems("").is_empty());
    }

    #[test]
    fn logarithms_are_right_to_a_sixtyfourth() {
        for value in [1u64, 2, 3, 10, 70, 1000, 123_456] {
            let expected = (value as f64).log2() * 64.0;
            assert!((f64::from(log2(value)) - expected).abs() <= 1.0, "{value}: {} for {expected}", log2(value));
        }
        let clause = read("common rare", Language::English, &Even).remove(0);
        assert!(clause.terms[1].weight > 5 * clause.terms[0].weight);
    }
}
