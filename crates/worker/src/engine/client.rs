//! The connection to an engine: configuration, requests, and every way in which they fail.

use std::{fmt, time::Duration};

use reqwest::{Response, StatusCode, Url, header};
use serde_json::Value;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::sse::{Chunk, Decoder, StreamError};

/// Most bytes of a body that is not a stream: errors, lists of models.
const MAX_BODY: usize = 256 << 10;

/// Most characters of an engine's own words that are passed on.
const MAX_MESSAGE: usize = 300;

/// Requests other than answers end within this.
const SHORT: Duration = Duration::from_secs(60);

/// An API key: never shown, never logged.
#[derive(Clone)]
pub struct Secret(String);

impl Secret {
    /// Keeps a key.
    pub fn new(key: impl Into<String>) -> Self {
        Self(key.into())
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(...)")
    }
}

/// How an engine is reached and asked.
#[derive(Clone, Debug)]
pub struct EngineConfig {
    /// Its base URL, with or without the `/v1` at its end.
    pub url: String,
    /// Sent as a bearer token.
    pub key: Option<Secret>,
    /// Until it is connected to.
    pub connect_timeout: Duration,
    /// Until it says anything more: reading a long prompt takes its time.
    pub idle_timeout: Duration,
    /// Until an answer is complete.
    pub deadline: Duration,
    /// Most bytes of passages that are read for a question.
    pub passage_bytes: usize,
    /// Alternatives asked for beside each token, to be committed to; 0: no log-probabilities are asked for unless the
    /// client wants them.
    pub top_log_probs: u8,
}

impl EngineConfig {
    /// With defaults: a minute of silence, five minutes in all, 6,000 bytes of passages (about 1,500 tokens), five
    /// alternatives.
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            key: None,
            connect_timeout: Duration::from_secs(5),
            idle_timeout: Duration::from_secs(60),
            deadline: Duration::from_secs(300),
            passage_bytes: 6_000,
            top_log_probs: 5,
        }
    }
}

