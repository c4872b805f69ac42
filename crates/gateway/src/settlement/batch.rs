//! Building, sending and resuming one batch.

use std::collections::{BTreeMap, BTreeSet};

use alloy_primitives::{Address, B256, Bytes};
use alloy_rpc_types_eth::TransactionReceipt;
use alloy_sol_types::{SolCall, SolEvent};
use fonte_bindings::{
    contracts::{Settlement as Contract, settlement::ISettlement},
    convert,
};
use fonte_types::{
    bundle::ReceiptBundle,
    receipt,
    receipt::Voucher,
    settlement::{Row, Tables},
};

use super::{
    SettledBatch, SettlementError,
    journal::{Attempt, BatchRecord, BatchState, TabRecord},
};
use crate::{
    app::App,
    chain::{Call, ChainError},
    earnings,
    store::PendingRow,
};

/// How often a batch that was taken back is made anew within one flush.
const ROUNDS: usize = 3;

/// Settles the oldest pending rows in one batch; none: there was nothing that can be settled now.
pub(super) async fn settle_next(app: &App) -> Result<Option<SettledBatch>, SettlementError> {
    for _ in 0..ROUNDS {
        let Some((tabs, call)) = next_tabs(app).await? else {
            return Ok(None);
        };
        let settled = send(app, tabs, call).await?;
        if settled.is_some() {
            return Ok(settled);
        }
        // Taken back, because someone else used the gateway's key: with the next nonce it goes through.
    }
    Ok(None)
}

/// Writes a batch down, sends it, and finds out what became of it; none: it was taken back.
async fn send(app: &App, tabs: Vec<TabRecord>, call: Call) -> Result<Option<SettledBatch>, SettlementError> {
    let mut record =
        BatchRecord { number: app.store.next_batch()?, tabs, attempts: Vec::new(), state: BatchState::Sent };
    let taken: Vec<_> = record.rows().cloned().collect();
    let signed = app
        .chain
        .send(&call, |signed| {
            record.attempts.push(Attempt { hash: signed.hash, nonce: signed.nonce, raw: signed.raw.clone() });
            app.store.put_new_batch(&record, &taken)
        })
        .await;
    match signed {
        Ok(signed) => {
            // A failure here is looked into by `resume`.
            let waited = app.chain.wait(call.what, signed.hash).await;
            if let Err(error) = &waited {
                tracing::warn!(%error, "a batch is not through yet");
            }
        }
        // Nothing was written down: the rows are where they were.
        Err(error) if record.attempts.is_empty() => return Err(error.into()),
        Err(error) => tracing::warn!(%error, "a batch was written down and could not be sent"),
    }
    resume(app, record).await
}

/// The next tabs that the contract takes. Rows that it refuses are parked on the way.
async fn next_tabs(app: &App) -> Result<Option<(Vec<TabRecord>, Call)>, SettlementError> {
    let mut limit = app.config.settlement.max_rows.max(1);
    loop {
        // Rows that failed before are tried again behind those that did not, so they hold up nobody.
        let mut rows = app.store.pending(usize::MAX)?;
        rows.sort_by_key(|row| (!row.parked.is_empty(), row.sequence));
        let fresh = rows.iter().any(|row| row.parked.is_empty());
        rows.truncate(limit);
        let tabs = build(app, rows).await?;
        if !tabs.is_empty() {
            ensure_bond(app, &tabs).await?;
            let call = settle_call(app, &tabs)?;
            let Err(ChainError::Reverted { reason, .. }) = app.chain.estimate(&call).await else {
                return Ok(Some((tabs, call)));
            };
            tracing::warn!(%reason, "a batch would fail: its rows are tried one by one");
            let tried: usize = tabs.iter().map(|tab| tab.rows.len()).sum();
            let good = sift(app, &tabs).await?;
            if good.len() == tried && tried > 1 {
                // Each row is fine: together they are more than one transaction may hold.
                limit = tried / 2;
                continue;
            }
            let tabs = build(app, good).await?;
            if !tabs.is_empty() {
                let call = settle_call(app, &tabs)?;
                return Ok(Some((tabs, call)));
            }
        }
        // These are parked now: on to those behind them, unless all have been tried before.
        if !fresh {
            return Ok(None);
        }
    }
}

