//! Fonte's own engine: a base and adapters behind `fonte up` and `fonte worker`, registered by the hashes of their files, asked,
//! and named in the receipts; and `fonte engine`, without a chain.

#[path = "../../worker/tests/common/base.rs"]
mod base;
mod common;
#[path = "../../worker/tests/common/mod.rs"]
mod world;

use std::{
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};

use alloy_primitives::B256;
use common::{Up, json};
use fonte_types::EngineClass;
use fonte_worker::{
    AnswerModel, Emit, ModelError, Passages, Question, Worker, Written,
    local::{LocalBase, LocalConfig, LocalModel},
    replay::{AnswerReplay, Difference, PassageFault, ReplayConfig, Replayer, Token},
};
use serde_json::{Value, json};
use world::{Gateway, MODEL, World, document};

const QUESTION: &str = "How many candles has the lamp of Cabo Branco had since 1921?";

/// A running command, killed when dropped.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Running {
    /// Starts it, and reads the object that it prints.
    fn start(command: &mut Command) -> (Self, Value) {
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let running = Self(child);
        (running, serde_json::from_str(&line).unwrap_or_else(|_| panic!("it printed {line:?}")))
    }
}

/// Asks a model until it answers: a fresh publication is adopted within moments.
fn ask(up: &Up, home: &Path, model: &str) -> Value {
    let deadline = Instant::now() + Duration::from_secs(120);
    loop {
        let output = up.run(home, &["ask", QUESTION, "--model", model, "--json"]);
        if output.status.success() {
            return json(&output);
        }
        assert!(Instant::now() < deadline, "{output:?}");
        std::thread::sleep(Duration::from_millis(200));
    }
}

fn path(folder: &Path) -> &str {
    folder.to_str().unwrap()
}

/// A base with two adapters, and what is none of it.
fn write_models(folder: &Path) {
    std::fs::create_dir(folder.join("tiny")).unwrap();
    base::write_base(&folder.join("tiny"), 1, true);
    for (name, seed, rank) in [("formal", 1, 4), ("brief", 2, 2)] {
        base::write_adapter(&folder.join("adapters").join(name), &folder.join("tiny"), seed, rank);
    }
    std::fs::write(folder.join("adapters/README.md"), "Two adapters.").unwrap();
    let other = folder.join("adapters/other");
    base::write_adapter(&other, &folder.join("tiny"), 3, 2);
    let config = json!({"peft_type": "LORA", "r": 3, "lora_alpha": 4, "target_modules": ["q_proj"]});
    std::fs::write(other.join("adapter_config.json"), config.to_string()).unwrap();
}

#[test]
fn a_base_answers_beside_the_quote_model_and_receipts_name_its_files() {
    let (server, home, models) =
        (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (home, folder) = (home.path(), models.path().join("tiny"));
    std::fs::create_dir(&folder).unwrap();

    // Nothing to serve: it says what is missing where.
    let missing = common::fonte(server.path())
        .args(["up", "--listen", "127.0.0.1:0", "--rpc-listen", "127.0.0.1:0", "--base", folder.to_str().unwrap()])
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&missing.stderr);
    assert!(!missing.status.success() && told.contains("model.safetensors"), "{told}");

    base::write_base(&folder, 1, true);
    let hash = B256::from(fonte_inference::formats::hash_base(&folder).unwrap().0);
    let path = folder.to_str().unwrap();
    let up = Up::start_as(server.path(), &["--heartbeat", "1", "--base", path], &[]);
    assert_eq!(up.facts["engine_model"], "tiny");
    let docs = tempfile::tempdir().unwrap();
    std::fs::write(docs.path().join("a.txt"), "The lamp of Cabo Branco has had nine hundred candles since 1921.\n")
        .unwrap();
    up.ok(home, &["datanet", "publish", docs.path().to_str().unwrap(), "--datanet", "open", "--key", "dev:author"]);
    let answer = ask(&up, home, "tiny:open");
    assert_eq!((&answer["fonte"]["class"], &answer["model"]), (&json!("exact"), &json!("tiny:open")));
    let receipt = up.ok(home, &["receipt", "show", answer["fonte"]["receipt"].as_str().unwrap()]);
    assert_eq!(receipt["receipt"]["model_hash"], json!(hash));
    replay(&up, home, &receipt, &folder, models.path());
    drop(up);

    // Other files under the name are not served: receipts would name the old ones.
    base::write_base(&folder, 2, true);
    let other = common::fonte(server.path())
        .args(["up", "--listen", "127.0.0.1:0", "--rpc-listen", "127.0.0.1:0", "--base", path])
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&other.stderr);
    assert!(!other.status.success() && told.contains("--base-name"), "{told}");
}

