//! The broker in the engine: publishers, consumers and subscribers, and what crashes do to them.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use squall_sim::engine::{self, Emitted, NodeId};
use squall_sim::net::TcpStream;
use squall_sim::time::{Duration, Instant, sleep};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::client::{self, Client, ClientError, Event};
use super::server::{self, Limits, serve};
use super::streams::consumer::ConsumerConfig;
use super::streams::stream::StreamConfig;
use super::truth::{DeliveryId, Truth};

const ACK_WAIT: Duration = Duration::from_millis(1_500);

fn config(limits: Limits) -> server::Config {
    let consumer = ConsumerConfig {
        ack_wait: ACK_WAIT,
        ..ConsumerConfig::new("work")
    };
    let stream = StreamConfig::new("JOBS", &["jobs.*"]);
    server::Config {
        directory: "/data/broker".into(),
        listen: "0.0.0.0:4222".to_owned(),
        streams: vec![(stream, vec![consumer])],
        limits,
    }
}

fn start(limits: Limits) -> NodeId {
    let node = engine::add_node("broker");
    node.start(move || async move {
        if let Err(error) = serve(config(limits)).await {
            panic!("{error}");
        }
    });
    node
}

fn connect() -> Client {
    Client::new(client::Config::new("broker:4222".to_owned()))
}

fn after(duration: Duration) -> Instant {
    Instant::now() + duration
}

fn run<T, F>(seed: u64, mutant: Option<&str>, harness: impl FnOnce() -> F + Send) -> T
where
    T: Send + 'static,
    F: Future<Output = T> + 'static,
{
    let config = engine::Config {
        mutant: mutant.map(str::to_owned),
        ..engine::Config::new(seed)
    };
    engine::run(config, harness).expect("it ends").output
}

/// What an observer holds against the broker: the laws of [`super::truth`].
#[derive(Default)]
struct Judge {
    persisted: u64,
    acknowledged: u64,
    /// The latest delivery of each message, and until when it is held.
    held: BTreeMap<u64, (u64, u64)>,
    settled: BTreeSet<u64>,
    slow: u64,
    broken: Vec<String>,
}

impl Judge {
    fn hear(&mut self, time_ns: u64, truth: &Truth) {
        match truth {
            Truth::Restored { last, .. } => {
                if *last < self.acknowledged {
                    self.broken
                        .push(format!("{} lost, {last} left", self.acknowledged));
                }
                self.persisted = *last;
            }
            Truth::Persisted { last, .. } => self.persisted = self.persisted.max(*last),
            Truth::Acknowledged { sequence, .. } => {
                self.acknowledged = self.acknowledged.max(*sequence);
                if *sequence > self.persisted {
                    self.broken
                        .push(format!("{sequence} is acknowledged, not persisted"));
                }
            }
            Truth::Delivered {
                delivery,
                expires_ns,
                ..
            } => {
                let DeliveryId {
                    sequence, count, ..
                } = *delivery;
                let (last, until) = self.held.get(&sequence).copied().unwrap_or_default();
                if until > time_ns || count <= last || self.settled.contains(&sequence) {
                    self.broken
                        .push(format!("{delivery:?} after {last} until {until}"));
                }
                self.held.insert(sequence, (count, *expires_ns));
            }
            Truth::Extended {
                delivery,
                expires_ns,
            } => {
                self.held
                    .insert(delivery.sequence, (delivery.count, *expires_ns));
            }
            Truth::Returned { delivery } => {
                self.held.insert(delivery.sequence, (delivery.count, 0));
            }
            Truth::Settled { delivery } => {
                if self.held.get(&delivery.sequence).map(|it| it.0) != Some(delivery.count) {
                    self.broken
                        .push(format!("{delivery:?} settled by an old holder"));
                }
                self.settled.insert(delivery.sequence);
            }
            Truth::SlowConsumer { .. } => self.slow += 1,
            Truth::Duplicate { .. }
            | Truth::Refused { .. }
            | Truth::Discarded { .. }
            | Truth::Fenced { .. } => {}
        }
    }
}

