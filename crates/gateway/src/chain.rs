//! The chain as the gateway needs it: who may be charged how much, which models and datanets there are, and one account
//! whose transactions are sent one after the other.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use alloy_consensus::{SignableTransaction, TxEip1559, TxEnvelope};
use alloy_eips::{BlockId, eip2718::Encodable2718};
use alloy_primitives::{Address, B256, Bytes, TxKind, U256};
use alloy_provider::{DynProvider, Provider};
use alloy_rpc_types_eth::{TransactionReceipt, TransactionRequest};
use alloy_signer::SignerSync;
use alloy_signer_local::PrivateKeySigner;
use fonte_bindings::{
    Addresses, Catalogue, Client, ClientError, Contributions, DatanetRecord, ModelRecord, client::WorkerRecord,
    contracts,
};
use fonte_types::{ContributionId, Network};
use parking_lot::Mutex;

/// How a cited contribution stands on chain.
pub(crate) type ContributionFacts = fonte_bindings::ContributionRecord;

/// How often inclusion is looked for.
const POLL: Duration = Duration::from_millis(25);

/// Gas on top of the estimate: state may change between the two.
const GAS_MARGIN_PERCENT: u64 = 30;

/// The chain could not be asked, or said no.
#[derive(Debug, thiserror::Error)]
pub enum ChainError {
    /// A read failed.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// A JSON-RPC request failed.
    #[error("the chain did not serve {what}: {why}")]
    Rpc {
        /// What was asked.
        what: &'static str,
        /// What the node said.
        why: String,
    },
    /// A transaction would fail, or did.
    #[error("{what} is refused by the contract: {reason}")]
    Reverted {
        /// What was tried.
        what: &'static str,
        /// The contract's error.
        reason: String,
    },
    /// A transaction was not included in time.
    #[error("{what} (transaction {hash}) was not included within {seconds} s: it may still be")]
    NotIncluded {
        /// What was tried.
        what: &'static str,
        /// The transaction.
        hash: B256,
        /// How long was waited.
        seconds: u64,
    },
    /// The transaction was sent and what it was for could not be written down before.
    #[error(transparent)]
    Journal(#[from] crate::store::StoreError),
    /// The gateway's key did not sign.
    #[error("the gateway's key did not sign")]
    Signer(#[from] alloy_signer::Error),
}

/// Models and datanets at a height.
#[derive(Debug)]
pub(crate) struct Directory {
    pub(crate) block: u64,
    pub(crate) models: Arc<Vec<ModelRecord>>,
    pub(crate) datanets: Arc<Vec<DatanetRecord>>,
    /// Registrations that were asked for at this height.
    pub(crate) workers: Mutex<BTreeMap<Address, Option<WorkerRecord>>>,
}

/// What can still be taken from a payer under one session key, debts of this gateway not counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Funds {
    pub(crate) deposit: u128,
    pub(crate) cap: u128,
    pub(crate) spent: u128,
}

impl Funds {
    /// The smaller of deposit and what is left under the cap.
    pub(crate) fn spendable(&self) -> u128 {
        self.deposit.min(self.cap.saturating_sub(self.spent))
    }
}

/// The latest block, as contracts see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct HeadFacts {
    pub(crate) number: u64,
    /// Seconds since 1970.
    pub(crate) timestamp: u64,
}

/// A connection that reads, and the account that sends.
pub(crate) struct Chain {
    pub(crate) client: Client,
    directory: Mutex<Option<Arc<Directory>>>,
    /// What it was made of. Held while the chain is read: one reads for all that wait.
    catalogue: tokio::sync::Mutex<Option<Catalogue>>,
    /// What was last read of them; none: nobody has asked.
    contributions: tokio::sync::Mutex<Option<Contributions>>,
    key: PrivateKeySigner,
    /// Next nonce, where it is known. Held across sending: one transaction after the other is the point.
    nonce: tokio::sync::Mutex<Option<u64>>,
    inclusion_timeout: Duration,
}

/// A call that becomes a transaction.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) what: &'static str,
    pub(crate) to: Address,
    pub(crate) value: u128,
    pub(crate) data: Bytes,
}

/// A signed transaction.
#[derive(Clone, Debug)]
pub(crate) struct SignedCall {
    pub(crate) hash: B256,
    pub(crate) nonce: u64,
    pub(crate) raw: Bytes,
}

impl Chain {
    pub(crate) async fn connect(
        url: &str,
        addresses: Addresses,
        key: PrivateKeySigner,
        inclusion_timeout: Duration,
    ) -> Result<Self, ChainError> {
        Ok(Self {
            client: Client::connect_with(url, None, addresses).await?,
            directory: Mutex::new(None),
            catalogue: tokio::sync::Mutex::new(None),
            contributions: tokio::sync::Mutex::new(None),
            key,
            nonce: tokio::sync::Mutex::new(None),
            inclusion_timeout,
        })
    }

