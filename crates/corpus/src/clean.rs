//! Clean text: the one form in which documents are committed, searched, quoted and compared byte by byte.
//!
//! Attribution matches raw bytes, so the same words must become the same bytes wherever their lines were wrapped and
//! however they were indented. [`clean`] therefore joins the lines of a paragraph with single spaces, drops indentation
//! and comment marks, and keeps apart only what a reader sees as apart: paragraphs (one blank line between them), list
//! items, table rows, the fields of a Debian copyright file, and fenced code, which stays as it is.
//!
//! `clean(clean(x)) == clean(x)`: a cleaned text can be published, downloaded and published again without change.

use std::borrow::Cow;

/// Brings a text into its clean form.
///
/// ```
/// let wrapped = " THE SOFTWARE IS PROVIDED \"AS IS\",\n WITHOUT WARRANTY OF ANY KIND.\n .\n Next paragraph.\n";
/// let plain = "THE SOFTWARE IS PROVIDED \"AS IS\", WITHOUT  WARRANTY OF ANY KIND.\r\n\r\n\r\nNext\r\nparagraph.";
/// assert_eq!(fonte_corpus::clean(wrapped), fonte_corpus::clean(plain));
/// ```
pub fn clean(text: &str) -> String {
    // One pass is a fixpoint except where joining lines lets a construct reach across what was a line end; such texts
    // settle in a second pass. The bound only guards against the unforeseen.
    let mut clean = clean_once(text);
    for _ in 0..8 {
        let again = clean_once(&clean);
        if again == clean {
            break;
        }
        clean = again;
    }
    clean
}

/// Joins the words of a line with single spaces, and drops characters that a reader cannot see.
pub fn clean_line(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    push_words(&mut line, &readable(text));
    line
}

fn clean_once(text: &str) -> String {
    let text = readable(text);
    let lines: Vec<&str> = text.split('\n').collect();
    let fence_close = fence_ends(&lines);
    let comment_close = last_line_with(&lines, "*/");
    let mut out = Output { text: String::with_capacity(text.len()), gap: Gap::Paragraph, number: 0 };
    let mut fields = Fields { debian: is_debian_copyright(&lines), after_licence: false };
    let mut in_comment = false;
    let mut at = 0;
    while at < lines.len() {
        if let Some(close) = fence_close[at] {
            for (offset, line) in lines[at..=close].iter().enumerate() {
                out.verbatim(line.trim_end(), offset == 0);
            }
            out.end_paragraph();
            at = close + 1;
            continue;
        }
        let indented = lines[at].starts_with([' ', '\t']);
        let line = strip_marks(lines[at], &mut in_comment, comment_close.is_some_and(|last| last >= at));
        at += 1;
        if !has_words(line) {
            // A blank line, a Debian " .", an underline, a ruler or a lone brace: nothing to read, a break at most.
            if !line.starts_with('|') {
                out.end_paragraph();
            }
            continue;
        }
        if line.starts_with('|') {
            out.own_line(line);
            out.end_line();
            continue;
        }
        if fields.starts(line, indented, &mut out) || is_list_item(line, &mut out) {
            out.own_line(line);
        } else {
            out.continue_line(line);
        }
    }
    out.text
}

/// What stands between the text so far and what comes next.
#[derive(Clone, Copy, PartialEq)]
enum Gap {
    Word,
    Line,
    Paragraph,
}

struct Output {
    text: String,
    gap: Gap,
    /// Number of the last numbered item of this paragraph.
    number: u16,
}

impl Output {
    fn end_paragraph(&mut self) {
        self.gap = Gap::Paragraph;
        self.number = 0;
    }

    fn end_line(&mut self) {
        if self.gap == Gap::Word {
            self.gap = Gap::Line;
        }
    }

    fn own_line(&mut self, line: &str) {
        self.end_line();
        self.continue_line(line);
    }

    fn continue_line(&mut self, line: &str) {
        self.fill_gap();
        push_words(&mut self.text, line);
        self.gap = Gap::Word;
    }

    /// A line of fenced code. Runs of blank lines count as one here too.
    fn verbatim(&mut self, line: &str, first: bool) {
        if first {
            self.end_paragraph();
        }
        if line.is_empty() {
            self.end_paragraph();
            return;
        }
        self.fill_gap();
        self.text.push_str(line);
        self.gap = Gap::Line;
    }

    fn fill_gap(&mut self) {
        if !self.text.is_empty() {
            match self.gap {
                Gap::Word => self.text.push(' '),
                Gap::Line => self.text.push('\n'),
                Gap::Paragraph => self.text.push_str("\n\n"),
            }
        }
    }

    fn last_char(&self) -> Option<char> {
        if self.gap == Gap::Paragraph { None } else { self.text.chars().next_back() }
    }
}

/// Fields of a machine-readable Debian copyright file: a paragraph would otherwise swallow its neighbours.
struct Fields {
    debian: bool,
    after_licence: bool,
}

impl Fields {
    fn starts(&mut self, line: &str, indented: bool, out: &mut Output) -> bool {
        if !self.debian {
            return false;
        }
        if !indented && is_field(line) {
            self.after_licence = line.starts_with("License:");
            return true;
        }
        if self.after_licence {
            // The text of the licence begins below its short name, and is an ordinary paragraph.
            self.after_licence = false;
            out.end_paragraph();
        }
        false
    }
}

