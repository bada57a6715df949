//! Clogged links: what is due waits, and comes in a burst.

use squall_sim::engine::{self, LinkEffect, NodeId, Swizzle, cuts, swizzle};
use squall_sim::keyed::Key;
use squall_sim::net::{TcpStream, UdpSocket};
use squall_sim::time::{Duration, sleep, timeout};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::{MS, MS_NS, answers, call, ear, echo, harm, numbers, run};

/// Forty datagrams at once: they overtake each other.
async fn shout(node: NodeId) {
    let socket = UdpSocket::bind("0.0.0.0:0").await.unwrap();
    for number in 0..40 {
        socket.send_to(&[number], (node.ip(), 9)).await.unwrap();
    }
}

#[test]
fn what_a_clog_held_arrives_at_once_and_in_order() {
    let (during, heard, released_ns, felt) = run(7, || async {
        let (node, heard) = ear("ear");
        let tag = harm(node, LinkEffect::Clog);
        shout(node).await;
        sleep(100 * MS).await;
        let during = heard.borrow().len();
        engine::remove_link_effects(tag);
        let released_ns = engine::now_ns();
        sleep(MS).await;
        let heard = heard.borrow().clone();
        (during, heard, released_ns, engine::fault_observed(tag))
    });
    assert_eq!((during, heard.len(), felt), (0, 40, 40));
    assert!(heard.iter().all(|(at_ns, _)| *at_ns == released_ns));
    // Without the clog they come in the order in which they were due: so do they with it.
    let calm = run(7, || async {
        let (node, heard) = ear("ear");
        shout(node).await;
        sleep(100 * MS).await;
        numbers(&heard)
    });
    let burst: Vec<u8> = heard.iter().map(|(_, payload)| payload[0]).collect();
    assert_eq!(burst, calm);
    assert!(!burst.is_sorted());
}

#[test]
fn a_stream_goes_on_when_its_clog_ends() {
    let (silent, soon, felt, resent) = run(7, || async {
        let node = echo("echo");
        let mut stream = TcpStream::connect((node.ip(), 7)).await.unwrap();
        let tag = harm(node, LinkEffect::Clog);
        stream.write_all(b"ping").await.unwrap();
        let mut word = [0; 4];
        let silent = timeout(Duration::from_secs(5), stream.read_exact(&mut word)).await;
        engine::remove_link_effects(tag);
        let before_ns = engine::now_ns();
        stream.read_exact(&mut word).await.unwrap();
        let waited_ns = engine::now_ns() - before_ns;
        (
            silent.is_err(),
            waited_ns <= 2 * MS_NS,
            engine::fault_observed(tag),
            word,
        )
    });
    assert!(silent);
    assert!(soon, "what was held needs no retransmission");
    assert_eq!((felt, resent), (1, *b"ping"));
}

#[test]
fn one_clog_may_end_under_another() {
    let (early, late) = run(7, || async {
        let (node, heard) = ear("ear");
        let first = harm(node, LinkEffect::Clog);
        call(node, 5).await;
        let second = harm(node, LinkEffect::Clog);
        sleep(10 * MS).await;
        engine::remove_link_effects(first);
        sleep(10 * MS).await;
        let early = heard.borrow().len();
        engine::remove_link_effects(second);
        sleep(10 * MS).await;
        (early, heard.borrow().len())
    });
    assert_eq!((early, late), (0, 5));
}

#[test]
fn what_a_clog_held_meets_the_cuts_and_the_dead_of_its_arrival() {
    let (cut, dead) = run(7, || async {
        let (cut, heard_by_cut) = ear("cut");
        let (dead, heard_by_dead) = ear("dead");
        let clogs = [harm(cut, LinkEffect::Clog), harm(dead, LinkEffect::Clog)];
        call(cut, 5).await;
        call(dead, 5).await;
        sleep(10 * MS).await;
        harm(cut, LinkEffect::Cut);
        dead.kill();
        clogs.into_iter().for_each(engine::remove_link_effects);
        dead.restart();
        sleep(10 * MS).await;
        (heard_by_cut.borrow().len(), heard_by_dead.borrow().len())
    });
    assert_eq!((cut, dead), (0, 0));
}

#[test]
fn a_swizzle_silences_nodes_for_a_while() {
    let (silenced, felt) = run(7, || async {
        let nodes: Vec<NodeId> = (0..5).map(|number| echo(&format!("n{number}"))).collect();
        let mut all = nodes.clone();
        all.push(NodeId::HARNESS);
        let mut streams = Vec::new();
        for node in &nodes {
            streams.push(TcpStream::connect((node.ip(), 7)).await.unwrap());
        }
        let mut tags = std::collections::BTreeMap::new();
        let (mut silenced, mut felt) = (0, 0);
        let began_ns = engine::now_ns();
        for step in swizzle(Key::root(3), &nodes, 1000 * MS_NS) {
            let due_ns = began_ns + step.at_ns;
            sleep(Duration::from_nanos(
                due_ns.saturating_sub(engine::now_ns()),
            ))
            .await;
            match step.does {
                Swizzle::Clog => {
                    let tag = engine::new_fault_tag();
                    cuts::add_effect(&cuts::one_node(step.node, &all), tag, LinkEffect::Clog);
                    tags.insert(step.node, tag);
                    let at = nodes.iter().position(|node| *node == step.node).unwrap();
                    silenced += usize::from(!answers(&mut streams[at], 10 * MS).await);
                }
                Swizzle::Unclog => {
                    engine::remove_link_effects(tags[&step.node]);
                    felt += engine::fault_observed(tags[&step.node]);
                }
            }
        }
        for stream in &mut streams {
            let mut rest = [0; 4];
            let is_rest = timeout(10 * MS, stream.read_exact(&mut rest)).await.is_ok();
            assert!(
                is_rest || answers(stream, 10 * MS).await,
                "all answer in the end"
            );
        }
        (silenced as u64, felt)
    });
    assert!(silenced >= 1 && silenced == felt, "{silenced} {felt}");
}
