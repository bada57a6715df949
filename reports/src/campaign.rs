//! The index of a campaign: what ran, what bit, what failed.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write,
};

use serde::{Deserialize, Serialize};
use squall_workloads::plan::Seed;

use crate::{
    display, faults,
    html::{Document, copyable, document, escape, href},
};

const CSS: &str = include_str!("../assets/campaign.css");

/// A campaign as its index shows it. Plain data, so that it can be written as JSON beside the page.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CampaignPage {
    pub title: String,
    /// The seed that the runs' seeds are drawn from.
    pub base_seed: Seed,
    /// When the campaign started, as the caller wants it shown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started: Option<String>,
    pub scenarios: Vec<ScenarioRow>,
    /// One row per signature.
    pub failures: Vec<FailureRow>,
    /// Why the campaign is not whole, if it is not: shards missing, stopped by a signal, ….
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub incomplete: Option<String>,
}

/// The sums over one scenario's runs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScenarioRow {
    pub scenario: String,
    /// How many runs there were, one per seed.
    pub seeds: u64,
    pub operations: u64,
    /// How many operations ended in `ok`, `fail` and `info`.
    pub ok: u64,
    pub fail: u64,
    pub info: u64,
    /// By the kind of the fault.
    pub faults: BTreeMap<String, FaultCount>,
    pub virtual_ns: u64,
    /// The sum over the runs, not the time from the first to the last.
    pub wall_ns: u64,
    /// How many runs had each verdict.
    pub valid: u64,
    pub invalid: u64,
    pub unknown: u64,
    pub vacuous: u64,
    /// Runs without a verdict: the process died or hung.
    pub crashed: u64,
}

/// How many faults of a kind were planned, how many of them were applied, and how many of those
/// the system felt.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FaultCount {
    pub planned: u64,
    pub applied: u64,
    pub observed: u64,
}

/// The failures that share a signature.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FailureRow {
    pub signature: String,
    /// What is impossible, of the failure that the page shows.
    pub sentence: String,
    /// How many runs failed so.
    pub count: u64,
    pub first_seed: Seed,
    /// The failure's page, relative to the index.
    pub report_file: String,
    /// The command line that shows it again.
    pub reproduce: String,
}

impl ScenarioRow {
    /// How many seconds of virtual time passed in a second of wall time; `None` if none was measured.
    fn speed(&self) -> Option<u64> {
        self.virtual_ns.checked_div(self.wall_ns)
    }
}

impl FaultCount {
    /// Planned, and yet no system ever felt it: the runs say nothing about this fault.
    fn never_bit(&self) -> bool {
        self.planned > 0 && self.observed == 0
    }
}

/// The index of a campaign, as one HTML document.
pub fn campaign_index(page: &CampaignPage) -> String {
    let sums = sums(&page.scenarios);
    let body = [
        header(page, &sums),
        "<main>\n".to_owned(),
        failures(&page.failures),
        findings(page),
        scenarios(&page.scenarios, &sums),
        fault_matrix(&page.scenarios),
        "</main>\n<footer>Squall</footer>\n".to_owned(),
    ]
    .concat();
    document(&Document {
        title: &format!("{}: {}", page.title, sentence(page, &sums)),
        body: &body,
        styles: &[CSS],
        scripts: &[],
    })
}

/// The whole campaign as one row. Sums stop at the largest number rather than overflow: the rows may
/// come from anybody's file.
fn sums(scenarios: &[ScenarioRow]) -> ScenarioRow {
    let sum = |of: fn(&ScenarioRow) -> u64| scenarios.iter().map(of).fold(0, u64::saturating_add);
    ScenarioRow {
        scenario: "all".to_owned(),
        seeds: sum(|row| row.seeds),
        operations: sum(|row| row.operations),
        ok: sum(|row| row.ok),
        fail: sum(|row| row.fail),
        info: sum(|row| row.info),
        faults: BTreeMap::new(),
        virtual_ns: sum(|row| row.virtual_ns),
        wall_ns: sum(|row| row.wall_ns),
        valid: sum(|row| row.valid),
        invalid: sum(|row| row.invalid),
        unknown: sum(|row| row.unknown),
        vacuous: sum(|row| row.vacuous),
        crashed: sum(|row| row.crashed),
    }
}

/// What the campaign says. Runs without a verdict are never counted as a success.
fn sentence(page: &CampaignPage, sums: &ScenarioRow) -> String {
    let runs = display::counted(sums.seeds, "run", "runs");
    match page.failures.len() as u64 {
        0 if sums.seeds == 0 => "Nothing has run.".to_owned(),
        0 if sums.invalid > 0 => format!(
            "{} of {runs} failed, and no failure is listed.",
            display::count(sums.invalid)
        ),
        0 if sums.valid < sums.seeds => format!(
            "No failure in {runs}, of which only {} have passed.",
            display::count(sums.valid)
        ),
        0 => format!("All {runs} passed."),
        failures => format!(
            "{} in {runs}.",
            display::counted(failures, "distinct failure", "distinct failures")
        ),
    }
}

