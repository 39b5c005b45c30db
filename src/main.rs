//! Arguments, configuration, log, server; the only exit codes.

use std::{io, process::ExitCode};

use clap::Parser;
use pushgate::{
    cli::{Arguments, BAD_CONFIGURATION, Command, bench, check, import, listen, publish},
    config::Config,
    log,
    server::{Bound, at_reopen, run, settle, stop_signal},
};
use tracing::warn;
use tracing_subscriber::EnvFilter;

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match &arguments.command {
        Some(Command::Bench(asked)) => return measure(asked),
        Some(Command::Import(asked)) => {
            let status = import::run(asked, &mut io::stdout().lock(), &mut io::stderr().lock());
            return status.map_or_else(failed, ExitCode::from);
        }
        Some(Command::Publish(asked)) => return ExitCode::from(publish::run(asked)),
        Some(Command::Listen(asked)) => return ExitCode::from(listen::run(asked)),
        None => {}
    }
    let levels = match log::levels() {
        Ok(levels) => levels,
        Err(error) => {
            eprintln!("pushgate: {error}");
            return ExitCode::from(BAD_CONFIGURATION);
        }
    };
    if arguments.test {
        let file = arguments.config_file();
        let status = check(&file, &arguments.overrides, arguments.quiet, &mut io::stderr().lock());
        return status.map_or(ExitCode::FAILURE, ExitCode::from);
    }
    let config = match arguments.load() {
        Ok(config) => config,
        Err(errors) => {
            eprintln!("{errors}");
            return ExitCode::from(BAD_CONFIGURATION);
        }
    };
    let level = if arguments.quiet { "error" } else { "info" };
    match serve(config, levels.unwrap_or_else(|| EnvFilter::new(level)), arguments.quiet) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => failed(error),
    }
}

/// Fails if the server did, or if there was no load.
fn measure(asked: &bench::Bench) -> ExitCode {
    match bench::run(asked, &mut io::stdout()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => failed(error),
    }
}

fn failed(error: impl std::fmt::Display) -> ExitCode {
    eprintln!("pushgate: {error}");
    ExitCode::FAILURE
}

fn serve(config: Config, levels: EnvFilter, quiet: bool) -> Result<(), Box<dyn std::error::Error>> {
    let process = &config.process;
    let logs = log::start(process.log_format, &process.error_log, &process.access_log, levels)?;
    for warning in &config.warnings {
        warn!(%warning, "the configuration may not say what is meant");
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    // Before anybody can know that it listens: who does may stop it.
    let stop = runtime.block_on(async { stop_signal() })?;
    let reopen = runtime.block_on(async { at_reopen(move || logs.reopen()) })?;
    let bound = Bound::bind(&config)?;
    let _pid_file = settle(process)?;
    if !quiet {
        for url in bound.urls() {
            println!("pushgate: listening on {url}");
        }
    }
    Ok(runtime.block_on(async {
        tokio::select! {
            end = run(config, bound, stop) => end,
            end = reopen => end,
        }
    })?)
}
