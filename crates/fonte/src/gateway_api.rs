//! The gateway as its clients see it: HTTP and JSON.

use std::time::Duration;

use alloy_primitives::{Address, B256, Bytes};
use eyre::{Result, WrapErr, bail};
use fonte_bindings::ContributionRecord;
use fonte_types::{ContributionId, bundle::ReceiptBundle, receipt::ContributionTerms};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::{Value, json};

use crate::say::say;

/// How long a gateway may take for what it has at hand. Who is accused by a receipt must not hold up who looks into it.
const PATIENCE: Duration = Duration::from_secs(60);

/// How long it may take for what it waits for itself: an answer, a block, a comparison with all that it holds.
const LONG_PATIENCE: Duration = Duration::from_secs(600);

/// Bytes a second below which texts are not waited for.
const SLOWEST: u64 = 64 << 10;

/// Bytes of a contribution's bundle: no gateway takes a larger one.
const MAX_BUNDLE: u64 = 256 << 20;

/// Bytes of any other answer: a receipt has a few of the wire's frames at most.
const MAX_ANSWER: u64 = 64 << 20;

/// A connection to one gateway.
#[derive(Clone, Debug)]
pub(crate) struct GatewayApi {
    base: String,
    http: reqwest::Client,
    patience: Duration,
}

/// Answer to a commit.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Committed {
    pub(crate) id: ContributionId,
    pub(crate) block: Option<u64>,
}

/// A reveal to relay.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct RevealItem {
    pub(crate) id: ContributionId,
    pub(crate) terms: ContributionTerms,
    pub(crate) contributor: Address,
    pub(crate) signature: Bytes,
}

/// Answer to a reveal.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Revealed {
    pub(crate) id: ContributionId,
    pub(crate) ok: bool,
    #[serde(default)]
    pub(crate) block: Option<u64>,
    #[serde(default)]
    pub(crate) error: Option<String>,
}

/// The near-duplicate report of a contribution.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Duplicates {
    pub(crate) earlier: usize,
    pub(crate) compared: usize,
    pub(crate) near_duplicates: Vec<NearDuplicate>,
}

/// A new document and an earlier one that it repeats (`fonte_corpus::near_duplicates`).
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct NearDuplicate {
    pub(crate) document: u32,
    pub(crate) contribution: ContributionId,
    pub(crate) earlier_document: u32,
    pub(crate) reason: String,
    pub(crate) resemblance_ppm: u32,
    pub(crate) containment_ppm: u32,
    pub(crate) overlap_bytes: u64,
    pub(crate) bytes: u64,
    pub(crate) earlier_overlap_bytes: u64,
    pub(crate) earlier_bytes: u64,
}

/// A fresh API key.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct ApiKey {
    pub(crate) api_key: String,
    pub(crate) session_key: Address,
    pub(crate) gateway: Address,
}

/// Where a receipt was settled.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct SettlementState {
    pub(crate) state: String,
    #[serde(default)]
    pub(crate) batch: Option<u64>,
    #[serde(default)]
    pub(crate) tx: Option<B256>,
    #[serde(default)]
    pub(crate) opening: Option<RowPlace>,
}

/// A row's place in its batch.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct RowPlace {
    pub(crate) index: u32,
    pub(crate) path: Vec<B256>,
}

impl GatewayApi {
    pub(crate) fn new(base: &str) -> Result<Self> {
        let http = reqwest::Client::builder()
            .connect_timeout(Duration::from_secs(5))
            .timeout(LONG_PATIENCE)
            .build()
            .wrap_err("preparing the HTTP client")?;
        Ok(Self { base: base.trim_end_matches('/').to_owned(), http, patience: PATIENCE })
    }

