//! Stand-ins for external engines: an HTTP/1.1 server that answers by a script, in the shapes of vLLM, llama.cpp's server
//! and Ollama, honestly or not. Written by us after what those servers send; no byte of it is theirs. llama.cpp's as its server of
//! llama-cpp-python 0.3.36 answered on 2026-11-30 (build b1-0c1e570); vLLM's and Ollama's after their documentation.

#![allow(dead_code, unreachable_pub, reason = "each test file uses its part")]

use std::{
    collections::BTreeSet,
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc, Condvar, Mutex,
        atomic::{AtomicBool, Ordering},
        mpsc::Receiver,
    },
    time::Duration,
};

use serde_json::{Value, json};

/// One request as it came.
#[derive(Clone, Debug)]
pub struct Received {
    pub method: String,
    pub path: String,
    pub authorization: Option<String>,
    pub body: Value,
}

/// What is done after the head of a response.
#[derive(Clone, Debug)]
pub enum Step {
    /// Sends bytes.
    Send(Vec<u8>),
    /// Sends bytes over and over, until the client hangs up.
    Forever(Vec<u8>),
    /// Sends each piece that comes through a channel, until no more can come.
    Each(Arc<Mutex<Receiver<Vec<u8>>>>),
    /// Sends nothing more, until the client hangs up.
    Hang,
    /// Closes without an end.
    Die,
}

/// A response.
#[derive(Clone, Debug)]
pub struct Reply {
    pub status: u16,
    pub kind: &'static str,
    pub location: Option<String>,
    pub steps: Vec<Step>,
}

impl Reply {
    pub fn json(status: u16, body: Value) -> Self {
        Self {
            status,
            kind: "application/json",
            location: None,
            steps: vec![Step::Send(body.to_string().into_bytes())],
        }
    }

    pub fn stream(steps: Vec<Step>) -> Self {
        Self { status: 200, kind: "text/event-stream; charset=utf-8", location: None, steps }
    }

    /// Events, each as one piece, and an orderly end.
    pub fn events(events: &[String]) -> Self {
        Self::stream(events.iter().map(|event| Step::Send(event.clone().into_bytes())).collect())
    }
}

type Script = dyn Fn(&Received) -> Reply + Send + Sync;

/// A running stand-in; it stops when it is dropped.
pub struct StandIn {
    address: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    script: Box<Script>,
    seen: Mutex<Seen>,
    changed: Condvar,
    stopped: AtomicBool,
}

#[derive(Default)]
struct Seen {
    received: Vec<Received>,
    /// Connections that the client ended while a response was under way.
    hung_up: usize,
}

impl StandIn {
    pub fn start(script: impl Fn(&Received) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            script: Box::new(script),
            seen: Mutex::default(),
            changed: Condvar::new(),
            stopped: AtomicBool::new(false),
        });
        let serving = shared.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                if serving.stopped.load(Ordering::Relaxed) {
                    return;
                }
                let shared = serving.clone();
                std::thread::spawn(move || {
                    let Ok(stream) = stream else { return };
                    // Whatever goes wrong on a connection is what the client sees of it.
                    let _ = serve(&shared, &stream);
                });
            }
        });
        Self { address, shared }
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub fn received(&self) -> Vec<Received> {
        self.shared.seen.lock().unwrap().received.clone()
    }

    /// The latest request to a path.
    pub fn last(&self, path: &str) -> Received {
        let received = self.received();
        received
            .iter()
            .rev()
            .find(|received| received.path == path)
            .unwrap_or_else(|| panic!("none of {received:?}"))
            .clone()
    }

    /// Waits until so many clients have hung up on a response.
    pub fn hung_up(&self, times: usize) {
        self.wait(|seen| seen.hung_up >= times);
    }

    /// Waits until a request to this path has come.
    pub fn called(&self, path: &str) {
        self.wait(|seen| seen.received.iter().any(|received| received.path == path));
    }

    /// Waits until so many requests have come.
    pub fn asked(&self, times: usize) {
        self.wait(|seen| seen.received.len() >= times);
    }

    fn wait(&self, done: impl Fn(&Seen) -> bool) {
        let seen = self.shared.seen.lock().unwrap();
        let (guard, late) =
            self.shared.changed.wait_timeout_while(seen, Duration::from_secs(120), |seen| !done(seen)).unwrap();
        drop(guard);
        assert!(!late.timed_out(), "the engine was not treated as expected");
    }
}

impl Drop for StandIn {
    fn drop(&mut self) {
        self.shared.stopped.store(true, Ordering::Relaxed);
        // Wakes the listener.
        let _ = TcpStream::connect(self.address);
    }
}

