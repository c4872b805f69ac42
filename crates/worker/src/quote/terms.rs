//! Words: from text to folded stems, in English and Portuguese.
//!
//! A stem is what the Snowball stemmer leaves of a lower-case word, with accents folded away afterwards, so that
//! "pressao" in a hurried question meets "pressão" in a text. Numbers keep their value: "1,950" and "1.950" are `1950`.

use std::{collections::HashSet, sync::LazyLock};

use frostem::{Algorithm, Stemmer};

/// The language whose stemmer and function words apply.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Language {
    /// English; also what is used where nothing is known.
    English,
    /// Portuguese.
    Portuguese,
}

impl Language {
    /// From a BCP 47 tag; English unless it says Portuguese.
    pub fn of_tag(tag: &str) -> Self {
        let primary = tag.split(['-', '_']).next().unwrap_or("");
        if primary.eq_ignore_ascii_case("pt") || primary.eq_ignore_ascii_case("por") {
            Self::Portuguese
        } else {
            Self::English
        }
    }

    /// Which of the two a question is asked in, by its function words and letters; English on a tie.
    pub fn of_question(question: &str) -> Self {
        let (mut english, mut portuguese) = (0, 0);
        for word in words(question).take(256) {
            let lower = word.text.to_lowercase();
            let in_english = ENGLISH.contains(lower.as_str());
            let in_portuguese = PORTUGUESE.contains(fold(&lower).as_str());
            english += u32::from(in_english && !in_portuguese) * 2;
            portuguese += u32::from(in_portuguese && !in_english) * 2;
            portuguese += u32::from(lower.contains(['ã', 'õ', 'ç', 'á', 'é', 'í', 'ó', 'ú', 'â', 'ê', 'ô', 'à']));
        }
        if portuguese > english { Self::Portuguese } else { Self::English }
    }

    fn stemmer(self) -> Stemmer {
        Stemmer::new(match self {
            Self::English => Algorithm::English,
            Self::Portuguese => Algorithm::Portuguese,
        })
    }
}

/// A word of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Word<'a> {
    /// As it stands there.
    pub(super) text: &'a str,
    /// Where it begins.
    pub(super) start: usize,
}

impl Word<'_> {
    pub(super) fn is_number(&self) -> bool {
        self.text.starts_with(|c: char| c.is_ascii_digit())
    }

    pub(super) fn is_capitalised(&self) -> bool {
        self.text.starts_with(char::is_uppercase)
    }
}

/// The words of a text: runs of letters and digits, with the separators inside numbers.
pub(super) fn words(text: &str) -> impl Iterator<Item = Word<'_>> {
    let mut at = 0;
    std::iter::from_fn(move || {
        let rest = &text[at..];
        let skip = rest.find(char::is_alphanumeric)?;
        let start = at + skip;
        let body = &text[start..];
        let mut end = 0;
        for (position, c) in body.char_indices() {
            let separates_digits = matches!(c, '.' | ',')
                && body[..position].ends_with(|c: char| c.is_ascii_digit())
                && body[position + 1..].starts_with(|c: char| c.is_ascii_digit());
            if !c.is_alphanumeric() && !separates_digits {
                break;
            }
            end = position + c.len_utf8();
        }
        at = start + end;
        Some(Word { text: &text[start..at], start })
    })
}

/// A longer word, in bytes, is none of a language and is its own stem: the stemmer's time grows with the square.
const LONGEST_STEMMED: usize = 64;

/// Turns words into stems; holds one stemmer, so that a document's many words share it.
pub(super) struct Stems {
    stemmer: Stemmer,
}

impl Stems {
    pub(super) fn new(language: Language) -> Self {
        Self { stemmer: language.stemmer() }
    }

    pub(super) fn of(&self, word: &Word<'_>) -> String {
        if word.is_number() {
            return number(word.text);
        }
        let lower = word.text.to_lowercase();
        if lower.len() > LONGEST_STEMMED { fold(&lower) } else { fold(&self.stemmer.stem(&lower)) }
    }
}

/// A number with its thousands separators dropped and its decimal separator a point.
fn number(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(['.', ',']) {
        out.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        let group = rest.bytes().take_while(u8::is_ascii_digit).count();
        if group != 3 || out.len() > 3 {
            out.push('.');
        }
    }
    out.push_str(&rest.to_lowercase());
    out
}

