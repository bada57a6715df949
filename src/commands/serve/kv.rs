//! `squall serve kv`.

use anyhow::Context;
use squall_models::kv::server::{Config, ServerError, serve};

use super::{data, until_told_to_stop};
use crate::cli::ServeKvArgs;
use crate::commands::{Failure, Outcome};

/// A checkpoint when the log has grown by so much. (The model's own number is for short runs.)
const CHECKPOINT_BYTES: u64 = 64 << 20;

pub(super) fn run(args: &ServeKvArgs) -> Outcome {
    let _claim = data::claim(&args.data)?;
    let mut config = Config::new(&args.data, args.listen.to_string());
    config.checkpoint_bytes = CHECKPOINT_BYTES;
    eprintln!(
        "serving kv on {}, data in {}",
        args.listen,
        args.data.display()
    );
    until_told_to_stop(async {
        match serve(config).await {
            Err(error @ ServerError::Wal(_)) => Err(error)
                .with_context(|| format!("in {}", args.data.display()))
                .map_err(Failure::from),
            ended => ended.map_err(Failure::from),
        }
    })
}
