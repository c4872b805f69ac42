//! Project tasks, of which [`USAGE`] tells. One library, which reads cargo's messages, so that it builds in seconds.

mod binaries;
mod skips;
mod tidy;

use std::{
    env,
    fs::{self, File},
    io,
    path::{Path, PathBuf},
    process::{Child, Command, ExitCode, Stdio},
    thread,
};

use binaries::Binary;

const USAGE: &str = "usage: cargo xtask <task>

  test                 every test: Rust, documentation; contracts and the page of a receipt (skipped by name without Node);
                       what a test skips is told at the end
  contract-tests       of these, what needs Node; that contracts/artifacts and the page are what their sources build
  anvil-tests          of these, what needs anvil and cast
  doc-tests            of these, the examples of the documentation
  check                format, clippy, documentation, paths and links
  contracts [--check]  rebuild contracts/artifacts, or prove that the committed ones are what the sources build
  analyse [STEP...]    the contracts by slither, halmos and line coverage (installs them under the target directory once)
  plants contracts|rust [NAME...]
                       plants bugs in a copy of the sources, and says which tests catch them; all of them take hours
  deny                 licences and sources of every dependency (installs cargo-deny under the target directory once)
  bench [NAME]         measure and write a raw run to benches/runs
";

/// The release that `deny.toml` was written for.
const CARGO_DENY: &str = "0.20.2";

/// What tests want of PyPI: the client that most programs call a gateway with.
const PYTHON_PACKAGES: &str = "openai==3.51.0";

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let outcome = match words.as_slice() {
        ["test"] => test(),
        ["contract-tests"] => contract_tests(),
        ["anvil-tests"] => anvil_tests(),
        ["doc-tests"] => cargo(&["test", "--workspace", "--doc", "--no-fail-fast"]),
        ["check"] => check(),
        ["contracts"] => contracts(false),
        ["contracts", "--check"] => contracts(true),
        ["analyse", steps @ ..] => analyse(steps),
        ["plants", "contracts", names @ ..] => {
            install_contract_tools().and_then(|()| plants("contracts/plants/run.py", "plants", names))
        }
        ["plants", "rust", names @ ..] => plants("xtask/plants/run.py", "rust-plants", names),
        ["deny"] => deny(),
        ["bench", rest @ ..] => bench(rest),
        _ => Err(USAGE.to_owned()),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("{message}");
            ExitCode::FAILURE
        }
    }
}

type Outcome = Result<(), String>;

fn root() -> PathBuf {
    // Asked for when it runs: with a target directory that clones share, the binary may come from another clone.
    let folder = env::var("CARGO_MANIFEST_DIR").unwrap_or_else(|_| env!("CARGO_MANIFEST_DIR").into());
    Path::new(&folder).parent().expect("xtask lies in the workspace root").to_owned()
}

/// Cargo's target directory, made if there is none.
fn target() -> Result<PathBuf, String> {
    let target = env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from);
    fs::create_dir_all(&target).map_err(|error| format!("{} could not be made: {error}", target.display()))?;
    Ok(target)
}

fn absolute(path: &Path) -> Result<PathBuf, String> {
    std::path::absolute(path).map_err(|error| format!("{}: {error}", path.display()))
}

fn utf8(path: &Path) -> Result<&str, String> {
    path.to_str().ok_or_else(|| format!("the path {} is not UTF-8", path.display()))
}

/// Runs a program to its end, its output going where ours goes.
fn run(directory: &Path, program: &str, arguments: &[&str]) -> Outcome {
    run_with(directory, program, arguments, &[])
}

fn run_with(directory: &Path, program: &str, arguments: &[&str], variables: &[(&str, &str)]) -> Outcome {
    let line = format!("{program} {}", arguments.join(" "));
    println!("$ {line}");
    let status = Command::new(program)
        .args(arguments)
        .envs(variables.iter().copied())
        .current_dir(directory)
        .status()
        .map_err(|error| format!("`{line}` did not start: {error}"))?;
    if status.success() { Ok(()) } else { Err(format!("`{line}` failed with {status}")) }
}

fn cargo(arguments: &[&str]) -> Outcome {
    cargo_with(arguments, &[])
}

fn cargo_with(arguments: &[&str], variables: &[(&str, &str)]) -> Outcome {
    run_with(&root(), &cargo_program(), arguments, variables)
}

fn cargo_program() -> String {
    env::var("CARGO").unwrap_or_else(|_| "cargo".into())
}

/// Every test, and at the end what they left out.
fn test() -> Outcome {
    // Tests run in folders of their own: the path must not depend on where they are.
    let skipped = absolute(&target()?.join("skipped-tests"))?;
    fs::write(&skipped, "").map_err(|error| format!("{} could not be written: {error}", skipped.display()))?;
    let outcome = every_test(&skipped);
    let skipped = skips::all(&skipped).map_err(|error| format!("what was skipped could not be read: {error}"))?;
    for line in skipped {
        println!("{line}");
    }
    outcome
}

