//! TCP: connecting, ending, and ending badly.

use squall_sim::net::{TcpListener, TcpStream, UdpSocket};
use squall_sim::time::{Duration, sleep, timeout};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::{Log, check, settle};

/// A listener on a free port, and both ends of a connection to it.
async fn pair() -> (TcpListener, TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap());
    let client = client.await.unwrap();
    let (server, _) = listener.accept().await.unwrap();
    (listener, client, server)
}

/// What two reads and two writes meet, one after the other.
pub(super) async fn probe(log: &mut Log, stream: &mut TcpStream) {
    let mut buffer = [0; 16];
    for _ in 0..2 {
        let read = stream.read(&mut buffer).await;
        log.result("read", read.map(|length| buffer[..length].to_vec()));
    }
    for _ in 0..2 {
        log.result("write", stream.write(b"x").await);
        settle().await;
    }
}

#[test]
fn addresses_of_both_ends_agree() {
    check(|_| async {
        let mut log = Log::default();
        let (listener, client, server) = pair().await;
        let bound = listener.local_addr().unwrap();
        log.see("bound ip", bound.ip());
        log.see("client ip", client.local_addr().unwrap().ip());
        log.see("to", client.peer_addr().unwrap() == bound);
        log.see("at", server.local_addr().unwrap() == bound);
        let from = server.peer_addr().unwrap();
        log.see("from", from == client.local_addr().unwrap());
        let any = TcpListener::bind("0.0.0.0:0").await.unwrap();
        log.see("any ip", any.local_addr().unwrap().ip());
        log
    });
}

#[test]
fn a_half_that_has_ended_leaves_the_other_open() {
    check(|_| async {
        let mut log = Log::default();
        let (_listener, mut client, mut server) = pair().await;
        client.write_all(b"question").await.unwrap();
        client.shutdown().await.unwrap();
        let mut question = Vec::new();
        log.result("to end", server.read_to_end(&mut question).await);
        log.see("question", question);
        log.result("write after shutdown", client.write(b"more").await);
        log.result("shutdown again", client.shutdown().await);
        log.result("answer", server.write(b"answer").await);
        log.result("finish", server.shutdown().await);
        probe(&mut log, &mut client).await;
        log.result("shutdown after both", client.shutdown().await);
        log
    });
}

#[test]
fn a_writing_half_that_is_dropped_says_goodbye() {
    check(|_| async {
        let mut log = Log::default();
        let (_listener, client, mut server) = pair().await;
        let (mut read, mut write) = client.into_split();
        write.write_all(b"bye").await.unwrap();
        drop(write);
        let mut text = String::new();
        log.result("to end", server.read_to_string(&mut text).await);
        server.write_all(b"good night").await.unwrap();
        drop(server);
        log.result("answer", read.read_to_string(&mut text).await);
        log.see("text", text);
        log
    });
}

#[test]
fn a_peer_that_closed_reads_no_more() {
    check(|_| async {
        let mut log = Log::default();
        let (_listener, mut client, mut server) = pair().await;
        server.write_all(b"last words").await.unwrap();
        drop(server);
        settle().await;
        log.result("write to nobody", client.write(b"hello?").await);
        settle().await;
        probe(&mut log, &mut client).await;
        log
    });
}

#[test]
fn unread_data_makes_a_close_a_reset() {
    check(|_| async {
        let mut log = Log::default();
        let (_listener, mut client, mut server) = pair().await;
        client.write_all(b"unread").await.unwrap();
        settle().await;
        drop(server);
        settle().await;
        probe(&mut log, &mut client).await;

        let (_listener, mut client, other) = pair().await;
        server = other;
        client.write_all(b"unread").await.unwrap();
        settle().await;
        drop(server);
        settle().await;
        log.result("write first", client.write(b"x").await);
        probe(&mut log, &mut client).await;
        log.result("shutdown", client.shutdown().await);

        let (_listener, mut client, server) = pair().await;
        client.write_all(b"unread").await.unwrap();
        settle().await;
        drop(server);
        settle().await;
        log.result("shutdown first", client.shutdown().await);
        probe(&mut log, &mut client).await;
        log
    });
}