fn header(page: &CampaignPage, sums: &ScenarioRow) -> String {
    let started = page.started.as_deref().map_or_else(String::new, |started| {
        format!(" <span>started {}</span>", escape(started))
    });
    let seed = page.base_seed;
    let mut html = format!(
        "<header class=\"headline\">\n<p class=\"eyebrow\"><span class=\"brand\">Squall</span> \
         <span>{}</span>{started} <span>base seed <code>{seed}</code></span> \
         <button type=\"button\" class=\"small\" data-copy=\"{seed}\" aria-label=\"Copy the base seed\">Copy</button></p>\n\
         <h1>{}</h1>\n",
        escape(&page.title),
        escape(&sentence(page, sums))
    );
    if let Some(why) = &page.incomplete {
        let _ = writeln!(
            html,
            "<p class=\"notice incomplete\"><strong>Incomplete.</strong> {}</p>",
            escape(why)
        );
    }
    html.push_str("<dl class=\"strip\">\n");
    for (name, count) in verdicts(sums) {
        let alarm = if count > 0 { name } else { "none" };
        let _ = writeln!(
            html,
            "<div class=\"{alarm}\"><dt>{name}</dt><dd>{}</dd></div>",
            display::count(count)
        );
    }
    let times = [
        ("operations", display::count(sums.operations)),
        ("virtual time", display::duration(sums.virtual_ns)),
        ("wall time, all workers", display::duration(sums.wall_ns)),
        ("virtual : wall", speed(sums)),
    ];
    for (name, value) in times {
        let _ = writeln!(html, "<div><dt>{name}</dt><dd>{value}</dd></div>");
    }
    html.push_str("</dl>\n</header>\n");
    html
}

