//! Test binaries, several at once. Cargo runs one after the other, and ours mostly wait for blocks: together they end in two thirds
//! of the time (`docs/decisions/0118-test-binaries-run-at-once.md`).

use std::{
    collections::VecDeque,
    fs::{self, File},
    io::{self, Write as _},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::Mutex,
    thread,
    time::Instant,
};

use serde_json::Value;

use crate::Outcome;

/// One executable of tests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Binary {
    /// Package and target.
    name: String,
    executable: PathBuf,
    /// The package's, in which cargo would run it.
    folder: PathBuf,
}

/// Of the messages of `cargo test --no-run --message-format=json`, in their order.
pub(crate) fn of(messages: &str) -> Result<Vec<Binary>, String> {
    let mut binaries = Vec::new();
    for line in messages.lines() {
        let message: Value = serde_json::from_str(line).map_err(|error| format!("cargo said {line:?}: {error}"))?;
        if message["reason"] != "compiler-artifact" || message["profile"]["test"] != true {
            continue;
        }
        // A library of tests has none.
        let Some(executable) = message["executable"].as_str() else { continue };
        let (manifest, target) = (message["manifest_path"].as_str(), message["target"]["name"].as_str());
        let kind = message["target"]["kind"][0].as_str();
        let (Some(manifest), Some(target), Some(kind)) = (manifest, target, kind) else {
            return Err(format!("cargo names no package, target or kind of {executable}"));
        };
        let folder = Path::new(manifest).parent().ok_or_else(|| format!("{manifest} lies in no folder"))?;
        let package = folder.file_name().unwrap_or_default().to_string_lossy();
        // In this order, the last begins: tests after libraries, and the largest packages are late in the alphabet.
        let name = format!("{kind} of {package}: {target}");
        binaries.push(Binary { name, executable: executable.into(), folder: folder.into() });
    }
    Ok(binaries)
}

/// Runs them all, `at_once` at a time, whatever fails; what each prints comes together at its end. A suite of its own takes
/// longer than the tests within a crate, so it begins earlier: one that began last would run alone.
pub(crate) fn run(mut binaries: Vec<Binary>, at_once: usize, variables: &[(&str, &str)], logs: &Path) -> Outcome {
    fs::create_dir_all(logs).map_err(|error| format!("{} could not be made: {error}", logs.display()))?;
    binaries.sort_by(|a, b| a.name.cmp(&b.name));
    let all = binaries.len();
    let (queue, failed) = (Mutex::new(VecDeque::from(binaries)), Mutex::new(Vec::new()));
    thread::scope(|scope| {
        for number in 0..at_once.max(1) {
            let (queue, failed, log) = (&queue, &failed, logs.join(format!("{number}.log")));
            scope.spawn(move || {
                loop {
                    let next = queue.lock().expect("nothing panics with it").pop_back();
                    let Some(binary) = next else { return };
                    if let Err(error) = binary.run(variables, &log) {
                        failed.lock().expect("nothing panics with it").push(format!("{}: {error}", binary.name));
                    }
                }
            });
        }
    });
    let failed = failed.into_inner().expect("nothing panicked with it");
    println!("{} of {all} test binaries passed", all - failed.len());
    if failed.is_empty() { Ok(()) } else { Err(failed.join("\n")) }
}

impl Binary {
    fn run(&self, variables: &[(&str, &str)], log: &Path) -> Outcome {
        let wrong = |error: io::Error| format!("{}: {error}", log.display());
        let file = File::create(log).map_err(wrong)?;
        let errors = file.try_clone().map_err(wrong)?;
        let start = Instant::now();
        // What runs beside them computes, and would end last.
        let status = Command::new("nice")
            .args(["-n", "5"])
            .arg(&self.executable)
            .current_dir(&self.folder)
            .env("CARGO_MANIFEST_DIR", &self.folder)
            .envs(variables.iter().copied())
            .stdin(Stdio::null())
            .stdout(file)
            .stderr(errors)
            .status()
            .map_err(|error| format!("it did not start: {error}"))?;
        let mut printed = File::open(log).map_err(wrong)?;
        // One lock: what several print at once does not mix.
        let mut out = io::stdout().lock();
        let seconds = start.elapsed().as_secs();
        writeln!(out, "     Ran {} ({seconds} s)", self.name).map_err(wrong)?;
        io::copy(&mut printed, &mut out).map_err(wrong)?;
        if status.success() { Ok(()) } else { Err(format!("{status}")) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn artifact(name: &str, test: bool, executable: Option<&str>) -> String {
        serde_json::json!({
            "reason": "compiler-artifact", "manifest_path": "/there/crates/one/Cargo.toml",
            "target": {"name": name, "kind": ["test"]}, "profile": {"test": test}, "executable": executable,
        })
        .to_string()
    }

    #[test]
    fn only_executables_of_tests_are_run() {
        let other = r#"{"reason":"build-finished","success":true}"#.to_owned();
        let messages = [
            artifact("a", true, Some("/target/a")),
            artifact("b", false, Some("/target/b")),
            artifact("c", true, None),
            other,
        ];
        let binary = Binary {
            name: "test of one: a".into(),
            executable: "/target/a".into(),
            folder: "/there/crates/one".into(),
        };
        assert_eq!(of(&messages.join("\n")), Ok(vec![binary]));
        assert!(of("warning: what is no message").is_err());
    }

    #[test]
    fn each_is_run_and_what_fails_is_named() {
        let folder = std::env::temp_dir().join(format!("fonte-binaries-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let binary = |name: &str, program: &str| Binary {
            name: name.into(),
            executable: program.into(),
            folder: folder.clone(),
        };
        let binaries =
            vec![binary("good", "true"), binary("bad", "false"), binary("none", "/no/such"), binary("last", "true")];
        let outcome = run(binaries, 2, &[], &folder.join("logs"));
        fs::remove_dir_all(&folder).unwrap();
        let told = outcome.unwrap_err();
        assert!(told.contains("bad: exit status: 1") && told.contains("none: exit status: 127"), "{told}");
        assert_eq!(told.lines().count(), 2, "{told}");
    }
}
