//! A server and its clients in a world where the power goes, syncs fail and bits rot.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::rc::Rc;

use squall_sim::engine::disk::CrashProfile;
use squall_sim::engine::{self, DiskEffect, NodeId};
use squall_sim::keyed::Key;
use squall_sim::rand;
use squall_sim::time::{Duration, Instant, sleep};

use crate::kv::client::{self, Client, ClientError};
use crate::kv::server::{Config, serve};
use crate::kv::truth::Truth;

/// What is done to the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Calm,
    /// Kills and power losses.
    Crashes,
    /// Syncs fail, and the power goes.
    SyncErrors,
    /// Bits rot on the disk, and the server is started again.
    Rot,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Storm {
    pub(super) seed: u64,
    pub(super) kind: Kind,
}

/// What storms reach.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Tally {
    pub(super) acknowledged: u64,
    pub(super) restored: u64,
    pub(super) checkpoints: u64,
    pub(super) torn: u64,
    pub(super) stopped: u64,
    pub(super) refused: u64,
    /// Syncs that made more than one commit durable.
    pub(super) groups_of_several: u64,
}

impl Tally {
    pub(super) fn add(&mut self, other: Self) {
        self.acknowledged += other.acknowledged;
        self.restored += other.restored;
        self.checkpoints += other.checkpoints;
        self.torn += other.torn;
        self.stopped += other.stopped;
        self.refused += other.refused;
        self.groups_of_several += other.groups_of_several;
    }
}

const ADDRESS: &str = "server:6379";
const STRIKES: u64 = 12;
const ACCOUNTS: [&str; 3] = ["account-0", "account-1", "account-2"];
const TOTAL: i64 = 300;

/// Runs a storm; says what was wrong.
pub(super) fn run(storm: Storm, mutant: Option<&str>) -> Result<Tally, String> {
    let config = engine::Config {
        mutant: mutant.map(str::to_owned),
        disk_profile: CrashProfile {
            torn_per_mille: 100,
            ..CrashProfile::default()
        },
        end_ns: 120_000_000_000,
        ..engine::Config::new(storm.seed)
    };
    let outcome = engine::run(config, move || weather(storm)).map_err(|error| error.to_string())?;
    if let Some(panic) = outcome.panics.first() {
        return Err(format!("the server panicked: {}", panic.message));
    }
    outcome.output
}

/// What is known of the server and of what clients were told.
#[derive(Default)]
struct Watch {
    tally: Tally,
    synced: u64,
    /// The greatest version that anybody has been shown.
    shown: u64,
    may_refuse: bool,
    has_refused: bool,
    is_over: bool,
    broken: Option<String>,
    /// The counter by compare-and-set: successes, and perhaps.
    counted: i64,
    perhaps_counted: i64,
    members: BTreeSet<String>,
}

impl Watch {
    fn complain(&mut self, what: String) {
        self.broken.get_or_insert(what);
    }

    fn hear(&mut self, truth: &Truth) {
        match truth {
            Truth::Restored {
                version,
                cut_off_bytes,
                ..
            } => {
                self.tally.restored += 1;
                self.tally.torn += u64::from(*cut_off_bytes > 0);
                let known = self.synced.max(self.shown);
                if *version < known {
                    self.complain(format!("restored {version}, after {known} was durable"));
                }
                self.synced = *version;
            }
            Truth::Synced { version } => {
                self.tally.groups_of_several += u64::from(*version > self.synced + 1);
                self.synced = *version;
            }
            Truth::Visible { version } | Truth::ReadServed { version } => self.show(*version),
            Truth::Acknowledged { version } => {
                self.tally.acknowledged += 1;
                self.show(*version);
            }
            Truth::Checkpointed { .. } => self.tally.checkpoints += 1,
            Truth::Stopped { .. } => self.tally.stopped += 1,
            Truth::RefusedToStart { reason } => {
                self.tally.refused += 1;
                self.has_refused = true;
                if !self.may_refuse {
                    self.complain(format!("refused to start: {reason}"));
                }
            }
        }
    }

    fn show(&mut self, version: u64) {
        self.shown = self.shown.max(version);
        if version > self.synced {
            let synced = self.synced;
            self.complain(format!("{version} is shown when {synced} is durable"));
        }
    }
}

