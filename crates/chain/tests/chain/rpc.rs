//! One validator, used as Ethereum tools use a node.

use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use crate::common::*;
use alloy_eips::eip7702::Authorization;
use alloy_network::TransactionBuilder as _;
use alloy_primitives::{Address, B256, Bytes, U256};
use alloy_provider::Provider as _;
use alloy_rpc_types_eth::{BlockId, BlockNumberOrTag, Filter, TransactionRequest};
use alloy_signer::SignerSync as _;
use fonte_chain::Chain;
use serde_json::{Value, json};
use tokio::io::AsyncReadExt as _;

#[tokio::test(flavor = "multi_thread")]
async fn transfer_becomes_final_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let chain = start(config(dir.path(), fresh_chain_id())).await;
    let provider = wallet(&chain.rpc_url(), 0);
    let to = Address::repeat_byte(0x77);

    let mut times = Vec::new();
    for n in 1..=20u64 {
        let started = Instant::now();
        let receipt = send(&provider, transfer(to, U256::from(5))).await;
        times.push(started.elapsed());
        assert!(receipt.status());
        assert_eq!(receipt.gas_used, 21_000);
        assert_eq!(receipt.from, accounts()[0].address());
        assert_eq!(receipt.to, Some(to));
        assert_eq!(provider.get_balance(to).await.unwrap(), U256::from(5 * n));
    }
    times.sort();
    println!(
        "send -> receipt over HTTP, sequential: p50 {:?}, max {:?}",
        times[times.len() / 2],
        times[times.len() - 1]
    );
    // An idle chain would make a block only at the heartbeat, ten seconds after the last.
    assert!(times[times.len() / 2] < Duration::from_secs(5), "{times:?}");

    // What is told is final: the tags agree.
    let latest = provider.get_block_number().await.unwrap();
    for tag in [BlockNumberOrTag::Finalized, BlockNumberOrTag::Safe] {
        let block = provider.get_block_by_number(tag).await.unwrap().unwrap();
        assert!(block.header.number >= latest);
    }
    chain.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn contract_logs_calls_and_history() {
    let dir = tempfile::tempdir().unwrap();
    let chain = start(config(dir.path(), fresh_chain_id())).await;
    let provider = wallet(&chain.rpc_url(), 0);

    let deployed = send(&provider, TransactionRequest::default().with_deploy_code(contract())).await;
    assert!(deployed.status());
    let at = deployed.contract_address.unwrap();
    let deploy_block = deployed.block_number.unwrap();
    assert!(!provider.get_code_at(at).await.unwrap().is_empty());

    let block_filter = provider.new_block_filter().await.unwrap();
    let log_filter = provider.new_filter(&Filter::new().address(at)).await.unwrap();
    let set = |n| TransactionRequest::default().with_to(at).with_input(word(n));
    let mut blocks = Vec::new();
    for n in [7, 8, 9] {
        let receipt = send(&provider, set(n)).await;
        assert!(receipt.status());
        assert_eq!(receipt.logs().len(), 1);
        assert_eq!(receipt.logs()[0].data().data, word(n));
        blocks.push(receipt.block_number.unwrap());
    }

    // Calls, now and in the past.
    let get = TransactionRequest::default().with_to(at);
    assert_eq!(provider.call(get.clone()).await.unwrap(), word(9));
    let old = provider.call(get.clone()).block(BlockId::number(blocks[0]));
    assert_eq!(old.await.unwrap(), word(7));
    let slot = provider.get_storage_at(at, U256::ZERO).await.unwrap();
    assert_eq!(slot, U256::from(9));

    // A revert carries code 3 and its data, for the call and for the estimate.
    for error in [provider.call(set(0)).await.unwrap_err(), provider.estimate_gas(set(0)).await.unwrap_err()] {
        let payload = error.as_error_resp().unwrap();
        assert_eq!(payload.code, 3);
        assert_eq!(payload.message, "execution reverted: no!");
        assert!(payload.as_revert_data().unwrap().starts_with(&[0x08, 0xc3, 0x79, 0xa0]));
    }

    // Logs by range, address, topic, block hash.
    let all = Filter::new().from_block(0);
    let logs = provider.get_logs(&all.clone().address(at)).await.unwrap();
    assert_eq!(logs.len(), 3);
    let indexes: Vec<_> = logs.iter().map(|log| log.block_number.unwrap()).collect();
    assert_eq!(indexes, blocks);
    let topic = B256::with_last_byte(1);
    let count = async |filter: Filter| provider.get_logs(&filter).await.unwrap().len();
    assert_eq!(count(all.clone().event_signature(topic)).await, 3);
    assert_eq!(count(all.clone().event_signature(B256::ZERO)).await, 0);
    assert_eq!(count(all.clone().address(Address::ZERO)).await, 0);
    assert_eq!(count(all.clone().to_block(blocks[1])).await, 2);
    let hash = logs[0].block_hash.unwrap();
    assert_eq!(count(Filter::new().at_block_hash(hash)).await, 1);

    // Filters report each change once.
    let changes = provider.get_filter_changes::<alloy_rpc_types_eth::Log>(log_filter).await;
    assert_eq!(changes.unwrap().len(), 3);
    let changes = provider.get_filter_changes::<alloy_rpc_types_eth::Log>(log_filter).await;
    assert!(changes.unwrap().is_empty());
    let hashes = provider.get_filter_changes::<B256>(block_filter).await.unwrap();
    assert!(hashes.contains(&hash));
    assert!(provider.uninstall_filter(log_filter).await.unwrap());

    // Blocks, by number and hash, with hashes and whole transactions.
    let block = provider.get_block_by_number(deploy_block.into()).await.unwrap().unwrap();
    assert!(block.transactions.is_hashes());
    let by_hash = provider.get_block_by_hash(block.header.hash).full().await.unwrap().unwrap();
    assert_eq!(by_hash.header, block.header);
    let tx = by_hash.transactions.txns().next().unwrap();
    assert_eq!(tx.inner.signer(), accounts()[0].address());
    assert_eq!(by_hash.header.hash_slow(), block.header.hash);
    let receipts = provider.get_block_receipts(deploy_block.into()).await.unwrap().unwrap();
    assert_eq!(receipts, vec![deployed]);

    // A proof is made for the latest state.
    let proof = provider.get_proof(at, vec![B256::ZERO]).await.unwrap();
    assert_eq!(proof.storage_proof[0].value, U256::from(9));
    assert!(!proof.account_proof.is_empty());
    chain.shutdown().await.unwrap();
}

