//! `fonte receipt replay`: computes an answer again with the files that the receipt names.

use std::{collections::BTreeMap, sync::Arc};

use eyre::{Result, WrapErr, eyre};
use fonte_corpus::{Bundle, Store};
use fonte_types::{
    ContributionId,
    bundle::ReceiptBundle,
    generation::{GenerationRecord, PassageRange, Profile},
    log_probs::{Alternative, TokenLogProb},
};
use fonte_worker::replay::{
    AnswerReplay, Difference, LogProbsReplay, OptionsReplay, PassageFault, PromptReplay, ReplayConfig, Replayed,
    Replayer, TextReplay, Token, check_base, passage_in, record_of,
};
use serde_json::json;

use crate::{
    args::{Common, Replay},
    challenge,
    context::Context,
    own,
    say::say,
};

/// Replays a receipt; `false` where something differs.
pub(crate) async fn run(common: &Common, arguments: Replay, bundle: ReceiptBundle) -> Result<bool> {
    // What cannot be replayed at all is refused before gigabytes are read.
    let record = record_of(&bundle)?.clone();
    let texts = texts(common, &bundle, &record).await;
    let config = config(&arguments, record.profile);
    let Replay { base, mut adapter, adapters, .. } = arguments;
    adapter.extend(adapters);
    let id = bundle.id;
    let replaying = tokio::task::spawn_blocking(move || {
        let passage = |at: &PassageRange| match texts.get(&at.contribution) {
            Some(Ok(texts)) => passage_in(texts, at),
            Some(Err(fault)) => Err(fault.clone()),
            None => Err(PassageFault::Unavailable("it was not fetched".into())),
        };
        check_base(&base, record_of(&bundle)?)?;
        Replayer::open(&base, &adapter, config)?.replay(&bundle, &passage)
    });
    let replayed = replaying.await.wrap_err("replaying")??;
    if common.json {
        let object = json!({
            "receipt": id, "match": replayed.holds(), "base": record.base, "adapter": record.adapter,
            "profile": record.profile, "replay": replayed,
        });
        println!("{}", serde_json::to_string_pretty(&object)?);
    } else {
        print(&record, &replayed);
    }
    Ok(replayed.holds())
}

/// How it is computed: the profile is the receipt's.
fn config(arguments: &Replay, profile: Profile) -> ReplayConfig {
    let mut config = ReplayConfig { profile, template_program: own::template_program(), ..ReplayConfig::default() };
    if let Some(threads) = arguments.threads {
        config.threads = threads;
    }
    if let Some(memory) = arguments.weight_memory {
        config.limits.weight_bytes = u64::from(memory) << 20;
    }
    config
}

type Texts = BTreeMap<ContributionId, Result<Arc<Bundle>, PassageFault>>;

/// The texts of the contributions that passages are of, checked against chain and versions.
async fn texts(common: &Common, bundle: &ReceiptBundle, record: &GenerationRecord) -> Texts {
    let mut texts = Texts::new();
    if record.passages.is_empty() {
        return texts;
    }
    let unavailable = |error: eyre::Report| PassageFault::Unavailable(format!("{error:#}"));
    let connecting = async {
        let context = Context::read_only(common).await?;
        if context.client.network() != &bundle.network {
            return Err(eyre!("{} is another network than the receipt's", context.client.url()));
        }
        // Where `receipt verify --chain` keeps what it fetched.
        let store = Store::open(&context.data_dir.join("audit").join("store"))?;
        Ok((context, store))
    };
    let connected = connecting.await.map_err(unavailable);
    for PassageRange { contribution: id, .. } in &record.passages {
        if texts.contains_key(id) {
            continue;
        }
        let fetched = match &connected {
            Err(fault) => Err(fault.clone()),
            Ok((context, store)) => match context.client.contribution(*id).await {
                Err(error) => Err(unavailable(error.into())),
                Ok(Some(member)) if member.membership.is_member_of_any(&bundle.receipt.versions) => {
                    challenge::fetch(store, &context.gateway, &member).await.map_err(unavailable)
                }
                Ok(_) => Err(PassageFault::Wrong(format!("contribution {id} is in none of the named versions"))),
            },
        };
        texts.insert(*id, fetched);
    }
    texts
}

