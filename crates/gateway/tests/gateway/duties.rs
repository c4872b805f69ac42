//! What the keeper does for the protocol: epochs of validators, cases of reviewers, rounds of evaluators, withdrawals,
//! evidence of double signing. Nobody else sends any of it here.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use alloy_primitives::{Address, B256, U256, keccak256};
use alloy_sol_types::{SolCall, SolValue};
use fonte_bindings::{
    Addresses, Client,
    client::{ContributionStatus, ReviewRule},
    contracts::{Models, models::IModels},
    genesis::{Parameters, predeploys},
    parameters::Seat,
};
use fonte_chain::{Chain, ChainConfig, ChainHandle, Genesis, SetContract, ValidatorKeys};
use fonte_evm::{GenesisAccount, GenesisCall, Predeploy};
use fonte_gateway::{Gateway, GatewayConfig, GatewayHandle, Performed};
use serde_json::json;

use crate::{
    net::{Net, coins, get, policy, post, terms, until},
    peer::{Answer, Peer, Tamper},
    ports::free_ports,
};

const KEEPER: Option<Duration> = Some(Duration::from_millis(50));

fn whats(done: &[Performed]) -> Vec<&'static str> {
    done.iter().map(|done| done.what).collect()
}

/// Lets a gateway do what is due, again and again, until it has done this.
pub async fn does(gateway: &GatewayHandle, what: &'static str) -> Performed {
    until(what, || async { gateway.perform_duties().await.unwrap().into_iter().find(|done| done.what.contains(what)) })
        .await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_epoch_ends_when_its_time_is_over_and_once() {
    let change = |parameters: &mut Parameters| {
        (parameters.validators.epoch_blocks, parameters.validators.epoch_seconds) = (4, 2);
    };
    let net = Net::start_with(change, |_, _| ()).await;
    let validators = net.client.validators_contract();
    let gateway = net.gateway().await;
    does(&gateway, "epoch").await;
    assert_eq!(validators.epoch().call().await.unwrap(), 1);
    assert_eq!(whats(&gateway.perform_duties().await.unwrap()), Vec::<&str>::new(), "its time is not over");
    gateway.shutdown().await;
    // Another process knows nothing of the first and finds what is due.
    let gateway = net.gateway().await;
    does(&gateway, "epoch").await;
    assert_eq!(validators.epoch().call().await.unwrap(), 2);
    gateway.shutdown().await;

    // Where nobody has any stake no election could seat anybody.
    let unstaked = |parameters: &mut Parameters| {
        change(parameters);
        parameters.validators.seats[0].stake = 0;
    };
    let net = Net::start_with(unstaked, |_, _| ()).await;
    let validators = net.client.validators_contract();
    let gateway = net.gateway().await;
    until("the epoch's time is over", || async { validators.endEpoch().call().await.is_ok().then_some(()) }).await;
    assert_eq!(whats(&gateway.perform_duties().await.unwrap()), Vec::<&str>::new());
    gateway.shutdown().await;
}

const SEATING: u8 = 1;
const VOTING: u8 = 2;
const DECIDED: u8 = 3;
const FINAL: u8 = 5;

/// Accounts in the pool of reviewers.
pub async fn reviewers(net: &Net, count: usize) -> Vec<Client> {
    let mut reviewers = Vec::new();
    for _ in 0..count {
        let reviewer = net.somebody(50).await;
        let contract = reviewer.reviews_contract();
        let stake = contract.minimumStake().call().await.unwrap();
        let call = contract.register().value(U256::from(stake)).with_cloned_provider();
        reviewer.send("a reviewer", call).await.unwrap();
        reviewers.push(reviewer);
    }
    reviewers
}

#[tokio::test(flavor = "multi_thread")]
async fn a_case_is_seated_closed_and_finished() {
    let net = Net::start_with(|parameters| parameters.reviews.period_seconds = 8, |_, _| ()).await;
    let mut config = net.config();
    config.settlement.keeper_interval = KEEPER;
    let gateway = Gateway::start(config.clone()).await.unwrap();
    let reviewers = reviewers(&net, 3).await;
    let rule = |policy: &mut fonte_bindings::client::Policy| {
        policy.review = ReviewRule::Reviewers;
        (policy.reviewers, policy.approvals) = (3, 2);
    };
    let datanet = net.create_datanet("reviewed", policy(rule)).await;
    let draft = net.draft(
        datanet,
        "ana",
        &["The bell of the fish market is older than the market, and rings when nobody is there."],
    );
    let id = net.publish(&gateway, &draft).await;
    let reviews = net.client.reviews_contract();
    assert_eq!(reviews.caseCount().call().await.unwrap(), 1);
    assert!(reviews.stageOf(1).call().await.unwrap() <= VOTING);
    let stage = |wanted: u8| {
        let reviews = &reviews;
        until(
            "the case's stage",
            move || async move { (reviews.stageOf(1).call().await.unwrap() == wanted).then_some(()) },
        )
    };
    stage(VOTING).await;
    gateway.shutdown().await;

    let salt = B256::repeat_byte(7);
    for reviewer in &reviewers {
        let contract = reviewer.reviews_contract();
        let own = reviewer.sender().unwrap();
        let commitment = contract.commitmentHash(1, own, true, salt).call().await.unwrap();
        reviewer.send("a commitment", contract.commit(1, commitment).with_cloned_provider()).await.unwrap();
    }
    // A restart forgets what the keeper knew, and the chain does not.
    let gateway = Gateway::start(config).await.unwrap();
    for reviewer in &reviewers {
        let contract = reviewer.reviews_contract();
        reviewer.send("a vote", contract.reveal(1, true, salt).with_cloned_provider()).await.unwrap();
    }
    stage(DECIDED).await;
    assert_eq!(net.client.contribution(id).await.unwrap().unwrap().status, ContributionStatus::Accepted);
    stage(FINAL).await;
    gateway.shutdown().await;
}

/// Nobody draws by hand and too few could be drawn: the case has failed, and a keeper that looks at many cases goes round.
#[tokio::test(flavor = "multi_thread")]
async fn cases_from_before_the_start_are_found() {
    let net = Net::start().await;
    let gateway = net.gateway().await;
    let rule = |policy: &mut fonte_bindings::client::Policy| {
        policy.review = ReviewRule::Reviewers;
        (policy.reviewers, policy.approvals) = (1, 1);
    };
    let datanet = net.create_datanet("reviewed", policy(rule)).await;
    for name in ["ana", "rui"] {
        let text =
            format!("{name} counted the swallows under the bridge every April and never told anybody the number.");
        net.publish(&gateway, &net.draft(datanet, name, &[&text])).await;
    }
    gateway.shutdown().await;
    let reviews = net.client.reviews_contract();
    assert_eq!([reviews.stageOf(1).call().await.unwrap(), reviews.stageOf(2).call().await.unwrap()], [SEATING; 2]);
    let gateway = net.gateway().await;
    let mut seated = vec![does(&gateway, "panel").await.number];
    if reviews.stageOf(3 - seated[0]).call().await.unwrap() == SEATING {
        seated.push(does(&gateway, "panel").await.number);
    }
    const FAILED: u8 = 4;
    assert_eq!([reviews.stageOf(1).call().await.unwrap(), reviews.stageOf(2).call().await.unwrap()], [FAILED; 2]);
    assert_eq!(whats(&gateway.perform_duties().await.unwrap()), Vec::<&str>::new(), "only a vote can decide now");
    gateway.shutdown().await;
}

/// A base model whose evaluation is open, made by the genesis: as if it had been proposed, voted, trained and unsealed.
fn evaluating(genesis: &mut Genesis, owner: Address) {
    let at = Addresses::predeployed();
    let input = IModels::ModelInput {
        name: "tide".into(),
        kind: 1,
        artifact: B256::ZERO,
        adapter: B256::ZERO,
        terms: terms(owner, 1, 1),
        base: 0,
        trained: Vec::new(),
    };
    let criteria = IModels::Criteria {
        metric: keccak256("exact-match-ppm"),
        direction: 0,
        threshold: 700_000,
        tolerance: 10_000,
        evaluators: 3,
        quorum: 2,
        trainingSeconds: 3_600,
    };
    let (set, salt) = (B256::repeat_byte(1), B256::repeat_byte(2));
    let evaluation = keccak256((set, salt).abi_encode());
    let mut call = |from, data: Vec<u8>| genesis.calls.push(GenesisCall { from, to: at.models, data: data.into() });
    call(owner, Models::proposeCall { input, recipe: B256::repeat_byte(3), criteria }.abi_encode());
    call(at.timelock, Models::approveCall { id: 1, evaluationCommitment: evaluation }.abi_encode());
    call(owner, Models::trainCall { id: 1 }.abi_encode());
    let artifact = B256::repeat_byte(4);
    call(owner, Models::submitArtifactCall { id: 1, artifact, adapter: B256::ZERO }.abi_encode());
    let unseal = Models::revealEvaluationCall { id: 1, evaluationSet: set, salt, uri: String::new() };
    call(owner, unseal.abi_encode());
    genesis.timestamp = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_round_is_drawn_counted_and_an_outlier_pays() {
    const COMMITTING: u8 = 2;
    const REVEALING: u8 = 3;
    const STOOD: u8 = 5;
    let net = Net::start_with(|_| (), |genesis, _| evaluating(genesis, Address::repeat_byte(0xdd))).await;
    let reviewers = reviewers(&net, 3).await;
    let gateway = net.gateway().await;
    let rounds = net.client.model_reviews_contract();
    let fee = rounds.evaluationFee().call().await.unwrap();
    net.client.send("a round", rounds.open(1).value(U256::from(3 * fee)).with_cloned_provider()).await.unwrap();

    assert_eq!(does(&gateway, "drawing evaluators").await.number, 1);
    assert_eq!(rounds.round(1, 1).call().await.unwrap().phase, COMMITTING);
    let (report, salt) = (B256::repeat_byte(8), B256::repeat_byte(9));
    let scores: [i128; 3] = [750_000, 755_000, 900_000];
    for (evaluator, score) in reviewers.iter().zip(scores) {
        let contract = evaluator.model_reviews_contract();
        let own = evaluator.sender().unwrap();
        let commitment = keccak256((1u32, 1u32, own, score, report, salt).abi_encode());
        evaluator.send("a commitment", contract.commitScore(1, commitment).with_cloned_provider()).await.unwrap();
    }
    assert_eq!(rounds.round(1, 1).call().await.unwrap().phase, REVEALING);
    assert_eq!(whats(&gateway.perform_duties().await.unwrap()), Vec::<&str>::new(), "nobody is late yet");
    for (evaluator, score) in reviewers.iter().zip(scores) {
        let contract = evaluator.model_reviews_contract();
        evaluator.send("a score", contract.revealScore(1, score, report, salt).with_cloned_provider()).await.unwrap();
    }
    // Restarted in between.
    gateway.shutdown().await;
    let gateway = net.gateway().await;
    does(&gateway, "counting an evaluation").await;
    let round = rounds.round(1, 1).call().await.unwrap();
    assert_eq!((round.phase, round.median), (STOOD, 755_000));
    does(&gateway, "penalizing").await;
    let reviews = net.client.reviews_contract();
    let (whole, penalty) = (reviews.minimumStake().call().await.unwrap(), rounds.penalty().call().await.unwrap());
    for (evaluator, stake) in reviewers.iter().zip([whole, whole, whole - penalty]) {
        let own = evaluator.sender().unwrap();
        assert_eq!(reviews.reviewerOf(own).call().await.unwrap().stake, stake);
    }
    net.advance(2).await;
    assert_eq!(whats(&gateway.perform_duties().await.unwrap()), Vec::<&str>::new(), "once");
    gateway.shutdown().await;
}

/// The whole way of a withdrawal: the keeper sees it and marks what was trained on it, and after the grace whoever asks is
/// told. What was answered before is paid, and what the licence keeps goes on.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_trained_on_a_withdrawn_text_stops_after_the_grace() {
    const GRACE: u64 = 5;
    let mut net = Net::start_with(|parameters| parameters.models.grace_seconds = GRACE, |_, _| ()).await;
    let gateway = net.gateway().await;
    let key = net.api_key(&gateway, coins(5), coins(5)).await;
    let keeping = net.create_datanet("keeping", policy(|policy| policy.keep = true)).await;
    let steady = net.create_datanet("steady", policy(|_| ())).await;
    let (mut drafts, mut ids) = (Vec::new(), Vec::new());
    for (datanet, name, text) in [
        (
            net.datanet,
            "ana",
            "The glassblower of Rua Sete keeps the first vase that cracked, and shows it to nobody twice.",
        ),
        (keeping, "rui", "A clock that runs backwards on Sundays hangs in the post office, and the postman obeys it."),
        (
            steady,
            "eva",
            "The lighthouse at Pedra Fria is painted each leap year by whoever loses at dominoes that year.",
        ),
    ] {
        let draft = net.draft(datanet, name, &[text]);
        ids.push(net.publish(&gateway, &draft).await);
        drafts.push(draft);
    }
    let taught = [net.version(net.datanet).await, net.version(steady).await];
    let hashes = [B256::repeat_byte(0xa1), B256::repeat_byte(0xa2)];
    let stopping = net.register_trained("stopping", hashes[0], &taught).await;
    let lasting = net.register_trained("lasting", hashes[1], &[net.version(keeping).await]).await;
    net.register_weights("child", (hashes[0], B256::repeat_byte(0xa3)), Address::repeat_byte(0xdf), Some(stopping))
        .await;
    let mut peers = Vec::new();
    for (model, hash) in [stopping, lasting].into_iter().zip(hashes) {
        net.model = model;
        let of_the_model: Tamper = Arc::new(move |_, answer: &mut Answer| answer.receipt.model_hash = hash);
        peers.push(Peer::connect(&net, &gateway, &ids[2..], of_the_model).await);
    }
    gateway.adopted_by(2, &[net.version(steady).await]).await;
    let asked = async |model: &str| {
        let body = json!({"model": model, "fonte": {"datanets": ["steady"]}, "max_tokens": 200,
            "messages": [{"role": "user", "content": "Who paints the lighthouse?"}]});
        post(&gateway, "/v1/chat/completions", Some(&key), body).await
    };
    let (status, before) = asked("stopping").await;
    assert_eq!(status, 200, "{before}");

    for (draft, id) in drafts.iter().zip(&ids[..2]) {
        net.withdraw(&gateway, draft, *id).await;
    }
    assert_eq!(does(&gateway, "withdrawal").await.number, u64::from(stopping.0));
    let models = net.client.models_contract();
    let life = models.life(stopping.0).call().await.unwrap();
    let withdrawn = net.client.datanets_contract().withdrawnAt(ids[0].0).call().await.unwrap();
    assert_eq!((life.stopsAt, life.stoppedBy), (withdrawn + GRACE, net.datanet.0));
    // Within the grace it goes on; on a slow machine that may be over already.
    let (status, answer) = asked("stopping").await;
    assert!(status == 200 || net.client.now().await.unwrap() >= life.stopsAt, "{answer}");

    until("the end of the grace", || async { (!models.servable(stopping.0).call().await.unwrap().ok).then_some(()) })
        .await;
    for (model, why) in [("stopping", "it was trained on"), ("child", "its base model was trained on")] {
        let told = until("the refusal", || async {
            let (status, error) = asked(model).await;
            (status == 403).then_some(error)
        });
        let told = told.await;
        let error = &told["error"];
        assert_eq!((&error["code"], &error["param"]), (&json!("model_stopped"), &json!("model")), "{error}");
        let message = error["message"].as_str().unwrap();
        let clause = "a contribution that has been withdrawn (clause \"withdrawal\" of datanet \"coffee\")";
        assert!(message.contains(&format!("{why} {clause}")), "{message}");
    }
    let (status, answer) = asked("lasting").await;
    assert_eq!(status, 200, "its licence keeps it: {answer}");
    assert_eq!(models.life(lasting.0).call().await.unwrap().stopsAt, 0);

    // What was answered before is settled and paid now.
    gateway.flush_settlement().await.unwrap();
    gateway.push_all().await.unwrap();
    let path = format!("/fonte/v1/receipts/{}/settlement", before["fonte"]["receipt"].as_str().unwrap());
    assert_eq!(get(&gateway, &path, None).await.1["state"], "paid");
    assert!(net.client.balance(drafts[2].terms.payee).await.unwrap() > 0);

    // A model that comes later with the old version is marked like those from before; so is one that came while no keeper
    // looked, by the next that starts.
    let late = net.register_trained("late", B256::repeat_byte(0xb1), &taught[..1]).await;
    assert_eq!(does(&gateway, "withdrawal").await.number, u64::from(late.0));
    gateway.shutdown().await;
    let later = net.register_trained("later", B256::repeat_byte(0xb2), &taught[..1]).await;
    let gateway = net.gateway().await;
    assert_eq!(does(&gateway, "withdrawal").await.number, u64::from(later.0));
    net.advance(2).await;
    let again = gateway.perform_duties().await.unwrap();
    assert!(!again.iter().any(|done| done.what.contains("withdrawal")), "once: {again:?}");
    gateway.shutdown().await;
}

/// Four validators, and an account with coins for the gateway.
fn four(chain_id: u64, ports: &[u16], gateway: Address) -> (Parameters, Genesis) {
    let mut parameters = Parameters::development(chain_id);
    parameters.validators.seats = (0u8..)
        .zip(ports)
        .map(|(index, port)| {
            let public = ValidatorKeys::development(index.into()).public().unwrap();
            Seat {
                operator: operator(index.into()),
                stake: coins(1_000),
                consensus_key: public.vote.into(),
                network_key: public.network.into(),
                network_address: format!("127.0.0.1:{port}"),
            }
        })
        .collect();
    let genesis = Genesis {
        chain_id,
        timestamp: 1_700_000_000,
        gas_limit: 60_000_000,
        base_fee: 1_000_000_000,
        alloc: vec![GenesisAccount {
            address: gateway,
            balance: U256::from(coins(1_000)),
            ..GenesisAccount::default()
        }],
        predeploys: predeploys(&parameters)
            .into_iter()
            .map(|p| Predeploy { name: p.name.into(), address: p.address, init_code: p.init_code, value: p.value })
            .collect(),
        calls: Vec::new(),
    };
    (parameters, genesis)
}

fn operator(index: usize) -> Address {
    Address::repeat_byte(0xb0 + u8::try_from(index).unwrap())
}

/// The whole way of a double sign: consensus sees it, the node keeps it, the keeper carries it, the contract slashes.
#[tokio::test(flavor = "multi_thread")]
async fn a_validator_that_signs_twice_is_reported_and_slashed() {
    let chain_id = u64::from_be_bytes(B256::random()[..8].try_into().unwrap()) >> 16;
    let ports = free_ports(4);
    let key = alloy_signer_local::PrivateKeySigner::random();
    let (parameters, genesis) = four(chain_id, &ports, key.address());
    let node = |index: usize, folder: &std::path::Path| ChainConfig {
        keys: ValidatorKeys::development(index as u64),
        set_contract: Some(SetContract {
            address: Addresses::predeployed().validators,
            epoch_blocks: parameters.validators.epoch_blocks,
        }),
        listen: SocketAddr::from(([127, 0, 0, 1], ports[index])),
        heartbeat: Duration::from_millis(1500),
        fee_recipient: Address::from(rand::random::<[u8; 20]>()),
        ..ChainConfig::development(folder, genesis.clone())
    };
    // The first view's leader: consensus takes turns in the order of the network keys, from the second on.
    let mut order: Vec<usize> = (0..4).collect();
    order.sort_by_key(|index| ValidatorKeys::development(*index as u64).public().unwrap().network);
    let (liar, honest) = (order.remove(1), order);

    // Two of four are no quorum, so the first view lasts while its leader forgets its vote and votes anew.
    let folders: Vec<_> = (0..4).map(|_| tempfile::tempdir().unwrap()).collect();
    let mut chains = vec![Chain::start(node(honest[0], folders[honest[0]].path())).await.unwrap()];
    let seen = |chain: &ChainHandle| {
        let url = chain.rpc_url();
        async move {
            let body = serde_json::json!({"jsonrpc": "2.0", "id": 1, "method": "fonte_doubleSigns", "params": []});
            let answer = reqwest::Client::new().post(url).json(&body).send().await.unwrap();
            let answer: serde_json::Value = answer.json().await.unwrap();
            !answer["result"].as_array().unwrap().is_empty()
        }
    };
    let mut caught = false;
    for _ in 0..20 {
        let folder = tempfile::tempdir().unwrap();
        let twin = Chain::start(node(liar, folder.path())).await.unwrap();
        for _ in 0..80 {
            caught = caught || seen(&chains[0]).await;
            if caught {
                break;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        twin.shutdown().await.unwrap();
        if caught {
            break;
        }
    }
    assert!(caught, "the leader of the first view voted twice and nobody saw it");

    for index in &honest[1..] {
        chains.push(Chain::start(node(*index, folders[*index].path())).await.unwrap());
    }
    let url = chains[0].rpc_url();
    let client = Client::connect(&url, None).await.unwrap();
    until("a block of the honest three", || async { (client.block_number().await.unwrap() > 0).then_some(()) }).await;
    let folder = tempfile::tempdir().unwrap();
    let mut config = GatewayConfig::new(url, key.clone(), folder.path());
    config.settlement.keeper_interval = KEEPER;
    let gateway = Gateway::start(config).await.unwrap();
    let contract = client.validators_contract();
    let found = until("the slash", || async {
        let found = contract.validator(operator(liar)).call().await.unwrap();
        found.jailed.then_some(found)
    })
    .await;
    assert_eq!(found.bonded, coins(950), "a twentieth is lost");
    // Of it a tenth is the reporter's, less the gas.
    let earned = client.balance(key.address()).await.unwrap() - coins(1_000);
    assert!(earned > coins(49) / 10 && earned <= coins(5), "{earned}");
    gateway.shutdown().await;
    for chain in chains {
        chain.shutdown().await.unwrap();
    }
}
