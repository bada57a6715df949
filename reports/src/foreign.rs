//! The page of a history that was recorded elsewhere: no plan, no faults, only what clients saw.

use squall_checkers::{history::Event, verdict::Verdict};

/// What the page of a foreign history is made of.
#[derive(Clone, Debug)]
pub struct HistoryPage<'a> {
    /// What the reader knows the history by: a file's name, for example.
    pub title: &'a str,
    pub history: &'a [Event],
    pub verdict: &'a Verdict,
    /// Exact command lines, the most useful first.
    pub reproduce: Vec<String>,
}

/// The page of a foreign history, as one HTML document.
pub fn history_page(page: &HistoryPage<'_>) -> String {
    page.title.to_owned()
}