fn appoint() -> Rc<RefCell<Judge>> {
    let judge = Rc::new(RefCell::new(Judge::default()));
    let hearer = Rc::clone(&judge);
    engine::observe(Box::new(move |emitted: Emitted<'_>| {
        if let Some(truth) = emitted.event.downcast_ref::<Truth>() {
            hearer.borrow_mut().hear(emitted.time_ns, truth);
        }
    }));
    judge
}

#[derive(Clone, Copy, PartialEq)]
enum Harm {
    Kill,
    PowerLoss,
    Pause,
}

/// Long enough to lie in several sectors, and for every damage to be seen.
fn payload_of(id: &str) -> Vec<u8> {
    format!("{id:.<1200}").into_bytes()
}

/// What a storm comes to.
#[derive(Debug)]
struct Aftermath {
    acknowledged: usize,
    redelivered: usize,
    broken: Vec<String>,
}

/// Publishers and workers, and a broker that comes to harm again and again.
async fn storm(harm: Option<Harm>) -> Aftermath {
    let judge = appoint();
    let node = start(Limits {
        segment_bytes: 20_000,
        ..Limits::default()
    });
    let acknowledged = Rc::new(RefCell::new(BTreeSet::new()));
    let done = Rc::new(RefCell::new(Vec::new()));
    let redelivered = Rc::new(RefCell::new(0));
    let mut publishers = Vec::new();
    for publisher in 0..3 {
        let acknowledged = Rc::clone(&acknowledged);
        publishers.push(engine::spawn_local(async move {
            let mut client = connect();
            for number in 0..40 {
                let id = format!("{publisher}-{number}");
                let payload = payload_of(&id);
                let deadline = after(Duration::from_secs(4));
                let published = client.publish_durable("jobs.a", &id, &payload, deadline);
                if published.await.is_ok() {
                    acknowledged.borrow_mut().insert(id);
                }
                sleep(Duration::from_millis(20)).await;
            }
        }));
    }
    for _ in 0..3 {
        let (done, redelivered) = (Rc::clone(&done), Rc::clone(&redelivered));
        engine::spawn_local(async move {
            let mut client = connect();
            loop {
                let deadline = after(Duration::from_millis(800));
                let Some(delivery) = client.fetch("JOBS", "work", deadline).await else {
                    continue;
                };
                *redelivered.borrow_mut() += usize::from(delivery.count > 1);
                sleep(Duration::from_millis(15)).await;
                let text = String::from_utf8_lossy(&delivery.payload);
                let mut id = text.trim_end_matches('.').to_owned();
                if payload_of(&id) != delivery.payload {
                    id = "damaged".to_owned();
                }
                done.borrow_mut().push((delivery.sequence, id));
                let _ = client.ack(&delivery, after(ACK_WAIT * 2)).await;
            }
        });
    }
    for _ in 0..8 {
        sleep(Duration::from_millis(170)).await;
        match harm {
            Some(Harm::Pause) => {
                node.pause();
                sleep(Duration::from_millis(450)).await;
                node.resume();
            }
            Some(harm) => {
                match harm {
                    Harm::Kill => node.kill(),
                    _ => node.power_loss(),
                };
                sleep(Duration::from_millis(30)).await;
                node.restart();
            }
            None => {}
        }
    }
    for publisher in publishers {
        publisher.await.expect("it ends");
    }
    sleep(ACK_WAIT * 6).await;
    let mut broken = std::mem::take(&mut judge.borrow_mut().broken);
    let mut by_id: BTreeMap<String, BTreeSet<u64>> = BTreeMap::new();
    for (sequence, id) in done.borrow().iter() {
        by_id.entry(id.clone()).or_default().insert(*sequence);
    }
    if by_id.contains_key("damaged") {
        broken.push("a payload is not as it was published".to_owned());
    }
    for id in acknowledged.borrow().iter() {
        match by_id.get(id).map_or(0, BTreeSet::len) {
            0 => broken.push(format!("{id} was acknowledged and never delivered")),
            1 => {}
            _ => broken.push(format!("{id} is stored twice")),
        }
    }
    let acknowledged = acknowledged.borrow().len();
    let redelivered = *redelivered.borrow();
    Aftermath {
        acknowledged,
        redelivered,
        broken,
    }
}

