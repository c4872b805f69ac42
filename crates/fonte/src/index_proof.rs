//! `fonte index prove|verify`: proofs of what the trace index holds, in a file that anyone checks without the index.

use std::{
    fs::File,
    io::{Read, Write},
    path::{Path, PathBuf},
};

use alloy_primitives::B256;
use clap::Args;
use eyre::{Result, WrapErr, bail, eyre};
use fonte_attribution::{
    FolderIndex, IndexConfig, IndexError, Occurrence,
    proof::{
        MAX_PATTERN, ProveError, SegmentProver,
        file::{FileClaim, MAX_FILE, ProofFile, Question, Verdict},
    },
};
use fonte_types::ContributionId;
use serde_json::json;

use crate::{
    args::Common,
    datanet::progress_bar,
    index::{excerpt, existing},
    say::say,
};

#[derive(Debug, Args)]
pub(crate) struct Prove {
    /// The index.
    pub(crate) index: PathBuf,
    /// The text, byte for byte.
    #[arg(long, required_unless_present = "text", allow_hyphen_values = true)]
    pattern: Option<String>,
    /// The text, from a file of at most 65,535 bytes; - reads it from the standard input.
    #[arg(long, value_name = "FILE", conflicts_with = "pattern")]
    text: Option<PathBuf>,
    /// That its longest beginning that stands in any document has so many bytes. This is what is proved unless something
    /// else is asked for.
    #[arg(long, group = "question")]
    longest: bool,
    /// That it stands in no document.
    #[arg(long, group = "question")]
    absent: bool,
    /// That it stands in the documents exactly so often.
    #[arg(long, group = "question")]
    count: bool,
    /// That it stands in this document at this byte.
    #[arg(long, group = "question", value_name = "PATH:OFFSET")]
    here: Option<String>,
    /// That it stands in a document that precedes this one.
    #[arg(long, group = "question", value_name = "PATH")]
    earlier: Option<String>,
    /// Where the proof goes; to the standard output otherwise.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct Verify {
    /// The proof.
    file: PathBuf,
    /// Root of a segment that the claim is to cover. Give all of them: what stands in no segment that is named here may
    /// stand in another.
    #[arg(long = "root", required = true, value_name = "ROOT")]
    roots: Vec<B256>,
}

/// Proves what is so about a text. The first time, the trees of each segment are built beside it.
pub(crate) fn prove(common: &Common, prove: &Prove) -> Result<()> {
    existing(&prove.index)?;
    let index = FolderIndex::open_read_only(&prove.index)?;
    let pattern = match (&prove.pattern, &prove.text) {
        (Some(pattern), _) => pattern.clone().into_bytes(),
        (None, Some(file)) => text(file)?,
        (None, None) => bail!(say!("give a text: --pattern or --text", "dê um texto: --pattern ou --text")),
    };
    let question = question(prove, &index)?;
    let provers = match index.index().provers(|_, _| {}) {
        Err(ProveError::Index(IndexError::ReadOnly { .. })) => build_trees(common, &prove.index)?,
        provers => provers?,
    };
    let file = ProofFile::prove(&provers, &pattern, question)?;
    let roots: Vec<B256> = provers.iter().map(SegmentProver::root).collect();
    // What others will check, checked before it leaves.
    let verdict = file.verify(&roots)?;
    let bytes: usize = file.segments.iter().map(|segment| segment.proof.len()).sum();
    let Some(out) = &prove.out else {
        return std::io::stdout().write_all(file.to_json().as_bytes()).wrap_err("standard output");
    };
    std::fs::write(out, file.to_json()).wrap_err_with(|| out.display().to_string())?;
    if common.json {
        let file = out.display().to_string();
        println!("{}", json!({"file": file, "value": verdict.value, "proof_bytes": bytes, "roots": roots}));
        return Ok(());
    }
    println!("{}", sentence(&file, verdict));
    println!("{}", say!("{}: {} bytes of proof", "{}: {} bytes de prova", out.display(), bytes));
    for root in roots {
        println!("{}", say!("root of a segment: {root}", "raiz de um segmento: {root}"));
    }
    Ok(())
}

/// Trees are written beside the segments, so this takes the lock of a writer; once they are there, proving does not.
fn build_trees(common: &Common, at: &Path) -> Result<Vec<SegmentProver>> {
    let index = FolderIndex::open(at, IndexConfig::default())?;
    let bar = progress_bar(common.json);
    let memory = index.index().proof_memory().div_ceil(1 << 20);
    let message = say!(
        "building the proof trees, with up to {memory} MiB of memory",
        "montando as árvores de prova, com até {memory} MiB de memória"
    );
    if bar.is_hidden() && !common.json {
        eprintln!("{message}");
    }
    bar.set_message(message);
    let provers = index.index().provers(|done, all| {
        bar.set_length(all);
        bar.set_position(done);
    })?;
    bar.finish_and_clear();
    Ok(provers)
}