    /// How long the texts of these contributions may take together, one after the other.
    pub(crate) fn patience_for<'a>(&self, texts: impl Iterator<Item = &'a ContributionRecord>) -> Duration {
        let (requests, bytes) = texts.fold((0_u64, 0_u64), |(requests, bytes), record| {
            (requests + 1, bytes.saturating_add(record.text_bytes.min(MAX_BUNDLE)))
        });
        self.patience + Duration::from_secs(requests.saturating_add(bytes / SLOWEST))
    }

    async fn read<T: DeserializeOwned>(&self, request: reqwest::RequestBuilder) -> Result<T> {
        let response = request.send().await.wrap_err_with(|| {
            say!(
                "no gateway answers at {}: start one with `fonte up`, or give --gateway URL",
                "nenhum gateway responde em {}: inicie um com `fonte up` ou informe --gateway URL",
                self.base
            )
        })?;
        let status = response.status();
        let body = body(response, MAX_ANSWER).await.wrap_err("reading the gateway's answer")?;
        if !status.is_success() {
            let error: Value = serde_json::from_slice(&body).unwrap_or_default();
            let message = error["error"]["message"]
                .as_str()
                .map_or_else(|| String::from_utf8_lossy(&body[..body.len().min(300)]).into_owned(), ToOwned::to_owned);
            bail!("the gateway refused ({status}): {message}");
        }
        serde_json::from_slice(&body).wrap_err_with(|| {
            format!(
                "the gateway's answer is not as expected: {}",
                String::from_utf8_lossy(&body[..body.len().min(300)])
            )
        })
    }

    fn get(&self, path: &str) -> reqwest::RequestBuilder {
        self.http.get(format!("{}{path}", self.base)).timeout(self.patience)
    }

    fn post(&self, path: &str, body: &impl Serialize) -> reqwest::RequestBuilder {
        self.http.post(format!("{}{path}", self.base)).json(body)
    }

    /// What the gateway says of itself.
    pub(crate) async fn network(&self) -> Result<Value> {
        self.read(self.get("/fonte/v1/network")).await
    }

    /// Which earlier texts a contribution repeats, by what the gateway hosts.
    pub(crate) async fn duplicates(&self, contribution: ContributionId) -> Result<Duplicates> {
        let request = self.get(&format!("/fonte/v1/contributions/{contribution}/duplicates"));
        self.read(request.timeout(LONG_PATIENCE)).await
    }

    /// Asks the gateway for an API key of this payer.
    pub(crate) async fn api_key(&self, payer: Address) -> Result<ApiKey> {
        self.read(self.post("/fonte/v1/api-keys", &json!({ "payer": payer }))).await
    }

    /// A chat completion with one question.
    pub(crate) async fn ask(&self, api_key: Option<&str>, model: &str, question: &str, private: bool) -> Result<Value> {
        let mut body = json!({ "model": model, "messages": [{ "role": "user", "content": question }] });
        if private {
            body["fonte"] = json!({ "visibility": "private" });
        }
        let mut request = self.post("/v1/chat/completions", &body);
        if let Some(key) = api_key {
            request = request.bearer_auth(key);
        }
        self.read(request).await
    }

    /// A stored receipt.
    pub(crate) async fn receipt(&self, id: B256, api_key: Option<&str>) -> Result<ReceiptBundle> {
        let mut request = self.get(&format!("/fonte/v1/receipts/{id}"));
        if let Some(key) = api_key {
            request = request.bearer_auth(key);
        }
        self.read(request).await
    }

    /// Where a receipt was settled.
    pub(crate) async fn settlement(&self, id: B256) -> Result<SettlementState> {
        self.read(self.get(&format!("/fonte/v1/receipts/{id}/settlement"))).await
    }

    /// What an address has earned, per document.
    pub(crate) async fn earnings(&self, address: Address) -> Result<Value> {
        self.read(self.get(&format!("/fonte/v1/earnings/{address}"))).await
    }

    /// Relays commits.
    pub(crate) async fn commit(&self, commitments: &[B256]) -> Result<Vec<Committed>> {
        let items: Vec<_> = commitments.iter().map(|commitment| json!({ "commitment": commitment })).collect();
        self.read(self.post("/fonte/v1/contributions/commit", &items)).await
    }

    /// Uploads a bundle's bytes.
    pub(crate) async fn upload(&self, id: ContributionId, bundle: &std::path::Path) -> Result<()> {
        // Read whole: a bundle is bounded to 256 MiB, and the usual one is a few hundred kilobytes.
        let bytes = tokio::fs::read(bundle).await.wrap_err_with(|| format!("reading {}", bundle.display()))?;
        let url = format!("{}/fonte/v1/contributions/{id}/bundle", self.base);
        let patience = LONG_PATIENCE + Duration::from_secs(bytes.len() as u64 / SLOWEST);
        let _: Value = self.read(self.http.put(url).timeout(patience).body(bytes)).await?;
        Ok(())
    }

    /// Relays reveals.
    pub(crate) async fn reveal(&self, items: &[RevealItem]) -> Result<Vec<Revealed>> {
        self.read(self.post("/fonte/v1/contributions/reveal", &items)).await
    }

    /// Relays a withdrawal.
    pub(crate) async fn withdraw(&self, id: ContributionId, deadline: u64, signature: &Bytes) -> Result<Value> {
        let body = json!({ "deadline": deadline, "signature": signature });
        self.read(self.post(&format!("/fonte/v1/contributions/{id}/withdraw"), &body)).await
    }

    /// Downloads the texts and salts of an open contribution.
    pub(crate) async fn bundle(&self, record: &ContributionRecord) -> Result<Vec<u8>> {
        let id = record.id;
        let request = self.get(&format!("/fonte/v1/contributions/{id}/bundle"));
        let response = request.timeout(self.patience_for(std::iter::once(record))).send().await?;
        if !response.status().is_success() {
            bail!("the gateway does not give out contribution {id} ({})", response.status());
        }
        body(response, MAX_BUNDLE).await
    }
}

