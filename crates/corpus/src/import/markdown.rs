//! Markdown to plain text: marks are taken off, what they say about structure stays as line breaks.
//!
//! Not a full CommonMark parser: what it does not know stays readable text.

use crate::clean::fence;

/// The text of a Markdown document before cleaning, and its first heading.
pub(crate) fn plain(source: &str) -> (String, Option<String>) {
    let mut out = String::with_capacity(source.len());
    let mut heading = None;
    let mut lines = source.lines().peekable();
    let mut in_list = false;
    let mut blank_before = true;
    let mut comment = false;
    while let Some(line) = lines.next() {
        let trimmed = line.trim_start();
        let indent = line.len() - trimmed.len();
        if let Some(mark) = fence(trimmed) {
            // Fences stand at the very start of a line in clean text.
            out.push_str(trimmed);
            out.push('\n');
            for code in lines.by_ref() {
                let closes = code.trim() == mark;
                out.push_str(if closes {
                    mark
                } else {
                    code.get(indent..).filter(|_| code[..indent.min(code.len())].trim().is_empty()).unwrap_or(code)
                });
                out.push('\n');
                if closes {
                    break;
                }
            }
            blank_before = true;
            continue;
        }
        let visible = without_comments(trimmed, &mut comment);
        let trimmed = visible.trim();
        if trimmed.is_empty() {
            out.push('\n');
            blank_before = true;
            continue;
        }
        if indent >= 4 && blank_before && !in_list {
            out.push_str("```\n");
            out.push_str(line.get(4..).unwrap_or(trimmed));
            out.push('\n');
            while let Some(code) = lines.next_if(|next| next.starts_with("    ")) {
                out.push_str(&code[4..]);
                out.push('\n');
            }
            out.push_str("```\n");
            continue;
        }
        blank_before = false;
        if is_reference_definition(trimmed) {
            continue;
        }
        if let Some(title) = atx_heading(trimmed) {
            let title = inline(title);
            heading.get_or_insert_with(|| title.clone());
            push_paragraph(&mut out, &title);
            in_list = false;
            continue;
        }
        let underlined = lines.peek().is_some_and(|next| is_setext_underline(next));
        if underlined && !starts_item(trimmed) && !trimmed.starts_with(['|', '>']) {
            lines.next();
            let title = inline(trimmed);
            heading.get_or_insert_with(|| title.clone());
            push_paragraph(&mut out, &title);
            in_list = false;
            continue;
        }
        if starts_item(trimmed) {
            in_list = true;
        } else if indent == 0 {
            in_list = false;
        }
        let (mark, rest) = split_item(trimmed);
        out.push_str(mark);
        out.push_str(&inline(rest));
        out.push('\n');
    }
    (out, heading.filter(|heading| !heading.trim().is_empty()))
}

fn push_paragraph(out: &mut String, text: &str) {
    out.push_str("\n\n");
    out.push_str(text);
    out.push_str("\n\n");
}

fn atx_heading(line: &str) -> Option<&str> {
    let level = line.bytes().take_while(|b| *b == b'#').count();
    let rest = &line[level..];
    if !(1..=6).contains(&level) || !(rest.is_empty() || rest.starts_with([' ', '\t'])) {
        return None;
    }
    let rest = rest.trim();
    let closed = rest.trim_end_matches('#');
    Some(if closed.is_empty() || closed.ends_with(' ') { closed.trim_end() } else { rest })
}

fn is_setext_underline(line: &str) -> bool {
    let line = line.trim();
    line.len() >= 3 && (line.bytes().all(|b| b == b'=') || line.bytes().all(|b| b == b'-'))
}

fn is_reference_definition(line: &str) -> bool {
    line.starts_with('[')
        && !line.starts_with("[^")
        && line.split_once("]:").is_some_and(|(name, rest)| {
            !name[1..].contains(']')
                && !rest.trim().is_empty()
                && rest.split_whitespace().count() <= 8
                && rest.trim_start().starts_with(['<', '/', '#', '.', 'h', 'm', 'f'])
        })
}

fn starts_item(line: &str) -> bool {
    !split_item(line).0.is_empty()
}

/// The list mark of a line (with its space), and the rest.
fn split_item(line: &str) -> (&str, &str) {
    let length = match line.as_bytes() {
        [b'-' | b'*' | b'+', b' ' | b'\t', ..] => 2,
        bytes => {
            let digits = bytes.iter().take_while(|b| b.is_ascii_digit()).count();
            match bytes.get(digits..) {
                Some([b'.' | b')', b' ' | b'\t', ..]) if (1..=3).contains(&digits) => digits + 2,
                _ => 0,
            }
        }
    };
    line.split_at(length)
}

