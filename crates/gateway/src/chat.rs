//! A chat request as OpenAI's clients send it, and its rendering into the one text that is committed.

use fonte_types::{Visibility, wire::MAX_PROMPT};
use serde::{Deserialize, Serialize};

use crate::error::ApiError;

/// Most messages of one conversation.
const MAX_MESSAGES: usize = 1024;

/// Most jurisdictions that a request names: there are fewer codes.
const MAX_JURISDICTIONS: usize = 256;

/// The part of a request body that means something here; the rest is ignored, as OpenAI's API does.
#[derive(Debug, Deserialize)]
pub(crate) struct ChatBody {
    pub(crate) model: String,
    messages: Vec<Message>,
    #[serde(default)]
    pub(crate) stream: Option<bool>,
    #[serde(default)]
    pub(crate) stream_options: Option<StreamOptions>,
    #[serde(default)]
    n: Option<i64>,
    #[serde(default)]
    max_tokens: Option<i64>,
    #[serde(default)]
    max_completion_tokens: Option<i64>,
    #[serde(default)]
    seed: Option<i64>,
    #[serde(default)]
    pub(crate) fonte: Option<FonteOptions>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct StreamOptions {
    #[serde(default)]
    pub(crate) include_usage: bool,
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

/// A checked request.
#[derive(Debug)]
pub(crate) struct Chat {
    /// The model's name without datanets.
    pub(crate) model: String,
    /// The model as asked for, echoed in the response.
    pub(crate) model_asked: String,
    /// Datanets named in the model or the body; empty: the model's default.
    pub(crate) datanets: Vec<DatanetRef>,
    pub(crate) visibility: Visibility,
    /// Where the request may be processed; empty: anywhere.
    pub(crate) jurisdictions: Vec<[u8; 2]>,
    /// The whole conversation as text.
    pub(crate) prompt: String,
    /// The last user message.
    pub(crate) question: String,
    pub(crate) max_output_tokens: u32,
    pub(crate) seed: u64,
}

impl ChatBody {
    /// Checks everything that needs nothing but the body.
    pub(crate) fn check(self, default_tokens: u32, max_tokens: u32) -> Result<Chat, ApiError> {
        if self.n.is_some_and(|n| n != 1) {
            return Err(ApiError::invalid("n", "one choice per request: leave n out or set it to 1"));
        }
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
        let (model, named) = match self.model.split_once(':') {
            None => (self.model.clone(), Vec::new()),
            Some((model, datanets)) => {
                let names: Vec<_> = datanets
                    .split('+')
                    .map(|name| match name.parse() {
                        Ok(id) => DatanetRef::Id(id),
                        Err(_) => DatanetRef::Name(name.to_owned()),
                    })
                    .collect();
                if datanets.split('+').any(str::is_empty) {
                    return Err(ApiError::invalid("model", "a model with datanets is written name:datanet+datanet"));
                }
                (model.to_owned(), names)
            }
        };
        let options = self.fonte.unwrap_or_default();
        if !named.is_empty() && !options.datanets.is_empty() && named != options.datanets {
            return Err(ApiError::invalid(
                "fonte.datanets",
                "model and fonte.datanets name different datanets: use one of the two",
            ));
        }
        if options.jurisdictions.len() > MAX_JURISDICTIONS {
            return Err(ApiError::invalid(
                "fonte.jurisdictions",
                format!("at most {MAX_JURISDICTIONS} jurisdictions are named"),
            ));
        }
        let mut jurisdictions = Vec::new();
        for (index, code) in options.jurisdictions.iter().enumerate() {
            match code.as_bytes() {
                [a, b] if a.is_ascii_uppercase() && b.is_ascii_uppercase() => jurisdictions.push([*a, *b]),
                _ => {
                    return Err(ApiError::invalid(
                        format!("fonte.jurisdictions[{index}]"),
                        format!("{code:?} is no ISO 3166-1 alpha-2 code, such as BR"),
                    ));
                }
            }
        }
        let (prompt, question) = render(self.messages)?;
        Ok(Chat {
            model,
            model_asked: self.model,
            datanets: if named.is_empty() { options.datanets } else { named },
            jurisdictions,
            visibility: options.visibility.unwrap_or(Visibility::Open),
            prompt,
            question,
            max_output_tokens,
            seed: self.seed.unwrap_or(0).cast_unsigned(),
        })
    }
}

/// The chat template: `role: text` per message, a blank line between two. What is echoed is judged by this text.
fn render(messages: Vec<Message>) -> Result<(String, String), ApiError> {
    if messages.is_empty() || messages.len() > MAX_MESSAGES {
        return Err(ApiError::invalid("messages", format!("a conversation has from 1 to {MAX_MESSAGES} messages")));
    }
    let mut prompt = String::new();
    let mut question = None;
    for (index, message) in messages.into_iter().enumerate() {
        let param = format!("messages[{index}]");
        let known = ["system", "developer", "user", "assistant", "tool", "function"];
        if !known.contains(&message.role.as_str()) {
            return Err(ApiError::invalid(format!("{param}.role"), format!("a role is one of {}", known.join(", "))));
        }
        let text = text_of(message.content, &param)?;
        if !prompt.is_empty() {
            prompt.push_str("\n\n");
        }
        prompt.push_str(&message.role);
        prompt.push_str(": ");
        prompt.push_str(&text);
        if prompt.len() > MAX_PROMPT {
            return Err(ApiError {
                code: Some("context_length_exceeded"),
                ..ApiError::invalid("messages", format!("the conversation is longer than {MAX_PROMPT} bytes"))
            });
        }
        if message.role == "user" {
            question = Some(text);
        }
    }
    match question {
        Some(question) if !question.trim().is_empty() => Ok((prompt, question)),
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
            "model": "fonte-quote:coffee+2", "temperature": 0.3, "stop": ["x"], "user": "u",
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
        assert_eq!((parts.model.as_str(), parts.max_output_tokens), ("fonte-quote", 7));
        assert_eq!(parts.datanets, [DatanetRef::Name("coffee".into()), DatanetRef::Id(2)]);
    }

    #[test]
    fn refusals_name_the_parameter() {
        let user = json!([{"role": "user", "content": "x"}]);
        let cases = [
            (json!({"model": "m", "messages": user, "n": 2}), "n"),
            (json!({"model": "m", "messages": []}), "messages"),
            (json!({"model": "m", "messages": [{"role": "user", "content": "  "}]}), "messages"),
            (json!({"model": "m", "messages": [{"role": "robot", "content": "x"}]}), "messages[0].role"),
            (
                json!({"model": "m", "messages": [{"role": "user", "content": [{"type": "image_url"}]}]}),
                "messages[0].content[0]",
            ),
            (json!({"model": "m", "messages": user, "max_tokens": 0}), "max_tokens"),
            (json!({"model": "m", "messages": user, "max_completion_tokens": 1001}), "max_completion_tokens"),
            (json!({"model": "m:a++b", "messages": user}), "model"),
            (json!({"model": "m:a", "messages": user, "fonte": {"datanets": ["b"]}}), "fonte.datanets"),
            (json!({"model": "m", "messages": [{"role": "user", "content": "x".repeat(MAX_PROMPT)}]}), "messages"),
        ];
        for (body, param) in cases {
            let error = check(body.clone()).expect_err(param);
            assert_eq!(error.param.as_deref(), Some(param), "{body}");
            assert_eq!(error.status, 400);
        }
    }
}
