//! `squall serve proxy`, and `squall serve backend` for it to be tried out with.

use squall_models::proxy::backend::{self, serve_backend};
use squall_models::proxy::server::{Config, serve};

use super::until_told_to_stop;
use crate::cli::{ServeBackendArgs, ServeProxyArgs};
use crate::commands::Outcome;

pub(super) fn run(args: &ServeProxyArgs) -> Outcome {
    let backends: Vec<String> = args.backends.iter().map(ToString::to_string).collect();
    eprintln!(
        "serving proxy on {}, before {}",
        args.listen,
        backends.join(", ")
    );
    until_told_to_stop(serve(Config::new(args.listen.to_string(), backends)))
}

pub(super) fn run_backend(args: &ServeBackendArgs) -> Outcome {
    eprintln!("serving backend on {}", args.listen);
    until_told_to_stop(serve_backend(backend::Config::new(args.listen.to_string())))
}
