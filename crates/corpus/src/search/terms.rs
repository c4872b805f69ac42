//! Words to index terms, the same way for documents, queries and sentences.

use std::{cell::RefCell, ops::Range};

use tantivy::tokenizer::{
    AsciiFoldingFilter, Language as Stemming, LowerCaser, RemoveLongFilter, SimpleTokenizer, Stemmer, StopWordFilter,
    TextAnalyzer, Token, TokenFilter, TokenStream, Tokenizer,
};

use crate::import::detect_language;

/// A language as the index treats it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Language {
    /// Stemmed as English.
    #[serde(rename = "en")]
    English = 0,
    /// Stemmed as Portuguese.
    #[serde(rename = "pt")]
    Portuguese = 1,
    /// Folded to lower case without accents, not stemmed.
    #[serde(rename = "und")]
    Other = 2,
}

impl Language {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::English, Self::Portuguese, Self::Other];

    /// By BCP 47 tag: `pt-BR` is Portuguese.
    pub fn of_tag(tag: &str) -> Self {
        match tag.split(['-', '_']).next() {
            Some("en") => Self::English,
            Some("pt") => Self::Portuguese,
            _ => Self::Other,
        }
    }

    /// By its words.
    pub fn detect(text: &str) -> Self {
        Self::of_tag(detect_language(text))
    }

    /// BCP 47 tag.
    pub fn code(self) -> &'static str {
        match self {
            Self::English => "en",
            Self::Portuguese => "pt",
            Self::Other => "und",
        }
    }

    pub(super) fn of_index(number: u64) -> Self {
        match number {
            0 => Self::English,
            1 => Self::Portuguese,
            _ => Self::Other,
        }
    }

    pub(super) fn analyzer_name(self) -> &'static str {
        match self {
            Self::English => "fonte_en",
            Self::Portuguese => "fonte_pt",
            Self::Other => "fonte_und",
        }
    }

    pub(super) fn analyzer(self) -> TextAnalyzer {
        let words =
            TextAnalyzer::builder(SimpleTokenizer::default()).filter(RemoveLongFilter::limit(40)).filter(LowerCaser);
        // Accents are folded last: stemmers and stop words need them.
        match self {
            Self::English => words
                .filter(StopWordFilter::new(Stemming::English).expect("tantivy has a list for English"))
                .filter(own_stop_words(ENGLISH_STOP_WORDS))
                .filter(Stemmer::new(Stemming::English))
                .filter(AsciiFoldingFilter)
                .build(),
            Self::Portuguese => words
                .filter(StopWordFilter::new(Stemming::Portuguese).expect("tantivy has a list for Portuguese"))
                .filter(own_stop_words(PORTUGUESE_STOP_WORDS))
                .filter(Singular)
                .filter(Stemmer::new(Stemming::Portuguese))
                .filter(AsciiFoldingFilter)
                .build(),
            Self::Other => words.filter(AsciiFoldingFilter).build(),
        }
    }
}

/// A word of a text as the index sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TermAt {
    /// What is looked up: stemmed, lower case, without accents.
    pub stem: String,
    /// Where the word stands, in bytes.
    pub range: Range<usize>,
}

thread_local! {
    // Building an analyzer copies its stop words; keeping one per thread makes the call cheap per sentence.
    static ANALYZERS: RefCell<[TextAnalyzer; 3]> = RefCell::new(Language::ALL.map(Language::analyzer));
}

/// The index terms of a text in a language, without stop words, in order.
///
/// ```
/// use fonte_corpus::search::{Language, terms};
/// let stems = |text, language| terms(text, language).into_iter().map(|term| term.stem).collect::<Vec<_>>();
/// assert_eq!(stems("The rivers are flooding", Language::English), stems("river floods", Language::English));
/// assert_eq!(stems("as estações", Language::Portuguese), stems("estação", Language::Portuguese));
/// ```
pub fn terms(text: &str, language: Language) -> Vec<TermAt> {
    ANALYZERS.with_borrow_mut(|analyzers| {
        let mut out = Vec::new();
        let mut stream = analyzers[language as usize].token_stream(text);
        while stream.advance() {
            let token = stream.token();
            out.push(TermAt { stem: token.text.clone(), range: token.offset_from..token.offset_to });
        }
        out
    })
}

/// The terms of a question: those of [`terms`], and for Portuguese also what a word typed without its accents may have
/// been ("informacao"). In no language stop words of English or Portuguese are asked for.
pub fn query_terms(text: &str, language: Language) -> Vec<TermAt> {
    let mut out = terms(text, language);
    match language {
        Language::English => {}
        Language::Portuguese => {
            let accented: Vec<TermAt> = out
                .iter()
                .filter_map(|term| {
                    let word = with_accents(&text[term.range.clone()].to_lowercase())?;
                    let stem = terms(&word, language).pop()?.stem;
                    (stem != term.stem).then(|| TermAt { stem, range: term.range.clone() })
                })
                .collect();
            out.extend(accented);
        }
        Language::Other => {
            let content = |range: &Range<usize>| {
                let word = &text[range.clone()];
                !terms(word, Language::English).is_empty() && !terms(word, Language::Portuguese).is_empty()
            };
            out.retain(|term| content(&term.range));
        }
    }
    out
}

