//! An external engine behind `fonte up`, and behind a worker of its own: asked, receipted, settled, paid, verified.

mod common;
#[path = "../../worker/tests/common/engine.rs"]
mod standin;

use std::{
    collections::BTreeSet,
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, Command, ExitStatus, Stdio},
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use common::{Up, json, wei};
use serde_json::{Value, json};
use standin::{Dialect, Received, Reply, StandIn, adapter_call, prompt_of, tokens};

const LIGHTHOUSE: &str = "The lighthouse of Cabo Branco has a lamp of nine hundred candles since 1921.";
const QUESTION: &str = "How many candles has the lamp of the lighthouse of Cabo Branco?";
const KEY: &str = "sk-engine-secret-42";

/// What an engine says that has these models, and quotes what it reads.
fn reply(dialect: Dialect, models: &[&str], request: &Received) -> Reply {
    if request.authorization.as_deref() != Some(format!("Bearer {KEY}").as_str()) {
        return Reply::json(401, json!({"error": {"message": "no key"}}));
    }
    let list: Vec<Value> = models.iter().map(|model| json!({"id": model, "object": "model"})).collect();
    match request.path.as_str() {
        "/v1/models" => Reply::json(200, json!({"object": "list", "data": list})),
        _ if !models.iter().any(|model| request.body["model"] == *model) => {
            Reply::json(404, json!({"error": {"message": "no such model"}}))
        }
        _ if prompt_of(request).contains(LIGHTHOUSE) => {
            dialect.say(request, &tokens(&format!("It is written: {LIGHTHOUSE}")), "stop")
        }
        _ => dialect.say(request, &["I do not know."], "stop"),
    }
}

/// A vLLM with a base, and an adapter that it is told to load and to forget.
fn vllm(loaded: Arc<Mutex<BTreeSet<String>>>) -> StandIn {
    StandIn::start(move |request| {
        let mut loaded = loaded.lock().unwrap();
        let call = adapter_call(request, &mut loaded, "/adapters/style");
        let models: Vec<&str> = std::iter::once("local/llama").chain(loaded.iter().map(String::as_str)).collect();
        call.unwrap_or_else(|| reply(Dialect::Vllm, &models, request))
    })
}

/// Asks a model until its answer satisfies a condition: a fresh publication is adopted within moments.
fn ask(up: &Up, home: &Path, model: &str, wanted: impl Fn(&Value) -> bool) -> Value {
    let deadline = Instant::now() + Duration::from_secs(120);
    loop {
        let output = up.run(home, &["ask", QUESTION, "--model", model, "--json"]);
        if output.status.success() {
            let answer = json(&output);
            if wanted(&answer) {
                return answer;
            }
        }
        assert!(Instant::now() < deadline, "{model}: {output:?}");
        std::thread::sleep(Duration::from_millis(200));
    }
}

fn credited(answer: &Value) -> bool {
    answer["fonte"]["shares"].as_array().is_some_and(|shares| !shares.is_empty())
}

/// A running `fonte worker`, killed when dropped.
struct Worker(Child);