/// Folds the accents of Latin letters away.
pub(super) fn fold(word: &str) -> String {
    word.chars()
        .map(|c| match c {
            'à' | 'á' | 'â' | 'ã' | 'ä' | 'å' => 'a',
            'è' | 'é' | 'ê' | 'ë' => 'e',
            'ì' | 'í' | 'î' | 'ï' => 'i',
            'ò' | 'ó' | 'ô' | 'õ' | 'ö' => 'o',
            'ù' | 'ú' | 'û' | 'ü' => 'u',
            'ç' => 'c',
            'ñ' => 'n',
            c => c,
        })
        .collect()
}

/// Whether a question's word carries no content in either language's sense of function words.
pub(super) fn is_function_word(word: &str, language: Language) -> bool {
    let lower = word.to_lowercase();
    if lower.chars().count() < 2 && !lower.starts_with(|c: char| c.is_ascii_digit()) {
        return true;
    }
    match language {
        Language::English => ENGLISH.contains(lower.as_str()),
        Language::Portuguese => PORTUGUESE.contains(fold(&lower).as_str()),
    }
}

type Words = LazyLock<HashSet<&'static str>>;

/// Function words and the words that questions are made of.
static ENGLISH: Words = LazyLock::new(|| {
    "a about above according across actually after again against all almost also although always am among an and \
        another any anyone anything are aren around as ask asked at away back be became because become been before being \
        below between both but by came can cannot come could couldn did didn do does doesn doing don done down during \
        each either else enough ever every everyone exactly explain few find for found from further gave get gets \
        getting give given gives go goes going gone got had hadn has hasn have haven having he hello help her hey hi \
        here hers him his how however i if in instead into is isn it its itself just keep kept kind know known less let \
        like ll long look made make makes making many may me mean means might mine more most much must my myself need \
        needed needs never no nor not now of off often ok on once one only onto or other our ours out over own people \
        per perhaps please possible put quite rather re really said same say says see seem several shall she should \
        shouldn since so some somebody someone something sort still such take taken takes taking tell than thank thanks \
        that the their theirs them themselves then there these they thing things this those though through thus to \
        together too took toward try under until up upon us use used uses using usually ve very via want was wasn way we \
        well went were weren what whatever when whenever where whether which while who whom whose why will with within \
        without won would wouldn yes yet you your yours yourself"
        .split_ascii_whitespace()
        .collect()
});

/// The same, accents folded.
static PORTUGUESE: Words = LazyLock::new(|| {
    "a acaso acerca afinal agora ai ainda alem algo alguem algum alguma algumas alguns ali ante antes ao aos apenas \
        apos aquela aquelas aquele aqueles aqui aquilo as assim ate atraves bem boa boas bom bons cada coisa coisas com \
        como contra cuja cujas cujo cujos da dao daquela daquele daqueles dar das de dela delas dele deles demais dentro \
        depois desde dessa dessas desse desses desta destas deste destes deve devem devemos devo dever diante disso \
        disto do dos e eh ela elas ele eles em enquanto entao entre era eram essa essas esse esses esta estao estar \
        estas estava estavam este estes estou eu existe existem explique faz fazem fazer faco fica ficam ficar foi fora \
        foram fosse for ha haver havia houve isso isto ja la lhe lhes logo mais mas me mediante mesma mesmas mesmo \
        mesmos meu meus minha minhas muita muitas muito muitos na nada nao naquela naquele nas nem nenhum nenhuma nessa \
        nesse nesta neste ninguem no nos nossa nossas nosso nossos num numa o obrigada obrigado oi ola onde os ou outra \
        outras outro outros para pela pelas pelo pelos pergunta pode podem poder podemos por porem porque posso pouca \
        poucas pouco poucos pois pra precisa precisam preciso propria proprias proprio proprios qual quais qualquer \
        quando quanta quantas quanto quantos quase que quem quer queria quero sabe saber sao se segundo sei seja sejam \
        sem sempre sendo ser sera serao seria seu seus sim sob sobre somos sou sua suas tal talvez tambem tanta tanto \
        tao te tem temos tempo tenho ter teu teus teve ti tinha tinham tipo toda todas todo todos tu tua tudo um uma \
        umas uns usa usada usado usam usar vai vao varias varios vez vezes voce voces vou"
        .split_ascii_whitespace()
        .collect()
});