/// The Rust tests mostly wait for blocks, the contract tests mostly compute: both at once, after one build of everything.
fn every_test(skipped: &Path) -> Outcome {
    // Fetching packages waits for others; meanwhile everything is built.
    let (built, python) = thread::scope(|scope| {
        let python = scope.spawn(python);
        let built = test_binaries();
        (built, python.join().unwrap_or_else(|_| Err("setting it up panicked".into())))
    });
    let binaries = built?;
    let mut variables = vec![(skips::VARIABLE, utf8(skipped)?)];
    match &python {
        Ok(program) => variables.push(("FONTE_TEST_PYTHON", utf8(program)?)),
        Err(why) => println!("no Python for the tests that want one: {why}"),
    }
    if !has_node() {
        rust_tests(binaries, &variables)?;
        println!(
            "skipped: contract and page tests, because `node` and `npm` are not on the PATH; install Node.js 20 or newer"
        );
        return Ok(());
    }
    let log = target()?.join("contract-tests.log");
    let others = background(&["contract-tests"], &variables, &log)?;
    let rust = rust_tests(binaries, &variables);
    let contracts = others.finish();
    rust.and(contracts)
}

/// Builds every test.
fn test_binaries() -> Result<Vec<Binary>, String> {
    let arguments = ["test", "--workspace", "--no-run", "--message-format=json-render-diagnostics"];
    let line = format!("cargo {}", arguments.join(" "));
    println!("$ {line}");
    let output = Command::new(cargo_program())
        .args(arguments)
        .current_dir(root())
        .stderr(Stdio::inherit())
        .output()
        .map_err(|error| format!("`{line}` did not start: {error}"))?;
    if !output.status.success() {
        return Err(format!("`{line}` failed with {}", output.status));
    }
    binaries::of(&String::from_utf8_lossy(&output.stdout))
}

/// One binary more at a time than there are processors, since most of them wait; the examples of the documentation beside them.
fn rust_tests(binaries: Vec<Binary>, variables: &[(&str, &str)]) -> Outcome {
    let at_once = thread::available_parallelism().map_or(1, usize::from) + 1;
    let examples = background(&["doc-tests"], variables, &target()?.join("doc-tests.log"))?;
    let ran = binaries::run(binaries, at_once, variables, &target()?.join("test-logs"));
    let examples = examples.finish();
    ran.and(examples)
}

/// A Python that has [`PYTHON_PACKAGES`], in a folder of its own under the target directory; made once.
fn python() -> Result<PathBuf, String> {
    let folder = absolute(&target()?.join("test-python"))?;
    let (program, stamp) = (folder.join("bin/python"), folder.join("packages"));
    if program.exists() && fs::read_to_string(&stamp).is_ok_and(|installed| installed == PYTHON_PACKAGES) {
        return Ok(program);
    }
    run(&root(), "python3", &["-m", "venv", "--clear", utf8(&folder)?])?;
    let install = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", PYTHON_PACKAGES];
    run(&root(), utf8(&program)?, &install)?;
    fs::write(&stamp, PYTHON_PACKAGES).map_err(|error| format!("{} could not be written: {error}", stamp.display()))?;
    Ok(program)
}

/// What needs Node: a task of its own, so that its output can be kept apart from that of the Rust tests.
fn contract_tests() -> Outcome {
    install_contract_tools()?;
    let anvil = background(&["anvil-tests"], &[], &target()?.join("anvil-tests.log"))?;
    let contracts = contracts_and_page();
    anvil.finish().and(contracts)
}

fn contracts_and_page() -> Outcome {
    contracts(true)?;
    run(&root().join("contracts"), "./forge.sh", &["test"])?;
    run(&root().join("web/receipt"), "./test.sh", &[])
}

/// The same scenario on a chain that is not Fonte's, which makes a block each second: minutes of waiting. And another's tool on
/// Fonte's. Anvil and cast come with the contract tools.
fn anvil_tests() -> Outcome {
    install_contract_tools()?;
    // With the same features as above: nothing is built again.
    cargo(&["test", "--workspace", "--test", "anvil", "--test", "cast", "--", "--ignored"])?;
    cargo(&["test", "--workspace", "--test", "gateway", "--", "--ignored", "anvil"])
}

/// A task of this program that runs beside another; what it prints waits in a file until its end.
struct Background {
    line: String,
    child: Child,
    log: PathBuf,
}

fn background(task: &[&str], variables: &[(&str, &str)], log: &Path) -> Result<Background, String> {
    let line = format!("cargo xtask {}", task.join(" "));
    let failed = |error| format!("`{line}` did not start: {error}");
    let file = File::create(log).map_err(|error| format!("{} could not be written: {error}", log.display()))?;
    let errors = file.try_clone().map_err(failed)?;
    println!("$ {line} (beside the next; printed after it)");
    let child = Command::new(env::current_exe().map_err(failed)?)
        .args(task)
        .envs(variables.iter().copied())
        .stdin(Stdio::null())
        .stdout(file)
        .stderr(errors)
        .spawn()
        .map_err(failed)?;
    Ok(Background { line, child, log: log.to_owned() })
}

