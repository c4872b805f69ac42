//! `fonte index build|add|withdraw|stats|count|trace|owners|prove|verify`: the trace index by itself, over files.

use std::{
    io::Read,
    path::{Path, PathBuf},
    time::Duration,
};

use eyre::{Result, WrapErr, bail};
use fonte_attribution::{
    Estimate, Everyone, FolderIndex, IndexConfig, IndexStats, MAX_ANSWER_BYTES, Plan, Progress, SpanQuery, TraceIndex,
    lies_in, whole_characters,
};
use fonte_types::evidence::Source;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value, json};

use crate::{
    args::{
        Common,
        index::{Add, Build, Index, Trace},
    },
    datanet::progress_bar,
    index_proof,
    say::say,
};

/// `false` where a proof was refused.
pub(crate) fn run(common: &Common, command: Index) -> Result<bool> {
    match command {
        Index::Build(build) => self::build(common, &build)?,
        Index::Add(add) => self::add(common, &add)?,
        Index::Withdraw { index, paths, erase } => withdraw(common, &index, &paths, erase)?,
        Index::Stats { index } => stats(common, &index)?,
        Index::Count { index, pattern, text } => count(common, &index, pattern.as_deref(), text.as_deref())?,
        Index::Trace(trace) => self::trace(common, &trace)?,
        Index::Owners { index, text } => owners(common, &index, &text)?,
        Index::Prove(prove) => index_proof::prove(common, &prove)?,
        Index::Verify(verify) => return index_proof::verify(common, &verify),
    }
    Ok(true)
}

fn build(common: &Common, build: &Build) -> Result<()> {
    let config = config(build.segment_mib);
    // Nothing is made before there is something to put into it.
    let index = if is_index(&build.out) { Some(open(common, &build.out, config)?) } else { None };
    // What an interrupted build of the same folder left is completed; anything else is another index.
    let live = index.iter().flat_map(|index| index.live().into_keys());
    if let Some(foreign) = live.into_iter().find(|path| !lies_in(path, &build.folder)) {
        bail!(say!(
            "{} already holds an index, with {foreign} in it: add to it with `fonte index add`, or choose another folder",
            "{} já tem um índice, com {foreign}: acrescente com `fonte index add` ou escolha outra pasta",
            build.out.display()
        ));
    }
    let plan = match &index {
        Some(index) => plan(common, index, &build.folder)?,
        None => Plan::afresh(&build.folder, &build.out)?,
    };
    if plan.files.is_empty() && plan.known == 0 {
        bail!(say!("there are no files in {}", "não há arquivos em {}", build.folder.display()));
    }
    extend(common, index, &plan, &build.out, config, Merging::Afterwards)
}

fn add(common: &Common, add: &Add) -> Result<()> {
    existing(&add.index)?;
    let config = config(add.segment_mib);
    let index = open(common, &add.index, config)?;
    let plan = plan(common, &index, &add.folder)?;
    let merging = if add.no_merge { Merging::Left } else { Merging::Afterwards };
    extend(common, Some(index), &plan, &add.index, config, merging)
}

/// For writing; a dry run writes nothing.
fn open(common: &Common, at: &Path, config: IndexConfig) -> Result<FolderIndex> {
    Ok(if common.dry_run { FolderIndex::open_read_only(at)? } else { FolderIndex::open(at, config)? })
}

fn config(segment_mib: u16) -> IndexConfig {
    IndexConfig { max_segment_bytes: usize::from(segment_mib) << 20, ..IndexConfig::default() }
}

/// Known files are compared with what was indexed, so this takes a while.
fn plan(common: &Common, index: &FolderIndex, folder: &Path) -> Result<Plan> {
    let steps = Steps::new(common, 0, 0);
    steps.say(say!("looking into {}", "olhando {}", folder.display()));
    let plan = index.plan(folder, &mut |files, bytes| {
        steps.bar.set_message(say!("looked at {files} files, {}", "{files} arquivos olhados, {}", size(bytes)));
    })?;
    steps.bar.finish_and_clear();
    Ok(plan)
}

/// When segments that have become too many are merged.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Merging {
    /// Once it is told what was added.
    Afterwards,
    /// By a later call.
    Left,
}

