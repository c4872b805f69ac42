//! Chat templates: programs of strangers that lay messages out as one text. They run in minijinja, which has neither
//! files nor network nor clock, on a bounded amount of fuel; and where asked to in a process of its own
//! (`template_process`), which bounds what fuel does not count.

use std::{
    borrow::Cow,
    collections::BTreeMap,
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    path::PathBuf,
    sync::LazyLock,
};

use minijinja::{
    Environment, Error, ErrorKind, Value,
    syntax::SyntaxConfig,
    value::{Kwargs, Serde, ValueKind},
};
use regex::Regex;
use serde::{Deserialize, Serialize};

use super::{
    error::FormatError,
    json::Fields,
    template_process::{Isolated, Source},
};

/// Longest template, in bytes.
pub(super) const MAX_TEMPLATE_BYTES: u64 = 1 << 18;
/// Longest `tokenizer_config.json`: it may list thousands of added tokens.
pub(super) const MAX_TOKENIZER_CONFIG_BYTES: u64 = 4 << 20;
/// Longest text that a template may make, in bytes.
const MAX_OUTPUT_BYTES: usize = 4 << 20;
/// Instructions, and pieces of 64 bytes, that one rendering may cost. Templates in use need a few hundred per message.
const FUEL: u64 = 1_000_000;
/// Deepest nesting of calls and of what `tojson` writes.
const MAX_DEPTH: usize = 64;

/// One message of a conversation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// `system`, `user`, `assistant`, or what else the template knows.
    pub role: String,
    /// Its text.
    pub content: String,
}

/// What a template lays out.
#[derive(Serialize, Deserialize)]
pub(super) struct Conversation<'a> {
    messages: Cow<'a, [Message]>,
    add_generation_prompt: bool,
    extra: Cow<'a, BTreeMap<String, serde_json::Value>>,
}

/// A compiled template.
pub struct ChatTemplate {
    file: String,
    source: String,
    environment: Environment<'static>,
    bos: String,
    eos: String,
    isolated: Option<Isolated>,
}

impl ChatTemplate {
    /// Compiles a template in the dialect of transformers: blocks are trimmed, `break` and `continue` exist, Python's
    /// methods of texts and dicts too. `bos` and `eos` are the texts of `bos_token` and `eos_token`.
    ///
    /// `strftime_now` does not exist: a prompt that names today's date could not be replayed tomorrow. Templates that ask
    /// whether it exists fall back to a date of their own; others are refused by name when they call it.
    pub fn compile(file: &str, source: &str, bos: &str, eos: &str) -> Result<Self, FormatError> {
        if source.len() as u64 > MAX_TEMPLATE_BYTES {
            let (size, limit) = (source.len() as u64, MAX_TEMPLATE_BYTES);
            return Err(FormatError::TooLarge { file: file.into(), what: "its size", size, limit });
        }
        let mut environment = Environment::new();
        let syntax = SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build();
        environment.set_syntax(syntax.expect("the default delimiters"));
        environment.set_fuel(Some(FUEL));
        environment.set_recursion_limit(MAX_DEPTH);
        environment.set_auto_escape_callback(|_| minijinja::AutoEscape::None);
        environment.set_unknown_method_callback(minijinja_contrib::pycompat::unknown_method_callback);
        environment.add_function("raise_exception", raise_exception);
        environment.add_filter("tojson", tojson);
        caught(|| environment.add_template_owned("chat", without_generation_marks(source)))
            .map_err(|source| FormatError::Template { file: file.into(), source })?;
        let (file, source) = (file.to_owned(), source.to_owned());
        Ok(Self { file, source, environment, bos: bos.into(), eos: eos.into(), isolated: None })
    }

    /// From now on renders in a process of `program`, which must call [`super::render_templates`] when its only argument
    /// is [`super::RENDER_TEMPLATES`]: a template made to hang or to use up memory then ends that process alone, and its
    /// conversation is refused. On systems that are not Unix nothing changes.
    #[must_use]
    pub fn isolated(mut self, program: PathBuf) -> Self {
        if cfg!(unix) {
            let (file, source) = (self.file.clone(), self.source.clone());
            self.isolated =
                Some(Isolated::new(program, Source { file, source, bos: self.bos.clone(), eos: self.eos.clone() }));
        }
        self
    }

