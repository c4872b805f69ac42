//! Regular expressions of adapter configurations, in the syntax that Python and Rust share, bounded in size and time.

use regex::bytes::{Regex, RegexBuilder};

use super::error::{FormatError, shorten};

/// Longest expression, in bytes.
const MAX_PATTERN_BYTES: usize = 4096;
/// Memory of a compiled expression, in bytes.
const MAX_COMPILED_BYTES: usize = 1 << 20;

/// What names of modules are matched against.
#[derive(Clone, Debug)]
pub(super) enum Pattern {
    /// The whole name, or what follows a dot in it.
    Suffix(String),
    /// An expression for the whole name.
    Expression(Regex),
}

impl Pattern {
    /// `target_modules` as one text: PEFT takes `re.fullmatch(text, name)`.
    pub(super) fn full(file: &str, field: &'static str, text: &str) -> Result<Self, FormatError> {
        compile(file, field, text, ["", ""]).map(Self::Expression)
    }

    /// A key of `rank_pattern` or `alpha_pattern`: PEFT takes `re.match("(.*\.)?(key)$", name)`. Most keys are names;
    /// in those a dot can only match a dot, as no name of a module differs from another in dots alone.
    pub(super) fn suffix(file: &str, field: &'static str, text: &str) -> Result<Self, FormatError> {
        if text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'.') {
            return Ok(Self::Suffix(text.to_owned()));
        }
        compile(file, field, text, [r"(?:.*\.)?(?:", ")"]).map(Self::Expression)
    }

    pub(super) fn matches(&self, name: &str) -> bool {
        match self {
            Self::Suffix(suffix) => is_suffix(name, suffix),
            Self::Expression(expression) => expression.is_match(name.as_bytes()),
        }
    }
}

/// Whether `suffix` is the name, or follows a dot in it.
pub(super) fn is_suffix(name: &str, suffix: &str) -> bool {
    name.strip_suffix(suffix).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
}

fn compile(file: &str, field: &'static str, text: &str, around: [&str; 2]) -> Result<Regex, FormatError> {
    let refused = |reason: String| FormatError::Pattern {
        file: file.into(),
        field,
        pattern: shorten(text),
        reason: shorten(&reason),
    };
    if text.len() > MAX_PATTERN_BYTES {
        return Err(refused(format!("longer than {MAX_PATTERN_BYTES} bytes")));
    }
    // The engine is linear in name and expression. Names are ASCII, so tables of Unicode are not needed.
    let build = |expression: &str| {
        RegexBuilder::new(expression)
            .unicode(false)
            .size_limit(MAX_COMPILED_BYTES)
            .dfa_size_limit(MAX_COMPILED_BYTES)
            .nest_limit(32)
            .build()
            .map_err(|error| refused(error.to_string().lines().last().unwrap_or_default().trim().to_owned()))
    };
    // Alone first: an unbalanced parenthesis must not pair with those around it.
    build(text)?;
    let [before, after] = around;
    build(&format!(r"\A(?:{before}{text}{after})\z"))
}
