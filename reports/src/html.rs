//! The shell around every page, and the only ways for a text to get into one.
//!
//! A history comes from a system that is broken by design, and a foreign one from anybody. So a
//! text enters a page through [`escape`], [`href`] or [`data_island`], never as it is; and should
//! one slip through, the page's Content-Security-Policy lets nothing be fetched.

use std::fmt::Write;

use serde::Serialize;

use crate::display::visible;

const PAGE_CSS: &str = include_str!("../assets/page.css");
const PAGE_JS: &str = include_str!("../assets/page.js");

/// Nothing is fetched from anywhere: a page is one file.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; \
     script-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'";

/// A page before it is put into its shell.
pub(crate) struct Document<'a> {
    /// For the browser's tab. Plain text.
    pub(crate) title: &'a str,
    /// HTML.
    pub(crate) body: &'a str,
    /// Styles and scripts beyond those of every page; from `assets/` only.
    pub(crate) styles: &'a [&'static str],
    pub(crate) scripts: &'a [&'static str],
}

/// The whole page.
pub(crate) fn document(document: &Document<'_>) -> String {
    let mut html = String::with_capacity(document.body.len() + 64 * 1024);
    html.push_str("<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n");
    let _ = writeln!(
        html,
        "<meta http-equiv=\"Content-Security-Policy\" content=\"{CONTENT_SECURITY_POLICY}\">"
    );
    html.push_str("<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n");
    html.push_str("<meta name=\"color-scheme\" content=\"light dark\">\n");
    let _ = writeln!(html, "<title>{}</title>", escape(document.title));
    for style in [PAGE_CSS].iter().chain(document.styles) {
        let _ = writeln!(html, "<style>\n{style}</style>");
    }
    html.push_str("</head>\n<body>\n");
    html.push_str(document.body);
    for script in [PAGE_JS].iter().chain(document.scripts) {
        let _ = writeln!(html, "<script>\n{script}</script>");
    }
    html.push_str("</body>\n</html>\n");
    html
}

/// A text for an element's content or a quoted attribute.
pub(crate) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in visible(text).chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            other => escaped.push(other),
        }
    }
    escaped
}

/// A relative path for a link. The `./` in front and the percent signs keep a path from being read
/// as a scheme (`javascript:`) or as another host.
pub(crate) fn href(path: &str) -> String {
    let mut url = String::from("./");
    for byte in path.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => {
                url.push(char::from(byte));
            }
            other => {
                let _ = write!(url, "%{other:02X}");
            }
        }
    }
    url
}

/// JSON for the page's scripts. No `<` is left in it, so it cannot end its element.
pub(crate) fn data_island(id: &str, data: &impl Serialize) -> String {
    let json = serde_json::to_string(data)
        .expect("the data of a page is structs, strings and integers, which JSON can always hold")
        .replace('<', "\\u003c")
        .replace('>', "\\u003e")
        .replace('&', "\\u0026");
    format!("<script type=\"application/json\" id=\"{id}\">{json}</script>\n")
}

/// A text whose mentions of operations (`#118`, `operation 118`) link to them.
pub(crate) fn with_operation_links(text: &str, operation_count: usize) -> String {
    let mut html = String::new();
    let mut rest = text;
    while let Some((before, mention, id, after)) = next_mention(rest) {
        html.push_str(&escape(before));
        if id < operation_count {
            let _ = write!(
                html,
                "<a class=\"op\" href=\"#op-{id}\">{}</a>",
                escape(mention)
            );
        } else {
            html.push_str(&escape(mention));
        }
        rest = after;
    }
    html.push_str(&escape(rest));
    html
}

/// Splits at the first mention of an operation: before it, itself, its id, after it.
fn next_mention(text: &str) -> Option<(&str, &str, usize, &str)> {
    let mut from = 0;
    while let Some((start, digits)) = ["#", "operation ", "op "]
        .iter()
        .filter_map(|prefix| {
            let start = from + text[from..].find(prefix)?;
            Some((start, start + prefix.len()))
        })
        .min()
    {
        let count = text[digits..]
            .bytes()
            .take_while(u8::is_ascii_digit)
            .count();
        let end = digits + count;
        let preceded_by_word = text[..start].ends_with(char::is_alphanumeric);
        match text[digits..end].parse() {
            Ok(id) if !preceded_by_word => {
                return Some((&text[..start], &text[start..end], id, &text[end..]));
            }
            _ => from = digits,
        }
    }
    None
}

/// A line of code with a button that copies it.
pub(crate) fn copyable(code: &str) -> String {
    let code = escape(code);
    format!(
        "<div class=\"copyable\"><code>{code}</code>\
         <button type=\"button\" data-copy=\"{code}\" aria-label=\"Copy: {code}\">Copy</button></div>\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escaped_texts_hold_no_markup() {
        let text = "</script><img src=x onerror='alert(\"1\")'> & \u{202e}evil\u{0}";
        assert_eq!(
            escape(text),
            "&lt;/script&gt;&lt;img src=x onerror=&#39;alert(&quot;1&quot;)&#39;&gt; &amp; \\u{202e}evil\\u{0}"
        );
    }

    #[test]
    fn a_link_stays_relative() {
        assert_eq!(href("javascript:alert(1)"), "./javascript%3Aalert%281%29");
        assert_eq!(href("//host/x"), ".///host/x");
        assert_eq!(href("failures/a b.html"), "./failures/a%20b.html");
    }

    #[test]
    fn a_data_island_cannot_be_left() {
        let island = data_island("data", &"</script><!--&");
        assert_eq!(
            island,
            "<script type=\"application/json\" id=\"data\">\"\\u003c/script\\u003e\\u003c!--\\u0026\"</script>\n"
        );
    }

    #[test]
    fn mentions_of_known_operations_become_links() {
        let link = |id| format!("<a class=\"op\" href=\"#op-{id}\">#{id}</a>");
        assert_eq!(
            with_operation_links("read #3, after #12: see #99 & #x", 20),
            format!("read {}, after {}: see #99 &amp; #x", link(3), link(12))
        );
        assert_eq!(
            with_operation_links("operation 7 and stop 8", 20),
            "<a class=\"op\" href=\"#op-7\">operation 7</a> and stop 8"
        );
        assert_eq!(with_operation_links("#", 20), "#");
        assert_eq!(
            with_operation_links("#99999999999999999999999", 20),
            "#99999999999999999999999"
        );
    }
}
