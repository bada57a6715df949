//! What the command line tells a checker beyond the history, and which checkers can be told it.

use std::time::Duration;

use anyhow::bail;
use squall_checkers::history::{Value, parse_edn};
use squall_checkers::isolation::closed_predicate::ClosedPredicateOptions;
use squall_checkers::isolation::list_append::ListAppendOptions;
use squall_checkers::isolation::models::ConsistencyModel;
use squall_checkers::isolation::rw_register::{Order as KeyOrder, RwRegisterOptions};
use squall_checkers::named::availability::AvailabilityOptions;
use squall_checkers::named::bank::BankOptions;
use squall_checkers::named::counter::{CounterOptions, FreshReads};
use squall_checkers::named::fanout::FanoutOptions;
use squall_checkers::named::kafka::{Consume, KafkaOptions};
use squall_checkers::named::lock::LockOptions;
use squall_checkers::named::monotonic::MonotonicOptions;
use squall_checkers::named::queue::{Delivery, QueueOptions};
use squall_checkers::named::recovery::Share;
use squall_checkers::named::set::SetOptions;
use squall_checkers::named::stats::StatsOptions;
use squall_checkers::named::unique_ids::UniqueIdsOptions;
use squall_checkers::named::watch::WatchOptions;
use squall_checkers::specs::{Priority, PriorityQueue, Semaphore};
use squall_checkers::{FailedCas, Limits, Model, Options, Strategy};

use crate::cli::{CheckArgs, ModelArgs};

/// What the command line says, if it makes sense for the model.
///
/// # Errors
/// If the model knows nothing of an option that is given, or the initial value is none of its.
pub(super) fn options(args: &CheckArgs) -> anyhow::Result<Options> {
    for flag in flags(args).iter().filter(|flag| !flag.given.is_empty()) {
        let names: Vec<&str> = flag.models.iter().map(|model| model.name()).collect();
        if !flag.models.contains(&args.model) {
            let (name, model) = (flag.name, args.model);
            bail!(
                "{name} says nothing to the model {model}, only to {}",
                names.join(", ")
            );
        }
    }
    let of_model = &args.of_model;
    Ok(Options {
        initial: initial(&of_model.init, args.model)?,
        limits: limits(args),
        // Many files are judged side by side, a single one with all there is.
        threads: match (args.threads, args.files.len()) {
            (Some(threads), _) => threads.get(),
            (None, 1) => super::super::jobs_or_cores(None),
            (None, _) => 1,
        },
        ..of(of_model)
    })
}

fn of(args: &ModelArgs) -> Options {
    Options {
        failed_cas: args.failed_cas,
        strategy: args.strategy,
        semaphore: args
            .permits
            .map_or_else(Semaphore::default, |permits| Semaphore { permits }),
        priority_queue: PriorityQueue {
            first: match args.largest_first {
                true => Priority::Largest,
                false => Priority::Smallest,
            },
        },
        list_append: ListAppendOptions {
            model: args.consistency,
            ..ListAppendOptions::default()
        },
        rw_register: RwRegisterOptions {
            model: args.consistency,
            keys: args.keys,
            ..RwRegisterOptions::default()
        },
        closed_predicate: ClosedPredicateOptions {
            model: args.consistency,
            ..ClosedPredicateOptions::default()
        },
        ..of_law(args)
    }
}

fn of_law(args: &ModelArgs) -> Options {
    Options {
        bank: BankOptions {
            total: args.total,
            accounts: None,
            allow_negative: args.allow_negative,
        },
        set: SetOptions {
            linearizable: args.linearizable,
        },
        queue: QueueOptions {
            delivery: args.delivery,
            hold_ns: args.hold.map(nanoseconds),
            drained: args.drained,
        },
        fanout: FanoutOptions {
            drained: args.drained,
        },
        kafka: KafkaOptions {
            consume: match args.subscribe {
                true => Consume::Subscribe,
                false => Consume::Assign,
            },
            drained: args.drained,
            allow: args.allow.iter().cloned().collect(),
        },
        watch: WatchOptions {
            changes: None,
            drained: args.drained,
        },
        lock: LockOptions {
            lease_ns: args.lease.map(nanoseconds),
            crash_releases: args.crash_releases,
            reentrant: args.reentrant,
        },
        ..of_statistics(args)
    }
}