fn verdicts(row: &ScenarioRow) -> [(&'static str, u64); 5] {
    [
        ("valid", row.valid),
        ("invalid", row.invalid),
        ("unknown", row.unknown),
        ("vacuous", row.vacuous),
        ("crashed", row.crashed),
    ]
}

fn speed(row: &ScenarioRow) -> String {
    row.speed().map_or_else(
        || "not measured".to_owned(),
        |speed| format!("{} : 1", display::count(speed)),
    )
}

fn failures(failures: &[FailureRow]) -> String {
    if failures.is_empty() {
        return String::new();
    }
    let mut html = String::from("<section id=\"failures\"><h2>Failures, by signature</h2>\n");
    for failure in failures {
        let _ = writeln!(
            html,
            "<article class=\"failure\">\n<h3><a href=\"{}\">{}</a></h3>\n\
             <p class=\"meta\"><code>{}</code> <span>{}</span> <span>first seed <code>{}</code></span></p>\n{}</article>",
            href(&failure.report_file),
            escape(&failure.sentence),
            escape(&failure.signature),
            display::counted(failure.count, "run", "runs"),
            failure.first_seed,
            copyable(&failure.reproduce)
        );
    }
    html.push_str("</section>\n");
    html
}

/// Faults that never bit in the whole campaign, in words: a test that proves nothing looks like one
/// that passes.
fn findings(page: &CampaignPage) -> String {
    let mut kinds: BTreeMap<&str, FaultCount> = BTreeMap::new();
    for (kind, count) in page.scenarios.iter().flat_map(|row| &row.faults) {
        let sum = kinds.entry(kind).or_default();
        sum.planned = sum.planned.saturating_add(count.planned);
        sum.applied = sum.applied.saturating_add(count.applied);
        sum.observed = sum.observed.saturating_add(count.observed);
    }
    let silent: Vec<_> = kinds
        .iter()
        .filter(|(_, count)| count.never_bit())
        .collect();
    if silent.is_empty() {
        return String::new();
    }
    let mut html = String::from("<section id=\"findings\"><h2>Faults that never bit</h2>\n<ul>\n");
    for (kind, count) in silent {
        let _ = writeln!(
            html,
            "<li><strong class=\"finding\">{}</strong> was planned {} and applied {}, and no system ever felt it.</li>",
            escape(kind),
            display::counted(count.planned, "time", "times"),
            display::counted(count.applied, "time", "times"),
        );
    }
    html.push_str("</ul></section>\n");
    html
}

fn scenarios(rows: &[ScenarioRow], sums: &ScenarioRow) -> String {
    let mut html = String::from(
        "<section id=\"scenarios\"><h2>Scenarios</h2>\n<div class=\"scroll\"><table>\n<thead><tr><th>Scenario</th>\
         <th class=\"number\">Runs</th><th class=\"number\">Valid</th><th class=\"number\">Invalid</th>\
         <th class=\"number\">Unknown</th><th class=\"number\">Vacuous</th><th class=\"number\">Crashed</th>\
         <th class=\"number\">Operations</th><th>ok, fail, info</th><th class=\"number\">Virtual time</th>\
         <th class=\"number\">Wall time</th><th class=\"number\">Virtual : wall</th></tr></thead>\n<tbody>\n",
    );
    for row in rows {
        html.push_str(&scenario(row));
    }
    if rows.len() > 1 {
        html.push_str(&scenario(sums));
    }
    html.push_str("</tbody></table></div></section>\n");
    html
}

fn scenario(row: &ScenarioRow) -> String {
    let mut html = format!(
        "<tr><td><code>{}</code></td><td class=\"number\">{}</td>",
        escape(&row.scenario),
        display::count(row.seeds)
    );
    for (name, count) in verdicts(row) {
        let class = if count > 0 { name } else { "none" };
        let _ = write!(
            html,
            "<td class=\"number verdict {class}\">{}</td>",
            display::count(count)
        );
    }
    let _ = writeln!(
        html,
        "<td class=\"number\">{}</td><td>{}</td><td class=\"number\">{}</td><td class=\"number\">{}</td>\
         <td class=\"number\">{}</td></tr>",
        display::count(row.operations),
        outcomes(row),
        display::duration(row.virtual_ns),
        display::duration(row.wall_ns),
        speed(row)
    );
    html
}

/// The shares of the outcomes as a bar, with the counts for those who hover or listen.
fn outcomes(row: &ScenarioRow) -> String {
    let counts = [("ok", row.ok), ("fail", row.fail), ("info", row.info)];
    let all = counts
        .iter()
        .map(|(_, count)| *count as f64)
        .sum::<f64>()
        .max(1.0);
    let words = counts.map(|(name, count)| format!("{} {name}", display::count(count)));
    let words = words.join(", ");
    let mut html =
        format!("<span class=\"shares\" role=\"img\" aria-label=\"{words}\" title=\"{words}\">");
    for (name, count) in counts {
        let share = count as f64 * 100.0 / all;
        let _ = write!(
            html,
            "<i class=\"bar {name}\" style=\"width:{share:.1}%\"></i>"
        );
    }
    html.push_str("</span>");
    html
}

fn fault_matrix(rows: &[ScenarioRow]) -> String {
    let kinds: BTreeSet<&String> = rows.iter().flat_map(|row| row.faults.keys()).collect();
    if kinds.is_empty() {
        return String::new();
    }
    let mut html = String::from(
        "<section id=\"faults\"><h2>Faults <small>observed of applied of planned</small></h2>\n\
         <div class=\"scroll\"><table class=\"matrix\">\n<thead><tr><th>Scenario</th>",
    );
    for kind in &kinds {
        let _ = write!(
            html,
            "<th><i class=\"swatch fault-{}\"></i> {}</th>",
            faults::colour(kind),
            escape(kind)
        );
    }
    html.push_str("</tr></thead>\n<tbody>\n");
    for row in rows {
        let _ = write!(html, "<tr><td><code>{}</code></td>", escape(&row.scenario));
        for kind in &kinds {
            html.push_str(&fault_cell(row.faults.get(*kind)));
        }
        html.push_str("</tr>\n");
    }
    html.push_str("</tbody></table></div>\n");
    html.push_str(
        "<p class=\"note\">A cell is marked where a fault was planned and the system never felt it; \
         a dash stands where it was not planned.</p></section>\n",
    );
    html
}

fn fault_cell(count: Option<&FaultCount>) -> String {
    let Some(count) = count.filter(|count| count.planned > 0) else {
        return "<td class=\"unplanned\">–</td>".to_owned();
    };
    let numbers = format!(
        "<b>{}</b> of {} of {}",
        display::count(count.observed),
        display::count(count.applied),
        display::count(count.planned)
    );
    match (count.never_bit(), count.applied) {
        (false, _) => format!("<td>{numbers}</td>"),
        (true, 0) => format!("<td class=\"silent\">{numbers} <small>never applied</small></td>"),
        (true, _) => format!("<td class=\"silent\">{numbers} <small>never felt</small></td>"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sentence_of(row: ScenarioRow) -> String {
        let page = CampaignPage {
            title: String::new(),
            base_seed: Seed(1),
            started: None,
            scenarios: vec![row.clone()],
            failures: Vec::new(),
            incomplete: None,
        };
        sentence(&page, &row)
    }

    #[test]
    fn only_verdicts_of_valid_are_a_success() {
        let runs = |valid, unknown| ScenarioRow {
            seeds: valid + unknown,
            valid,
            unknown,
            ..ScenarioRow::default()
        };
        assert_eq!(sentence_of(runs(0, 0)), "Nothing has run.");
        assert_eq!(sentence_of(runs(2, 0)), "All 2 runs passed.");
        assert_eq!(
            sentence_of(runs(2, 1)),
            "No failure in 3 runs, of which only 2 have passed."
        );
    }

    #[test]
    fn sums_of_hostile_numbers_stop_at_the_largest() {
        let row = ScenarioRow {
            seeds: u64::MAX,
            ..ScenarioRow::default()
        };
        assert_eq!(sums(&[row.clone(), row]).seeds, u64::MAX);
    }
}
