//! Requests as OpenAI's clients send them, and their rendering into the one text that is committed.

use fonte_types::{
    Visibility,
    conversation::{self, Role, Turn},
    log_probs::MAX_ALTERNATIVES,
    wire::{Asked, MAX_PROMPT, MAX_STOP, MAX_STOPS, Sampling},
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{error::ApiError, select::MAX_DATANETS};

/// Most messages of one conversation.
const MAX_MESSAGES: usize = 1024;

/// Most jurisdictions that a request names: there are fewer codes.
const MAX_JURISDICTIONS: usize = 256;

/// Most answers to one request. Each is a receipt of its own.
const MAX_CHOICES: u32 = 8;

/// Most alternatives that a text completion's `logprobs` asks for.
const MAX_TEXT_ALTERNATIVES: i64 = 5;

/// The part of a chat completion's body that means something here; the rest is ignored, as OpenAI's API does.
#[derive(Debug, Deserialize)]
pub(crate) struct ChatBody {
    messages: Vec<Message>,
    #[serde(default)]
    logprobs: Option<bool>,
    #[serde(default)]
    top_logprobs: Option<i64>,
    #[serde(default)]
    response_format: Option<ResponseFormat>,
    #[serde(default)]
    tools: Option<Vec<Value>>,
    #[serde(flatten)]
    options: Options,
}

/// The same of a text completion's.
#[derive(Debug, Deserialize)]
pub(crate) struct TextBody {
    /// A text, a list of texts, or token numbers.
    prompt: Value,
    #[serde(default)]
    logprobs: Option<i64>,
    #[serde(default)]
    echo: Option<bool>,
    #[serde(default)]
    suffix: Option<String>,
    #[serde(default)]
    best_of: Option<i64>,
    #[serde(flatten)]
    options: Options,
}

/// What both have.
#[derive(Debug, Deserialize)]
struct Options {
    model: String,
    #[serde(default)]
    stream: Option<bool>,
    #[serde(default)]
    stream_options: Option<StreamOptions>,
    #[serde(default)]
    n: Option<i64>,
    #[serde(default)]
    max_tokens: Option<i64>,
    #[serde(default)]
    max_completion_tokens: Option<i64>,
    #[serde(default)]
    seed: Option<i64>,
    #[serde(default)]
    temperature: Option<f64>,
    #[serde(default)]
    top_p: Option<f64>,
    #[serde(default)]
    presence_penalty: Option<f64>,
    #[serde(default)]
    frequency_penalty: Option<f64>,
    #[serde(default)]
    stop: Option<OneOrMany>,
    #[serde(flatten)]
    other: OtherSampling,
    #[serde(default)]
    fonte: Option<FonteOptions>,
}

/// Options of OpenAI's API and of engines that would change what is sampled, and that no receipt could name: refused, unless
/// they ask for nothing.
#[derive(Debug, Deserialize)]
struct OtherSampling {
    #[serde(default)]
    logit_bias: Option<Map<String, Value>>,
    #[serde(default)]
    top_k: Option<f64>,
    #[serde(default)]
    min_p: Option<f64>,
    #[serde(default)]
    repetition_penalty: Option<f64>,
}

impl OtherSampling {
    fn check(&self) -> Result<(), ApiError> {
        let is_asked = |value: Option<f64>, off: &[f64]| value.is_some_and(|value| !off.contains(&value));
        let options = [
            ("logit_bias", self.logit_bias.as_ref().is_some_and(|bias| !bias.is_empty())),
            // Engines write either for all tokens.
            ("top_k", is_asked(self.top_k, &[0.0, -1.0])),
            ("min_p", is_asked(self.min_p, &[0.0])),
            ("repetition_penalty", is_asked(self.repetition_penalty, &[1.0])),
        ];
        match options.into_iter().find(|(_, is_asked)| *is_asked) {
            None => Ok(()),
            Some((name, _)) => Err(unsupported(
                name,
                format!(
                    "sampling is by temperature, top_p, presence_penalty and frequency_penalty: leave {name} out, which is \
                     the model's own"
                ),
            )),
        }
    }
}

#[derive(Debug, Deserialize)]
struct StreamOptions {
    #[serde(default)]
    include_usage: bool,
}

#[derive(Debug, Deserialize)]
struct ResponseFormat {
    #[serde(rename = "type")]
    kind: String,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(crate) enum OneOrMany {
    One(String),
    Many(Vec<String>),
}

/// What only Fonte knows.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub(crate) struct FonteOptions {
    /// Names or ids of the datanets that may be used.
    #[serde(default)]
    pub(crate) datanets: Vec<DatanetRef>,
    /// Who may see the evidence.
    #[serde(default)]
    pub(crate) visibility: Option<Visibility>,
    /// ISO 3166-1 alpha-2 codes of where the request may be processed; none: anywhere.
    #[serde(default)]
    pub(crate) jurisdictions: Vec<String>,
}

/// A datanet by its id or its name.
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq, Eq)]
#[serde(untagged)]
pub(crate) enum DatanetRef {
    Id(u32),
    Name(String),
}

