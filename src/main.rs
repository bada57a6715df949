//! The command line.

use std::process::ExitCode;

use clap::Parser;
use squall::cli::{Cli, Command};
use squall::commands;
use squall::exit::Exit;

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version are no errors; all else is a wrong call.
            let exit = if error.use_stderr() {
                Exit::Usage
            } else {
                Exit::Success
            };
            let _ = error.print();
            return ExitCode::from(exit.code());
        }
    };
    let result = match cli.command.unwrap_or(Command::Campaign(cli.campaign)) {
        Command::Campaign(args) => commands::campaign::run(&args),
        Command::Replay(args) => commands::replay::run(&args),
        Command::Check(args) => commands::check::run(&args),
        Command::Doctor(args) => commands::doctor::run(&args),
        Command::List => commands::list::run(),
        Command::Mutants(args) => commands::mutants::run(&args),
        Command::Serve(args) => commands::serve::run(&args),
        Command::Worker => commands::worker(),
    };
    let exit = result.unwrap_or_else(|error| {
        eprintln!("error: {:#}", error.error);
        error.exit
    });
    ExitCode::from(exit.code())
}
