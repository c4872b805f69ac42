//! Executing a block: the proposer's way, which skips what does not fit, and the verifier's, which refuses it.

use std::collections::BTreeMap;

use alloy_consensus::{
    Header, Receipt, ReceiptEnvelope, Transaction as _, proofs,
    transaction::{Recovered, TxHashRef},
};
use alloy_eips::{eip2718::Encodable2718, eip2935::HISTORY_STORAGE_ADDRESS};
use alloy_primitives::{Address, B256, Bloom, TxHash, U256};
use revm::{
    Context, ExecuteCommitEvm, MainBuilder, MainContext, MainnetEvm, SystemCallCommitEvm,
    context::{BlockEnv, CfgEnv, TxEnv},
    context_interface::result::{EVMError, ExecutionResult},
    database::{State as BlockState, states::bundle_state::BundleRetention},
    handler::MainnetContext,
    primitives::{eip4844::BLOB_BASE_FEE_UPDATE_FRACTION_PRAGUE, hardfork::SpecId},
};

use crate::{
    block::{self, Block, BlockAttributes, BlockError, MAX_BLOCK_BYTES, RecoveredBlock},
    call::{TRANSFER_GAS, failure},
    state::{Reader, State, StateDiff},
    transaction::{self, RecoveredTx, Refusal, Transaction},
};

/// The rules of the virtual machine on every block of this chain.
pub const SPEC: SpecId = SpecId::OSAKA;

/// Header and list framing that a block needs beside its transactions, rounded up.
const BLOCK_OVERHEAD: usize = 1024;

/// Executes blocks and calls of one chain. It holds nothing but the chain id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Executor {
    chain_id: u64,
}

/// A block that was executed, and everything that follows from it.
#[derive(Debug, Clone)]
pub struct ExecutedBlock {
    /// The block, complete.
    pub block: RecoveredBlock,
    /// One per transaction, in order.
    pub outcomes: Vec<TransactionOutcome>,
    /// What changed, for the store.
    pub diff: StateDiff,
    /// The world after it: what its children are executed on.
    pub state: State,
}

/// What became of one transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TransactionOutcome {
    /// Of the transaction.
    pub hash: TxHash,
    /// Status, cumulative gas, logs and bloom: what the receipts root commits to.
    pub receipt: ReceiptEnvelope,
    /// By this transaction alone.
    pub gas_used: u64,
    /// What was paid per gas, in wei.
    pub effective_gas_price: u128,
    /// Where a creation put its contract.
    pub contract_address: Option<Address>,
    /// Position of its first log among the block's logs.
    pub first_log_index: u64,
}

/// A block just built, and what was left out of it.
#[derive(Debug, Clone)]
pub struct Proposal {
    /// The new block.
    pub executed: ExecutedBlock,
    /// Transactions left out, in the order they were offered.
    pub skipped: Vec<Skipped>,
}

/// A transaction that did not go into a block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Skipped {
    /// Of the transaction.
    pub hash: TxHash,
    /// Who sent it.
    pub sender: Address,
    /// Why; see [`Refusal::may_become_valid`].
    pub refusal: Refusal,
}

impl Executor {
    /// The executor of the chain with this id.
    pub const fn new(chain_id: u64) -> Self {
        Self { chain_id }
    }

    /// The chain's id.
    pub const fn chain_id(&self) -> u64 {
        self.chain_id
    }

    /// What can be said of a transaction before any state is looked at: type, chain id, size, gas limits.
    pub fn validate_for_pool(&self, transaction: &Transaction) -> Result<(), Refusal> {
        transaction::validate(transaction, self.chain_id)
    }

