//! The faults of a run: what was planned, what was applied, what the system felt.

use std::fmt::Write;

use squall_workloads::{
    plan::{Episode, Plan, Start, Targets},
    record::FaultRecord,
};

use crate::{display, html::escape, scene::Scene};

/// How many colours for faults `assets/page.css` has.
pub(crate) const COLOUR_COUNT: usize = 8;

/// The colour of a kind of fault, the same on every page.
pub(crate) fn colour(kind: &str) -> usize {
    const OWN: [&str; 6] = [
        "partition",
        "kill",
        "power-loss",
        "pause",
        "slow-links",
        "lossy-links",
    ];
    let known = OWN.iter().position(|own| *own == kind);
    // A kind that is younger than this page shares a colour, and still has its name beside it.
    known.unwrap_or_else(|| OWN.len() + kind.len() % (COLOUR_COUNT - OWN.len()))
}

/// What a fault is beyond its kind: `direction both`, `per mille 300`; from its serialised form, so
/// that a new fault needs nothing here.
pub(crate) fn parameters(fault: &impl serde::Serialize) -> String {
    let Ok(serde_json::Value::Object(fields)) = serde_json::to_value(fault) else {
        return String::new();
    };
    let described: Vec<_> = fields
        .iter()
        .filter(|(name, _)| *name != "kind")
        .map(|(name, value)| parameter(name, value))
        .collect();
    described.join(", ")
}

fn parameter(name: &str, value: &serde_json::Value) -> String {
    match (name.split_once("_ns"), value.as_u64(), value.as_str()) {
        (Some((stem, rest)), Some(ns), _) => {
            let words = format!("{stem}{rest}").replace('_', " ");
            format!("{words} {}", display::duration(ns))
        }
        (_, _, Some(text)) => format!("{} {text}", name.replace('_', " ")),
        _ => format!("{} {value}", name.replace('_', " ")),
    }
}

/// The section; empty if no faults were planned.
pub(crate) fn section(plan: &Plan, scene: &Scene<'_>) -> String {
    if plan.faults.is_empty() && scene.faults.is_empty() {
        return String::new();
    }
    let mut html = String::from(
        "<section id=\"faults\"><h2>Faults</h2>\n<div class=\"scroll\"><table>\n\
         <thead><tr><th>#</th><th>Fault</th><th>Planned</th><th>Applied</th>\
         <th class=\"number\">Observed</th></tr></thead>\n<tbody>\n",
    );
    // A record that is not of this plan is drawn as far as it goes.
    for index in 0..plan.faults.len().max(scene.faults.len()) {
        let episode = plan.faults.get(index);
        let applied = scene.faults.get(index);
        html.push_str(&row(index, episode, applied, scene));
    }
    html.push_str("</tbody></table></div></section>\n");
    html
}

fn row(
    index: usize,
    episode: Option<&Episode>,
    record: Option<&FaultRecord>,
    scene: &Scene<'_>,
) -> String {
    let fault = episode
        .map(|episode| &episode.fault)
        .or_else(|| record.map(|record| &record.fault));
    let (kind, details) = fault.map_or(("", String::new()), |fault| {
        (fault.kind(), parameters(fault))
    });
    let planned = episode.map_or_else(
        || "not in the plan".to_owned(),
        |episode| planned(episode, scene),
    );
    let applied_at = record.and_then(|record| record.start_ns);
    let applied = match (record, applied_at) {
        (Some(record), Some(start_ns)) => applied(record, start_ns, scene),
        _ => "<strong class=\"finding\">never</strong>".to_owned(),
    };
    let observed = match record.map_or(0, |record| record.observed) {
        0 if applied_at.is_some() => "<strong class=\"finding\">never felt</strong>".to_owned(),
        observed => display::count(observed),
    };
    format!(
        "<tr id=\"fault-{index}\"><td>{index}</td>\
         <td><span class=\"swatch fault-{}\"></span> <code>{}</code> <small>{}</small></td>\
         <td>{planned}</td><td>{applied}</td><td class=\"number\">{observed}</td></tr>\n",
        colour(kind),
        escape(kind),
        escape(&details),
    )
}

fn planned(episode: &Episode, scene: &Scene<'_>) -> String {
    let start = match &episode.start {
        Start::At { ns } => format!("at {}", display::instant(*ns)),
        Start::Leader { nth, delay_ns: 0 } => format!("at leader change {nth}"),
        Start::Leader { nth, delay_ns } => {
            format!("{} after leader change {nth}", display::duration(*delay_ns))
        }
    };
    let targets = match &episode.targets {
        Targets::Nodes(nodes) => scene.node_names(nodes),
        Targets::Clients(clients) => {
            let names: Vec<_> = clients.iter().map(|client| format!("c{client}")).collect();
            names.join(", ")
        }
        Targets::Leader => "the leader".to_owned(),
        Targets::LeaderAnd(others) => {
            format!(
                "the leader and {}",
                display::counted(u64::from(*others), "other", "others")
            )
        }
    };
    let duration = display::duration(episode.duration_ns);
    format!("{start}, for {duration}, on {}", escape(&targets))
}

fn applied(record: &FaultRecord, start_ns: u64, scene: &Scene<'_>) -> String {
    let mut html = format!("{} to ", display::instant(start_ns));
    match record.end_ns {
        Some(end_ns) => {
            let _ = write!(html, "{}", display::instant(end_ns));
        }
        None => html.push_str("the end"),
    }
    let _ = write!(html, ", on {}", escape(&scene.node_names(&record.targets)));
    html
}
