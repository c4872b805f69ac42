//! What tells a sentence that says something from words that were put there to be found.
//!
//! Retrieval by words rewards whoever strings together the words of many questions. Such strings lack what sentences
//! have: function words between the content words. Sentences of the demo corpus hold 20 % of them and more, all but one
//! in two hundred 22 %; no run of content words there is longer than nine. The bounds here leave room below that.
//!
//! A whole sentence that repeats a question in other words and answers nothing passes: it cannot be told from an answer
//! by its words. `docs/attribution.md` says what that is worth and what it costs.

use std::collections::HashSet;

use fonte_types::WINDOW;

use super::{
    cues::Kinds,
    question::{Clause, Memory},
    terms::{Language, Word, fold, is_function_word, words},
};

/// Percent of a sentence's words that are function words at least.
const LEAST_FUNCTION_WORDS: usize = 18;

/// Most content words in a row.
const LONGEST_RUN: usize = 10;

/// A shorter line is not judged: "Rest: four days."
const FEWEST_WORDS: usize = 6;

/// Kinds of quantity in one sentence at most: a sentence with a weight, a length, a price, a date and a temperature was
/// written for questions that are not asked yet.
const MOST_KINDS: u32 = 4;

/// Of other languages no function words are known: short words stand for them, percent at least.
const LEAST_SHORT_WORDS: usize = 15;