    /// Builds the block after `parent`, taking the transactions that fit, in the given order.
    ///
    /// `state` is the state after `parent`. Once less gas is left than any transaction needs, the rest of `transactions`
    /// is not asked for; so a deadline can be kept by an iterator that ends.
    pub fn propose(
        &self,
        parent: &Header,
        state: &State,
        attributes: BlockAttributes,
        transactions: impl IntoIterator<Item = RecoveredTx>,
    ) -> Result<Proposal, BlockError> {
        let header = block::child_header(parent, parent.hash_slow(), &attributes)?;
        let mut run = BlockRun::start(self.chain_id, state, &header)?;
        let mut bytes_left = attributes.max_bytes.min(MAX_BLOCK_BYTES).saturating_sub(BLOCK_OVERHEAD);
        let mut taken = Vec::new();
        let mut skipped = Vec::new();
        // Nonces that were left out, by sender: what follows one cannot run, and is not tried.
        let mut missing: BTreeMap<Address, u64> = BTreeMap::new();
        let mut transactions = transactions.into_iter();
        while run.gas_left() >= TRANSFER_GAS
            && let Some(transaction) = transactions.next()
        {
            let (sender, nonce) = (transaction.signer(), transaction.nonce());
            let bytes = transaction.inner().encode_2718_len() + 4;
            let result = if let Some(expected) = missing.get(&sender).copied().filter(|missing| nonce > *missing) {
                Err(Refusal::NonceTooHigh { expected, found: nonce })
            } else if bytes > bytes_left {
                Err(Refusal::BlockFull { needed: bytes as u64, left: bytes_left as u64, unit: "bytes" })
            } else {
                run.execute(Recovered::new_unchecked(transaction.inner(), transaction.signer()))
            };
            match result {
                Ok(()) => {
                    bytes_left -= bytes;
                    missing.remove(&sender);
                    taken.push(transaction);
                }
                Err(refusal) => {
                    if !matches!(refusal, Refusal::NonceTooLow { .. }) {
                        missing.entry(sender).and_modify(|least| *least = nonce.min(*least)).or_insert(nonce);
                    }
                    skipped.push(Skipped { hash: *transaction.tx_hash(), sender, refusal });
                }
            }
        }
        let (transactions, senders) = block::split(taken);
        let executed = run.finish(header, transactions, senders)?;
        Ok(Proposal { executed, skipped })
    }

    /// Executes `block` on the state after `parent`, and fails naming the first thing that is not as it says.
    pub fn verify(&self, parent: &Header, state: &State, block: &RecoveredBlock) -> Result<ExecutedBlock, BlockError> {
        let found = block.header();
        block::check_body(&block.block)?;
        let attributes = BlockAttributes {
            timestamp: found.timestamp,
            beneficiary: found.beneficiary,
            extra_data: found.extra_data.clone(),
            max_bytes: MAX_BLOCK_BYTES,
        };
        let header = block::child_header(parent, parent.hash_slow(), &attributes)?;
        // First what needs no execution, with the results taken as claimed.
        let claimed = Header {
            transactions_root: block::transactions_root(&block.block.body.transactions),
            gas_used: found.gas_used,
            receipts_root: found.receipts_root,
            logs_bloom: found.logs_bloom,
            state_root: found.state_root,
            ..header.clone()
        };
        block::compare(&claimed, found)?;

        let mut run = BlockRun::start(self.chain_id, state, &header)?;
        for (index, transaction) in block.transactions().enumerate() {
            run.execute(transaction).map_err(|refusal| BlockError::Transaction {
                number: header.number,
                index,
                hash: *transaction.tx_hash(),
                refusal: Box::new(refusal),
            })?;
        }
        let executed = run.finish(header, block.block.body.transactions.clone(), block.senders.clone())?;
        block::compare(executed.block.header(), found)?;
        Ok(executed)
    }
}

/// revm over a snapshot.
pub(crate) type Machine<'a> = MainnetEvm<MainnetContext<BlockState<Reader<'a>>>>;

/// A machine set to execute in the environment that `header` gives.
pub(crate) fn machine<'a>(chain_id: u64, state: &'a State, header: &Header) -> Machine<'a> {
    let database = BlockState::builder().with_database(Reader::new(state)).with_bundle_update().build();
    let mut environment = BlockEnv {
        number: U256::from(header.number),
        beneficiary: header.beneficiary,
        timestamp: U256::from(header.timestamp),
        gas_limit: header.gas_limit,
        basefee: header.base_fee_per_gas.unwrap_or_default(),
        difficulty: U256::ZERO,
        prevrandao: Some(header.mix_hash),
        ..BlockEnv::default()
    };
    environment.set_blob_excess_gas_and_price(0, BLOB_BASE_FEE_UPDATE_FRACTION_PRAGUE);
    Context::mainnet()
        .with_db(database)
        .with_cfg(CfgEnv::new_with_spec(SPEC).with_chain_id(chain_id))
        .with_block(environment)
        .build_mainnet()
}

/// What a machine changed since it was made.
pub(crate) fn into_diff(machine: &mut Machine<'_>) -> StateDiff {
    let database = &mut machine.ctx.journaled_state.database;
    database.merge_transitions(BundleRetention::PlainState);
    StateDiff::from_bundle(database.take_bundle())
}

/// A block in the making.
struct BlockRun<'a> {
    state: &'a State,
    chain_id: u64,
    machine: Machine<'a>,
    base_fee: u64,
    gas_limit: u64,
    gas_used: u64,
    logs: u64,
    bloom: Bloom,
    outcomes: Vec<TransactionOutcome>,
}

