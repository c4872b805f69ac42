//! Sentences of a clean text with their place in it: what a quote is made of.

use std::ops::Range;

/// A sentence and where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Sentence {
    /// Bytes of the text.
    pub(super) range: Range<usize>,
    /// Number of its paragraph.
    pub(super) paragraph: usize,
    /// A heading gives context and is never quoted.
    pub(super) heading: bool,
}

/// A paragraph of one line, without an end mark and no longer than this, is read as a heading.
const MAX_HEADING: usize = 90;

/// The sentences of a clean text, in order.
pub(super) fn split(text: &str) -> Vec<Sentence> {
    let ranges = fonte_corpus::sentences(text);
    let mut sentences: Vec<Sentence> = Vec::with_capacity(ranges.len());
    let (mut paragraph, mut end) = (0, 0);
    for range in ranges {
        paragraph += usize::from(text[end..range.start].contains("\n\n"));
        end = range.end;
        sentences.push(Sentence { range, paragraph, heading: false });
    }
    for index in 0..sentences.len() {
        let alone = |at: Option<usize>| {
            at.and_then(|at| sentences.get(at)).is_none_or(|other| other.paragraph != sentences[index].paragraph)
        };
        let line = &text[sentences[index].range.clone()];
        let heading = alone(index.checked_sub(1))
            && alone(Some(index + 1))
            && line.len() <= MAX_HEADING
            && !ends_a_sentence(line);
        // Fences of code are nothing to quote either.
        sentences[index].heading = heading || line.starts_with("```") || line.starts_with("~~~");
    }
    sentences
}

fn ends_a_sentence(text: &str) -> bool {
    let closes = |c: char| matches!(c, '"' | '\'' | '”' | '’' | '»' | ')' | ']');
    text.trim_end_matches(closes).ends_with(['.', '!', '?', '…', ':', ';'])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headings_are_short_paragraphs_without_an_end_mark() {
        let sentences = split("Title here\n\nBody. More\n\nAlso title");
        let flags: Vec<bool> = sentences.iter().map(|sentence| sentence.heading).collect();
        assert_eq!(flags, [true, false, false, true]);
        let paragraphs: Vec<usize> = sentences.iter().map(|sentence| sentence.paragraph).collect();
        assert_eq!(paragraphs, [0, 1, 1, 2]);
    }
}
