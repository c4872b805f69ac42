//! `fonte worker register|status|pause|resume|leave|withdraw`.

use alloy_contract::CallBuilder;
use alloy_primitives::{Address, B256, FixedBytes, U256};
use alloy_provider::DynProvider;
use eyre::{Result, bail, eyre};
use fonte_bindings::{
    Client,
    contracts::{
        Workers,
        workers::IWorkers::{self, Info},
    },
};
use serde_json::{Value, json};

use crate::{
    args::{
        Common,
        worker::{Accelerator, Engine, Register, Worker},
    },
    context::{Context, signer},
    datanet::jurisdiction,
    errors::{time, word},
    money::fnt,
    say::say,
    transact::transact,
};

/// The contract's values of a status.
const ACTIVE: u8 = 1;
const PAUSED: u8 = 2;

pub(crate) async fn run(common: &Common, command: Worker) -> Result<()> {
    match command {
        Worker::Register(register) => self::register(common, register).await,
        Worker::Status { worker, all } => status(common, worker, all).await,
        Worker::Pause => send(common, "changing the status", |contract| contract.setStatus(PAUSED)).await,
        Worker::Resume => send(common, "changing the status", |contract| contract.setStatus(ACTIVE)).await,
        Worker::Leave => send(common, "leaving", |contract| contract.unregister()).await,
        Worker::Withdraw => send(common, "withdrawing the stake", |contract| contract.withdraw()).await,
    }
}

async fn register(common: &Common, register: Register) -> Result<()> {
    let context = Context::signing(common).await?;
    let contract = context.client.workers_contract();
    let own = context.client.sender().ok_or_else(|| eyre!("no key"))?;
    let known = contract.worker(own).call().await?;
    let jurisdiction = match &register.jurisdiction {
        Some(code) => FixedBytes(jurisdiction(code)?),
        None if known.status != 0 => known.info.jurisdiction,
        None => bail!(say!(
            "say where the worker stands: --jurisdiction CODE, the two letters of ISO 3166-1",
            "diga onde a máquina está: --jurisdiction CÓDIGO, as duas letras da ISO 3166-1"
        )),
    };
    // The contract takes the whole of what is declared, also where a word of it changes.
    let declared = if known.status == 0 {
        Info {
            slots: 1,
            engine: Engine::Exact as u8,
            accelerator: Accelerator::None as u8,
            memoryMib: memory_mib(),
            acceleratorMib: 0,
            jurisdiction,
            networkKey: B256::ZERO,
            hardware: String::new(),
            endpoint: String::new(),
        }
    } else {
        known.info
    };
    let info = Info {
        slots: register.slots.unwrap_or(declared.slots),
        engine: register.engine.map_or(declared.engine, |engine| engine as u8),
        accelerator: register.accelerator.map_or(declared.accelerator, |accelerator| accelerator as u8),
        memoryMib: register.memory.unwrap_or(declared.memoryMib),
        acceleratorMib: register.accelerator_memory.unwrap_or(declared.acceleratorMib),
        jurisdiction,
        networkKey: register.network_key.unwrap_or(declared.networkKey),
        hardware: register.hardware.unwrap_or(declared.hardware),
        endpoint: register.endpoint.unwrap_or(declared.endpoint),
    };
    let needed = contract.stakePerSlot().call().await?.saturating_mul(info.slots.into());
    let value = U256::from(needed.saturating_sub(known.stake));
    if known.status == 0 {
        sent(common, &context, "registering the worker", contract.register(info).value(value)).await
    } else {
        sent(common, &context, "updating the worker", contract.update(info).value(value)).await
    }
}

/// Main memory of this machine, where Linux tells it.
fn memory_mib() -> u32 {
    let Ok(text) = std::fs::read_to_string("/proc/meminfo") else { return 0 };
    let kib =
        text.lines().find_map(|line| line.strip_prefix("MemTotal:")?.split_whitespace().next()?.parse::<u64>().ok());
    kib.and_then(|kib| u32::try_from(kib / 1024).ok()).unwrap_or_default()
}

