//! The command line, as it is typed.

use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use squall_checkers::isolation::models::ConsistencyModel;
use squall_checkers::isolation::rw_register::Order as KeyOrder;
use squall_checkers::named::counter::FreshReads;
use squall_checkers::named::queue::Delivery;
use squall_checkers::named::recovery::Share;
use squall_checkers::{FailedCas, Model, Strategy};
use squall_workloads::plan::Seed;

/// Finds the bugs of distributed systems before their users do.
///
/// Without a command, squall runs a campaign over every scenario.
#[derive(Debug, Parser)]
#[command(version, args_conflicts_with_subcommands = true)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Option<Command>,
    #[command(flatten)]
    pub campaign: CampaignArgs,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run many seeds of scenarios, and report what fails
    Campaign(CampaignArgs),
    /// Run one failure again, and explain it
    Replay(ReplayArgs),
    /// Judge histories that were recorded elsewhere
    Check(CheckArgs),
    /// Examine whether runs repeat: find the first decision that differs, and what escapes
    Doctor(DoctorArgs),
    /// List scenarios and planted bugs
    List,
    /// Measure the tests: how soon is each planted bug found?
    Mutants(MutantsArgs),
    /// Run a server of a system, on this machine's own clock, network and disk
    Serve(ServeArgs),
    /// Run jobs from standard input (what campaigns start)
    #[command(hide = true)]
    Worker,
}

