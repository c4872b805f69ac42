//! A question taken apart: clauses, content terms, and the kind of answer that is asked for.

use std::collections::HashMap;

use super::{
    cues::{Asked, Kind, asked, kind_of_noun, only_lasts},
    terms::{Language, Stems, Word, fold, is_function_word, words},
};

/// Content terms of a clause past this many are not looked at: each is one bit of a word.
const MAX_TERMS: usize = 64;

/// Clauses of a question past this many are not answered.
const MAX_CLAUSES: usize = 3;

/// Bytes of a question in which clauses and terms are looked for.
const MAX_QUESTION: usize = 16 << 10;

/// Bytes after a joint in which the two words are looked for that say whether it parts clauses: it keeps the time linear
/// whatever the question.
const LOOK_AHEAD: usize = 256;

/// A content word of a question.
#[derive(Clone, Debug)]
pub(super) struct Term {
    /// In lower case, without accents.
    folded: String,
    /// Its folded stems, one per language of the documents it may meet.
    stems: [String; 2],
    /// A name, a number, or what is counted: an answer that misses it answers another question.
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
pub(super) fn read(question: &str, language: Language) -> Vec<Clause> {
    let question = head(question, MAX_QUESTION);
    let mut clauses: Vec<Clause> = split(question)
        .into_iter()
        .map(|clause| read_clause(clause, language))
        // A number alone asks for nothing.
        .filter(|clause| clause.terms.iter().any(|term| !term.folded.starts_with(|c: char| c.is_ascii_digit())))
        .collect();
    // A clause of a single word ("…, and between which places?") leans on the one before: it is no question by itself.
    if clauses.iter().any(|clause| clause.terms.len() < 2) {
        clauses = vec![read_clause(question, language)];
    }
    clauses
}

fn head(text: &str, bytes: usize) -> &str {
    &text[..text.floor_char_boundary(bytes)]
}

/// Cuts "how long …, and how much …?" and questions that follow each other; the first [`MAX_CLAUSES`] of them.
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
        let rest = head(&question[at + joint.len()..], LOOK_AHEAD);
        let next: Vec<String> = words(rest).take(2).map(|word| fold(&word.text.to_lowercase())).collect();
        let opener = |word: &str| OPENERS.split_ascii_whitespace().take(16).any(|opener| opener == word);
        let preposition = |word: &str| OPENERS.split_ascii_whitespace().skip(16).any(|opener| opener == word);
        let opens = match next.as_slice() {
            [first, second] => opener(first) || preposition(first) && opener(second),
            _ => false,
        };
        if opens {
            parts.push(&question[start..at]);
            if parts.len() == MAX_CLAUSES {
                return parts;
            }
            start = at + joint.len();
        }
    }
    parts.push(&question[start..]);
    parts
}

fn read_clause(clause: &str, language: Language) -> Clause {
    let all: Vec<Word<'_>> = words(clause).collect();
    let folded: Vec<String> = all.iter().map(|word| fold(&word.text.to_lowercase())).collect();
    let Asked { kind, phrase, counted } = asked(&folded);
    let stems = [Stems::new(Language::English), Stems::new(Language::Portuguese)];
    let mut terms: Vec<Term> = Vec::new();
    for (at, word) in all.iter().enumerate() {
        if terms.len() == MAX_TERMS || phrase.contains(&at) || is_function_word(word.text, language) {
            continue;
        }
        let both = [stems[0].of(word), stems[1].of(word)];
        if terms.iter().any(|term| term.stems == both) {
            continue;
        }
        let capital = word.is_capitalised() && at > 0 && !word.text.chars().skip(1).all(char::is_uppercase);
        terms.push(Term {
            folded: folded[at].clone(),
            stems: both,
            specific: capital || word.is_number() || counted == Some(at),
            kind: kind_of_noun(&folded[at]),
        });
    }
    // "How long does it *stay*": a duration answers that without the verb. Not where little else is left to tell by.
    if kind == Some(Kind::Duration) && terms.iter().filter(|term| !only_lasts(&term.folded)).count() > 1 {
        terms.retain(|term| !only_lasts(&term.folded));
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

    /// Number of terms: all weigh alike.
    pub(super) fn weight(&self) -> u32 {
        u32::try_from(self.terms.len()).expect("at most MAX_TERMS")
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

#[cfg(test)]
mod tests {
    use super::*;

    fn stems(question: &str) -> Vec<Vec<String>> {
        let language = Language::of_question(question);
        let index = usize::from(language == Language::Portuguese);
        let clauses = read(question, language);
        clauses.iter().map(|clause| clause.terms.iter().map(|term| term.stems[index].clone()).collect()).collect()
    }

    #[test]
    fn questions_come_apart() {
        let two = stems("How long does caffeine stay in the blood, and how much caffeine is left in decaf coffee?");
        assert_eq!(two, [vec!["caffein", "blood"], vec!["caffein", "left", "decaf", "coffe"]]);
        let one = stems("How much of the Mill Brook was opened, and between which places?");
        assert_eq!(one, [vec!["mill", "brook", "open", "place"]]);
        assert_eq!(stems("Por que se deve deixar o feijão de molho?"), [vec!["deix", "feija", "molh"]]);
        assert!(stems("How are you?").is_empty());
        assert!(stems("").is_empty());
    }

    #[test]
    fn what_is_counted_must_be_named() {
        let specific = |question: &str| {
            let clause = read(question, Language::of_question(question)).remove(0);
            let named: Vec<String> = clause.terms.into_iter().filter(|t| t.specific).map(|t| t.folded).collect();
            named.join(" ")
        };
        assert_eq!(specific("How much caffeine does a cup of filter coffee hold?"), "caffeine");
        assert_eq!(specific("Quanta cafeína tem uma xícara de café coado?"), "cafeina");
        // An answer may be in other units, and "much" may count nothing that has a name.
        assert_eq!(specific("How many days do the beans rest?"), "");
        assert_eq!(specific("How much does a sack weigh?"), "");
    }
}