/// Sends one raw call and gives `result` or `error`.
async fn rpc(url: &str, method: &str, params: Value) -> Result<Value, (i64, String)> {
    let body = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
    let response = reqwest::Client::new().post(url).json(&body).send().await.unwrap();
    let mut response: Value = response.json().await.unwrap();
    match response.get("error") {
        Some(error) => Err((error["code"].as_i64().unwrap(), error["message"].as_str().unwrap().to_owned())),
        None => Ok(response["result"].take()),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn refusals_in_the_words_of_ethereum() {
    let dir = tempfile::tempdir().unwrap();
    let chain = start(config(dir.path(), fresh_chain_id())).await;
    let url = chain.rpc_url();
    let provider = wallet(&url, 0);
    let to = Address::repeat_byte(1);
    send(&provider, transfer(to, U256::from(1))).await;

    let refused = async |request: TransactionRequest| {
        let error = provider.send_transaction(request).await.unwrap_err();
        let payload = error.as_error_resp().unwrap();
        assert_eq!(payload.code, -32000, "{payload:?}");
        payload.message.to_string()
    };
    let fees = |request: TransactionRequest| {
        request.with_max_fee_per_gas(5_000_000_000).with_max_priority_fee_per_gas(1_000_000_000).with_gas_limit(21_000)
    };
    // The suggested price of a legacy transaction is enough for its own estimate.
    let price = provider.get_gas_price().await.unwrap();
    let legacy = transfer(to, U256::ONE).with_gas_price(price).with_from(accounts()[0].address());
    assert_eq!(provider.estimate_gas(legacy).await.unwrap(), 21_000);

    let low = refused(fees(transfer(to, U256::ONE)).with_nonce(0)).await;
    assert!(low.starts_with("nonce too low"), "{low}");
    let poor = refused(fees(transfer(to, coins(5_000)))).await;
    assert!(poor.starts_with("insufficient funds for gas * price + value"), "{poor}");
    let intrinsic = refused(fees(transfer(to, U256::ONE)).with_gas_limit(20_000)).await;
    assert!(intrinsic.starts_with("intrinsic gas too low"), "{intrinsic}");

    // Ahead of a gap a transaction waits, and can be replaced for ten percent more.
    let gap = fees(transfer(to, U256::ONE)).with_nonce(3);
    let waiting = provider.send_transaction(gap.clone()).await.unwrap();
    let again = refused(gap.clone()).await;
    assert_eq!(again, "already known");
    let cheap = gap.clone().with_max_fee_per_gas(5_400_000_000);
    assert_eq!(refused(cheap).await, "replacement transaction underpriced");
    let better = gap.with_max_fee_per_gas(5_500_000_000).with_max_priority_fee_per_gas(1_100_000_000);
    let better = provider.send_transaction(better).await.unwrap();
    let status = rpc(&url, "txpool_status", json!([])).await.unwrap();
    assert_eq!(status, json!({"pending": "0x0", "queued": "0x1"}));
    let pending = provider.get_transaction_by_hash(*better.tx_hash()).await.unwrap().unwrap();
    assert_eq!(pending.block_number, None);
    // Filling the gap lets it run.
    let me = accounts()[0].address();
    for nonce in [1, 2] {
        send(&provider, fees(transfer(to, U256::ONE)).with_nonce(nonce)).await;
    }
    let ran = receipt(&provider, *better.tx_hash()).await;
    assert!(ran.status());
    assert_eq!(provider.get_transaction_count(me).await.unwrap(), 4);
    assert_eq!(provider.get_transaction_by_hash(*waiting.tx_hash()).await.unwrap(), None);

    // Unknown methods, bad parameters, unknown things.
    let unknown = rpc(&url, "eth_fillTransaction", json!([{}])).await.unwrap_err();
    assert_eq!(unknown.0, -32601);
    let bad = rpc(&url, "eth_getBalance", json!(["0x12"])).await.unwrap_err();
    assert_eq!(bad.0, -32602);
    assert_eq!(rpc(&url, "eth_getTransactionReceipt", json!([B256::ZERO])).await, Ok(Value::Null));
    assert_eq!(rpc(&url, "eth_getBlockByNumber", json!(["0xffffff", false])).await, Ok(Value::Null));
    let future = rpc(&url, "eth_getBalance", json!([me, "0xffffff"])).await.unwrap_err();
    assert!(future.1.starts_with("header not found"), "{future:?}");
    let garbage = rpc(&url, "eth_sendRawTransaction", json!(["0x02c0"])).await.unwrap_err();
    assert_eq!(garbage.0, -32000);
    assert_eq!(rpc(&url, "eth_accounts", json!([])).await, Ok(json!([])));
    assert_eq!(rpc(&url, "eth_syncing", json!([])).await, Ok(json!(false)));
    let version = rpc(&url, "net_version", json!([])).await.unwrap();
    assert_eq!(version, json!(chain.chain_id().to_string()));
    let history = rpc(&url, "eth_feeHistory", json!(["0x4", "latest", [10.0, 50.0]])).await.unwrap();
    let fees = history["baseFeePerGas"].as_array().unwrap().len();
    assert_eq!(history["reward"].as_array().unwrap().len() + 1, fees);
    chain.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_are_bounded() {
    let dir = tempfile::tempdir().unwrap();
    let mut config = config(dir.path(), fresh_chain_id());
    config.rpc_limits.max_batch = 5;
    config.rpc_limits.max_request_bytes = 20_000;
    config.rpc_limits.max_log_blocks = 2;
    config.rpc_limits.max_filters = 1;
    let chain = start(config).await;
    let url = chain.rpc_url();
    let provider = wallet(&url, 0);
    for _ in 0..3 {
        send(&provider, transfer(Address::repeat_byte(1), U256::ONE)).await;
    }
    let client = reqwest::Client::new();
    let call = json!({"jsonrpc": "2.0", "id": 1, "method": "eth_chainId", "params": []});

    let batch = |n| Value::Array(vec![call.clone(); n]);
    let answers: Value = client.post(&url).json(&batch(5)).send().await.unwrap().json().await.unwrap();
    assert_eq!(answers.as_array().unwrap().len(), 5);
    let refused: Value = client.post(&url).json(&batch(6)).send().await.unwrap().json().await.unwrap();
    assert!(refused["error"]["code"].is_i64(), "{refused}");

    let long = rpc(&url, "web3_sha3", json!([format!("0x{}", "00".repeat(9_000))])).await;
    assert!(long.is_ok());
    let body =
        json!({"jsonrpc": "2.0", "id": 1, "method": "web3_sha3", "params": [format!("0x{}", "00".repeat(10_000))]});
    let response = client.post(&url).json(&body).send().await.unwrap();
    assert_eq!(response.status(), 413);

    let range = rpc(&url, "eth_getLogs", json!([{"fromBlock": "0x0", "toBlock": "latest"}])).await;
    assert_eq!(range.unwrap_err().0, -32005);
    assert!(rpc(&url, "eth_getLogs", json!([{"fromBlock": "0x0", "toBlock": "0x1"}])).await.is_ok());
    assert!(rpc(&url, "eth_newBlockFilter", json!([])).await.is_ok());
    assert_eq!(rpc(&url, "eth_newBlockFilter", json!([])).await.unwrap_err().0, -32005);

    // A call burns no more than its cap: an endless loop (JUMPDEST PUSH0 JUMP) ends.
    let overrides = json!({Address::repeat_byte(9).to_string(): {"code": "0x5b5f56"}});
    let looping = json!([{"to": Address::repeat_byte(9), "gas": "0xffffffffffff"}, "latest", overrides]);
    assert_eq!(rpc(&url, "eth_call", looping).await.unwrap_err().0, -32000);

    // A web page from elsewhere may not call; one on this machine may.
    for (origin, status) in [("https://example.org", 403), ("http://localhost:3000", 200)] {
        let response = client.post(&url).header("origin", origin).json(&call).send().await.unwrap();
        assert_eq!(response.status(), status, "{origin}");
    }
    chain.shutdown().await.unwrap();
}

/// A contract that logs its call data, twice as long in an answer.
const LOGS: &str = "0x6009600c60003960096000f3365f5f37365fa000";

#[tokio::test(flavor = "multi_thread")]
async fn logs_are_told_in_parts_and_none_is_lost() {
    let dir = tempfile::tempdir().unwrap();
    let mut config = config(dir.path(), fresh_chain_id());
    config.rpc_limits.max_response_bytes = 50_000;
    config.rpc_limits.max_log_blocks = 4;
    let chain = start(config).await;
    let url = chain.rpc_url();
    let provider = wallet(&url, 0);
    let code: Bytes = LOGS.parse().unwrap();
    let at = send(&provider, TransactionRequest::default().with_deploy_code(code)).await.contract_address.unwrap();
    let filter = rpc(&url, "eth_newFilter", json!([{"address": at}])).await.unwrap();
    let blocks = rpc(&url, "eth_newBlockFilter", json!([])).await.unwrap();

    // Whoever follows the chain asks for what comes next, and there is nothing yet.
    let next = format!("0x{:x}", chain.latest().number + 100);
    let ahead = async |to: Value| rpc(&url, "eth_getLogs", json!([{"fromBlock": next, "toBlock": to}])).await;
    assert_eq!(ahead(json!("latest")).await, Ok(json!([])));
    assert_eq!(ahead(Value::Null).await, Ok(json!([])));
    assert_eq!(ahead(json!("0x1")).await.unwrap_err().0, -32602);
    assert_eq!(ahead(json!("earliest")).await.unwrap_err().0, -32602);

    // Three logs of 10,000 bytes are more than an answer holds, in few blocks.
    let mut logged = Vec::new();
    for _ in 0..3 {
        let receipt = send(&provider, TransactionRequest::default().with_to(at).with_input(vec![7; 10_000])).await;
        logged.push(receipt.block_number.unwrap());
    }
    let ask = async |from: u64, to: u64| {
        let range = json!([{"address": at, "fromBlock": format!("0x{from:x}"), "toBlock": format!("0x{to:x}")}]);
        rpc(&url, "eth_getLogs", range).await
    };
    let (code, message) = ask(logged[0], logged[2]).await.unwrap_err();
    assert!(code == -32005 && message.contains("ask for fewer blocks"), "{code} {message}");
    assert_eq!(ask(logged[0], logged[0]).await.unwrap().as_array().unwrap().len(), 1);
    // A filter that was refused has told nothing, and says so again.
    for _ in 0..2 {
        assert_eq!(rpc(&url, "eth_getFilterChanges", json!([filter])).await.unwrap_err().0, -32005);
    }

    // Behind by more than may be looked at, blocks are not left out in silence either.
    while chain.latest().number < logged[2] + 5 {
        send(&provider, transfer(Address::repeat_byte(1), U256::ONE)).await;
    }
    let (code, message) = rpc(&url, "eth_getFilterChanges", json!([blocks])).await.unwrap_err();
    assert!(code == -32005 && message.contains("blocks behind"), "{code} {message}");
    chain.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_take_authorizations() {
    let dir = tempfile::tempdir().unwrap();
    let chain = start(config(dir.path(), fresh_chain_id())).await;
    let provider = wallet(&chain.rpc_url(), 0);
    let deployed = send(&provider, TransactionRequest::default().with_deploy_code(contract())).await;
    let code = deployed.contract_address.unwrap();
    let account = &accounts()[1];
    let authorization = Authorization { chain_id: U256::from(chain.chain_id()), address: code, nonce: 0 };
    let signature = account.sign_hash_sync(&authorization.signature_hash()).unwrap();
    let plain = TransactionRequest::default().with_to(account.address());
    let mut call = plain.clone();
    call.authorization_list = Some(vec![authorization.into_signed(signature)]);
    assert_eq!(provider.call(plain.clone()).await.unwrap(), Bytes::new());
    assert_eq!(provider.call(call.clone()).await.unwrap(), word(0));
    let (bare, with) = (provider.estimate_gas(plain).await.unwrap(), provider.estimate_gas(call).await.unwrap());
    assert!(with > bare + 12_500, "{bare} {with}");
    chain.shutdown().await.unwrap();
}

/// A WebSocket session that speaks JSON-RPC.
struct Ws {
    sender: soketto::Sender<Socket>,
    receiver: soketto::Receiver<Socket>,
}

type Socket = tokio_util::compat::Compat<tokio::net::TcpStream>;

impl Ws {
    async fn connect(chain: &fonte_chain::ChainHandle) -> Self {
        use tokio_util::compat::TokioAsyncReadCompatExt as _;
        let address = chain.rpc_addr();
        let socket = tokio::net::TcpStream::connect(address).await.unwrap();
        let host = address.to_string();
        let mut client = soketto::handshake::Client::new(socket.compat(), &host, "/");
        let response = client.handshake().await.unwrap();
        assert!(matches!(response, soketto::handshake::ServerResponse::Accepted { .. }));
        let (sender, receiver) = client.into_builder().finish();
        Self { sender, receiver }
    }

    async fn call(&mut self, method: &str, params: Value) -> Value {
        let body = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
        self.sender.send_text(body.to_string()).await.unwrap();
        self.sender.flush().await.unwrap();
        self.next().await
    }

    async fn next(&mut self) -> Value {
        let mut data = Vec::new();
        tokio::time::timeout(PATIENCE, self.receiver.receive_data(&mut data)).await.unwrap().unwrap();
        serde_json::from_slice(&data).unwrap()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn subscriptions() {
    let dir = tempfile::tempdir().unwrap();
    let chain = start(config(dir.path(), fresh_chain_id())).await;
    let provider = wallet(&chain.rpc_url(), 0);
    let deploy = TransactionRequest::default().with_deploy_code(contract());
    let at = send(&provider, deploy).await.contract_address.unwrap();

    let mut heads = Ws::connect(&chain).await;
    let mut logs = Ws::connect(&chain).await;
    let heads_id = heads.call("eth_subscribe", json!(["newHeads"])).await["result"].clone();
    let logs_id = logs.call("eth_subscribe", json!(["logs", {"address": at}])).await["result"].clone();
    assert!(heads_id.as_str().unwrap().starts_with("0x"));
    let refused = heads.call("eth_subscribe", json!(["nonsense"])).await;
    assert_eq!(refused["error"]["code"], -32602);

    let set = TransactionRequest::default().with_to(at).with_input(word(5));
    let receipt = send(&provider, set).await;
    let head = heads.next().await;
    assert_eq!(head["method"], "eth_subscription");
    assert_eq!(head["params"]["subscription"], heads_id);
    assert_eq!(head["params"]["result"]["hash"], json!(receipt.block_hash));
    let log = logs.next().await;
    assert_eq!(log["params"]["subscription"], logs_id);
    assert_eq!(log["params"]["result"]["data"], json!(word(5)));
    assert_eq!(logs.call("eth_unsubscribe", json!([logs_id])).await["result"], true);
    chain.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn idle_chain_makes_a_block_per_heartbeat() {
    let dir = tempfile::tempdir().unwrap();
    let mut config = config(dir.path(), fresh_chain_id());
    config.heartbeat = Duration::from_millis(500);
    let chain = start(config).await;
    let mut blocks = chain.subscribe();
    let first = blocks.next().await.unwrap();
    let started = Instant::now();
    for n in 1..=4 {
        assert_eq!(blocks.next().await.unwrap().number, first.number + n);
    }
    let elapsed = started.elapsed();
    assert!(elapsed >= Duration::from_millis(4 * 450), "{elapsed:?}");
    chain.shutdown().await.unwrap();
    assert!(blocks.next().await.is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_are_counted_and_those_that_ask_nothing_are_closed() {
    let dir = tempfile::tempdir().unwrap();
    let mut config = config(dir.path(), fresh_chain_id());
    config.rpc_limits.max_connections = 2;
    config.rpc_limits.patience = Duration::from_secs(2);
    let chain = Chain::start(config).await.unwrap();
    let silent = async || tokio::net::TcpStream::connect(chain.rpc_addr()).await.unwrap();
    let ask = || tokio::time::timeout(PATIENCE, rpc_once(chain.rpc_url()));
    ask().await.unwrap();
    // Two that ask nothing have all the places, until one goes,
    let (first, second) = (silent().await, silent().await);
    let mut third = Box::pin(ask());
    assert!(tokio::time::timeout(Duration::from_millis(500), &mut third).await.is_err(), "there was a third place");
    drop(first);
    third.await.unwrap();
    // or until it is closed. A session of WebSocket is open for as long as it lasts.
    let started = Instant::now();
    let (mut session, mut fourth) = (Ws::connect(&chain).await, silent().await);
    ask().await.unwrap();
    let mut byte = [0];
    assert_eq!(fourth.read(&mut byte).await.unwrap_or(0), 0);
    assert!(started.elapsed() >= Duration::from_secs(1));
    while started.elapsed() < Duration::from_secs(3) {
        assert!(session.call("eth_chainId", json!([])).await["result"].is_string());
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    drop(second);
    chain.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_is_only_kept_open_makes_room() {
    const PLACES: u32 = 4;
    let dir = tempfile::tempdir().unwrap();
    let mut config = config(dir.path(), fresh_chain_id());
    // With more patience than this test has, and clients that keep what they have opened.
    config.rpc_limits.max_connections = PLACES;
    config.rpc_limits.patience = PATIENCE * 4;
    let chain = Chain::start(config).await.unwrap();
    let client = || reqwest::Client::builder().pool_idle_timeout(None).build().unwrap();
    let body = json!({"jsonrpc": "2.0", "id": 1, "method": "eth_chainId", "params": []});
    let ask = |client: &reqwest::Client| {
        let request = client.post(chain.rpc_url()).json(&body);
        async move { assert_eq!(request.send().await.unwrap().status(), 200) }
    };
    let keeping = client();
    let many = futures::future::join_all((0..PLACES * 8).map(|_| ask(&keeping)));
    tokio::time::timeout(PATIENCE, many).await.expect("those over the limit wait for each other and not for ever");
    for _ in 0..2 * PLACES {
        let other = client();
        tokio::time::timeout(PATIENCE, ask(&other)).await.expect("a place that nobody uses is given to who asks");
        // Who lost a connection opens another.
        tokio::time::timeout(PATIENCE, ask(&keeping)).await.expect("the same");
    }
    chain.shutdown().await.unwrap();
}

/// Asks over a connection of its own.
async fn rpc_once(url: String) {
    let client = reqwest::Client::builder().pool_max_idle_per_host(0).build().unwrap();
    let body = json!({"jsonrpc": "2.0", "id": 1, "method": "eth_chainId", "params": []});
    let response = client.post(url).json(&body).send().await.unwrap();
    assert_eq!(response.status(), 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_is_not_read_is_not_answered_further() {
    const CALLS: usize = 400;
    let dir = tempfile::tempdir().unwrap();
    let chain = start(config(dir.path(), fresh_chain_id())).await;
    let mut session = Ws::connect(&chain).await;
    // With the first ping, whose answer would wait for the questions.
    session.call("eth_chainId", json!([])).await;
    let Ws { mut sender, mut receiver } = session;
    // 100,000 bytes of request, for 128 KiB of zeros (PUSH3 020000 PUSH0 RETURN).
    let at = Address::repeat_byte(9);
    let overrides = json!({at.to_string(): {"code": "0x620200005ff3"}});
    let call = json!([{"to": at, "data": format!("0x{}", "00".repeat(50_000))}, "latest", overrides]);
    let sent = Arc::new(AtomicUsize::new(0));
    let sending = {
        let sent = sent.clone();
        tokio::spawn(async move {
            for id in 0..CALLS {
                let body = json!({"jsonrpc": "2.0", "id": id, "method": "eth_call", "params": call});
                sender.send_text(body.to_string()).await.unwrap();
                sender.flush().await.unwrap();
                sent.fetch_add(1, Ordering::Relaxed);
            }
            sender
        })
    };
    // It gets stuck: nobody takes the answers, so nobody reads the questions.
    let mut before = 0;
    until(|| {
        let now = sent.load(Ordering::Relaxed);
        let stuck = now > 0 && now == before;
        before = now;
        async move {
            tokio::time::sleep(Duration::from_secs(1)).await;
            stuck.then_some(())
        }
    })
    .await;
    assert!(before < CALLS, "all were read, though none was answered");
    // Read, they all come.
    let mut answers = BTreeSet::new();
    for _ in 0..CALLS {
        let mut data = Vec::new();
        tokio::time::timeout(PATIENCE, receiver.receive_data(&mut data)).await.unwrap().unwrap();
        let answer: Value = serde_json::from_slice(&data).unwrap();
        assert_eq!(answer["result"].as_str().map(str::len), Some(2 + 2 * 0x2_0000), "{:.200}", answer.to_string());
        answers.insert(answer["id"].as_u64().unwrap());
    }
    assert_eq!(answers.len(), CALLS);
    sending.await.unwrap();
    chain.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_takes_nothing_for_long_is_closed() {
    let dir = tempfile::tempdir().unwrap();
    let mut config = config(dir.path(), fresh_chain_id());
    config.rpc_limits.max_connections = 1;
    config.rpc_limits.patience = Duration::from_secs(1);
    let chain = Chain::start(config).await.unwrap();
    let Ws { mut sender, receiver } = Ws::connect(&chain).await;
    let at = Address::repeat_byte(9);
    let overrides = json!({at.to_string(): {"code": "0x620fffff5ff3"}});
    let call = json!({"jsonrpc": "2.0", "id": 1, "method": "eth_call", "params": [{"to": at}, "latest", overrides]});
    for _ in 0..20 {
        sender.send_text(call.to_string()).await.unwrap();
        sender.flush().await.unwrap();
    }
    // It holds the only place, and gives it back though neither side hangs up.
    tokio::time::timeout(PATIENCE, rpc_once(chain.rpc_url())).await.unwrap();
    drop((sender, receiver));
    chain.shutdown().await.unwrap();
}