#[derive(Debug, Deserialize)]
struct Message {
    role: String,
    #[serde(default)]
    content: Option<Content>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Content {
    Text(String),
    Parts(Vec<Part>),
}

#[derive(Debug, Deserialize)]
struct Part {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    text: Option<String>,
}

/// Which of OpenAI's shapes is spoken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    Chat,
    Text,
}

/// A checked request.
#[derive(Clone, Debug)]
pub(crate) struct Chat {
    pub(crate) shape: Shape,
    pub(crate) stream: bool,
    pub(crate) include_usage: bool,
    /// Answers wanted.
    pub(crate) choices: u32,
    /// The model as asked for, echoed in the response: a name that is not resolved yet.
    pub(crate) model: String,
    /// Datanets named in the body, and once the model is known, in its name; empty: the model's default.
    pub(crate) datanets: Vec<DatanetRef>,
    pub(crate) visibility: Visibility,
    /// Where the request may be processed; empty: anywhere.
    pub(crate) jurisdictions: Vec<[u8; 2]>,
    /// The whole conversation as text.
    pub(crate) prompt: String,
    /// The last user message.
    pub(crate) question: String,
    pub(crate) max_output_tokens: u32,
    /// None: one is drawn.
    pub(crate) seed: Option<u64>,
    /// The same for a language model.
    pub(crate) asked: Asked,
}

impl Request for ChatBody {
    fn check(self, default_tokens: u32, max_tokens: u32) -> Result<Chat, ApiError> {
        if let Some(format) = self.response_format.filter(|format| format.kind != "text") {
            return Err(unsupported(
                "response_format",
                format!("answers are text: response_format {:?} is not supported", format.kind),
            ));
        }
        if self.tools.is_some_and(|tools| !tools.is_empty()) {
            return Err(unsupported("tools", "no model here calls tools: leave tools out"));
        }
        let log_probs = match (self.logprobs.unwrap_or(false), self.top_logprobs) {
            (false, None) => None,
            (false, Some(_)) => {
                return Err(ApiError::invalid("top_logprobs", "top_logprobs needs logprobs to be true"));
            }
            (true, top) => {
                let most = MAX_ALTERNATIVES as i64;
                let top = u8::try_from(top.unwrap_or(0)).ok().filter(|top| i64::from(*top) <= most);
                let range = || ApiError::invalid("top_logprobs", format!("top_logprobs is from 0 to {most}"));
                Some(top.ok_or_else(range)?)
            }
        };
        let (turns, prompt, question) = read(self.messages)?;
        let mut chat = self.options.check(Shape::Chat, prompt, question, default_tokens, max_tokens)?;
        chat.asked.turns = turns;
        chat.asked.log_probs = log_probs;
        Ok(chat)
    }
}

impl Request for TextBody {
    fn check(self, default_tokens: u32, max_tokens: u32) -> Result<Chat, ApiError> {
        let prompt = match serde_json::from_value(self.prompt) {
            Ok(OneOrMany::One(prompt)) => prompt,
            Ok(OneOrMany::Many(mut prompts)) if prompts.len() == 1 => prompts.remove(0),
            Ok(OneOrMany::Many(_)) => {
                return Err(unsupported("prompt", "one prompt per request: send others in requests of their own"));
            }
            Err(_) => return Err(unsupported("prompt", "a prompt is text: token numbers are not supported")),
        };
        if self.echo.unwrap_or(false) {
            return Err(unsupported("echo", "the prompt is not repeated: leave echo out"));
        }
        if self.suffix.is_some_and(|suffix| !suffix.is_empty()) {
            return Err(unsupported("suffix", "texts are continued, not filled in: leave suffix out"));
        }
        if self.best_of.is_some_and(|best_of| best_of != self.options.n.unwrap_or(1)) {
            return Err(unsupported("best_of", "every answer is shown: leave best_of out"));
        }
        let log_probs = match self.logprobs {
            None => None,
            Some(top) if (0..=MAX_TEXT_ALTERNATIVES).contains(&top) => u8::try_from(top).ok(),
            Some(_) => {
                return Err(ApiError::invalid("logprobs", format!("logprobs is from 0 to {MAX_TEXT_ALTERNATIVES}")));
            }
        };
        if prompt.len() > MAX_PROMPT {
            return Err(too_long("prompt"));
        }
        if prompt.trim().is_empty() {
            return Err(ApiError::invalid("prompt", "the prompt is empty"));
        }
        let mut chat = self.options.check(Shape::Text, prompt.clone(), prompt, default_tokens, max_tokens)?;
        chat.asked.log_probs = log_probs;
        Ok(chat)
    }
}

