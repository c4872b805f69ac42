//! A typed view of the contracts over JSON-RPC, and the few transactions that roles send.

use std::{sync::Arc, time::Duration};

use alloy_contract::{CallBuilder, CallDecoder};
use alloy_network::EthereumWallet;
use alloy_primitives::{Address, B256, Bytes, TxHash};
use alloy_provider::{DynProvider, Provider, ProviderBuilder};
use alloy_rpc_client::ClientBuilder;
use alloy_rpc_types_eth::{BlockId, Filter, Log, TransactionReceipt, TransactionRequest};
use alloy_signer_local::PrivateKeySigner;
use alloy_sol_types::SolEvent;
use alloy_transport::TransportError;
use fonte_types::{
    ContributionId, DatanetId, DatanetVersion, EngineClass, ModelId, Network, Version, Visibility, bundle::Terms,
    ids::Membership,
};
use serde::{Deserialize, Serialize};

use crate::{
    abi,
    addresses::Addresses,
    contracts::{
        Allowance, Challenges, Concentration, Datanets, Demands, FonteGovernor, FonteToken, ModelReviews, Models,
        Origins, Reviews, Settlement, Timelock, Validators, Workers,
    },
    convert,
    transport::Bound,
};

/// How a datanet admits contributions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[repr(u8)]
pub enum ReviewRule {
    /// At the reveal.
    Open = 0,
    /// When the curator accepts.
    Curator = 1,
    /// When k of n staked reviewers approve.
    Reviewers = 2,
}

/// Terms under which a datanet's texts may be used.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Policy {
    /// SPDX expression.
    pub licence: String,
    /// May be indexed.
    pub index: bool,
    /// May be trained on.
    pub train: bool,
    /// May be quoted.
    pub quote: bool,
    /// Private requests may use it.
    pub private: bool,
    /// What was trained on a contribution stays lawful after it is withdrawn.
    pub keep: bool,
    /// Who admits.
    pub review: ReviewRule,
    /// Seats of a panel; zero without reviewers.
    pub reviewers: u8,
    /// Approvals that admit; zero without reviewers.
    pub approvals: u8,
    /// The curator's cut in ppm.
    pub curator_ppm: u32,
    /// Least price of 1,000 output tokens, in wei.
    #[serde(with = "fonte_types::wei")]
    pub price_floor: u128,
    /// ISO 3166-1 alpha-2 codes.
    pub jurisdictions: Vec<[u8; 2]>,
}

impl Policy {
    /// Everything is allowed, nothing costs: to be narrowed with struct update syntax.
    pub fn permissive(licence: &str, review: ReviewRule) -> Self {
        Self {
            licence: licence.into(),
            index: true,
            train: true,
            quote: true,
            private: true,
            keep: false,
            review,
            reviewers: 0,
            approvals: 0,
            curator_ppm: 0,
            price_floor: 0,
            jurisdictions: Vec::new(),
        }
    }
}

/// How an answer would use a datanet's texts.
#[derive(Clone, Copy, Debug)]
pub struct Use {
    /// Who may see the evidence.
    pub visibility: Visibility,
    /// Price of 1,000 output tokens, in wei.
    pub price_output: u128,
    /// Where the texts are processed.
    pub place: Place,
}

/// Where texts are processed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// Not decided yet: whoever decides asks again.
    Undecided,
    /// By a worker that does not say where it stands.
    Undeclared,
    /// In the jurisdiction with this ISO 3166-1 alpha-2 code.
    In([u8; 2]),
}

/// A clause of a policy that forbids a use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Clause {
    /// The texts may not be indexed.
    Index,
    /// The texts may not be quoted.
    Quote,
    /// Private requests are not served.
    Private,
    /// The price is below the floor.
    PriceFloor {
        /// Least price of 1,000 output tokens, in wei.
        floor: u128,
        /// The price.
        price: u128,
    },
    /// The texts may not be processed there.
    Jurisdictions {
        /// Where they may be.
        declared: Vec<[u8; 2]>,
        /// Where they would be; none: the worker does not say.
        here: Option<[u8; 2]>,
    },
}

