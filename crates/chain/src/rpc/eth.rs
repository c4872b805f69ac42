//! The answers.

use std::{collections::BTreeMap, sync::Arc};

use alloy_consensus::{Header, Transaction as _};
use alloy_eips::eip2718::Encodable2718 as _;
use alloy_primitives::{Address, B256, Bytes, U64, U256, keccak256};
use alloy_rpc_types_eth::{
    Block as RpcBlock, BlockId, BlockNumberOrTag, FeeHistory, Filter, FilterBlockOption, Index, Log, Transaction,
    TransactionReceipt, TransactionRequest, state::StateOverride,
};
use fonte_evm::{AccountOverride, CallError, CallOutcome, CallRequest, MIN_BASE_FEE, StorageOverride, next_base_fee};
use jsonrpsee::{
    PendingSubscriptionSink,
    core::{RpcResult, SubscriptionResult, async_trait},
    types::ErrorObjectOwned,
};
use serde_json::{Value, json};

use super::{
    RpcConfig,
    api::EthereumServer,
    convert,
    error::{invalid_params, over_limit, rejected, reverted},
    filters::{Filters, Watch},
    subscribe,
};
use crate::{
    block::Block,
    evidence::DoubleSign,
    ledger::{Head, Ledger},
    store::StoredReceipt,
};

/// The tip that is suggested while blocks have room: enough to be ordered before a tip of nothing.
const SUGGESTED_TIP: u64 = MIN_BASE_FEE;
/// Blocks that `eth_feeHistory` looks at.
const MAX_FEE_HISTORY: u64 = 1_024;
const MAX_PERCENTILES: usize = 100;
/// Alternatives in one position of a log filter, and slots in one `eth_getProof`.
const MAX_ALTERNATIVES: usize = 1_024;

/// Serves [`EthereumServer`] from a ledger.
pub(super) struct Eth {
    ledger: Ledger,
    config: RpcConfig,
    filters: Filters,
}

impl Eth {
    pub(super) fn new(ledger: Ledger, config: RpcConfig) -> Self {
        let filters = Filters::new(config.max_filters, config.filter_lifetime);
        Self { ledger, config, filters }
    }

    /// What a new transaction should tip: the suggestion, or while blocks are full, what got in.
    fn suggested_tip(&self) -> U256 {
        let head = self.ledger.head();
        let header = head.header();
        let full = header.gas_used > header.gas_limit / 10 * 9;
        let lowest = full
            .then(|| {
                let base_fee = header.base_fee_per_gas.unwrap_or_default();
                let txs = &head.block.inner().body.transactions;
                txs.iter().filter_map(|tx| tx.effective_tip_per_gas(base_fee)).min()
            })
            .flatten()
            .unwrap_or_default();
        U256::from(lowest.max(u128::from(SUGGESTED_TIP)))
    }

    /// The number that a tag means; everything that is told is final, so most tags mean the same.
    fn number(&self, tag: BlockNumberOrTag) -> u64 {
        match tag {
            BlockNumberOrTag::Number(number) => number,
            BlockNumberOrTag::Earliest => 0,
            BlockNumberOrTag::Latest
            | BlockNumberOrTag::Finalized
            | BlockNumberOrTag::Safe
            | BlockNumberOrTag::Pending => self.ledger.head().block.number(),
        }
    }

    fn number_of(&self, at: BlockId) -> RpcResult<Option<u64>> {
        match at {
            BlockId::Number(tag) => Ok(Some(self.number(tag))),
            BlockId::Hash(hash) => Ok(self.ledger.store().number_of(&hash.block_hash)?),
        }
    }

    /// The state at a block, for as far back as states are kept.
    fn head_at(&self, at: Option<BlockId>) -> RpcResult<Arc<Head>> {
        let at = at.unwrap_or_default();
        let number = self.number_of(at)?.ok_or_else(|| rejected("header not found"))?;
        if let Some(head) = self.ledger.head_at(number) {
            return Ok(head);
        }
        let latest = self.ledger.head().block.number();
        Err(rejected(if number > latest {
            format!("header not found: block {number} does not exist yet, the latest is {latest}")
        } else {
            format!(
                "state of block {number} is not kept: this node answers for recent blocks only, \
                 the latest is {latest}"
            )
        }))
    }

    /// A block and its receipts.
    fn block(&self, number: u64) -> RpcResult<Option<(Block, Vec<StoredReceipt>)>> {
        let store = self.ledger.store();
        // The tip may be written a moment before it is told; what is not told does not exist yet.
        if number > self.ledger.head().block.number() {
            return Ok(None);
        }
        let Some(block) = store.block(number)? else {
            return Ok(None);
        };
        Ok(Some((block, store.receipts(number)?)))
    }

