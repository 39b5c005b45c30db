//! Arguments, configuration, log, server; the only exit codes.

use std::{io, process::ExitCode};

use clap::Parser;
use pushgate::{
    cli::{Arguments, BAD_CONFIGURATION, Command, bench, check, listen, publish},
    config::Config,
    log,
    server::{Bound, at_reopen, run, settle, stop_signal},
};
use tracing::Level;

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match &arguments.command {
        Some(Command::Bench(asked)) => return measure(asked),
        Some(Command::Publish(asked)) => return ExitCode::from(publish::run(asked)),
        Some(Command::Listen(asked)) => return ExitCode::from(listen::run(asked)),
        None => {}
    }
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
    match serve(config, arguments.quiet) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("pushgate: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Fails if the server did, or if there was no load.
fn measure(asked: &bench::Bench) -> ExitCode {
    match bench::run(asked, &mut io::stdout()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("pushgate: {error}");
            ExitCode::FAILURE
        }
    }
}

fn serve(config: Config, quiet: bool) -> Result<(), Box<dyn std::error::Error>> {
    let process = &config.process;
    let level = if quiet { Level::ERROR } else { Level::INFO };
    let logs = log::start(process.log_format, &process.error_log, &process.access_log, level)?;
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