/// Groups rows by payer under freshly signed vouchers. Rows that no session key covers are parked.
async fn build(app: &App, rows: Vec<PendingRow>) -> Result<Vec<TabRecord>, SettlementError> {
    let mut by_payer: BTreeMap<Address, Vec<PendingRow>> = BTreeMap::new();
    for row in rows {
        by_payer.entry(row.payer).or_default().push(row);
    }
    let (mut tabs, mut parked) = (Vec::new(), Vec::new());
    for (payer, rows) in by_payer {
        let mut best: Option<(u128, u128, alloy_signer_local::PrivateKeySigner)> = None;
        for session in app.keys.sessions_of(payer) {
            let (spent, cap) = app.chain.spent_and_cap(payer, session.address()).await?;
            if best.as_ref().is_none_or(|(_, most, _)| cap > *most) {
                best = Some((spent, cap, session));
            }
        }
        let (spent, cap) = best.as_ref().map_or((0, 0), |(spent, cap, _)| (*spent, *cap));
        let (mut total, mut fitting) = (spent, Vec::new());
        for mut row in rows {
            match total.checked_add(row.fee).filter(|sum| *sum <= cap) {
                Some(sum) => {
                    total = sum;
                    fitting.push(row);
                }
                None => {
                    row.parked = format!("the payer's limit ends at {cap} wei, of which {total} are spoken for");
                    parked.push(row);
                }
            }
        }
        let Some((_, _, session)) = best.filter(|_| !fitting.is_empty()) else {
            continue;
        };
        let gateway = app.chain.gateway();
        // Receipts are never settled twice, so the last one's place in the journal grows with every voucher.
        let nonce = fitting.iter().map(|row| row.sequence).max().unwrap_or(0);
        let voucher = Voucher { payer, gateway, total, nonce };
        let signature = receipt::sign(&session, voucher.digest(app.chain.network()))?;
        tabs.push(TabRecord { payer, total, nonce, signature, rows: fitting });
    }
    if !parked.is_empty() {
        tracing::warn!(rows = parked.len(), "rows are parked: {}", parked[0].parked);
        app.store.park(&parked)?;
    }
    Ok(tabs)
}

/// Finds the rows that fail by themselves, parks them, and returns the others.
async fn sift(app: &App, tabs: &[TabRecord]) -> Result<Vec<PendingRow>, SettlementError> {
    let (mut good, mut parked) = (Vec::new(), Vec::new());
    for row in tabs.iter().flat_map(|tab| &tab.rows) {
        let alone = build(app, vec![row.clone()]).await?;
        if alone.is_empty() {
            continue;
        }
        match app.chain.estimate(&settle_call(app, &alone)?).await {
            Ok(_) => good.push(row.clone()),
            Err(ChainError::Reverted { reason, .. }) => {
                tracing::error!(receipt = %row.receipt, %reason, "the contract refuses a row");
                parked.push(PendingRow { parked: reason, ..row.clone() });
            }
            Err(error) => return Err(error.into()),
        }
    }
    app.store.park(&parked)?;
    Ok(good)
}

/// Finishes a batch that was written down: finds out whether it was included, sends it again, or takes it back when it
/// can never be.
pub(super) async fn resume(app: &App, mut record: BatchRecord) -> Result<Option<SettledBatch>, SettlementError> {
    if !record.is_on_its_way() {
        return Ok(None);
    }
    let mut failed = None;
    for attempt in &record.attempts {
        if let Some(receipt) = app.chain.transaction(attempt.hash).await? {
            if receipt.status() {
                return Ok(Some(settled(app, record, &receipt).await?));
            }
            failed = Some(attempt.hash);
        }
    }
    let last = record.attempts.last().map(|attempt| attempt.nonce);
    let used = app.chain.final_nonce().await?;
    if last.is_none_or(|nonce| nonce < used) {
        // The node may have included it between the two questions: look once more before it is given up.
        for attempt in &record.attempts {
            if let Some(receipt) = app.chain.transaction(attempt.hash).await?
                && receipt.status()
            {
                return Ok(Some(settled(app, record, &receipt).await?));
            }
        }
        let reason = match failed {
            Some(hash) => format!("transaction {hash} failed"),
            None => "another transaction took its nonce".to_owned(),
        };
        tracing::warn!(%reason, "a batch is taken back and its rows are settled anew");
        let rows: Vec<_> = record
            .rows()
            .map(|row| PendingRow {
                parked: if failed.is_some() { reason.clone() } else { String::new() },
                ..row.clone()
            })
            .collect();
        record.state = BatchState::TakenBack { reason };
        app.store.take_back_batch(&record, &rows)?;
        return Ok(None);
    }
    // Not included, and still can be: the same bytes again, and a fresh transaction only where its nonce leaves a gap.
    let attempt = record.attempts.last().expect("a nonce that is not used belongs to an attempt").clone();
    let hash = if attempt.nonce > used && app.chain.broadcast("a batch, again", &attempt.raw).await.is_err() {
        let call = settle_call(app, &record.tabs)?;
        let signed = app
            .chain
            .send(&call, |signed| {
                record.attempts.push(Attempt { hash: signed.hash, nonce: signed.nonce, raw: signed.raw.clone() });
                app.store.put_batch(&record)
            })
            .await?;
        signed.hash
    } else {
        if let Err(error) = app.chain.broadcast("a batch, again", &attempt.raw).await {
            tracing::warn!(%error, "a batch could not be sent again");
        }
        attempt.hash
    };
    let receipt = app.chain.wait("a batch", hash).await?;
    Ok(Some(settled(app, record, &receipt).await?))
}

