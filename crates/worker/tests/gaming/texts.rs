//! Texts that attackers write, from a seed.

use std::collections::BTreeSet;

use fonte_corpus::Document;

/// splitmix64, as in `docs/spec/shares.md`, 4.
#[derive(Clone, Debug)]
pub struct Seeded(pub u64);

impl Seeded {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, n: usize) -> usize {
        usize::try_from(self.next() % n as u64).unwrap()
    }

    pub fn pick<'a, T>(&mut self, list: &'a [T]) -> &'a T {
        &list[self.below(list.len())]
    }

    pub fn shuffle<T>(&mut self, list: &mut [T]) {
        for i in (1..list.len()).rev() {
            list.swap(i, self.below(i + 1));
        }
    }
}

/// Whether a text is in Portuguese, by the import's own rule.
pub fn language(text: &str) -> &'static str {
    if fonte_corpus::import::detect_language(text).starts_with("pt") { "pt-BR" } else { "en" }
}

/// Words that say what a text is about: longer than three letters and no function words.
pub fn content(text: &str) -> Vec<&str> {
    const FUNCTION: &str = "what when where which while with that this from have been does should would could much many \
        long there their your into about after before between para pelo pela como quando onde qual quais quanto quanta \
        quantos quantas deve pode fica uma umas isso essa esse este esta mais menos depois antes sobre entre";
    text.split(|c: char| !c.is_alphanumeric())
        .filter(|word| word.chars().count() > 3 || word.starts_with(|c: char| c.is_ascii_digit()))
        .filter(|word| !FUNCTION.split_ascii_whitespace().any(|function| function.eq_ignore_ascii_case(word)))
        .collect()
}

/// The commonest content words of texts, most frequent first.
pub fn common_words(texts: &[Document], count: usize) -> Vec<String> {
    let mut counts = std::collections::BTreeMap::<String, usize>::new();
    for text in texts {
        for word in content(&text.text) {
            *counts.entry(word.to_lowercase()).or_default() += 1;
        }
    }
    let mut words: Vec<(String, usize)> = counts.into_iter().collect();
    words.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    words.into_iter().take(count).map(|(word, _)| word).collect()
}

/// An edit in every 31 bytes: a letter of the longest word there is doubled, so that no 32 bytes in a row are left.
pub fn edited(text: &str) -> String {
    let mut out = String::with_capacity(text.len() * 33 / 32);
    let mut since = 0;
    for (at, c) in text.char_indices() {
        out.push(c);
        since += c.len_utf8();
        let next = text[at + c.len_utf8()..].chars().next();
        let inside_word = c.is_alphabetic() && next.is_some_and(char::is_alphabetic);
        if since >= 14 && inside_word || since >= 24 {
            out.push(if c.is_alphabetic() { c } else { '-' });
            since = 0;
        }
    }
    out
}

/// Every n-th word is replaced by another word, as who rewrites a text would.
pub fn reworded(text: &str, every: usize, random: &mut Seeded) -> String {
    const ENGLISH: &[&str] = &["indeed", "rather", "often", "usually", "simply", "mostly", "surely", "nearly"];
    const PORTUGUESE: &[&str] = &["mesmo", "quase", "sempre", "talvez", "apenas", "bastante", "logo", "enfim"];
    let list = if language(text) == "en" { ENGLISH } else { PORTUGUESE };
    let mut number = 0;
    text.split_inclusive(char::is_whitespace)
        .map(|word| {
            number += 1;
            let space = word.len() - word.trim_end().len();
            // Ends of sentences stay, so that the copy still reads as sentences.
            if number % every == 0 && word.trim_end().ends_with(char::is_alphabetic) {
                format!("{}{}", random.pick(list), &word[word.len() - space..])
            } else {
                word.to_owned()
            }
        })
        .collect()
}

/// Paragraphs of glue around what was copied.
pub fn glue(number: usize) -> String {
    const GLUE: &[&str] = &[
        "Welcome back to the weekly round-up, where the editors collect what readers have been asking for since spring.",
        "Nobody has time for everything, and so the best of the week stands here in one place for the train ride home.",
        "If this was useful, send it to a friend, and come back next week for another helping of the same.",
        "The next part answers a letter from a reader who would rather not be named, and it answers it at some length.",
    ];
    GLUE[number % GLUE.len()].to_owned()
}

/// Stretches of at least `length` bytes that begin at a word and stand in texts of two different authors.
pub fn shared_phrases(authors: &[&[Document]], length: usize) -> BTreeSet<String> {
    let windows = |documents: &[Document]| -> BTreeSet<String> {
        let mut found = BTreeSet::new();
        for document in documents {
            let text = &document.text;
            for (at, _) in text.char_indices() {
                let starts = at == 0 || text[..at].ends_with([' ', '\n']);
                if starts && let Some(window) = text.get(at..at + length) {
                    found.insert(window.to_owned());
                }
            }
        }
        found
    };
    let all: Vec<BTreeSet<String>> = authors.iter().map(|documents| windows(documents)).collect();
    let mut shared = BTreeSet::new();
    for (index, mine) in all.iter().enumerate() {
        for other in &all[index + 1..] {
            shared.extend(mine.intersection(other).cloned());
        }
    }
    shared
}
