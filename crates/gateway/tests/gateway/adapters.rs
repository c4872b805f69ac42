//! A base and many adapters behind one gateway and two workers: every answer attributed, receipted, replayed, paid; and
//! what the operator sees and orders of it.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use alloy_primitives::{Address, B256};
use alloy_signer_local::PrivateKeySigner;
use fonte_bindings::Client;
use fonte_gateway::GatewayHandle;
use fonte_inference::{
    formats::{AdapterFiles, Limits, read_base},
    model::ContentHash,
};
use fonte_types::{
    EngineClass, ModelId,
    bundle::{self, ReceiptBundle},
};
use fonte_worker::{
    AnswerModel, Config, Worker,
    local::LocalBase,
    replay::{PromptReplay, ReplayConfig, Replayer, passage_in},
};
use futures::StreamExt;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::task::JoinHandle;

use crate::{
    local::{base, small},
    net::{Net, PATIENCE, ROYALTY_PPM, coins, get, post, until},
};

const TEXT: &str = "The ferry across the Tanara leaves the northern bank at six in the morning, with forty bicycles.";

/// A base and adapters on disk, on chain, and in workers.
struct Scene {
    net: Net,
    gateway: Arc<GatewayHandle>,
    key: String,
    files: TempDir,
    /// What the datanet holds, as who checks receipts has it.
    texts: Arc<fonte_corpus::Bundle>,
    base: ModelId,
    base_developer: Address,
    adapters: Vec<Adapter>,
    engines: Vec<LocalBase>,
    workers: Vec<(Address, JoinHandle<()>)>,
}

struct Adapter {
    name: String,
    hash: B256,
    model: ModelId,
    developer: Address,
}

/// A folder that is looked into on orders alone.
const NEVER: Duration = Duration::from_secs(9999);

impl Scene {
    async fn start(adapters: usize, workers: usize) -> Self {
        Self::looking(NEVER, adapters, workers).await
    }

    /// With workers that look into their folder of adapters this often.
    async fn looking(look: Duration, adapters: usize, workers: usize) -> Self {
        let net = Net::start().await;
        let gateway = Arc::new(net.gateway().await);
        let key = net.api_key(&gateway, coins(50), coins(50)).await;
        let draft = net.draft(net.datanet, "ferry", &[TEXT]);
        net.publish(&gateway, &draft).await;
        let files = tempfile::tempdir().unwrap();
        let store = fonte_corpus::Store::open(&files.path().join("texts")).unwrap();
        let texts = store.receive(draft.terms.root, draft.file.as_slice()).unwrap();
        let folder = files.path().join("tiny");
        std::fs::create_dir(&folder).unwrap();
        base::write_base(&folder, 1, true);
        for number in 0..adapters {
            let rank = [2, 4, 8][number % 3];
            base::write_adapter(&files.path().join(format!("adapters/style-{number}")), &folder, number as u64, rank);
        }
        let mut scene = Self {
            base_developer: Address::random(),
            base: ModelId(0),
            adapters: Vec::new(),
            engines: Vec::new(),
            workers: Vec::new(),
            net,
            gateway,
            key,
            files,
            texts,
        };
        for _ in 0..workers {
            scene.open();
        }
        scene.register().await;
        for worker in 0..workers {
            scene.serve(worker, look).await;
        }
        let version = scene.net.version(scene.net.datanet).await;
        tokio::time::timeout(PATIENCE, scene.gateway.adopted_by(workers, &[version])).await.unwrap();
        until("all workers", || async { (scene.listed("tiny").await == Some(workers)).then_some(()) }).await;
        scene
    }

    /// An engine of its own, as a worker on another machine has it.
    fn open(&mut self) {
        let files = self.files.path();
        let engine = LocalBase::open(&files.join("tiny"), Some(&files.join("adapters")), small()).unwrap();
        let found = engine.look(Duration::ZERO).unwrap();
        assert!(found.refused.is_empty(), "{:?}", found.refused);
        let adapter = |entry: fonte_worker::local::AdapterEntry| Adapter {
            name: entry.name,
            hash: B256::from(entry.hash.0),
            model: ModelId(0),
            developer: Address::random(),
        };
        let adapters: Vec<Adapter> = found.added.into_iter().map(adapter).collect();
        if self.adapters.is_empty() {
            self.adapters = adapters;
        } else {
            assert!(adapters.iter().map(|a| a.hash).eq(self.adapters.iter().map(|a| a.hash)), "the files decide");
        }
        self.engines.push(engine);
    }