/// Writes down that a batch is on chain.
async fn settled(
    app: &App,
    mut record: BatchRecord,
    receipt: &TransactionReceipt,
) -> Result<SettledBatch, SettlementError> {
    let tx = receipt.transaction_hash;
    let batch = receipt
        .inner
        .logs()
        .iter()
        .filter(|log| log.address() == app.chain.network().settlement)
        .find_map(|log| Contract::Settled::decode_log(&log.inner).ok())
        .ok_or(SettlementError::NoBatch(tx))?
        .batch;
    let block = receipt.block_number.unwrap_or_default();
    let bundles = bundles(app, record.rows())?;
    let (payees, terms) = payees(app, &bundles, batch).await?;
    record.state = BatchState::Settled { batch, tx, block, payees, pushed: Vec::new() };
    let expected: Vec<_> = bundles.iter().flat_map(earnings::expected).collect();
    let earned: Vec<_> = bundles.iter().flat_map(|bundle| earnings::settled(bundle, &terms)).collect();
    app.store.put_settled_batch(&record, &expected, &earned)?;
    app.tabs.settled(record.rows().map(|row| (row.payer, row.fee)));
    app.metrics.batches.increment();
    let (rows, fees) = (record.rows().count(), record.fees());
    tracing::info!(batch, %tx, block, rows, fees, "batch settled");
    Ok(SettledBatch { batch, tx, block, rows, fees })
}

/// Everyone whom a batch credits, and by which terms, as the contract saw it: payees and terms may have changed since.
async fn payees(
    app: &App,
    bundles: &[ReceiptBundle],
    batch: u64,
) -> Result<(Vec<Address>, earnings::Terms), SettlementError> {
    let contract = app.chain.settlement();
    let on_chain = app.chain.read("a batch", contract.batch(batch).call().await)?;
    let treasury = app.chain.read("the treasury", contract.treasury().call().await)?;
    let (mut payees, mut terms) = (BTreeSet::from([treasury]), earnings::Terms::default());
    let (mut contributions, mut models) = (BTreeSet::new(), BTreeSet::new());
    for bundle in bundles {
        payees.insert(bundle.receipt.worker);
        models.insert(bundle.receipt.model);
        contributions.extend(bundle.receipt.shares.as_slice().iter().map(|share| share.contribution));
    }
    let registry = app.chain.client.models_contract();
    for model in models {
        let payouts = registry.payoutsAt(model.0, on_chain.settledAt.to::<u64>()).call().await;
        let payouts = app.chain.read("a model's payouts", payouts)?;
        terms.data_ppm.insert(model, payouts.dataPpm);
        payees.extend(payouts.developers.iter().map(|developer| developer.payee));
    }
    let directory = app.chain.directory().await?;
    let datanets = app.chain.datanets();
    for contribution in contributions {
        let payee = datanets.payeeAt(contribution.0, on_chain.payeeClock).call().await;
        let payee = app.chain.read("a payee", payee)?;
        payees.insert(payee);
        terms.payees.insert(contribution, payee);
        if let Some(facts) = app.chain.contribution(contribution).await?
            && let Some(datanet) = directory.datanets.iter().find(|datanet| datanet.id == facts.membership.datanet)
            && datanet.policy.curator_ppm > 0
        {
            payees.insert(datanet.curator);
            terms.curator_ppm.insert(contribution, datanet.policy.curator_ppm);
        }
    }
    payees.remove(&Address::ZERO);
    Ok((payees.into_iter().collect(), terms))
}

/// Sees to it that the bond's free part covers what the batch locks.
async fn ensure_bond(app: &App, tabs: &[TabRecord]) -> Result<(), SettlementError> {
    let fees: u128 = tabs.iter().flat_map(|tab| &tab.rows).map(|row| row.fee).sum();
    let contract = app.chain.settlement();
    let gateway = app.chain.gateway();
    let multiple = app.chain.read("the penalty", contract.penaltyMultiple().call().await)?;
    let needed = fees.saturating_mul(1 + u128::from(multiple));
    let bond = app.chain.read("the bond", contract.bondOf(gateway).call().await)?;
    let locked = app.chain.read("the locked bond", contract.lockedOf(gateway).call().await)?;
    let free = bond.saturating_sub(locked);
    if free >= needed {
        return Ok(());
    }
    let allowed = app.config.settlement.bond_top_up;
    let least = locked.saturating_add(needed);
    if least > allowed {
        return Err(SettlementError::BondShort { free, needed, allowed });
    }
    // Four times as much as this batch locks, so that the next ones need no transaction of their own; but never more
    // than half of what the gateway has, which it needs for gas.
    let balance = app.chain.client.balance(gateway).await.map_err(ChainError::from)?;
    let comfortable = (least - bond).max(needed.saturating_mul(4).min(balance / 2)).min(allowed - bond);
    tracing::info!(wei = comfortable, "the gateway adds to its bond");
    app.chain
        .submit(&Call {
            what: "adding to the bond",
            to: app.chain.network().settlement,
            value: comfortable,
            data: Contract::bondCall {}.abi_encode().into(),
        })
        .await?;
    Ok(())
}

