//! Single packets that come twice, late or damaged.

use squall_sim::engine::{self, Config, Latency, LinkEffect};
use squall_sim::net::{TcpStream, UdpSocket};
use squall_sim::time::{Duration, sleep};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::{MS, MS_NS, call, ear, echo, harm, numbers, run, run_in};

#[test]
fn a_datagram_can_come_twice() {
    let (numbers, felt, calm) = run(7, || async {
        let (node, heard) = ear("ear");
        let tag = harm(node, LinkEffect::Duplicate { per_mille: 300 });
        call(node, 100).await;
        sleep(10 * MS).await;
        engine::remove_link_effects(tag);
        let noisy = numbers(&heard);
        heard.borrow_mut().clear();
        call(node, 100).await;
        sleep(10 * MS).await;
        (noisy, engine::fault_observed(tag), numbers(&heard).len())
    });
    assert_eq!(calm, 100);
    assert_eq!(numbers.len() as u64, 100 + felt);
    assert!((15..45).contains(&felt), "{felt}");
    let copies = |number: &u8| numbers.iter().filter(|other| *other == number).count();
    assert!(numbers.iter().all(|number| copies(number) <= 2));
}

#[test]
fn a_stream_hears_nothing_of_duplicates() {
    let (answer, felt) = run(7, || async {
        let node = echo("echo");
        let mut stream = TcpStream::connect((node.ip(), 7)).await.unwrap();
        let tag = harm(node, LinkEffect::Duplicate { per_mille: 1000 });
        let mut word = [0; 4];
        let mut answer = Vec::new();
        for number in 0..20_u32 {
            stream.write_all(&number.to_le_bytes()).await.unwrap();
            stream.read_exact(&mut word).await.unwrap();
            answer.push(u32::from_le_bytes(word));
        }
        (answer, engine::fault_observed(tag))
    });
    assert_eq!(answer, (0..20).collect::<Vec<_>>());
    assert_eq!(felt, 0, "what no program can feel is not counted");
}

#[test]
fn some_packets_are_overtaken() {
    let mut config = Config::new(7);
    config.network.latency = Latency::Constant { ns: MS_NS };
    let (calm, late, felt) = run_in(&config, || async {
        let (node, heard) = ear("ear");
        call(node, 100).await;
        sleep(10 * MS).await;
        let calm = numbers(&heard);
        heard.borrow_mut().clear();
        let effect = LinkEffect::Reorder {
            per_mille: 100,
            extra_ns_max: 20 * MS_NS,
        };
        let tag = harm(node, effect);
        call(node, 100).await;
        sleep(30 * MS).await;
        (calm, numbers(&heard), engine::fault_observed(tag))
    });
    assert!(
        calm.is_sorted(),
        "packets that take equally long stay in order"
    );
    assert_eq!(late.len(), 100);
    let overtaken = late.windows(2).filter(|pair| pair[0] > pair[1]).count() as u64;
    assert!(overtaken >= 3 && overtaken <= felt, "{overtaken} of {felt}");
    assert!((3..25).contains(&felt), "one packet of ten: {felt}");
}

#[test]
fn bits_of_a_datagram_flip() {
    let (damaged, felt, lost) = run(7, || async {
        let (node, heard) = ear("ear");
        let tag = harm(node, LinkEffect::Corrupt { per_mille: 250 });
        let socket = UdpSocket::bind("0.0.0.0:0").await.unwrap();
        for _ in 0..100 {
            socket.send_to(&[0x55; 32], (node.ip(), 9)).await.unwrap();
        }
        sleep(10 * MS).await;
        let heard = heard.borrow();
        let damaged = heard.iter().filter(|(_, payload)| *payload != [0x55; 32]);
        let lost = 100 - heard.len();
        (damaged.count() as u64, engine::fault_observed(tag), lost)
    });
    assert_eq!((damaged, lost), (felt, 0));
    assert!((12..40).contains(&felt), "a quarter of a hundred: {felt}");
}

#[test]
fn of_an_empty_datagram_it_is_the_header_that_is_damaged() {
    let (heard, felt) = run(7, || async {
        let (node, heard) = ear("ear");
        let tag = harm(node, LinkEffect::Corrupt { per_mille: 1000 });
        let socket = UdpSocket::bind("0.0.0.0:0").await.unwrap();
        socket.send_to(&[], (node.ip(), 9)).await.unwrap();
        sleep(10 * MS).await;
        (heard.borrow().len(), engine::fault_observed(tag))
    });
    assert_eq!((heard, felt), (0, 1));
}

#[test]
fn a_stream_sends_again_what_was_damaged() {
    let (is_same, waited_ns, felt) = run(7, || async {
        let node = echo("echo");
        let mut stream = TcpStream::connect((node.ip(), 7)).await.unwrap();
        let tag = harm(node, LinkEffect::Corrupt { per_mille: 500 });
        let before_ns = engine::now_ns();
        let (mut sent, mut received) = (Vec::new(), [0; 64]);
        let mut is_same = true;
        for number in 0..20 {
            sent = vec![number; 64];
            stream.write_all(&sent).await.unwrap();
            stream.read_exact(&mut received).await.unwrap();
            is_same &= sent == received;
        }
        drop(sent);
        let waited_ns = engine::now_ns() - before_ns;
        (is_same, waited_ns, engine::fault_observed(tag))
    });
    assert!(is_same, "a checksum protects a stream");
    assert!(felt >= 5);
    let calm = Duration::from_millis(20 * 4);
    assert!(Duration::from_nanos(waited_ns) > calm + Duration::from_millis(200));
}

/// What was heard of twenty datagrams that were sent at once, with their times, under an effect.
fn heard_under(effect: Option<LinkEffect>) -> Vec<(u64, Vec<u8>)> {
    run(7, move || async move {
        let (node, heard) = ear("ear");
        effect.map(|effect| harm(node, effect));
        let socket = UdpSocket::bind("0.0.0.0:0").await.unwrap();
        for number in 0..20 {
            socket.send_to(&[number], (node.ip(), 9)).await.unwrap();
        }
        sleep(100 * MS).await;
        heard.take()
    })
}

#[test]
fn a_fault_leaves_alone_what_it_does_not_strike() {
    let calm = heard_under(None);
    let effects = [
        LinkEffect::Lossy { per_mille: 300 },
        LinkEffect::Corrupt { per_mille: 300 },
        LinkEffect::Duplicate { per_mille: 300 },
        LinkEffect::Reorder {
            per_mille: 300,
            extra_ns_max: 20 * MS_NS,
        },
    ];
    for effect in effects {
        let heard = heard_under(Some(effect));
        let unharmed = calm.iter().filter(|one| heard.contains(one)).count();
        let least = match effect {
            LinkEffect::Duplicate { .. } => 20,
            _ => 8,
        };
        assert!(heard != calm && unharmed >= least, "{effect:?}: {unharmed}");
    }
}
