//! HTML to plain text: blocks become paragraphs, boilerplate elements go.

use std::cell::Cell;

use html5ever::{
    ParseOpts,
    interface::{Tracer, TreeSink},
    parse_document,
    tendril::{StrTendril, TendrilSink},
};
use scraper::{Html, HtmlTreeSink, Node};

use super::SkipReason;

/// What an HTML page says of itself.
#[derive(Debug, Default)]
pub(crate) struct Page {
    pub(crate) text: String,
    pub(crate) title: Option<String>,
    pub(crate) heading: Option<String>,
    pub(crate) author: Option<String>,
    pub(crate) date: Option<String>,
    pub(crate) url: Option<String>,
    pub(crate) language: Option<String>,
    pub(crate) licence: Option<PageLicence>,
}

/// A licence as a page declares it.
#[derive(Debug)]
pub(crate) enum PageLicence {
    Id(String),
    Address(String),
}

const DROPPED: &[&str] = &[
    "script", "style", "nav", "header", "footer", "form", "noscript", "template", "svg", "iframe", "object", "canvas",
    "button", "select", "textarea", "audio", "video",
];

const BLOCKS: &[&str] = &[
    "address",
    "article",
    "aside",
    "blockquote",
    "body",
    "caption",
    "dd",
    "details",
    "dialog",
    "div",
    "dl",
    "dt",
    "fieldset",
    "figcaption",
    "figure",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "hr",
    "main",
    "ol",
    "p",
    "section",
    "summary",
    "table",
    "tbody",
    "tfoot",
    "thead",
    "title",
    "ul",
];

/// Elements of a page that may be open at once: the parser looks through them at every tag. Browsers open 512.
const MOST_OPEN: usize = 1000;

/// Bytes of a page between two looks at what is open.
const PIECE: usize = 16 << 10;

/// Parses a page unless it nests too deep.
fn parse(source: &str) -> Result<Html, SkipReason> {
    let mut parser = parse_document(HtmlTreeSink::new(Html::new_document()), ParseOpts::default());
    let mut rest = source;
    while !rest.is_empty() {
        let (piece, more) = rest.split_at(rest.floor_char_boundary(PIECE));
        parser.process(StrTendril::from(piece));
        let open = Open::default();
        parser.tokenizer.sink.trace_handles(&open);
        if open.elements.get() > MOST_OPEN {
            return Err(SkipReason::TooNested { limit: MOST_OPEN });
        }
        rest = more;
    }
    Ok(parser.finish())
}

/// Counts what the parser keeps open.
#[derive(Default)]
struct Open {
    elements: Cell<usize>,
}

impl Tracer for Open {
    type Handle = <HtmlTreeSink as TreeSink>::Handle;

    fn trace_handle(&self, _: &Self::Handle) {
        self.elements.set(self.elements.get() + 1);
    }
}

/// Reads a page. The walk keeps no stack of its own.
pub(crate) fn page(source: &str) -> Result<Page, SkipReason> {
    let html = parse(source)?;
    let mut page = Page::default();
    let mut walk = Walk::default();
    let mut node = html.tree.root();
    loop {
        let skipped = match node.value() {
            Node::Element(element) => {
                let attribute = |name: &str| element.attr(name).map(str::trim).filter(|value| !value.is_empty());
                match element.name() {
                    "html" => page.language = attribute("lang").map(str::to_owned),
                    "meta" => page.meta(attribute("name").or(attribute("property")), attribute("content")),
                    "link" | "a" => {
                        page.link(element.name(), attribute("rel").unwrap_or(""), attribute("href"));
                    }
                    _ => {}
                }
                let dropped = DROPPED.contains(&element.name());
                if !dropped {
                    walk.open(element.name());
                }
                dropped
            }
            Node::Text(text) => {
                walk.text(text);
                false
            }
            _ => false,
        };
        if let Some(child) = node.first_child().filter(|_| !skipped) {
            node = child;
            continue;
        }
        // Nothing below: close elements until one has a next sibling.
        let mut closing = !skipped;
        let next = loop {
            if let Some(element) = node.value().as_element().filter(|_| closing) {
                walk.close(element.name(), &mut page);
            }
            closing = true;
            if let Some(next) = node.next_sibling() {
                break Some(next);
            }
            match node.parent() {
                Some(parent) => node = parent,
                None => break None,
            }
        };
        match next {
            Some(next) => node = next,
            None => break,
        }
    }
    page.text = walk.out;
    Ok(page)
}