fn print(record: &GenerationRecord, replayed: &Replayed) {
    let passages = record.passages.len();
    let (ok, bad, unknown) = ("ok    ", "FAILED", "?     ");
    let named = |index: usize, passage: &PassageRange| {
        let PassageRange { contribution, document, .. } = passage;
        say!(
            "passage {} (document {document} of contribution {contribution})",
            "trecho {} (documento {document} da contribuição {contribution})",
            index + 1
        )
    };
    let (mark, text) = match &replayed.prompt {
        PromptReplay::Same => (
            ok,
            say!(
                "its {} tokens are conversation and passages ({passages}), laid out as documented",
                "seus {} tokens são conversa e trechos ({passages}), dispostos como documentado",
                replayed.prompt_tokens
            ),
        ),
        PromptReplay::Differs(difference) => (bad, differs(difference)),
        PromptReplay::WrongPassage { index, passage, why } => (bad, format!("{}: {why}", named(*index, passage))),
        PromptReplay::NotRendered { index, passage, why } => (
            unknown,
            say!(
                "not re-rendered: {} not available: {why}",
                "não refeito: {} não disponível: {why}",
                named(*index, passage)
            ),
        ),
    };
    println!("  {mark}  prompt: {text}");
    let (mark, text) = match &replayed.options {
        OptionsReplay::Same => (ok, say!("those of the base's authors", "as dos autores do modelo base")),
        OptionsReplay::Differs { field, committed, computed } => (
            bad,
            say!(
                "{field} is {committed}, the base's files say {computed}",
                "{field} é {committed}, os arquivos do modelo base dizem {computed}"
            ),
        ),
    };
    println!("  {mark}  options: {text}");
    let (mark, text) = match &replayed.text {
        TextReplay::Same => (ok, say!("its tokens are the answer's text", "seus tokens são o texto da resposta")),
        TextReplay::Differs { byte } => (
            bad,
            say!(
                "its tokens are another text than the answer's from byte {byte} on",
                "seus tokens são outro texto que o da resposta a partir do byte {byte}"
            ),
        ),
    };
    println!("  {mark}  text: {text}");
    let (mark, text) = match &replayed.answer {
        AnswerReplay::Same => (
            ok,
            say!("the model writes the same {} tokens", "o modelo escreve os mesmos {} tokens", replayed.answer_tokens),
        ),
        AnswerReplay::Differs(difference) => (bad, differs(difference)),
        AnswerReplay::Impossible { why } => (bad, why.clone()),
    };
    println!("  {mark}  answer: {text}");
    match &replayed.log_probs {
        LogProbsReplay::None => {}
        LogProbsReplay::Same => println!(
            "  {ok}  log-probabilities: {}",
            say!("those of the model, to the millionth", "as do modelo, até o milionésimo")
        ),
        LogProbsReplay::Differs { index, committed, computed } => println!(
            "  {bad}  log-probabilities: {}",
            say!(
                "token {index}: signed for {}, the model's are {}",
                "token {index}: assinado {}, as do modelo são {}",
                likely(committed),
                likely(computed)
            )
        ),
    }
    println!(
        "{}",
        if replayed.holds() {
            say!("match: {} tokens", "confere: {} tokens", replayed.answer_tokens)
        } else {
            say!("NO match", "NÃO confere")
        }
    );
}

/// A token's log-probability in millionths of a nat, and those of its alternatives.
fn likely(token: &Option<TokenLogProb>) -> String {
    let one = |alternative: &Alternative| {
        format!("{:?} {}", String::from_utf8_lossy(&alternative.bytes), alternative.micronats)
    };
    match token {
        None => say!("none", "nenhuma"),
        Some(TokenLogProb { token, top }) if top.is_empty() => one(token),
        Some(TokenLogProb { token, top }) => {
            format!("{} [{}]", one(token), top.iter().map(one).collect::<Vec<_>>().join(", "))
        }
    }
}

fn differs(difference: &Difference) -> String {
    let Difference { index, committed, computed } = difference;
    let token = |token: &Option<Token>| match token {
        None => say!("its end", "o fim"),
        Some(Token { id, ends: true, .. }) => say!("{id} (ends the answer)", "{id} (termina a resposta)"),
        Some(Token { id, text, .. }) => format!("{id} {text:?}"),
    };
    say!(
        "token {index}: signed for {}, the model's is {}",
        "token {index}: assinado {}, o do modelo é {}",
        token(committed),
        token(computed)
    )
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::args::{Cli, Command, Receipt};

    #[test]
    fn options_say_how_it_is_computed() {
        let configured = |options: &[&str]| {
            let words = [&["fonte", "receipt", "replay", "r.json", "--base", "tiny"], options].concat();
            match Cli::parse_from(words).command {
                Command::Receipt(Receipt::Replay(arguments)) => config(&arguments, Profile::Int8Exact),
                other => panic!("{other:?}"),
            }
        };
        let (plain, default) = (configured(&[]), ReplayConfig::default());
        assert_eq!((plain.profile, plain.threads, plain.limits), (Profile::Int8Exact, default.threads, default.limits));
        let set = configured(&["--weight-memory", "20000", "--threads", "3"]);
        assert_eq!((set.limits.weight_bytes, set.threads), (20_000 << 20, 3));
    }
}