fn is_debian_copyright(lines: &[&str]) -> bool {
    lines
        .iter()
        .find(|line| !line.trim().is_empty())
        .is_some_and(|line| line.starts_with("Format") && line.contains("copyright-format"))
}

fn is_field(line: &str) -> bool {
    let Some((name, _)) = line.split_once(':') else {
        return false;
    };
    name.len() <= 24
        && name.starts_with(|c: char| c.is_ascii_uppercase())
        && name.chars().all(|c| c.is_ascii_alphabetic() || c == '-')
}

/// Drops what cannot be read, and settles on `\n` and the plain space: byte order marks, control characters, invisible
/// and direction-changing marks (which would also let a copy escape the trace index), overstrikes of old manual pages.
fn readable(text: &str) -> Cow<'_, str> {
    if text.bytes().all(|byte| byte == b'\n' || byte == b'\t' || (0x20..0x7f).contains(&byte)) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\r' => {
                chars.next_if_eq(&'\n');
                out.push('\n');
            }
            '\n' | '\t' => out.push(c),
            '\u{b}' | '\u{c}' | '\u{85}' | '\u{2028}' | '\u{2029}' => out.push('\n'),
            '\u{8}' => {
                if out.ends_with(|last: char| last != '\n') {
                    out.pop();
                }
            }
            '\u{a0}' | '\u{2000}'..='\u{200a}' | '\u{202f}' | '\u{205f}' | '\u{3000}' => out.push(' '),
            '\u{ad}' | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' => {}
            '\u{2060}'..='\u{2064}' | '\u{2066}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' => {}
            c if c.is_control() => {}
            c => out.push(c),
        }
    }
    Cow::Owned(out)
}

fn push_words(out: &mut String, line: &str) {
    let mut first = true;
    for word in line.split([' ', '\t', '\n']).filter(|word| !word.is_empty()) {
        if !first {
            out.push(' ');
        }
        first = false;
        out.push_str(word);
    }
}

/// A line of nothing but ASCII punctuation carries no words.
fn has_words(line: &str) -> bool {
    line.chars().any(|c| !(c.is_ascii_punctuation() || c == ' ' || c == '\t'))
}

/// Trims a line and the comment or quotation marks in front of it.
fn strip_marks<'a>(line: &'a str, in_comment: &mut bool, comment_ends: bool) -> &'a str {
    let mut line = trim(line);
    loop {
        let before = line.len();
        if line.starts_with("/*") && (*in_comment || comment_ends) {
            *in_comment = true;
            line = trim(&line[2..]);
        }
        if *in_comment {
            if let Some(end) = line.strip_suffix("*/") {
                *in_comment = false;
                line = trim(end);
            }
            line = trim(line.trim_start_matches('*'));
        }
        for mark in ["//", "#", ">", ";", "dnl"] {
            if let Some(rest) = line.strip_prefix(mark) {
                let rest =
                    if mark == "//" { rest.trim_start_matches(['/', '!']) } else { rest.trim_start_matches(mark) };
                if rest.is_empty() || rest.starts_with([' ', '\t']) {
                    line = trim(rest);
                }
            }
        }
        if line.len() == before {
            return line;
        }
    }
}

fn trim(line: &str) -> &str {
    line.trim_matches([' ', '\t'])
}

fn last_line_with(lines: &[&str], mark: &str) -> Option<usize> {
    lines.iter().rposition(|line| trim(line).ends_with(mark))
}

/// A list item begins with a bullet, or with a number that follows the one before it or a line that has come to an end.
///
/// Letters and numbers in parentheses are not taken for items: enumerations run on inside sentences ("or (b) above"),
/// and licences are full of them, so where a line was wrapped would decide.
fn is_list_item(line: &str, out: &mut Output) -> bool {
    let Some((mark, _)) = line.split_once([' ', '\t']) else { return false };
    if matches!(mark, "-" | "*" | "+" | "•" | "◦" | "▪" | "‣" | "·") {
        return true;
    }
    let Some(number) = enumerator(mark) else { return false };
    let ended = out.last_char().is_none_or(|c| matches!(c, '.' | ':' | ';' | '!' | '?'));
    let item = ended || number == out.number + 1;
    if item {
        out.number = number;
    }
    item
}

/// `1.` or `1)`.
fn enumerator(mark: &str) -> Option<u16> {
    let digits = mark.strip_suffix(['.', ')'])?;
    if digits.len() > 3 || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    digits.parse().ok()
}

/// For every line that opens a fence: the line that closes it. A fence that is never closed is none.
fn fence_ends(lines: &[&str]) -> Vec<Option<usize>> {
    let mut ends = vec![None; lines.len()];
    let mut open: Option<(usize, &str)> = None;
    for (at, line) in lines.iter().enumerate() {
        let Some(fence) = fence(line) else { continue };
        match open {
            None => open = Some((at, fence)),
            Some((start, opened)) if line.trim_end() == opened => {
                ends[start] = Some(at);
                open = None;
            }
            Some(_) => {}
        }
    }
    ends
}

/// The fence mark that begins a line (at its very start), if any.
pub(crate) fn fence(line: &str) -> Option<&str> {
    ["```", "~~~"].into_iter().find(|mark| line.starts_with(mark)).map(|mark| {
        let byte = mark.as_bytes()[0];
        let length = line.bytes().take_while(|b| *b == byte).count();
        &line[..length]
    })
}

#[cfg(test)]
mod tests;
