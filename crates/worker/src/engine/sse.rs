//! Server-sent events as the engines send them: bytes to lines to events to chunks, every one bounded.
//!
//! The event format is that of the HTML standard (section "Server-sent events"); the chunks are OpenAI's
//! `chat.completion.chunk` and `text_completion`, of which only what means something here is read.

use std::collections::VecDeque;

use fonte_types::wire::{EngineUsage, Finish};
use serde::Deserialize;
use serde_json::Value;

use super::client::error_of;

/// Longest line. An event with 20 alternatives per token and some tokens has a few kilobytes.
const MAX_LINE: usize = 256 << 10;

/// Most bytes of a stream: a MiB of answer with its log-probabilities, framing and comments.
const MAX_STREAM: usize = 64 << 20;

/// Why a stream was given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum StreamError {
    #[error("a line is longer than {MAX_LINE} bytes")]
    Line,
    #[error("it is longer than {MAX_STREAM} bytes")]
    Stream,
    #[error("a line is not UTF-8")]
    Utf8,
    #[error("an event is not the JSON of a chunk")]
    Json,
}

/// What one event tells.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Chunk {
    pub(crate) choice: Option<Choice>,
    pub(crate) usage: Option<EngineUsage>,
    pub(crate) error: Option<String>,
}

/// The first choice of a chunk.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Choice {
    pub(crate) text: String,
    /// It carries thoughts, which are no part of the answer.
    pub(crate) thinking: bool,
    pub(crate) finish: Option<Finish>,
    pub(crate) log_probs: Option<Value>,
}

#[derive(Deserialize)]
struct RawChunk {
    #[serde(default)]
    choices: Option<Vec<RawChoice>>,
    /// Any value: what an engine counts is only shown.
    #[serde(default)]
    usage: Value,
}

#[derive(Deserialize)]
struct RawChoice {
    #[serde(default)]
    index: u64,
    #[serde(default)]
    delta: Option<RawDelta>,
    /// Of a text completion.
    #[serde(default)]
    text: Option<String>,
    #[serde(default)]
    logprobs: Option<Value>,
    #[serde(default)]
    finish_reason: Option<String>,
}

#[derive(Deserialize)]
struct RawDelta {
    #[serde(default)]
    content: Option<String>,
    #[serde(default)]
    reasoning_content: Option<String>,
    #[serde(default)]
    reasoning: Option<String>,
}

/// Reads a stream piece by piece.
#[derive(Default)]
pub(crate) struct Decoder {
    line: Vec<u8>,
    /// The last byte was a carriage return: a line feed after it ends no further line.
    after_return: bool,
    /// Data of the event that is not over yet.
    data: Option<String>,
    events: VecDeque<String>,
    total: usize,
    /// `[DONE]` or the end of the body was read.
    done: bool,
}

impl Decoder {
    /// Whether nothing more will come.
    pub(crate) fn is_done(&self) -> bool {
        self.done && self.events.is_empty()
    }

    /// Takes bytes in.
    pub(crate) fn feed(&mut self, bytes: &[u8]) -> Result<(), StreamError> {
        self.total += bytes.len();
        if self.total > MAX_STREAM {
            return Err(StreamError::Stream);
        }
        for byte in bytes {
            if self.done {
                return Ok(());
            }
            let after_return = std::mem::take(&mut self.after_return);
            match byte {
                b'\n' if after_return => {}
                b'\n' | b'\r' => {
                    self.after_return = *byte == b'\r';
                    self.end_line()?;
                }
                _ if self.line.len() == MAX_LINE => return Err(StreamError::Line),
                _ => self.line.push(*byte),
            }
        }
        Ok(())
    }

    /// The body is over. An event without the blank line after it counts: engines are killed in better places.
    pub(crate) fn end(&mut self) -> Result<(), StreamError> {
        if !self.line.is_empty() {
            self.end_line()?;
        }
        self.end_event();
        self.done = true;
        Ok(())
    }

    fn end_line(&mut self) -> Result<(), StreamError> {
        let line = std::mem::take(&mut self.line);
        let line = std::str::from_utf8(&line).map_err(|_| StreamError::Utf8)?;
        if line.is_empty() {
            self.end_event();
            return Ok(());
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "data" => match &mut self.data {
                Some(data) if data.len() + value.len() >= MAX_LINE => return Err(StreamError::Line),
                Some(data) => {
                    data.push('\n');
                    data.push_str(value);
                }
                None => self.data = Some(value.to_owned()),
            },
            // Older servers of llama.cpp put errors into a field of their own.
            "error" => self.data = Some(format!("{{\"error\":{value}}}")),
            // A comment, a name, an id.
            _ => {}
        }
        Ok(())
    }

    fn end_event(&mut self) {
        match self.data.take() {
            Some(data) if data.trim() == "[DONE]" => self.done = true,
            Some(data) if !data.is_empty() => self.events.push_back(data),
            _ => {}
        }
    }

