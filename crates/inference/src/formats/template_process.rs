//! Templates in a process of their own. Inside minijinja fuel counts steps, sizes and visited items, but not what a nested
//! value hides from it: a list that holds itself twice, sixty deep, is one step to compare or to make a text of and takes
//! longer than anybody waits, and a value nested deep enough overflows the stack when it is dropped. Those bounds the
//! system keeps: CPU time and memory of a process, whatever it does.
//!
//! One process serves one template, one line of JSON for a rendering and one for its answer. It ends with the program that
//! started it, and when a rendering breaks a limit; the next one starts another.

use std::{
    io::{self, BufRead, BufReader, Read, Write},
    path::PathBuf,
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    sync::Mutex,
};

use minijinja::{Error, ErrorKind};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::{
    error::FormatError,
    template::{ChatTemplate, Conversation},
};

/// The only argument of a program that is to call [`render_templates`].
pub const RENDER_TEMPLATES: &str = "__render-templates";

/// Seconds of CPU time that one rendering may take. Those in use take less than a thousandth of that.
const SECONDS: u64 = 2;
/// Memory of the process in bytes, its program and stack included.
const MEMORY: u64 = 1 << 30;
/// Longest line, either way: the longest text that a template may make, with every byte escaped.
const MAX_LINE: u64 = 32 << 20;

/// What the process is told first.
#[derive(Serialize, Deserialize)]
pub(super) struct Source {
    pub(super) file: String,
    pub(super) source: String,
    pub(super) bos: String,
    pub(super) eos: String,
}

/// The program, the template, and the process, where one runs.
pub(super) struct Isolated {
    program: PathBuf,
    source: Source,
    running: Mutex<Option<Running>>,
}

struct Running {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Isolated {
    pub(super) fn new(program: PathBuf, source: Source) -> Self {
        Self { program, source, running: Mutex::new(None) }
    }

    /// Renders one after the other; whoever waits here waits for others' renderings of the same template.
    pub(super) fn render(&self, conversation: &Conversation<'_>) -> Result<String, FormatError> {
        let refused = |reason: String| FormatError::Template {
            file: self.source.file.clone(),
            source: Error::new(ErrorKind::InvalidOperation, reason),
        };
        // A thread that panicked here has left a process whose answers nobody can match: it is not used again.
        let mut running = self.running.lock().unwrap_or_else(|poisoned| {
            let mut running = poisoned.into_inner();
            *running = None;
            running
        });
        let started = match running.take() {
            Some(running) => Ok(running),
            None => Running::start(&self.program, &self.source),
        };
        let mut process = started
            .map_err(|error| refused(format!("{} could not be started for it: {error}", self.program.display())))?;
        let answer: io::Result<Result<String, String>> = process.ask(conversation);
        let answer = answer.map_err(|_| {
            let memory = MEMORY >> 20;
            refused(format!(
                "rendering took more than {SECONDS} s or {memory} MiB, or broke down: use another template"
            ))
        })?;
        *running = Some(process);
        answer.map_err(refused)
    }
}

impl Running {
    fn start(program: &PathBuf, source: &Source) -> io::Result<Self> {
        // It gets nothing of this process but the template: no environment, no terminal.
        let mut child = Command::new(program)
            .arg(RENDER_TEMPLATES)
            .env_clear()
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()?;
        let (input, output) = (child.stdin.take(), child.stdout.take());
        let (input, output) = input.zip(output).expect("both are piped");
        let mut running = Self { child, input, output: BufReader::new(output) };
        write_line(&mut running.input, source)?;
        Ok(running)
    }

    fn ask(&mut self, conversation: &Conversation<'_>) -> io::Result<Result<String, String>> {
        write_line(&mut self.input, conversation)?;
        read_line(&mut self.output)?.ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself; either way it is not left as a zombie.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What a program does whose only argument is [`RENDER_TEMPLATES`]: renders what comes on standard input, within limits,
/// until that ends.
///
/// # Errors
/// Limits that the system refuses, and input that is not what [`ChatTemplate::isolated`] writes.
pub fn render_templates() -> io::Result<()> {
    limits::memory(MEMORY)?;
    let (mut input, mut output) = (io::stdin().lock(), io::stdout().lock());
    let Some(Source { file, source, bos, eos }) = read_line(&mut input)? else { return Ok(()) };
    let template = ChatTemplate::compile(&file, &source, &bos, &eos);
    while let Some(conversation) = read_line::<Conversation<'static>>(&mut input)? {
        limits::processor(SECONDS)?;
        let rendered = match &template {
            Ok(template) => template.render_here(&conversation),
            Err(error) => Err(Error::new(ErrorKind::SyntaxError, error.to_string())),
        };
        write_line(&mut output, &rendered.map_err(|error| error.to_string()))?;
    }
    Ok(())
}

fn write_line(out: &mut impl Write, value: &impl Serialize) -> io::Result<()> {
    let mut line = serde_json::to_vec(value)?;
    line.push(b'\n');
    out.write_all(&line)?;
    out.flush()
}

/// The next line's value; `None` at the end.
fn read_line<T: DeserializeOwned>(input: &mut impl BufRead) -> io::Result<Option<T>> {
    let mut line = Vec::new();
    input.by_ref().take(MAX_LINE).read_until(b'\n', &mut line)?;
    if line.is_empty() { Ok(None) } else { Ok(Some(serde_json::from_slice(&line)?)) }
}

#[cfg(unix)]
mod limits {
    use std::io;

    use libc::{RLIMIT_AS, RLIMIT_CORE, RLIMIT_CPU, getrlimit, rlimit, setrlimit};

    /// Calls a function of the system that returns 0 or sets an error.
    macro_rules! system {
        ($call:expr) => {
            // SAFETY: the call reads or writes one structure that lives on this stack, and keeps no pointer to it.
            match unsafe { $call } {
                0 => Ok(()),
                _ => Err(io::Error::last_os_error()),
            }
        };
    }

    /// The limits that hold already: what is allowed at most, no process without privileges can raise again. A macro, as
    /// systems disagree about the type of a resource.
    macro_rules! inherited {
        ($resource:expr) => {{
            let mut limits = rlimit { rlim_cur: 0, rlim_max: 0 };
            system!(getrlimit($resource, &mut limits))?;
            limits
        }};
    }

    pub(super) fn memory(bytes: u64) -> io::Result<()> {
        let most = bytes.min(inherited!(RLIMIT_AS).rlim_max);
        system!(setrlimit(RLIMIT_AS, &rlimit { rlim_cur: most, rlim_max: most }))?;
        // Whoever overflows the stack is not worth a dump.
        system!(setrlimit(RLIMIT_CORE, &rlimit { rlim_cur: 0, rlim_max: 0 }))
    }

    /// So many seconds from now on, beyond what was used; the system counts whole ones.
    pub(super) fn processor(seconds: u64) -> io::Result<()> {
        let mut used = libc::timespec { tv_sec: 0, tv_nsec: 0 };
        system!(libc::clock_gettime(libc::CLOCK_PROCESS_CPUTIME_ID, &mut used))?;
        let rlim_max = inherited!(RLIMIT_CPU).rlim_max;
        let rlim_cur = (used.tv_sec.unsigned_abs() + seconds).min(rlim_max);
        system!(setrlimit(RLIMIT_CPU, &rlimit { rlim_cur, rlim_max }))
    }
}

#[cfg(not(unix))]
mod limits {
    use std::io;

    pub(super) fn memory(_: u64) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    pub(super) fn processor(_: u64) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }
}