fn settle_call(app: &App, tabs: &[TabRecord]) -> Result<Call, SettlementError> {
    let mut rows = Vec::with_capacity(tabs.len());
    for tab in tabs {
        let bundles = bundles(app, tab.rows.iter())?;
        rows.push(bundles.iter().map(|bundle| Row::of(bundle.id, &bundle.receipt)).collect::<Vec<_>>());
    }
    let tables = Tables::of(rows.iter().flatten())?;
    let mut encoded = Vec::with_capacity(tabs.len());
    for (tab, rows) in tabs.iter().zip(&rows) {
        let mut packed = Vec::new();
        for row in rows {
            tables.pack(row, &mut packed)?;
        }
        encoded.push(ISettlement::Tab {
            payer: tab.payer,
            total: tab.total,
            nonce: tab.nonce,
            signature: tab.signature.clone(),
            count: u32::try_from(rows.len()).expect("a batch has at most max_rows rows"),
            rows: packed.into(),
        });
    }
    Ok(Call {
        what: "settling a batch",
        to: app.chain.network().settlement,
        value: 0,
        data: Bytes::from(Contract::settleCall { tables: convert::tables(&tables), tabs: encoded }.abi_encode()),
    })
}

/// The receipts of rows; rows are derived from them, never stored beside them.
pub(crate) fn bundles<'a>(
    app: &App,
    rows: impl Iterator<Item = &'a PendingRow>,
) -> Result<Vec<ReceiptBundle>, SettlementError> {
    let mut bundles = Vec::new();
    for row in rows {
        bundles.push(app.store.receipt(row.receipt)?.expect("a row is written together with its receipt"));
    }
    Ok(bundles)
}

/// A row of a settled batch with what opens it in a challenge.
pub(crate) fn open_row(app: &App, record: &BatchRecord, index: u32) -> Result<Option<RowOpening>, SettlementError> {
    let bundles = bundles(app, record.rows())?;
    let rows: Vec<_> =
        bundles.iter().map(|bundle| (bundle.receipt.payer, Row::of(bundle.id, &bundle.receipt))).collect();
    let tree = fonte_types::settlement::rows_tree(rows.iter().map(|(payer, row)| (*payer, row)));
    let Some((payer, row)) = rows.get(index as usize) else {
        return Ok(None);
    };
    Ok(Some(RowOpening {
        payer: *payer,
        index,
        rows: tree.leaves(),
        row: RowJson::of(row),
        root: tree.root(),
        path: tree.path(index),
    }))
}

/// What a challenge opens of a batch.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct RowOpening {
    /// On whose tab the row stands.
    pub payer: Address,
    /// Its index.
    pub index: u32,
    /// Rows in the batch.
    pub rows: u32,
    /// The row.
    pub row: RowJson,
    /// Root over the rows, as on chain.
    pub root: B256,
    /// Siblings from the bottom up.
    pub path: Vec<B256>,
}

/// A row in JSON: shares as decimal strings, because they do not fit a number.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct RowJson {
    /// The receipt's id.
    pub receipt: B256,
    /// The model.
    pub model: u32,
    /// The worker.
    pub worker: Address,
    /// The fee.
    #[serde(with = "fonte_types::wei")]
    pub fee: u128,
    /// `datanet << 32 | version`, as decimal strings.
    pub versions: Vec<String>,
    /// `contribution << 32 | ppm`, as decimal strings.
    pub shares: Vec<String>,
}

impl RowJson {
    fn of(row: &Row) -> Self {
        Self {
            receipt: row.receipt,
            model: row.model,
            worker: row.worker,
            fee: row.fee,
            versions: row.versions.iter().map(u64::to_string).collect(),
            shares: row.shares.iter().map(|share| share.to_string()).collect(),
        }
    }

    /// The row itself; none where a number does not parse.
    pub fn to_row(&self) -> Option<Row> {
        Some(Row {
            receipt: self.receipt,
            model: self.model,
            worker: self.worker,
            fee: self.fee,
            versions: self.versions.iter().map(|v| v.parse().ok()).collect::<Option<_>>()?,
            shares: self.shares.iter().map(|s| s.parse().ok()).collect::<Option<_>>()?,
        })
    }
}