impl Options {
    fn check(
        self,
        shape: Shape,
        prompt: String,
        question: String,
        default_tokens: u32,
        max_tokens: u32,
    ) -> Result<Chat, ApiError> {
        self.other.check()?;
        let choices = u32::try_from(self.n.unwrap_or(1)).ok().filter(|n| (1..=MAX_CHOICES).contains(n));
        let choices = choices.ok_or_else(|| ApiError::invalid("n", format!("n is from 1 to {MAX_CHOICES}")))?;
        let (param, asked) = match (self.max_completion_tokens, self.max_tokens) {
            (Some(tokens), _) => ("max_completion_tokens", Some(tokens)),
            (None, tokens) => ("max_tokens", tokens),
        };
        let max_output_tokens = match asked {
            None => default_tokens,
            Some(tokens) => u32::try_from(tokens)
                .ok()
                .filter(|tokens| (1..=max_tokens).contains(tokens))
                .ok_or_else(|| ApiError::invalid(param, format!("{param} is from 1 to {max_tokens}")))?,
        };
        let sampling = Sampling {
            temperature: millionths("temperature", self.temperature, 0.0, 2.0)?.map(i32::unsigned_abs),
            top_p: millionths("top_p", self.top_p, 0.0, 1.0)?.map(|top_p| top_p.unsigned_abs().max(1)),
            presence_penalty: millionths("presence_penalty", self.presence_penalty, -2.0, 2.0)?,
            frequency_penalty: millionths("frequency_penalty", self.frequency_penalty, -2.0, 2.0)?,
        };
        let stop = match self.stop {
            None => Vec::new(),
            Some(OneOrMany::One(stop)) => vec![stop],
            Some(OneOrMany::Many(stops)) => stops,
        };
        if stop.len() > MAX_STOPS || stop.iter().any(|stop| stop.is_empty() || stop.len() > MAX_STOP) {
            return Err(ApiError::invalid(
                "stop",
                format!("stop takes up to {MAX_STOPS} texts of 1 to {MAX_STOP} bytes"),
            ));
        }
        let options = self.fonte.unwrap_or_default();
        named_within_limits("fonte.datanets", &options.datanets)?;
        Ok(Chat {
            shape,
            stream: self.stream.unwrap_or(false),
            include_usage: self.stream_options.is_some_and(|options| options.include_usage),
            choices,
            model: self.model,
            jurisdictions: jurisdictions(&options.jurisdictions)?,
            datanets: options.datanets,
            visibility: options.visibility.unwrap_or(Visibility::Open),
            prompt,
            question,
            max_output_tokens,
            seed: self.seed.map(i64::cast_unsigned),
            asked: Asked { turns: Vec::new(), sampling, stop, log_probs: None },
        })
    }
}

impl Chat {
    /// Adds the datanets that stand in the model's name.
    pub(crate) fn name_datanets(&mut self, named: Vec<DatanetRef>) -> Result<(), ApiError> {
        named_within_limits("model", &named)?;
        if !named.is_empty() && !self.datanets.is_empty() && named != self.datanets {
            return Err(ApiError::invalid(
                "fonte.datanets",
                "model and fonte.datanets name different datanets: use one of the two",
            ));
        }
        if self.datanets.is_empty() {
            self.datanets = named;
        }
        Ok(())
    }
}

/// A body of one of OpenAI's requests for text.
pub(crate) trait Request: serde::de::DeserializeOwned + Send {
    /// Checks everything that needs nothing but the body; `default_tokens` where it does not say how many.
    fn check(self, default_tokens: u32, max_tokens: u32) -> Result<Chat, ApiError>;
}