/// Drops `<!-- -->`, also across lines.
fn without_comments(line: &str, inside: &mut bool) -> String {
    let mut rest = line;
    let mut out = String::new();
    loop {
        if *inside {
            match rest.find("-->") {
                Some(end) => {
                    rest = &rest[end + 3..];
                    *inside = false;
                }
                None => return out,
            }
        }
        match rest.find("<!--") {
            Some(start) => {
                out.push_str(&rest[..start]);
                rest = &rest[start + 4..];
                *inside = true;
            }
            None => {
                out.push_str(rest);
                return out;
            }
        }
    }
}

/// Takes inline marks off: links and images become their text, emphasis goes, code spans stay as they are.
fn inline(line: &str) -> String {
    let linked = links(line);
    emphasis(&linked)
}

fn links(line: &str) -> String {
    let mut out = String::with_capacity(line.len());
    let mut rest = line;
    while let Some(at) = rest.find(['[', '`', '\\', '<']) {
        out.push_str(rest[..at].strip_suffix('!').filter(|_| rest[at..].starts_with('[')).unwrap_or(&rest[..at]));
        let bang = rest[..at].ends_with('!');
        rest = &rest[at..];
        let taken = match rest.as_bytes()[0] {
            b'`' => {
                let length = code_span(rest);
                out.push_str(&rest[..length]);
                Some(length)
            }
            b'\\' => rest.chars().nth(1).filter(char::is_ascii_punctuation).map(|c| {
                out.push('\\');
                out.push(c);
                2
            }),
            b'<' => tag(rest).map(|(length, text)| {
                out.push_str(text);
                length
            }),
            _ => link(rest).map(|(length, text)| {
                out.push_str(&links(text));
                length
            }),
        };
        match taken {
            Some(length) => rest = &rest[length..],
            None => {
                if bang && rest.starts_with('[') {
                    out.push('!');
                }
                let first = rest.chars().next().map_or(0, char::len_utf8);
                out.push_str(&rest[..first]);
                rest = &rest[first..];
            }
        }
    }
    out.push_str(rest);
    out
}

/// How far a mark may stand from the mark that closes it; it keeps the time linear whatever the text.
const LOOK_AHEAD: usize = 4000;

fn head(text: &str, bytes: usize) -> &str {
    &text[..text.floor_char_boundary(bytes)]
}

/// Bytes of the code span that begins with these ticks; of the ticks, where nothing closes it.
fn code_span(rest: &str) -> usize {
    let ticks = rest.bytes().take_while(|b| *b == b'`').count();
    head(&rest[ticks..], LOOK_AHEAD).find(&rest[..ticks]).map_or(ticks, |close| ticks + close + ticks)
}

/// `[text](target)`, `[text][name]` or `[text][]`; nesting is bounded by the search for the matching bracket.
fn link(rest: &str) -> Option<(usize, &str)> {
    let mut depth = 0;
    let mut close = None;
    for (at, byte) in rest.bytes().enumerate().take(2000) {
        match byte {
            b'[' => depth += 1,
            b']' => {
                depth -= 1;
                if depth == 0 {
                    close = Some(at);
                    break;
                }
            }
            _ => {}
        }
        if depth > 8 {
            return None;
        }
    }
    let close = close?;
    let after = &rest[close + 1..];
    let (open, shut) = match after.as_bytes().first() {
        Some(b'(') => ('(', ')'),
        Some(b'[') => ('[', ']'),
        _ => return None,
    };
    let mut depth = 0;
    for (at, c) in after.char_indices().take(2000) {
        if c == open {
            depth += 1;
        } else if c == shut {
            depth -= 1;
            if depth == 0 {
                return Some((close + 1 + at + 1, &rest[1..close]));
            }
        }
    }
    None
}

/// Autolinks become their address; the HTML tags that Markdown files use for layout go.
fn tag(rest: &str) -> Option<(usize, &str)> {
    let end = head(rest, LOOK_AHEAD).find('>')?;
    let inner = &rest[1..end];
    if inner.starts_with("http://") || inner.starts_with("https://") || (inner.contains('@') && !inner.contains(' ')) {
        return Some((end + 1, inner));
    }
    let name = inner.trim_start_matches('/').split([' ', '/']).next().unwrap_or("").to_ascii_lowercase();
    const LAYOUT: &[&str] = &[
        "a", "b", "br", "center", "code", "details", "div", "em", "h1", "h2", "h3", "h4", "hr", "i", "img", "kbd",
        "li", "ol", "p", "picture", "pre", "source", "span", "strong", "sub", "summary", "sup", "table", "tbody", "td",
        "th", "thead", "tr", "ul",
    ];
    LAYOUT
        .contains(&name.as_str())
        .then(|| (end + 1, if matches!(name.as_str(), "br" | "td" | "th") { " " } else { "" }))
}