    /// The next chunk that has come whole.
    pub(crate) fn next(&mut self) -> Result<Option<Chunk>, StreamError> {
        let Some(event) = self.events.pop_front() else { return Ok(None) };
        let value: Value = serde_json::from_str(&event).map_err(|_| StreamError::Json)?;
        if let Some(error) = error_of(&value) {
            return Ok(Some(Chunk { error: Some(error), ..Chunk::default() }));
        }
        let raw: RawChunk = serde_json::from_value(value).map_err(|_| StreamError::Json)?;
        let counts = [&raw.usage["prompt_tokens"], &raw.usage["completion_tokens"]].map(Value::as_u64);
        let usage = match counts {
            [Some(input_tokens), Some(output_tokens)] => Some(EngineUsage { input_tokens, output_tokens }),
            _ => None,
        };
        let choice = raw.choices.unwrap_or_default().into_iter().find(|choice| choice.index == 0);
        if let Some("abort" | "error") = choice.as_ref().and_then(|choice| choice.finish_reason.as_deref()) {
            return Ok(Some(Chunk { error: Some("it gave the answer up".into()), ..Chunk::default() }));
        }
        Ok(Some(Chunk { choice: choice.map(Choice::from), usage, error: None }))
    }
}

impl From<RawChoice> for Choice {
    fn from(raw: RawChoice) -> Self {
        let delta = raw.delta.unwrap_or(RawDelta { content: None, reasoning_content: None, reasoning: None });
        let thoughts = [&delta.reasoning_content, &delta.reasoning];
        let thinking = thoughts.into_iter().flatten().any(|thought| !thought.is_empty());
        let finish = raw.finish_reason.filter(|reason| !reason.is_empty()).map(|reason| match reason.as_str() {
            "length" => Finish::Length,
            "content_filter" => Finish::ContentFilter,
            // "stop", and whatever else an engine calls its own end.
            _ => Finish::Stop,
        });
        Self { text: delta.content.or(raw.text).unwrap_or_default(), thinking, finish, log_probs: raw.logprobs }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pieces: &[&[u8]]) -> Result<(Vec<Chunk>, bool), StreamError> {
        let mut decoder = Decoder::default();
        let mut chunks = Vec::new();
        for piece in pieces {
            decoder.feed(piece)?;
            while let Some(chunk) = decoder.next()? {
                chunks.push(chunk);
            }
        }
        let done = decoder.is_done();
        decoder.end()?;
        while let Some(chunk) = decoder.next()? {
            chunks.push(chunk);
        }
        Ok((chunks, done))
    }

    const STREAM: &str = ": hello\n\ndata: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"caf\u{e9}\"}}]}\r\n\r\n\
        event: x\rid: 7\rdata: {\"choices\":[],\r\ndata: \"usage\":{\"prompt_tokens\":3,\"completion_tokens\":1}}\n\n\
        data:{\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"length\"}]}\n\ndata: [DONE]\n\ndata: garbage\n\n";

    #[test]
    fn a_stream_reads_the_same_wherever_it_is_cut() {
        let whole = read(&[STREAM.as_bytes()]).expect("well-formed");
        assert!(whole.1);
        assert_eq!(whole.0.len(), 3);
        assert_eq!(whole.0[0].choice.as_ref().expect("text").text, "café");
        assert_eq!(whole.0[1].usage, Some(EngineUsage { input_tokens: 3, output_tokens: 1 }));
        assert_eq!(whole.0[2].choice.as_ref().expect("end").finish, Some(Finish::Length));
        for cut in 0..STREAM.len() {
            let (a, b) = STREAM.as_bytes().split_at(cut);
            assert_eq!(read(&[a, b]).as_ref(), Ok(&whole), "cut at {cut}");
        }
        let bytes: Vec<&[u8]> = STREAM.as_bytes().chunks(1).collect();
        assert_eq!(read(&bytes).as_ref(), Ok(&whole));
    }

    #[test]
    fn what_is_no_stream_is_refused() {
        assert_eq!(read(&[b"data: {\"a\": \"\xff\"}\n\n"]), Err(StreamError::Utf8));
        assert_eq!(read(&[b"data: {not json}\n\n"]), Err(StreamError::Json));
        assert_eq!(read(&[b"data: {\"choices\": 7}\n\n"]), Err(StreamError::Json));
        assert_eq!(read(&[&vec![b'x'; MAX_LINE + 1]]), Err(StreamError::Line));
        let line = [b"data: ", &vec![b'x'; MAX_LINE - 100][..], b"\n"].concat();
        assert_eq!(read(&[&line, &line]), Err(StreamError::Line), "nor in pieces");
        let comment = [b":", &vec![b'x'; 65_534][..], b"\n"].concat();
        let endless = vec![comment.as_slice(); MAX_STREAM / comment.len() + 1];
        assert_eq!(read(&endless), Err(StreamError::Stream));
    }

    #[test]
    fn errors_thoughts_and_texts_are_told_apart() {
        let one = |event: &str| read(&[event.as_bytes()]).expect(event).0.remove(0);
        assert_eq!(
            one("data: {\"error\":{\"message\":\"out of memory\"}}\n\n").error.as_deref(),
            Some("out of memory")
        );
        assert_eq!(one("error: {\"message\":\"older\",\"code\":500}\n\n").error.as_deref(), Some("older"));
        let thought = one("data: {\"choices\":[{\"index\":0,\"delta\":{\"reasoning_content\":\"hm\"}}]}\n\n");
        let thought = thought.choice.expect("a choice");
        assert!(thought.thinking && thought.text.is_empty());
        let text = one(
            "data: {\"choices\":[{\"index\":1,\"text\":\"b\"},{\"index\":0,\"text\":\"a\",\"finish_reason\":null}]}\n\n",
        );
        assert_eq!(text.choice.expect("a choice").text, "a");
        // Without the blank line after it.
        assert_eq!(one("data: {\"choices\":[{\"delta\":{\"content\":\"z\"}}]}").choice.expect("a choice").text, "z");
    }
}