impl Policy {
    /// The first clause that forbids an answer from these texts; gateways and workers ask before anything is generated.
    pub fn forbids(&self, intended: &Use) -> Option<Clause> {
        if !self.index {
            return Some(Clause::Index);
        }
        if !self.quote {
            return Some(Clause::Quote);
        }
        if let Some(clause) = self.forbids_private(intended.visibility) {
            return Some(clause);
        }
        if intended.price_output < self.price_floor {
            return Some(Clause::PriceFloor { floor: self.price_floor, price: intended.price_output });
        }
        self.forbids_place(intended.place)
    }

    /// The first clause that forbids an answer from weights that were trained on these texts: where and for whom they are
    /// processed. Training and its price are the contract's to judge, and nothing is indexed or quoted.
    pub fn forbids_weights(&self, visibility: Visibility, place: Place) -> Option<Clause> {
        self.forbids_private(visibility).or_else(|| self.forbids_place(place))
    }

    fn forbids_private(&self, visibility: Visibility) -> Option<Clause> {
        (visibility == Visibility::Private && !self.private).then_some(Clause::Private)
    }

    fn forbids_place(&self, place: Place) -> Option<Clause> {
        let here = match place {
            Place::Undecided => return None,
            // Whoever is silent may stand anywhere, so terms that name places refuse it.
            Place::Undeclared => None,
            Place::In(here) => Some(here),
        };
        let allowed = self.jurisdictions.is_empty() || here.is_some_and(|here| self.jurisdictions.contains(&here));
        (!allowed).then(|| Clause::Jurisdictions { declared: self.jurisdictions.clone(), here })
    }
}

impl std::fmt::Display for Clause {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Index => f.write_str("its texts may not be indexed (clause \"index\")"),
            Self::Quote => f.write_str("its texts may not be quoted (clause \"quote\")"),
            Self::Private => f.write_str("it serves no private requests (clause \"private\"): ask openly"),
            Self::PriceFloor { floor, price } => write!(
                f,
                "1000 output tokens must cost at least {floor} wei and this model costs {price} (clause \"price floor\")"
            ),
            Self::Jurisdictions { declared, here } => {
                let declared = declared.iter().map(code).collect::<Vec<_>>().join(", ");
                write!(f, "its texts may be processed only in {declared}, ")?;
                match here {
                    Some(here) => write!(f, "not in {} ", code(here))?,
                    None => f.write_str("and this worker does not say where it stands ")?,
                }
                f.write_str("(clause \"jurisdictions\")")
            }
        }
    }
}

/// A jurisdiction's code as text.
pub fn code(jurisdiction: &[u8; 2]) -> String {
    String::from_utf8_lossy(jurisdiction).into_owned()
}

/// A datanet on chain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DatanetRecord {
    /// Its id.
    pub id: DatanetId,
    /// Its name.
    pub name: String,
    /// Who curates it.
    pub curator: Address,
    /// Its latest version.
    pub version: Version,
    /// Its policy, which never changes.
    pub policy: Policy,
}

/// Where a contribution stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ContributionStatus {
    /// Waits for the curator.
    Pending,
    /// A member.
    Accepted,
    /// No longer a member.
    Withdrawn,
    /// Refused by the curator.
    Rejected,
}

/// A revealed contribution on chain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContributionRecord {
    /// Its id: the order of commits.
    pub id: ContributionId,
    /// Where it stands.
    pub status: ContributionStatus,
    /// Merkle root over its documents.
    pub root: B256,
    /// Number of documents.
    pub documents: u32,
    /// Bytes of text.
    pub text_bytes: u64,
    /// From which to which version it belongs to its datanet.
    pub membership: Membership,
    /// Who signed it.
    pub contributor: Address,
    /// Who is paid.
    pub payee: Address,
}

/// A registered model with the terms in force.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelRecord {
    /// Its id.
    pub id: ModelId,
    /// Its name.
    pub name: String,
    /// Hash of its artifact.
    pub artifact: B256,
    /// Hash of its adapter.
    pub adapter: B256,
    /// Who is paid the developer's part.
    pub developer: Address,
    /// Splits and prices.
    pub terms: Terms,
    /// Datanets it answers from.
    pub datanets: Vec<DatanetId>,
    /// Datanets that its weights were trained on, and those of its base, ascending.
    pub trained: Vec<DatanetId>,
    /// How many versions behind a datanet's latest an answer may be.
    pub max_staleness: u32,
    /// Why new requests are refused; none: they are not.
    pub refusal: Option<ModelRefusal>,
}

