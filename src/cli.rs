//! The command line, as it is typed.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use squall_checkers::isolation::models::ConsistencyModel;
use squall_checkers::named::queue::Delivery;
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
    /// must obey (bank, set, queue, kafka, …), or what its transactions do (list-append, rw-register); `squall
    /// list` has all
    #[arg(long, value_name = "MODEL")]
    pub model: Model,
    /// Of transactions: the consistency model that they must satisfy, such as snapshot-isolation
    #[arg(long, default_value = "strict-serializable", value_name = "MODEL")]
    pub consistency: ConsistencyModel,
    /// Which algorithm judges by a specification: auto, general, special or cross-check
    #[arg(long, default_value = "auto", value_name = "STRATEGY")]
    pub strategy: Strategy,
    /// The value before the first write: nil, true, false, a number or a text
    #[arg(long, default_value = "nil", value_name = "VALUE")]
    pub init: String,
    /// What a failed compare-and-swap says: that it did not happen, or that it compared and differed
    #[arg(long, default_value = "dropped", value_name = "dropped|observed", value_parser = parse_failed_cas)]
    pub failed_cas: FailedCas,
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
    /// Of a queue or fanout: the history goes on until nothing was left to deliver
    #[arg(long)]
    pub drained: bool,
    /// The history's values are pairs of a key and a value, as of Jepsen's `independent`
    #[arg(long)]
    pub keyed: bool,
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