type Shared = Rc<RefCell<Watch>>;

async fn weather(storm: Storm) -> Result<Tally, String> {
    let watch = Shared::default();
    watch.borrow_mut().may_refuse = storm.kind == Kind::Rot;
    let hears = Rc::clone(&watch);
    engine::observe(Box::new(move |emitted| {
        if let Some(truth) = emitted.event.downcast_ref::<Truth>() {
            hears.borrow_mut().hear(truth);
        }
    }));
    let server = engine::add_node("server");
    server.start(|| async {
        let config = Config {
            checkpoint_bytes: 6 << 10,
            ..Config::new("/data/kv", "0.0.0.0:6379")
        };
        let _ = serve(config).await;
    });
    begin_bank()
        .await
        .map_err(|error| format!("no bank: {error}"))?;
    let workers: Vec<_> = (0..6)
        .map(|number| engine::spawn_local(work(number, Rc::clone(&watch))))
        .collect();
    strike(storm, server, &watch).await;
    watch.borrow_mut().is_over = true;
    for worker in workers {
        worker.await.map_err(|error| error.to_string())?;
    }
    if !watch.borrow().has_refused {
        final_reads(&watch).await;
    }
    let mut watch = watch.borrow_mut();
    match watch.broken.take() {
        Some(broken) => Err(broken),
        None => Ok(watch.tally),
    }
}

async fn strike(storm: Storm, server: NodeId, watch: &Shared) {
    let tag = engine::new_fault_tag();
    if storm.kind == Kind::SyncErrors {
        let effect = DiskEffect::SyncError { per_mille: 20 };
        engine::add_disk_effect(server, tag, effect);
    }
    for number in 0..STRIKES {
        sleep(Duration::from_micros(1_000 + rand::below(200_000))).await;
        match (storm.kind, rand::below(4)) {
            (Kind::Calm, _) => continue,
            (Kind::Crashes | Kind::SyncErrors, 0) => drop(server.kill()),
            (Kind::Crashes | Kind::SyncErrors, _) => drop(server.power_loss()),
            (Kind::Rot, _) if number + 1 == STRIKES => {
                // What has been acknowledged for a while is sealed.
                watch.borrow_mut().is_over = true;
                sleep(Duration::from_secs(2)).await;
                server.corrupt(Key::root(storm.seed), 2);
                server.kill();
            }
            (Kind::Rot, _) => continue,
        }
        sleep(Duration::from_micros(rand::below(5_000))).await;
        server.restart();
    }
    engine::remove_disk_effects(tag);
    for _ in 0..20 {
        sleep(Duration::from_millis(10)).await;
        if !server.is_up() && !watch.borrow().has_refused {
            server.restart();
        }
    }
}

fn new_client() -> Client {
    Client::new(client::Config::new(ADDRESS))
}

fn soon() -> Instant {
    Instant::now() + Duration::from_millis(500)
}

async fn begin_bank() -> Result<(), ClientError> {
    let mut client = new_client();
    let deadline = Instant::now() + Duration::from_secs(5);
    let balance = (TOTAL / ACCOUNTS.len() as i64).to_string();
    for account in ACCOUNTS {
        client.set(account, &balance, deadline).await?;
    }
    Ok(())
}

async fn work(number: u64, watch: Shared) {
    let mut client = new_client();
    let mut register = Register::new(number);
    while !watch.borrow().is_over {
        match rand::below(5) {
            0 => register.step(&mut client, &watch).await,
            1 => transfer(&mut client).await,
            2 => check_bank(&mut client, &watch, soon()).await,
            3 => count(&mut client, &watch).await,
            _ => add(&mut client, &watch, number).await,
        }
        sleep(Duration::from_micros(rand::below(3_000))).await;
    }
}

/// A key that one client alone writes, with the numbers 1, 2, 3 and so on.
struct Register {
    key: String,
    /// The last value that it surely had, and the last one that it may have.
    surely: u64,
    perhaps: u64,
}

impl Register {
    fn new(number: u64) -> Self {
        Self {
            key: format!("register-{number}"),
            surely: 0,
            perhaps: 0,
        }
    }