/// Whether a line is a list of words rather than a sentence.
pub(super) fn is_word_list(words: &[Word<'_>], tag: &str, kinds: Kinds) -> bool {
    if words.len() < FEWEST_WORDS {
        return false;
    }
    if kinds.quantities() > MOST_KINDS {
        return true;
    }
    let known = ["en", "pt", "por"].iter().any(|known| tag.split(['-', '_']).next() == Some(known)) || tag.is_empty();
    if !known {
        let short = words.iter().filter(|word| !word.is_number() && word.text.chars().count() <= 3).count();
        return short * 100 < words.len() * LEAST_SHORT_WORDS;
    }
    let language = Language::of_tag(tag);
    let (mut function, mut run, mut longest) = (0, 0, 0);
    for word in words {
        if is_function_word(word.text, language) {
            function += 1;
            run = 0;
        } else {
            run += 1;
            longest = longest.max(run);
        }
    }
    function * 100 < words.len() * LEAST_FUNCTION_WORDS || longest > LONGEST_RUN
}

/// Whether a line has no content word that the question lacks: it says nothing.
pub(super) fn only_repeats(words: &[Word<'_>], language: Language, memory: &mut Memory<'_>) -> bool {
    words.iter().all(|word| is_function_word(word.text, language) || memory.meets(word).any() != 0)
}

/// Whether a question wants a yes or a no: it asks, and by none of the words that ask for something else.
pub(super) fn wants_yes_or_no(question: &str) -> bool {
    const ASKING: &str = "how what when where who whose whom why which que qual quais quando onde quem como quanto quanta \
        quantos quantas porque";
    question.contains('?') && !words(question).any(|word| is_one_of(ASKING, &word))
}

/// The words of a question, in small letters without accents.
pub(super) fn folded_words(question: &str) -> HashSet<String> {
    words(question).map(|word| fold(&word.text.to_lowercase())).collect()
}

/// Whether a line denies or affirms what the question leaves open: a word for yes, no or only, which the question (its
/// [`folded_words`]) lacks. To a question that wants a yes or a no, this is an answer even where all else is the question's.
pub(super) fn settles(line: &[Word<'_>], asked: &HashSet<String>) -> bool {
    const SETTLING: &str = "yes no not never none nobody nothing nowhere neither nor cannot only always must don doesn \
        didn isn aren wasn weren won wouldn couldn shouldn sim nao nunca jamais nem ninguem nada nenhum nenhuma so somente \
        apenas sempre";
    line.iter().any(|word| is_one_of(SETTLING, word) && !asked.contains(&fold(&word.text.to_lowercase())))
}

fn is_one_of(list: &str, word: &Word<'_>) -> bool {
    let folded = fold(&word.text.to_lowercase());
    list.split_ascii_whitespace().any(|listed| listed == folded)
}

/// Whether a clause asks, and does not merely quote: what it repeats is then no answer to it.
pub(super) fn asks(question: &str, clauses: &[Clause]) -> bool {
    question.contains('?') || clauses.iter().any(|clause| clause.kind.is_some())
}

/// The stretches of a question of which attribution gives each to the prompt.
pub(super) fn windows(question: &str) -> HashSet<&[u8]> {
    question.as_bytes().windows(WINDOW).collect()
}

/// Whether at least half of a quote stands in the question (its [`windows`]), in stretches that attribution gives to the
/// prompt: nobody would be paid for them, and the asker knows them.
pub(super) fn echoes(quote: &str, asked: &HashSet<&[u8]>) -> bool {
    let (mut bytes, mut end) = (0, 0);
    for (start, window) in quote.as_bytes().windows(WINDOW).enumerate() {
        if asked.contains(window) {
            bytes += start + WINDOW - end.max(start);
            end = start + WINDOW;
        }
    }
    bytes * 2 >= quote.len()
}

#[cfg(test)]
mod tests {
    use super::{super::cues::kinds_in, *};

    fn list(text: &str, tag: &str) -> bool {
        let all: Vec<Word<'_>> = words(text).collect();
        is_word_list(&all, tag, kinds_in(text, &all))
    }

    #[test]
    fn sentences_are_none_and_lists_are() {
        for (text, tag) in [
            ("On our ten-kilo drum roaster, first crack begins at a bean temperature of about 196 °C.", "en"),
            (
                "Secondary defects are smaller: broken beans, shells, slight insect holes, floaters and bits of parchment.",
                "en",
            ),
            ("No portão, dois voluntários anotam nome, idade, remédios e telefone.", "pt-BR"),
            ("Lock Seven lifts a boat 2.4 metres, and one filling uses 190,000 litres of water.", "en"),
            ("Der Müller mahlt das Korn, und am Abend geht er mit dem Hund an den Fluss.", "de"),
            ("Rest: four days.", "en"),
        ] {
            assert!(!list(text, tag), "{text}");
        }
        for (text, tag) in [
            ("coffee bean temperature roast drum first crack begin weight price harbour.", "en"),
            ("café, torra, temperatura, grão, saca, preço, umidade, secador.", "pt-BR"),
            (
                "the crack of the bean is 196 °C, 30 days, 12 hours, 45 kg, 5 %, 3 litres, January 2012, because of that",
                "en",
            ),
            ("Kaffee Bohne Temperatur Trommel Röstung Gewicht Preis.", "de"),
        ] {
            assert!(list(text, tag), "{text}");
        }
    }

    #[test]
    fn a_no_settles_what_was_left_open() {
        assert!(wants_yes_or_no("May I swim there?") && wants_yes_or_no("Posso guardar meu café na geladeira?"));
        assert!(!wants_yes_or_no("When may I swim there?") && !wants_yes_or_no("Swim there."));
        let settling = |line: &str, question: &str| settles(&words(line).collect::<Vec<_>>(), &folded_words(question));
        assert!(settling("Never swim there.", "May I swim there?"));
        assert!(settling("Não se guarda na geladeira.", "Posso guardar na geladeira?"));
        assert!(!settling("You may swim there.", "May I swim there?"));
        assert!(!settling("You may not swim there.", "Why may I not swim there?"));
    }

    #[test]
    fn what_stands_in_the_question_is_an_echo() {
        let question = windows("At what bean temperature does first crack begin on the drum roaster?");
        assert!(echoes("At what bean temperature does first crack begin on the drum roaster.", &question));
        assert!(!echoes("On the drum roaster, first crack begins at a bean temperature of 196 °C.", &question));
        assert!(!echoes("Short.", &question));
    }
}