#[test]
fn data_that_came_before_a_reset_is_read_first() {
    check(|_| async {
        let mut log = Log::default();
        let (_listener, mut client, mut server) = pair().await;
        client.write_all(b"unread").await.unwrap();
        server.write_all(b"early").await.unwrap();
        settle().await;
        drop(server);
        settle().await;
        probe(&mut log, &mut client).await;
        log
    });
}

#[test]
fn nobody_listens() {
    check(|_| async {
        let mut log = Log::default();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        drop(listener);
        log.result("connect", TcpStream::connect(address).await.map(|_| ()));
        log
    });
}

#[test]
fn a_port_has_one_listener() {
    check(|_| async {
        let mut log = Log::default();
        let bind = async |address| TcpListener::bind(address).await.map(|_| ());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        log.result("again", bind(address).await);
        log.result("any", bind(([0, 0, 0, 0], address.port()).into()).await);
        drop(listener);
        log.result("after it", bind(address).await);
        log.result("not ours", bind(([192, 0, 2, 1], 0).into()).await);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        log.result("beside it", bind(([127, 0, 0, 2], port).into()).await);
        let there = TcpStream::connect((std::net::Ipv4Addr::new(127, 0, 0, 2), port)).await;
        log.result("connect beside it", there.map(|_| ()));
        let any = TcpListener::bind("0.0.0.0:0").await.unwrap();
        let port = any.local_addr().unwrap().port();
        log.result("beside any", bind(([127, 0, 0, 2], port).into()).await);
        let client = TcpStream::connect(("0.0.0.0", port)).await.unwrap();
        log.see("to any", client.peer_addr().unwrap().ip());
        log
    });
}

#[test]
fn a_listener_that_goes_resets_whom_it_did_not_accept() {
    check(|_| async {
        let mut log = Log::default();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let mut client = TcpStream::connect(address).await.unwrap();
        drop(listener);
        settle().await;
        probe(&mut log, &mut client).await;
        log
    });
}

#[test]
fn connections_are_accepted_in_order_with_what_they_sent() {
    check(|_| async {
        let mut log = Log::default();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let mut clients = Vec::new();
        for number in 0..5 {
            let mut client = TcpStream::connect(address).await.unwrap();
            client.write_all(&[number]).await.unwrap();
            clients.push(client);
        }
        for _ in 0..5 {
            let (mut server, _) = listener.accept().await.unwrap();
            log.result("accepted", server.read_u8().await);
        }
        log
    });
}

#[test]
fn nothing_read_or_written_is_nothing() {
    check(|_| async {
        let mut log = Log::default();
        let (_listener, mut client, mut server) = pair().await;
        log.result("write nothing", client.write(&[]).await);
        let read = timeout(Duration::from_millis(5), client.read(&mut []));
        log.see("read nothing of nothing", read.await.is_ok());
        server.write_all(b"x").await.unwrap();
        settle().await;
        log.result("read nothing of something", client.read(&mut []).await);
        drop(server);
        settle().await;
        log.result("write nothing", client.write(&[]).await);
        (_, client, server) = pair().await;
        client.shutdown().await.unwrap();
        log.result("write nothing after shutdown", client.write(&[]).await);
        drop(server);
        log
    });
}

#[test]
fn more_than_the_buffers_hold_arrives_whole() {
    check(|_| async {
        let mut log = Log::default();
        let (_listener, mut client, mut server) = pair().await;
        let sent: Vec<u8> = (0..4_000_000_u32).map(|at| (at % 251) as u8).collect();
        let expected = sent.clone();
        let writer = squall_sim::task::spawn(async move {
            client.write_all(&sent).await.unwrap();
        });
        let mut received = Vec::new();
        log.result("length", server.read_to_end(&mut received).await);
        log.see("same", received == expected);
        log.see("writer", writer.await.is_ok());
        log
    });
}

#[test]
fn a_writer_that_waits_for_room_learns_of_the_end() {
    check(|_| async {
        let mut log = Log::default();
        let (_listener, mut client, server) = pair().await;
        let writer = squall_sim::task::spawn(async move {
            let written = client.write_all(&vec![1; 64 << 20]).await;
            let mut byte = [0];
            (written, client.read(&mut byte).await, client)
        });
        settle().await;
        drop(server);
        let (written, read, _client) = writer.await.unwrap();
        log.result("write", written);
        log.result("read", read);
        log
    });
}