    /// Lays the messages out; with `add_generation_prompt` the text ends where the model's answer begins. `extra` are
    /// further variables that some templates read, such as `enable_thinking`.
    pub fn render(
        &self,
        messages: &[Message],
        add_generation_prompt: bool,
        extra: &BTreeMap<String, serde_json::Value>,
    ) -> Result<String, FormatError> {
        let (messages, extra) = (Cow::Borrowed(messages), Cow::Borrowed(extra));
        let conversation = Conversation { messages, add_generation_prompt, extra };
        match &self.isolated {
            Some(isolated) => isolated.render(&conversation),
            None => self
                .render_here(&conversation)
                .map_err(|source| FormatError::Template { file: self.file.clone(), source }),
        }
    }

    pub(super) fn render_here(&self, conversation: &Conversation<'_>) -> Result<String, Error> {
        let Conversation { messages, add_generation_prompt, extra } = conversation;
        let mut context: BTreeMap<&str, Value> =
            extra.iter().map(|(name, value)| (name.as_str(), Value::from(Serde(value)))).collect();
        context.insert("messages", Value::from(Serde(&**messages)));
        context.insert("add_generation_prompt", (*add_generation_prompt).into());
        context.insert("bos_token", self.bos.as_str().into());
        context.insert("eos_token", self.eos.as_str().into());
        let mut out = Bounded(Vec::new());
        let template = self.environment.get_template("chat").expect("compiled above");
        caught(|| template.render_captured_to(context, &mut out).map(drop))?;
        Ok(String::from_utf8(out.0).expect("minijinja writes text"))
    }
}

/// What minijinja does, a panic being an error: it trusts its own compiler, which 3.1.0 should not where a `break` or `continue`
/// leaves a `with` inside a loop. What it was working on is not used again.
fn caught<T>(act: impl FnOnce() -> Result<T, Error>) -> Result<T, Error> {
    catch_unwind(AssertUnwindSafe(act)).unwrap_or_else(|_| {
        Err(Error::new(ErrorKind::InvalidOperation, "the template library panics on this template"))
    })
}

/// The template of a folder: `chat_template.jinja` where there is one, else the one in `tokenizer_config.json`, which
/// also says what `bos_token` and `eos_token` are. Each is a label and bytes.
pub(super) fn find(
    jinja: Option<(String, &[u8])>,
    config: Option<(String, &[u8])>,
) -> Result<Option<ChatTemplate>, FormatError> {
    let map = match &config {
        Some((file, bytes)) => {
            serde_json::from_slice(bytes).map_err(|source| FormatError::Json { file: file.clone(), source })?
        }
        None => serde_json::Map::new(),
    };
    let fields = Fields { file: config.as_ref().map_or("tokenizer_config.json", |(file, _)| file), map: &map };
    let (bos, eos) = (token(fields, "bos_token")?, token(fields, "eos_token")?);
    if let Some((file, bytes)) = jinja {
        let source = std::str::from_utf8(bytes).map_err(|_| FormatError::Template {
            file: file.clone(),
            source: Error::new(ErrorKind::SyntaxError, "not UTF-8"),
        })?;
        return ChatTemplate::compile(&file, source, bos, eos).map(Some);
    }
    let source = match fields.get("chat_template") {
        None => return Ok(None),
        Some(serde_json::Value::String(source)) => source,
        // Older files keep several, by name.
        Some(value) => {
            let named = |entry: &&serde_json::Value| entry["name"].as_str() == Some("default");
            let default = value.as_array().and_then(|list| list.iter().find(named));
            let source = default.and_then(|entry| entry["template"].as_str());
            source.ok_or_else(|| fields.wrong("chat_template", value, "a text, or a list with one named default"))?
        }
    };
    ChatTemplate::compile(fields.file, source, bos, eos).map(Some)
}