    fn block_by_hash(&self, hash: B256) -> RpcResult<Option<(Block, Vec<StoredReceipt>)>> {
        match self.ledger.store().number_of(&hash)? {
            Some(number) => self.block(number),
            None => Ok(None),
        }
    }

    fn transaction(&self, hash: B256) -> RpcResult<Option<(Block, Vec<StoredReceipt>, usize)>> {
        let Some(place) = self.ledger.store().place(&hash)? else {
            return Ok(None);
        };
        let found = self.block(place.block)?;
        Ok(found.map(|(block, receipts)| (block, receipts, place.index as usize)))
    }

    /// Matching logs of blocks `from..=to`. Headers' blooms keep it from reading every block.
    fn logs_between(&self, filter: &Filter, from: u64, to: u64) -> RpcResult<Vec<Log>> {
        let to = to.min(self.ledger.head().block.number());
        if from > to {
            return Ok(Vec::new());
        }
        let limit = self.config.max_log_blocks;
        if to - from >= limit {
            return Err(over_limit(format!(
                "the range has {} blocks, this node looks at {limit} at once: ask in parts",
                to - from + 1
            )));
        }
        let mut logs = Vec::new();
        let mut bytes = 0usize;
        for number in from..=to {
            let Some(header) = self.ledger.store().header(number)? else {
                continue;
            };
            if !filter.matches_bloom(header.logs_bloom) {
                continue;
            }
            if let Some((block, receipts)) = self.block(number)? {
                let found = convert::logs(&block, &receipts, filter);
                bytes += found.iter().map(convert::log_bytes).sum::<usize>();
                logs.extend(found);
            }
            let (max_logs, max_bytes) = (self.config.max_logs, self.config.max_response_bytes);
            if logs.len() > max_logs {
                return Err(over_limit(format!(
                    "more than {max_logs} logs match up to block {number}: ask for fewer blocks"
                )));
            }
            if bytes > max_bytes as usize {
                return Err(over_limit(format!(
                    "the logs up to block {number} are more than the {max_bytes} bytes of an answer: ask for fewer blocks"
                )));
            }
        }
        Ok(logs)
    }

    fn logs_matching(&self, filter: &Filter) -> RpcResult<Vec<Log>> {
        match filter.block_option {
            FilterBlockOption::AtBlockHash(hash) => {
                let (block, receipts) = self.block_by_hash(hash)?.ok_or_else(|| rejected("unknown block"))?;
                Ok(convert::logs(&block, &receipts, filter))
            }
            FilterBlockOption::Range { from_block, to_block } => {
                let from = self.number(from_block.unwrap_or_default());
                let to = self.number(to_block.unwrap_or_default());
                if from > to {
                    // Whoever follows the chain asks from the block after the last that they saw, up to the latest.
                    let ends = matches!(to_block, Some(BlockNumberOrTag::Number(_) | BlockNumberOrTag::Earliest));
                    return if ends {
                        Err(invalid_params("invalid block range params: from is after to"))
                    } else {
                        Ok(Vec::new())
                    };
                }
                self.logs_between(filter, from, to)
            }
        }
    }

    fn check_filter(filter: &Filter) -> RpcResult<()> {
        let topics = filter.topics.iter().map(|topic| topic.len());
        if filter.address.len() > MAX_ALTERNATIVES || topics.max().unwrap_or(0) > MAX_ALTERNATIVES {
            return Err(over_limit(format!("a filter names at most {MAX_ALTERNATIVES} alternatives in one place")));
        }
        Ok(())
    }

