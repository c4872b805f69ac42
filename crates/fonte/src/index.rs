//! `fonte index build|add|withdraw|stats|count|trace|owners|prove|verify`: the trace index by itself, over files.

use std::{
    io::Read,
    path::{Path, PathBuf},
    time::Duration,
};

use eyre::{Result, WrapErr, bail};
use fonte_attribution::{
    Everyone, FolderIndex, IndexConfig, IndexStats, MAX_ANSWER_BYTES, Plan, Progress, SpanQuery, TraceIndex,
    whole_characters,
};
use fonte_types::evidence::Source;
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
        Index::Count { index, pattern } => count(common, &index, &pattern)?,
        Index::Trace(trace) => self::trace(common, &trace)?,
        Index::Owners { index, text } => owners(common, &index, &text)?,
        Index::Prove(prove) => index_proof::prove(common, &prove)?,
        Index::Verify(verify) => return index_proof::verify(common, &verify),
    }
    Ok(true)
}

fn build(common: &Common, build: &Build) -> Result<()> {
    let config = config(build.segment_mib);
    let mut index = FolderIndex::open(&build.out, config)?;
    // What an interrupted build of the same folder left is completed; anything else is another index.
    if let Some(foreign) = index.live().keys().find(|path| !Path::new(path).starts_with(&build.folder)) {
        bail!(say!(
            "{} already holds an index, with {foreign} in it: add to it with `fonte index add`, or choose another folder",
            "{} já tem um índice, com {foreign}: acrescente com `fonte index add` ou escolha outra pasta",
            build.out.display()
        ));
    }
    let plan = index.plan(&build.folder)?;
    if plan.files.is_empty() && plan.known == 0 {
        bail!(say!("there are no files in {}", "não há arquivos em {}", build.folder.display()));
    }
    extend(common, &mut index, &plan, &build.out, config)
}

fn add(common: &Common, add: &Add) -> Result<()> {
    existing(&add.index)?;
    let config = config(add.segment_mib);
    let mut index = FolderIndex::open(&add.index, config)?;
    let plan = index.plan(&add.folder)?;
    extend(common, &mut index, &plan, &add.index, config)
}

fn config(segment_mib: u16) -> IndexConfig {
    IndexConfig { max_segment_bytes: usize::from(segment_mib) << 20, ..IndexConfig::default() }
}

/// Says what it will take, then adds what was planned.
fn extend(common: &Common, index: &mut FolderIndex, plan: &Plan, at: &Path, config: IndexConfig) -> Result<()> {
    let estimate = config.estimate(plan.files.len() as u64, plan.bytes());
    if !common.json {
        eprintln!(
            "{}",
            say!(
                "{} files, {}: this takes about {} of memory and {} of disk ({} known files are left as they are)",
                "{} arquivos, {}: isto usa cerca de {} de memória e {} de disco ({} arquivos já conhecidos ficam como estão)",
                plan.files.len(),
                size(plan.bytes()),
                size(estimate.memory_bytes),
                size(estimate.disk_bytes),
                plan.known
            )
        );
    }
    let mut added = 0;
    if !common.dry_run {
        let bar = progress_bar(common.json);
        bar.set_length(plan.bytes());
        bar.enable_steady_tick(Duration::from_millis(200));
        added = index.add(plan, &mut |at| match at {
            Progress::Read { bytes, .. } => bar.set_position(bytes),
            Progress::Sort { bytes } => bar.set_message(say!("sorting {}", "ordenando {}", size(bytes as u64))),
            Progress::Write { bytes } => bar.set_message(say!("writing {}", "gravando {}", size(bytes as u64))),
            Progress::Merge { segments, .. } => {
                bar.set_message(say!("merging {segments} segments", "unindo {segments} segmentos"));
            }
            Progress::Live { .. } => bar.set_message(String::new()),
        })?;
        bar.finish_and_clear();
    }
    let stats = index.index().stats();
    if common.json {
        let mut object = stats_json(at, stats);
        object["added"] = json!(added);
        object["known"] = json!(plan.known);
        object["estimate"] = json!({
            "files": plan.files.len(), "text_bytes": plan.bytes(), "segments": estimate.segments,
            "memory_bytes": estimate.memory_bytes, "disk_bytes": estimate.disk_bytes,
        });
        println!("{object}");
    } else if !common.dry_run {
        println!("{}", say!("{added} files added", "{added} arquivos acrescentados"));
        print_stats(stats);
    }
    Ok(())
}

fn withdraw(common: &Common, at: &Path, paths: &[PathBuf], erase: bool) -> Result<()> {
    existing(at)?;
    let index = FolderIndex::open(at, IndexConfig::default())?;
    let withdrawn = if common.dry_run { 0 } else { index.withdraw(paths, erase)? };
    if common.json {
        let mut object = stats_json(at, index.index().stats());
        object["withdrawn"] = json!(withdrawn);
        println!("{object}");
    } else {
        println!("{}", say!("{withdrawn} files withdrawn", "{withdrawn} arquivos retirados"));
        print_stats(index.index().stats());
    }
    Ok(())
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

fn count(common: &Common, at: &Path, pattern: &str) -> Result<()> {
    let index = FolderIndex::open_read_only(at)?;
    let count = index.index().count(pattern.as_bytes(), &Everyone)?;
    if common.json {
        println!("{}", json!({"pattern": pattern, "count": count}));
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

/// Writing commands make a folder where there is none; these need one.
fn existing(at: &Path) -> Result<()> {
    if !at.join("manifest").exists() {
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
fn excerpt(text: &[u8], stretch: std::ops::Range<usize>) -> String {
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