#[test]
fn nothing_that_was_promised_is_lost_in_a_storm() {
    let mut redelivered = 0;
    for harm in [
        None,
        Some(Harm::Kill),
        Some(Harm::PowerLoss),
        Some(Harm::Pause),
    ] {
        for seed in 0..8 {
            let aftermath = run(seed, None, move || storm(harm));
            assert_eq!(aftermath.broken, Vec::<String>::new(), "seed {seed}");
            assert!(aftermath.acknowledged > 100, "{aftermath:?}");
            redelivered += aftermath.redelivered;
        }
    }
    assert!(redelivered > 0, "the storms reach no redelivery");
}

#[test]
fn planted_bugs_show_under_their_faults_and_not_without() {
    let mut unseen = Vec::new();
    for (mutant, harm) in [
        ("broker.redelivered-while-held", Harm::Pause),
        ("broker.holders-forgotten", Harm::Kill),
        ("broker.settled-on-delivery", Harm::Kill),
        ("broker.dedup-window-short", Harm::Pause),
        ("broker.dedup-forgotten", Harm::Kill),
        ("broker.ack-not-persisted", Harm::Kill),
        ("broker.acknowledged-before-sync", Harm::PowerLoss),
        ("broker.checksum-not-checked", Harm::PowerLoss),
        ("broker.directory-not-synced", Harm::PowerLoss),
        ("broker.snapshot-not-synced", Harm::PowerLoss),
    ] {
        let calm = run(1, Some(mutant), || storm(None));
        assert_eq!(calm.broken, Vec::<String>::new(), "{mutant}");
        let is_seen = (0..60).any(|seed| {
            let config = engine::Config {
                mutant: Some(mutant.to_owned()),
                ..engine::Config::new(seed)
            };
            let outcome = engine::run(config, move || storm(Some(harm))).expect("it ends");
            !outcome.output.broken.is_empty() || !outcome.panics.is_empty()
        });
        if !is_seen {
            unseen.push(mutant);
        }
    }
    assert_eq!(unseen, Vec::<&str>::new());
}

/// A subscriber that stands still while much is published; the numbers that it sees, and its gaps.
async fn read_slowly() -> (Vec<u64>, usize, u64) {
    let judge = appoint();
    start(Limits {
        pending_bytes: 20_000,
        ..Limits::default()
    });
    let mut subscriber = connect();
    let mut publisher = connect();
    let soon = || after(Duration::from_secs(20));
    subscriber
        .subscribe("news.>", None, soon())
        .await
        .expect("the broker is there");
    for number in 0..400_u64 {
        let mut payload = vec![0; 2_000];
        payload[..8].copy_from_slice(&number.to_le_bytes());
        publisher
            .publish_core("news.a", &payload, soon())
            .await
            .expect("the broker is there");
    }
    let (mut numbers, mut gaps) = (Vec::new(), 0);
    while let Some(event) = subscriber.next(after(Duration::from_secs(5))).await {
        match event {
            Event::Gap => gaps += 1,
            Event::Message(message) => {
                let bytes = message.payload[..8].try_into().expect("eight bytes");
                numbers.push(u64::from_le_bytes(bytes));
            }
        }
    }
    let slow = judge.borrow().slow;
    (numbers, gaps, slow)
}

#[test]
fn a_subscriber_that_does_not_keep_up_is_told() {
    let (numbers, gaps, slow) = run(3, None, read_slowly);
    assert!(numbers.len() < 400, "the buffer was not full");
    assert_eq!((gaps, slow), (1, 1));
    assert!(numbers.windows(2).all(|pair| pair[0] + 1 == pair[1]));

    let (numbers, gaps, _) = run(3, Some("broker.overflow-silent"), read_slowly);
    assert!(
        numbers.len() < 400 && gaps == 0,
        "the planted bug is not seen"
    );
}

