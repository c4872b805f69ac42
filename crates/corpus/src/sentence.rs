//! Sentences and passages of a clean text, as byte ranges.

use std::ops::Range;

use unicode_segmentation::UnicodeSegmentation;

/// Abbreviations (lower case, without their last full stop) after which a sentence goes on.
const ABBREVIATIONS: &[&str] = &[
    // English
    "mr", "mrs", "ms", "dr", "prof", "st", "jr", "sr", "vs", "e.g", "i.e", "cf", "al", "approx", "inc", "ltd", "co",
    "corp", "no", "nos", "fig", "figs", "vol", "pp", "ch", "sec", "eq", "ca", "u.s", "u.k", "a.m", "p.m", "rev", "gen",
    "col", "lt", "sgt", "dept", "est", "ed", "eds", "viz", "op", "ph.d", // Portuguese
    "sra", "srta", "dra", "profa", "av", "ex", "p.ex", "pág", "págs", "séc", "nº", "n.º", "art", "arts", "inc", "eng",
    "exmo", "exma", "ltda", "s.a", "tel", "obs", "cap", "caps", "núm", "vol", "máx", "mín", "aprox", "pe", "d", "v.s",
];

/// The sentences of a clean text, in order. A sentence never crosses a line end; ranges hold no white space at either
/// end. Every non-blank byte of the text is in one of them.
///
/// ```
/// let text = "Dr. Silva drank coffee. It was 3.5 °C outside!\n\n- one item";
/// let sentences: Vec<&str> = fonte_corpus::sentences(text).into_iter().map(|range| &text[range]).collect();
/// assert_eq!(sentences, ["Dr. Silva drank coffee.", "It was 3.5 °C outside!", "- one item"]);
/// ```
pub fn sentences(text: &str) -> Vec<Range<usize>> {
    let mut out = Vec::new();
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        line_sentences(line, at, &mut out);
        at += line.len();
    }
    out
}

fn line_sentences(line: &str, at: usize, out: &mut Vec<Range<usize>>) {
    let mut begin = 0;
    for (offset, piece) in line.split_sentence_bound_indices() {
        let end = offset + piece.len();
        if end < line.len() && goes_on(&line[begin..end], &line[end..]) {
            continue;
        }
        push_trimmed(line, begin..end, at, out);
        begin = end;
    }
}

fn push_trimmed(line: &str, range: Range<usize>, at: usize, out: &mut Vec<Range<usize>>) {
    let piece = &line[range.clone()];
    let text = piece.trim();
    if !text.is_empty() {
        let start = at + range.start + (piece.len() - piece.trim_start().len());
        out.push(start..start + text.len());
    }
}

/// Longest web address that is kept whole, in bytes.
const MAX_ADDRESS: usize = 2048;

/// Whether what looks like an end is none: an abbreviation, an initial, a list number, a mark inside a web address.
fn goes_on(so_far: &str, next: &str) -> bool {
    // https://a.example/search?q=mill
    if so_far.ends_with(['?', '!']) {
        let near = &so_far[so_far.ceil_char_boundary(so_far.len().saturating_sub(MAX_ADDRESS))..];
        return near.rsplit(char::is_whitespace).next().is_some_and(|word| word.contains("://"));
    }
    let so_far = so_far.trim_end();
    // "Really?" she asked.
    if so_far.ends_with(['"', '”', '’', '\'', '»', ')']) && next.trim_start().starts_with(char::is_lowercase) {
        return true;
    }
    let Some(without_stop) = so_far.strip_suffix('.') else {
        return false;
    };
    let word = without_stop.rsplit([' ', '(', '"', '“', '\'', '[']).next().unwrap_or("");
    if word.is_empty() {
        return false;
    }
    // "1. Take the beans": the number belongs to what follows.
    if word.len() == without_stop.len() && word.len() <= 3 && word.bytes().all(|b| b.is_ascii_digit()) {
        return true;
    }
    let mut letters = word.chars();
    if let (Some(letter), None) = (letters.next(), letters.next())
        && letter.is_uppercase()
    {
        return true;
    }
    let lower = word.to_lowercase();
    if matches!(lower.as_str(), "no" | "co" | "ex" | "st" | "fig" | "ch" | "art" | "ca" | "d" | "ed" | "est" | "op") {
        // Words of their own as well ("I said no. Then ..."): an abbreviation only before a number or a name.
        return next.trim_start().starts_with(|c: char| c.is_ascii_digit()) || word.starts_with(char::is_uppercase);
    }
    ABBREVIATIONS.contains(&lower.as_str())
}

/// Words at which a passage is long enough, and at which it must end.
const ENOUGH_WORDS: usize = 110;
const MOST_WORDS: usize = 200;

/// Bytes after which what no blank space ends counts as one more word: data, and scripts that put no spaces between words.
const WORD_BYTES: usize = 32;

/// The passages of a clean text: what the search index holds. They partition the sentences in order, end where a
/// paragraph or at least a sentence ends, and hold about 110 to 200 words; only a single sentence may hold up to 400. What no
/// blank space ends counts as a word per 32 bytes.
pub fn passages(text: &str) -> Vec<Range<usize>> {
    let mut out: Vec<Range<usize>> = Vec::new();
    let mut open: Option<(Range<usize>, usize)> = None;
    for (unit, words) in units(text) {
        open = Some(match open.take() {
            Some((range, have)) if have >= ENOUGH_WORDS || have + words > MOST_WORDS => {
                out.push(range);
                (unit, words)
            }
            Some((range, have)) => (range.start..unit.end, have + words),
            None => (unit, words),
        });
    }
    out.extend(open.map(|(range, _)| range));
    out
}