/// Checks a proof file against the roots of all the segments that it is to cover; `false` where it is refused.
pub(crate) fn verify(common: &Common, verify: &Verify) -> Result<bool> {
    let json = read(&verify.file, MAX_FILE)?;
    let checked = ProofFile::from_json(&json).and_then(|file| Ok((file.verify(&verify.roots)?, file)));
    match checked {
        Ok((verdict, file)) => {
            if common.json {
                let mut object = json!({
                    "ok": true, "claim": file.claim, "value": verdict.value, "segments": verdict.segments,
                });
                if let Some(Occurrence { contribution, document, offset }) = file.place() {
                    object["place"] = json!({"contribution": contribution, "document": document, "offset": offset});
                }
                println!("{object}");
            } else {
                println!("{}", sentence(&file, verdict));
            }
            Ok(true)
        }
        Err(error) => {
            // The cause says which byte, count or root differs.
            let differs = format!("{:#}", eyre!(error));
            if common.json {
                println!("{}", json!({"ok": false, "differs": differs}));
            } else {
                println!("{}", say!("refused: {differs}", "recusada: {differs}"));
            }
            Ok(false)
        }
    }
}

fn question(prove: &Prove, index: &FolderIndex) -> Result<Question> {
    if let Some(place) = &prove.here {
        let (path, offset) = split_place(place)?;
        return Ok(Question::Here(Occurrence { contribution: contribution(index, path)?, document: 0, offset }));
    }
    if let Some(path) = &prove.earlier {
        return Ok(Question::Earlier(contribution(index, path)?));
    }
    Ok(match (prove.absent, prove.count) {
        (true, _) => Question::Absent,
        (_, true) => Question::Count,
        _ => Question::Longest,
    })
}

/// The contribution that a file is in its index.
fn contribution(index: &FolderIndex, path: &str) -> Result<ContributionId> {
    index.contribution(path).ok_or_else(|| {
        eyre!(say!(
            "{path:?} is not in the index; `fonte index stats` counts what is, and paths are as they were added",
            "{path:?} não está no índice; `fonte index stats` conta o que está, e os caminhos são os de quando entraram"
        ))
    })
}

/// The last colon parts path and offset.
fn split_place(place: &str) -> Result<(&str, u64)> {
    place.rsplit_once(':').and_then(|(path, offset)| Some((path, offset.parse().ok()?))).ok_or_else(|| {
        eyre!(say!(
            "{place:?} is no place: write PATH:OFFSET, the offset in bytes",
            "{place:?} não é um lugar: escreva CAMINHO:POSIÇÃO, a posição em bytes"
        ))
    })
}

/// One byte more than can be proved is read at most, so that the prover can say what is too long.
fn text(file: &Path) -> Result<Vec<u8>> {
    read(file, MAX_PATTERN)
}

fn read(file: &Path, most: usize) -> Result<Vec<u8>> {
    let reader: Box<dyn Read> = if file == Path::new("-") {
        Box::new(std::io::stdin())
    } else {
        Box::new(File::open(file).wrap_err_with(|| file.display().to_string())?)
    };
    let mut bytes = Vec::new();
    reader.take(most as u64 + 1).read_to_end(&mut bytes).wrap_err_with(|| file.display().to_string())?;
    Ok(bytes)
}

/// What was proved. Of a place also of which text, and where: there is no more in the claim.
fn sentence(file: &ProofFile, verdict: Verdict) -> String {
    let Verdict { segments, value } = verdict;
    match &file.claim {
        FileClaim::Here { pattern, .. } => stands(file, pattern),
        FileClaim::Earlier { pattern, before } => say!(
            "{}, which precedes contribution {before}",
            "{}, que vem antes da contribuição {before}",
            stands(file, pattern)
        ),
        FileClaim::Longest { .. } => say!(
            "the longest beginning of it that stands in these {segments} segments has {value} bytes",
            "o maior começo dele que consta nestes {segments} segmentos tem {value} bytes"
        ),
        FileClaim::Absent { .. } => {
            say!("it stands nowhere in these {segments} segments", "não consta em nenhum destes {segments} segmentos")
        }
        FileClaim::Count { .. } => say!(
            "it stands exactly {value} times in these {segments} segments",
            "consta exatamente {value} vezes nestes {segments} segmentos"
        ),
    }
}

fn stands(file: &ProofFile, pattern: &[u8]) -> String {
    let place = file.place().expect("a verified claim of a place has one proof, of a place");
    let Occurrence { contribution, document, offset } = place;
    let (shown, bytes) = (excerpt(pattern, 0..pattern.len()), pattern.len());
    say!(
        "\"{shown}\" ({bytes} bytes) stands in contribution {contribution}, document {document}, at byte {offset}",
        "\"{shown}\" ({bytes} bytes) está na contribuição {contribution}, documento {document}, no byte {offset}"
    )
}
