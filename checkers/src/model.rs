//! The checkers by name, as the command line knows them.

use crate::history::{History, Outcome, Value};
use crate::isolation::closed_predicate::{self, ClosedPredicateOptions};
use crate::isolation::list_append::{self, ListAppendOptions};
use crate::isolation::models::ConsistencyModel;
use crate::isolation::rw_register::{self, RwRegisterOptions};
use crate::linearizability::any_spec::AnySpec;
use crate::linearizability::{self, CheckError, Limits, Method, Report, Strategy};
use crate::named::availability::{self, AvailabilityOptions};
use crate::named::bank::{self, BankOptions};
use crate::named::counter::{self, CounterOptions};
use crate::named::fanout::{self, FanoutOptions};
use crate::named::kafka::{self, KafkaOptions};
use crate::named::lock::{self, LockOptions};
use crate::named::monotonic::{self, MonotonicOptions};
use crate::named::queue::{self, QueueOptions};
use crate::named::set::{self, SetOptions};
use crate::named::stats::{self, StatsOptions};
use crate::named::unique_ids::{self, UniqueIdsOptions};
use crate::named::watch::{self, WatchOptions};
use crate::named::{adya_g2, causal_reverse, long_fork, nonce_echo};
use crate::sessions::guarantees::{self, Guarantees};
use crate::sessions::sequential;
use crate::spec::DecodeError;
use crate::specs::{
    AppendLog, CasRegister, Counter, ElementSet, FailedCas, FifoQueue, GrowOnlySet, IdAllocator,
    KvMap, Lock, MultiRegister, Mutex, PriorityQueue, Register, Semaphore, Stack,
};
use crate::verdict::Verdict;
use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use thiserror::Error;

/// A checker that comes with the crate: a specification to be linearizable by, or a law of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Model {
    Register,
    CasRegister,
    KvMap,
    MultiRegister,
    FifoQueue,
    Stack,
    PriorityQueue,
    ElementSet,
    GrowOnlySet,
    AppendLog,
    Mutex,
    Lock,
    Semaphore,
    Counter,
    IdAllocator,
    Bank,
    Set,
    Queue,
    Fanout,
    NonceEcho,
    ListAppend,
    RwRegister,
    ClosedPredicate,
    Sequential,
    Causal,
    SessionGuarantees,
    CounterBounds,
    PnCounter,
    UniqueIds,
    LongFork,
    Monotonic,
    CausalReverse,
    AdyaG2,
    Kafka,
    Watch,
    LockSafety,
    Stats,
    Availability,
}

impl Model {
    pub const ALL: [Self; 38] = [
        Self::Register,
        Self::CasRegister,
        Self::KvMap,
        Self::MultiRegister,
        Self::FifoQueue,
        Self::Stack,
        Self::PriorityQueue,
        Self::ElementSet,
        Self::GrowOnlySet,
        Self::AppendLog,
        Self::Mutex,
        Self::Lock,
        Self::Semaphore,
        Self::Counter,
        Self::IdAllocator,
        Self::Bank,
        Self::Set,
        Self::Queue,
        Self::Fanout,
        Self::NonceEcho,
        Self::ListAppend,
        Self::RwRegister,
        Self::ClosedPredicate,
        Self::Sequential,
        Self::Causal,
        Self::SessionGuarantees,
        Self::CounterBounds,
        Self::PnCounter,
        Self::UniqueIds,
        Self::LongFork,
        Self::Monotonic,
        Self::CausalReverse,
        Self::AdyaG2,
        Self::Kafka,
        Self::Watch,
        Self::LockSafety,
        Self::Stats,
        Self::Availability,
    ];

    /// Jepsen's names for some of them.
    const ALIASES: [(&'static str, Self); 3] = [
        ("set-full", Self::Set),
        ("total-queue", Self::Queue),
        ("g2", Self::AdyaG2),
    ];

    /// Its name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Register => "register",
            Self::CasRegister => "cas-register",
            Self::KvMap => "kv",
            Self::MultiRegister => "multi-register",
            Self::FifoQueue => "fifo-queue",
            Self::Stack => "stack",
            Self::PriorityQueue => "priority-queue",
            Self::ElementSet => "element-set",
            Self::GrowOnlySet => "grow-only-set",
            Self::AppendLog => "append-log",
            Self::Mutex => "mutex",
            Self::Lock => "lock",
            Self::Semaphore => "semaphore",
            Self::Counter => "counter",
            Self::IdAllocator => "id-allocator",
            Self::Bank => "bank",
            Self::Set => "set",
            Self::Queue => "queue",
            Self::Fanout => "fanout",
            Self::NonceEcho => "nonce-echo",
            Self::ListAppend => "list-append",
            Self::RwRegister => "rw-register",
            Self::ClosedPredicate => "closed-predicate",
            Self::Sequential => "sequential",
            Self::Causal => "causal",
            Self::SessionGuarantees => "session-guarantees",
            Self::CounterBounds => "counter-bounds",
            Self::PnCounter => "pn-counter",
            Self::UniqueIds => "unique-ids",
            Self::LongFork => "long-fork",
            Self::Monotonic => "monotonic",
            Self::CausalReverse => "causal-reverse",
            Self::AdyaG2 => "adya-g2",
            Self::Kafka => "kafka",
            Self::Watch => "watch",
            Self::LockSafety => "lock-safety",
            Self::Stats => "stats",
            Self::Availability => "availability",
        }
    }
}