/// Sends a call of the key, and says how its worker stands then.
async fn send<D: alloy_contract::CallDecoder + Send + Sync>(
    common: &Common,
    what: &'static str,
    call: impl FnOnce(&Workers::WorkersInstance<DynProvider>) -> CallBuilder<&DynProvider, D>,
) -> Result<()> {
    let context = Context::signing(common).await?;
    sent(common, &context, what, call(&context.client.workers_contract())).await
}

async fn sent<P: alloy_provider::Provider, D: alloy_contract::CallDecoder + Send + Sync>(
    common: &Common,
    context: &Context,
    what: &'static str,
    call: CallBuilder<P, D>,
) -> Result<()> {
    let Some(receipt) = transact(common, &context.client, what, call).await? else { return Ok(()) };
    let own = context.client.sender().ok_or_else(|| eyre!("no key"))?;
    let worker = context.client.workers_contract().worker(own).call().await?;
    let mut object = object(own, &worker);
    object["tx"] = json!(receipt.transaction_hash);
    print(common.json, own, &worker, &object);
    Ok(())
}

async fn status(common: &Common, worker: Option<Address>, all: bool) -> Result<()> {
    let context = Context::read_only(common).await?;
    let contract = context.client.workers_contract();
    let named = match (worker, &common.key) {
        (Some(worker), _) => Some(worker),
        (None, Some(_)) if !all => Some(signer(common)?.address()),
        (None, _) => None,
    };
    if let Some(address) = named {
        let worker = contract.worker(address).call().await?;
        print(common.json, address, &worker, &object(address, &worker));
        return Ok(());
    }
    let mut all = Vec::new();
    for address in active(&context.client).await? {
        let worker = contract.worker(address).call().await?;
        if !common.json {
            print(false, address, &worker, &Value::Null);
        }
        all.push(object(address, &worker));
    }
    if common.json {
        println!("{}", serde_json::to_string_pretty(&all)?);
    } else if all.is_empty() {
        println!("{}", say!("no worker is registered", "nenhuma máquina registrada"));
    }
    Ok(())
}

/// Every active worker.
async fn active(client: &Client) -> Result<Vec<Address>> {
    const PAGE: u64 = 100;
    let contract = client.workers_contract();
    let mut workers = Vec::new();
    loop {
        let page = contract.active(U256::from(workers.len()), U256::from(PAGE)).call().await?;
        let last = (page.len() as u64) < PAGE;
        workers.extend(page);
        if last {
            return Ok(workers);
        }
    }
}

fn object(address: Address, worker: &IWorkers::Worker) -> Value {
    const STATUSES: [&str; 4] = ["none", "active", "paused", "leaving"];
    const ENGINES: [&str; 2] = ["exact", "tolerance"];
    const ACCELERATORS: [&str; 5] = ["none", "cuda", "rocm", "metal", "other"];
    let info = &worker.info;
    json!({
        "worker": address, "status": STATUSES.get(usize::from(worker.status)), "stake_wei": worker.stake.to_string(),
        "since": worker.since, "withdrawable_at": worker.withdrawableAt, "slots": info.slots,
        "engine": ENGINES.get(usize::from(info.engine)), "accelerator": ACCELERATORS.get(usize::from(info.accelerator)),
        "memory_mib": info.memoryMib, "accelerator_mib": info.acceleratorMib,
        "jurisdiction": String::from_utf8_lossy(info.jurisdiction.as_slice()).trim_end_matches('\0'),
        "network_key": info.networkKey, "hardware": info.hardware, "endpoint": info.endpoint,
    })
}

fn print(as_json: bool, address: Address, worker: &IWorkers::Worker, object: &Value) {
    if as_json {
        println!("{object}");
        return;
    }
    println!(
        "{address}  {}",
        say!(
            "{}, {} slots, stake {} FNT, {}",
            "{}, {} vagas, caução {} FNT, {}",
            word("worker_status", worker.status.into()),
            worker.info.slots,
            fnt(worker.stake),
            String::from_utf8_lossy(worker.info.jurisdiction.as_slice()).trim_end_matches('\0')
        )
    );
    if worker.withdrawableAt != 0 {
        println!(
            "  {}",
            say!(
                "the stake can be withdrawn from {} on: fonte worker withdraw",
                "a caução pode ser retirada a partir de {}: fonte worker withdraw",
                time(worker.withdrawableAt.into())
            )
        );
    }
}