impl Background {
    fn finish(mut self) -> Outcome {
        let status = self.child.wait().map_err(|error| format!("`{}` was lost: {error}", self.line))?;
        println!("$ {}", self.line);
        let mut log = File::open(&self.log).map_err(|error| format!("{}: {error}", self.log.display()))?;
        io::copy(&mut log, &mut io::stdout()).map_err(|error| format!("{}: {error}", self.log.display()))?;
        if status.success() { Ok(()) } else { Err(format!("`{}` failed with {status}", self.line)) }
    }
}

fn check() -> Outcome {
    cargo(&["fmt", "--all", "--check"])?;
    cargo(&["clippy", "--workspace", "--all-targets", "--", "--deny", "warnings"])?;
    cargo_with(
        &["doc", "--workspace", "--no-deps", "--document-private-items"],
        &[("RUSTDOCFLAGS", "--deny warnings")],
    )?;
    let faults = tidy::faults(&root());
    if faults.is_empty() {
        println!("paths and links: all there");
        return Ok(());
    }
    Err(faults.join("\n"))
}

fn contracts(check: bool) -> Outcome {
    if !has_node() {
        return Err("the contracts are built by solc for Node: install Node.js 20 or newer and npm".into());
    }
    install_contract_tools()?;
    let arguments: &[&str] = if check { &["build.mjs", "--check"] } else { &["build.mjs"] };
    run(&root().join("contracts"), "node", arguments)
}

/// Without an internet connection once its tools are there; minutes of both cores, which is why CI does not.
fn analyse(steps: &[&str]) -> Outcome {
    install_contract_tools()?;
    run(&root().join("contracts"), "./analyse.sh", steps)
}

fn plants(script: &str, work: &str, names: &[&str]) -> Outcome {
    let (script, work) = (root().join(script), absolute(&target()?.join(work))?);
    let mut arguments = vec![utf8(&script)?, utf8(&work)?];
    arguments.extend(names);
    run(&root(), "python3", &arguments)
}

fn deny() -> Outcome {
    let tools = target()?.join("tools");
    let program = tools.join("bin/cargo-deny");
    let (tools, program) = (utf8(&tools)?, utf8(&program)?);
    let installed = Command::new(program).arg("--version").output().map(|output| output.stdout).unwrap_or_default();
    if installed != format!("cargo-deny {CARGO_DENY}\n").into_bytes() {
        cargo(&["install", "cargo-deny", "--version", CARGO_DENY, "--locked", "--root", tools])?;
    }
    run(&root(), program, &["check", "licenses", "bans", "sources"])
}

fn bench(names: &[&str]) -> Outcome {
    let script = root().join("benches/run.sh");
    let mut arguments = vec![utf8(&script)?];
    arguments.extend(names);
    run(&root(), "bash", &arguments)
}

fn has_node() -> bool {
    ["node", "npm"]
        .iter()
        .all(|program| Command::new(program).arg("--version").output().is_ok_and(|output| output.status.success()))
}

/// What the contract tests need from npm, under `contracts/node_modules`, exactly as the lock file says.
fn install_contract_tools() -> Outcome {
    let contracts = root().join("contracts");
    let stamp = contracts.join("node_modules/.fonte-lock");
    let lock = fs::read(contracts.join("package-lock.json"))
        .map_err(|error| format!("contracts/package-lock.json could not be read: {error}"))?;
    if fs::read(&stamp).is_ok_and(|installed| installed == lock) {
        return Ok(());
    }
    run(&contracts, "npm", &["ci", "--no-audit", "--no-fund", "--loglevel=error"])?;
    fs::write(&stamp, lock).map_err(|error| format!("{} could not be written: {error}", stamp.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_tests_leave_out_is_read_back_once_each() {
        let file = env::temp_dir().join(format!("fonte-skips-{}", std::process::id()));
        for line in ["skipped: b", "notice: a", "skipped: b"] {
            skips::add(&file, line).unwrap();
        }
        let all = skips::all(&file);
        fs::remove_file(&file).unwrap();
        assert_eq!(all.unwrap(), ["notice: a", "skipped: b"]);
    }

    #[test]
    fn a_test_that_skips_itself_is_heard_of() {
        // In a process of its own: the file is named by the environment.
        let file = env::temp_dir().join(format!("fonte-skipped-{}", std::process::id()));
        let output = Command::new(env::current_exe().unwrap())
            .args(["--exact", "tests::skips_itself", "--ignored"])
            .env(skips::VARIABLE, &file)
            .output()
            .unwrap();
        assert!(output.status.success());
        assert!(
            !String::from_utf8_lossy(&output.stdout).contains("skipped: this"),
            "its output is kept from the reader"
        );
        let all = skips::all(&file);
        fs::remove_file(&file).unwrap();
        assert_eq!(all.unwrap(), ["notice: that is missing here", "skipped: this: it is a test of skips"]);
    }

    #[test]
    #[ignore = "run by another test as a child process"]
    fn skips_itself() {
        skips::skipped("this: it is a test of skips");
        skips::noticed("that is missing here");
    }
}