impl Page {
    fn meta(&mut self, name: Option<&str>, content: Option<&str>) {
        let (Some(name), Some(content)) = (name, content) else {
            return;
        };
        let content = content.to_owned();
        match name.to_ascii_lowercase().as_str() {
            "author" | "article:author" | "dc.creator" | "dcterms.creator" => {
                self.author.get_or_insert(content);
            }
            "date" | "article:published_time" | "dc.date" | "dcterms.date" | "dcterms.created" => {
                self.date.get_or_insert(content);
            }
            "license" | "licence" | "spdx-license-identifier" | "dcterms.license" => {
                let licence =
                    if content.contains("://") { PageLicence::Address(content) } else { PageLicence::Id(content) };
                self.licence.get_or_insert(licence);
            }
            _ => {}
        }
    }

    fn link(&mut self, element: &str, rel: &str, href: Option<&str>) {
        let Some(href) = href else { return };
        let rel = |wanted: &str| rel.split_ascii_whitespace().any(|word| word.eq_ignore_ascii_case(wanted));
        if element == "link" && rel("canonical") {
            self.url.get_or_insert_with(|| href.to_owned());
        }
        if rel("license") {
            self.licence.get_or_insert_with(|| PageLicence::Address(href.to_owned()));
        }
    }
}

#[derive(Default)]
struct Walk {
    out: String,
    /// Where the text of an open `<title>` or first heading begins in `out`.
    title_at: Option<usize>,
    heading_at: Option<usize>,
    pre: u32,
    /// Next number of each open list; 0 for bullets.
    lists: Vec<u32>,
    /// Inside a table cell; its separator is still to be written; the row has one already.
    cell: bool,
    cell_begins: bool,
    row_begun: bool,
}

impl Walk {
    fn open(&mut self, name: &str) {
        match name {
            "title" => {
                self.break_paragraph();
                self.title_at = Some(self.out.len());
            }
            "h1" | "h2" | "h3" | "h4" | "h5" | "h6" => {
                self.break_paragraph();
                self.heading_at = Some(self.out.len());
            }
            "pre" => {
                if self.pre == 0 {
                    self.break_paragraph();
                    self.out.push_str("```\n");
                }
                self.pre += 1;
            }
            "ol" | "ul" | "menu" => {
                self.break_line();
                self.lists.push(u32::from(name == "ol"));
            }
            "li" => {
                self.break_line();
                match self.lists.last_mut() {
                    Some(number) if *number > 0 => {
                        let mark = format!("{number}. ");
                        *number = number.saturating_add(1);
                        self.out.push_str(&mark);
                    }
                    _ => self.out.push_str("- "),
                }
            }
            "tr" => {
                self.break_line();
                self.cell = false;
                self.row_begun = false;
            }
            "td" | "th" => {
                self.cell = true;
                self.cell_begins = true;
            }
            "br" => self.out.push('\n'),
            name if BLOCKS.contains(&name) && !self.cell => self.break_paragraph(),
            _ => {}
        }
    }

    fn close(&mut self, name: &str, page: &mut Page) {
        match name {
            "title" => {
                if let Some(at) = self.title_at.take() {
                    // The title is metadata; it is not part of the text.
                    let title = self.out.split_off(at);
                    page.title.get_or_insert(title);
                }
            }
            "h1" | "h2" | "h3" | "h4" | "h5" | "h6" => {
                if let Some(at) = self.heading_at.take() {
                    page.heading.get_or_insert_with(|| self.out.get(at..).unwrap_or("").to_owned());
                }
                self.break_paragraph();
            }
            "pre" => {
                self.pre = self.pre.saturating_sub(1);
                if self.pre == 0 {
                    if !self.out.ends_with('\n') {
                        self.out.push('\n');
                    }
                    self.out.push_str("```\n\n");
                }
            }
            "ol" | "ul" | "menu" => {
                self.lists.pop();
                if self.lists.is_empty() {
                    self.break_paragraph();
                }
            }
            "li" => self.break_line(),
            "tr" => {
                if self.row_begun {
                    self.out.push_str(" |");
                }
                self.cell = false;
                self.break_line();
            }
            name if BLOCKS.contains(&name) && !self.cell => self.break_paragraph(),
            _ => {}
        }
    }

    fn text(&mut self, text: &str) {
        if self.pre > 0 {
            self.out.push_str(text);
            return;
        }
        if self.cell_begins && !text.trim().is_empty() {
            // Only cells that say something: pages of the past lay out their menus with empty ones.
            self.out.push_str(if self.row_begun { " | " } else { "| " });
            (self.row_begun, self.cell_begins) = (true, false);
        }
        let mut space = text.starts_with(char::is_whitespace);
        for word in text.split_whitespace() {
            if space && !self.out.is_empty() && !self.out.ends_with([' ', '\n']) {
                self.out.push(' ');
            }
            self.out.push_str(word);
            space = true;
        }
        if text.ends_with(char::is_whitespace) && !self.out.is_empty() && !self.out.ends_with([' ', '\n']) {
            self.out.push(' ');
        }
    }