/// Why a model takes no new requests. What was answered before settles all the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelRefusal {
    /// The clause.
    pub reason: RefusalReason,
    /// The datanet whose terms say so, if one does.
    pub datanet: Option<DatanetId>,
}

/// The clauses under which a model stops.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RefusalReason {
    /// A proposal that no vote has deployed yet.
    NotDeployed,
    /// A proposal that missed a deadline.
    Expired,
    /// Reviewers found a breach of its acceptable use.
    Suspended,
    /// Ended by its owner or by a vote.
    Retired,
    /// Trained on what was withdrawn, and the grace period is over.
    Withdrawn,
    /// Its base model is suspended.
    BaseSuspended,
    /// Its base model is stopped by a withdrawal.
    BaseWithdrawn,
    /// A reason that this release does not know.
    Other,
}

impl ModelRefusal {
    /// In words, with the name of the datanet where the caller knows it.
    pub fn in_words(&self, name: Option<&str>) -> String {
        let reason = match self.reason {
            RefusalReason::NotDeployed => "it is a proposal that no vote has deployed",
            RefusalReason::Expired => "it is a proposal that missed a deadline",
            RefusalReason::Suspended => "reviewers found a breach of its acceptable use",
            RefusalReason::Retired => "it was retired",
            RefusalReason::Withdrawn => "it was trained on a contribution that has been withdrawn",
            RefusalReason::BaseSuspended => "its base model is suspended",
            RefusalReason::BaseWithdrawn => "its base model was trained on a contribution that has been withdrawn",
            RefusalReason::Other => "the chain says so",
        };
        match (self.datanet, name) {
            (Some(_), Some(name)) => format!("{reason} (clause \"withdrawal\" of datanet {name:?})"),
            (Some(datanet), None) => format!("{reason} (clause \"withdrawal\" of datanet {datanet})"),
            (None, _) => reason.to_owned(),
        }
    }
}

impl std::fmt::Display for ModelRefusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.in_words(None))
    }
}

/// A worker's registration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkerRecord {
    /// Registered, and neither paused nor leaving.
    pub active: bool,
    /// Jobs that its stake covers at once.
    pub slots: u32,
    /// The weakest class of answers that it declares to give.
    pub engine: EngineClass,
    /// ISO 3166-1 alpha-2 code of where it declares to stand.
    pub jurisdiction: [u8; 2],
}

impl ModelRecord {
    /// Whether it is an adapter on a base; the base has the same artifact.
    pub fn is_adapter(&self) -> bool {
        !self.adapter.is_zero()
    }

    /// Whether its terms let it answer from `used` when the latest version is `latest`.
    pub fn is_fresh_enough(&self, used: Version, latest: Version) -> bool {
        used.0 > 0 && latest.0.saturating_sub(used.0) <= self.max_staleness
    }
}

/// The chain could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The address is not one.
    #[error("{0:?} is not an http URL: give the chain's JSON-RPC address, such as http://127.0.0.1:8545")]
    Url(String),
    /// The node did not answer, or answered with an error.
    #[error("the chain at {url} did not serve {what}: {source}")]
    Rpc {
        /// Where.
        url: String,
        /// What was asked.
        what: &'static str,
        /// Why.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The contracts are not there.
    #[error("the chain at {url} has no Fonte contract at {address}: is it a Fonte chain?")]
    NoContract {
        /// Where.
        url: String,
        /// Missing contract.
        address: Address,
    },
    /// A transaction was included and failed.
    #[error("{what} failed in transaction {hash}: {reason}")]
    Reverted {
        /// What was tried.
        what: &'static str,
        /// The transaction.
        hash: TxHash,
        /// The decoded reason, where the chain gives one.
        reason: String,
    },
    /// A transaction would fail: it was not sent.
    #[error("{what} would fail: {reason}")]
    Refused {
        /// What was tried.
        what: &'static str,
        /// The decoded reason.
        reason: String,
        /// The contract that was called, if it is one of the protocol's.
        contract: Option<&'static str>,
        /// As the contract gave it.
        data: Bytes,
    },
}

/// A connection to a Fonte chain; cheap to clone.
#[derive(Clone, Debug)]
pub struct Client {
    url: Arc<str>,
    provider: DynProvider,
    network: Network,
    addresses: Addresses,
    sender: Option<Address>,
}