    async fn step(&mut self, client: &mut Client, watch: &Shared) {
        let next = self.perhaps + 1;
        // Long enough to cross sectors, so that a torn write is half there.
        let value = format!("{next} {}", "x".repeat(700));
        match client.set(&self.key, &value, soon()).await {
            Ok(()) => (self.surely, self.perhaps) = (next, next),
            Err(ClientError::Indeterminate(_)) => self.perhaps = next,
            Err(ClientError::NotDone(_)) => {}
        }
        let Ok(value) = client.get(&self.key, soon()).await else {
            return;
        };
        let value = value.unwrap_or_default();
        let mut words = value.split(' ');
        let found: u64 = words.next().and_then(|it| it.parse().ok()).unwrap_or(0);
        let is_whole = words.next().is_none_or(|rest| rest == "x".repeat(700));
        if !(self.surely..=self.perhaps).contains(&found) || !is_whole {
            let (low, high) = (self.surely, self.perhaps);
            let broken = format!("{} is {found}, not in {low}..={high}", self.key);
            watch.borrow_mut().complain(broken);
        }
        // What has been read is durable.
        self.surely = found.max(self.surely);
    }
}

async fn transfer(client: &mut Client) {
    let from = ACCOUNTS[rand::below(3) as usize];
    let to = ACCOUNTS[rand::below(3) as usize];
    let amount = 1 + rand::below(20) as i64;
    // The total says whether all is well, whatever the outcome.
    let _ = client.transfer(from, to, amount, soon()).await;
}

async fn check_bank(client: &mut Client, watch: &Shared, deadline: Instant) {
    let balances = match rand::below(2) {
        0 => client.read_all(&ACCOUNTS, deadline).await,
        _ => client.read_each(&ACCOUNTS, deadline).await,
    };
    let Ok(balances) = balances else {
        return;
    };
    let number = |balance: &Option<String>| balance.as_ref()?.parse().ok();
    let numbers: Option<Vec<i64>> = balances.iter().map(number).collect();
    let is_right = numbers.is_some_and(|numbers| {
        numbers.iter().sum::<i64>() == TOTAL && *numbers.iter().min().unwrap_or(&0) >= 0
    });
    if !is_right {
        let broken = format!("the bank has {balances:?}");
        watch.borrow_mut().complain(broken);
    }
}

async fn count(client: &mut Client, watch: &Shared) {
    let Ok(now) = client.get("counter", soon()).await else {
        return;
    };
    let next = now.as_ref().map_or(0, |now| now.parse().unwrap_or(0)) + 1_i64;
    let next = next.to_string();
    let counted = client.compare_and_set("counter", now.as_deref(), &next, soon());
    match counted.await {
        Ok(true) => watch.borrow_mut().counted += 1,
        Err(ClientError::Indeterminate(_)) => watch.borrow_mut().perhaps_counted += 1,
        Ok(false) | Err(ClientError::NotDone(_)) => {}
    }
}

async fn add(client: &mut Client, watch: &Shared, number: u64) {
    let member = format!("{number}-{}", engine::now_ns());
    if client.add("set", &member, soon()).await.is_ok() {
        watch.borrow_mut().members.insert(member);
    }
}

async fn final_reads(watch: &Shared) {
    let mut client = new_client();
    let deadline = Instant::now() + Duration::from_secs(10);
    let counter = client.get("counter", deadline).await;
    let members = client.members("set", deadline).await;
    check_bank(&mut client, watch, deadline).await;
    let mut watch = watch.borrow_mut();
    let (Ok(counter), Ok(members)) = (counter, members) else {
        return watch.complain("nobody answers after the storm".to_owned());
    };
    let counter: i64 = counter.and_then(|it| it.parse().ok()).unwrap_or(0);
    let low = watch.counted;
    let high = low + watch.perhaps_counted;
    if !(low..=high).contains(&counter) {
        watch.complain(format!("the counter is {counter}, not in {low}..={high}"));
    }
    let members: BTreeSet<String> = members.into_iter().collect();
    if let Some(lost) = watch.members.difference(&members).next().cloned() {
        watch.complain(format!("{lost} was added and is lost"));
    }
}