fn of_statistics(args: &ModelArgs) -> Options {
    let defaults = AvailabilityOptions::default();
    Options {
        counter: CounterOptions {
            exact: args.exact,
            fresh: args.fresh,
        },
        unique_ids: UniqueIdsOptions {
            rises_per_process: args.per_process,
            rises_in_real_time: args.real_time,
        },
        monotonic: MonotonicOptions {
            real_time: args.real_time,
            ..MonotonicOptions::default()
        },
        stats: StatsOptions {
            min_success: args.min_success,
            may_fail: args.may_fail.iter().cloned().collect(),
        },
        availability: AvailabilityOptions {
            min: args.min_success.unwrap_or(defaults.min),
            window_ns: args.window.map(nanoseconds),
        },
        ..Options::default()
    }
}

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

fn limits(args: &CheckArgs) -> Limits {
    let mut limits = Limits {
        time_max: args.time_limit,
        ..Limits::default()
    };
    if let Some(mib) = args.memory_limit {
        limits.memory_bytes_max = mib.saturating_mul(1 << 20);
    }
    limits
}

/// The value that the object has at first.
fn initial(text: &str, model: Model) -> anyhow::Result<Value> {
    let value = match text {
        "nil" | "null" => Value::Nil,
        "true" => Value::Bool(true),
        "false" => Value::Bool(false),
        _ if model == Model::MultiRegister && text.starts_with('{') => map(text)?,
        _ => text
            .parse()
            .map_or_else(|_| Value::Text(text.to_owned()), Value::Int),
    };
    match value {
        Value::Nil | Value::Int(_) => Ok(value),
        _ if model == Model::Counter => {
            bail!("--init of the model counter is an integer, but found `{text}`")
        }
        _ => Ok(value),
    }
}

/// A map in JSON or EDN.
fn map(text: &str) -> anyhow::Result<Value> {
    match serde_json::from_str(text) {
        Ok(value) => Ok(value),
        Err(_) => parse_edn(text).map_err(|error| anyhow::anyhow!("--init is no map: {error}")),
    }
}

/// An option, as far as it is given.
struct Flag {
    name: &'static str,
    /// Those that can be told it.
    models: Vec<Model>,
    /// As it is typed, with a blank before; empty if it is not given, or says what goes without saying.
    given: String,
}

/// The options that only some models can be told.
fn flags(args: &CheckArgs) -> Vec<Flag> {
    let mut flags = flags_of_specifications(&args.of_model);
    flags.extend(flags_of_deliveries(&args.of_model));
    flags.extend(flags_of_laws(&args.of_model));
    flags
}

fn flags_of_specifications(args: &ModelArgs) -> Vec<Flag> {
    use Model::{CasRegister, KvMap, MultiRegister, Register, Sequential};
    let specifications = Model::ALL
        .into_iter()
        .filter(|model| model.is_specification());
    let specifications: Vec<Model> = specifications.collect();
    let transactional = [Model::ListAppend, Model::RwRegister, Model::ClosedPredicate];
    let initial = [
        Register,
        CasRegister,
        KvMap,
        MultiRegister,
        Model::Counter,
        Sequential,
    ];
    let keys = match args.keys {
        KeyOrder::None => None,
        KeyOrder::Process => Some("sequential".to_owned()),
        KeyOrder::Realtime => Some("linearizable".to_owned()),
    };
    vec![
        valued(
            "--strategy",
            &specifications,
            (args.strategy != Strategy::Auto).then(|| args.strategy.to_string()),
        ),
        valued(
            "--init",
            &initial,
            (args.init != "nil").then(|| quoted(&args.init)),
        ),
        valued(
            "--failed-cas",
            &[CasRegister, KvMap, Sequential],
            (args.failed_cas == FailedCas::Observed).then(|| "observed".to_owned()),
        ),
        valued(
            "--permits",
            &[Model::Semaphore],
            args.permits.map(|permits| permits.to_string()),
        ),
        switch(
            "--largest-first",
            &[Model::PriorityQueue],
            args.largest_first,
        ),
        valued(
            "--consistency",
            &transactional,
            (args.consistency != ConsistencyModel::StrictSerializable)
                .then(|| args.consistency.to_string()),
        ),
        valued("--keys", &[Model::RwRegister, Model::Causal], keys),
    ]
}

