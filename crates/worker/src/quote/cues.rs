//! What kind of thing a question asks for, and whether a sentence holds one: "how long" wants a number and a unit of
//! time, "why" wants a reason. The lists are small and generic; none of them knows a subject.

use std::{collections::HashMap, sync::LazyLock};

use super::terms::{Word, fold};

/// A set of [`Kind`]s.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Kinds(u16);

/// A kind of answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u16)]
pub(super) enum Kind {
    /// Any quantity.
    Number = 1,
    Temperature = 2,
    Percent = 4,
    Money = 8,
    Weight = 16,
    Length = 32,
    Volume = 64,
    /// A duration or a frequency.
    Duration = 128,
    /// A year, a month, a weekday, a time of day.
    Date = 256,
    /// Somebody.
    Person = 512,
    /// A cause or a purpose.
    Reason = 1024,
}

impl Kind {
    /// Whether an answer of this kind holds a number.
    pub(super) fn is_quantity(self) -> bool {
        !matches!(self, Self::Date | Self::Person | Self::Reason)
    }
}

impl Kinds {
    pub(super) fn has(self, kind: Kind) -> bool {
        self.0 & kind as u16 != 0
    }

    /// How many different kinds of quantity and date.
    pub(super) fn quantities(self) -> u32 {
        let others = Kind::Number as u16 | Kind::Person as u16 | Kind::Reason as u16;
        (self.0 & !others).count_ones()
    }

    fn has_more_than_number(self) -> bool {
        self.0 & !(Kind::Number as u16) != 0
    }

    fn add(&mut self, kind: Kind) {
        self.join(Self(kind as u16));
    }

    fn join(&mut self, other: Self) {
        self.0 |= other.0;
    }
}

/// What a question asks for, with how many of its words say only that ("how long", "quanto tempo").
pub(super) struct Asked {
    pub(super) kind: Option<Kind>,
    /// Indices of words that are no content, being part of the question phrase.
    pub(super) phrase: Vec<usize>,
    /// Index of the word that may name what is counted: "how much *caffeine*", "quantos *barcos*". Units are none, for an
    /// answer may be in others.
    pub(super) counted: Option<usize>,
}

/// Reads the question phrase out of a question's words (lower case, folded).
pub(super) fn asked(words: &[String]) -> Asked {
    for (at, word) in words.iter().enumerate() {
        let next = words.get(at + 1).map_or("", String::as_str);
        let (kind, length) = match (word.as_str(), next) {
            ("how", "many" | "much") => (kind_of_noun_nearby(words, at + 2).unwrap_or(Kind::Number), 2),
            ("how", "long" | "often" | "soon" | "old" | "fast" | "quickly" | "late" | "early") => (Kind::Duration, 2),
            ("how", "hot" | "cold" | "warm" | "cool") => (Kind::Temperature, 2),
            ("how", "heavy") => (Kind::Weight, 2),
            ("how", "tall" | "high" | "deep" | "wide" | "thick" | "far" | "close") => (Kind::Length, 2),
            ("how", "big" | "large" | "small" | "strong" | "steep") => (Kind::Number, 2),
            // Later in a sentence it only joins: "what do I do when …".
            ("when" | "quando", _) if at <= 2 => (Kind::Date, 1),
            ("what" | "which", "time" | "year" | "day" | "month" | "date" | "hour") => (Kind::Date, 2),
            ("who" | "whose" | "whom" | "quem", _) => (Kind::Person, 1),
            ("why", _) | ("porque", _) => (Kind::Reason, 1),
            ("por", "que") => (Kind::Reason, 2),
            ("quanto", "tempo") => (Kind::Duration, 2),
            ("quantos" | "quantas" | "quanto" | "quanta", _) => {
                (kind_of_noun_nearby(words, at + 1).unwrap_or(Kind::Number), 1)
            }
            ("que", "horas" | "hora" | "ano" | "dia" | "mes" | "data") => (Kind::Date, 2),
            ("que", "frequencia") => (Kind::Duration, 2),
            ("what" | "which" | "qual" | "quais", _) => match kind_of_noun_nearby(words, at + 1) {
                Some(kind) => (kind, 1),
                None => continue,
            },
            _ => continue,
        };
        let counts = next == "many" || next == "much" || word.starts_with("quant");
        let unit = |word: &String| kind_of_noun(word).is_some() || kinds_of(word).has_more_than_number();
        let counted = words.get(at + length).filter(|word| counts && !unit(word)).map(|_| at + length);
        return Asked { kind: Some(kind), phrase: (at..at + length).collect(), counted };
    }
    Asked { kind: None, phrase: Vec::new(), counted: None }
}

