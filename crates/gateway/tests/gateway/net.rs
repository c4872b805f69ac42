//! A network of its own for every test: chain, contracts, a datanet, a model, a payer.

use std::time::Duration;

use alloy_primitives::{Address, B256, Bytes, U256};
use alloy_provider::Provider;
use alloy_rpc_types_eth::TransactionRequest;
use alloy_signer_local::PrivateKeySigner;
use fonte_bindings::{
    Addresses, Client,
    client::{Policy, ReviewRule},
    contracts::{models::IModels, workers::IWorkers},
    convert,
    genesis::{Parameters, commons_calls, predeploys},
};
use fonte_chain::{Chain, ChainConfig, ChainHandle, FinalizedBlocks, Genesis};
use fonte_corpus::{Document, Store};
use fonte_evm::{GenesisAccount, GenesisCall, Predeploy};
use fonte_gateway::{Gateway, GatewayConfig, GatewayHandle};
use fonte_types::{
    ContributionId, DatanetId, DatanetVersion, EngineClass, ModelId, Version,
    metadata::Metadata,
    receipt::{self, ContributionTerms},
};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::anvil::{self, Anvil};

/// Long enough for a busy machine; every wait is on a condition.
pub const PATIENCE: Duration = Duration::from_secs(120);

pub const PRICE_IN: u128 = 1_000_000_000_000_000;
pub const PRICE_OUT: u128 = 4_000_000_000_000_000;

/// What an adapter grants its base, in ppm of the fee.
pub const ROYALTY_PPM: u64 = 50_000;

/// The chain under a network.
pub enum Ground {
    Own(Box<ChainHandle>),
    Anvil(Anvil),
}

impl Ground {
    pub fn rpc_url(&self) -> String {
        match self {
            Self::Own(chain) => chain.rpc_url(),
            Self::Anvil(anvil) => anvil.url.clone(),
        }
    }

    pub fn subscribe(&self) -> FinalizedBlocks {
        match self {
            Self::Own(chain) => chain.subscribe(),
            Self::Anvil(_) => panic!("an anvil is asked over JSON-RPC only"),
        }
    }
}

pub struct Net {
    pub chain: Ground,
    pub folder: TempDir,
    pub client: Client,
    pub payer: PrivateKeySigner,
    pub gateway_key: PrivateKeySigner,
    pub datanet: DatanetId,
    pub model: ModelId,
    pub parameters: Parameters,
}

/// A contributor's text on its way to the chain.
pub struct Draft {
    pub key: PrivateKeySigner,
    pub terms: ContributionTerms,
    pub file: Vec<u8>,
    pub texts: Vec<String>,
}

pub fn coins(n: u64) -> u128 {
    u128::from(n) * 1_000_000_000_000_000_000
}

/// A model's terms: 5 % to the protocol, 25 % to the worker, 10 % to the developer, 60 % for the data.
pub fn terms(developer: Address, price_in: u128, price_out: u128) -> IModels::Terms {
    IModels::Terms {
        priceIn: price_in,
        priceOut: price_out,
        splits: IModels::Splits {
            protocolPpm: 50_000,
            workerPpm: 250_000,
            developerPpm: 100_000,
            dataPpm: 600_000,
            developer,
        },
        datanets: Vec::new(),
        maxStaleness: 8,
        spanPpm: 1_000_000,
        contextPpm: 0,
        influencePpm: 0,
        minRoyaltyPpm: 0,
        parents: Vec::new(),
        acceptableUse: B256::ZERO,
        acceptableUseUri: String::new(),
    }
}

pub fn policy(change: impl FnOnce(&mut Policy)) -> Policy {
    let mut policy = Policy::permissive("CC-BY-4.0", ReviewRule::Curator);
    change(&mut policy);
    policy
}

impl Net {
    pub async fn start() -> Self {
        Self::start_with_window(2).await
    }

    /// With a challenge window of so many blocks.
    pub async fn start_with_window(window_blocks: u64) -> Self {
        Self::start_with(|parameters| parameters.window_blocks = window_blocks, |_, _| ()).await
    }