fn flags_of_deliveries(args: &ModelArgs) -> Vec<Flag> {
    use Model::{Fanout, Kafka, Queue, Watch};
    let mut flags = vec![
        valued(
            "--delivery",
            &[Queue],
            (args.delivery != Delivery::default()).then(|| args.delivery.to_string()),
        ),
        valued("--hold", &[Queue], args.hold.map(milliseconds)),
        switch("--drained", &[Queue, Fanout, Kafka, Watch], args.drained),
        switch("--subscribe", &[Kafka], args.subscribe),
    ];
    let allowed = args.allow.iter();
    flags.extend(allowed.map(|class| valued("--allow", &[Kafka], Some(quoted(class)))));
    flags
}

fn flags_of_laws(args: &ModelArgs) -> Vec<Flag> {
    use Model::{Availability, Bank, CounterBounds, LockSafety, Monotonic, Stats, UniqueIds};
    let share = |Share {
                     numerator,
                     denominator,
                 }: Share| format!("{numerator}/{denominator}");
    let fresh = match args.fresh {
        FreshReads::All => None,
        FreshReads::Final => Some("final".to_owned()),
        FreshReads::Last => Some("last".to_owned()),
    };
    let mut flags = vec![
        valued(
            "--total",
            &[Bank],
            args.total.map(|total| total.to_string()),
        ),
        switch("--allow-negative", &[Bank], args.allow_negative),
        switch("--linearizable", &[Model::Set], args.linearizable),
        valued("--lease", &[LockSafety], args.lease.map(milliseconds)),
        switch("--crash-releases", &[LockSafety], args.crash_releases),
        switch("--reentrant", &[LockSafety], args.reentrant),
        switch("--exact", &[CounterBounds], args.exact),
        valued("--fresh", &[CounterBounds], fresh),
        switch("--per-process", &[UniqueIds], args.per_process),
        switch("--real-time", &[UniqueIds, Monotonic], args.real_time),
        valued(
            "--min-success",
            &[Stats, Availability],
            args.min_success.map(share),
        ),
        valued("--window", &[Availability], args.window.map(milliseconds)),
    ];
    let may_fail = args.may_fail.iter();
    flags.extend(may_fail.map(|name| valued("--may-fail", &[Stats], Some(quoted(name)))));
    flags
}

fn switch(name: &'static str, models: &[Model], is_given: bool) -> Flag {
    Flag {
        name,
        models: models.to_vec(),
        given: if is_given {
            format!(" {name}")
        } else {
            String::new()
        },
    }
}

fn valued(name: &'static str, models: &[Model], value: Option<String>) -> Flag {
    Flag {
        name,
        models: models.to_vec(),
        given: value.map_or_else(String::new, |value| format!(" {name}={value}")),
    }
}

fn milliseconds(duration: Duration) -> String {
    format!("{}ms", duration.as_millis())
}

/// A word as a shell takes it.
fn quoted(word: &str) -> String {
    let is_plain = |letter: char| letter.is_ascii_alphanumeric() || "-_.".contains(letter);
    match word.chars().all(is_plain) {
        true => word.to_owned(),
        false => format!("'{}'", word.replace('\'', r"'\''")),
    }
}

/// The options that change what the verdict is, as they are typed, each with a blank before.
pub(super) fn given(args: &CheckArgs) -> Vec<String> {
    let mut given: Vec<String> = flags(args).into_iter().map(|flag| flag.given).collect();
    if args.keyed {
        given.push(" --keyed".to_owned());
    }
    given
}