impl Model {
    /// Whether a history must be linearizable by it, and obeys no law of its own. These come first.
    pub fn is_specification(self) -> bool {
        self as usize <= Self::IdAllocator as usize
    }
}

impl fmt::Display for Model {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

impl FromStr for Model {
    type Err = UnknownModel;

    fn from_str(name: &str) -> Result<Self, UnknownModel> {
        let names = Self::ALL.into_iter().map(|model| (model.name(), model));
        let mut names = names.chain(Self::ALIASES);
        let found = names.find(|&(known, _)| known == name);
        let found = found.map(|(_, model)| model);
        found.ok_or_else(|| UnknownModel(name.to_owned()))
    }
}

/// A model that nobody here knows.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("expected a model ({}), but found `{}`", Model::ALL.map(Model::name).join(", "), .0)]
pub struct UnknownModel(String);

/// What a check may be told beyond the model.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// The value before the first write; of a multi-register, a map of values; of a counter, an integer.
    pub initial: Value,
    pub failed_cas: FailedCas,
    pub limits: Limits,
    /// Which algorithms judge by a specification.
    pub strategy: Strategy,
    /// How many threads judge keys at the same time.
    pub threads: usize,
    pub semaphore: Semaphore,
    pub priority_queue: PriorityQueue,
    pub bank: BankOptions,
    pub set: SetOptions,
    pub queue: QueueOptions,
    pub fanout: FanoutOptions,
    pub list_append: ListAppendOptions,
    pub rw_register: RwRegisterOptions,
    pub closed_predicate: ClosedPredicateOptions,
    /// Of counter-bounds; those of a pn-counter are [`CounterOptions::pn_counter`].
    pub counter: CounterOptions,
    pub unique_ids: UniqueIdsOptions,
    pub monotonic: MonotonicOptions,
    pub kafka: KafkaOptions,
    pub watch: WatchOptions,
    pub lock: LockOptions,
    pub stats: StatsOptions,
    pub availability: AvailabilityOptions,
}

/// Judges the history by the model; `Vacuous` if it proves nothing.
///
/// # Errors
/// If an operation is none of the model's; the error names it.
pub fn check(history: &History, model: Model, options: &Options) -> Result<Verdict, DecodeError> {
    report(history, model, options).map(|report| report.verdict)
}

/// As [`check`], with the algorithms that decided where there are several: of a specification.
///
/// # Errors
/// If an operation is none of the model's; the error names it.
pub fn report(history: &History, model: Model, options: &Options) -> Result<Report, DecodeError> {
    if model.is_specification() {
        return report_linearizable(history, model, options);
    }
    let verdict = check_law(history, model, options)?;
    Ok(without_algorithm(verdict))
}

fn without_algorithm(verdict: Verdict) -> Report {
    Report {
        verdict,
        decided_by: BTreeMap::new(),
        refused_order: None,
    }
}

fn check_law(history: &History, model: Model, options: &Options) -> Result<Verdict, DecodeError> {
    match model {
        Model::Bank => bank::check(history, &options.bank),
        Model::Set => set::check(history, &options.set),
        Model::Queue => queue::check(history, &options.queue),
        Model::Fanout => fanout::check(history, &options.fanout),
        Model::NonceEcho => Ok(nonce_echo::check(history)),
        Model::ListAppend => list_append::check(history, &options.list_append),
        Model::RwRegister => rw_register::check(history, &options.rw_register),
        Model::ClosedPredicate => closed_predicate::check(history, &options.closed_predicate),
        Model::Sequential => check_sequential(history, options),
        Model::Causal => check_registers(history, ConsistencyModel::Causal, options),
        Model::SessionGuarantees => guarantees::check(history, Guarantees::ALL),
        Model::CounterBounds => counter::check(history, &options.counter),
        Model::PnCounter => counter::check(history, &CounterOptions::pn_counter()),
        Model::UniqueIds => unique_ids::check(history, &options.unique_ids),
        Model::LongFork => long_fork::check(history),
        Model::Monotonic => monotonic::check(history, &options.monotonic),
        Model::CausalReverse => causal_reverse::check(history),
        Model::AdyaG2 => adya_g2::check(history),
        Model::Kafka => kafka::check(history, &options.kafka),
        Model::Watch => watch::check(history, &options.watch),
        Model::LockSafety => lock::check(history, &options.lock),
        Model::Stats => Ok(stats::check(history, &options.stats)),
        Model::Availability => Ok(availability::check(history, &options.availability)),
        _ => check_linearizable(history, model, options),
    }
}

