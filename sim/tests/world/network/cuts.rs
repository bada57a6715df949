//! Cuts in every shape, and of single ports.

use std::rc::Rc;

use squall_sim::engine::{self, LinkEffect, NodeId, cuts};
use squall_sim::net::{TcpStream, UdpSocket};
use squall_sim::time::{Duration, sleep};

use super::{Heard, MS, answers, call, ear, echo, harm, numbers, run};

/// Five nodes that each call all others once, and whom each heard; how often a cut was felt.
fn who_hears_whom(shape: fn(&[NodeId]) -> cuts::Links) -> (Vec<Vec<u8>>, u64) {
    run(7, move || async move {
        let ears: Vec<(NodeId, Heard)> = (0..5).map(|n| ear(&format!("n{n}"))).collect();
        let nodes: Vec<NodeId> = ears.iter().map(|(node, _)| *node).collect();
        let callers: Vec<NodeId> = nodes.clone();
        let tag = engine::new_fault_tag();
        cuts::add_effect(&shape(&nodes), tag, LinkEffect::Cut);
        for (number, node) in callers.into_iter().enumerate() {
            let others = nodes.clone();
            node.kill();
            let notes = Rc::clone(&ears[number].1);
            node.start(move || {
                let (others, notes) = (others.clone(), Rc::clone(&notes));
                async move {
                    let socket = UdpSocket::bind("0.0.0.0:9").await.unwrap();
                    sleep(MS).await;
                    for other in &others {
                        socket
                            .send_to(&[number as u8], (other.ip(), 9))
                            .await
                            .unwrap();
                    }
                    let mut byte = [0];
                    loop {
                        socket.recv_from(&mut byte).await.unwrap();
                        notes.borrow_mut().push((0, byte.to_vec()));
                    }
                }
            });
        }
        sleep(20 * MS).await;
        let heard = |(_, heard): &(NodeId, Heard)| {
            let mut numbers = numbers(heard);
            numbers.sort_unstable();
            numbers
        };
        (
            ears.iter().map(heard).collect(),
            engine::fault_observed(tag),
        )
    })
}

#[test]
fn every_shape_is_felt_as_it_is_named() {
    let all = || vec![vec![0, 1, 2, 3, 4]; 5];
    let calm = who_hears_whom(|_| cuts::Links::new());
    assert_eq!(calm, (all(), 0));

    let (heard, felt) = who_hears_whom(|nodes| cuts::one_node(nodes[0], nodes));
    assert_eq!(
        (&heard[0], &heard[1], felt),
        (&vec![0], &vec![1, 2, 3, 4], 8)
    );

    let (heard, felt) = who_hears_whom(cuts::halves);
    assert_eq!(
        (&heard[1], &heard[4], felt),
        (&vec![0, 1], &vec![2, 3, 4], 12)
    );

    let (heard, felt) = who_hears_whom(|nodes| cuts::one_way(&nodes[..1], nodes));
    assert_eq!(
        (&heard[0], &heard[1], felt),
        (&all()[0], &vec![1, 2, 3, 4], 4)
    );

    let (heard, felt) = who_hears_whom(cuts::bridge);
    assert_eq!((&heard[2], &heard[0], felt), (&all()[2], &vec![0, 1, 2], 8));

    let (heard, felt) = who_hears_whom(cuts::majorities_ring);
    assert!(heard.iter().all(|heard| heard.len() == 3) && felt == 10);

    let (heard, felt) = who_hears_whom(|nodes| {
        cuts::where_link(nodes, nodes, |from, to| {
            from.number() == 1 && to.number() == 5
        })
    });
    assert_eq!((&heard[4], felt), (&vec![1, 2, 3, 4], 1));
}

#[test]
fn a_cut_of_one_port_leaves_the_others() {
    let (before, after, other, healed, felt) = run(7, || async {
        let node = echo("echo");
        let mut on_7 = TcpStream::connect((node.ip(), 7)).await.unwrap();
        let mut on_8 = TcpStream::connect((node.ip(), 8)).await.unwrap();
        let second = Duration::from_secs(1);
        let before = answers(&mut on_7, second).await && answers(&mut on_8, second).await;
        let tag = engine::new_fault_tag();
        cuts::add_port_cut(NodeId::HARNESS, node, 7, tag);
        let after = answers(&mut on_7, second).await;
        let other = answers(&mut on_8, second).await;
        let felt = engine::fault_observed(tag);
        engine::remove_link_effects(tag);
        let healed = answers(&mut on_7, second).await;
        (before, after, other, healed, felt)
    });
    assert_eq!((before, after, other, healed), (true, false, true, true));
    assert!(
        felt >= 2,
        "the segment, and each time it was sent again: {felt}"
    );
}

#[test]
fn a_cut_of_one_port_strikes_one_direction() {
    let (heard, felt, unrelated) = run(7, || async {
        let (node, heard) = ear("ear");
        let tag = harm(node, LinkEffect::CutToPort { port: 9 });
        let other = harm(node, LinkEffect::CutToPort { port: 10 });
        let back = harm(node, LinkEffect::CutFromPort { port: 9 });
        call(node, 10).await;
        sleep(10 * MS).await;
        let unrelated = engine::fault_observed(other) + engine::fault_observed(back);
        (heard.borrow().len(), engine::fault_observed(tag), unrelated)
    });
    assert_eq!((heard, felt, unrelated), (0, 10, 0));
}