    /// The request in the executor's words, and the header that it runs in.
    fn prepare(
        &self,
        request: TransactionRequest,
        overrides: Option<StateOverride>,
        head: &Head,
    ) -> RpcResult<(CallRequest, Header)> {
        if let Some(chain_id) = request.chain_id
            && chain_id != self.ledger.executor().chain_id()
        {
            return Err(rejected(format!(
                "chainId does not match node's (have={chain_id}, want={})",
                self.ledger.executor().chain_id()
            )));
        }
        if request.gas_price.is_some() && request.max_fee_per_gas.is_some() {
            return Err(rejected("both gasPrice and (maxFeePerGas or maxPriorityFeePerGas) specified"));
        }
        let data = match (request.input.input, request.input.data) {
            (Some(input), Some(data)) if input != data => {
                return Err(rejected(
                    "both \"data\" and \"input\" are set and not equal. Please use \"input\" to pass transaction call data",
                ));
            }
            (input, data) => input.or(data).unwrap_or_default(),
        };
        let nonzero = |fee: Option<u128>| fee.filter(|fee| *fee > 0);
        let call = CallRequest {
            from: request.from.unwrap_or_default(),
            to: request.to.and_then(|to| to.to().copied()),
            gas: request.gas,
            max_fee_per_gas: nonzero(request.max_fee_per_gas.or(request.gas_price)),
            max_priority_fee_per_gas: nonzero(request.max_priority_fee_per_gas),
            value: request.value.unwrap_or_default(),
            data,
            access_list: request.access_list.unwrap_or_default(),
            authorizations: request.authorization_list.unwrap_or_default(),
            overrides: overrides
                .into_iter()
                .flatten()
                .map(|(address, given)| account_override(given).map(|given| (address, given)))
                .collect::<RpcResult<BTreeMap<_, _>>>()?,
        };
        Ok((call, head.header().clone()))
    }
}

fn account_override(given: alloy_rpc_types_eth::state::AccountOverride) -> RpcResult<AccountOverride> {
    if given.move_precompile_to.is_some() {
        return Err(rejected("moving precompiles is not supported"));
    }
    let (storage, slots) = match (given.state, given.state_diff) {
        (Some(_), Some(_)) => {
            return Err(invalid_params("account has both 'state' and 'stateDiff'"));
        }
        (Some(state), None) => (StorageOverride::Replace, state),
        (None, diff) => (StorageOverride::Patch, diff.unwrap_or_default()),
    };
    Ok(AccountOverride {
        balance: given.balance,
        nonce: given.nonce,
        code: given.code,
        storage,
        slots: slots.into_iter().map(|(slot, value)| (slot.into(), value.into())).collect(),
    })
}

fn call_error(error: CallError) -> ErrorObjectOwned {
    use fonte_evm::Refusal;
    match error {
        CallError::Reverted { output } => reverted(output),
        CallError::DoesNotSucceed { gas_limit, reason } => {
            rejected(format!("gas required exceeds allowance ({gas_limit}): {reason}"))
        }
        CallError::Refused(Refusal::InsufficientFunds { balance, needed }) => {
            rejected(format!("insufficient funds for gas * price + value: balance {balance}, tx cost {needed}"))
        }
        CallError::Refused(Refusal::FeeBelowBase { max_fee, base_fee }) => {
            rejected(format!("max fee per gas less than block base fee: maxFeePerGas {max_fee}, baseFee {base_fee}"))
        }
        other => rejected(other.to_string()),
    }
}

fn quantity(number: impl TryInto<u64>) -> U64 {
    U64::from(number.try_into().unwrap_or(u64::MAX))
}

#[async_trait]
impl EthereumServer for Eth {
    fn client_version(&self) -> RpcResult<String> {
        Ok(format!("fonte/v{}", env!("CARGO_PKG_VERSION")))
    }

    fn sha3(&self, data: Bytes) -> RpcResult<B256> {
        Ok(keccak256(data))
    }

    fn net_version(&self) -> RpcResult<String> {
        Ok(self.ledger.executor().chain_id().to_string())
    }

    fn net_listening(&self) -> RpcResult<bool> {
        Ok(true)
    }

    fn peer_count(&self) -> RpcResult<U64> {
        Ok(quantity(self.config.peers))
    }

    fn chain_id(&self) -> RpcResult<U64> {
        Ok(quantity(self.ledger.executor().chain_id()))
    }

    fn syncing(&self) -> RpcResult<bool> {
        Ok(false)
    }

    fn accounts(&self) -> RpcResult<Vec<Address>> {
        Ok(Vec::new())
    }

    fn block_number(&self) -> RpcResult<U64> {
        Ok(quantity(self.ledger.head().block.number()))
    }

    fn gas_price(&self) -> RpcResult<U256> {
        // Not below the latest block's base fee either: that is what estimates run under.
        let head = self.ledger.head();
        let latest = head.header().base_fee_per_gas.unwrap_or_default();
        let base_fee = latest.max(next_base_fee(head.header()));
        Ok(U256::from(base_fee).saturating_add(self.suggested_tip()))
    }

    fn max_priority_fee_per_gas(&self) -> RpcResult<U256> {
        Ok(self.suggested_tip())
    }