fn check_registers(
    history: &History,
    model: ConsistencyModel,
    options: &Options,
) -> Result<Verdict, DecodeError> {
    let options = RwRegisterOptions {
        model,
        ..options.rw_register.clone()
    };
    rw_register::check(history, &options)
}

/// By reads and writes where each write has a value of its own; else by the specification whose
/// operations these are.
fn check_sequential(history: &History, options: &Options) -> Result<Verdict, DecodeError> {
    let Options {
        initial,
        failed_cas,
        limits,
        ..
    } = options.clone();
    if initial == Value::Nil {
        let verdict = check_registers(history, ConsistencyModel::Sequential, options);
        if let Ok(verdict) = verdict.as_ref()
            && !matches!(verdict, Verdict::Unknown(_))
        {
            return Ok(verdict.clone());
        }
    }
    let mut names = history.operations().iter().map(|operation| operation.f);
    if names.any(|f| matches!(f, "get" | "put" | "delete")) {
        let spec = KvMap {
            initial,
            failed_cas,
        };
        return sequential::check(&spec, history, &limits);
    }
    let spec = CasRegister {
        initial,
        failed_cas,
    };
    sequential::check(&spec, history, &limits)
}

/// Whether the history is linearizable by the model; `Vacuous` if no operation succeeded, `Unknown`
/// if the model is no specification but a law of its own: [`check`] judges by those too.
///
/// # Errors
/// If an operation is none of the model's; the error names it.
pub fn check_linearizable(
    history: &History,
    model: Model,
    options: &Options,
) -> Result<Verdict, DecodeError> {
    report_linearizable(history, model, options).map(|report| report.verdict)
}

fn report_linearizable(
    history: &History,
    model: Model,
    options: &Options,
) -> Result<Report, DecodeError> {
    let (initial, failed_cas) = (options.initial.clone(), options.failed_cas);
    match model {
        Model::Register => judge(&Register { initial }, history, options),
        Model::CasRegister => judge(
            &CasRegister {
                initial,
                failed_cas,
            },
            history,
            options,
        ),
        Model::KvMap => judge(
            &KvMap {
                initial,
                failed_cas,
            },
            history,
            options,
        ),
        Model::MultiRegister => judge(&MultiRegister { initial }, history, options),
        Model::FifoQueue => judge(&FifoQueue, history, options),
        Model::Stack => judge(&Stack, history, options),
        Model::PriorityQueue => judge(&options.priority_queue, history, options),
        Model::ElementSet => judge(&ElementSet, history, options),
        Model::GrowOnlySet => judge(&GrowOnlySet, history, options),
        Model::AppendLog => judge(&AppendLog, history, options),
        Model::Mutex => judge(&Mutex, history, options),
        Model::Lock => judge(&Lock, history, options),
        Model::Semaphore => judge(&options.semaphore, history, options),
        Model::Counter => match initial {
            Value::Nil => judge(&Counter::default(), history, options),
            Value::Int(initial) => judge(&Counter { initial }, history, options),
            other => Ok(without_algorithm(Verdict::Unknown(format!(
                "a counter begins with an integer, not with {other}"
            )))),
        },
        Model::IdAllocator => judge(&IdAllocator, history, options),
        _ => Ok(without_algorithm(Verdict::Unknown(format!(
            "{model} has a law of its own, which is not linearizability"
        )))),
    }
}

fn judge(spec: &dyn AnySpec, history: &History, options: &Options) -> Result<Report, DecodeError> {
    let method = Method {
        strategy: options.strategy,
        limits: options.limits.clone(),
        threads: options.threads,
        order: None,
    };
    let mut report = match linearizability::check_any_with(spec, history, &method) {
        Ok(report) => report,
        Err(CheckError::Decode(error)) => return Err(error),
        // Whoever is wrong, there is no verdict to be had from it.
        Err(error @ (CheckError::Disagreement { .. } | CheckError::BadOrder(_))) => {
            return Ok(without_algorithm(Verdict::Unknown(error.to_string())));
        }
    };
    let is_ok = |operation: crate::history::Operation<'_>| operation.outcome == Outcome::Ok;
    let is_valid = matches!(report.verdict, Verdict::Valid { .. });
    if is_valid && !history.operations().iter().any(is_ok) {
        let why = "no operation succeeded, so nothing was seen".to_owned();
        report.verdict = Verdict::Vacuous(why);
    }
    Ok(report)
}