    /// With parameters, and with a genesis, that differ; the latter may name the gateway.
    pub async fn start_with(change: impl FnOnce(&mut Parameters), begin: impl FnOnce(&mut Genesis, Address)) -> Self {
        Self::start_on(|_| (), change, begin).await
    }

    /// The same on a node that is set up differently.
    pub async fn start_on(
        set: impl FnOnce(&mut ChainConfig),
        change: impl FnOnce(&mut Parameters),
        begin: impl FnOnce(&mut Genesis, Address),
    ) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let admin = PrivateKeySigner::random();
        let (payer, gateway_key) = (PrivateKeySigner::random(), PrivateKeySigner::random());
        let chain_id = u64::from_be_bytes(B256::random()[..8].try_into().unwrap()) >> 16;
        let mut parameters = Parameters { window_blocks: 2, ..Parameters::development(chain_id) };
        change(&mut parameters);
        let account = |key: &PrivateKeySigner| GenesisAccount {
            address: key.address(),
            balance: U256::from(coins(1_000)),
            ..GenesisAccount::default()
        };
        let mut genesis = Genesis {
            chain_id,
            timestamp: 1_700_000_000,
            gas_limit: 60_000_000,
            base_fee: 1_000_000_000,
            alloc: vec![account(&admin), account(&payer), account(&gateway_key)],
            predeploys: predeploys(&parameters)
                .into_iter()
                .map(|p| Predeploy { name: p.name.into(), address: p.address, init_code: p.init_code, value: p.value })
                .collect(),
            calls: commons_calls(&[])
                .into_iter()
                .map(|call| GenesisCall { from: call.from, to: call.to, data: call.data })
                .collect(),
        };
        begin(&mut genesis, gateway_key.address());
        let mut config = ChainConfig {
            heartbeat: Duration::from_millis(500),
            ..ChainConfig::development(folder.path().join("chain"), genesis)
        };
        set(&mut config);
        let chain = Ground::Own(Box::new(Chain::start(config).await.unwrap()));
        Self::on(chain, Addresses::predeployed(), parameters, admin, payer, gateway_key, folder).await
    }

    /// The same on an unmodified anvil, which makes a block for every transaction.
    pub async fn start_on_anvil(window_blocks: u64) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let anvil = Anvil::start();
        let admin = anvil::deployer();
        let parameters = Parameters { window_blocks, ..Parameters::development(anvil::CHAIN_ID) };
        let addresses = anvil::deploy(&anvil.url, &admin, &parameters).await;
        let client = Client::connect_with(&anvil.url, Some(admin.clone()), addresses).await.unwrap();
        let (payer, gateway_key) = (PrivateKeySigner::random(), PrivateKeySigner::random());
        for key in [&payer, &gateway_key] {
            let fund = TransactionRequest::default().to(key.address()).value(U256::from(coins(1_000)));
            client.submit("coins", fund).await.unwrap();
        }
        Self::on(Ground::Anvil(anvil), addresses, parameters, admin, payer, gateway_key, folder).await
    }

    async fn on(
        chain: Ground,
        addresses: Addresses,
        parameters: Parameters,
        admin: PrivateKeySigner,
        payer: PrivateKeySigner,
        gateway_key: PrivateKeySigner,
        folder: TempDir,
    ) -> Self {
        let client = Client::connect_with(&chain.rpc_url(), Some(admin), addresses).await.unwrap();
        let mut net =
            Self { chain, folder, client, payer, gateway_key, datanet: DatanetId(0), model: ModelId(0), parameters };
        net.datanet = net.create_datanet("coffee", policy(|_| ())).await;
        net.model = net.register_model("fonte-quote", B256::ZERO).await;
        net
    }

    /// A client that sends as the holder of a key.
    pub async fn client_of(&self, key: PrivateKeySigner) -> Client {
        Client::connect_with(&self.chain.rpc_url(), Some(key), *self.client.addresses()).await.unwrap()
    }

    pub async fn create_datanet(&self, name: &str, policy: Policy) -> DatanetId {
        let call = self.client.datanets_contract().create(name.into(), convert::policy(&policy)).with_cloned_provider();
        self.client.send("create", call).await.unwrap();
        self.client.datanets().await.unwrap().into_iter().find(|d| d.name == name).unwrap().id
    }

    /// Registers a model: one that quotes, or a base where there is an artifact.
    pub async fn register_model(&self, name: &str, artifact: B256) -> ModelId {
        self.register_weights(name, (artifact, B256::ZERO), Address::repeat_byte(0xde), None).await;
        self.model_named(name).await
    }

    /// A model as it is registered, with a developer of its own; an adapter (an adapter hash that is not zero) on a base,
    /// which gets a royalty of 50,000 ppm.
    pub async fn register_weights(&self, name: &str, hashes: (B256, B256), developer: Address, base: Option<ModelId>) {
        let (artifact, adapter) = hashes;
        let kind = match base {
            Some(_) => 2,
            None => u8::from(!artifact.is_zero()),
        };
        let mut terms = terms(developer, PRICE_IN, PRICE_OUT);
        terms.parents.extend(base.map(|base| u64::from(base.0) << 32 | ROYALTY_PPM));
        let base = base.map_or(0, |base| base.0);
        let input =
            IModels::ModelInput { name: name.into(), kind, artifact, adapter, terms, base, trained: Vec::new() };
        let call = self.client.models_contract().register(input).with_cloned_provider();
        self.client.send("register", call).await.unwrap();
    }

    /// A base of its own that was trained on versions of datanets.
    pub async fn register_trained(&self, name: &str, artifact: B256, on: &[DatanetVersion]) -> ModelId {
        let input = IModels::ModelInput {
            name: name.into(),
            kind: 1,
            artifact,
            adapter: B256::ZERO,
            terms: terms(Address::repeat_byte(0xde), PRICE_IN, PRICE_OUT),
            base: 0,
            trained: on.iter().map(|on| u64::from(on.datanet.0) << 32 | u64::from(on.version.0)).collect(),
        };
        let call = self.client.models_contract().register(input).with_cloned_provider();
        self.client.send("register", call).await.unwrap();
        self.model_named(name).await
    }

    /// The model that was registered first under a name.
    pub async fn model_named(&self, name: &str) -> ModelId {
        self.client.models().await.unwrap().into_iter().find(|model| model.name == name).unwrap().id
    }

    /// Registers a worker of exact answers with stake for its slots, and hands back a client that sends as the worker.
    pub async fn register_worker(&self, key: &PrivateKeySigner, slots: u32, jurisdiction: [u8; 2]) -> Client {
        self.register_worker_of(EngineClass::Exact, key, slots, jurisdiction).await
    }

    /// The same for a class of answers.
    pub async fn register_worker_of(
        &self,
        class: EngineClass,
        key: &PrivateKeySigner,
        slots: u32,
        jurisdiction: [u8; 2],
    ) -> Client {
        let fund = TransactionRequest::default().to(key.address()).value(U256::from(coins(10)));
        let sent = self.client.provider().send_transaction(fund).await.unwrap();
        assert!(sent.get_receipt().await.unwrap().status());
        let worker = self.client_of(key.clone()).await;
        let contract = worker.workers_contract();
        let stake = contract.stakePerSlot().call().await.unwrap() * u128::from(slots);
        let info = IWorkers::Info {
            slots,
            engine: class as u8,
            accelerator: 0,
            memoryMib: 1024,
            acceleratorMib: 0,
            jurisdiction: jurisdiction.into(),
            networkKey: B256::ZERO,
            hardware: "a test".into(),
            endpoint: String::new(),
        };
        let call = contract.register(info).value(U256::from(stake)).with_cloned_provider();
        worker.send("the worker's registration", call).await.unwrap();
        worker
    }

    /// Makes blocks until the chain has gone this many further.
    pub async fn advance(&self, blocks: u64) {
        let until = self.client.block_number().await.unwrap() + blocks;
        while self.client.block_number().await.unwrap() < until {
            let nothing = TransactionRequest::default().to(self.payer.address()).value(U256::ZERO);
            let sent = self.client.provider().send_transaction(nothing).await.unwrap();
            assert!(sent.get_receipt().await.unwrap().status());
        }
    }

    /// The key of somebody with coins.
    pub async fn funded(&self, amount: u64) -> PrivateKeySigner {
        let key = PrivateKeySigner::random();
        let fund = TransactionRequest::default().to(key.address()).value(U256::from(coins(amount)));
        let sent = self.client.provider().send_transaction(fund).await.unwrap();
        assert!(sent.get_receipt().await.unwrap().status());
        key
    }

    /// A client that sends as somebody with coins.
    pub async fn somebody(&self, amount: u64) -> Client {
        self.client_of(self.funded(amount).await).await
    }

    /// A gateway that settles and pays only when told to.
    pub fn config(&self) -> GatewayConfig {
        let mut config =
            GatewayConfig::new(self.chain.rpc_url(), self.gateway_key.clone(), self.folder.path().join("gateway"));
        config.addresses = *self.client.addresses();
        config.settlement.interval = None;
        config.settlement.keeper_interval = None;
        config
    }

    pub async fn gateway(&self) -> GatewayHandle {
        Gateway::start(self.config()).await.unwrap()
    }

    /// Deposits and sets a limit for a new API key.
    pub async fn api_key(&self, gateway: &GatewayHandle, deposit: u128, cap: u128) -> String {
        let made: Value = post(gateway, "/fonte/v1/api-keys", None, json!({"payer": self.payer.address()})).await.1;
        let session: Address = made["session_key"].as_str().unwrap().parse().unwrap();
        assert_eq!(made["gateway"], json!(gateway.gateway()));
        let payer = self.client_of(self.payer.clone()).await;
        let contract = payer.settlement_contract();
        if deposit > 0 {
            let call = contract.depositFor(self.payer.address()).value(U256::from(deposit)).with_cloned_provider();
            payer.send("deposit", call).await.unwrap();
        }
        if cap > 0 {
            let call = contract.setLimit(gateway.gateway(), session, cap).with_cloned_provider();
            payer.send("limit", call).await.unwrap();
        }
        made["api_key"].as_str().unwrap().to_owned()
    }

    /// One contributor's documents, sealed and ready to be committed.
    pub fn draft(&self, datanet: DatanetId, name: &str, texts: &[&str]) -> Draft {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        let mut draft = store.begin(name).unwrap();
        let texts: Vec<String> = texts.iter().map(|text| fonte_corpus::clean(text)).collect();
        for (index, text) in texts.iter().enumerate() {
            let metadata = Metadata {
                title: format!("{name} {index}"),
                url: if index == 0 { format!("https://{name}.example/0") } else { String::new() },
                language: "en".into(),
                ..Metadata::default()
            };
            draft.add(&Document { path: format!("{index}.md"), metadata, text: text.clone() }).unwrap();
        }
        let sealed = store.seal(draft).unwrap();
        let key = PrivateKeySigner::random();
        let terms = ContributionTerms {
            datanet,
            root: sealed.root,
            documents: sealed.documents,
            text_bytes: sealed.text_bytes,
            payee: Address::from(rand::random::<[u8; 20]>()),
            blind: B256::random(),
            deadline: u64::MAX,
        };
        let file = std::fs::read(store.bundle(sealed.root).unwrap().path()).unwrap();
        Draft { key, terms, file, texts }
    }

    pub fn reveal_item(&self, draft: &Draft, id: ContributionId) -> Value {
        let digest = draft.terms.digest(self.client.network());
        json!({
            "id": id,
            "terms": draft.terms,
            "contributor": draft.key.address(),
            "signature": receipt::sign(&draft.key, digest).unwrap(),
        })
    }

    /// Commits, uploads, reveals over the gateway, and lets the curator accept.
    pub async fn publish(&self, gateway: &GatewayHandle, draft: &Draft) -> ContributionId {
        let commitment = draft.terms.commitment(draft.key.address());
        let (status, committed) =
            post(gateway, "/fonte/v1/contributions/commit", None, json!([{"commitment": commitment}])).await;
        assert_eq!(status, 200, "{committed}");
        let id: ContributionId = serde_json::from_value(committed[0]["id"].clone()).unwrap();
        let (status, uploaded) = upload(gateway, id, draft.file.clone()).await;
        assert_eq!(status, 200, "{uploaded}");
        let (status, revealed) =
            post(gateway, "/fonte/v1/contributions/reveal", None, json!([self.reveal_item(draft, id)])).await;
        assert_eq!((status, &revealed[0]["ok"]), (200, &json!(true)), "{revealed}");
        let curated = self
            .client
            .datanets()
            .await
            .unwrap()
            .iter()
            .any(|datanet| datanet.id == draft.terms.datanet && datanet.policy.review == ReviewRule::Curator);
        if revealed[0]["status"] == "pending" && curated {
            let call = self.client.datanets_contract().acceptBatch(vec![id.0]).with_cloned_provider();
            self.client.send("accept", call).await.unwrap();
        }
        id
    }

    /// The contributor takes it back; the gateway relays that.
    pub async fn withdraw(&self, gateway: &GatewayHandle, draft: &Draft, id: ContributionId) {
        let digest = receipt::withdrawal_digest(id, u64::MAX, self.client.network());
        let request = json!({"deadline": u64::MAX, "signature": receipt::sign(&draft.key, digest).unwrap()});
        let (status, withdrawn) = post(gateway, &format!("/fonte/v1/contributions/{id}/withdraw"), None, request).await;
        assert_eq!((status, &withdrawn["status"]), (200, &json!("withdrawn")), "{withdrawn}");
    }

    pub async fn version(&self, datanet: DatanetId) -> DatanetVersion {
        let version = self.client.datanets_contract().version(datanet.0).call().await.unwrap();
        DatanetVersion { datanet, version: Version(version) }
    }

    /// Blocks go by until a batch's window is over.
    pub async fn window_over(&self, batch: u64) {
        let contract = self.client.settlement_contract();
        until("the end of a window", || async { contract.windowOver(batch).call().await.unwrap().then_some(()) }).await;
    }
}