    fn fee_history(
        &self,
        count: U64,
        newest: BlockNumberOrTag,
        percentiles: Option<Vec<f64>>,
    ) -> RpcResult<FeeHistory> {
        let percentiles = percentiles.unwrap_or_default();
        let ordered = percentiles.windows(2).all(|pair| pair[0] <= pair[1]);
        let in_range = percentiles.iter().all(|p| (0.0..=100.0).contains(p));
        if percentiles.len() > MAX_PERCENTILES || !ordered || !in_range {
            return Err(invalid_params("invalid reward percentile: at most 100, ascending, from 0 to 100"));
        }
        let newest = self.number(newest);
        if newest > self.ledger.head().block.number() {
            return Err(rejected(format!(
                "request beyond head block: requested {newest}, head {}",
                self.ledger.head().block.number()
            )));
        }
        let count = count.to::<u64>().min(MAX_FEE_HISTORY).min(newest + 1);
        let mut history = FeeHistory { oldest_block: newest + 1 - count, ..FeeHistory::default() };
        let mut rewards = Vec::new();
        for number in history.oldest_block..=newest {
            if count == 0 {
                break;
            }
            let Some(header) = self.ledger.store().header(number)? else {
                return Err(rejected(format!("block {number} is missing")));
            };
            history.base_fee_per_gas.push(header.base_fee_per_gas.unwrap_or_default().into());
            history.gas_used_ratio.push(header.gas_used as f64 / header.gas_limit.max(1) as f64);
            history.base_fee_per_blob_gas.push(1);
            history.blob_gas_used_ratio.push(0.0);
            if !percentiles.is_empty() {
                rewards.push(self.rewards(&header, &percentiles)?);
            }
            if number == newest {
                history.base_fee_per_gas.push(next_base_fee(&header).into());
                history.base_fee_per_blob_gas.push(1);
            }
        }
        history.reward = (!percentiles.is_empty()).then_some(rewards);
        Ok(history)
    }

    fn get_balance(&self, address: Address, at: Option<BlockId>) -> RpcResult<U256> {
        let head = self.head_at(at)?;
        Ok(head.state.account(address).unwrap_or_default().balance)
    }

    fn get_code(&self, address: Address, at: Option<BlockId>) -> RpcResult<Bytes> {
        Ok(self.head_at(at)?.state.code(address))
    }

    fn get_storage_at(&self, address: Address, slot: U256, at: Option<BlockId>) -> RpcResult<B256> {
        Ok(self.head_at(at)?.state.storage(address, slot).into())
    }

    fn get_transaction_count(&self, address: Address, at: Option<BlockId>) -> RpcResult<U64> {
        let head = self.head_at(at)?;
        let nonce = head.state.account(address).unwrap_or_default().nonce;
        let pending = matches!(at, Some(BlockId::Number(BlockNumberOrTag::Pending)));
        Ok(quantity(if pending { self.ledger.pool().pending_nonce(address, nonce) } else { nonce }))
    }

    fn get_proof(&self, address: Address, slots: Vec<U256>, at: Option<BlockId>) -> RpcResult<Value> {
        if slots.len() > MAX_ALTERNATIVES {
            return Err(over_limit(format!("at most {MAX_ALTERNATIVES} slots at once")));
        }
        let proof = self.head_at(at)?.state.proof(address, &slots);
        let account = proof.account.unwrap_or_default();
        let slots: Vec<Value> = proof
            .slots
            .iter()
            .map(|slot| json!({"key": slot.slot, "value": slot.value, "proof": slot.nodes}))
            .collect();
        Ok(json!({
            "address": proof.address,
            "balance": account.balance,
            "codeHash": account.code_hash,
            "nonce": U64::from(account.nonce),
            "storageHash": proof.storage_root,
            "accountProof": proof.nodes,
            "storageProof": slots,
        }))
    }

    fn get_block_by_number(&self, number: BlockNumberOrTag, full: Option<bool>) -> RpcResult<Option<RpcBlock>> {
        let found = self.block(self.number(number))?;
        Ok(found.map(|(block, receipts)| convert::block(&block, &receipts, full.unwrap_or_default())))
    }

    fn get_block_by_hash(&self, hash: B256, full: Option<bool>) -> RpcResult<Option<RpcBlock>> {
        let found = self.block_by_hash(hash)?;
        Ok(found.map(|(block, receipts)| convert::block(&block, &receipts, full.unwrap_or_default())))
    }