/// The body of an answer of at most `most` bytes.
async fn body(mut response: reqwest::Response, most: u64) -> Result<Vec<u8>> {
    let mut body = Vec::new();
    while let Some(piece) = response.chunk().await? {
        if (body.len() + piece.len()) as u64 > most {
            bail!("the gateway sends more than {most} bytes: it is at fault, use another one");
        }
        body.extend_from_slice(&piece);
    }
    Ok(body)
}

#[cfg(test)]
mod tests {
    use fonte_bindings::client::ContributionStatus;
    use fonte_types::{DatanetId, Version, ids::Membership};
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::{TcpListener, TcpStream},
    };

    use super::*;

    /// A gateway that begins an answer to whatever it is asked, and goes on with it as `go_on` does.
    async fn gateway<F: Future<Output = ()> + Send + 'static>(go_on: fn(TcpStream) -> F) -> GatewayApi {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                tokio::spawn(async move {
                    let _ = stream.read(&mut [0; 4096]).await;
                    let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n";
                    if stream.write_all(head.as_bytes()).await.is_ok() {
                        go_on(stream).await;
                    }
                });
            }
        });
        GatewayApi { patience: Duration::from_millis(300), ..GatewayApi::new(&base).unwrap() }
    }

    fn record(text_bytes: u64) -> ContributionRecord {
        ContributionRecord {
            id: ContributionId(1),
            status: ContributionStatus::Accepted,
            root: B256::ZERO,
            documents: 1,
            text_bytes,
            membership: Membership { datanet: DatanetId(1), added: Version(1), withdrawn: None },
            contributor: Address::ZERO,
            payee: Address::ZERO,
        }
    }

    #[tokio::test]
    async fn a_gateway_that_never_ends_its_answer_is_not_waited_for() {
        let api = gateway(|mut stream| async move {
            while stream.write_all(b" ").await.is_ok() {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        })
        .await;
        assert!(api.receipt(B256::ZERO, None).await.is_err());
        assert!(api.settlement(B256::ZERO).await.is_err());
        let error = api.bundle(&record(1)).await.unwrap_err();
        assert!(format!("{error:?}").contains("timed out"), "{error:?}");
    }

    #[tokio::test]
    async fn an_answer_without_end_is_not_kept() {
        let api = gateway(|mut stream| async move { while stream.write_all(&[b' '; 64 << 10]).await.is_ok() {} }).await;
        let response = api.get("/").send().await.unwrap();
        let error = body(response, 1 << 20).await.unwrap_err();
        assert!(error.to_string().contains("more than 1048576 bytes"), "{error:?}");
    }

    #[test]
    fn patience_grows_with_the_texts_and_has_a_bound() {
        let api = GatewayApi::new("http://127.0.0.1:1").unwrap();
        let seconds = |records: &[ContributionRecord]| api.patience_for(records.iter()).as_secs();
        assert_eq!(seconds(&[]), 60);
        assert_eq!(seconds(&[record(SLOWEST * 5)]), 66);
        // What the chain says of a contribution's size, anybody may have written.
        assert_eq!(seconds(&[record(u64::MAX), record(u64::MAX)]), 62 + 2 * MAX_BUNDLE / SLOWEST);
    }
}