pub async fn post(gateway: &GatewayHandle, path: &str, key: Option<&str>, body: Value) -> (u16, Value) {
    let mut request = reqwest::Client::new().post(format!("{}{path}", gateway.url())).json(&body);
    if let Some(key) = key {
        request = request.bearer_auth(key);
    }
    let response = tokio::time::timeout(PATIENCE, request.send()).await.unwrap().unwrap();
    let status = response.status().as_u16();
    assert!(response.headers().contains_key("x-request-id"));
    (status, response.json().await.unwrap())
}

pub async fn get(gateway: &GatewayHandle, path: &str, key: Option<&str>) -> (u16, Value) {
    let mut request = reqwest::Client::new().get(format!("{}{path}", gateway.url()));
    if let Some(key) = key {
        request = request.bearer_auth(key);
    }
    let response = request.send().await.unwrap();
    let status = response.status().as_u16();
    let body = response.bytes().await.unwrap();
    (status, serde_json::from_slice(&body).unwrap_or_else(|_| json!(String::from_utf8_lossy(&body))))
}

pub async fn upload(gateway: &GatewayHandle, id: ContributionId, bytes: impl Into<Bytes>) -> (u16, Value) {
    let url = format!("{}/fonte/v1/contributions/{id}/bundle", gateway.url());
    let bytes: Bytes = bytes.into();
    let response = reqwest::Client::new().put(url).body(bytes.to_vec()).send().await.unwrap();
    (response.status().as_u16(), response.json().await.unwrap())
}

pub fn ask(question: &str) -> Value {
    json!({
        "model": "fonte-quote",
        "messages": [{"role": "user", "content": question}],
        "max_tokens": 200,
    })
}

/// Polls until there is an answer.
pub async fn until<T, F: Future<Output = Option<T>>>(what: &str, mut poll: impl FnMut() -> F) -> T {
    let waiting = async {
        loop {
            if let Some(answer) = poll().await {
                return answer;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, waiting).await.unwrap_or_else(|_| panic!("{what}: waited in vain"))
}
