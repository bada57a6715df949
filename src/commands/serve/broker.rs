//! `squall serve broker`.

use anyhow::Context;
use squall_models::broker::server::{Config, Limits, ServerError, serve};
use squall_models::broker::streams::consumer::ConsumerConfig;
use squall_models::broker::streams::stream::StreamConfig;

use super::{data, until_told_to_stop};
use crate::cli::ServeBrokerArgs;
use crate::commands::{Failure, Outcome};

/// A new segment of the journal when it has grown by so much. (The model's own number is for short runs.)
const SEGMENT_BYTES: u64 = 64 << 20;

pub(super) fn run(args: &ServeBrokerArgs) -> Outcome {
    let streams = declared(&args.streams, &args.consumers)?;
    let _claim = data::claim(&args.data)?;
    let config = Config {
        directory: args.data.clone(),
        listen: args.listen.to_string(),
        streams,
        limits: Limits {
            segment_bytes: SEGMENT_BYTES,
            ..Limits::default()
        },
    };
    eprintln!(
        "serving broker on {}, data in {}",
        args.listen,
        args.data.display()
    );
    until_told_to_stop(async {
        match serve(config).await {
            Err(error @ ServerError::Stream { .. }) => Err(Failure::usage(error)),
            Err(error @ ServerError::Listen { .. }) => Err(Failure::from(error)),
            ended => ended
                .with_context(|| format!("in {}", args.data.display()))
                .map_err(Failure::from),
        }
    })
}

type Declared = (StreamConfig, Vec<ConsumerConfig>);

/// The streams that `--stream` and `--consumer` speak of.
fn declared(streams: &[String], consumers: &[String]) -> Result<Vec<Declared>, Failure> {
    let mut declared = streams
        .iter()
        .map(|text| Ok((parse_stream(text)?, Vec::new())))
        .collect::<Result<Vec<Declared>, Failure>>()?;
    for text in consumers {
        let (stream, name) = halves(text, "--consumer", "STREAM=NAME, such as JOBS=workers")?;
        let owner = declared.iter_mut().find(|(it, _)| it.name == stream);
        let (_, of_stream) = owner.ok_or_else(|| {
            Failure::usage(anyhow::anyhow!(
                "--consumer {text} is of no --stream: expected one of the same command"
            ))
        })?;
        of_stream.push(ConsumerConfig::new(name));
    }
    Ok(declared)
}

fn parse_stream(text: &str) -> Result<StreamConfig, Failure> {
    let (name, subjects) = halves(text, "--stream", "NAME=SUBJECT,…, such as JOBS=jobs.*")?;
    let subjects: Vec<&str> = subjects.split(',').collect();
    Ok(StreamConfig::new(name, &subjects))
}

fn halves<'a>(text: &'a str, option: &str, expected: &str) -> Result<(&'a str, &'a str), Failure> {
    let halves = text.split_once('=');
    halves.ok_or_else(|| Failure::usage(anyhow::anyhow!("{option} {text}: expected {expected}")))
}