/// Says what it will take, adds what was planned, and says so before it merges, which may take many times as long.
fn extend(
    common: &Common,
    index: Option<FolderIndex>,
    plan: &Plan,
    at: &Path,
    config: IndexConfig,
    merging: Merging,
) -> Result<()> {
    let files = plan.files.len() as u64;
    let estimate = match (&index, merging) {
        (Some(index), Merging::Afterwards) => config.estimate_add(index.index(), files, plan.bytes()),
        (Some(index), Merging::Left) => config.estimate_add_unmerged(index.index(), files, plan.bytes()),
        (None, _) => config.estimate(files, plan.bytes()),
    };
    let mut told = estimate_json(estimate);
    told["files"] = json!(files);
    told["text_bytes"] = json!(plan.bytes());
    announce(
        common,
        &told,
        estimate,
        say!(
            "{files} files, {} ({} known files are left as they are)",
            "{files} arquivos, {} ({} arquivos já conhecidos ficam como estão)",
            size(plan.bytes()),
            plan.known
        ),
    );
    let tell = |added: usize, stats: IndexStats| {
        if common.json {
            let mut object = stats_json(at, stats);
            object["added"] = json!(added);
            object["known"] = json!(plan.known);
            object["estimate"] = told.clone();
            println!("{object}");
        } else if !common.dry_run {
            println!("{}", say!("{added} files added", "{added} arquivos acrescentados"));
            print_stats(stats);
        }
    };
    if common.dry_run {
        tell(0, index.map_or_else(IndexStats::default, |index| index.index().stats()));
        return Ok(());
    }
    let mut index = match index {
        Some(index) => index,
        None => FolderIndex::open(at, config)?,
    };
    let mut steps = Steps::new(common, plan.bytes(), plan.bytes() + files);
    let added = index.add_unmerged(plan, &mut |at| steps.at(at))?;
    steps.bar.finish_and_clear();
    tell(added, index.index().stats());
    if merging == Merging::Left {
        return Ok(());
    }
    let mut steps = Steps::new(common, 0, estimate.merged_bytes);
    let mut merged = false;
    index.index().merge(&mut |at| {
        merged = true;
        steps.at(at);
    })?;
    steps.bar.finish_and_clear();
    if merged && !common.json {
        print_stats(index.index().stats());
    }
    Ok(())
}

fn withdraw(common: &Common, at: &Path, paths: &[PathBuf], erase: bool) -> Result<()> {
    existing(at)?;
    let config = IndexConfig::default();
    let index = open(common, at, config)?;
    let files = index.named(paths)?;
    let estimate = config.estimate_withdraw(index.index(), &files, erase);
    if estimate.segments > 0 {
        let rebuilt = size(estimate.merged_bytes);
        announce(
            common,
            &estimate_json(estimate),
            estimate,
            say!(
                "{} files; {rebuilt} are rebuilt without them",
                "{} arquivos; {rebuilt} são refeitos sem eles",
                files.len()
            ),
        );
    }
    let withdrawn = if common.dry_run {
        0
    } else {
        let mut steps = Steps::new(common, 0, estimate.merged_bytes);
        let withdrawn = index.withdraw(paths, erase, &mut |at| steps.at(at))?;
        steps.bar.finish_and_clear();
        withdrawn
    };
    if common.json {
        let mut object = stats_json(at, index.index().stats());
        object["withdrawn"] = json!(withdrawn);
        object["files"] = json!(files.len());
        object["estimate"] = estimate_json(estimate);
        println!("{object}");
    } else if common.dry_run {
        println!("{}", say!("{} files would be withdrawn", "{} arquivos seriam retirados", files.len()));
    } else {
        println!("{}", say!("{withdrawn} files withdrawn", "{withdrawn} arquivos retirados"));
        print_stats(index.index().stats());
    }
    Ok(())
}

/// Before the work, on stderr: what it takes, and what it is.
fn announce(common: &Common, told: &Value, estimate: Estimate, what: String) {
    if common.json {
        eprintln!("{}", json!({ "estimate": told }));
        return;
    }
    let (memory, disk) = (size(estimate.memory_bytes), size(estimate.disk_bytes));
    eprintln!(
        "{what}: {}",
        say!(
            "this takes about {memory} of memory and {disk} of disk",
            "isto usa cerca de {memory} de memória e {disk} de disco"
        )
    );
    if estimate.merged_bytes > 0 {
        let merged = size(estimate.merged_bytes);
        eprintln!(
            "{}",
            say!("of that, {merged} of text are sorted again", "disso, {merged} de texto são ordenados de novo")
        );
    }
}