/// How often inclusion is looked for: a local chain finalizes within tens of milliseconds.
const POLL: Duration = Duration::from_millis(20);

/// Gas on top of the estimate.
const GAS_MARGIN_PERCENT: u64 = 30;
/// And a little more for short transactions.
const GAS_MARGIN: u64 = 50_000;

/// Most gas of a transaction since Osaka (EIP-7825).
const MAX_TRANSACTION_GAS: u64 = 1 << 24;

/// Blocks that events are read from at once; nodes bound the range.
pub const LOG_BLOCKS: u64 = 5_000;

impl Client {
    /// Connects to a Fonte chain, whose contracts are where genesis puts them.
    pub async fn connect(url: &str, signer: Option<PrivateKeySigner>) -> Result<Self, ClientError> {
        Self::connect_with(url, signer, Addresses::predeployed()).await
    }

    /// Connects, checks that the contracts are there, and learns the network id. With a signer it can send.
    pub async fn connect_with(
        url: &str,
        signer: Option<PrivateKeySigner>,
        addresses: Addresses,
    ) -> Result<Self, ClientError> {
        let parsed = url.parse().map_err(|_| ClientError::Url(url.into()))?;
        let sender = signer.as_ref().map(PrivateKeySigner::address);
        let connection = ClientBuilder::default().layer(Bound).http(parsed);
        let provider = match signer {
            Some(signer) => ProviderBuilder::new()
                .with_simple_nonce_management()
                .wallet(EthereumWallet::from(signer))
                .connect_client(connection)
                .erased(),
            None => ProviderBuilder::new().connect_client(connection).erased(),
        };
        provider.client().set_poll_interval(POLL);
        let rpc =
            |what, source: Box<dyn std::error::Error + Send + Sync>| ClientError::Rpc { url: url.into(), what, source };
        let chain_id = provider.get_chain_id().await.map_err(|e| rpc("its chain id", e.into()))?;
        let code = provider.get_code_at(addresses.settlement).await.map_err(|e| rpc("its contracts", e.into()))?;
        if code.is_empty() {
            return Err(ClientError::NoContract { url: url.into(), address: addresses.settlement });
        }
        let settlement = Settlement::new(addresses.settlement, &provider);
        let network_id = settlement.networkId().call().await.map_err(|e| rpc("its network id", e.into()))?;
        let network = Network { chain_id, network_id, settlement: addresses.settlement, datanets: addresses.datanets };
        Ok(Self { url: url.into(), provider, network, addresses, sender })
    }

    /// The network that signatures are bound to.
    pub fn network(&self) -> &Network {
        &self.network
    }

    /// Where the contracts are.
    pub fn addresses(&self) -> &Addresses {
        &self.addresses
    }

    /// Where the chain is.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The account that sends, if there is a signer.
    pub fn sender(&self) -> Option<Address> {
        self.sender
    }

    /// The provider, for calls that have no method here.
    pub fn provider(&self) -> &DynProvider {
        &self.provider
    }

    /// The datanets contract.
    pub fn datanets_contract(&self) -> Datanets::DatanetsInstance<DynProvider> {
        Datanets::new(self.network.datanets, self.provider.clone())
    }

    /// The models contract.
    pub fn models_contract(&self) -> Models::ModelsInstance<DynProvider> {
        Models::new(self.addresses.models, self.provider.clone())
    }

    /// The settlement contract.
    pub fn settlement_contract(&self) -> Settlement::SettlementInstance<DynProvider> {
        Settlement::new(self.network.settlement, self.provider.clone())
    }

    /// The contract that judges challenges.
    pub fn challenges_contract(&self) -> Challenges::ChallengesInstance<DynProvider> {
        Challenges::new(self.addresses.challenges, self.provider.clone())
    }

    /// Demands for withheld evidence.
    pub fn demands_contract(&self) -> Demands::DemandsInstance<DynProvider> {
        Demands::new(self.addresses.demands, self.provider.clone())
    }

    /// The wrapped coin.
    pub fn token_contract(&self) -> FonteToken::FonteTokenInstance<DynProvider> {
        FonteToken::new(self.addresses.token, self.provider.clone())
    }