#[test]
fn a_full_backlog_keeps_the_next_one_waiting() {
    check(|_| async {
        let mut log = Log::default();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let mut clients = Vec::new();
        let patience = Duration::from_millis(300);
        while let Ok(client) = timeout(patience, TcpStream::connect(address)).await {
            clients.push(client.unwrap());
        }
        log.see("taken in", clients.len());
        let next = squall_sim::task::spawn(TcpStream::connect(address));
        sleep(Duration::from_millis(50)).await;
        log.see("is through", next.is_finished());
        log.result("accept", listener.accept().await.map(|_| ()));
        // Its second SYN comes a second after the first.
        let connected = timeout(Duration::from_secs(5), next).await;
        log.see(
            "is through",
            connected.is_ok_and(|it| it.is_ok_and(|it| it.is_ok())),
        );
        log
    });
}

#[test]
fn a_port_is_bound_again_while_its_connections_live() {
    check(|_| async {
        let mut log = Log::default();
        let (listener, mut client, mut server) = pair().await;
        let address = listener.local_addr().unwrap();
        drop(listener);
        let listener = TcpListener::bind(address).await.unwrap();
        let mut other = TcpStream::connect(address).await.unwrap();
        let (mut accepted, _) = listener.accept().await.unwrap();
        client.write_all(&[1]).await.unwrap();
        other.write_all(&[2]).await.unwrap();
        log.result("old", server.read_u8().await);
        log.result("new", accepted.read_u8().await);
        // The side that closes first would have to wait before its port is free.
        drop((server, accepted));
        settle().await;
        drop((client, other, listener));
        settle().await;
        log.result("again", TcpListener::bind(address).await.map(|_| ()));
        log
    });
}

#[test]
fn a_callers_port_is_taken() {
    check(|_| async {
        let mut log = Log::default();
        let (_listener, client, _server) = pair().await;
        let (_, other, _) = pair().await;
        let address = client.local_addr().unwrap();
        log.see(
            "two callers, one port",
            address == other.local_addr().unwrap(),
        );
        let any = ([0, 0, 0, 0], address.port()).into();
        for place in [address, any] {
            log.result("listen", TcpListener::bind(place).await.map(|_| ()));
            log.result("datagrams", UdpSocket::bind(place).await.map(|_| ()));
        }
        log
    });
}

#[test]
fn nobody_has_port_zero() {
    check(|_| async {
        let mut log = Log::default();
        log.result(
            "connect",
            TcpStream::connect("127.0.0.1:0").await.map(|_| ()),
        );
        log
    });
}

#[test]
fn a_close_without_lingering_is_a_reset() {
    check(|_| async {
        let mut log = Log::default();
        let (_listener, mut client, mut server) = pair().await;
        server.write_all(b"early").await.unwrap();
        settle().await;
        log.result("option", server.set_zero_linger());
        drop(server);
        settle().await;
        probe(&mut log, &mut client).await;
        log
    });
}

#[test]
fn what_is_under_way_arrives_before_the_reset_behind_it() {
    check(|_| async {
        let mut log = Log::default();
        let (_listener, mut client, mut server) = pair().await;
        client.write_all(b"unread").await.unwrap();
        settle().await;
        server.write_all(b"answer").await.unwrap();
        drop(server);
        settle().await;
        probe(&mut log, &mut client).await;
        log
    });
}

#[test]
fn whoever_leaves_before_being_accepted_is_accepted_all_the_same() {
    check(|_| async {
        let mut log = Log::default();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let mut client = TcpStream::connect(address).await.unwrap();
        client.write_all(b"bye").await.unwrap();
        drop(client);
        let client = TcpStream::connect(address).await.unwrap();
        client.set_zero_linger().unwrap();
        drop(client);
        settle().await;
        for _ in 0..2 {
            let (mut server, _) = listener.accept().await.unwrap();
            probe(&mut log, &mut server).await;
        }
        log
    });
}