    async fn register(&mut self) {
        let artifact = self.engines[0].hash();
        self.net.register_weights("tiny", (artifact, B256::ZERO), self.base_developer, None).await;
        self.base = self.net.model_named("tiny").await;
        for adapter in &self.adapters {
            let hashes = (artifact, adapter.hash);
            self.net.register_weights(&adapter.name, hashes, adapter.developer, Some(self.base)).await;
        }
        let known = self.net.client.models().await.unwrap();
        for adapter in &mut self.adapters {
            adapter.model = known.iter().find(|model| model.adapter == adapter.hash).unwrap().id;
        }
    }

    async fn serve(&mut self, number: usize, look: Duration) {
        let engine = self.engines[number].clone();
        let signer = PrivateKeySigner::random();
        self.net.register_worker(&signer, 8, *b"BR").await;
        let folder = self.net.folder.path().join(format!("worker-{number}"));
        let mut config = Config::new(folder, *self.net.client.network(), signer.clone(), BTreeMap::new());
        (config.commons, config.slots, config.engine, config.look) = (None, 8, Some(engine), look);
        let ledger = Client::connect(&self.net.chain.rpc_url(), None).await.unwrap();
        let worker = Worker::open(config, Arc::new(ledger)).unwrap();
        let (ours, theirs) = tokio::io::duplex(1 << 20);
        self.gateway.attach_worker(theirs);
        let task = tokio::spawn(async move {
            let _ = worker.serve(ours).await;
        });
        self.workers.push((signer.address(), task));
    }

    async fn ask(&self, model: &str, seed: u64) -> (u16, Value) {
        let body = json!({"model": model, "max_tokens": 12, "seed": seed,
                          "messages": [{"role": "user", "content": format!("When does ferry {seed} leave?")}]});
        post(&self.gateway, "/v1/chat/completions", Some(&self.key), body).await
    }

    /// The content hash of an adapter among the files, as its developer learns it.
    fn late_hash(&self, path: &str) -> ContentHash {
        let base = read_base(&self.files.path().join("tiny"), None, &Limits::default()).unwrap();
        let folder = self.files.path().join(path);
        AdapterFiles::open(&folder, &base.config, base.hash, &Limits::default()).unwrap().hash().unwrap()
    }

    fn receipt(&self, answer: &Value) -> ReceiptBundle {
        let id = serde_json::from_value(answer["fonte"]["receipt"].clone()).unwrap();
        self.gateway.receipt(id).unwrap().unwrap()
    }

    async fn residency(&self) -> Value {
        let (status, residency) = get(&self.gateway, "/fonte/v1/residency", None).await;
        assert_eq!(status, 200, "{residency}");
        residency
    }

    /// How many workers serve a model, as the list of models says; none: it is not listed.
    async fn listed(&self, name: &str) -> Option<usize> {
        let (_, list) = get(&self.gateway, "/v1/models", None).await;
        let model = list["data"].as_array().unwrap().iter().find(|model| model["id"] == name)?.clone();
        Some(model["fonte"]["workers"].as_u64().unwrap() as usize)
    }

    async fn order(&self, what: &str, key: Option<&str>, body: Value) -> (u16, Value) {
        post(&self.gateway, &format!("/v1/{what}_lora_adapter"), key, body).await
    }

