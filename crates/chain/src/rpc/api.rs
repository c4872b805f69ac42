//! The methods, as jsonrpsee generates their dispatch. Everything else answers -32601.

use alloy_primitives::{Address, B256, Bytes, U64, U256};
use alloy_rpc_types_eth::{
    Block, BlockId, BlockNumberOrTag, FeeHistory, Filter, Index, Log, Transaction, TransactionReceipt,
    TransactionRequest, state::StateOverride,
};
use jsonrpsee::{
    core::{RpcResult, SubscriptionResult},
    proc_macros::rpc,
};
use serde_json::Value;

use crate::evidence::DoubleSign;

/// `eth_`, with the few of `net_`, `web3_` and `txpool_` that clients call, and what only a Fonte node can tell.
#[rpc(server)]
pub(super) trait Ethereum {
    #[method(name = "web3_clientVersion")]
    fn client_version(&self) -> RpcResult<String>;

    #[method(name = "web3_sha3")]
    fn sha3(&self, data: Bytes) -> RpcResult<B256>;

    #[method(name = "net_version")]
    fn net_version(&self) -> RpcResult<String>;

    #[method(name = "net_listening")]
    fn net_listening(&self) -> RpcResult<bool>;

    #[method(name = "net_peerCount")]
    fn peer_count(&self) -> RpcResult<U64>;

    #[method(name = "eth_chainId")]
    fn chain_id(&self) -> RpcResult<U64>;

    #[method(name = "eth_syncing")]
    fn syncing(&self) -> RpcResult<bool>;

    #[method(name = "eth_accounts")]
    fn accounts(&self) -> RpcResult<Vec<Address>>;

    #[method(name = "eth_blockNumber")]
    fn block_number(&self) -> RpcResult<U64>;

    #[method(name = "eth_gasPrice")]
    fn gas_price(&self) -> RpcResult<U256>;

    #[method(name = "eth_maxPriorityFeePerGas")]
    fn max_priority_fee_per_gas(&self) -> RpcResult<U256>;

    #[method(name = "eth_feeHistory", blocking)]
    fn fee_history(&self, count: U64, newest: BlockNumberOrTag, percentiles: Option<Vec<f64>>)
    -> RpcResult<FeeHistory>;

    #[method(name = "eth_getBalance")]
    fn get_balance(&self, address: Address, at: Option<BlockId>) -> RpcResult<U256>;

    #[method(name = "eth_getCode")]
    fn get_code(&self, address: Address, at: Option<BlockId>) -> RpcResult<Bytes>;

    #[method(name = "eth_getStorageAt")]
    fn get_storage_at(&self, address: Address, slot: U256, at: Option<BlockId>) -> RpcResult<B256>;

    #[method(name = "eth_getTransactionCount")]
    fn get_transaction_count(&self, address: Address, at: Option<BlockId>) -> RpcResult<U64>;

    #[method(name = "eth_getProof", blocking)]
    fn get_proof(&self, address: Address, slots: Vec<U256>, at: Option<BlockId>) -> RpcResult<Value>;

    #[method(name = "eth_getBlockByNumber", blocking)]
    fn get_block_by_number(&self, number: BlockNumberOrTag, full: Option<bool>) -> RpcResult<Option<Block>>;

    #[method(name = "eth_getBlockByHash", blocking)]
    fn get_block_by_hash(&self, hash: B256, full: Option<bool>) -> RpcResult<Option<Block>>;

    #[method(name = "eth_getBlockReceipts", blocking)]
    fn get_block_receipts(&self, block: BlockId) -> RpcResult<Option<Vec<TransactionReceipt>>>;

    #[method(name = "eth_getBlockTransactionCountByNumber", blocking)]
    fn get_block_transaction_count_by_number(&self, number: BlockNumberOrTag) -> RpcResult<Option<U64>>;

    #[method(name = "eth_getBlockTransactionCountByHash", blocking)]
    fn get_block_transaction_count_by_hash(&self, hash: B256) -> RpcResult<Option<U64>>;

    #[method(name = "eth_getUncleCountByBlockNumber", blocking)]
    fn get_uncle_count_by_number(&self, number: BlockNumberOrTag) -> RpcResult<Option<U64>>;

    #[method(name = "eth_getUncleCountByBlockHash", blocking)]
    fn get_uncle_count_by_hash(&self, hash: B256) -> RpcResult<Option<U64>>;

    #[method(name = "eth_getTransactionByHash", blocking)]
    fn get_transaction_by_hash(&self, hash: B256) -> RpcResult<Option<Transaction>>;

    #[method(name = "eth_getTransactionByBlockNumberAndIndex", blocking)]
    fn get_transaction_by_number_and_index(
        &self,
        number: BlockNumberOrTag,
        index: Index,
    ) -> RpcResult<Option<Transaction>>;

    #[method(name = "eth_getTransactionByBlockHashAndIndex", blocking)]
    fn get_transaction_by_hash_and_index(&self, hash: B256, index: Index) -> RpcResult<Option<Transaction>>;

    #[method(name = "eth_getRawTransactionByHash", blocking)]
    fn get_raw_transaction_by_hash(&self, hash: B256) -> RpcResult<Option<Bytes>>;

    #[method(name = "eth_getTransactionReceipt", blocking)]
    fn get_transaction_receipt(&self, hash: B256) -> RpcResult<Option<TransactionReceipt>>;

    #[method(name = "eth_getLogs", blocking)]
    fn get_logs(&self, filter: Filter) -> RpcResult<Vec<Log>>;

    #[method(name = "eth_call", blocking)]
    fn call(
        &self,
        request: TransactionRequest,
        at: Option<BlockId>,
        overrides: Option<StateOverride>,
    ) -> RpcResult<Bytes>;

    #[method(name = "eth_estimateGas", blocking)]
    fn estimate_gas(
        &self,
        request: TransactionRequest,
        at: Option<BlockId>,
        overrides: Option<StateOverride>,
    ) -> RpcResult<U64>;

    #[method(name = "eth_sendRawTransaction", blocking)]
    fn send_raw_transaction(&self, raw: Bytes) -> RpcResult<B256>;

    #[method(name = "eth_newFilter")]
    fn new_filter(&self, filter: Filter) -> RpcResult<U256>;

    #[method(name = "eth_newBlockFilter")]
    fn new_block_filter(&self) -> RpcResult<U256>;

    #[method(name = "eth_newPendingTransactionFilter")]
    fn new_pending_transaction_filter(&self) -> RpcResult<U256>;

    #[method(name = "eth_getFilterChanges", blocking)]
    fn get_filter_changes(&self, id: U256) -> RpcResult<Value>;

    #[method(name = "eth_getFilterLogs", blocking)]
    fn get_filter_logs(&self, id: U256) -> RpcResult<Vec<Log>>;

    #[method(name = "eth_uninstallFilter")]
    fn uninstall_filter(&self, id: U256) -> RpcResult<bool>;

    #[method(name = "txpool_status")]
    fn txpool_status(&self) -> RpcResult<Value>;

    /// Evidence of double signing that this node has seen, ready for the contract `Validators`.
    #[method(name = "fonte_doubleSigns", blocking)]
    fn double_signs(&self) -> RpcResult<Vec<DoubleSign>>;

    #[subscription(
        name = "eth_subscribe" => "eth_subscription",
        unsubscribe = "eth_unsubscribe",
        item = Value
    )]
    async fn subscribe(&self, kind: String, filter: Option<Filter>) -> SubscriptionResult;
}