/// An engine cannot be used as it is configured.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// No URL.
    #[error("{0:?} is no URL of an engine, such as http://127.0.0.1:8000")]
    Url(String),
    /// Something in the URL that does not belong there.
    #[error("the engine's URL holds {0}: give scheme, host, port and path alone, and a key through the environment")]
    UrlPart(&'static str),
    /// Another scheme.
    #[error("an engine is reached by http or https, not by {0}")]
    Scheme(String),
    /// This build has no TLS.
    #[error("this build speaks no https: build with `--features tls`, or put a local proxy before the engine")]
    NoTls,
    /// The key cannot be sent.
    #[error("the engine's key holds characters that no header can carry")]
    Key,
    /// The HTTP client could not be made.
    #[error("the HTTP client could not be made")]
    Client(#[source] reqwest::Error),
    /// There is no runtime to do the waiting.
    #[error("an engine is connected to from within a tokio runtime")]
    NoRuntime,
}

/// A connection to one engine.
pub struct Engine {
    config: EngineConfig,
    base: Url,
    http: reqwest::Client,
    runtime: tokio::runtime::Handle,
}

/// The engine gave no answer. The words are for payers: they hold no key, no address and no long text.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    #[error("the engine cannot be reached: try again, or ask another worker")]
    Unreachable(#[source] reqwest::Error),
    #[error("{}", told(*status, message))]
    Status { status: u16, message: String },
    #[error("the engine answered with {0} where a stream of events was asked for")]
    ContentType(String),
    #[error("the engine's stream cannot be read: {0}")]
    Stream(#[from] StreamError),
    #[error("the engine broke off: {0}")]
    Said(String),
    #[error("the engine's connection broke off in the middle of the answer")]
    Broken(#[source] reqwest::Error),
    #[error("the engine's stream ended before the answer did")]
    Truncated,
    #[error("the engine said nothing for {} s", .0.as_secs())]
    Silent(Duration),
    #[error("the engine was not done within {} s", .0.as_secs())]
    Late(Duration),
    #[error("nobody waits for the answer any more")]
    Cancelled,
}

fn told(status: u16, message: &str) -> String {
    match status {
        300..=399 => "the engine redirects elsewhere, which is not followed: name its own URL".into(),
        // What it says then may quote the key.
        401 | 403 => "the engine refuses this worker's key".into(),
        404 => format!("the engine does not know the model, or speaks no such API: {message}"),
        429 | 503 => format!("the engine takes no more work now, try again in a moment: {message}"),
        _ => format!("the engine refused ({status}): {message}"),
    }
}

impl Engine {
    /// Prepares a connection; nothing is sent yet. To be called within a tokio runtime.
    ///
    /// # Errors
    /// [`ConfigError`], naming what cannot be used.
    pub fn new(config: EngineConfig) -> Result<Self, ConfigError> {
        let base = base_url(&config.url)?;
        let mut headers = header::HeaderMap::new();
        if let Some(Secret(key)) = &config.key {
            let mut value = header::HeaderValue::from_str(&format!("Bearer {key}")).map_err(|_| ConfigError::Key)?;
            value.set_sensitive(true);
            headers.insert(header::AUTHORIZATION, value);
        }
        let http = reqwest::Client::builder()
            .default_headers(headers)
            // An engine is one place: what points elsewhere, a redirect or a proxy variable, is not followed with its key.
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .connect_timeout(config.connect_timeout)
            .http1_only()
            .build()
            .map_err(ConfigError::Client)?;
        let runtime = tokio::runtime::Handle::try_current().map_err(|_| ConfigError::NoRuntime)?;
        Ok(Self { config, base, http, runtime })
    }

    /// How it is asked.
    pub fn config(&self) -> &EngineConfig {
        &self.config
    }

    /// Its URL as it may be shown.
    pub fn shown(&self) -> &str {
        self.base.as_str()
    }

    /// Names of the models that it serves.
    ///
    /// # Errors
    /// What went wrong, in words.
    pub async fn models(&self) -> Result<Vec<String>, EngineError> {
        let list = self.short(self.http.get(self.url("/v1/models"))).await?;
        let list: Value =
            serde_json::from_slice(&list).map_err(|_| EngineError("its list of models is no JSON".into()))?;
        let models = list["data"].as_array().cloned().unwrap_or_default();
        Ok(models.iter().filter_map(|model| model["id"].as_str()).map(ToOwned::to_owned).collect())
    }

    /// Lets it load an adapter under a name, from a path on its machine (vLLM's call).
    ///
    /// # Errors
    /// What went wrong, in words. An adapter that is loaded already is none.
    pub async fn load_adapter(&self, name: &str, path: &str) -> Result<(), EngineError> {
        let body = serde_json::json!({"lora_name": name, "lora_path": path});
        let request = self.http.post(self.url("/v1/load_lora_adapter")).json(&body);
        match self.short(request).await {
            Err(EngineError(message)) if message.contains("already been loaded") => Ok(()),
            other => other.map(|_| ()),
        }
    }

    /// Lets it forget an adapter.
    ///
    /// # Errors
    /// What went wrong, in words.
    pub async fn unload_adapter(&self, name: &str) -> Result<(), EngineError> {
        let body = serde_json::json!({"lora_name": name});
        self.short(self.http.post(self.url("/v1/unload_lora_adapter")).json(&body)).await.map(|_| ())
    }

    pub(super) fn load_adapter_blocking(
        &self,
        name: &str,
        path: &str,
        cancelled: &CancellationToken,
        until: Instant,
    ) -> Result<(), Failure> {
        let loading = async { self.load_adapter(name, path).await.map_err(|error| Failure::Said(error.to_string())) };
        self.runtime.block_on(self.bounded(loading, cancelled, until))?
    }

    fn url(&self, path: &str) -> Url {
        let mut url = self.base.clone();
        url.set_path(&format!("{}{path}", self.base.path().trim_end_matches('/')));
        url
    }

    /// A request whose answer is small.
    async fn short(&self, request: reqwest::RequestBuilder) -> Result<Vec<u8>, EngineError> {
        let work = async {
            let mut response = request.send().await.map_err(Failure::Unreachable)?;
            let status = response.status();
            let body = read_body(&mut response).await.map_err(Failure::Broken)?;
            if status.is_success() { Ok(body) } else { Err(self.status(status, &body)) }
        };
        let result = tokio::time::timeout(SHORT, work).await.unwrap_or(Err(Failure::Late(SHORT)));
        result.map_err(|failure| EngineError(failure.to_string()))
    }

    /// Sends a request for a stream, up to its first byte. Blocks.
    pub(super) fn open(
        &self,
        path: &str,
        body: &Value,
        cancelled: &CancellationToken,
        until: Instant,
    ) -> Result<Request, Failure> {
        let work = async {
            let request = self.http.post(self.url(path)).header(header::ACCEPT, "text/event-stream").json(body);
            let mut response = request.send().await.map_err(Failure::Unreachable)?;
            let kind = response.headers().get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
            let kind = kind.unwrap_or("nothing").split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
            let status = response.status();
            if status == StatusCode::OK && kind == "text/event-stream" {
                return Ok(response);
            }
            let body = read_body(&mut response).await.map_err(Failure::Broken)?;
            match (status, message_in(&body)) {
                (StatusCode::OK, Some(said)) => Err(Failure::Said(self.presentable(&said))),
                (StatusCode::OK, None) => Err(Failure::ContentType(self.presentable(&kind))),
                _ => Err(self.status(status, &body)),
            }
        };
        let response = self.runtime.block_on(self.bounded(work, cancelled, until))??;
        Ok(Request {
            response,
            decoder: Decoder::default(),
            runtime: self.runtime.clone(),
            idle: self.config.idle_timeout,
            deadline: self.config.deadline,
            key: self.config.key.clone(),
        })
    }

    async fn bounded<T>(
        &self,
        work: impl Future<Output = T>,
        cancelled: &CancellationToken,
        until: Instant,
    ) -> Result<T, Failure> {
        bounded(work, cancelled, until, self.config.idle_timeout, self.config.deadline).await
    }

    fn status(&self, status: StatusCode, body: &[u8]) -> Failure {
        let said = message_in(body).unwrap_or_else(|| String::from_utf8_lossy(body).into_owned());
        Failure::Status { status: status.as_u16(), message: self.presentable(&said) }
    }

    fn presentable(&self, said: &str) -> String {
        presentable(said, self.config.key.as_ref())
    }
}

/// What an engine's reply to a small request was.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct EngineError(String);

/// A stream under way. Dropping it closes the connection, which is how an engine learns that nobody listens.
pub(crate) struct Request {
    response: Response,
    decoder: Decoder,
    runtime: tokio::runtime::Handle,
    idle: Duration,
    deadline: Duration,
    key: Option<Secret>,
}

impl Request {
    /// The next chunk; none: the stream is over. Blocks.
    pub(super) fn next(&mut self, cancelled: &CancellationToken, until: Instant) -> Result<Option<Chunk>, Failure> {
        loop {
            if let Some(chunk) = self.decoder.next()? {
                if let Some(said) = chunk.error {
                    return Err(Failure::Said(presentable(&said, self.key.as_ref())));
                }
                return Ok(Some(chunk));
            }
            if self.decoder.is_done() {
                return Ok(None);
            }
            let read = bounded(self.response.chunk(), cancelled, until, self.idle, self.deadline);
            match self.runtime.block_on(read)?.map_err(Failure::Broken)? {
                Some(bytes) => self.decoder.feed(&bytes)?,
                None => self.decoder.end()?,
            }
        }
    }
}

/// Ends work that takes too long or that nobody waits for.
async fn bounded<T>(
    work: impl Future<Output = T>,
    cancelled: &CancellationToken,
    until: Instant,
    idle: Duration,
    deadline: Duration,
) -> Result<T, Failure> {
    let left = until.saturating_duration_since(Instant::now());
    // Work that is always ready would otherwise never be late.
    if left.is_zero() {
        return Err(Failure::Late(deadline));
    }
    tokio::select! {
        biased;
        () = cancelled.cancelled() => Err(Failure::Cancelled),
        done = work => Ok(done),
        () = tokio::time::sleep(left.min(idle)) => {
            Err(if left <= idle { Failure::Late(deadline) } else { Failure::Silent(idle) })
        }
    }
}

/// A body up to the limit; what is longer is cut off.
async fn read_body(response: &mut Response) -> Result<Vec<u8>, reqwest::Error> {
    let mut body = Vec::new();
    while let Some(piece) = response.chunk().await? {
        let room = MAX_BODY - body.len();
        body.extend_from_slice(&piece[..piece.len().min(room)]);
        if body.len() == MAX_BODY {
            break;
        }
    }
    Ok(body)
}

/// The message of an error body: `{"error": {"message"}}`, `{"error": "..."}`, or vLLM's older `{"object": "error",
/// "message"}`.
pub(super) fn message_in(body: &[u8]) -> Option<String> {
    let body: Value = serde_json::from_slice(body).ok()?;
    error_of(&body)
}

pub(super) fn error_of(body: &Value) -> Option<String> {
    let said = match (&body["error"], &body["object"]) {
        (Value::String(message), _) => message.as_str(),
        (error @ Value::Object(_), _) => error["message"].as_str().unwrap_or("it does not say why"),
        (_, object) if object == "error" => body["message"].as_str().unwrap_or("it does not say why"),
        _ => return None,
    };
    Some(said.to_owned())
}

/// One line of printable text, short, without the key.
fn presentable(said: &str, key: Option<&Secret>) -> String {
    let said = match key {
        Some(Secret(key)) if !key.is_empty() => said.replace(key.as_str(), "..."),
        _ => said.to_owned(),
    };
    let line: String = said.chars().map(|c| if c.is_control() { ' ' } else { c }).take(MAX_MESSAGE).collect();
    line.trim().to_owned()
}

fn base_url(given: &str) -> Result<Url, ConfigError> {
    let mut url = Url::parse(given).map_err(|_| ConfigError::Url(given.to_owned()))?;
    match url.scheme() {
        "http" => {}
        "https" if cfg!(feature = "tls") => {}
        "https" => return Err(ConfigError::NoTls),
        other => return Err(ConfigError::Scheme(other.to_owned())),
    }
    if url.host_str().is_none_or(str::is_empty) {
        return Err(ConfigError::Url(given.to_owned()));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(ConfigError::UrlPart("a user name or a password"));
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(ConfigError::UrlPart("a query or a fragment"));
    }
    let path = url.path().trim_end_matches('/');
    let path = path.strip_suffix("/v1").unwrap_or(path).to_owned();
    url.set_path(&path);
    Ok(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_plain_places() {
        let base = |url: &str| base_url(url).map(|url| url.to_string()).map_err(|error| error.to_string());
        for url in ["http://h:8000", "http://h:8000/", "http://h:8000/v1", "http://h:8000/v1/"] {
            assert_eq!(base(url), Ok("http://h:8000/".into()), "{url}");
        }
        assert_eq!(base("http://h/engines/llama/v1"), Ok("http://h/engines/llama".into()));
        let refused = [
            ("ftp://h", "not by ftp"),
            ("file:///etc/passwd", "not by file"),
            ("h:8000", "not by h"),
            ("not a url", "is no URL"),
            ("http://me:secret@h", "a password"),
            ("http://h/?key=secret", "a query"),
        ];
        for (url, word) in refused {
            let told = base(url).expect_err(url);
            assert!(told.contains(word) && !told.contains("secret"), "{url}: {told}");
        }
        assert_eq!(base("https://h").is_ok(), cfg!(feature = "tls"));
    }

    #[test]
    fn what_an_engine_says_is_short_plain_and_without_the_key() {
        let key = Secret::new("sk-very-secret");
        assert_eq!(presentable("bad\nkey \u{1b}[31msk-very-secret!", Some(&key)), "bad key  [31m...!");
        assert_eq!(presentable(&"é".repeat(1000), None).chars().count(), MAX_MESSAGE);
        assert!(
            !format!("{key:?} {:?}", EngineConfig { key: Some(key.clone()), ..EngineConfig::new("") }).contains("very")
        );
        assert!(!told(401, "Incorrect API key provided: sk-very").contains("sk-"));
    }

    #[test]
    fn errors_come_in_three_shapes() {
        let said = |body: &str| message_in(body.as_bytes());
        assert_eq!(said(r#"{"error":{"message":"a","type":"t","code":400}}"#).as_deref(), Some("a"));
        assert_eq!(
            said(r#"{"object":"error","message":"b","type":"BadRequestError","code":400}"#).as_deref(),
            Some("b")
        );
        assert_eq!(said(r#"{"error":"c"}"#).as_deref(), Some("c"));
        assert_eq!(said(r#"{"error":null,"choices":[]}"#), None);
        assert_eq!(said("<html>"), None);
    }
}