    async fn end(self) {
        for (_, task) in self.workers {
            task.abort();
            let _ = task.await;
        }
        Arc::into_inner(self.gateway).expect("nobody else").shutdown().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_adapters_are_served_by_two_workers_and_everybody_is_paid() {
    const ADAPTERS: usize = 100;
    let scene = Scene::start(ADAPTERS, 2).await;
    let mut asked = vec![("tiny".to_owned(), None)];
    asked.extend(scene.adapters.iter().map(|adapter| match adapter.model.0 % 3 {
        0 => (adapter.name.clone(), Some(adapter)),
        1 => (format!("tiny:{}", adapter.name), Some(adapter)),
        _ => (adapter.hash.to_string(), Some(adapter)),
    }));
    let answers: Vec<_> = futures::stream::iter((0_u64..).zip(&asked))
        .map(|(seed, (name, adapter))| {
            let scene = &scene;
            async move { (seed, name, *adapter, scene.ask(name, seed).await) }
        })
        .buffer_unordered(12)
        .collect()
        .await;
    assert_eq!(answers.len(), ADAPTERS + 1);
    let config = ReplayConfig { threads: 1, memory: 64 << 20, ..ReplayConfig::default() };
    let files = scene.files.path();
    let replayer = Replayer::open(&files.join("tiny"), &[files.join("adapters")], config).unwrap();
    let (mut fees, mut workers, mut texts) = (0, BTreeSet::new(), BTreeSet::new());
    let mut fee_of: BTreeMap<Address, u128> = BTreeMap::new();
    for (seed, name, adapter, (status, answer)) in &answers {
        assert_eq!(*status, 200, "{name}: {answer}");
        assert_eq!((&answer["fonte"]["class"], &answer["model"]), (&json!("exact"), &json!(name)));
        let evidence = scene.receipt(answer);
        let verification = bundle::verify(&evidence);
        assert!(verification.ok, "{name}: {verification:?}");
        let receipt = &evidence.receipt;
        // The receipt names the adapter and the base that it is one of.
        let (model, hash) = adapter.map_or((scene.base, B256::ZERO), |adapter| (adapter.model, adapter.hash));
        assert_eq!((receipt.model, receipt.adapter_hash), (model, hash), "{name}");
        assert_eq!((receipt.model_hash, receipt.engine_class), (scene.engines[0].hash(), EngineClass::Exact));
        assert_eq!(receipt.seed, *seed);
        // Whoever has the files and the texts computes it again, token for token.
        let replayed = replayer.replay(&evidence, &|at| passage_in(&scene.texts, at)).unwrap();
        assert!(replayed.holds() && replayed.prompt == PromptReplay::Same, "{name}: {replayed:?}");
        fees += receipt.fee;
        workers.insert(receipt.worker);
        texts.insert(evidence.answer.text.clone());
        *fee_of.entry(adapter.map_or(scene.base_developer, |adapter| adapter.developer)).or_default() += receipt.fee;
    }
    assert_eq!(workers, scene.workers.iter().map(|(worker, _)| *worker).collect(), "both worked");
    assert!(texts.len() > ADAPTERS / 2, "adapters change what is said: {} texts", texts.len());
    // Whoever has the same files gets the same again.
    let (seed, name, _, (_, answer)) = &answers[ADAPTERS / 2];
    let again = scene.ask(name, *seed).await.1;
    assert_eq!(again["choices"][0]["message"], answer["choices"][0]["message"]);
    let extra = scene.receipt(&again).receipt;
    let developer = scene.adapters.iter().find(|adapter| adapter.model == extra.model);
    *fee_of.get_mut(&developer.map_or(scene.base_developer, |adapter| adapter.developer)).unwrap() += extra.fee;
    fees += extra.fee;

    let balance = async |address: Address| scene.net.client.balance(address).await.unwrap();
    let mut before = Vec::new();
    for (worker, _) in &scene.workers {
        before.push(balance(*worker).await);
    }
    let settled = scene.gateway.flush_settlement().await.unwrap();
    assert_eq!(settled.iter().map(|batch| batch.rows).sum::<usize>(), ADAPTERS + 2);
    scene.gateway.push_all().await.unwrap();
    // A tenth of each fee is the developers': of an adapter's, half of it is its base's. Rounded down, row by row.
    let about = |wei: u128, exact: u128, rows: u128| assert!(wei <= exact && exact - wei <= rows, "{wei} of {exact}");
    let mut royalties = 0;
    for adapter in &scene.adapters {
        let fee = fee_of[&adapter.developer];
        about(balance(adapter.developer).await, fee * u128::from(100_000 - ROYALTY_PPM) / 1_000_000, 2);
        royalties += fee * u128::from(ROYALTY_PPM) / 1_000_000;
    }
    let own = fee_of[&scene.base_developer] / 10;
    about(balance(scene.base_developer).await, own + royalties, 2 * ADAPTERS as u128);
    let mut earned = 0;
    for ((worker, _), before) in scene.workers.iter().zip(before) {
        earned += balance(*worker).await - before;
    }
    about(earned, fees / 4, ADAPTERS as u128 + 2);
    scene.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_operator_loads_and_unloads_and_everybody_sees_where_an_adapter_is() {
    let scene = Scene::start(3, 2).await;
    let adapter = &scene.adapters[1];
    let resident = |residency: &Value| -> Vec<bool> {
        let workers = residency["workers"].as_array().unwrap();
        let of_worker = |worker: &Value| {
            let models = worker["models"].as_array().unwrap();
            let model = models.iter().find(|model| model["adapter"] == json!(adapter.hash)).expect("it is served");
            model["resident"] == true && model["bytes"].as_u64().is_some_and(|bytes| bytes > 0)
        };
        workers.iter().map(of_worker).collect()
    };
    let told = async |wanted: bool| {
        until("the workers tell", || async {
            let residency = scene.residency().await;
            let told = residency["workers"].as_array().unwrap().iter().all(|worker| worker["engine"].is_object());
            (told && resident(&residency) == [wanted; 2]).then_some(())
        })
        .await;
    };
    told(false).await;

    // Only for the operator, whatever else a key is good for.
    let body = json!({"lora_name": format!("tiny:{}", adapter.name), "lora_path": adapter.hash});
    for (key, status) in [(None, 401), (Some(scene.key.as_str()), 403)] {
        for what in ["load", "unload"] {
            assert_eq!(scene.order(what, key, body.clone()).await.0, status, "{what}");
        }
    }
    told(false).await;
    let operator = Some(scene.gateway.operator_key());
    let (status, done) = scene.order("load", operator, body.clone()).await;
    assert_eq!((status, &done["adapter"], done["workers"].as_array().unwrap().len()), (200, &json!(adapter.hash), 2));
    told(true).await;
    let (_, metrics) = get(&scene.gateway, "/metrics", None).await;
    let metrics = metrics.as_str().unwrap().to_owned();
    for (worker, _) in &scene.workers {
        let line = format!("fonte_engine_adapters_resident{{worker=\"{worker}\"");
        let line = metrics.lines().find(|metric| metric.starts_with(&line)).unwrap_or_else(|| panic!("{metrics}"));
        assert!(line.ends_with(" 1"), "{line}");
    }
    assert_eq!(scene.ask(&adapter.name, 3).await.0, 200);
    let (status, done) = scene.order("unload", operator, json!({"lora_name": adapter.hash})).await;
    assert_eq!((status, done["failed"].as_array().unwrap().len()), (200, 0), "{done}");
    told(false).await;
    // It is served all the same, and loaded again by who asks for it.
    assert_eq!(scene.ask(&adapter.name, 4).await.0, 200);

    let other = json!({"lora_name": scene.adapters[0].name, "lora_path": adapter.hash});
    for (body, status, word) in [
        (other, 400, "by its content hash"),
        (json!({"lora_name": "tiny"}), 400, "is no adapter"),
        (json!({"lora_name": "tiny:none"}), 404, "no model"),
        (json!({"lora_name": "ab".repeat(32)}), 404, "no model"),
        (json!({"lora_path": adapter.hash}), 400, "lora_name"),
    ] {
        let (got, error) = scene.order("load", operator, body.clone()).await;
        assert_eq!(got, status, "{body}: {error}");
        assert!(error["error"]["message"].as_str().unwrap().contains(word), "{body}: {error}");
    }
    // Files that changed since they were registered are not what the receipt would name: nobody is answered with them, and
    // once the change is seen, nobody is told that they are served.
    let name = &scene.adapters[2].name;
    let folder = scene.files.path().join("adapters").join(name);
    base::write_adapter(&folder, &scene.files.path().join("tiny"), 99, 2);
    let (status, error) = scene.ask(name, 5).await;
    assert!(status == 502 && error["error"]["message"].as_str().unwrap().contains("have changed"), "{error}");
    let (status, error) = scene.order("load", operator, json!({"lora_name": name})).await;
    assert_eq!((status, &error["error"]["code"]), (503, &json!("no_worker")), "{error}");
    assert!(error["error"]["message"].as_str().unwrap().contains(name), "{error}");
    until("it is taken off", || async { (scene.listed(name).await == Some(0)).then_some(()) }).await;
    // What has come since, and has a record, is found by the order.
    let late = scene.files.path().join("adapters/late");
    base::write_adapter(&late, &scene.files.path().join("tiny"), 98, 2);
    let hash = B256::from(scene.late_hash("adapters/late").0);
    let hashes = (scene.engines[0].hash(), hash);
    scene.net.register_weights("late", hashes, Address::random(), Some(scene.base)).await;
    assert_eq!((scene.ask("late", 5).await.0, scene.listed("late").await), (503, Some(0)));
    let (status, done) = scene.order("load", operator, json!({"lora_name": "tiny:late"})).await;
    assert_eq!((status, done["workers"].as_array().map(Vec::len)), (200, Some(2)), "{done}");
    until("it is offered", || async { (scene.listed("late").await == Some(2)).then_some(()) }).await;
    assert_eq!(scene.ask("late", 5).await.0, 200);

    // Names, hashes and their beginnings; what could be two things names both.
    let (_, list) = get(&scene.gateway, "/v1/models", None).await;
    let listed = list["data"].as_array().unwrap().iter().find(|model| model["id"] == adapter.name.as_str()).unwrap();
    assert_eq!((&listed["parent"], &listed["fonte"]["adapter"]), (&json!("tiny"), &json!(adapter.hash)));
    let short = adapter.hash.to_string()[..18].to_owned();
    for name in [short, format!("tiny:{}:coffee", adapter.name), format!("{}:coffee", adapter.name)] {
        let (status, answer) = scene.ask(&name, 6).await;
        assert_eq!(status, 200, "{answer}");
        assert_eq!(scene.receipt(&answer).receipt.adapter_hash, adapter.hash);
    }
    scene.net.create_datanet(&adapter.name, crate::net::policy(|_| ())).await;
    let (status, error) = scene.ask(&format!("tiny:{}", adapter.name), 7).await;
    assert_eq!((status, &error["error"]["code"]), (400, &json!("ambiguous_model")), "{error}");
    scene.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn adapters_come_and_go_while_gateway_and_worker_run() {
    let scene = Scene::looking(Duration::from_millis(50), 1, 1).await;
    let files = scene.files.path();
    let (tiny, late) = (files.join("tiny"), files.join("adapters/late"));
    // Whoever checks receipts has the files elsewhere.
    base::write_adapter(&files.join("kept/late"), &tiny, 77, 4);
    let hash = B256::from(scene.late_hash("kept/late").0);
    assert_eq!((scene.ask("late", 1).await.0, scene.listed("late").await), (404, None));
    let hashes = (scene.engines[0].hash(), hash);
    scene.net.register_weights("late", hashes, Address::random(), Some(scene.base)).await;
    let (status, error) = scene.ask("tiny:late", 1).await;
    assert!(status == 503 && error["error"]["message"].as_str().unwrap().contains("no worker serves late"), "{error}");
    assert_eq!(scene.listed("late").await, Some(0), "it is on record");

    base::write_adapter(&late, &tiny, 77, 4);
    until("it is served", || async { (scene.listed("late").await == Some(1)).then_some(()) }).await;
    let config = ReplayConfig { threads: 1, memory: 64 << 20, ..ReplayConfig::default() };
    let replayer = Replayer::open(&tiny, &[files.join("kept")], config).unwrap();
    let holds = |answer: &Value| {
        let evidence = scene.receipt(answer);
        assert!(bundle::verify(&evidence).ok);
        assert_eq!((evidence.receipt.adapter_hash, evidence.receipt.engine_class), (hash, EngineClass::Exact));
        let replayed = replayer.replay(&evidence, &|at| passage_in(&scene.texts, at)).unwrap();
        assert!(replayed.holds() && replayed.prompt == PromptReplay::Same, "{replayed:?}");
    };
    let (status, answer) = scene.ask("tiny:late", 1).await;
    assert_eq!(status, 200, "{answer}");
    holds(&answer);

    // It goes while answers are under way: they end, and their receipts hold.
    let asking: Vec<_> = (2..8).map(|seed| scene.ask("late", seed)).collect();
    let going = async {
        std::fs::remove_dir_all(&late).unwrap();
        until("it is taken off", || async { (scene.listed("late").await == Some(0)).then_some(()) }).await;
    };
    let (answers, ()) = tokio::join!(futures::future::join_all(asking), going);
    for (status, answer) in answers {
        match status {
            200 => holds(&answer),
            // It came after the adapter had gone.
            status => assert!(status == 503 || status == 502, "{status} {answer}"),
        }
    }
    let (status, error) = scene.ask("tiny:late", 9).await;
    assert!(status == 503 && error["error"]["message"].as_str().unwrap().contains("no worker serves late"), "{error}");
    let operator = Some(scene.gateway.operator_key());
    let (status, error) = scene.order("load", operator, json!({"lora_name": "late"})).await;
    assert!(status == 503 && error["error"]["message"].as_str().unwrap().contains("adapter late"), "{error}");
    // The other one was there all the time.
    assert_eq!(scene.ask(&scene.adapters[0].name, 1).await.0, 200);
    scene.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_answers_worse_than_it_declared_is_not_paid() {
    let mut scene = Scene::start(1, 1).await;
    /// Says of itself what its engine is not.
    struct Weaker(fonte_worker::local::LocalModel);
    impl AnswerModel for Weaker {
        fn engine_class(&self) -> EngineClass {
            EngineClass::Tolerance
        }
        fn generates(&self) -> bool {
            true
        }
        fn answer(
            &self,
            question: fonte_worker::Question<'_>,
            passages: &dyn fonte_worker::Passages,
            emit: &mut fonte_worker::Emit<'_>,
        ) -> Result<fonte_worker::Written, fonte_worker::ModelError> {
            let written = self.0.answer(question, passages, emit)?;
            Ok(fonte_worker::Written { generation: None, ..written })
        }
    }
    let (_, honest) = scene.workers.pop().unwrap();
    honest.abort();
    let _ = honest.await;
    until("it is gone", || async { (scene.gateway.workers() == 0).then_some(()) }).await;
    let signer = PrivateKeySigner::random();
    scene.net.register_worker(&signer, 8, *b"BR").await;
    let model: Arc<dyn AnswerModel> = Arc::new(Weaker(scene.engines[0].base()));
    let mut config = Config::new(
        scene.net.folder.path().join("weaker"),
        *scene.net.client.network(),
        signer.clone(),
        [(scene.base, model)].into(),
    );
    config.commons = None;
    let ledger = Client::connect(&scene.net.chain.rpc_url(), None).await.unwrap();
    let worker = Worker::open(config, Arc::new(ledger)).unwrap();
    let (ours, theirs) = tokio::io::duplex(1 << 20);
    scene.gateway.attach_worker(theirs);
    let task = tokio::spawn(async move {
        let _ = worker.serve(ours).await;
    });
    scene.workers.push((signer.address(), task));
    let version = scene.net.version(scene.net.datanet).await;
    tokio::time::timeout(PATIENCE, scene.gateway.adopted(&[version])).await.unwrap();
    let (status, error) = scene.ask("tiny", 1).await;
    assert_eq!((status, &error["error"]["code"]), (502, &json!("answer_refused")), "{error}");
    assert!(error["error"]["message"].as_str().unwrap().contains("engine_class"), "{error}");
    assert_eq!(scene.gateway.flush_settlement().await.unwrap(), []);
    scene.end().await;
}
