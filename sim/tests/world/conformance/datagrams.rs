//! UDP: boundaries, lengths and ports.

use squall_sim::net::{TcpListener, UdpSocket};

use super::{Log, check, settle};

async fn pair() -> (UdpSocket, UdpSocket) {
    let socket = async || UdpSocket::bind("127.0.0.1:0").await.unwrap();
    (socket().await, socket().await)
}

#[test]
fn datagrams_keep_their_boundaries_and_their_sender() {
    check(|_| async {
        let mut log = Log::default();
        let (ours, theirs) = pair().await;
        let to = theirs.local_addr().unwrap();
        log.see("ip", to.ip());
        let mut buffer = [0; 16];
        for payload in [&b"one"[..], b"", b"three"] {
            log.result("send", ours.send_to(payload, to).await);
            let (length, from) = theirs.recv_from(&mut buffer).await.unwrap();
            log.see("received", &buffer[..length]);
            log.see("from", from == ours.local_addr().unwrap());
        }
        log
    });
}

#[test]
fn what_does_not_fit_is_cut_off_and_lost() {
    check(|_| async {
        let mut log = Log::default();
        let (ours, theirs) = pair().await;
        let to = theirs.local_addr().unwrap();
        let mut short = [0; 3];
        for payload in [b"long", b"next"] {
            ours.send_to(payload, to).await.unwrap();
            let received = theirs.recv_from(&mut short).await;
            log.result("length", received.map(|(length, _)| length));
            log.see("bytes", short);
        }
        log
    });
}

#[test]
fn a_datagram_has_a_greatest_length() {
    check(|_| async {
        let mut log = Log::default();
        let (ours, theirs) = pair().await;
        let to = theirs.local_addr().unwrap();
        let bytes = vec![7; 65_508];
        log.result("too long", ours.send_to(&bytes, to).await);
        log.result("longest", ours.send_to(&bytes[1..], to).await);
        let mut buffer = vec![0; 70_000];
        let received = theirs.recv_from(&mut buffer).await;
        log.result("length", received.map(|(length, _)| length));
        log
    });
}

#[test]
fn nobody_says_that_nobody_listens() {
    check(|_| async {
        let mut log = Log::default();
        let (ours, theirs) = pair().await;
        let to = theirs.local_addr().unwrap();
        drop(theirs);
        for _ in 0..2 {
            log.result("send", ours.send_to(b"hello?", to).await);
            settle().await;
        }
        log
    });
}

#[test]
fn a_port_has_one_socket_of_a_kind() {
    check(|_| async {
        let mut log = Log::default();
        let bind = async |address| UdpSocket::bind(address).await.map(|_| ());
        let (socket, _) = pair().await;
        let address = socket.local_addr().unwrap();
        log.result("again", bind(address).await);
        log.result("tcp", TcpListener::bind(address).await.map(|_| ()));
        drop(socket);
        log.result("after it", bind(address).await);
        log.result("not ours", bind(([192, 0, 2, 1], 0).into()).await);
        log
    });
}

#[test]
fn some_addresses_are_refused() {
    check(|_| async {
        let mut log = Log::default();
        let (ours, _) = pair().await;
        let any = UdpSocket::bind("0.0.0.0:0").await.unwrap();
        for socket in [&ours, &any] {
            log.result("port 0", socket.send_to(b"x", "127.0.0.1:0").await);
            log.result("everybody", socket.send_to(b"x", "255.255.255.255:9").await);
            log.result("another kind", socket.send_to(b"x", "[::1]:9").await);
        }
        log.result("not from here", ours.send_to(b"x", "10.255.0.1:9").await);
        log
    });
}

#[test]
fn a_connected_socket_hears_its_peer_alone() {
    check(|_| async {
        let mut log = Log::default();
        let (_, theirs) = pair().await;
        let ours = UdpSocket::bind("0.0.0.0:0").await.unwrap();
        log.result("peer of none", ours.peer_addr().map(|_| ()));
        log.result("send to none", ours.send(b"hello?").await);
        let to = theirs.local_addr().unwrap();
        log.result("connect", ours.connect(to).await);
        log.see("ip", ours.local_addr().unwrap().ip());
        log.see("peer", ours.peer_addr().unwrap() == to);
        log.result("send", ours.send(b"question").await);
        let mut buffer = [0; 16];
        let (length, from) = theirs.recv_from(&mut buffer).await.unwrap();
        log.see("received", &buffer[..length]);
        log.see("from", from == ours.local_addr().unwrap());
        let (stranger, _) = pair().await;
        log.result("stranger", stranger.send_to(b"spam", from).await);
        log.result("answer", theirs.send_to(b"answer", from).await);
        let length = ours.recv(&mut buffer).await.unwrap();
        log.see("received", &buffer[..length]);
        log
    });
}

#[test]
fn a_connected_socket_is_told_that_nobody_listens() {
    check(|_| async {
        let mut log = Log::default();
        let (ours, theirs) = pair().await;
        ours.connect(theirs.local_addr().unwrap()).await.unwrap();
        theirs.connect(ours.local_addr().unwrap()).await.unwrap();
        theirs.send(b"unread").await.unwrap();
        drop(theirs);
        settle().await;
        for _ in 0..2 {
            log.result("send", ours.send(b"hello?").await);
            settle().await;
            log.result("send again", ours.send(b"hello?").await);
        }
        log.result("third", ours.send(b"hello?").await);
        settle().await;
        let mut buffer = [0; 16];
        log.result("receive", ours.recv(&mut buffer).await);
        log.result("receive", ours.recv(&mut buffer).await);
        log.see("received", buffer);
        log
    });
}