#[test]
fn of_a_queue_group_one_member_hears_each_message() {
    let (all, members) = run(5, None, || async {
        start(Limits::default());
        let soon = || after(Duration::from_secs(5));
        let (mut one, mut other, mut all, mut publisher) =
            (connect(), connect(), connect(), connect());
        one.subscribe("a.*", Some("q"), soon())
            .await
            .expect("there");
        other
            .subscribe("a.b", Some("q"), soon())
            .await
            .expect("there");
        all.subscribe(">", None, soon()).await.expect("there");
        for _ in 0..40 {
            publisher
                .publish_core("a.b", b"x", soon())
                .await
                .expect("there");
        }
        let mut counts = Vec::new();
        for client in [&mut all, &mut one, &mut other] {
            let mut count = 0;
            while client
                .next(after(Duration::from_millis(100)))
                .await
                .is_some()
            {
                count += 1;
            }
            counts.push(count);
        }
        (counts[0], (counts[1], counts[2]))
    });
    assert_eq!((all, members.0 + members.1), (40, 40));
    assert!(members.0 > 0 && members.1 > 0, "{members:?}");
}

async fn talk(words: &str) -> String {
    let mut stream = TcpStream::connect("broker:4222")
        .await
        .expect("the broker is there");
    stream
        .write_all(words.as_bytes())
        .await
        .expect("it listens");
    sleep(Duration::from_millis(50)).await;
    let mut heard = vec![0; 4_096];
    let mut length = 0;
    let patience = Duration::from_millis(50);
    while let Ok(Ok(read)) =
        squall_sim::time::timeout(patience, stream.read(&mut heard[length..])).await
        && read > 0
    {
        length += read;
    }
    let text = String::from_utf8_lossy(&heard[..length]).into_owned();
    text.split_once("\r\n")
        .map_or_else(|| text.clone(), |it| it.1.to_owned())
}

#[test]
fn speaks_the_protocol() {
    let heard = run(7, None, || async {
        start(Limits::default());
        sleep(Duration::from_millis(50)).await;
        let mut heard = Vec::new();
        for words in [
            "PING\r\n",
            "CONNECT {\"verbose\":true}\r\nSUB a 1\r\nPUB a 2\r\nhi\r\n",
            "CONNECT {\"echo\":false}\r\nSUB a 1\r\nPUB a 2\r\nhi\r\nPING\r\n",
            "SUB b 1\r\nUNSUB 1 1\r\nPUB b 1\r\nx\r\nPUB b 1\r\ny\r\n",
            "SUB i 9\r\nCONNECT {\"headers\":true,\"no_responders\":true}\r\nPUB nobody i 0\r\n\r\n",
            "GET / HTTP/1.1\r\n",
            "PUB a 9999999\r\n",
            "PUB a..b 0\r\n\r\nPING\r\n",
        ] {
            heard.push(talk(words).await);
        }
        heard
    });
    let expected = [
        "PONG\r\n",
        "+OK\r\n+OK\r\nMSG a 1 2\r\nhi\r\n+OK\r\n",
        "PONG\r\n",
        "MSG b 1 1\r\nx\r\n",
        "HMSG i 9 16 16\r\nNATS/1.0 503\r\n\r\n\r\n",
        "-ERR 'Unknown Protocol Operation'\r\n",
        "-ERR 'Maximum Payload Violation'\r\n",
        "-ERR 'Invalid Publish Subject'\r\nPONG\r\n",
    ];
    assert_eq!(heard, expected);
}

#[test]
fn what_no_stream_takes_is_not_done() {
    let outcome = run(9, None, || async {
        start(Limits::default());
        let mut client = connect();
        client
            .publish_durable("other", "x", b"", after(Duration::from_secs(2)))
            .await
    });
    assert!(
        matches!(outcome, Err(ClientError::NotDone(_))),
        "{outcome:?}"
    );
}

#[test]
fn a_damaged_journal_is_refused_by_name_and_offset() {
    let stopped = run(11, None, || async {
        let node = engine::add_node("broker");
        let why = Rc::new(RefCell::new(String::new()));
        let told = Rc::clone(&why);
        node.start(move || {
            let told = Rc::clone(&told);
            async move {
                squall_sim::fs::create_dir_all("/data/broker")
                    .await
                    .expect("a disk");
                let name = "/data/broker/journal-00000000000000000003";
                squall_sim::fs::write(name, b"garbage")
                    .await
                    .expect("a disk");
                if let Err(error) = serve(config(Limits::default())).await {
                    *told.borrow_mut() = error.to_string();
                }
            }
        });
        sleep(Duration::from_secs(1)).await;
        why.borrow().clone()
    });
    assert!(
        stopped.contains("journal-00000000000000000003, byte 0"),
        "{stopped}"
    );
}