impl Worker {
    /// What Ctrl-C does, to its end.
    fn interrupt(&mut self) -> ExitStatus {
        let sent = Command::new("kill").args(["-INT", &self.0.id().to_string()]).status().unwrap();
        assert!(sent.success());
        let deadline = Instant::now() + Duration::from_secs(120);
        loop {
            if let Some(status) = self.0.try_wait().unwrap() {
                return status;
            }
            assert!(Instant::now() < deadline, "it does not end");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn an_engines_answers_are_settled_and_paid_and_nobody_learns_its_key() {
    let (server, home, docs) =
        (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let home = home.path();
    std::fs::write(docs.path().join("a.txt"), format!("{LIGHTHOUSE}\n")).unwrap();
    let ollama = StandIn::start(|request| reply(Dialect::Ollama, &["tiny:1b"], request));

    // Without its key nothing starts, and it says why.
    let refused = common::fonte(server.path())
        .args(["up", "--listen", "127.0.0.1:0", "--rpc-listen", "127.0.0.1:0", "--engine", &ollama.url()])
        .args(["--engine-key-env", "FONTE_TEST_UNSET_KEY"])
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&refused.stderr);
    assert!(!refused.status.success() && told.contains("FONTE_TEST_UNSET_KEY"), "{told}");

    let url = ollama.url();
    let options = ["--heartbeat", "1", "--challenge-window", "1", "--worker-listen", "127.0.0.1:0", "--engine", &url];
    let options = [&options[..], &["--engine-key-env", "FONTE_TEST_ENGINE_KEY"]].concat();
    let up = Up::start_as(server.path(), &options, &[("FONTE_TEST_ENGINE_KEY", KEY)]);
    assert_eq!(up.facts["engine_model"], "tiny-1b");
    let models = up.ok(home, &["model", "list"]);
    let record = models.as_array().unwrap().iter().find(|model| model["name"] == "tiny-1b").expect("registered");
    assert_eq!((&record["kind"], &record["servable"]), (&json!("base"), &json!(true)));

    let folder = docs.path().to_str().unwrap();
    let published = up.ok(home, &["datanet", "publish", folder, "--datanet", "open", "--key", "dev:author"]);
    let answer = ask(&up, home, "tiny-1b:open", credited);
    assert_eq!(answer["choices"][0]["message"]["content"], format!("It is written: {LIGHTHOUSE}"));
    assert_eq!((&answer["fonte"]["class"], &answer["model"]), (&json!("tolerance"), &json!("tiny-1b:open")));
    assert_eq!(answer["fonte"]["shares"][0]["contribution"], published["contribution"]);
    let share = &answer["fonte"]["shares"][0];
    assert!(wei(&share["credit_wei"]) > 0);
    // The quote model answers beside it.
    assert_eq!(ask(&up, home, "fonte-quote:open", credited)["fonte"]["class"], "exact");

    // A worker of its own, with another engine, for a model that is registered like any other.
    let loaded: Arc<Mutex<BTreeSet<String>>> = Arc::default();
    let vllm = vllm(loaded.clone());
    let hash = format!("0x{}", "5a".repeat(32));
    let register = ["model", "register", "llama", "--kind", "base", "--artifact", &hash, "--key", "dev:operator"];
    up.ok(home, &register);
    let adapter = format!("0x{}", "5b".repeat(32));
    let register = ["model", "register", "my-style", "--kind", "adapter", "--base", "llama", "--parent", "llama:50000"];
    up.ok(home, &[&register[..], &["--artifact", &hash, "--adapter", &adapter, "--key", "dev:operator"]].concat());
    let worker = ["worker", "register", "--slots", "2", "--engine", "tolerance", "--jurisdiction", "BR"];
    let serve = |model: &str| {
        let mut command = up.command(home);
        command.args(["worker", "--dial", up.facts["workers_at"].as_str().unwrap(), "--engine", &vllm.url()]);
        command.args(["--engine-key-env", "FONTE_TEST_ENGINE_KEY", "--model", model, "--key", "dev:author", "--json"]);
        command.env("FONTE_TEST_ENGINE_KEY", KEY).env("RUST_LOG", "debug");
        command
    };
    let early = serve("llama=local/llama").output().unwrap();
    let told = String::from_utf8_lossy(&early.stderr);
    assert!(!early.status.success() && told.contains("worker register"), "{told}");
    up.ok(home, &[&worker[..], &["--key", "dev:author"]].concat());
    let unknown = serve("lama").output().unwrap();
    let told = String::from_utf8_lossy(&unknown.stderr);
    let told: Value = serde_json::from_str(told.lines().last().unwrap()).unwrap();
    assert!(told["error"].as_str().unwrap().contains("no model \"lama\""), "{told}");
    let log = home.join("worker.log");
    let mut command = serve("llama=local/llama");
    command.args(["--adapter", "my-style=style@/adapters/style"]);
    let mut child = command.stdout(Stdio::piped()).stderr(std::fs::File::create(&log).unwrap()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let mut running = Worker(child);
    let serving: Value = serde_json::from_str(&line).unwrap_or_else(|_| panic!("{line:?}"));
    // The adapter is loaded because the chain lets it answer, before anybody asks.
    vllm.called("/v1/load_lora_adapter");
    assert_eq!(vllm.received().iter().filter(|received| received.path == "/v1/chat/completions").count(), 0);
    let styled = ask(&up, home, "my-style:open", credited);
    assert_eq!(styled["fonte"]["class"], "tolerance");
    assert_eq!(vllm.last("/v1/chat/completions").body["model"], "style");
    let second = ask(&up, home, "llama:open", credited);
    assert_eq!(second["choices"][0]["message"]["content"], format!("It is written: {LIGHTHOUSE}"));
    assert!(second["fonte"]["log_probs"].is_string(), "vLLM tells log-probabilities: {second}");
    let receipt = up.ok(home, &["receipt", "show", second["fonte"]["receipt"].as_str().unwrap()]);
    assert_eq!(receipt["receipt"]["worker"], serving["worker"]);

    // Settled, paid, and everything checks out, the completeness from the texts included.
    let payee = share["payee"].as_str().unwrap();
    for answer in [&answer, &second] {
        let id = answer["fonte"]["receipt"].as_str().unwrap();
        let deadline = Instant::now() + Duration::from_secs(120);
        loop {
            let explained = up.ok(home, &["receipt", "explain", id]);
            if explained["state"] == "paid" {
                break;
            }
            assert!(Instant::now() < deadline, "not paid: {explained}");
            std::thread::sleep(Duration::from_millis(200));
        }
        let verified = up.ok(home, &["receipt", "verify", id, "--chain"]);
        assert_eq!(verified["ok"], true, "{verified}");
    }
    assert!(wei(&up.ok(home, &["account", "earnings", payee])["wei"]) > 0);

    // Ctrl-C leaves the engine as it was found.
    assert_eq!(loaded.lock().unwrap().len(), 1);
    assert!(running.interrupt().success());
    assert_eq!(vllm.last("/v1/unload_lora_adapter").body["lora_name"], "style");
    assert!(loaded.lock().unwrap().is_empty());
    let logged = std::fs::read_to_string(&log).unwrap();
    assert!(!logged.is_empty() && !logged.contains(KEY), "the key is in the log");
}
