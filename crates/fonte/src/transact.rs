//! The one door for commands that change state: simulate; with `--dry-run` show what would happen and send nothing;
//! otherwise send, and wait until it is final.

use alloy_contract::{CallBuilder, CallDecoder};
use alloy_primitives::{Address, Bytes, LogData, TxKind, U256};
use alloy_provider::Provider;
use alloy_rpc_types_eth::{TransactionReceipt, TransactionRequest};
use eyre::Result;
use fonte_bindings::{
    Client, ClientError,
    abi::{self, Decoded},
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::{args::Common, errors, money::fnt, say::say};

/// Sends a call, or shows its effect. `None`: it was a dry run, and the effect has been printed.
pub(crate) async fn transact<P: Provider, D: CallDecoder + Send + Sync>(
    common: &Common,
    client: &Client,
    what: &'static str,
    call: CallBuilder<P, D>,
) -> Result<Option<TransactionReceipt>> {
    let receipts = transact_all(common, client, vec![step(what, call)]).await?;
    Ok(receipts.and_then(|receipts| receipts.into_iter().next()))
}

/// One of several transactions of a command.
pub(crate) struct Step {
    pub(crate) what: &'static str,
    pub(crate) request: TransactionRequest,
    /// What is called, where that is one of the many that have no address of their own, such as a splitter.
    pub(crate) contract: Option<&'static str>,
}

impl Step {
    /// The name of the contract at an address.
    fn name_of(&self, client: &Client, at: Address) -> Option<&'static str> {
        client.addresses().name_of(at).or(self.contract.filter(|_| self.request.to == Some(TxKind::Call(at))))
    }
}

/// A call as a step.
pub(crate) fn step<P: Provider, D: CallDecoder + Send + Sync>(what: &'static str, call: CallBuilder<P, D>) -> Step {
    Step { what, request: call.into_transaction_request(), contract: None }
}

/// Sends several calls, each final before the next is sent, or shows the effect of all.
pub(crate) async fn transact_all(
    common: &Common,
    client: &Client,
    steps: Vec<Step>,
) -> Result<Option<Vec<TransactionReceipt>>> {
    if common.dry_run {
        show(common, client, &steps, &Value::Null, "").await?;
        return Ok(None);
    }
    let mut receipts = Vec::with_capacity(steps.len());
    for Step { what, request, .. } in steps {
        // Sending estimates the gas first, and that is the simulation: what would fail is refused here with its reason.
        receipts.push(client.submit(what, request).await.map_err(refusal)?);
    }
    Ok(Some(receipts))
}

/// Shows the effect of steps, with facts about them: fields of the JSON object, and a sentence of the text.
pub(crate) async fn show(
    common: &Common,
    client: &Client,
    steps: &[Step],
    facts: &Value,
    sentence: &str,
) -> Result<()> {
    let effects = effects(client, steps).await?;
    print_effects(common.json, &effects, facts, sentence);
    Ok(())
}

/// An object that is printed where nothing is to be sent: in a dry run it says that it is of one.
pub(crate) fn unsent(common: &Common, mut object: Value) -> Value {
    if common.dry_run {
        object["dry_run"] = json!(true);
    }
    object
}

/// A refusal in a sentence, where a contract gave its reason.
pub(crate) fn refusal(error: ClientError) -> eyre::Report {
    let sentence = errors::refused(&error);
    let report = eyre::Report::new(error);
    match sentence {
        Some(sentence) => report.wrap_err(sentence),
        None => report,
    }
}

/// What a transaction would do.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Effect {
    contract: Value,
    function: String,
    arguments: Value,
    to: Option<Address>,
    from: Option<Address>,
    value_wei: String,
    /// Not simulated: it fails without the step before, and this chain simulates one call at a time.
    #[serde(skip_serializing_if = "Option::is_none")]
    depends: Option<bool>,
    returns: Value,
    /// Missing where the chain does not simulate events.
    #[serde(skip_serializing_if = "Option::is_none")]
    events: Option<Vec<Value>>,
    gas: Option<u64>,
    #[serde(skip)]
    lines: Vec<String>,
}

async fn effects(client: &Client, steps: &[Step]) -> Result<Vec<Effect>> {
    let forecast = forecast(client, steps).await?;
    forecast.refused.map_or(Ok(forecast.effects), Err)
}

/// What steps would do, up to one that would fail, and why that one would.
pub(crate) struct Forecast {
    pub(crate) effects: Vec<Effect>,
    pub(crate) refused: Option<eyre::Report>,
}

/// Simulates the steps, one block after the other where the chain can (`eth_simulateV1`), else each on its own by
/// `eth_call`: the first must hold, and one that does not may rest on those before it.
pub(crate) async fn forecast(client: &Client, steps: &[Step]) -> Result<Forecast> {
    if let Some(simulated) = simulate_together(client, steps).await? {
        return Ok(simulated);
    }
    let mut effects = Vec::with_capacity(steps.len());
    for (index, step) in steps.iter().enumerate() {
        let Step { what, request, .. } = step;
        let mut effect = describe(client, step);
        match client.simulate(what, request.clone()).await {
            Ok(returned) => {
                effect.returned(client, step, &returned);
                match client.estimate(what, request.clone()).await {
                    Ok(gas) => effect.gas = Some(gas),
                    Err(error) => return Ok(Forecast { effects, refused: Some(refusal(error)) }),
                }
            }
            Err(ClientError::Refused { .. }) if index > 0 => effect.depends = Some(true),
            Err(error) => return Ok(Forecast { effects, refused: Some(refusal(error)) }),
        }
        effects.push(effect);
    }
    Ok(Forecast { effects, refused: None })
}

