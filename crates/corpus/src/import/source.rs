//! One file: bytes, text, metadata.

use std::{fs::File, io::Read, path::Path};

use flate2::read::MultiGzDecoder;
use fonte_types::metadata::Metadata;

use super::{
    Document, ImportOptions, SkipReason, check_licence, detect_language,
    html::{self, PageLicence},
    language::language_tag,
    licence::licence_of_url,
    markdown,
};
use crate::{clean, clean::clean_line};

/// Markup may be longer than the text in it by this factor.
const MARKUP: usize = 4;

/// Longest value of a metadata field, in bytes.
const MAX_FIELD: usize = 1000;

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Plain,
    Markdown,
    Html,
}

/// Reads one file into a document.
pub(super) fn read(file: &Path, path: &str, options: &ImportOptions) -> Result<Document, SkipReason> {
    let (kind, compressed, stem) = classify(path)?;
    let limit = options.max_text_bytes;
    let bytes = read_bounded(file, compressed, if kind == Kind::Html { limit.saturating_mul(MARKUP) } else { limit })
        .map_err(|error| match error {
        ReadError::TooLong => SkipReason::TooLarge { limit },
        ReadError::Io(error) => SkipReason::Unreadable { error: error.to_string() },
    })?;
    if bytes.contains(&0) {
        return Err(SkipReason::Binary);
    }
    let source =
        String::from_utf8(bytes).map_err(|error| SkipReason::NotUtf8 { at: error.utf8_error().valid_up_to() })?;
    let parsed = match kind {
        Kind::Html => parse_html(&source)?,
        Kind::Markdown | Kind::Plain => parse_text(&source, kind),
    };
    finish(parsed, path, stem, options)
}

/// The kind of a file by its name, whether it is compressed, and the name to show.
fn classify(path: &str) -> Result<(Kind, bool, &str), SkipReason> {
    let name = path.rsplit('/').next().unwrap_or(path);
    let (name, compressed) = match name.strip_suffix(".gz") {
        Some(name) => (name, true),
        None => (name, false),
    };
    let Some((stem, extension)) = name.rsplit_once('.').filter(|(stem, _)| !stem.is_empty()) else {
        return Ok((Kind::Plain, compressed, name));
    };
    match extension.to_ascii_lowercase().as_str() {
        "md" | "markdown" => Ok((Kind::Markdown, compressed, stem)),
        "txt" | "text" => Ok((Kind::Plain, compressed, stem)),
        "html" | "htm" | "xhtml" => Ok((Kind::Html, compressed, stem)),
        // README.Debian, NEWS-1.2 and "Notes on St. John" have a dot, not an extension.
        _ if extension.starts_with(|c: char| c.is_ascii_uppercase()) && extension.len() > 4
            || extension.contains(' ')
            || extension.bytes().all(|b| b.is_ascii_digit()) =>
        {
            Ok((Kind::Plain, compressed, name))
        }
        _ => Err(SkipReason::Unsupported { extension: extension.chars().take(20).collect() }),
    }
}

enum ReadError {
    TooLong,
    Io(std::io::Error),
}

fn read_bounded(file: &Path, compressed: bool, limit: usize) -> Result<Vec<u8>, ReadError> {
    let file = File::open(file).map_err(ReadError::Io)?;
    let mut bytes = Vec::new();
    let most = limit as u64 + 1;
    let result = if compressed {
        MultiGzDecoder::new(std::io::BufReader::new(file)).take(most).read_to_end(&mut bytes)
    } else {
        file.take(most).read_to_end(&mut bytes)
    };
    result.map_err(ReadError::Io)?;
    if bytes.len() > limit { Err(ReadError::TooLong) } else { Ok(bytes) }
}

/// What a file says, before defaults.
#[derive(Default)]
struct Parsed {
    text: String,
    stated: Metadata,
    heading: Option<String>,
}

fn parse_text(source: &str, kind: Kind) -> Parsed {
    let source = source.strip_prefix('\u{feff}').unwrap_or(source);
    let (stated, body) = front_matter(source);
    let (text, heading) = match kind {
        Kind::Markdown => markdown::plain(body),
        _ => (body.to_owned(), underlined_heading(body)),
    };
    Parsed { text: clean(&text), stated, heading }
}

