//! Names of hosts.

use squall_sim::net::{TcpStream, lookup_host};

use super::{Log, check};

#[test]
fn names_have_addresses_or_not() {
    check(|_| async {
        let mut log = Log::default();
        let found = lookup_host("localhost:80").await.unwrap();
        log.see("localhost", found.contains(&([127, 0, 0, 1], 80).into()));
        log.result("digits", lookup_host("127.0.0.1:80").await);
        for text in ["localhost", "localhost:http", "127.0.0.1", ""] {
            log.result(text, lookup_host(text).await);
        }
        log
    });
}

#[test]
fn a_name_that_is_none_fails_as_getaddrinfo_does() {
    check(|_| async {
        let mut log = Log::default();
        let error = lookup_host(":80").await.unwrap_err();
        let text = error.to_string();
        let known = "failed to lookup address information: Name or service not known";
        log.see("text", text.starts_with(known));
        log.see("number", error.raw_os_error());
        let error = TcpStream::connect(":80").await.err().unwrap();
        log.see("number", error.raw_os_error());
        log
    });
}
