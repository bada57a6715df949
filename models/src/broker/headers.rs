//! Headers of messages: `NATS/1.0`, perhaps a status, and lines of `Name: value`.

/// What every block of headers begins with.
const VERSION: &str = "NATS/1.0";

/// The header by which a stream knows a message again that is sent twice.
pub const MESSAGE_ID: &str = "Nats-Msg-Id";

/// The value of a header in a block; the first, if there are several.
pub fn value<'a>(block: &'a [u8], name: &str) -> Option<&'a str> {
    let text = std::str::from_utf8(block).ok()?;
    text.strip_prefix(VERSION)?
        .split("\r\n")
        .skip(1)
        .filter_map(|line| line.split_once(':'))
        .find(|(found, _)| found.eq_ignore_ascii_case(name))
        .map(|(_, value)| value.trim())
}

/// The status of a block, such as 503, if it has one.
pub fn status(block: &[u8]) -> Option<u16> {
    let line = std::str::from_utf8(block).ok()?.split("\r\n").next()?;
    let status = line.strip_prefix(VERSION)?.trim_start();
    status.get(..3)?.parse().ok()
}

/// A block with a status and its description.
pub fn with_status(status: u16, description: &str) -> Vec<u8> {
    let space = if description.is_empty() { "" } else { " " };
    format!("{VERSION} {status}{space}{description}\r\n\r\n").into_bytes()
}

/// A block with one header.
pub fn with_header(name: &str, value: &str) -> Vec<u8> {
    format!("{VERSION}\r\n{name}: {value}\r\n\r\n").into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let block = with_header(MESSAGE_ID, "x-1");
        assert_eq!(value(&block, "nats-msg-id"), Some("x-1"));
        assert_eq!(value(&block, "Other"), None);
        assert_eq!(status(&block), None);
        assert_eq!(status(&with_status(503, "")), Some(503));
        assert_eq!(status(&with_status(404, "No Messages")), Some(404));
    }

    #[test]
    fn garbage_has_no_headers() {
        for block in [
            &b""[..],
            b"NATS",
            b"HTTP/1.1 200",
            b"\xff\xfe",
            b"NATS/1.0 \xc3\xa4",
        ] {
            assert_eq!(value(block, MESSAGE_ID), None);
            assert_eq!(status(block), None);
        }
    }
}