/// Whether a verb says no more of a thing than that it goes on for a time (lower case, folded).
pub(super) fn only_lasts(folded: &str) -> bool {
    const LASTING: &str = "last lasts lasted stay stays stayed take takes took taken keep keeps kept remain remains remained \
        dura duram durou durar leva levam levou levar fica ficam ficou ficar demora demoram demorou demorar permanece \
        permanecem permaneceu permanecer";
    LASTING.split_ascii_whitespace().any(|verb| verb == folded)
}

/// The kind that one of the next words names: "what is the *temperature*", "qual é o *preço*".
fn kind_of_noun_nearby(words: &[String], from: usize) -> Option<Kind> {
    words.iter().skip(from).take(3).find_map(|word| kind_of_noun(word))
}

/// The kind that a noun or verb names, whatever the unit: a sentence with "196 °C" speaks of a temperature.
pub(super) fn kind_of_noun(folded: &str) -> Option<Kind> {
    const NOUNS: [(Kind, &[&str]); 7] = [
        (Kind::Temperature, &["temperatur"]),
        (Kind::Percent, &["percent", "porcent", "proporc", "proportion", "fraction"]),
        (Kind::Money, &["price", "preco", "cost", "custa", "custo", "custou", "custar"]),
        (Kind::Weight, &["weigh", "peso", "pesa", "pesou"]),
        (
            Kind::Length,
            &[
                "height",
                "depth",
                "width",
                "length",
                "distanc",
                "altura",
                "profundidade",
                "largura",
                "comprimento",
                "espessura",
                "thickness",
            ],
        ),
        (Kind::Volume, &["volume", "capacity", "capacidade"]),
        (Kind::Duration, &["duration", "duracao", "prazo", "frequenc"]),
    ];
    NOUNS.iter().find(|(_, stems)| stems.iter().any(|stem| folded.starts_with(stem))).map(|(kind, _)| *kind)
}