#[derive(Clone, Debug, Args)]
pub struct CampaignArgs {
    /// Scenarios to run, each given by an option of its own; all if left out
    #[arg(long = "scenario", value_name = "ID")]
    pub scenarios: Vec<String>,
    /// How many seeds of each scenario
    #[arg(long, default_value_t = 400)]
    pub seeds: u64,
    /// Run for this long instead, such as 90s, 30m or 8h
    #[arg(long = "for", value_name = "DURATION", value_parser = parse_duration)]
    pub duration: Option<Duration>,
    /// What the seeds are made of
    #[arg(long, value_name = "SEED", value_parser = parse_seed, default_value = "0x1")]
    pub base_seed: Seed,
    /// Switch on a planted bug
    #[arg(long, value_name = "ID")]
    pub mutant: Option<String>,
    /// Leave out a kind of fault
    #[arg(long = "without", value_name = "KIND")]
    pub without: Vec<String>,
    /// How many worker processes; as many as there are cores if left out
    #[arg(long, value_name = "N")]
    pub jobs: Option<usize>,
    /// Stop after so many failed runs
    #[arg(long, default_value_t = 10, value_name = "N")]
    pub max_failures: u64,
    /// Run the first N seeds of each scenario twice, in fresh processes, and compare
    #[arg(long, default_value_t = 20, value_name = "N")]
    pub check_determinism: u64,
    /// Where reports and capsules go
    #[arg(long, default_value = "squall-out", value_name = "DIR")]
    pub out: PathBuf,
    /// Where capsules of old failures lie, which are replayed first; ./regressions if left out
    #[arg(long, value_name = "DIR")]
    pub regressions: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub struct ReplayArgs {
    /// A capsule
    #[arg(conflicts_with_all = ["scenario", "seed", "mutant", "without"], required_unless_present_all = ["scenario", "seed"])]
    pub capsule: Option<PathBuf>,
    /// A scenario, with --seed
    #[arg(long, value_name = "ID", requires = "seed")]
    pub scenario: Option<String>,
    /// A seed, with --scenario
    #[arg(long, value_parser = parse_seed, requires = "scenario")]
    pub seed: Option<Seed>,
    /// Switch on a planted bug
    #[arg(long, value_name = "ID", requires = "seed")]
    pub mutant: Option<String>,
    /// Leave out a kind of fault, as the campaign did
    #[arg(long = "without", value_name = "KIND", requires = "seed")]
    pub without: Vec<String>,
    /// Where the report goes
    #[arg(long, default_value = "squall-out", value_name = "DIR")]
    pub out: PathBuf,
    /// Run it twice more, in fresh processes, and say where the runs differ if they do
    #[arg(long)]
    pub check_determinism: bool,
}

#[derive(Debug, Args)]
pub struct DoctorArgs {
    /// A scenario; all if left out
    #[arg(long, value_name = "ID")]
    pub scenario: Option<String>,
    /// A seed; each scenario's first of the base seed if left out
    #[arg(long, value_parser = parse_seed)]
    pub seed: Option<Seed>,
    /// What the seeds are made of
    #[arg(long, value_name = "SEED", value_parser = parse_seed, default_value = "0x1")]
    pub base_seed: Seed,
    /// Switch on a planted bug
    #[arg(long, value_name = "ID")]
    pub mutant: Option<String>,
}

#[derive(Debug, Args)]
pub struct CheckArgs {
    /// What the history must be linearizable by (register, cas-register, kv, fifo-queue, lock, …), whose law it
    /// must obey (bank, set, queue, kafka, …), or what its transactions do (list-append, rw-register,
    /// closed-predicate); `squall list` has all
    #[arg(long, value_name = "MODEL")]
    pub model: Model,
    #[command(flatten)]
    pub of_model: ModelArgs,
    /// The history's values are pairs of a key and a value, as of Jepsen's `independent`
    #[arg(long)]
    pub keyed: bool,
    /// How many threads judge keys at the same time, of a single history; as many as there are cores if left out
    #[arg(long, value_name = "N")]
    pub threads: Option<NonZeroUsize>,
    /// Give up after this long, such as 10s
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    pub time_limit: Option<Duration>,
    /// Give up when the search holds so many MiB
    #[arg(long, value_name = "MIB")]
    pub memory_limit: Option<u64>,
    /// Write a page for each history here
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Histories: JSON lines, EDN, or Jepsen's log lines
    #[arg(required = true)]
    pub files: Vec<PathBuf>,
}

/// What only some models can be told; `src/commands/check/options.rs` says which.
#[derive(Debug, Args)]
#[command(next_help_heading = "Options that only some models know")]
pub struct ModelArgs {
    /// Of a specification: which algorithm judges, auto, general, special or cross-check
    #[arg(long, default_value = "auto", value_name = "STRATEGY")]
    pub strategy: Strategy,
    /// Of registers, maps and counters: the value before the first write, nil, true, false, a number or a text;
    /// of a multi-register also a map of values, such as '{x 0, y 1}'
    #[arg(long, default_value = "nil", value_name = "VALUE")]
    pub init: String,
    /// Of cas-register, kv and sequential: what a failed compare-and-swap says, that it did not happen, or that it
    /// compared and differed
    #[arg(long, default_value = "dropped", value_name = "dropped|observed", value_parser = parse_failed_cas)]
    pub failed_cas: FailedCas,
    /// Of a semaphore: how many permits there are, one if left out
    #[arg(long, value_name = "N")]
    pub permits: Option<u32>,
    /// Of a priority-queue: the largest value comes first
    #[arg(long)]
    pub largest_first: bool,
    /// Of transactions: the consistency model that they must satisfy, such as snapshot-isolation
    #[arg(long, default_value = "strict-serializable", value_name = "MODEL")]
    pub consistency: ConsistencyModel,
    /// Of rw-register and causal: what each key is known to be on its own, however transactions are isolated, unknown,
    /// sequential or linearizable
    #[arg(long, default_value = "unknown", value_name = "ORDER", value_parser = parse_keys)]
    pub keys: KeyOrder,
    /// Of a bank: what all balances sum to; as in the first read if left out
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    pub total: Option<i64>,
    /// Of a bank: accounts may be overdrawn
    #[arg(long)]
    pub allow_negative: bool,
    /// Of a set: reads must be up to date
    #[arg(long)]
    pub linearizable: bool,
    /// Of a queue: how often it delivers, at-least-once, exactly-once or at-most-once
    #[arg(long, default_value = "at-least-once", value_name = "GUARANTEE")]
    pub delivery: Delivery,
    /// Of a queue: how long whoever is given a message holds it alone, such as 30s
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    pub hold: Option<Duration>,
    /// Of queue, fanout, kafka and watch: the history goes on until nothing was left to deliver
    #[arg(long)]
    pub drained: bool,
    /// Of kafka: consumers subscribe, and keys are given to others at any time
    #[arg(long)]
    pub subscribe: bool,
    /// Of kafka: a class of anomaly that is counted but not held against the system, each by an option of its own
    #[arg(long, value_name = "CLASS")]
    pub allow: Vec<String>,
    /// Of lock-safety: how long a hold lasts that is not renewed, such as 30s
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    pub lease: Option<Duration>,
    /// Of lock-safety: the lock is free once an operation of its holder crashed
    #[arg(long)]
    pub crash_releases: bool,
    /// Of lock-safety: its holder may acquire it again
    #[arg(long)]
    pub reentrant: bool,
    /// Of counter-bounds: a read must be a sum of adds, and not only lie between the least and the greatest
    #[arg(long)]
    pub exact: bool,
    /// Of counter-bounds: which reads must count all that was acknowledged, all, final or last
    #[arg(long, default_value = "all", value_name = "READS", value_parser = parse_fresh_reads)]
    pub fresh: FreshReads,
    /// Of unique-ids: each process is given greater and greater ones
    #[arg(long)]
    pub per_process: bool,
    /// Of unique-ids and monotonic: what began after another returned is greater
    #[arg(long)]
    pub real_time: bool,
    /// Of stats and availability: which share of the operations must succeed, such as 9/10
    #[arg(long, value_name = "N/M", value_parser = parse_share)]
    pub min_success: Option<Share>,
    /// Of stats: an operation that need not succeed, each by an option of its own
    #[arg(long, value_name = "NAME")]
    pub may_fail: Vec<String>,
    /// Of availability: each window of this length must be served so, such as 10s
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    pub window: Option<Duration>,
}

#[derive(Debug, Args)]
pub struct MutantsArgs {
    /// Only these planted bugs, each given by an option of its own
    #[arg(long = "mutant", value_name = "ID")]
    pub mutants: Vec<String>,
    /// Give up on a base seed after so many seeds
    #[arg(long, default_value_t = 5000, value_name = "N")]
    pub seeds: u64,
    /// Run so many seeds without the faults that a planted bug needs: none may fail
    #[arg(long, default_value_t = 200, value_name = "N")]
    pub controls: u64,
    /// From how many base seeds the median and the worst are taken
    #[arg(long, default_value_t = 5, value_name = "N")]
    pub bases: u64,
    /// How many worker processes
    #[arg(long, value_name = "N")]
    pub jobs: Option<usize>,
}

#[derive(Debug, Args)]
#[command(
    subcommand_value_name = "SYSTEM",
    subcommand_help_heading = "Systems",
    disable_help_subcommand = true,
    arg_required_else_help = false
)]
pub struct ServeArgs {
    #[command(subcommand)]
    pub system: ServedSystem,
}