fn parse_html(source: &str) -> Result<Parsed, SkipReason> {
    let page = html::page(source)?;
    let licence = match page.licence {
        None => String::new(),
        Some(PageLicence::Id(id)) => id,
        Some(PageLicence::Address(address)) => licence_of_url(&address)
            .ok_or_else(|| SkipReason::UnknownLicence { id: address.chars().take(200).collect(), suggestion: None })?,
    };
    let stated = Metadata {
        title: page.title.unwrap_or_default(),
        url: page.url.unwrap_or_default(),
        author: page.author.unwrap_or_default(),
        date: page.date.unwrap_or_default(),
        language: page.language.unwrap_or_default(),
        licence,
    };
    Ok(Parsed { text: clean(&page.text), stated, heading: page.heading })
}

/// A first line that is underlined with `=` or `-`.
fn underlined_heading(body: &str) -> Option<String> {
    let mut lines = body.lines().map(str::trim).filter(|line| !line.is_empty()).take(4);
    let mut previous = "";
    lines.find_map(|line| {
        let underline = line.len() >= 3 && (line.bytes().all(|b| b == b'=') || line.bytes().all(|b| b == b'-'));
        let heading = (underline && previous.chars().any(char::is_alphanumeric)).then(|| previous.to_owned());
        previous = line;
        heading
    })
}

/// `---`, lines of `key: value`, `---`. Anything else is text.
fn front_matter(source: &str) -> (Metadata, &str) {
    const MAX_LINES: usize = 100;
    let none = || (Metadata::default(), source);
    let mut lines = source.split_inclusive('\n');
    let Some(first) = lines.next() else {
        return none();
    };
    if first.trim_end() != "---" {
        return none();
    }
    let mut metadata = Metadata::default();
    let mut length = first.len();
    for line in lines.take(MAX_LINES) {
        length += line.len();
        let text = line.trim_end();
        if text == "---" || text == "..." {
            return (metadata, &source[length..]);
        }
        if text.is_empty() || text.starts_with([' ', '\t', '#', '-']) {
            continue;
        }
        let Some((key, value)) = text.split_once(':') else {
            return none();
        };
        let value = unquote(value.trim());
        match key.trim().to_ascii_lowercase().as_str() {
            "title" => metadata.title = value,
            "author" => metadata.author = value,
            "url" | "link" | "canonical" => metadata.url = value,
            "date" => metadata.date = value,
            "language" | "lang" => metadata.language = value,
            "license" | "licence" => metadata.licence = value,
            _ => {}
        }
    }
    none()
}

fn unquote(value: &str) -> String {
    for quote in ['"', '\''] {
        if let Some(inner) = value.strip_prefix(quote).and_then(|value| value.strip_suffix(quote)) {
            return inner.replace(&format!("\\{quote}"), &quote.to_string());
        }
    }
    value.to_owned()
}

fn finish(parsed: Parsed, path: &str, stem: &str, options: &ImportOptions) -> Result<Document, SkipReason> {
    let Parsed { text, stated, heading } = parsed;
    if text.is_empty() {
        return Err(SkipReason::Empty);
    }
    if text.len() > options.max_text_bytes {
        return Err(SkipReason::TooLarge { limit: options.max_text_bytes });
    }
    let licence = if stated.licence.trim().is_empty() {
        options.default_licence.clone().unwrap_or_default()
    } else {
        check_licence(&stated.licence)
            .map_err(|unknown| SkipReason::UnknownLicence { id: unknown.id, suggestion: unknown.suggestion })?
    };
    let title = [Some(stated.title), heading, Some(stem.to_owned())]
        .into_iter()
        .flatten()
        .map(|title| field(&title))
        .find(|title| !title.is_empty())
        .unwrap_or_default();
    let language = language_tag(&stated.language)
        .or_else(|| options.default_language.clone())
        .unwrap_or_else(|| detect_language(&text).to_owned());
    let metadata = Metadata {
        title,
        url: web_address(&stated.url),
        author: field(&stated.author),
        date: date(&stated.date),
        language,
        licence,
    };
    Ok(Document { path: path.to_owned(), metadata, text })
}

fn field(value: &str) -> String {
    let line = clean_line(value);
    line[..line.floor_char_boundary(MAX_FIELD)].trim_end().to_owned()
}

/// Only web addresses are kept: what stands there becomes a link for readers.
fn web_address(value: &str) -> String {
    let value = field(value);
    let is_web = value.starts_with("https://") || value.starts_with("http://");
    if is_web && !value.contains([' ', '"', '<', '>']) { value } else { String::new() }
}

/// `YYYY-MM-DD`, also out of a longer timestamp; other dates are dropped rather than guessed.
fn date(value: &str) -> String {
    let format = time::macros::format_description!("[year]-[month]-[day]");
    let value = value.trim();
    match value.get(..10).and_then(|day| time::Date::parse(day, format).ok()) {
        Some(_) => value[..10].to_owned(),
        None => String::new(),
    }
}