fn unsupported(param: &'static str, message: impl Into<String>) -> ApiError {
    ApiError { code: Some("unsupported_parameter"), ..ApiError::invalid(param, message) }
}

fn too_long(param: &'static str) -> ApiError {
    ApiError {
        code: Some("context_length_exceeded"),
        ..ApiError::invalid(param, format!("the conversation is longer than {MAX_PROMPT} bytes"))
    }
}

/// A sampling option as integer: the wire carries no floating point numbers.
fn millionths(param: &'static str, value: Option<f64>, least: f64, most: f64) -> Result<Option<i32>, ApiError> {
    let Some(value) = value else { return Ok(None) };
    if !(least..=most).contains(&value) {
        return Err(ApiError::invalid(param, format!("{param} is from {least} to {most}")));
    }
    #[expect(clippy::cast_possible_truncation, reason = "at most two million")]
    let rounded = (value * 1e6).round() as i32;
    Ok(Some(rounded))
}

/// Each name is looked for among all datanets.
fn named_within_limits(param: &str, named: &[DatanetRef]) -> Result<(), ApiError> {
    if named.len() > MAX_DATANETS {
        return Err(ApiError::invalid(
            param,
            format!("more than {MAX_DATANETS} datanets are named, the limit per answer: name those that matter"),
        ));
    }
    Ok(())
}

fn jurisdictions(codes: &[String]) -> Result<Vec<[u8; 2]>, ApiError> {
    if codes.len() > MAX_JURISDICTIONS {
        return Err(ApiError::invalid(
            "fonte.jurisdictions",
            format!("at most {MAX_JURISDICTIONS} jurisdictions are named"),
        ));
    }
    let read = |(index, code): (usize, &String)| match code.as_bytes() {
        [a, b] if a.is_ascii_uppercase() && b.is_ascii_uppercase() => Ok([*a, *b]),
        _ => Err(ApiError::invalid(
            format!("fonte.jurisdictions[{index}]"),
            format!("{code:?} is no ISO 3166-1 alpha-2 code, such as BR"),
        )),
    };
    codes.iter().enumerate().map(read).collect()
}

/// The conversation, its text by the chat template ([`conversation::render`]), and the last user message.
fn read(messages: Vec<Message>) -> Result<(Vec<Turn>, String, String), ApiError> {
    if messages.is_empty() || messages.len() > MAX_MESSAGES {
        return Err(ApiError::invalid("messages", format!("a conversation has from 1 to {MAX_MESSAGES} messages")));
    }
    let mut turns = Vec::with_capacity(messages.len());
    for (index, message) in messages.into_iter().enumerate() {
        let param = format!("messages[{index}]");
        let role = Role::from_name(&message.role).ok_or_else(|| {
            let known = Role::ALL.map(Role::name).join(", ");
            ApiError::invalid(format!("{param}.role"), format!("a role is one of {known}"))
        })?;
        turns.push(Turn { role, text: text_of(message.content, &param)? });
    }
    // The body is bounded, and so is what it renders to.
    let prompt = conversation::render(&turns);
    if prompt.len() > MAX_PROMPT {
        return Err(too_long("messages"));
    }
    match turns.iter().rfind(|turn| turn.role == Role::User) {
        Some(question) if !question.text.trim().is_empty() => {
            let question = question.text.clone();
            Ok((turns, prompt, question))
        }
        _ => Err(ApiError::invalid("messages", "the last user message is missing or empty")),
    }
}