    pub(crate) fn network(&self) -> &Network {
        self.client.network()
    }

    pub(crate) fn gateway(&self) -> Address {
        self.key.address()
    }

    pub(crate) fn provider(&self) -> &DynProvider {
        self.client.provider()
    }

    pub(crate) fn settlement(&self) -> contracts::Settlement::SettlementInstance<DynProvider> {
        self.client.settlement_contract()
    }

    pub(crate) fn datanets(&self) -> contracts::Datanets::DatanetsInstance<DynProvider> {
        self.client.datanets_contract()
    }

    /// A failed contract read, as this gateway's error.
    pub(crate) fn read<T>(
        &self,
        what: &'static str,
        result: Result<T, alloy_contract::Error>,
    ) -> Result<T, ChainError> {
        Ok(self.client.reading(what, result)?)
    }

    /// The latest block.
    pub(crate) async fn head(&self) -> Result<HeadFacts, ChainError> {
        let missing = |why: String| ChainError::Rpc { what: "the latest block", why };
        let block = self.provider().get_block(BlockId::latest()).await.map_err(|error| missing(error.to_string()))?;
        let header = block.ok_or_else(|| missing("there is none".into()))?.header;
        Ok(HeadFacts { number: header.number, timestamp: header.timestamp })
    }

    /// Models and datanets as of the latest block: whoever published a moment ago can ask at once.
    pub(crate) async fn directory(&self) -> Result<Arc<Directory>, ChainError> {
        let block = self.client.block_number().await?;
        let known = || self.directory.lock().clone().filter(|known| known.block >= block);
        if let Some(known) = known() {
            return Ok(known);
        }
        let mut last = self.catalogue.lock().await;
        if let Some(known) = known() {
            return Ok(known);
        }
        let catalogue = self.client.catalogue(last.as_ref()).await?;
        let Catalogue { block, models, datanets, .. } = last.insert(catalogue).clone();
        let directory = Arc::new(Directory { block, models, datanets, workers: Mutex::default() });
        *self.directory.lock() = Some(directory.clone());
        Ok(directory)
    }

    /// A worker's registration, if it has one.
    pub(crate) async fn worker(
        &self,
        directory: &Directory,
        worker: Address,
    ) -> Result<Option<WorkerRecord>, ChainError> {
        if let Some(known) = directory.workers.lock().get(&worker) {
            return Ok(*known);
        }
        let record = self.client.worker(worker).await?;
        directory.workers.lock().insert(worker, record);
        Ok(record)
    }

    /// One contribution, if it was revealed.
    pub(crate) async fn contribution(&self, id: ContributionId) -> Result<Option<ContributionFacts>, ChainError> {
        Ok(self.client.contribution(id).await?)
    }

    /// All contributions that were revealed.
    pub(crate) async fn contributions(&self) -> Result<Arc<BTreeMap<ContributionId, ContributionFacts>>, ChainError> {
        let mut known = self.contributions.lock().await;
        let read = self.client.contributions_since(known.as_ref()).await?;
        Ok(known.insert(read).by_id.clone())
    }

    /// What a payer has, and lets a session key spend. An announced withdrawal counts as gone, a lowered limit as low.
    pub(crate) async fn funds(&self, payer: Address, session: Address) -> Result<Funds, ChainError> {
        let contract = self.settlement();
        let gateway = self.gateway();
        let (deposit, withdrawal, spent, limit) = (
            contract.depositOf(payer),
            contract.withdrawalOf(payer),
            contract.spent(payer, gateway),
            contract.limitOf(payer, gateway, session),
        );
        let (deposit, withdrawal, spent, limit) =
            tokio::join!(deposit.call(), withdrawal.call(), spent.call(), limit.call());
        let limit = self.read("a payer's limit", limit)?;
        let deposit = self.read("a payer's deposit", deposit)?;
        let withdrawal = self.read("a payer's announced withdrawal", withdrawal)?._0;
        Ok(Funds {
            deposit: deposit.saturating_sub(withdrawal),
            cap: if limit.since == 0 { limit.cap } else { limit.cap.min(limit.next) },
            spent: self.read("what a payer has spent", spent)?,
        })
    }

    /// Cumulative total debited from a payer, and the most that a session key may sign now.
    pub(crate) async fn spent_and_cap(&self, payer: Address, session: Address) -> Result<(u128, u128), ChainError> {
        let contract = self.settlement();
        let gateway = self.gateway();
        let (spent, limit) = (contract.spent(payer, gateway), contract.limitOf(payer, gateway, session));
        let (spent, limit) = tokio::join!(spent.call(), limit.call());
        Ok((self.read("what a payer has spent", spent)?, self.read("a payer's limit", limit)?.cap))
    }