#[derive(Debug, Subcommand)]
pub enum ServedSystem {
    /// Raft, and a replicated key-value service on it: one server of the cluster
    Consensus(ServeConsensusArgs),
    /// A key-value store on one disk, for Redis clients
    Kv(ServeKvArgs),
    /// A message broker with durable streams, for NATS clients
    Broker(ServeBrokerArgs),
    /// A reverse proxy for HTTP/1.1
    Proxy(ServeProxyArgs),
    /// An HTTP server to stand behind the proxy: GET /echo/WORD, POST /once/ID, GET /counts
    Backend(ServeBackendArgs),
}

#[derive(Debug, Args)]
pub struct ServeConsensusArgs {
    /// Where it keeps its data
    #[arg(long, value_name = "DIR")]
    pub data: PathBuf,
    /// Where it listens
    #[arg(long, value_name = "ADDR")]
    pub listen: SocketAddr,
    /// All servers of the cluster, this one among them: 0=127.0.0.1:7000,1=127.0.0.1:7001,…
    #[arg(long, value_name = "ID=ADDR,…", value_delimiter = ',', required = true)]
    pub peers: Vec<String>,
}

#[derive(Debug, Args)]
pub struct ServeKvArgs {
    /// Where it keeps its data
    #[arg(long, value_name = "DIR")]
    pub data: PathBuf,
    /// Where it listens
    #[arg(long, value_name = "ADDR")]
    pub listen: SocketAddr,
}