fn text_of(content: Option<Content>, param: &str) -> Result<String, ApiError> {
    match content {
        None => Ok(String::new()),
        Some(Content::Text(text)) => Ok(text),
        Some(Content::Parts(parts)) => {
            let mut texts = Vec::with_capacity(parts.len());
            for (index, part) in parts.into_iter().enumerate() {
                match part.text {
                    Some(text) if part.kind == "text" => texts.push(text),
                    _ => {
                        return Err(ApiError::invalid(
                            format!("{param}.content[{index}]"),
                            format!("a content part of type {:?} is not understood: only text is", part.kind),
                        ));
                    }
                }
            }
            Ok(texts.join("\n"))
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check(body: serde_json::Value) -> Result<Chat, ApiError> {
        serde_json::from_value::<ChatBody>(body).expect("well-formed").check(100, 1000)
    }

    #[test]
    fn texts_and_parts_render_alike_and_unknown_fields_are_ignored() {
        let parts = check(json!({
            "model": "fonte-quote:coffee+2", "temperature": 0.3, "stop": "x", "user": "u", "tools": [],
            "logit_bias": {}, "top_k": 0, "min_p": 0.0, "repetition_penalty": 1,
            "messages": [
                {"role": "system", "content": "Quote."},
                {"role": "assistant", "content": null, "tool_calls": []},
                {"role": "user", "content": [{"type": "text", "text": "How?"}, {"type": "text", "text": "Why?"}]},
            ],
            "max_completion_tokens": 7, "max_tokens": 9,
        }))
        .expect("valid");
        assert_eq!(parts.prompt, "system: Quote.\n\nassistant: \n\nuser: How?\nWhy?");
        assert_eq!(parts.question, "How?\nWhy?");
        assert_eq!((parts.model.as_str(), parts.max_output_tokens), ("fonte-quote:coffee+2", 7));
        assert_eq!(conversation::render(&parts.asked.turns), parts.prompt);
        assert_eq!((parts.seed, parts.choices, parts.asked.stop), (None, 1, vec!["x".to_owned()]));
        assert_eq!(parts.asked.sampling, Sampling { temperature: Some(300_000), ..Sampling::default() });
    }

    #[test]
    fn sampling_that_nobody_does_is_refused_unless_it_is_off() {
        let ask = |name: &str, value: &Value| {
            let mut body = json!({"model": "m", "messages": [{"role": "user", "content": "x"}]});
            body[name] = value.clone();
            check(body)
        };
        for (name, off, on) in [
            ("logit_bias", vec![json!(null), json!({})], vec![json!({"50256": -100})]),
            ("top_k", vec![json!(null), json!(0), json!(-1)], vec![json!(1), json!(40)]),
            ("min_p", vec![json!(null), json!(0), json!(0.0)], vec![json!(0.05)]),
            ("repetition_penalty", vec![json!(null), json!(1), json!(1.0)], vec![json!(1.1), json!(0)]),
        ] {
            for value in off {
                assert!(ask(name, &value).is_ok(), "{name}: {value}");
            }
            for value in on {
                let refused = ask(name, &value).expect_err(name);
                let (param, code) = (refused.param.as_deref(), refused.code);
                assert_eq!((param, code), (Some(name), Some("unsupported_parameter")), "{value}");
                assert!(refused.message.contains(name), "{}", refused.message);
            }
        }
        let text = json!({"model": "m", "prompt": "x", "top_k": 5});
        let refused = serde_json::from_value::<TextBody>(text).expect("well-formed").check(100, 1000);
        assert_eq!(refused.expect_err("of texts too").param.as_deref(), Some("top_k"));
    }

    #[test]
    fn few_datanets_are_named() {
        let naming = |count: u32| {
            let datanets: Vec<u32> = (0..count).collect();
            let messages = json!([{"role": "user", "content": "x"}]);
            check(json!({"model": "m", "messages": messages, "fonte": {"datanets": datanets}}))
        };
        let most = MAX_DATANETS as u32;
        let mut chat = naming(most).expect("as many as an answer may use");
        let refused = naming(most + 1).expect_err("more than that");
        assert_eq!((refused.status.as_u16(), refused.param.as_deref()), (400, Some("fonte.datanets")));
        chat.datanets.clear();
        let named = |count| (0..count).map(DatanetRef::Id).collect();
        let refused = chat.name_datanets(named(most + 1)).expect_err("more than that in the model's name");
        assert_eq!(refused.param.as_deref(), Some("model"));
        chat.name_datanets(named(most)).expect("as many as an answer may use");
    }

    #[test]
    fn sampling_options_become_integers() {
        let chat = check(json!({
            "model": "m", "messages": [{"role": "user", "content": "x"}], "n": 3, "seed": -1, "stop": ["a", "b"],
            "temperature": 2, "top_p": 0, "presence_penalty": -1.5, "frequency_penalty": 0.000_001, "logprobs": true,
            "top_logprobs": 20, "response_format": {"type": "text"}, "stream": true,
            "stream_options": {"include_usage": true},
        }))
        .expect("valid");
        let sampling = Sampling {
            temperature: Some(2_000_000),
            top_p: Some(1),
            presence_penalty: Some(-1_500_000),
            frequency_penalty: Some(1),
        };
        assert_eq!((chat.asked.sampling, chat.choices, chat.seed), (sampling, 3, Some(u64::MAX)));
        assert_eq!((chat.asked.log_probs, chat.stream, chat.include_usage), (Some(20), true, true));
    }

    #[test]
    fn a_text_is_continued_as_it_stands() {
        let text = |body: Value| serde_json::from_value::<TextBody>(body).expect("well-formed").check(100, 1000);
        let chat = text(json!({"model": "m:a", "prompt": ["Once upon"], "logprobs": 2, "stop": null})).expect("valid");
        assert_eq!((chat.prompt.as_str(), chat.question.as_str()), ("Once upon", "Once upon"));
        assert_eq!((chat.shape, chat.asked.turns.len(), chat.asked.log_probs), (Shape::Text, 0, Some(2)));
        let cases = [
            (json!({"model": "m", "prompt": ["a", "b"]}), "prompt"),
            (json!({"model": "m", "prompt": [1, 2]}), "prompt"),
            (json!({"model": "m", "prompt": " "}), "prompt"),
            (json!({"model": "m", "prompt": "x", "echo": true}), "echo"),
            (json!({"model": "m", "prompt": "x", "suffix": "y"}), "suffix"),
            (json!({"model": "m", "prompt": "x", "best_of": 2}), "best_of"),
            (json!({"model": "m", "prompt": "x", "logprobs": 6}), "logprobs"),
        ];
        for (body, param) in cases {
            assert_eq!(text(body.clone()).expect_err(param).param.as_deref(), Some(param), "{body}");
        }
    }

    #[test]
    fn datanets_are_named_in_one_place() {
        let name = |name: &str| DatanetRef::Name(name.into());
        let chat = || {
            let body =
                json!({"model": "m", "messages": [{"role": "user", "content": "x"}], "fonte": {"datanets": ["b"]}});
            check(body).expect("valid")
        };
        let error = chat().name_datanets(vec![name("a")]).expect_err("another");
        assert_eq!(error.param.as_deref(), Some("fonte.datanets"));
        for named in [vec![name("b")], Vec::new()] {
            let mut chat = chat();
            chat.name_datanets(named).expect("the same");
            assert_eq!(chat.datanets, [name("b")]);
        }
    }

    #[test]
    fn refusals_name_the_parameter() {
        let user = json!([{"role": "user", "content": "x"}]);
        let cases = [
            (json!({"model": "m", "messages": user, "n": 0}), "n"),
            (json!({"model": "m", "messages": user, "n": 9}), "n"),
            (json!({"model": "m", "messages": user, "temperature": 2.1}), "temperature"),
            (json!({"model": "m", "messages": user, "top_p": -0.1}), "top_p"),
            (json!({"model": "m", "messages": user, "presence_penalty": 3}), "presence_penalty"),
            (json!({"model": "m", "messages": user, "stop": ["a", "b", "c", "d", "e"]}), "stop"),
            (json!({"model": "m", "messages": user, "stop": ""}), "stop"),
            (json!({"model": "m", "messages": user, "top_logprobs": 2}), "top_logprobs"),
            (json!({"model": "m", "messages": user, "logprobs": true, "top_logprobs": 21}), "top_logprobs"),
            (json!({"model": "m", "messages": user, "response_format": {"type": "json_object"}}), "response_format"),
            (json!({"model": "m", "messages": user, "tools": [{"type": "function"}]}), "tools"),
            (json!({"model": "m", "messages": []}), "messages"),
            (json!({"model": "m", "messages": [{"role": "user", "content": "  "}]}), "messages"),
            (json!({"model": "m", "messages": [{"role": "robot", "content": "x"}]}), "messages[0].role"),
            (
                json!({"model": "m", "messages": [{"role": "user", "content": [{"type": "image_url"}]}]}),
                "messages[0].content[0]",
            ),
            (json!({"model": "m", "messages": user, "max_tokens": 0}), "max_tokens"),
            (json!({"model": "m", "messages": user, "max_completion_tokens": 1001}), "max_completion_tokens"),
            (json!({"model": "m", "messages": [{"role": "user", "content": "x".repeat(MAX_PROMPT)}]}), "messages"),
        ];
        for (body, param) in cases {
            let error = check(body.clone()).expect_err(param);
            assert_eq!(error.param.as_deref(), Some(param), "{body}");
            assert_eq!(error.status, 400);
        }
    }
}