fn estimate_json(estimate: Estimate) -> Value {
    json!({
        "segments": estimate.segments, "merged_bytes": estimate.merged_bytes,
        "memory_bytes": estimate.memory_bytes, "disk_bytes": estimate.disk_bytes,
    })
}

/// A bar that follows the work: reading a byte takes a tenth of it and sorting it the rest. Lines where nobody sees a bar.
struct Steps {
    bar: ProgressBar,
    lines: bool,
    read: u64,
    sorted: u64,
}

impl Steps {
    const SORTING: u64 = 9;

    /// For so many bytes to be read and sorted.
    fn new(common: &Common, read: u64, sorted: u64) -> Self {
        let bar = progress_bar(common.json);
        let template = if read + sorted > 0 { "  {msg} {wide_bar} {percent} % {elapsed}" } else { "  {msg} {elapsed}" };
        bar.set_style(ProgressStyle::with_template(template).expect("a fixed template"));
        bar.set_length(read + Self::SORTING * sorted);
        bar.enable_steady_tick(Duration::from_millis(200));
        Self { lines: !common.json && bar.is_hidden(), bar, read: 0, sorted: 0 }
    }

    fn say(&self, what: String) {
        if self.lines {
            eprintln!("{what}");
        } else {
            self.bar.set_message(what);
        }
    }

    fn at(&mut self, at: Progress) {
        match at {
            Progress::Read { bytes, .. } => self.read = bytes,
            Progress::Merge { segments, bytes } => {
                self.say(say!("merging {segments} segments, {}", "unindo {segments} segmentos, {}", size(bytes as u64)))
            }
            Progress::Sort { bytes } => self.say(say!("sorting {}", "ordenando {}", size(bytes as u64))),
            Progress::Write { bytes } => self.say(say!("writing {}", "gravando {}", size(bytes as u64))),
            Progress::Live { documents, bytes } => {
                self.sorted += bytes as u64;
                self.say(say!("{documents} documents answer queries", "{documents} documentos respondem a consultas"));
            }
        }
        self.bar.set_position(self.read + Self::SORTING * self.sorted);
    }
}

fn stats(common: &Common, at: &Path) -> Result<()> {
    let stats = FolderIndex::open_read_only(at)?.index().stats();
    if common.json {
        println!("{}", stats_json(at, stats));
    } else {
        print_stats(stats);
    }
    Ok(())
}

fn count(common: &Common, at: &Path, pattern: Option<&str>, file: Option<&Path>) -> Result<()> {
    let index = FolderIndex::open_read_only(at)?;
    let bytes = match file {
        Some(file) => text(file)?,
        None => pattern.unwrap_or_default().as_bytes().to_vec(),
    };
    let count = index.index().count(&bytes, &Everyone)?;
    if common.json {
        let file = file.map(|file| file.display().to_string());
        println!("{}", json!({"pattern": pattern, "text": file, "bytes": bytes.len(), "count": count}));
    } else {
        println!("{count}");
    }
    Ok(())
}

fn trace(common: &Common, trace: &Trace) -> Result<()> {
    let index = FolderIndex::open_read_only(&trace.index)?;
    let text = text(&trace.text)?;
    let query = SpanQuery { min_len: trace.min_len, max_documents: trace.max_docs };
    let spans = index.index().spans(&text, query, &Everyone)?;
    let path = |id| index.path(id).unwrap_or_default();
    if common.json {
        let spans: Vec<Value> = spans
            .iter()
            .map(|span| {
                let documents: Vec<Value> = span
                    .documents
                    .iter()
                    .map(|place| json!({"path": path(place.contribution), "offset": place.offset}))
                    .collect();
                json!({"start": span.start, "end": span.end, "count": span.count, "documents": documents})
            })
            .collect();
        println!("{}", json!({"bytes": text.len(), "spans": spans}));
        return Ok(());
    }
    if spans.is_empty() {
        println!(
            "{}",
            say!(
                "no {} bytes in a row stand in any document",
                "não há {} bytes seguidos em documento algum",
                trace.min_len
            )
        );
    }
    for span in &spans {
        println!("{}..{}  {}x  {}", span.start, span.end, span.count, excerpt(&text, span.start..span.end));
        for place in &span.documents {
            println!("    {}:{}", path(place.contribution), place.offset);
        }
        if let Some(more) = (span.count > span.documents.len() as u64).then(|| span.count - span.documents.len() as u64)
        {
            println!("    {}", say!("and {more} more places", "e mais {more} lugares"));
        }
    }
    Ok(())
}