fn serve(shared: &Shared, stream: &TcpStream) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut reader = BufReader::new(stream);
    while let Some(received) = read(&mut reader)? {
        let reply = (shared.script)(&received);
        shared.seen.lock().unwrap().received.push(received);
        shared.changed.notify_all();
        match answer(stream, &reply) {
            Ok(Ended::Whole) => {}
            Ok(Ended::Short) => return stream.shutdown(std::net::Shutdown::Both),
            // A client that left before the head or between two pieces is seen by the write that fails.
            Ok(Ended::HungUp) | Err(_) => {
                shared.seen.lock().unwrap().hung_up += 1;
                shared.changed.notify_all();
                return stream.shutdown(std::net::Shutdown::Both);
            }
        }
    }
    Ok(())
}

fn read(reader: &mut BufReader<&TcpStream>) -> std::io::Result<Option<Received>> {
    let mut line = String::new();
    if reader.read_line(&mut line)? == 0 {
        return Ok(None);
    }
    let mut words = line.split_whitespace().map(ToOwned::to_owned);
    let (method, path) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let (mut length, mut authorization) = (0, None);
    loop {
        let mut header = String::new();
        reader.read_line(&mut header)?;
        let Some((name, value)) = header.trim_end().split_once(':') else { break };
        match name.to_ascii_lowercase().as_str() {
            "content-length" => length = value.trim().parse().unwrap_or(0),
            "authorization" => authorization = Some(value.trim().to_owned()),
            _ => {}
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    Ok(Some(Received { method, path, authorization, body: serde_json::from_slice(&body).unwrap_or_default() }))
}

/// How a response came to its end.
enum Ended {
    Whole,
    /// Closed without an end, as its script says.
    Short,
    HungUp,
}

/// Sends a response in chunks. An error is a client that is no longer there.
fn answer(mut stream: &TcpStream, reply: &Reply) -> std::io::Result<Ended> {
    let location = reply.location.as_ref().map_or(String::new(), |to| format!("location: {to}\r\n"));
    let head = format!(
        "HTTP/1.1 {} X\r\ncontent-type: {}\r\n{location}transfer-encoding: chunked\r\n\r\n",
        reply.status, reply.kind
    );
    stream.write_all(head.as_bytes())?;
    let chunk = |bytes: &[u8]| [format!("{:x}\r\n", bytes.len()).as_bytes(), bytes, b"\r\n"].concat();
    for step in &reply.steps {
        match step {
            Step::Send(bytes) => stream.write_all(&chunk(bytes))?,
            Step::Forever(bytes) => {
                let chunk = chunk(bytes);
                while stream.write_all(&chunk).is_ok() {}
                return Ok(Ended::HungUp);
            }
            Step::Each(pieces) => {
                for bytes in pieces.lock().unwrap().iter() {
                    stream.write_all(&chunk(&bytes))?;
                }
            }
            Step::Hang => {
                // A client says nothing more before its answer, so a read ends when it hangs up.
                let _ = stream.read(&mut [0]);
                return Ok(Ended::HungUp);
            }
            Step::Die => return Ok(Ended::Short),
        }
    }
    stream.write_all(b"0\r\n\r\n")?;
    Ok(Ended::Whole)
}

/// A dialect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    Vllm,
    LlamaCpp,
    Ollama,
}

impl Dialect {
    pub const ALL: [Self; 3] = [Self::Vllm, Self::LlamaCpp, Self::Ollama];

    /// An honest answer in tokens, as a stream of events. Log-probabilities where the dialect tells them and they are
    /// asked for.
    pub fn say(self, request: &Received, tokens: &[&str], finish: &str) -> Reply {
        let usage = json!({"prompt_tokens": 17, "completion_tokens": tokens.len(), "total_tokens": 17 + tokens.len()});
        self.say_with(request, tokens, finish, &usage)
    }

    /// With another account of the tokens.
    pub fn say_with(self, request: &Received, tokens: &[&str], finish: &str, usage: &Value) -> Reply {
        let mut events = Vec::new();
        let text = request.path == "/v1/completions";
        if !text {
            events.extend(self.opening(request));
        }
        for token in tokens {
            events.push(self.token(request, token));
        }
        events.extend(self.ending(request, finish, usage));
        Reply::events(&events)
    }

    fn frame(self, request: &Received, choices: Value) -> Value {
        let text = request.path == "/v1/completions";
        let object = if text { "text_completion" } else { "chat.completion.chunk" };
        let mut frame = json!({"id": "x-1", "object": object, "created": 1_700_000_000, "model": request.body["model"],
                               "choices": choices});
        match self {
            Self::Vllm => {}
            Self::LlamaCpp => frame["system_fingerprint"] = json!("b1-0"),
            Self::Ollama => frame["system_fingerprint"] = json!("fp_ollama"),
        }
        frame
    }

    fn opening(self, request: &Received) -> Option<String> {
        let choice = match self {
            Self::Vllm => json!({"index": 0, "delta": {"role": "assistant", "content": ""}, "logprobs": null,
                                 "finish_reason": null}),
            Self::LlamaCpp => {
                json!({"finish_reason": null, "index": 0, "delta": {"role": "assistant", "content": null}})
            }
            Self::Ollama => return None,
        };
        Some(event(&self.frame(request, json!([choice]))))
    }

    /// One token's event.
    pub fn token(self, request: &Received, token: &str) -> String {
        let text = request.path == "/v1/completions";
        let mut choice = match (self, text) {
            (_, true) => json!({"index": 0, "text": token, "logprobs": null, "finish_reason": null}),
            (Self::Vllm, _) => {
                json!({"index": 0, "delta": {"content": token}, "logprobs": null, "finish_reason": null})
            }
            (Self::LlamaCpp, _) => json!({"finish_reason": null, "index": 0, "delta": {"content": token}}),
            (Self::Ollama, _) => {
                json!({"index": 0, "delta": {"role": "assistant", "content": token}, "finish_reason": null})
            }
        };
        let asked = &request.body["logprobs"];
        if self != Self::Ollama && (asked == true || asked.is_u64()) {
            choice["logprobs"] = if self == Self::Vllm && text {
                json!({"text_offset": [0], "tokens": [token], "token_logprobs": [-0.25],
                       "top_logprobs": [{token: -0.25, " other": -1.5}]})
            } else {
                let entry =
                    |token: &str, logprob: f64| json!({"token": token, "bytes": token.as_bytes(), "logprob": logprob});
                let mut content = entry(token, -0.25);
                content["top_logprobs"] = json!([entry(token, -0.25), entry(" other", -1.5)]);
                if self == Self::LlamaCpp {
                    content["id"] = json!(7);
                    content["top_logprobs"][0]["id"] = json!(7);
                    content["top_logprobs"][1]["id"] = json!(8);
                }
                json!({"content": [content]})
            };
        }
        event(&self.frame(request, json!([choice])))
    }

    /// The events after the last token.
    pub fn ending(self, request: &Received, finish: &str, usage: &Value) -> Vec<String> {
        let text = request.path == "/v1/completions";
        let mut choice = match (self, text) {
            (_, true) => json!({"index": 0, "text": "", "logprobs": null, "finish_reason": finish}),
            (Self::Vllm, _) => json!({"index": 0, "delta": {"content": ""}, "logprobs": null, "finish_reason": finish}),
            (Self::LlamaCpp, _) => json!({"finish_reason": finish, "index": 0, "delta": {}}),
            (Self::Ollama, _) => {
                json!({"index": 0, "delta": {"role": "assistant", "content": ""}, "finish_reason": finish})
            }
        };
        if self == Self::Vllm {
            choice["stop_reason"] = Value::Null;
        }
        let mut last = self.frame(request, json!([choice]));
        let mut counted = self.frame(request, json!([]));
        counted["usage"] = usage.clone();
        let include_usage = request.body["stream_options"]["include_usage"] == true;
        // Of a text completion its last event has the usage, asked for or not.
        let counts_last = self == Self::LlamaCpp && text;
        if counts_last {
            last["usage"] = usage.clone();
        }
        if self == Self::LlamaCpp {
            let told = if counts_last || !include_usage { &mut last } else { &mut counted };
            told["timings"] =
                json!({"cache_n": 0, "prompt_n": 17, "prompt_ms": 1.5, "predicted_n": 3, "predicted_ms": 2.5});
        }
        let mut events = vec![event(&last)];
        if include_usage && !counts_last {
            events.push(event(&counted));
        }
        events.push("data: [DONE]\n\n".into());
        events
    }
}

/// What vLLM says to the calls that load an adapter from its one path and forget it again; none: it is another call.
pub fn adapter_call(request: &Received, loaded: &mut BTreeSet<String>, path: &str) -> Option<Reply> {
    let name = request.body["lora_name"].as_str().unwrap_or_default().to_owned();
    let refuse = |status: u16, message: String| {
        Reply::json(status, json!({"error": {"message": message, "type": "x", "code": status}}))
    };
    Some(match request.path.as_str() {
        "/v1/load_lora_adapter" if request.body["lora_path"] != path => {
            refuse(404, format!("No adapter found for {}", request.body["lora_path"]))
        }
        "/v1/load_lora_adapter" if !loaded.insert(name.clone()) => {
            refuse(400, format!("The lora adapter '{name}' has already been loaded."))
        }
        "/v1/unload_lora_adapter" if !loaded.remove(&name) => {
            refuse(404, format!("The lora adapter '{name}' cannot be found."))
        }
        "/v1/load_lora_adapter" | "/v1/unload_lora_adapter" => Reply::json(200, json!("Success")),
        _ => return None,
    })
}

pub fn event(data: &Value) -> String {
    format!("data: {data}\n\n")
}

/// What the engine was given to read, as one text.
pub fn prompt_of(request: &Received) -> String {
    match request.body["messages"].as_array() {
        Some(messages) => {
            messages.iter().filter_map(|message| message["content"].as_str()).collect::<Vec<_>>().join("\n\n")
        }
        None => request.body["prompt"].as_str().unwrap_or_default().to_owned(),
    }
}

/// Text in pieces that are cut behind spaces, as tokens would be.
pub fn tokens(text: &str) -> Vec<&str> {
    text.split_inclusive(' ').collect()
}