/// Paragraphs, or the sentences of those that are longer than a passage, with their words.
fn units(text: &str) -> Vec<(Range<usize>, usize)> {
    let mut out = Vec::new();
    let mut at = 0;
    for paragraph in text.split("\n\n") {
        let words = count_words(paragraph);
        if words > MOST_WORDS {
            for sentence in sentences(paragraph) {
                let piece = &paragraph[sentence.clone()];
                let words = count_words(piece);
                let range = at + sentence.start..at + sentence.end;
                if words <= 2 * MOST_WORDS {
                    out.push((range, words));
                } else {
                    cut(piece, range.start, &mut out);
                }
            }
        } else if words > 0 {
            let start = at + (paragraph.len() - paragraph.trim_start().len());
            out.push((start..start + paragraph.trim().len(), words));
        }
        at += paragraph.len() + 2;
    }
    out
}

/// Cuts what has no sentences (data, code) between words, and within those that count as several.
fn cut(piece: &str, at: usize, out: &mut Vec<(Range<usize>, usize)>) {
    let (mut start, mut end, mut words) = (0, 0, 0);
    while end < piece.len() {
        let rest = &piece[end..];
        let word = rest.find(' ').map_or(rest.len(), |space| space + 1);
        end += if word > WORD_BYTES + 1 { rest.floor_char_boundary(WORD_BYTES) } else { word };
        words += 1;
        if words == MOST_WORDS || end == piece.len() {
            out.push((at + start..at + start + piece[start..end].trim_end().len(), words));
            (start, words) = (end, 0);
        }
    }
}

fn count_words(text: &str) -> usize {
    text.split_ascii_whitespace().map(|word| 1 + word.len() / WORD_BYTES).sum()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{MOST_WORDS, WORD_BYTES, passages, sentences};

    #[test]
    fn sentences_end_where_a_reader_says() {
        let cases: &[(&str, &[&str])] = &[
            ("", &[]),
            ("One. Two! Three?", &["One.", "Two!", "Three?"]),
            (
                "See Fig. 3 and p. 4, e.g. the U.S. map. Then stop.",
                &["See Fig. 3 and p. 4, e.g. the U.S. map.", "Then stop."],
            ),
            ("I said no. Then I left.", &["I said no.", "Then I left."]),
            (
                "O Sr. Lima e a Dra. Ana moram na Av. Paulista. É longe.",
                &["O Sr. Lima e a Dra. Ana moram na Av. Paulista.", "É longe."],
            ),
            ("J. K. Rowling wrote. We read.", &["J. K. Rowling wrote.", "We read."]),
            ("1. Grind the beans.\n2. Pour water.", &["1. Grind the beans.", "2. Pour water."]),
            ("Version 3.5 is out. \"Really?\" she asked.", &["Version 3.5 is out.", "\"Really?\" she asked."]),
            ("No full stop\n\nNext", &["No full stop", "Next"]),
            ("Ends with Dr.", &["Ends with Dr."]),
            ("A!B!C! See https://a.example/b?c!d?", &["A!", "B!", "C!", "See https://a.example/b?c!d?"]),
            ("Is it http://a.example/? Yes.", &["Is it http://a.example/?", "Yes."]),
            ("Use 1.2.3, e.g. of a.example/b.html.", &["Use 1.2.3, e.g. of a.example/b.html."]),
        ];
        for (text, expected) in cases {
            let got: Vec<&str> = sentences(text).into_iter().map(|range| &text[range]).collect();
            assert_eq!(&got, expected, "of {text:?}");
        }
    }

    #[test]
    fn a_text_without_blank_spaces_has_passages_too() {
        let claims = "A!B!C!".repeat(3000);
        let chinese = "磨坊下面的水位计从一九三一年起每天早上都有人读。".repeat(300);
        let base64 = "QWxs".repeat(5000);
        for text in [claims, chinese, format!("Data: {base64} and {base64}")] {
            let found = passages(&text);
            assert!(found.iter().all(|range| range.len() <= 2 * MOST_WORDS * (WORD_BYTES + 1)), "{found:?}");
            assert!(found.len() > 3);
            let whole: String = found.into_iter().map(|range| &text[range]).collect();
            assert_eq!(whole.replace(' ', ""), text.replace(' ', ""));
        }
    }

    proptest! {
        #[test]
        fn nothing_is_lost_and_nothing_overlaps(text in "([A-Za-zé]{1,8}[ .!\n]{1,2}|[a-zé]{60,90}|Dr\\. |\n\n){0,400}") {
            let text = crate::clean(&text);
            for ranges in [sentences(&text), passages(&text)] {
                let mut at = 0;
                for range in ranges {
                    prop_assert!(range.start >= at && range.start < range.end);
                    prop_assert!(text[at..range.start].trim().is_empty());
                    at = range.end;
                }
                prop_assert!(text[at..].trim().is_empty());
            }
            for passage in passages(&text) {
                prop_assert!(text[passage].split_whitespace().count() <= 2 * MOST_WORDS);
            }
        }
    }
}