/// `eth_simulateV1`, as far as it is read here.
#[derive(Debug, Deserialize)]
struct SimulatedBlock {
    calls: Vec<SimulatedCall>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct SimulatedCall {
    #[serde(default)]
    return_data: Bytes,
    #[serde(default)]
    logs: Vec<SimulatedLog>,
    gas_used: alloy_primitives::U64,
    status: alloy_primitives::U64,
    error: Option<Value>,
}

#[derive(Debug, Deserialize)]
struct SimulatedLog {
    address: Address,
    #[serde(flatten)]
    data: LogData,
}

/// `None` where the chain has no `eth_simulateV1`.
async fn simulate_together(client: &Client, steps: &[Step]) -> Result<Option<Forecast>> {
    let calls: Vec<_> = steps
        .iter()
        .map(|step| TransactionRequest { from: step.request.from.or(client.sender()), ..step.request.clone() })
        .collect();
    // Each is final before the next is sent, and contracts may ask in which block something was.
    let blocks: Vec<_> = calls.iter().map(|call| json!({ "calls": [call] })).collect();
    let payload = json!({ "blockStateCalls": blocks, "traceTransfers": false, "validation": false });
    let answer: Result<Vec<SimulatedBlock>, _> =
        client.provider().raw_request("eth_simulateV1".into(), (payload, "latest")).await;
    let Ok(blocks) = answer else { return Ok(None) };
    let simulated: Vec<_> = blocks.into_iter().flat_map(|block| block.calls).collect();
    if simulated.len() != steps.len() {
        return Ok(None);
    }
    let mut effects = Vec::with_capacity(steps.len());
    for (step, call) in steps.iter().zip(simulated) {
        if call.status.is_zero() {
            let data = call.error.as_ref().and_then(|error| error["data"].as_str()?.parse::<Bytes>().ok());
            let data = data.unwrap_or(call.return_data);
            let refused = Some(refusal(client.refused(step.what, &step.request, data)));
            return Ok(Some(Forecast { effects, refused }));
        }
        let mut effect = describe(client, step);
        effect.returned(client, step, &call.return_data);
        effect.gas = Some(call.gas_used.to());
        let mut events = Vec::new();
        for log in &call.logs {
            let emitter = step.name_of(client, log.address);
            match emitter.and_then(|emitter| abi::decode_event(emitter, &log.data)) {
                Some(event) => {
                    effect.lines.push(say!("event {}.{event}", "evento {}.{event}", event.contract));
                    events.push(json!({"contract": event.contract, "event": event.name, "arguments": event.object()}));
                }
                None => {
                    events.push(json!({"address": log.address, "topics": log.data.topics(), "data": log.data.data}))
                }
            }
        }
        effect.events = Some(events);
        effects.push(effect);
    }
    Ok(Some(Forecast { effects, refused: None }))
}

/// What is called, where it cannot be simulated.
pub(crate) fn unsimulated(client: &Client, step: &Step) -> Effect {
    Effect { depends: Some(true), ..describe(client, step) }
}

fn describe(client: &Client, step: &Step) -> Effect {
    let request = &step.request;
    let to = match request.to {
        Some(TxKind::Call(to)) => Some(to),
        _ => None,
    };
    let data = request.input.input().cloned().unwrap_or_default();
    let name = to.and_then(|to| step.name_of(client, to));
    let decoded = name.and_then(|name| abi::decode_call(name, &data));
    let value = request.value.unwrap_or(U256::ZERO);
    let from = request.from.or(client.sender());
    let (contract, function, arguments, line) = match &decoded {
        Some(call) => (json!(call.contract), call.name.clone(), call.object(), format!("{}.{call}", call.contract)),
        None => (Value::Null, String::new(), json!({ "data": data }), format!("{to:?} {data}")),
    };
    let mut lines = vec![line];
    if !value.is_zero() {
        lines.push(say!("with {} FNT", "com {} FNT", fnt(value.saturating_to())));
    }
    Effect {
        contract,
        function,
        arguments,
        to,
        from,
        value_wei: value.to_string(),
        depends: None,
        returns: Value::Null,
        events: None,
        gas: None,
        lines,
    }
}

impl Effect {
    fn returned(&mut self, client: &Client, step: &Step, returned: &[u8]) {
        let name = self.to.and_then(|to| step.name_of(client, to));
        let (Some(name), Some(data)) = (name, step.request.input.input()) else { return };
        if let Some(results) = abi::decode_return(name, data, returned) {
            self.returns = results.object();
            self.lines.push(say!("returns {}", "retorna {}", values(&results)));
        }
    }
}

fn values(results: &Decoded) -> String {
    results.arguments.iter().map(|(_, value)| abi::plain(value)).collect::<Vec<_>>().join(", ")
}

fn print_effects(as_json: bool, effects: &[Effect], facts: &Value, sentence: &str) {
    if as_json {
        let mut object = json!({"dry_run": true, "effects": effects});
        for (name, value) in facts.as_object().into_iter().flatten() {
            object[name] = value.clone();
        }
        println!("{object}");
        return;
    }
    if !sentence.is_empty() {
        println!("{sentence}");
    }
    println!(
        "{}",
        say!("dry run: nothing was sent. It would do this:", "simulação: nada foi enviado. O efeito seria:")
    );
    print_lines(effects);
}

/// What effects are, in words.
pub(crate) fn print_lines(effects: &[Effect]) {
    for effect in effects {
        for (index, line) in effect.lines.iter().enumerate() {
            println!("{}{line}", if index == 0 { "  " } else { "    " });
        }
        if effect.depends.is_some() {
            println!(
                "    {}",
                say!(
                    "not simulated on its own: it rests on what comes before it",
                    "não simulado à parte: depende do que vem antes"
                )
            );
        }
        if let Some(gas) = effect.gas {
            println!("    {}", say!("gas {gas}", "gás {gas}"));
        }
    }
}