impl<'a> BlockRun<'a> {
    fn start(chain_id: u64, state: &'a State, header: &Header) -> Result<Self, BlockError> {
        let mut machine = machine(chain_id, state, header);
        // EIP-2935: contracts can look up the hashes of the last 8191 blocks.
        if state.account(HISTORY_STORAGE_ADDRESS).is_some() {
            let result = machine.system_call_commit(HISTORY_STORAGE_ADDRESS, header.parent_hash.into());
            let reason = match result {
                Ok(result) if result.is_success() => None,
                Ok(result) => Some(failure(&result)),
                Err(error) => Some(error.to_string()),
            };
            if let Some(reason) = reason {
                return Err(BlockError::SystemCall { contract: HISTORY_STORAGE_ADDRESS, reason });
            }
        }
        Ok(Self {
            state,
            chain_id,
            machine,
            base_fee: header.base_fee_per_gas.unwrap_or_default(),
            gas_limit: header.gas_limit,
            gas_used: 0,
            logs: 0,
            bloom: Bloom::ZERO,
            outcomes: Vec::new(),
        })
    }

    fn gas_left(&self) -> u64 {
        self.gas_limit - self.gas_used // Each transaction's limit was within what was left.
    }

    /// Executes one transaction, or refuses it and changes nothing.
    fn execute(&mut self, transaction: Recovered<&Transaction>) -> Result<(), Refusal> {
        transaction::validate(transaction.inner(), self.chain_id)?;
        let left = self.gas_left();
        if transaction.gas_limit() > left {
            return Err(Refusal::BlockFull { needed: transaction.gas_limit(), left, unit: "gas" });
        }
        let environment: TxEnv = transaction::environment(transaction.inner(), transaction.signer());
        let result = self.machine.transact_commit(environment).map_err(|error| match error {
            EVMError::Transaction(invalid) => {
                transaction::refusal(invalid, transaction.max_fee_per_gas(), self.base_fee)
            }
            other => Refusal::Invalid { reason: other.to_string() },
        })?;
        let gas_used = result.tx_gas_used();
        self.gas_used += gas_used;
        let contract_address = result.created_address();
        let receipt = Receipt {
            status: result.is_success().into(),
            cumulative_gas_used: self.gas_used,
            logs: match result {
                ExecutionResult::Success { logs, .. } => logs,
                _ => Vec::new(),
            },
        };
        let first_log_index = self.logs;
        self.logs += receipt.logs.len() as u64;
        let receipt = receipt.with_bloom();
        self.bloom |= receipt.logs_bloom;
        self.outcomes.push(TransactionOutcome {
            hash: *transaction.tx_hash(),
            receipt: ReceiptEnvelope::from_typed(transaction.tx_type(), receipt),
            gas_used,
            effective_gas_price: transaction.effective_gas_price(Some(self.base_fee)),
            contract_address,
            first_log_index,
        });
        Ok(())
    }

    fn finish(
        mut self,
        header: Header,
        transactions: Vec<Transaction>,
        senders: Vec<Address>,
    ) -> Result<ExecutedBlock, BlockError> {
        let diff = into_diff(&mut self.machine);
        let state = self.state.apply(&diff)?;
        let receipts: Vec<&ReceiptEnvelope> = self.outcomes.iter().map(|outcome| &outcome.receipt).collect();
        let header = Header {
            transactions_root: block::transactions_root(&transactions),
            receipts_root: proofs::calculate_receipt_root(&receipts),
            logs_bloom: self.bloom,
            gas_used: self.gas_used,
            state_root: state.root(),
            ..header
        };
        Ok(ExecutedBlock::new(header, transactions, senders, self.outcomes, diff, state))
    }
}

impl ExecutedBlock {
    /// Seals a header, and lets the state know the new block's hash.
    pub(crate) fn new(
        header: Header,
        transactions: Vec<Transaction>,
        senders: Vec<Address>,
        outcomes: Vec<TransactionOutcome>,
        diff: StateDiff,
        state: State,
    ) -> Self {
        let hash: B256 = header.hash_slow();
        let number = header.number;
        Self {
            block: RecoveredBlock { block: Block::new(header, block::body(transactions)), hash, senders },
            outcomes,
            diff,
            state: state.with_block_hash(number, hash),
        }
    }

    /// The block's header.
    pub fn header(&self) -> &Header {
        self.block.header()
    }

    /// The block's hash.
    pub fn hash(&self) -> B256 {
        self.block.hash
    }
}
