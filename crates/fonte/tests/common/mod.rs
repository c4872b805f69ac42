//! The program as a process, and a running network.
#![allow(dead_code, unreachable_pub, reason = "each test binary uses a part")]

use std::{
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    time::{Duration, Instant},
};

use serde_json::{Value, json};

pub fn fonte(home: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_fonte"));
    command.arg("--data-dir").arg(home).env("FONTE_PASSWORD", "correct horse").env("LANG", "C").env_remove("LC_ALL");
    command
}

pub fn json(output: &Output) -> Value {
    let text = String::from_utf8_lossy(&output.stdout);
    serde_json::from_str(&text)
        .unwrap_or_else(|_| panic!("no JSON: {text}\n{}", String::from_utf8_lossy(&output.stderr)))
}

/// A tool of Foundry's, `anvil` or `cast`, where `npm ci` in `contracts` puts it.
pub fn foundry(tool: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../contracts/node_modules/@foundry-rs");
    ["linux-amd64", "linux-arm64", "darwin-arm64", "darwin-amd64"]
        .iter()
        .map(|host| folder.join(format!("{tool}-{host}/bin/{tool}")))
        .find(|path| path.exists())
        .unwrap_or_else(|| panic!("contracts/node_modules holds {tool} after `npm ci` there"))
}

pub fn wei(value: &Value) -> u128 {
    value.as_str().unwrap_or_else(|| panic!("no amount: {value}")).parse().unwrap()
}

/// A running `fonte up`, killed when dropped.
pub struct Up {
    child: Child,
    pub facts: Value,
}

impl Up {
    pub fn start(home: &Path) -> Self {
        Self::start_with(home, &[])
    }

    /// With options, such as a short voting period.
    pub fn start_with(home: &Path, options: &[&str]) -> Self {
        Self::start_as(home, options, &[])
    }

    /// In an environment, too.
    pub fn start_as(home: &Path, options: &[&str], environment: &[(&str, &str)]) -> Self {
        let mut child = fonte(home)
            .args(["up", "--json", "--listen", "127.0.0.1:0", "--rpc-listen", "127.0.0.1:0"])
            .args(options)
            .envs(environment.iter().copied())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let facts = serde_json::from_str(&line).unwrap_or_else(|_| panic!("fonte up printed {line:?}"));
        Self { child, facts }
    }

    /// As people start it; with what it tells them, to the last line.
    pub fn announced(home: &Path) -> (Self, String) {
        let mut child = fonte(home)
            .args(["up", "--listen", "127.0.0.1:0", "--rpc-listen", "127.0.0.1:0"])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut told = String::new();
        for line in BufReader::new(child.stdout.take().unwrap()).lines() {
            told += &(line.unwrap() + "\n");
            if told.contains("Ctrl-C") {
                break;
            }
        }
        let after = |label: &str| {
            let line = told.lines().find_map(|line| line.strip_prefix(label));
            line.and_then(|line| line.split_whitespace().next()).unwrap_or_else(|| panic!("no {label} in {told}"))
        };
        let gateway = after("OpenAI ").strip_suffix("/v1").unwrap();
        let facts = json!({"rpc_url": after("JSON-RPC "), "gateway": gateway, "api_key": after("API key ")});
        (Self { child, facts }, told)
    }

    pub fn run(&self, home: &Path, arguments: &[&str]) -> Output {
        self.command(home).args(arguments).output().unwrap()
    }

    pub fn command(&self, home: &Path) -> Command {
        let mut command = fonte(home);
        command
            .args(["--gateway", self.facts["gateway"].as_str().unwrap()])
            .args(["--rpc-url", self.facts["rpc_url"].as_str().unwrap()])
            .env("FONTE_API_KEY", self.facts["api_key"].as_str().unwrap());
        command
    }

    pub fn ok(&self, home: &Path, arguments: &[&str]) -> Value {
        let output = self.run(home, &[arguments, &["--json"]].concat());
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        json(&output)
    }

    /// Runs the example of governance here, to its end; with the network's file where the chain is not Fonte's.
    pub fn governance(&self, home: &Path, network: Option<&Path>) {
        let mut command = Command::new("bash");
        command
            .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/governance.sh"))
            .env("FONTE", env!("CARGO_BIN_EXE_fonte"))
            .env("FONTE_DATA_DIR", home)
            .env("FONTE_RPC_URL", self.facts["rpc_url"].as_str().unwrap())
            .env("FONTE_GATEWAY", self.facts["gateway"].as_str().unwrap())
            .env("FONTE_API_KEY", self.facts["api_key"].as_str().unwrap())
            .env("LANG", "C")
            .env_remove("LC_ALL");
        if let Some(network) = network {
            command.env("FONTE_NETWORK", network);
        }
        let output = command.output().unwrap();
        let told = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success() && told.contains("All as it should be."), "{told}");
    }

    /// Asks until the answer satisfies a condition: a fresh publication is adopted within moments.
    pub fn ask_until(&self, home: &Path, question: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let deadline = Instant::now() + Duration::from_secs(60);
        loop {
            let output = self.run(home, &["ask", question, "--model", "fonte-quote:open", "--json"]);
            if output.status.success() {
                let answer = json(&output);
                if wanted(&answer) {
                    return answer;
                }
            }
            assert!(Instant::now() < deadline, "{question}: {}", String::from_utf8_lossy(&output.stderr));
            std::thread::sleep(Duration::from_millis(100));
        }
    }
}

impl Drop for Up {
    fn drop(&mut self) {
        // SIGKILL: what must survive, survives that too.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
