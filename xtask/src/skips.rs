//! What tests could not do here. A test that skips itself passes, and what a passing test prints is kept from the reader: so
//! it adds a line to a file, which `cargo xtask test` prints at its end and `.ci/run` fails on, unless it is a notice. Tests
//! include this module by its path.

#![allow(dead_code, reason = "xtask reads, tests write")]

use std::{
    env,
    fs::{self, OpenOptions},
    io::{self, Write as _},
    path::Path,
};

/// Names the file.
pub(crate) const VARIABLE: &str = "FONTE_TEST_SKIPS";

/// Tells, in one line, what this test leaves out and why.
pub(crate) fn skipped(what: &str) {
    tell(&format!("skipped: {what}"));
}

/// Tells, in one line, what this machine has not, so that a test which did all it could here saw less than elsewhere.
pub(crate) fn noticed(what: &str) {
    tell(&format!("notice: {what}"));
}

fn tell(line: &str) {
    println!("{line}");
    if let Some(file) = env::var_os(VARIABLE) {
        // A skip that nobody hears of is what this module is against.
        add(Path::new(&file), line).expect("the file that FONTE_TEST_SKIPS names takes a line");
    }
}

/// One write, so that lines of tests that run at once do not mix.
pub(crate) fn add(file: &Path, line: &str) -> io::Result<()> {
    OpenOptions::new().create(true).append(true).open(file)?.write_all(format!("{line}\n").as_bytes())
}

/// What was told, each line once.
pub(crate) fn all(file: &Path) -> io::Result<Vec<String>> {
    let mut lines: Vec<String> = fs::read_to_string(file)?.lines().map(str::to_owned).collect();
    lines.sort();
    lines.dedup();
    Ok(lines)
}