#[test]
fn adapters_have_records_and_receipts_of_their_own_here_and_on_another_worker() {
    let (server, home, models) =
        (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (home, models) = (home.path(), models.path());
    write_models(models);
    let (folder, adapters) = (models.join("tiny"), models.join("adapters"));
    let options = ["--heartbeat", "1", "--challenge-window", "1", "--worker-listen", "127.0.0.1:0"];
    let options = [&options[..], &["--base", path(&folder), "--adapters", path(&adapters), "--threads", "1"]].concat();
    let up = Up::start_as(server.path(), &options, &[]);
    assert_eq!((&up.facts["engine_model"], &up.facts["adapters"]), (&json!("tiny"), &json!(["brief", "formal"])));
    let docs = tempfile::tempdir().unwrap();
    std::fs::write(docs.path().join("a.txt"), "The lamp of Cabo Branco has had nine hundred candles since 1921.\n")
        .unwrap();
    up.ok(home, &["datanet", "publish", path(docs.path()), "--datanet", "open", "--key", "dev:author"]);

    let answer = ask(&up, home, "tiny:formal:open");
    let receipt = up.ok(home, &["receipt", "show", answer["fonte"]["receipt"].as_str().unwrap()]);
    let record = up.ok(home, &["model", "show", "formal"]);
    assert_eq!((&record["kind"], record["ancestors"][0]["ppm"].as_u64()), (&json!("adapter"), Some(50_000)));
    let receipt = &receipt["receipt"];
    assert_eq!((&receipt["model"], &receipt["model_hash"]), (&record["model"], &record["artifact"]));
    assert_eq!((&receipt["adapter_hash"], &receipt["engine_class"]), (&record["adapter"], &json!("exact")));
    assert_eq!(up.ok(home, &["model", "show", "tiny"])["artifact"], record["artifact"]);

    // Another worker with another base of its own and another arithmetic, which registers what it serves.
    let second = tempfile::tempdir().unwrap();
    let large = second.path().join("large");
    std::fs::create_dir(&large).unwrap();
    base::write_base(&large, 7, true);
    base::write_adapter(&second.path().join("adapters/brief"), &large, 5, 2);
    let worker = ["worker", "register", "--slots", "2", "--engine", "exact", "--jurisdiction", "BR"];
    up.ok(home, &[&worker[..], &["--key", "dev:author"]].concat());
    let serve = |register: bool| {
        let mut command = up.command(home);
        command.args(["worker", "--dial", up.facts["workers_at"].as_str().unwrap(), "--base", path(&large)]);
        command.args(["--adapters", path(&second.path().join("adapters")), "--threads", "1"]);
        command.args(["--profile", "int8-exact"]);
        command.args(["--key", "dev:author", "--json"]);
        if register {
            command.arg("--register");
        }
        command
    };
    let unknown = serve(false).output().unwrap();
    let told = String::from_utf8_lossy(&unknown.stderr);
    assert!(!unknown.status.success() && told.contains("brief (0x") && told.contains("--register"), "{told}");
    let hash = B256::from(fonte_inference::formats::hash_base(&large).unwrap().0);
    assert!(told.contains(&format!("on the base {hash})")), "both hashes, to register it by: {told}");
    let (running, serving) = Running::start(&mut serve(true));
    assert_eq!(serving["models"].as_array().unwrap().len(), 3, "{serving}");
    let answer = ask(&up, home, "large:brief:open");
    let receipt = up.ok(home, &["receipt", "show", answer["fonte"]["receipt"].as_str().unwrap()]);
    assert_eq!(receipt["receipt"]["worker"], serving["worker"]);
    // An adapter that comes later is registered and served, and one that goes is served no longer; here and there.
    for (name, adapters, base) in [("large", second.path().join("adapters"), &large), ("tiny", adapters, &folder)] {
        base::write_adapter(&adapters.join("late"), base, 8, 2);
        let model = format!("{name}:late");
        let answer = ask(&up, home, &format!("{model}:open"));
        let receipt = up.ok(home, &["receipt", "show", answer["fonte"]["receipt"].as_str().unwrap()]);
        assert_eq!(receipt["generation"]["adapter"], receipt["receipt"]["adapter_hash"]);
        let profile = if name == "large" { "int8-exact" } else { "f32-exact" };
        assert_eq!(receipt["generation"]["profile"], profile);
        let (base, adapter) = (path(base), adapters.join("late"));
        let id = receipt["id"].as_str().unwrap();
        let same = up.ok(home, &["receipt", "replay", id, "--base", base, "--adapter", path(&adapter)]);
        assert_eq!(same["match"], true, "{same}");
        std::fs::remove_dir_all(&adapter).unwrap();
        let deadline = Instant::now() + Duration::from_secs(120);
        loop {
            let refused = up.run(home, &["ask", QUESTION, "--model", &format!("{model}:open")]);
            let told = String::from_utf8_lossy(&refused.stderr).into_owned();
            if !refused.status.success() && told.contains("no worker serves late") {
                break;
            }
            assert!(Instant::now() < deadline, "{refused:?}");
            std::thread::sleep(Duration::from_millis(200));
        }
    }
    // Two bases have an adapter of that name.
    let ambiguous = up.run(home, &["ask", "What is it?", "--model", "brief:open"]);
    let told = String::from_utf8_lossy(&ambiguous.stderr);
    assert!(!ambiguous.status.success() && told.contains("tiny:brief") && told.contains("large:brief"), "{told}");
    drop(running);
}

/// A server without a chain.
struct Server {
    _running: Running,
    url: String,
    operator: String,
    http: reqwest::Client,
}

impl Server {
    fn start(home: &Path, options: &[&str]) -> Self {
        let mut command = common::fonte(home);
        command.args(["engine", "serve", "--json", "--listen", "127.0.0.1:0", "--threads", "1"]).args(options);
        let (running, facts) = Running::start(&mut command);
        let text = |name: &str| facts[name].as_str().unwrap().to_owned();
        Self { _running: running, url: text("url"), operator: text("operator_key"), http: reqwest::Client::new() }
    }

    async fn post(&self, path: &str, key: Option<&str>, body: &Value) -> (u16, Value) {
        let mut request = self.http.post(format!("{}{path}", self.url)).json(body);
        if let Some(key) = key {
            request = request.bearer_auth(key);
        }
        let response = request.send().await.unwrap();
        (response.status().as_u16(), response.json().await.unwrap())
    }

    async fn get(&self, path: &str) -> String {
        let response = self.http.get(format!("{}{path}", self.url)).send().await.unwrap();
        assert_eq!(response.status(), 200, "{path}");
        response.text().await.unwrap()
    }

    /// A number of the engine's.
    async fn metric(&self, name: &str) -> u64 {
        let metrics = self.get("/metrics").await;
        let line =
            metrics.lines().find(|line| line.starts_with(&format!("{name}{{"))).unwrap_or_else(|| panic!("{metrics}"));
        line.rsplit(' ').next().unwrap().parse().unwrap()
    }
}

fn chat(model: &str) -> Value {
    json!({"model": model, "max_tokens": 20, "seed": 5, "messages": [{"role": "user", "content": "What is it?"}]})
}

#[tokio::test]
async fn an_engine_serves_without_a_chain() {
    let (home, models) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    write_models(models.path());
    let (folder, adapters) = (models.path().join("tiny"), models.path().join("adapters"));
    let server =
        Server::start(home.path(), &["--base", path(&folder), "--adapters", path(&adapters), "--max-answers", "4"]);
    let list: Value = serde_json::from_str(&server.get("/v1/models").await).unwrap();
    let ids: Vec<&str> = list["data"].as_array().unwrap().iter().map(|model| model["id"].as_str().unwrap()).collect();
    assert_eq!(ids, ["tiny", "brief", "formal"], "the one that does not fit is left out");
    let formal = list["data"][2]["fonte"]["adapter"].as_str().unwrap();
    assert_eq!(list["data"][2]["parent"], "tiny");

    // Chats, whole and streamed, by every name; adapters say something else.
    let mut texts = std::collections::BTreeSet::new();
    for name in ["tiny", "formal", "brief"] {
        let (status, answer) = server.post("/v1/chat/completions", None, &chat(name)).await;
        assert_eq!(status, 200, "{answer}");
        let text = answer["choices"][0]["message"]["content"].as_str().unwrap().to_owned();
        assert_eq!(answer["usage"]["completion_tokens"].as_u64().unwrap(), 20, "{answer}");
        assert_eq!((answer.get("fonte"), &answer["choices"][0]["finish_reason"]), (None, &json!("length")));
        texts.insert(text);
    }
    assert_eq!(texts.len(), 3, "{texts:?}");
    let whole = server.post("/v1/chat/completions", None, &chat(formal)).await.1;
    let text = whole["choices"][0]["message"]["content"].as_str().unwrap();
    assert!(texts.contains(text));
    let mut body = chat(&format!("tiny:{}", &formal[..12]));
    (body["stream"], body["stream_options"]) = (json!(true), json!({"include_usage": true}));
    let request = server.http.post(format!("{}/v1/chat/completions", server.url)).json(&body);
    let events = request.send().await.unwrap().text().await.unwrap();
    let events: Vec<&str> = events.lines().filter_map(|line| line.strip_prefix("data: ")).collect();
    assert_eq!(events.last(), Some(&"[DONE]"));
    let chunks: Vec<Value> =
        events[..events.len() - 1].iter().map(|event| serde_json::from_str(event).unwrap()).collect();
    let streamed: String = chunks.iter().filter_map(|chunk| chunk["choices"][0]["delta"]["content"].as_str()).collect();
    // The role, the answer in as many pieces as the machine was slow for, the end, and the usage.
    assert!(streamed == text && chunks.len() >= 4, "{streamed:?}");
    assert_eq!(chunks.last().unwrap()["usage"]["completion_tokens"], 20);
    // Several answers to one request, a stop text, log-probabilities.
    let stop = text.chars().nth(4).unwrap().to_string();
    let mut body = chat("formal");
    (body["n"], body["stop"], body["logprobs"], body["top_logprobs"]) = (json!(2), json!(stop), json!(true), json!(2));
    let (_, several) = server.post("/v1/chat/completions", None, &body).await;
    let first = &several["choices"][0];
    assert_eq!(
        (&first["message"]["content"], &first["finish_reason"]),
        (&json!(text.split(&stop).next().unwrap()), &json!("stop"))
    );
    assert_eq!(several["choices"][1]["index"], 1);
    assert_eq!(first["logprobs"]["content"][0]["top_logprobs"].as_array().unwrap().len(), 2);
    let text_body = json!({"model": "brief", "prompt": "Once", "max_tokens": 8, "logprobs": 1});
    let (status, continued) = server.post("/v1/completions", None, &text_body).await;
    assert_eq!((status, &continued["object"]), (200, &json!("text_completion")), "{continued}");

    // Embeddings: of length 1, the same in company, another with an adapter, and in base64.
    let embed =
        |model: &str, input: Value, format: &str| json!({"model": model, "input": input, "encoding_format": format});
    let inputs = json!(["The ferry leaves at six.", "A bicycle."]);
    let (status, both) = server.post("/v1/embeddings", None, &embed("tiny", inputs, "float")).await;
    assert_eq!(status, 200, "{both}");
    let vector = |data: &Value| -> Vec<f64> {
        data["embedding"].as_array().unwrap().iter().map(|x| x.as_f64().unwrap()).collect()
    };
    let first = vector(&both["data"][0]);
    assert_eq!((first.len(), both["data"].as_array().unwrap().len()), (32, 2));
    assert!((first.iter().map(|x| x * x).sum::<f64>() - 1.0).abs() < 1e-5);
    assert_eq!(both["usage"]["total_tokens"], 34, "bytes are tokens");
    let one = json!("The ferry leaves at six.");
    let alone = server.post("/v1/embeddings", None, &embed("tiny", one.clone(), "float")).await.1;
    assert_eq!(vector(&alone["data"][0]), first);
    assert_ne!(
        vector(&server.post("/v1/embeddings", None, &embed("formal", one.clone(), "float")).await.1["data"][0]),
        first
    );
    let (_, packed) = server.post("/v1/embeddings", None, &embed("tiny", one, "base64")).await;
    assert_eq!(packed["data"][0]["embedding"].as_str().unwrap().len(), (32 * 4_usize).div_ceil(3) * 4);

    // The operator's orders.
    let order = json!({"lora_name": "tiny:formal", "lora_path": formal});
    assert_eq!(server.post("/v1/load_lora_adapter", None, &order).await.0, 401);
    assert_eq!(server.post("/v1/load_lora_adapter", Some("sk-other"), &order).await.0, 403);
    let operator = Some(server.operator.as_str());
    assert_eq!(server.post("/v1/unload_lora_adapter", operator, &order).await.0, 200);
    let resident = async || -> Vec<bool> {
        let residency: Value = serde_json::from_str(&server.get("/fonte/v1/residency").await).unwrap();
        let models = residency["workers"][0]["models"].as_array().unwrap().clone();
        models.iter().map(|model| model["resident"] == true).collect()
    };
    assert_eq!(resident().await, [true, true, false]);
    assert_eq!(server.post("/v1/load_lora_adapter", operator, &order).await.0, 200);
    assert_eq!((resident().await, server.metric("fonte_engine_adapters_resident").await), (vec![true; 3], 2));
    // One that came later is found when it is asked to be loaded.
    base::write_adapter(&adapters.join("late"), &folder, 9, 2);
    assert_eq!(server.post("/v1/chat/completions", None, &chat("late")).await.0, 404);
    let (status, loaded) = server.post("/v1/load_lora_adapter", operator, &json!({"lora_name": "late"})).await;
    assert_eq!((status, &loaded["name"]), (200, &json!("late")), "{loaded}");
    assert_eq!(server.post("/v1/chat/completions", None, &chat("late")).await.0, 200);
    // By itself it is found too, and found to be gone.
    std::fs::remove_dir_all(adapters.join("late")).unwrap();
    base::write_adapter(&adapters.join("later"), &folder, 10, 2);
    for (name, wanted) in [("late", 404), ("later", 200)] {
        let deadline = Instant::now() + Duration::from_secs(120);
        while server.post("/v1/chat/completions", None, &chat(name)).await.0 != wanted {
            assert!(Instant::now() < deadline, "{name} is not looked for");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
    let (status, error) = server.post("/v1/load_lora_adapter", operator, &json!({"lora_name": "late"})).await;
    assert!(status == 404 && error["error"]["message"].as_str().unwrap().contains("\"late\""), "{error}");

    for (path, body, status, param) in [
        ("/v1/chat/completions", chat("huge"), 404, "model"),
        ("/v1/chat/completions", chat("tiny:coffee"), 404, "model"),
        ("/v1/embeddings", json!({"model": "tiny", "input": [1, 2]}), 400, "input"),
        ("/v1/embeddings", json!({"model": "tiny", "input": "x", "dimensions": 8}), 400, "dimensions"),
        ("/v1/embeddings", json!({"model": "tiny", "input": "x".repeat(5000)}), 400, "input"),
        (
            "/v1/completions",
            json!({"model": "tiny", "prompt": "x", "fonte": {"datanets": ["a"]}}),
            400,
            "fonte.datanets",
        ),
    ] {
        let (got, error) = server.post(path, None, &body).await;
        assert_eq!((got, &error["error"]["param"]), (status, &json!(param)), "{error}");
    }
    assert_eq!(server.get("/readyz").await, "ok\n");
}

#[tokio::test]
async fn callers_behind_a_proxy_share_no_prefix() {
    let (home, models) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    write_models(models.path());
    let server = Server::start(home.path(), &["--base", path(&models.path().join("tiny")), "--trust-forwarded"]);
    let mut cached = vec![server.metric("fonte_engine_cached_tokens_total").await];
    for caller in ["192.0.2.7", "192.0.2.7", "192.0.2.8", "192.0.2.8"] {
        let request = server.http.post(format!("{}/v1/chat/completions", server.url)).json(&chat("tiny"));
        assert_eq!(request.header("X-Forwarded-For", caller).send().await.unwrap().status(), 200);
        cached.push(server.metric("fonte_engine_cached_tokens_total").await);
    }
    let grown: Vec<bool> = cached.windows(2).map(|pair| pair[1] > pair[0]).collect();
    assert_eq!(grown, [false, true, false, true], "{cached:?}");
}

/// What is streamed to a request, but for the mark of the end.
async fn streamed(server: &Server, path: &str, body: &Value) -> Vec<Value> {
    let request = server.http.post(format!("{}{path}", server.url)).json(body);
    let events = request.send().await.unwrap().text().await.unwrap();
    events.lines().filter_map(|line| serde_json::from_str(line.strip_prefix("data: ")?).ok()).collect()
}

#[tokio::test]
async fn options_do_what_they_say_and_a_stream_says_what_the_whole_answer_does() {
    let (home, models) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    write_models(models.path());
    let server = Server::start(home.path(), &["--base", path(&models.path().join("tiny")), "--running", "2"]);
    let text = |answer: &Value| answer["choices"][0]["message"]["content"].as_str().unwrap().to_owned();
    let mut greedy = chat("tiny");
    (greedy["temperature"], greedy["max_tokens"]) = (json!(0), json!(60));
    let plain = text(&server.post("/v1/chat/completions", None, &greedy).await.1);
    for penalty in ["frequency_penalty", "presence_penalty"] {
        let mut penalised = greedy.clone();
        penalised[penalty] = json!(2);
        assert_ne!(text(&server.post("/v1/chat/completions", None, &penalised).await.1), plain, "{penalty}");
    }

    let mut body = chat("tiny");
    (body["n"], body["logprobs"], body["top_logprobs"]) = (json!(2), json!(true), json!(3));
    let free = text(&server.post("/v1/chat/completions", None, &body).await.1);
    body["stop"] = json!(free.chars().nth(6).unwrap());
    let (status, whole) = server.post("/v1/chat/completions", None, &body).await;
    assert_eq!(status, 200, "{whole}");
    body["stream"] = json!(true);
    let chunks = streamed(&server, "/v1/chat/completions", &body).await;
    for choice in whole["choices"].as_array().unwrap() {
        let own = chunks.iter().map(|chunk| &chunk["choices"][0]).filter(|own| own["index"] == choice["index"]);
        let own: Vec<&Value> = own.collect();
        let streamed: String = own.iter().filter_map(|own| own["delta"]["content"].as_str()).collect();
        assert_eq!(json!(streamed), choice["message"]["content"]);
        let told: Vec<&Value> = own.iter().filter_map(|own| own["logprobs"]["content"].as_array()).flatten().collect();
        assert_eq!(json!(told), choice["logprobs"]["content"]);
        // Each chunk tells those whose text ends in its own, however many pieces went into it, and the last one none.
        let (mut said, mut tokens) = (String::new(), String::new());
        for own in own.iter().filter(|own| own["delta"]["content"].is_string()) {
            let before = said.len();
            said.push_str(own["delta"]["content"].as_str().unwrap());
            for entry in own["logprobs"]["content"].as_array().into_iter().flatten() {
                tokens.push_str(entry["token"].as_str().unwrap());
                assert!(said.starts_with(&tokens) && tokens.len() >= before, "{own}");
            }
        }
        assert_eq!(own.last().unwrap()["logprobs"], Value::Null);
        let ends: Vec<&Value> = own.iter().map(|own| &own["finish_reason"]).filter(|end| !end.is_null()).collect();
        assert_eq!(ends, [&choice["finish_reason"]]);
    }
    assert_eq!(whole["choices"][0]["finish_reason"], "stop");

    // The same of texts, whose log-probabilities have another shape.
    let mut body = json!({"model": "tiny", "prompt": "Once", "max_tokens": 30, "seed": 3, "logprobs": 2, "n": 2});
    let (status, whole) = server.post("/v1/completions", None, &body).await;
    assert_eq!(status, 200, "{whole}");
    body["stream"] = json!(true);
    let chunks = streamed(&server, "/v1/completions", &body).await;
    for choice in whole["choices"].as_array().unwrap() {
        let own = chunks.iter().map(|chunk| &chunk["choices"][0]).filter(|own| own["index"] == choice["index"]);
        let own: Vec<&Value> = own.collect();
        assert_eq!(json!(own.iter().map(|own| own["text"].as_str().unwrap()).collect::<String>()), choice["text"]);
        assert_eq!(own.last().unwrap()["logprobs"], Value::Null, "with their text, not at the end");
        for field in ["tokens", "token_logprobs", "top_logprobs", "text_offset"] {
            let told: Vec<&Value> = own.iter().filter_map(|own| own["logprobs"][field].as_array()).flatten().collect();
            assert_eq!(json!(told), choice["logprobs"][field], "{field}");
            assert!(told.len() >= 20, "{field}");
        }
    }
}

#[tokio::test]
async fn a_base_may_ask_for_as_much_memory_and_context_as_it_is_given() {
    let (home, models) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    write_models(models.path());
    let folder = models.path().join("tiny");
    let mut endless = chat("tiny");
    (endless["max_tokens"], endless["messages"][0]["content"]) = (json!(1), json!("x".repeat(50)));
    let server = Server::start(home.path(), &["--base", path(&folder), "--context", "60"]);
    let (status, error) = server.post("/v1/chat/completions", None, &endless).await;
    assert_eq!((status, &error["error"]["param"]), (400, &json!("messages")), "{error}");
    drop(server);

    // 19 GiB by its configuration: refused before a tensor is looked for, unless it may have them.
    let mut config: Value = serde_json::from_slice(&std::fs::read(folder.join("config.json")).unwrap()).unwrap();
    (config["num_hidden_layers"], config["intermediate_size"]) = (json!(200), json!(262_144));
    std::fs::write(folder.join("config.json"), config.to_string()).unwrap();
    let refused = |options: &[&str]| {
        let mut command = common::fonte(home.path());
        let output = command.args(["engine", "serve", "--base", path(&folder)]).args(options).output().unwrap();
        assert!(!output.status.success());
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    let told = refused(&[]);
    let needed = told.split_once("--weight-memory ").expect(&told).1.split([',', ' ']).next().unwrap().to_owned();
    assert!((19_200..19_300).contains(&needed.parse().expect(&told)), "{told}");
    let told = refused(&["--weight-memory", &needed]);
    assert!(told.contains("mlp.") && !told.contains("--weight-memory"), "{told}");
}

#[tokio::test]
async fn an_engine_that_is_full_says_so_and_who_leaves_makes_room() {
    let (home, models) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let folder = models.path().join("endless");
    std::fs::create_dir(&folder).unwrap();
    base::write_base(&folder, 1, false);
    let mut command = common::fonte(home.path());
    command.args(["engine", "serve", "--base", path(&folder), "--api-key-env", "FONTE_TEST_UNSET_KEY"]);
    let refused = command.output().unwrap();
    assert!(String::from_utf8_lossy(&refused.stderr).contains("FONTE_TEST_UNSET_KEY"), "{refused:?}");

    let server = Server::start(home.path(), &["--base", path(&folder), "--max-answers", "2"]);
    let long = json!({"model": "endless", "max_tokens": 3000, "stream": true, "seed": 1,
                      "messages": [{"role": "user", "content": "What is it?"}]});
    let begin = async || {
        let mut response =
            server.http.post(format!("{}/v1/chat/completions", server.url)).json(&long).send().await.unwrap();
        assert_eq!(response.status(), 200);
        response.chunk().await.unwrap().unwrap();
        response
    };
    let running = [begin().await, begin().await];
    let response = server.http.post(format!("{}/v1/chat/completions", server.url)).json(&long).send().await.unwrap();
    assert_eq!(response.status(), 429);
    assert!(response.headers().contains_key("retry-after"));
    let error: Value = response.json().await.unwrap();
    assert_eq!(error["error"]["code"], "rate_limit_exceeded");
    drop(running);
    let deadline = Instant::now() + Duration::from_secs(120);
    while server.metric("fonte_engine_running").await + server.metric("fonte_engine_waiting").await > 0 {
        assert!(Instant::now() < deadline, "the engine goes on for nobody");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let written = server.metric("fonte_engine_answer_tokens_total").await;
    assert!((1..6000).contains(&written), "{written}");
    // There is room again.
    let mut short = long.clone();
    (short["max_tokens"], short["stream"]) = (json!(4), json!(false));
    let deadline = Instant::now() + Duration::from_secs(120);
    while server.post("/v1/chat/completions", None, &short).await.0 != 200 {
        assert!(Instant::now() < deadline, "the places are not given back");
    }
}

#[tokio::test]
async fn a_full_queue_is_told_and_when_to_come_back() {
    const RUNNING: u64 = 8;
    const WAITING: u64 = 256;
    let (home, models) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let folder = models.path().join("endless");
    std::fs::create_dir(&folder).unwrap();
    base::write_base(&folder, 1, false);
    // More answers than the engine runs and keeps waiting of one caller.
    let server = Server::start(home.path(), &["--base", path(&folder), "--max-answers", "400", "--running", "8"]);
    let long = json!({"model": "endless", "max_tokens": 4000, "seed": 1, "n": 8,
                      "messages": [{"role": "user", "content": "What is it?"}]});
    let url = format!("{}/v1/chat/completions", server.url);
    let until = async |name: &str, wanted: u64| {
        let deadline = Instant::now() + Duration::from_secs(120);
        while server.metric(name).await != wanted {
            assert!(Instant::now() < deadline, "{name} does not become {wanted}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let mut asking = tokio::task::JoinSet::new();
    for (answers, name) in [(RUNNING, "fonte_engine_running"), (WAITING, "fonte_engine_waiting")] {
        for _ in 0..answers / 8 {
            asking.spawn(server.http.post(&url).json(&long).send());
        }
        until(name, answers).await;
    }
    let mut one = long.clone();
    one["n"] = json!(1);
    let response = server.http.post(&url).json(&one).send().await.unwrap();
    assert_eq!(response.status(), 503);
    assert_eq!(response.headers()["retry-after"], "1");
    let error: Value = response.json().await.unwrap();
    assert_eq!(error["error"]["code"], "busy");
    let message = error["error"]["message"].as_str().unwrap();
    assert!(message.contains("256 requests waiting") && message.contains("try again"), "{message}");
    // Who waited leaves, and there is room again.
    asking.shutdown().await;
    until("fonte_engine_waiting", 0).await;
    one["max_tokens"] = json!(4);
    assert_eq!(server.post("/v1/chat/completions", None, &one).await.0, 200);
}

#[test]
fn a_bench_prints_what_it_measured() {
    let (home, models) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    write_models(models.path());
    let (folder, adapters) = (models.path().join("tiny"), models.path().join("adapters"));
    let output = common::fonte(home.path())
        .args(["engine", "bench", "--json", "--base", path(&folder), "--adapters", path(&adapters), "--threads", "1"])
        .args(["--concurrency", "3", "--requests", "7", "--prompt", "5", "--answer", "6"])
        .output()
        .unwrap();
    let facts = json(&output);
    assert_eq!((&facts["requests"], &facts["adapters"], &facts["loads"]), (&json!(7), &json!(2), &json!(2)));
    let (rate, seconds) = (facts["tokens_per_second"].as_f64().unwrap(), facts["seconds"].as_f64().unwrap());
    assert!((rate * seconds - 42.0).abs() < 1e-6, "{facts}");
    assert!(facts["first_token_p50_ms"].as_f64().unwrap() <= facts["first_token_p99_ms"].as_f64().unwrap());
    assert_eq!(facts["profile"], "f32-exact");
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(told.contains("\"other\" is not served"), "{told}");
    let int8 = common::fonte(home.path())
        .args(["engine", "bench", "--json", "--base", path(&folder), "--profile", "int8-exact", "--threads", "1"])
        .args(["--concurrency", "2", "--requests", "2", "--prompt", "5", "--answer", "6"])
        .output()
        .unwrap();
    let facts = json(&int8);
    assert_eq!((&facts["profile"], &facts["requests"]), (&json!("int8-exact"), &json!(2)));
}

/// The receipt is computed again; one that another base wrote, and one that nobody can compute, are told.
fn replay(up: &Up, home: &Path, receipt: &Value, folder: &Path, models: &Path) {
    let id = receipt["id"].as_str().unwrap();
    let base = folder.to_str().unwrap();
    let run = |what: &str, more: &[&str]| up.run(home, &[&["receipt", "replay", what, "--base"][..], more].concat());
    let told = |output: &std::process::Output| String::from_utf8_lossy(&output.stdout).into_owned();
    let same = run(id, &[base, "--json", "--threads", "1"]);
    assert!(same.status.success(), "{same:?}");
    let same = json(&same);
    let tokens = receipt["generation"]["answer"].as_array().unwrap().len();
    assert_eq!((&same["match"], &same["replay"]["answer_tokens"]), (&json!(true), &json!(tokens)));
    for part in ["prompt", "options", "text", "answer"] {
        assert_eq!(same["replay"][part]["outcome"], "same", "{part}: {same}");
    }
    assert!(told(&run(id, &[base])).contains(&format!("match: {tokens} tokens")));

    // From a file, and without a gateway to ask for passages: the tokens are compared all the same.
    let file = home.join("receipt.json");
    std::fs::write(&file, receipt.to_string()).unwrap();
    let path = file.to_str().unwrap();
    let gone = tempfile::tempdir().unwrap();
    let nobody = "http://127.0.0.1:9";
    let alone = common::fonte(gone.path())
        .args(["receipt", "replay", path, "--base", base, "--gateway", nobody, "--rpc-url", nobody])
        .output()
        .unwrap();
    let why = "prompt: not re-rendered: passage 1 (document 0 of contribution ";
    assert!(alone.status.success() && told(&alone).contains(why), "{alone:?}");

    // Other files than the receipt's: both hashes are named, before anything else of them is looked at.
    let other = models.join("other");
    std::fs::create_dir(&other).unwrap();
    base::write_base(&other, 2, true);
    std::fs::remove_file(other.join("tokenizer.json")).unwrap();
    let refused = run(id, &[other.to_str().unwrap()]);
    let why = String::from_utf8_lossy(&refused.stderr).into_owned();
    let found = B256::from(fonte_inference::formats::hash_base(&other).unwrap().0).to_string();
    assert!(!refused.status.success() && why.contains(&found), "{why}");
    assert!(why.contains(receipt["receipt"]["model_hash"].as_str().unwrap()), "{why}");

    // A record that was touched is refused by its field.
    let mut touched = receipt.clone();
    let first = &mut touched["generation"]["answer"][0];
    *first = json!(first.as_u64().unwrap() ^ 1);
    std::fs::write(&file, touched.to_string()).unwrap();
    let verified = json(&up.run(home, &["receipt", "verify", path, "--json"]));
    assert_eq!(verified["differs"], "generation.answer");
    let refused = run(path, &[base]);
    assert!(String::from_utf8_lossy(&refused.stderr).contains("generation.answer"), "{refused:?}");

    // What only quotes has nothing to compute.
    let quoted = up.ask_until(home, QUESTION, |answer| answer["fonte"]["receipt"].is_string());
    let refused = run(quoted["fonte"]["receipt"].as_str().unwrap(), &[base]);
    assert!(!refused.status.success() && String::from_utf8_lossy(&refused.stderr).contains("quotes"), "{refused:?}");
}

/// Runs one base and signs for another.
struct Liar {
    runs: LocalModel,
    claims: B256,
}

impl AnswerModel for Liar {
    fn engine_class(&self) -> EngineClass {
        EngineClass::Exact
    }

    fn generates(&self) -> bool {
        true
    }

    fn answer(
        &self,
        question: Question<'_>,
        passages: &dyn Passages,
        emit: &mut Emit<'_>,
    ) -> Result<Written, ModelError> {
        let mut written = self.runs.answer(question, passages, emit)?;
        written.generation.as_mut().unwrap().base = self.claims;
        Ok(written)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replay_of_what_another_model_wrote_fails_and_names_the_token() {
    let files = tempfile::tempdir().unwrap();
    let [claimed, other] = [1, 2].map(|seed| {
        let folder = files.path().join(seed.to_string());
        std::fs::create_dir(&folder).unwrap();
        base::write_base(&folder, seed, true);
        folder
    });
    let claims = B256::from(fonte_inference::formats::hash_base(&claimed).unwrap().0);
    let small = LocalConfig { threads: 1, memory: 64 << 20, ..LocalConfig::default() };
    let liar = Liar { runs: LocalBase::open(&other, None, small).unwrap().base(), claims };
    let world = World::new();
    world.weights(claims, B256::ZERO);
    let datanet = world.datanet(|_| {});
    world.contribute(datanet, &[document("Lamp", "en", "The lamp of Cabo Branco has had nine hundred candles.")]);
    let mut config = world.config();
    config.models = [(MODEL, Arc::new(liar) as _)].into();
    let worker = Worker::open(config, world.ledger.clone()).unwrap();
    let mut gateway = Gateway::connect(&worker, &world).await;
    gateway.until_adopted(&world.versions(), &world).await;
    let mut job = world.chat_job(1, QUESTION);
    job.max_output_tokens = 20;
    let answered = gateway.run(&world, job.clone()).await.unwrap();
    let bundle = world.bundle(&job, &answered);

    let config = ReplayConfig { threads: 1, memory: 64 << 20, ..ReplayConfig::default() };
    let replayer = Replayer::open(&claimed, &[], config).unwrap();
    let replayed = replayer.replay(&bundle, &|_| Err(PassageFault::Unavailable("nobody is asked".into()))).unwrap();
    let AnswerReplay::Differs(Difference { index, committed: Some(committed), computed: Some(computed) }) =
        replayed.answer
    else {
        panic!("{replayed:?}")
    };
    let file = files.path().join("receipt.json");
    std::fs::write(&file, serde_json::to_string(&bundle).unwrap()).unwrap();
    let run = |more: &[&str]| {
        let mut command = common::fonte(files.path());
        command.args(["receipt", "replay", path(&file), "--base", path(&claimed), "--threads", "1"]);
        command.args(["--gateway", "http://127.0.0.1:9", "--rpc-url", "http://127.0.0.1:9"]).args(more);
        command.output().unwrap()
    };
    let words = run(&[]);
    let told = String::from_utf8_lossy(&words.stdout);
    assert_eq!(words.status.code(), Some(1), "{words:?}");
    let token = |token: &Token| match token.ends {
        true => format!("{} (ends the answer)", token.id),
        false => format!("{} {:?}", token.id, token.text),
    };
    let (signed, due) = (token(&committed), token(&computed));
    let line = format!("FAILED  answer: token {index}: signed for {signed}, the model's is {due}");
    assert!(told.contains(&line) && told.contains("NO match"), "{line:?} in {told}");
    let object = run(&["--json"]);
    assert_eq!(object.status.code(), Some(1), "{object:?}");
    let object = json(&object);
    assert_eq!((&object["match"], &object["receipt"]), (&json!(false), &json!(bundle.id)));
    let answer = &object["replay"]["answer"];
    assert_eq!((&answer["outcome"], &answer["index"]), (&json!("differs"), &json!(index)), "{object}");
    assert_eq!((&answer["committed"]["id"], &answer["computed"]["id"]), (&json!(committed.id), &json!(computed.id)));
}
