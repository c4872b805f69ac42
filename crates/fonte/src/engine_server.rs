//! `fonte engine serve`: the OpenAI API over a base and its adapters, without a chain.

use std::{sync::Arc, time::Duration};

use alloy_primitives::{Address, B256};
use eyre::{Result, WrapErr, eyre};
use fonte_gateway::{EngineServer, EngineServerConfig, Limits, Local, Named, PlainRequest};
use fonte_inference::model::ContentHash;
use fonte_types::{
    generation,
    wire::{EngineReport, Refusal, RefusalCode, Told},
};
use fonte_worker::{
    AnswerModel, Emit, ModelError, Question, answer_plainly,
    local::{AdapterEntry, LocalBase, LocalModel},
};
use serde_json::json;
use tokio_util::sync::CancellationToken;

use crate::{
    args::{Common, engine::EngineServe},
    development::Weights,
    own::{self, public_name, tell_refused},
    say::say,
};

/// How often adapters are looked for. What was written to since then waits for the next look, or for the operator's call.
const LOOK: Duration = Duration::from_secs(2);

pub(crate) async fn run(common: &Common, serve: EngineServe) -> Result<()> {
    let own = own::open(&serve.base).await?.ok_or_else(no_base)?;
    let (base, hash) = (own.base.name.clone(), own.base.artifact);
    let profile = generation::Profile::from(serve.base.profile);
    let adapters: Vec<String> = own.adapters.iter().map(|adapter| format!("{base}:{}", adapter.name)).collect();
    let config = EngineServerConfig {
        listen: serve.listen,
        api_key: serve.api_key_env.as_deref().map(secret).transpose()?,
        operator_key: serve.operator_key_env.as_deref().map(secret).transpose()?,
        trust_forwarded: serve.trust_forwarded,
        limits: Limits { answers: serve.max_answers as usize, ..Limits::default() },
    };
    let served = Arc::new(Served { engine: own.engine, base: own.base });
    let server = EngineServer::start(config, served.clone()).await?;
    let url = format!("http://{}", server.addr());
    if common.json {
        println!(
            "{}",
            json!({"url": url, "openai_base_url": format!("{url}/v1"), "model": base, "hash": hash, "profile": profile,
                   "adapters": adapters, "operator_key": server.operator_key()})
        );
    } else {
        println!("OpenAI     {url}/v1");
        println!("{}", say!("Model      {base}  {hash}", "Modelo     {base}  {hash}"));
        for adapter in &adapters {
            println!("{}", say!("Adapter    {adapter}", "Adaptador  {adapter}"));
        }
        println!("{}", say!("Operator   {}", "Operador   {}", server.operator_key()));
    }
    let looking = async {
        loop {
            tokio::time::sleep(LOOK).await;
            let served = served.clone();
            // It fails where this program ends, or has told why.
            let _ = tokio::task::spawn_blocking(move || served.look_within(LOOK)).await;
        }
    };
    tokio::select! {
        ended = tokio::signal::ctrl_c() => ended.wrap_err("waiting for Ctrl-C")?,
        () = looking => {}
    }
    server.shutdown().await;
    Ok(())
}

pub(crate) fn no_base() -> eyre::Report {
    eyre!(say!("name a base model with --base DIR", "indique um modelo base com --base DIR"))
}

/// The key in an environment variable.
fn secret(variable: &str) -> Result<String> {
    std::env::var(variable).ok().filter(|key| !key.is_empty()).ok_or_else(|| {
        eyre!(say!(
            "{variable} is named for a key and is not set: put the key there",
            "{variable} foi indicada para uma chave e não está definida: ponha ali a chave"
        ))
    })
}

/// The base and its adapters behind the server.
struct Served {
    engine: LocalBase,
    base: Weights,
}

impl Served {
    fn model(&self, adapter: B256) -> LocalModel {
        if adapter.is_zero() { self.engine.base() } else { self.engine.adapter(ContentHash(adapter.0)) }
    }

    /// Looks for adapters that came or went, and names those that cannot be served.
    fn look_within(&self, quiet: Duration) {
        match self.engine.look(quiet) {
            Ok(found) => tell_refused(&found),
            Err(error) => {
                tracing::error!(error = &error as &dyn std::error::Error, "the adapters cannot be looked for")
            }
        }
    }
}

impl Local for Served {
    fn models(&self) -> Vec<Named> {
        let Weights { name, artifact: base, adapter } = self.base.clone();
        let adapters = self.engine.adapters().borrow().clone();
        let named = |adapter: &AdapterEntry| Named {
            name: public_name(&adapter.name),
            base,
            adapter: B256::from(adapter.hash.0),
        };
        std::iter::once(Named { name, base, adapter }).chain(adapters.iter().map(named)).collect()
    }

    fn look(&self) {
        self.look_within(Duration::ZERO);
    }

    fn answer(
        &self,
        request: &PlainRequest,
        cancelled: &CancellationToken,
        emit: &mut Emit<'_>,
    ) -> Result<Told, Refusal> {
        let question = Question {
            prompt: &request.prompt,
            text: &request.question,
            payer: request.payer,
            max_output_tokens: request.max_output_tokens,
            seed: request.seed,
            asked: &request.asked,
            cancelled,
        };
        let answer = answer_plainly(&self.model(request.adapter), question, emit).map_err(refusal)?;
        Ok(Told { finish: answer.finish, engine_usage: answer.usage, generation: None })
    }

    fn embed(
        &self,
        adapter: B256,
        payer: Address,
        text: &str,
        cancelled: &CancellationToken,
    ) -> Result<(Vec<f32>, u64), Refusal> {
        let (vector, tokens) = self.model(adapter).embed(text, payer, cancelled).map_err(refusal)?;
        Ok((vector, tokens as u64))
    }

    fn keep(&self, adapter: B256, keep: bool, cancelled: &CancellationToken) -> Result<(), Refusal> {
        self.model(adapter).keep(keep, cancelled).map_err(refusal)
    }

    fn report(&self) -> Option<EngineReport> {
        self.engine.report()
    }
}

fn refusal(error: ModelError) -> Refusal {
    let (code, message) = match error {
        ModelError::Refused { code, message } => (code, message),
        ModelError::TooShort(error) => (RefusalCode::Invalid, error.to_string()),
        ModelError::Library(error) => (RefusalCode::Internal, error.to_string()),
    };
    Refusal { code, message, datanet: None }
}