fn owners(common: &Common, at: &Path, text_file: &Path) -> Result<()> {
    let index = FolderIndex::open_read_only(at)?;
    let text = text(text_file)?;
    let runs = index.index().owners(&text, b"", &Everyone)?;
    let document = |source| match source {
        Source::Contribution(id) => index.path(id),
        _ => None,
    };
    if common.json {
        let runs: Vec<Value> = runs
            .iter()
            .map(|run| match document(run.source) {
                Some(path) => json!({
                    "start": run.start, "end": run.end, "document": path, "offset": run.offset,
                    "match_start": run.match_start, "match_end": run.match_end,
                }),
                None => json!({"start": run.start, "end": run.end, "document": null}),
            })
            .collect();
        println!("{}", json!({"bytes": text.len(), "runs": runs}));
        return Ok(());
    }
    for run in &runs {
        let shown = excerpt(&text, run.start as usize..run.end as usize);
        let nobody = say!("(nobody)", "(ninguém)");
        println!("{}..{}  {}  {shown}", run.start, run.end, document(run.source).unwrap_or(&nobody));
    }
    Ok(())
}

fn is_index(at: &Path) -> bool {
    at.join("manifest").exists()
}

/// Writing commands make a folder where there is none; these need one.
pub(crate) fn existing(at: &Path) -> Result<()> {
    if !is_index(at) {
        bail!(say!(
            "there is no index in {}: make one with `fonte index build DIR --out {}`",
            "não há índice em {}: crie com `fonte index build PASTA --out {}`",
            at.display(),
            at.display()
        ));
    }
    Ok(())
}

/// The text to be traced; one byte more than is traced is read at most, so that the index can say what is too long.
fn text(file: &Path) -> Result<Vec<u8>> {
    let reader: Box<dyn Read> = if file == Path::new("-") {
        Box::new(std::io::stdin())
    } else {
        Box::new(std::fs::File::open(file).wrap_err_with(|| file.display().to_string())?)
    };
    let mut text = Vec::new();
    reader.take(MAX_ANSWER_BYTES as u64 + 1).read_to_end(&mut text).wrap_err_with(|| file.display().to_string())?;
    Ok(text)
}

/// A stretch on one line of at most 70 characters, whole characters only.
pub(crate) fn excerpt(text: &[u8], stretch: std::ops::Range<usize>) -> String {
    let text = String::from_utf8_lossy(&text[whole_characters(text, stretch)]).into_owned();
    let mut shown: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(70).collect();
    if shown.chars().count() < text.chars().count() {
        shown.push('…');
    }
    shown
}

fn stats_json(at: &Path, stats: IndexStats) -> Value {
    json!({
        "index": at.display().to_string(), "documents": stats.documents, "text_bytes": stats.text_bytes,
        "withdrawn_documents": stats.withdrawn_documents, "withdrawn_bytes": stats.withdrawn_bytes,
        "segments": stats.segments, "file_bytes": stats.file_bytes,
    })
}

fn print_stats(stats: IndexStats) {
    println!(
        "{}",
        say!(
            "{} documents, {} of text, in {} segments of {} together",
            "{} documentos, {} de texto, em {} segmentos que somam {}",
            stats.documents,
            size(stats.text_bytes),
            stats.segments,
            size(stats.file_bytes)
        )
    );
    if stats.withdrawn_documents > 0 {
        println!(
            "{}",
            say!(
                "{} withdrawn documents of {} are still on disk, unseen",
                "{} documentos retirados, de {}, ainda estão no disco, sem serem vistos",
                stats.withdrawn_documents,
                size(stats.withdrawn_bytes)
            )
        );
    }
}

/// Bytes for people, in decimal units.
fn size(bytes: u64) -> String {
    const UNITS: [&str; 4] = ["kB", "MB", "GB", "TB"];
    let mut value = bytes as f64 / 1e3;
    let mut unit = 0;
    while value >= 1e3 && unit + 1 < UNITS.len() {
        value /= 1e3;
        unit += 1;
    }
    format!("{value:.1} {}", UNITS[unit])
}