/// Puts the accents of common Portuguese endings back.
fn with_accents(word: &str) -> Option<String> {
    const ENDINGS: &[(&str, &str)] = &[
        ("cao", "ção"),
        ("coes", "ções"),
        ("sao", "são"),
        ("soes", "sões"),
        ("encia", "ência"),
        ("ancia", "ância"),
        ("encias", "ências"),
        ("ancias", "âncias"),
        ("avel", "ável"),
        ("ivel", "ível"),
        ("aveis", "áveis"),
        ("iveis", "íveis"),
        ("ario", "ário"),
        ("arios", "ários"),
        ("orio", "ório"),
        ("orios", "órios"),
    ];
    ENDINGS
        .iter()
        .find_map(|(bare, accented)| word.strip_suffix(bare).map(|stem| format!("{stem}{accented}")))
        .filter(|accented| accented != word)
}

fn own_stop_words(words: &[&str]) -> StopWordFilter {
    StopWordFilter::remove(words.iter().map(|word| (*word).to_owned()))
}

/// Takes the plural off Portuguese words before they are stemmed: the stemmer alone keeps "rio" and "rios", "estação" and
/// "estações" apart.
#[derive(Clone)]
struct Singular;

#[derive(Clone)]
struct SingularTokenizer<T>(T);

struct SingularStream<S>(S);

impl TokenFilter for Singular {
    type Tokenizer<T: Tokenizer> = SingularTokenizer<T>;

    fn transform<T: Tokenizer>(self, tokenizer: T) -> SingularTokenizer<T> {
        SingularTokenizer(tokenizer)
    }
}

impl<T: Tokenizer> Tokenizer for SingularTokenizer<T> {
    type TokenStream<'a> = SingularStream<T::TokenStream<'a>>;

    fn token_stream<'a>(&'a mut self, text: &'a str) -> Self::TokenStream<'a> {
        SingularStream(self.0.token_stream(text))
    }
}

impl<S: TokenStream> TokenStream for SingularStream<S> {
    fn advance(&mut self) -> bool {
        let more = self.0.advance();
        if more {
            make_singular(&mut self.0.token_mut().text);
        }
        more
    }

    fn token(&self) -> &Token {
        self.0.token()
    }

    fn token_mut(&mut self) -> &mut Token {
        self.0.token_mut()
    }
}

/// The first ending that fits is replaced, if enough of the word is left; words in "-us", "-is" and on an accented vowel
/// ("ônibus", "lápis", "inglês") are no plurals.
fn make_singular(word: &mut String) {
    const ENDINGS: &[(&str, &str, usize)] = &[
        ("ões", "ão", 1),
        ("ães", "ão", 1),
        ("oes", "ao", 3),
        ("aes", "ao", 3),
        ("ais", "al", 2),
        ("éis", "el", 2),
        ("eis", "el", 3),
        ("óis", "ol", 2),
        ("ns", "m", 2),
        ("res", "r", 3),
        ("zes", "z", 2),
        ("as", "a", 2),
        ("es", "e", 2),
        ("os", "o", 1),
        ("ãs", "ã", 2),
    ];
    let fitting = ENDINGS
        .iter()
        .find(|(plural, _, left)| word.strip_suffix(plural).is_some_and(|stem| stem.chars().count() >= *left));
    if let Some((plural, singular, _)) = fitting {
        word.truncate(word.len() - plural.len());
        word.push_str(singular);
    }
}

/// Question words and auxiliaries that the common list lacks: they say nothing about what is asked.
const ENGLISH_STOP_WORDS: &[&str] = &[
    "am", "any", "been", "being", "can", "could", "did", "do", "does", "doing", "each", "from", "had", "has", "have",
    "having", "he", "her", "him", "his", "how", "i", "its", "may", "me", "might", "must", "my", "our", "shall", "she",
    "should", "so", "some", "than", "them", "those", "too", "us", "very", "we", "were", "what", "when", "where",
    "which", "who", "whom", "whose", "why", "would", "you", "your", "about", "also", "just", "s", "t", "please",
    "tell",
];

/// Likewise, and common words as they are typed without accents.
const PORTUGUESE_STOP_WORDS: &[&str] = &[
    "cada", "quais", "onde", "porque", "porquê", "quê", "pode", "podem", "deve", "devem", "ser", "ter", "é", "ao",
    "são", "sao", "nao", "voce", "voces", "ate", "ja", "ha", "tambem", "sobre", "sob", "às", "quanto", "quantos",
    "quanta", "quantas", "então", "entao", "assim", "ainda", "fazer", "faz", "vai", "vão", "à", "aos", "pra", "cujo",
    "cuja",
];
