//! Broken invariants, and what the servers logged: folded, with a filter.

use std::fmt::Write;

use squall_checkers::verdict::Anomaly;

use crate::{
    display::{self, visible},
    html::{escape, with_operation_links},
    scene::Scene,
};

/// The section; empty if there is neither.
pub(crate) fn section(violations: &[Anomaly], scene: &Scene<'_>) -> String {
    let violations = violations_section(violations, scene);
    let log = log_section(scene);
    format!("{violations}{log}")
}

fn violations_section(violations: &[Anomaly], scene: &Scene<'_>) -> String {
    if violations.is_empty() {
        return String::new();
    }
    let mut html = format!(
        "<section id=\"violations\"><h2>{}</h2>\n<ul class=\"violations\">\n",
        display::counted(
            violations.len() as u64,
            "broken invariant",
            "broken invariants"
        )
    );
    for (violation, count) in counted(violations) {
        let _ = writeln!(
            html,
            "<li><span class=\"badge invalid\">{}</span> <span class=\"badge\">{}</span> {}",
            escape(&violation.class),
            escape(&violation.checker),
            with_operation_links(&violation.sentence, scene.operations.len())
        );
        if count > 1 {
            let _ = writeln!(html, "<span class=\"badge\">{count} times</span>");
        }
        if !violation.explanation.is_empty() {
            html.push_str("<details><summary>Why</summary><ol>\n");
            for line in &violation.explanation {
                let line = with_operation_links(line, scene.operations.len());
                let _ = writeln!(html, "<li>{line}</li>");
            }
            html.push_str("</ol></details>");
        }
        html.push_str("</li>\n");
    }
    html.push_str("</ul></section>\n");
    html
}

/// Each violation once, with how often it was told, in the order in which they were first.
fn counted(violations: &[Anomaly]) -> Vec<(&Anomaly, usize)> {
    let mut counted: Vec<(&Anomaly, usize)> = Vec::new();
    let mut places = std::collections::BTreeMap::new();
    for violation in violations {
        let place = *places
            .entry((&violation.checker, &violation.class, &violation.sentence))
            .or_insert(counted.len());
        match counted.get_mut(place) {
            Some((_, count)) => *count += 1,
            None => counted.push((violation, 1)),
        }
    }
    counted
}

/// One `pre` with a line of text for each line of the log: a browser shows and searches hundreds of
/// thousands of them without help, and `assets/page.js` filters them by their beginning.
fn log_section(scene: &Scene<'_>) -> String {
    if scene.log.is_empty() {
        return String::new();
    }
    let mut html = format!(
        "<details id=\"log\" class=\"section\"><summary><h2>Log: {}</h2></summary>\n\
         <p class=\"toolbar needs-script\"><label>Filter <input type=\"search\" id=\"log-filter\" \
         placeholder=\"text, such as n1 or term\"></label> \
         <label><input type=\"checkbox\" id=\"log-window\"> only the timeline’s window</label> \
         <output id=\"log-count\"></output></p>\n<pre id=\"log-lines\" tabindex=\"0\">",
        display::counted(scene.log.len() as u64, "line", "lines")
    );
    for line in scene.log {
        let text = visible(&line.text).replace('\n', "⏎");
        let node = scene.node_name(line.node);
        let time = display::instant(line.time_ns);
        let _ = writeln!(
            html,
            "{} {:>6} {}",
            escape(&format!("{time:>14}")),
            escape(&node),
            escape(&text)
        );
    }
    html.push_str("</pre></details>\n");
    html
}