    fn get_block_receipts(&self, block: BlockId) -> RpcResult<Option<Vec<TransactionReceipt>>> {
        let Some(number) = self.number_of(block)? else {
            return Ok(None);
        };
        let found = self.block(number)?;
        Ok(found.map(|(block, receipts)| convert::receipts(&block, &receipts)))
    }

    fn get_block_transaction_count_by_number(&self, number: BlockNumberOrTag) -> RpcResult<Option<U64>> {
        let found = self.block(self.number(number))?;
        Ok(found.map(|(block, _)| quantity(block.inner().body.transactions.len())))
    }

    fn get_block_transaction_count_by_hash(&self, hash: B256) -> RpcResult<Option<U64>> {
        let found = self.block_by_hash(hash)?;
        Ok(found.map(|(block, _)| quantity(block.inner().body.transactions.len())))
    }

    fn get_uncle_count_by_number(&self, number: BlockNumberOrTag) -> RpcResult<Option<U64>> {
        Ok(self.block(self.number(number))?.map(|_| U64::ZERO))
    }

    fn get_uncle_count_by_hash(&self, hash: B256) -> RpcResult<Option<U64>> {
        Ok(self.block_by_hash(hash)?.map(|_| U64::ZERO))
    }

    fn get_transaction_by_hash(&self, hash: B256) -> RpcResult<Option<Transaction>> {
        // The pool first: a transaction that is finalized in between is found in the store.
        let waiting = self.ledger.pool().get(&hash);
        if let Some((block, receipts, index)) = self.transaction(hash)? {
            return Ok(convert::transaction(&block, &receipts, index));
        }
        Ok(waiting.map(|tx| convert::pending(&tx.tx)))
    }

    fn get_transaction_by_number_and_index(
        &self,
        number: BlockNumberOrTag,
        index: Index,
    ) -> RpcResult<Option<Transaction>> {
        let found = self.block(self.number(number))?;
        Ok(found.and_then(|(block, receipts)| convert::transaction(&block, &receipts, index.0)))
    }

    fn get_transaction_by_hash_and_index(&self, hash: B256, index: Index) -> RpcResult<Option<Transaction>> {
        let found = self.block_by_hash(hash)?;
        Ok(found.and_then(|(block, receipts)| convert::transaction(&block, &receipts, index.0)))
    }

    fn get_raw_transaction_by_hash(&self, hash: B256) -> RpcResult<Option<Bytes>> {
        let waiting = self.ledger.pool().get(&hash);
        if let Some((block, _, index)) = self.transaction(hash)? {
            let tx = block.inner().body.transactions.get(index);
            return Ok(tx.map(|tx| tx.encoded_2718().into()));
        }
        Ok(waiting.map(|tx| tx.tx.encoded_2718().into()))
    }

    fn get_transaction_receipt(&self, hash: B256) -> RpcResult<Option<TransactionReceipt>> {
        let Some((block, receipts, index)) = self.transaction(hash)? else {
            return Ok(None);
        };
        Ok(convert::receipts(&block, &receipts).into_iter().nth(index))
    }

    fn get_logs(&self, filter: Filter) -> RpcResult<Vec<Log>> {
        Self::check_filter(&filter)?;
        self.logs_matching(&filter)
    }

    fn call(
        &self,
        request: TransactionRequest,
        at: Option<BlockId>,
        overrides: Option<StateOverride>,
    ) -> RpcResult<Bytes> {
        let head = self.head_at(at)?;
        let (call, header) = self.prepare(request, overrides, &head)?;
        let outcome = self.ledger.executor().call(&head.state, &header, &call).map_err(call_error)?;
        match outcome {
            CallOutcome::Success { output, .. } => Ok(output),
            CallOutcome::Revert { output, .. } => Err(reverted(output)),
            CallOutcome::Halt { reason, .. } => Err(rejected(reason)),
        }
    }

    fn estimate_gas(
        &self,
        request: TransactionRequest,
        at: Option<BlockId>,
        overrides: Option<StateOverride>,
    ) -> RpcResult<U64> {
        let head = self.head_at(at)?;
        let (call, header) = self.prepare(request, overrides, &head)?;
        self.ledger.executor().estimate_gas(&head.state, &header, &call).map(U64::from).map_err(call_error)
    }

    fn send_raw_transaction(&self, raw: Bytes) -> RpcResult<B256> {
        Ok(self.ledger.submit(&raw)?)
    }

    fn new_filter(&self, filter: Filter) -> RpcResult<U256> {
        Self::check_filter(&filter)?;
        self.install(Watch::Logs(Box::new(filter)))
    }

