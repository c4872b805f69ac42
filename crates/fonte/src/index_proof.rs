//! `fonte index prove|verify`: proofs of what the trace index holds, in a file that anyone checks without the index.

use std::{
    fs::File,
    io::{Read, Write},
    path::Path,
};

use alloy_primitives::B256;
use eyre::{Result, WrapErr, eyre};
use fonte_attribution::{
    SuffixIndex,
    proof::{
        SegmentProver,
        file::{MAX_FILE, ProofFile, Question},
    },
};
use serde_json::json;

use crate::{args::Common, datanet::progress_bar, say::say};

/// Proves what is so about `pattern` and writes the proof file to `out`, or to standard output. The first time, the
/// trees of each segment are built beside it.
pub(crate) fn prove(
    common: &Common,
    index: &SuffixIndex,
    pattern: &[u8],
    question: Question,
    out: Option<&Path>,
) -> Result<()> {
    let bar = progress_bar(common.json);
    bar.set_message(say!("building the proof trees", "montando as árvores de prova"));
    let provers = index.provers(|done, all| {
        bar.set_length(all);
        bar.set_position(done);
    })?;
    bar.finish_and_clear();
    let file = ProofFile::prove(&provers, pattern, question)?;
    let roots: Vec<B256> = provers.iter().map(SegmentProver::root).collect();
    let verdict = file.verify(&roots)?;
    let bytes: usize = file.segments.iter().map(|segment| segment.proof.len()).sum();
    let json = file.to_json();
    let Some(out) = out else {
        return std::io::stdout().write_all(json.as_bytes()).wrap_err("standard output");
    };
    std::fs::write(out, &json).wrap_err_with(|| out.display().to_string())?;
    if common.json {
        println!(
            "{}",
            json!({"file": out.display().to_string(), "value": verdict.value, "proof_bytes": bytes, "roots": roots})
        );
        return Ok(());
    }
    println!("{}", sentence(question_of(&file), verdict.value, verdict.segments));
    println!("{}", say!("{}: {} bytes of proof", "{}: {} bytes de prova", out.display(), bytes));
    for root in roots {
        println!("{}", say!("root of a segment: {root}", "raiz de um segmento: {root}"));
    }
    Ok(())
}

/// Checks a proof file against the roots of all the segments that it is to cover; `false` where it is refused.
pub(crate) fn verify(common: &Common, path: &Path, roots: &[B256]) -> Result<bool> {
    let mut json = Vec::new();
    let file = File::open(path).wrap_err_with(|| path.display().to_string())?;
    file.take(MAX_FILE as u64 + 1).read_to_end(&mut json).wrap_err_with(|| path.display().to_string())?;
    let checked = ProofFile::from_json(&json).and_then(|file| Ok((file.verify(roots)?, file)));
    match checked {
        Ok((verdict, file)) if common.json => {
            println!(
                "{}",
                json!({"ok": true, "claim": file.claim, "value": verdict.value, "segments": verdict.segments})
            );
            Ok(true)
        }
        Ok((verdict, file)) => {
            println!("{}", sentence(question_of(&file), verdict.value, verdict.segments));
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

/// `DOCUMENT:OFFSET`, as `--here` takes it: the last colon parts them.
pub(crate) fn split_place(place: &str) -> Result<(&str, u64)> {
    place.rsplit_once(':').and_then(|(document, offset)| Some((document, offset.parse().ok()?))).ok_or_else(|| {
        eyre!(say!(
            "{place:?} is no place: write DOCUMENT:OFFSET, the offset in bytes",
            "{place:?} não é um lugar: escreva DOCUMENTO:POSIÇÃO, a posição em bytes"
        ))
    })
}

/// What was proved, without the pattern.
#[derive(Clone, Copy)]
enum Proven {
    Place,
    Longest,
    Absent,
    Count,
}

fn question_of(file: &ProofFile) -> Proven {
    use fonte_attribution::proof::file::FileClaim;
    match file.claim {
        FileClaim::Here { .. } | FileClaim::Earlier { .. } => Proven::Place,
        FileClaim::Longest { .. } => Proven::Longest,
        FileClaim::Absent { .. } => Proven::Absent,
        FileClaim::Count { .. } => Proven::Count,
    }
}

fn sentence(proven: Proven, value: u64, segments: usize) -> String {
    match proven {
        Proven::Place => say!("it stands there", "está lá"),
        Proven::Longest => say!(
            "the longest beginning of it that stands in these {segments} segments has {value} bytes",
            "o maior começo dele que consta nestes {segments} segmentos tem {value} bytes"
        ),
        Proven::Absent => {
            say!("it stands nowhere in these {segments} segments", "não consta em nenhum destes {segments} segmentos")
        }
        Proven::Count => say!(
            "it stands exactly {value} times in these {segments} segments",
            "consta exatamente {value} vezes nestes {segments} segmentos"
        ),
    }
}
