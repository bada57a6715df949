//! The page of a history that was recorded elsewhere: no plan, no faults, only what clients saw.

use squall_checkers::{
    history::{Event, Outcome},
    verdict::Verdict,
};

use crate::{
    cycle, display, headline,
    headline::Fact,
    html::{Document, document},
    plots,
    scene::{Clock, Scene},
    timeline, witness,
};

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
    let scene = Scene::of_history(page.history, page.verdict);
    let operation_count = scene.operations.len();
    let body = [
        headline::header(
            page.title,
            page.verdict,
            operation_count,
            &facts(page, &scene),
        ),
        "<main>\n".to_owned(),
        headline::why_and_how(page.verdict, operation_count, &page.reproduce),
        cycle::section(page.verdict, operation_count),
        witness::section(&scene),
        cycle::also(page.verdict, operation_count),
        timeline::section(&scene),
        plots::section(&scene),
        "</main>\n<footer>Squall</footer>\n".to_owned(),
    ]
    .concat();
    document(&Document {
        title: &format!("{}: {}", page.title, headline::sentence(page.verdict)),
        body: &body,
        styles: &[timeline::CSS, cycle::CSS],
        scripts: &[timeline::JS],
    })
}

fn facts(page: &HistoryPage<'_>, scene: &Scene<'_>) -> Vec<Fact> {
    let of = |outcome| {
        let matching = scene.operations.iter().filter(|op| op.outcome == outcome);
        display::count(matching.count() as u64)
    };
    let operations = format!(
        "{}: {} ok, {} fail, {} info",
        display::count(scene.operations.len() as u64),
        of(Outcome::Ok),
        of(Outcome::Fail),
        of(Outcome::Info)
    );
    let mut facts = vec![
        Fact::text("Operations", operations),
        Fact::text("Events", display::count(page.history.len() as u64)),
        Fact::text("Clients", display::count(scene.lanes.names.len() as u64)),
    ];
    if scene.clock == Clock::Recorded {
        facts.push(Fact::text("Time", display::duration(scene.end_ns)));
    }
    facts
}