    fn break_line(&mut self) {
        if self.pre == 0 && !self.out.is_empty() && !self.out.ends_with('\n') {
            self.out.push('\n');
        }
    }

    fn break_paragraph(&mut self) {
        // Inside a list item a paragraph must not part the item from its mark.
        if self.pre == 0 && !self.out.is_empty() && !self.out.ends_with("\n\n") && !self.ends_with_mark() {
            self.out.push_str("\n\n");
        }
    }

    fn ends_with_mark(&self) -> bool {
        const LONGEST: usize = "4294967295. ".len();
        // Looked for in one byte more than a mark has, not in a line that may be the whole page.
        let end = &self.out.as_bytes()[self.out.len().saturating_sub(LONGEST + 1)..];
        let line = end.rsplit(|byte| *byte == b'\n').next().unwrap_or_default();
        let number = |digits: &[u8]| digits.iter().all(u8::is_ascii_digit);
        !self.lists.is_empty()
            && (line == b"- " || line.len() <= LONGEST && line.strip_suffix(b". ").is_some_and(number))
    }
}

#[cfg(test)]
mod tests {
    use super::{MOST_OPEN, PIECE, PageLicence, SkipReason, page};
    use crate::clean;

    #[test]
    fn blocks_become_paragraphs_and_boilerplate_goes() {
        let source = "<html lang=pt-BR><head><title>Um  título</title><meta name=author content='Ana'>\
            <meta property='article:published_time' content='2024-03-02T10:00'>\
            <link rel=canonical href='https://e.org/a'><style>p{}</style></head><body><nav>menu</nav>\
            <header>site</header><h1>Cabeçalho</h1><p>Um\n <b>parágrafo</b>.</p><div>Outro<br>aqui</div>\
            <ul><li>um</li><li><p>dois</p></li></ul><ol><li>x</li><li>y</li></ol>\
            <table><tr><th>a</th><th>b</th></tr><tr><td>1</td><td><p>2</p></td></tr></table>\
            <pre>let  x;\n  y</pre><script>alert(1)</script><form><p>form</p></form><footer>rodapé</footer>\
            <a rel=license href='https://creativecommons.org/licenses/by/4.0/'>CC</a></body></html>";
        let page = page(source).unwrap();
        assert_eq!(
            clean(&page.text),
            "Cabeçalho\n\nUm parágrafo.\n\nOutro aqui\n\n- um\n- dois\n\n1. x\n2. y\n\n| a | b |\n| 1 | 2 |\n\n\
             ```\nlet  x;\n  y\n```\n\nCC"
        );
        assert_eq!(page.title.as_deref(), Some("Um título"));
        assert_eq!(page.heading.as_deref(), Some("Cabeçalho"));
        assert_eq!(page.author.as_deref(), Some("Ana"));
        assert_eq!(page.date.as_deref(), Some("2024-03-02T10:00"));
        assert_eq!(page.url.as_deref(), Some("https://e.org/a"));
        assert_eq!(page.language.as_deref(), Some("pt-BR"));
        assert!(matches!(page.licence, Some(PageLicence::Address(_))));
    }

    #[test]
    fn a_page_is_refused_where_it_nests_too_deep() {
        let deep = |elements| format!("{}text", "<div>".repeat(elements));
        assert_eq!(clean(&page(&deep(MOST_OPEN / 2)).unwrap().text), "text");
        // The third would take a day.
        for source in [deep(20_000), "<table><tr><td>".repeat(20_000), deep(3_000_000)] {
            assert_eq!(page(&source).err(), Some(SkipReason::TooNested { limit: MOST_OPEN }));
        }
        // Many elements that are closed are none too many, however they are cut into pieces.
        let wide = "<p>an <b>é</b>&amp;<br>\r\n".repeat(5 * PIECE);
        assert_eq!(clean(&page(&wide).unwrap().text).lines().filter(|line| *line == "an é&").count(), 5 * PIECE);
    }

    #[test]
    fn blocks_after_a_long_line_take_linear_time() {
        // What might be the number of an item is as long as a page.
        let digits = "1".repeat(1 << 20);
        let source = format!("<ul>{digits}. {}", "<div></div>".repeat(200_000));
        assert_eq!(clean(&page(&source).unwrap().text), format!("{digits}."));
    }
}