    fn new_block_filter(&self) -> RpcResult<U256> {
        self.install(Watch::Blocks)
    }

    fn new_pending_transaction_filter(&self) -> RpcResult<U256> {
        self.install(Watch::Pending)
    }

    fn get_filter_changes(&self, id: U256) -> RpcResult<Value> {
        let latest = self.ledger.head().block.number();
        let (watch, from) = self.filters.poll(id).ok_or_else(|| rejected("filter not found"))?;
        let (lag, limit) = ((latest + 1).saturating_sub(from), self.config.max_log_blocks);
        if lag > limit {
            return Err(over_limit(format!(
                "the filter is {lag} blocks behind, this node looks at {limit} at once: install another one, \
                 and ask for what lies between with eth_getLogs, in parts"
            )));
        }
        let changes = match watch {
            Watch::Pending => json!([]),
            Watch::Blocks => {
                let mut hashes = Vec::new();
                for number in from..=latest {
                    if let Some(header) = self.ledger.store().header(number)? {
                        hashes.push(header.hash_slow());
                    }
                }
                json!(hashes)
            }
            Watch::Logs(filter) => {
                // Its own range still holds: a filter can start in the future, or end.
                let (first, last) = match filter.block_option {
                    FilterBlockOption::Range { from_block, to_block } => (
                        from_block.and_then(|tag| tag.as_number()).unwrap_or(0),
                        to_block.and_then(|tag| tag.as_number()).unwrap_or(u64::MAX),
                    ),
                    FilterBlockOption::AtBlockHash(_) => (0, u64::MAX),
                };
                json!(self.logs_between(&filter, from.max(first), latest.min(last))?)
            }
        };
        // Only now: whoever was refused has been told nothing.
        self.filters.reported(id, latest + 1);
        Ok(changes)
    }

    fn get_filter_logs(&self, id: U256) -> RpcResult<Vec<Log>> {
        match self.filters.get(id) {
            Some(Watch::Logs(filter)) => self.logs_matching(&filter),
            _ => Err(rejected("filter not found")),
        }
    }

    fn uninstall_filter(&self, id: U256) -> RpcResult<bool> {
        Ok(self.filters.uninstall(id))
    }

    fn txpool_status(&self) -> RpcResult<Value> {
        let (pending, queued) = self.ledger.pool().status(&self.ledger.head().state);
        Ok(json!({"pending": quantity(pending), "queued": quantity(queued)}))
    }

    fn double_signs(&self) -> RpcResult<Vec<DoubleSign>> {
        Ok(self.ledger.store().double_signs()?)
    }

    async fn subscribe(
        &self,
        pending: PendingSubscriptionSink,
        kind: String,
        filter: Option<Filter>,
    ) -> SubscriptionResult {
        let filter = filter.unwrap_or_default();
        if let Err(error) = Self::check_filter(&filter) {
            pending.reject(error).await;
            return Ok(());
        }
        subscribe::serve(self.ledger.clone(), pending, &kind, filter).await
    }
}

impl Eth {
    fn install(&self, watch: Watch) -> RpcResult<U256> {
        let next = self.ledger.head().block.number() + 1;
        self.filters.install(watch, next).ok_or_else(|| over_limit("too many filters are installed; uninstall some"))
    }

    /// The tips at percentiles of a block's gas.
    fn rewards(&self, header: &Header, percentiles: &[f64]) -> RpcResult<Vec<u128>> {
        let Some((block, receipts)) = self.block(header.number)? else {
            return Ok(vec![0; percentiles.len()]);
        };
        let base_fee = header.base_fee_per_gas.unwrap_or_default();
        let mut before = 0;
        let mut tips: Vec<(u128, u64)> = block
            .inner()
            .body
            .transactions
            .iter()
            .zip(&receipts)
            .map(|(tx, stored)| {
                let cumulative = stored.receipt.cumulative_gas_used();
                let gas = cumulative.saturating_sub(before);
                before = cumulative;
                (tx.effective_tip_per_gas(base_fee).unwrap_or_default(), gas)
            })
            .collect();
        tips.sort_unstable();
        Ok(percentiles
            .iter()
            .map(|percentile| {
                let threshold = (header.gas_used as f64 * percentile / 100.0) as u64;
                let mut sum = 0;
                for (tip, gas) in &tips {
                    sum += gas;
                    if sum >= threshold {
                        return *tip;
                    }
                }
                tips.last().map_or(0, |(tip, _)| *tip)
            })
            .collect())
    }
}