/// Removes `*`, `_` and `~~` that open or close emphasis, and the backslash of escapes; code spans are skipped.
fn emphasis(line: &str) -> String {
    let mut out = String::with_capacity(line.len());
    let mut before = ' ';
    let mut rest = line;
    let mut opened = false;
    while let Some(c) = rest.chars().next() {
        let mut length = c.len_utf8();
        match c {
            '`' => {
                length = code_span(rest);
                out.push_str(&rest[..length]);
            }
            '\\' => {
                if let Some(escaped) = rest.chars().nth(1).filter(char::is_ascii_punctuation) {
                    length += escaped.len_utf8();
                    out.push(escaped);
                } else {
                    out.push(c);
                }
            }
            '*' | '_' | '~' => {
                length = rest.bytes().take_while(|b| *b == c as u8).count();
                let after = rest[length..].chars().next().unwrap_or(' ');
                let opens = !after.is_whitespace() && (c == '*' || !before.is_alphanumeric());
                let closes = !before.is_whitespace() && (c == '*' || !after.is_alphanumeric());
                let paired = if opens { head(&rest[length..], LOOK_AHEAD).contains(c) } else { closes && opened };
                opened |= opens;
                let is_mark = match c {
                    '~' => length == 2 && (opens || closes),
                    _ => length <= 3 && (opens || closes) && paired,
                };
                if !is_mark {
                    out.push_str(&rest[..length]);
                }
            }
            c => out.push(c),
        }
        before = rest[..length].chars().next_back().unwrap_or(' ');
        rest = &rest[length..];
    }
    out
}

#[cfg(test)]
mod tests {
    use super::plain;
    use crate::clean;

    #[test]
    fn marks_go_and_words_stay() {
        let cases = [
            ("# Title #\nText", "Title\n\nText"),
            ("Title\n---\nText", "Title\n\nText"),
            ("a **bold** and *leaning* __word__ and _one_ more", "a bold and leaning word and one more"),
            ("snake_case_name and 2 * 3 * 4", "snake_case_name and 2 * 3 * 4"),
            ("see [the page](https://e.org/a_(b)) now", "see the page now"),
            ("[![badge](x.svg)](https://e.org)", "badge"),
            ("see [here][1] and [there][]\n\n[1]: https://e.org", "see here and there"),
            ("an array [0] stays", "an array [0] stays"),
            ("`*code*` stays", "`*code*` stays"),
            ("``a *b* [c](d) `*e*`", "``a b c `*e*`"),
            ("<https://e.org> and <b>bold</b> and <year>", "https://e.org and bold and <year>"),
            ("before <!-- hidden\nstill --> after", "before after"),
            ("\\*not emphasis\\*", "*not emphasis*"),
            ("- one\n  more\n- **two**", "- one more\n- two"),
            ("text\n\n    code_here *x*\n    more\n\ntext", "text\n\n```\ncode_here *x*\nmore\n```\n\ntext"),
            ("  ```rust\n  let x = 1;\n  ```\nafter", "```rust\nlet x = 1;\n```\n\nafter"),
            ("~~gone~~ ~5 minutes", "gone ~5 minutes"),
        ];
        for (source, expected) in cases {
            assert_eq!(clean(&plain(source).0), expected, "of {source:?}");
        }
    }

    #[test]
    fn the_first_heading_is_found() {
        assert_eq!(plain("text\n\n## A *b*\n# C").1.as_deref(), Some("A b"));
        assert_eq!(plain("text").1, None);
    }

    #[test]
    fn hostile_lines_take_linear_time() {
        for piece in ["`", "`` ` ", "[", "*", "* a", "<", "\\`", "<!--", "#"] {
            // A line of ticks alone took an hour. At the beginning of a line, ticks are a fence.
            plain(&format!("a {}", piece.repeat((1 << 20) / piece.len())));
        }
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_taken(source in "[-\\[\\]()*_`~<>!#|\\\\ a-cé\n]{0,200}") {
            let text = clean(&plain(&source).0);
            proptest::prop_assert_eq!(clean(&text), text);
        }
    }
}