#[derive(Debug, Args)]
pub struct ServeBrokerArgs {
    /// Where it keeps its data
    #[arg(long, value_name = "DIR")]
    pub data: PathBuf,
    /// Where it listens
    #[arg(long, value_name = "ADDR")]
    pub listen: SocketAddr,
    /// A stream that is there from the start, each given by an option of its own: JOBS=jobs.*,tasks.>
    ///
    /// Clients may make others by JetStream's API. The data directory remembers all of them.
    #[arg(long = "stream", value_name = "NAME=SUBJECT,…")]
    pub streams: Vec<String>,
    /// A pull consumer of such a stream: JOBS=workers
    #[arg(long = "consumer", value_name = "STREAM=NAME")]
    pub consumers: Vec<String>,
}

#[derive(Debug, Args)]
pub struct ServeProxyArgs {
    /// Where it listens
    #[arg(long, value_name = "ADDR")]
    pub listen: SocketAddr,
    /// Where a backend listens, each given by an option of its own
    #[arg(long = "backend", value_name = "ADDR", required = true)]
    pub backends: Vec<SocketAddr>,
}

#[derive(Debug, Args)]
pub struct ServeBackendArgs {
    /// Where it listens
    #[arg(long, value_name = "ADDR")]
    pub listen: SocketAddr,
}

fn parse_seed(text: &str) -> Result<Seed, String> {
    Seed::parse(text).map_err(|error| error.to_string())
}

fn parse_failed_cas(text: &str) -> Result<FailedCas, String> {
    match text {
        "dropped" => Ok(FailedCas::Dropped),
        "observed" => Ok(FailedCas::Observed),
        _ => Err("expected `dropped` or `observed`".to_owned()),
    }
}

fn parse_fresh_reads(text: &str) -> Result<FreshReads, String> {
    match text {
        "all" => Ok(FreshReads::All),
        "final" => Ok(FreshReads::Final),
        "last" => Ok(FreshReads::Last),
        _ => Err("expected `all`, `final` or `last`".to_owned()),
    }
}

fn parse_keys(text: &str) -> Result<KeyOrder, String> {
    match text {
        "unknown" => Ok(KeyOrder::None),
        "sequential" => Ok(KeyOrder::Process),
        "linearizable" => Ok(KeyOrder::Realtime),
        _ => Err("expected `unknown`, `sequential` or `linearizable`".to_owned()),
    }
}

/// A part of a whole, neither of nothing nor more than that.
fn parse_share(text: &str) -> Result<Share, String> {
    let numbers = text.split_once('/');
    let numbers = numbers.and_then(|(part, whole)| Some((part.parse().ok()?, whole.parse().ok()?)));
    match numbers {
        Some((numerator, denominator)) if denominator > 0 && numerator <= denominator => {
            Ok(Share {
                numerator,
                denominator,
            })
        }
        _ => Err("expected a share, such as 9/10".to_owned()),
    }
}

/// A number and a unit: ms, s, m or h.
fn parse_duration(text: &str) -> Result<Duration, String> {
    let problem =
        || format!("`{text}` is not a duration: expected a number and ms, s, m or h, such as 90s");
    let unit_at = text
        .find(|letter: char| !letter.is_ascii_digit())
        .ok_or_else(problem)?;
    let (number, unit) = text.split_at(unit_at);
    let number: u64 = number.parse().map_err(|_| problem())?;
    let milliseconds = match unit {
        "ms" => 1,
        "s" => 1000,
        "m" => 60_000,
        "h" => 3_600_000,
        _ => return Err(problem()),
    };
    number
        .checked_mul(milliseconds)
        .map(Duration::from_millis)
        .ok_or_else(problem)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        use clap::CommandFactory;
        Cli::command().debug_assert();
    }

    #[test]
    fn durations_have_units() {
        assert_eq!(parse_duration("90s"), Ok(Duration::from_secs(90)));
        assert_eq!(parse_duration("8h"), Ok(Duration::from_secs(28_800)));
        assert!(
            parse_duration("8").is_err()
                && parse_duration("h").is_err()
                && parse_duration("8d").is_err()
        );
        assert!(parse_duration("99999999999999999999h").is_err());
    }
}
