//! A chain in a process of its own, to be killed.

use std::{
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
};

use crate::{common::*, elected, validators};

const DIRECTORY: &str = "FONTE_TEST_DIRECTORY";
const CHAIN_ID: &str = "FONTE_TEST_CHAIN_ID";
/// Index of the validator, then the ports of all; one validator alone where it is not set.
pub const MEMBER: &str = "FONTE_TEST_MEMBER";
/// The only seat by the contract, where it is set.
pub const ALONE: &str = "FONTE_TEST_ALONE";

/// Not a test: the program that other tests run and kill.
#[test]
#[ignore = "run by other tests as a child process"]
fn child() {
    let Ok(directory) = std::env::var(DIRECTORY) else {
        return;
    };
    let directory = Path::new(&directory);
    let chain_id = std::env::var(CHAIN_ID).unwrap().parse().unwrap();
    let config = match std::env::var(MEMBER) {
        Ok(member) => {
            let numbers: Vec<u16> = member.split(',').map(|n| n.parse().unwrap()).collect();
            validators::member(numbers[0].into(), &numbers[1..], directory, chain_id)
        }
        Err(_) if std::env::var_os(ALONE).is_some() => elected::alone(directory, chain_id),
        Err(_) => config(directory, chain_id),
    };
    tokio::runtime::Runtime::new().unwrap().block_on(async {
        let chain = start(config).await;
        println!("\nrpc {}", chain.rpc_url());
        panic!("ended: {}", chain.failed().await);
    });
}

/// The running child.
pub struct Node {
    child: Child,
    pub url: String,
}

impl Node {
    pub fn start(directory: &Path, chain_id: u64, environment: &[(&str, String)]) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "child::child", "--ignored", "--nocapture"])
            .env(DIRECTORY, directory)
            .env(CHAIN_ID, chain_id.to_string())
            .envs(environment.iter().map(|(name, value)| (name, value)))
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let url = lines
            .find_map(|line| Some(line.ok()?.strip_prefix("rpc ")?.to_owned()))
            .expect("the child says where it listens");
        // Keep reading, or the child's output blocks it.
        std::thread::spawn(move || lines.for_each(drop));
        Self { child, url }
    }

    pub async fn exited(&mut self) {
        until(|| std::future::ready(self.child.try_wait().unwrap())).await;
    }

    /// SIGKILL.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        // Already gone where the test went as planned.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