    /// The staked reviewers.
    pub fn reviews_contract(&self) -> Reviews::ReviewsInstance<DynProvider> {
        Reviews::new(self.addresses.reviews, self.provider.clone())
    }

    /// The origins and their vaults.
    pub fn origins_contract(&self) -> Origins::OriginsInstance<DynProvider> {
        Origins::new(self.addresses.origins, self.provider.clone())
    }

    /// The register of workers.
    pub fn workers_contract(&self) -> Workers::WorkersInstance<DynProvider> {
        Workers::new(self.addresses.workers, self.provider.clone())
    }

    /// Validators, stake and elections.
    pub fn validators_contract(&self) -> Validators::ValidatorsInstance<DynProvider> {
        Validators::new(self.addresses.validators, self.provider.clone())
    }

    /// Proposals and votes.
    pub fn governor_contract(&self) -> FonteGovernor::FonteGovernorInstance<DynProvider> {
        FonteGovernor::new(self.addresses.governor, self.provider.clone())
    }

    /// Where what passed waits.
    pub fn timelock_contract(&self) -> Timelock::TimelockInstance<DynProvider> {
        Timelock::new(self.addresses.timelock, self.provider.clone())
    }

    /// The free allowance.
    pub fn allowance_contract(&self) -> Allowance::AllowanceInstance<DynProvider> {
        Allowance::new(self.addresses.allowance, self.provider.clone())
    }

    /// Who could capture what.
    pub fn concentration_contract(&self) -> Concentration::ConcentrationInstance<DynProvider> {
        Concentration::new(self.addresses.concentration, self.provider.clone())
    }

    /// Scores of models, and reports of abuse.
    pub fn model_reviews_contract(&self) -> ModelReviews::ModelReviewsInstance<DynProvider> {
        ModelReviews::new(self.addresses.model_reviews, self.provider.clone())
    }