/// The kinds of thing that a sentence holds.
pub(super) fn kinds_in(text: &str, words: &[Word<'_>]) -> Kinds {
    let mut kinds = Kinds::default();
    for (sign, kind) in [
        ("°", Kind::Temperature),
        ("%", Kind::Percent),
        ("$", Kind::Money),
        ("€", Kind::Money),
        ("£", Kind::Money),
        ("per cent", Kind::Percent),
        ("por cento", Kind::Percent),
        ("so that", Kind::Reason),
    ] {
        if text.contains(sign) {
            kinds.add(kind);
        }
    }
    for (at, word) in words.iter().enumerate() {
        if word.is_number() {
            kinds.add(Kind::Number);
            if word.text.parse().is_ok_and(|year: u32| (1000..2200).contains(&year)) || word.text.contains('h') {
                kinds.add(Kind::Date);
            }
            continue;
        }
        if at > 0 && word.is_capitalised() {
            kinds.add(Kind::Person);
        }
        kinds.join(kinds_of(&fold(&word.text.to_lowercase())));
    }
    kinds
}

/// The kinds whose lists hold a word (lower case, folded).
fn kinds_of(folded: &str) -> Kinds {
    // Every word of every sentence that meets a question is looked up.
    static KINDS: LazyLock<HashMap<&str, Kinds>> = LazyLock::new(|| {
        let mut all: HashMap<&str, Kinds> = HashMap::new();
        for (kind, list) in [(Kind::Number, NUMBER_WORDS)].into_iter().chain(UNITS) {
            for word in list.split_ascii_whitespace() {
                all.entry(word).or_default().add(kind);
            }
        }
        all
    });
    KINDS.get(folded).copied().unwrap_or_default()
}

const NUMBER_WORDS: &str = "two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen \
    seventeen eighteen nineteen twenty thirty forty fifty sixty seventy eighty ninety hundred thousand million half \
    third quarter fifth sixth tenth dozen once twice double first second fourth none zero one dois duas tres quatro \
    cinco seis sete oito nove dez onze doze treze quatorze catorze quinze dezesseis dezessete dezoito dezenove vinte \
    trinta quarenta cinquenta sessenta setenta oitenta noventa cem cento duzentos duzentas trezentos trezentas \
    quatrocentos quatrocentas quinhentos quinhentas mil milhao milhoes meio meia metade terco tercos quarto quinto \
    decimo duzia dobro triplo primeiro primeira segundo segunda um uma nenhum nenhuma";

const UNITS: [(Kind, &str); 9] = [
    (Kind::Temperature, "degree degrees grau graus celsius fahrenheit"),
    (Kind::Percent, "percent half third thirds quarter quarters fifth tenth metade terco tercos quinto decimo"),
    (
        Kind::Money,
        "cent cents dollar dollars euro euros crown crowns pound pounds reais centavo centavos coroa coroas free gratis",
    ),
    (
        Kind::Weight,
        "kg g mg kilo kilos kilogram kilograms gram grams tonne tonnes ton tons ounce ounces pound pounds quilo quilos \
         quilograma quilogramas grama gramas tonelada toneladas",
    ),
    (
        Kind::Length,
        "mm cm m km metre metres meter meters centimetre centimetres centimeter centimeters millimetre millimetres \
         kilometre kilometres kilometer kilometers mile miles inch inches foot feet yard yards metro metros centimetro \
         centimetros milimetro milimetros quilometro quilometros dedo dedos palmo palmos arm",
    ),
    (
        Kind::Volume,
        "litre litres liter liters ml millilitre millilitres cubic litro litros mililitro mililitros cubico cubicos \
         cup cups copo copos bucket buckets hectare hectares byte bytes",
    ),
    (
        Kind::Duration,
        "second seconds minute minutes hour hours day days week weeks month months year years daily weekly monthly \
         yearly night nights segundo segundos minuto minutos hora horas dia dias semana semanas mes meses ano anos \
         noite noites once twice vez vezes times every cada overnight",
    ),
    (
        Kind::Date,
        "january february march april may june july august september october november december monday tuesday \
         wednesday thursday friday saturday sunday mondays tuesdays wednesdays thursdays fridays saturdays sundays \
         spring summer autumn winter morning afternoon evening night noon midnight before after until when once \
         o'clock janeiro fevereiro marco abril maio junho julho agosto setembro outubro novembro dezembro segunda terca \
         quarta quinta sexta sabado domingo segundas tercas quartas quintas sextas feira primavera verao outono inverno \
         manha tarde noite madrugada antes depois ate quando ao as hora horas dia ano",
    ),
    (
        Kind::Reason,
        "because since so as cause causes caused therefore otherwise reason porque pois assim causa causam motivo \
         razao senao isso para to",
    ),
];

#[cfg(test)]
mod tests {
    use super::{super::terms::words, *};

    fn kind(question: &str) -> Option<Kind> {
        let words: Vec<String> = words(question).map(|word| fold(&word.text.to_lowercase())).collect();
        asked(&words).kind
    }

    #[test]
    fn question_phrases_say_what_is_asked() {
        assert_eq!(kind("How long does it take?"), Some(Kind::Duration));
        assert_eq!(kind("At what temperature does it begin?"), Some(Kind::Temperature));
        assert_eq!(kind("Qual é a temperatura?"), Some(Kind::Temperature));
        assert_eq!(kind("Quantas sacas cabem?"), Some(Kind::Number));
        assert_eq!(kind("Quanto custa?"), Some(Kind::Money));
        assert_eq!(kind("Por que se troca a água?"), Some(Kind::Reason));
        assert_eq!(kind("What is a flood board?"), None);
        assert_eq!(kind("When does it open?"), Some(Kind::Date));
        assert_eq!(kind("What should I do when it burns?"), None);
    }

    #[test]
    fn sentences_hold_kinds() {
        let kinds = |text: &str| kinds_in(text, &words(text).collect::<Vec<_>>());
        assert!(kinds("It begins near 196 °C.").has(Kind::Temperature));
        assert!(kinds("Dura vinte segundos.").has(Kind::Duration) && kinds("Dura vinte segundos.").has(Kind::Number));
        assert!(!kinds("It begins early.").has(Kind::Number));
    }
}