/// A token as a text, or as an object with its text in `content`.
fn token<'a>(fields: Fields<'a>, field: &'static str) -> Result<&'a str, FormatError> {
    match fields.get(field) {
        None => Ok(""),
        Some(value) => {
            let text = value.as_str().or_else(|| value.get("content").and_then(serde_json::Value::as_str));
            text.ok_or_else(|| fields.wrong(field, value, "a text, or an object with its content"))
        }
    }
}

/// `{% generation %}` marks, for training, which text is the assistant's. It prints what is inside.
fn without_generation_marks(source: &str) -> String {
    if !source.contains("generation") {
        return source.to_owned();
    }
    static MARKS: LazyLock<[Regex; 2]> = LazyLock::new(|| {
        let mark = |name| Regex::new(&format!(r"\{{%([-+]?)\s*{name}\s*([-+]?)%\}}")).expect("a constant expression");
        [mark("generation"), mark("endgeneration")]
    });
    let source = MARKS[0].replace_all(source, "{%${1} if true ${2}%}");
    MARKS[1].replace_all(&source, "{%${1} endif ${2}%}").into_owned()
}

fn raise_exception(message: String) -> Result<Value, Error> {
    Err(Error::new(ErrorKind::InvalidOperation, super::error::shorten(&message)))
}

/// `tojson` as Python's `json.dumps(ensure_ascii=False)` writes it: in the order of the value, with spaces after commas and
/// colons. minijinja's own escapes what is special in HTML.
fn tojson(value: &Value, indent: Option<Value>, options: Kwargs) -> Result<Value, Error> {
    let indent = match indent {
        Some(indent) => Some(indent),
        None => options.get("indent")?,
    };
    let indent = indent.filter(|indent| !indent.is_none()).map(usize::try_from).transpose()?;
    if indent.is_some_and(|indent| indent > 16) {
        return Err(Error::new(ErrorKind::InvalidOperation, "tojson indents by at most 16"));
    }
    let mut out = String::new();
    write_json(value, indent, 0, &mut out)?;
    Ok(Value::from_safe_string(out))
}

fn write_json(value: &Value, indent: Option<usize>, depth: usize, out: &mut String) -> Result<(), Error> {
    if depth > MAX_DEPTH || out.len() > MAX_OUTPUT_BYTES / 4 {
        return Err(Error::new(ErrorKind::InvalidOperation, "tojson of something too deep or too long"));
    }
    let line = |depth: usize, out: &mut String| {
        if let Some(indent) = indent {
            out.push('\n');
            out.extend(std::iter::repeat_n(' ', indent * depth));
        }
    };
    let comma = if indent.is_some() { "," } else { ", " };
    let text = |text: &str| serde_json::to_string(text).expect("a text");
    match value.kind() {
        ValueKind::None => out.push_str("null"),
        ValueKind::Bool => out.push_str(if value.is_true() { "true" } else { "false" }),
        ValueKind::Number => out.push_str(&value.to_string()),
        ValueKind::String => out.push_str(&text(value.as_str().unwrap_or_default())),
        ValueKind::Seq | ValueKind::Iterable => {
            out.push('[');
            let mut empty = true;
            for item in value.try_iter()? {
                out.push_str(if empty { "" } else { comma });
                line(depth + 1, out);
                write_json(&item, indent, depth + 1, out)?;
                empty = false;
            }
            if !empty {
                line(depth, out);
            }
            out.push(']');
        }
        ValueKind::Map => {
            out.push('{');
            let mut empty = true;
            for key in value.try_iter()? {
                out.push_str(if empty { "" } else { comma });
                line(depth + 1, out);
                out.push_str(&text(&key.to_string()));
                out.push_str(": ");
                write_json(&value.get_item(&key)?, indent, depth + 1, out)?;
                empty = false;
            }
            if !empty {
                line(depth, out);
            }
            out.push('}');
        }
        _ => return Err(Error::new(ErrorKind::InvalidOperation, "tojson of something that JSON cannot say")),
    }
    Ok(())
}

/// A text that refuses to grow beyond the limit.
struct Bounded(Vec<u8>);

impl io::Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.0.len() + bytes.len() > MAX_OUTPUT_BYTES {
            return Err(io::Error::other("the text is longer than a template may make"));
        }
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