    /// Makes a failure of a read name what was read.
    pub fn reading<T, E>(&self, what: &'static str, result: Result<T, E>) -> Result<T, ClientError>
    where
        E: std::error::Error + Send + Sync + 'static,
    {
        result.map_err(|source| ClientError::Rpc { url: self.url.to_string(), what, source: source.into() })
    }

    /// Number of the latest (final) block.
    pub async fn block_number(&self) -> Result<u64, ClientError> {
        self.reading("its height", self.provider.get_block_number().await)
    }

    /// An account's coins in wei.
    pub async fn balance(&self, account: Address) -> Result<u128, ClientError> {
        let balance = self.reading("a balance", self.provider.get_balance(account).await)?;
        Ok(balance.saturating_to())
    }

    /// Every event of one kind that a contract has emitted, in order.
    pub async fn events<E: SolEvent>(&self, what: &'static str, emitter: Address) -> Result<Vec<E>, ClientError> {
        Ok(self.logs(what, emitter).await?.into_iter().map(|log| log.inner.data).collect())
    }

    /// The same with the blocks and transactions that they stand in.
    pub async fn logs<E: SolEvent>(&self, what: &'static str, emitter: Address) -> Result<Vec<Log<E>>, ClientError> {
        let latest = self.block_number().await?;
        let mut events = Vec::new();
        let mut first = 0;
        while first <= latest {
            let last = latest.min(first + LOG_BLOCKS - 1);
            events.extend(self.logs_between(what, emitter, first, last).await?);
            first = last + 1;
        }
        Ok(events)
    }

    /// Events of the blocks `first..=last`, at most [`LOG_BLOCKS`] of them.
    pub async fn events_between<E: SolEvent>(
        &self,
        what: &'static str,
        emitter: Address,
        first: u64,
        last: u64,
    ) -> Result<Vec<E>, ClientError> {
        Ok(self.logs_between(what, emitter, first, last).await?.into_iter().map(|log| log.inner.data).collect())
    }

    async fn logs_between<E: SolEvent>(
        &self,
        what: &'static str,
        emitter: Address,
        first: u64,
        last: u64,
    ) -> Result<Vec<Log<E>>, ClientError> {
        let filter = Filter::new().address(emitter).event_signature(E::SIGNATURE_HASH).from_block(first).to_block(last);
        let logs = self.reading(what, self.provider.get_logs(&filter).await)?;
        logs.iter().map(|log| self.reading(what, log.log_decode())).collect()
    }

    /// Seconds since 1970 at the latest block, which is what contracts go by.
    pub async fn now(&self) -> Result<u64, ClientError> {
        let block = self.reading("the latest block", self.provider.get_block(BlockId::latest()).await)?;
        Ok(block.map_or(0, |block| block.header.timestamp))
    }

    /// The latest version of every datanet, ascending.
    pub async fn versions(&self) -> Result<Vec<DatanetVersion>, ClientError> {
        let datanets = self.datanets().await?;
        Ok(datanets.iter().map(|d| DatanetVersion { datanet: d.id, version: d.version }).collect())
    }

    /// One contribution, if it was revealed.
    pub async fn contribution(&self, id: ContributionId) -> Result<Option<ContributionRecord>, ClientError> {
        let read = self.datanets_contract().contribution(id.0).call().await;
        Ok(convert::contribution(self.reading("a contribution", read)?))
    }

    /// A worker's registration, if it has one.
    pub async fn worker(&self, worker: Address) -> Result<Option<WorkerRecord>, ClientError> {
        let read = self.workers_contract().worker(worker).call().await;
        Ok(convert::worker(&self.reading("a worker's registration", read)?))
    }

    /// Sends a transaction and waits until it is final; a revert becomes an error with its decoded reason.
    pub async fn send<P: Provider, D: CallDecoder + Send + Sync>(
        &self,
        what: &'static str,
        call: CallBuilder<P, D>,
    ) -> Result<TransactionReceipt, ClientError> {
        self.submit(what, call.into_transaction_request()).await
    }

    /// Sends a transaction and waits until it is final. What would fail is not sent.
    pub async fn submit(
        &self,
        what: &'static str,
        request: TransactionRequest,
    ) -> Result<TransactionReceipt, ClientError> {
        let gas = self.estimate(what, request.clone()).await?;
        let request = TransactionRequest {
            // State may change until the transaction is included, and a first write of a block costs more than a second.
            gas: Some((gas + gas / 100 * GAS_MARGIN_PERCENT + GAS_MARGIN).min(MAX_TRANSACTION_GAS.max(gas))),
            ..request
        };
        let pending = match self.provider.send_transaction(request.clone()).await {
            Ok(pending) => pending,
            Err(error) => return Err(self.refusal(what, &request, error)),
        };
        let hash = *pending.tx_hash();
        let receipt = self.reading(what, pending.get_receipt().await)?;
        if !receipt.status() {
            // Receipts hold no reason: what the same call says now is the best there is.
            let reason = match self.simulate(what, request).await {
                Err(ClientError::Refused { reason, .. }) => reason,
                _ => "the chain says no more".into(),
            };
            return Err(ClientError::Reverted { what, hash, reason });
        }
        Ok(receipt)
    }

    /// What a transaction would return now, had the sender sent it.
    pub async fn simulate(&self, what: &'static str, request: TransactionRequest) -> Result<Bytes, ClientError> {
        let request = TransactionRequest { from: request.from.or(self.sender), ..request };
        self.provider.call(request.clone()).await.map_err(|error| self.refusal(what, &request, error))
    }

    /// Gas that a transaction needs now.
    pub async fn estimate(&self, what: &'static str, request: TransactionRequest) -> Result<u64, ClientError> {
        let request = TransactionRequest { from: request.from.or(self.sender), ..request };
        self.provider.estimate_gas(request.clone()).await.map_err(|error| self.refusal(what, &request, error))
    }

    /// A revert with its reason, or a failure of the connection.
    fn refusal(&self, what: &'static str, request: &TransactionRequest, error: TransportError) -> ClientError {
        match error.as_error_resp().and_then(|response| response.as_revert_data()) {
            Some(data) => self.refused(what, request, data),
            None => ClientError::Rpc { url: self.url.to_string(), what, source: error.into() },
        }
    }

    /// The refusal that a revert's data means.
    pub fn refused(&self, what: &'static str, request: &TransactionRequest, data: Bytes) -> ClientError {
        let contract = request.to.and_then(|to| self.addresses.name_of(*to.to()?));
        let reason = abi::decode_error(contract, &data).map_or_else(|| abi::revert_reason(&data), |e| e.to_string());
        ClientError::Refused { what, reason, contract, data }
    }
}
