//! The `fonte` binary: the command line, and the wiring of all roles in one process or apart.
//!
//! `fonte demo` runs the main job end to end: documents in, questions asked, fees settled, receipts checked, a liar
//! caught. Everything that decides something lives in the crates; here it is wired and shown.

mod account;
mod args;
mod candidacy;
mod chain;
mod challenge;
mod concentration;
mod context;
mod datanet;
mod demand;
mod demo;
mod deploy;
mod development;
mod embedded;
mod engine;
mod engine_bench;
mod engine_server;
mod errors;
mod evaluate;
mod export;
mod gateway_api;
mod gov;
mod index;
mod index_proof;
mod key_commands;
mod keys;
mod model;
mod money;
mod network;
mod origins;
mod own;
mod payee;
mod proposals;
mod publish;
mod receipt;
mod replay;
mod review;
mod say;
mod sealed;
mod transact;
mod up;
mod validators;
mod worker;

use std::{pin::Pin, process::ExitCode};

use clap::Parser;
use eyre::Result;
use fonte_inference::formats::{RENDER_TEMPLATES, render_templates};

use args::{
    Cli, Command,
    engine::EngineCommand,
    model::{Evaluate, Model},
};

fn main() -> ExitCode {
    if std::env::args_os().skip(1).eq([RENDER_TEMPLATES]) {
        return if render_templates().is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE };
    }
    end_quietly_on_closed_pipes();
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return misused(&error),
    };
    let json = cli.common.json;
    let filter = tracing_subscriber::EnvFilter::try_from_default_env()
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("error"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("fonte: {error}");
            return ExitCode::FAILURE;
        }
    };
    // Boxed as a trait object: the runtime's schedulers would otherwise each compile every command again.
    let command: Pin<Box<dyn Future<Output = Result<bool>>>> = Box::pin(run(cli));
    match runtime.block_on(command) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            if json {
                eprintln!("{}", errors::object(&error));
            } else {
                eprintln!("fonte: {}", errors::in_words(&error));
            }
            ExitCode::FAILURE
        }
    }
}

/// Tells what is wrong with the command line, or what was asked of it, such as its help.
fn misused(error: &clap::Error) -> ExitCode {
    if error.use_stderr() && std::env::args_os().any(|argument| argument == "--json") {
        eprintln!("{}", serde_json::json!({"error": error.to_string().trim_end()}));
    } else if error.print().is_err() {
        return ExitCode::FAILURE;
    }
    u8::try_from(error.exit_code()).map_or(ExitCode::FAILURE, ExitCode::from)
}

/// Whoever reads only the first lines, as `head` does, has what they wanted: printing more is no failure to tell of.
fn end_quietly_on_closed_pipes() {
    let told = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        let message = panic.payload().downcast_ref::<String>().map_or("", String::as_str);
        if message.starts_with("failed printing to stdout") && message.contains("Broken pipe") {
            std::process::exit(0);
        }
        told(panic);
    }));
}

/// Runs one command; `false` where it worked and the answer is no.
async fn run(cli: Cli) -> Result<bool> {
    let common = cli.common;
    let simulated = match &cli.command {
        Command::Demo(_) | Command::Up(_) | Command::Keys(_) | Command::Ask(_) | Command::Engine(_) => false,
        // What is sealed is kept, or nobody can open it.
        Command::Model(model) => !matches!(&**model, Model::Evaluate { step: Evaluate::Seal { .. }, .. }),
        // One that serves registers models as their files come and go.
        Command::Worker(worker) => worker.command.is_some(),
        _ => true,
    };
    if common.dry_run && !simulated {
        eyre::bail!(say::say!(
            "this command has no dry run: leave out --dry-run",
            "este comando não tem simulação: tire --dry-run"
        ));
    }
    match cli.command {
        Command::Demo(demo) => demo::run(&common, demo).await?,
        Command::Up(up) => up::run(&common, *up).await?,
        Command::Keys(keys) => key_commands::run(&common, keys)?,
        Command::Datanet(datanet) => datanet::run(&common, datanet).await?,
        Command::Ask(ask) => account::ask(&common, ask).await?,
        Command::Receipt(receipt) => return receipt::run(&common, receipt).await,
        Command::Account(account) => account::run(&common, account).await?,
        Command::Model(model) => model::run(&common, *model).await?,
        Command::Gov(gov) => gov::run(&common, gov).await?,
        Command::Worker(worker) => match worker.command {
            Some(command) => worker::run(&common, command).await?,
            None => engine::serve(&common, worker.serve).await?,
        },
        Command::Review(review) => review::run(&common, review).await?,
        Command::Engine(command) => match *command {
            EngineCommand::Serve(serve) => engine_server::run(&common, serve).await?,
            EngineCommand::Bench(bench) => engine_bench::run(&common, &bench)?,
        },
        Command::Index(index) => return index::run(&common, index),
        Command::Chain(chain) => chain::run(&common, chain).await?,
    }
    Ok(true)
}