    /// Whether a call would succeed, and with how much gas.
    pub(crate) async fn estimate(&self, call: &Call) -> Result<u64, ChainError> {
        let request = TransactionRequest::default()
            .from(self.gateway())
            .to(call.to)
            .value(U256::from(call.value))
            .input(call.data.clone().into());
        match self.provider().estimate_gas(request).await {
            Ok(gas) => Ok(gas + gas / 100 * GAS_MARGIN_PERCENT + 50_000),
            Err(error) => Err(match error.as_error_resp() {
                Some(response) => ChainError::Reverted {
                    what: call.what,
                    reason: response
                        .as_revert_data()
                        .map_or_else(|| response.message.to_string(), |data| fonte_bindings::abi::revert_reason(&data)),
                },
                None => ChainError::Rpc { what: call.what, why: error.to_string() },
            }),
        }
    }

    /// Signs a call and sends it. `journal` runs after signing and before sending: what must survive a crash is written
    /// there.
    pub(crate) async fn send(
        &self,
        call: &Call,
        journal: impl FnOnce(&SignedCall) -> Result<(), crate::store::StoreError>,
    ) -> Result<SignedCall, ChainError> {
        let gas = self.estimate(call).await?;
        let mut next = self.nonce.lock().await;
        let nonce = match *next {
            Some(nonce) => nonce,
            None => {
                let pending = self.provider().get_transaction_count(self.gateway()).pending().await;
                pending.map_err(|error| ChainError::Rpc { what: "the gateway's nonce", why: error.to_string() })?
            }
        };
        let fees = self.provider().estimate_eip1559_fees().await;
        let fees = fees.map_err(|error| ChainError::Rpc { what: "the price of gas", why: error.to_string() })?;
        let transaction = TxEip1559 {
            chain_id: self.network().chain_id,
            nonce,
            gas_limit: gas,
            max_fee_per_gas: fees.max_fee_per_gas,
            max_priority_fee_per_gas: fees.max_priority_fee_per_gas,
            to: TxKind::Call(call.to),
            value: U256::from(call.value),
            access_list: Default::default(),
            input: call.data.clone(),
        };
        let signature = self.key.sign_hash_sync(&transaction.signature_hash())?;
        let envelope = TxEnvelope::from(transaction.into_signed(signature));
        let signed = SignedCall { hash: *envelope.tx_hash(), nonce, raw: envelope.encoded_2718().into() };
        journal(&signed)?;
        *next = None;
        self.broadcast(call.what, &signed.raw).await?;
        *next = Some(nonce + 1);
        Ok(signed)
    }

    /// Sends a signed transaction, again if need be: the same bytes are the same transaction.
    pub(crate) async fn broadcast(&self, what: &'static str, raw: &Bytes) -> Result<(), ChainError> {
        match self.provider().send_raw_transaction(raw).await {
            Ok(_) => Ok(()),
            Err(error) => {
                let why = error.to_string();
                if why.to_lowercase().contains("already known") {
                    return Ok(());
                }
                Err(ChainError::Rpc { what, why })
            }
        }
    }

    /// Waits until a transaction is final. A failed one is an error.
    pub(crate) async fn wait(&self, what: &'static str, hash: B256) -> Result<TransactionReceipt, ChainError> {
        let deadline = Instant::now() + self.inclusion_timeout;
        loop {
            if let Some(receipt) = self.transaction(hash).await? {
                if receipt.status() {
                    return Ok(receipt);
                }
                return Err(ChainError::Reverted { what, reason: format!("transaction {hash} failed") });
            }
            if Instant::now() >= deadline {
                // Whatever the mempool holds, the next transaction asks anew.
                *self.nonce.lock().await = None;
                return Err(ChainError::NotIncluded { what, hash, seconds: self.inclusion_timeout.as_secs() });
            }
            tokio::time::sleep(POLL).await;
        }
    }

    /// Sends a call and waits until it is final.
    pub(crate) async fn submit(&self, call: &Call) -> Result<TransactionReceipt, ChainError> {
        let signed = self.send(call, |_| Ok(())).await?;
        self.wait(call.what, signed.hash).await
    }

    /// A transaction's receipt, if it is final.
    pub(crate) async fn transaction(&self, hash: B256) -> Result<Option<TransactionReceipt>, ChainError> {
        let receipt = self.provider().get_transaction_receipt(hash).await;
        receipt.map_err(|error| ChainError::Rpc { what: "a transaction's receipt", why: error.to_string() })
    }

    /// The gateway's nonce in the latest block: every smaller one is used up for good.
    pub(crate) async fn final_nonce(&self) -> Result<u64, ChainError> {
        let count = self.provider().get_transaction_count(self.gateway()).block_id(BlockId::latest()).await;
        count.map_err(|error| ChainError::Rpc { what: "the gateway's nonce", why: error.to_string() })
    }
}
