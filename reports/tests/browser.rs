//! The pages in a browser: only there does one see that a script runs and a timeline is drawn. Where
//! there is no Chromium the tests say so, and the others have to do.

use std::{fs, path::Path, process::Command};

use squall_reports::{FailurePage, HistoryPage, failure_page, history_page};

#[allow(dead_code, reason = "the campaign is for the other tests")]
mod synthetic;

/// The page's elements after its scripts have run; `None` without a browser.
fn rendered(html: &str) -> Option<String> {
    let directory = tempfile::tempdir().expect("a temporary directory can be made");
    let page = directory.path().join("page.html");
    fs::write(&page, html).expect("the page can be written");
    let output = chromium(directory.path())
        .arg(format!("file://{}", page.display()))
        .output();
    let Ok(output) = output else {
        eprintln!("skipped: there is no `chromium` on the PATH");
        return None;
    };
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "chromium failed: {errors}");
    assert!(
        !errors.contains(":CONSOLE"),
        "the page complained: {errors}"
    );
    Some(String::from_utf8(output.stdout).expect("a page is UTF-8"))
}

fn chromium(profile: &Path) -> Command {
    let mut chromium = Command::new("chromium");
    chromium
        .args([
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--no-first-run",
        ])
        .args([
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
        ])
        .args([
            "--disable-dev-shm-usage",
            "--enable-logging=stderr",
            "--window-size=1400,1000",
        ])
        .arg("--dump-dom")
        .arg(format!(
            "--user-data-dir={}",
            profile.join("profile").display()
        ));
    chromium
}

fn attribute(html: &str, name: &str) -> usize {
    let (_, rest) = html
        .split_once(&format!("{name}=\""))
        .expect("the script set the attribute");
    let (value, _) = rest.split_once('"').expect("the attribute ends");
    value.parse().expect("the attribute is a number")
}

#[test]
fn the_timeline_of_a_large_failure_is_drawn_around_its_witness() {
    let failure = synthetic::failure(5000, 10, 3);
    let page = failure_page(&FailurePage {
        capsule: &failure.capsule,
        record: &failure.record,
        verdict: &failure.verdict,
        reproduce: Vec::new(),
    });
    let Some(html) = rendered(&page) else { return };
    assert_eq!(attribute(&html, "data-operations"), 5000);
    let drawn = attribute(&html, "data-drawn");
    assert!(
        (4..500).contains(&drawn),
        "{drawn} bars were drawn in the witness's window"
    );
}

#[test]
fn the_timeline_of_a_small_history_is_drawn_whole() {
    let failure = synthetic::failure(12, 2, 2);
    let page = history_page(&HistoryPage {
        title: "history.jsonl",
        history: &failure.record.history,
        verdict: &squall_checkers::verdict::Verdict::Valid { witness: None },
        reproduce: Vec::new(),
    });
    let Some(html) = rendered(&page) else { return };
    assert_eq!(attribute(&html, "data-drawn"), 12);
}

#[test]
fn an_empty_record_does_not_stop_the_script() {
    let mut failure = synthetic::failure(12, 2, 2);
    failure.record = Default::default();
    failure.capsule.plan.clients.clear();
    let page = failure_page(&FailurePage {
        capsule: &failure.capsule,
        record: &failure.record,
        verdict: &failure.verdict,
        reproduce: Vec::new(),
    });
    let Some(html) = rendered(&page) else { return };
    assert_eq!(attribute(&html, "data-drawn"), 0);
}

#[test]
fn hostile_texts_run_nothing() {
    let mut failure = synthetic::failure(24, 3, 2);
    for event in &mut failure.record.history {
        event.f = "</script><img src=x onerror=\"document.title='broken out'\">".to_owned();
    }
    let page = failure_page(&FailurePage {
        capsule: &failure.capsule,
        record: &failure.record,
        verdict: &failure.verdict,
        reproduce: Vec::new(),
    });
    let Some(html) = rendered(&page) else { return };
    assert!(!html.contains("<title>broken out"));
    assert!(attribute(&html, "data-drawn") > 0);
}
