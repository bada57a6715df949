//! The timeline: faults, servers and clients on lanes over time. Rust gathers, `assets/timeline.js`
//! draws.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write,
};

use serde::Serialize;
use squall_checkers::history::{Operation, ValueRef};
use squall_workloads::record::NodeReport;

use crate::{
    display, faults,
    html::{data_island, escape},
    scene::{Clock, Scene},
    witness,
};

pub(crate) const CSS: &str = include_str!("../assets/timeline.css");
pub(crate) const JS: &str = include_str!("../assets/timeline.js");

/// What the script draws. Times are in nanoseconds, or places in the order of events.
#[derive(Serialize)]
struct Data<'a> {
    clock: &'static str,
    end: u64,
    /// What is shown first.
    window: [u64; 2],
    first_bad: Option<FirstBad>,
    witness: Vec<usize>,
    clients: &'a [String],
    nodes: Vec<String>,
    operations: Vec<Bar>,
    faults: Vec<Band>,
    states: Vec<State>,
    ticks: Vec<Tick>,
}

#[derive(Serialize)]
struct FirstBad {
    time: u64,
    operation: Option<usize>,
}

#[derive(Serialize)]
struct Bar {
    id: usize,
    process: u64,
    client: usize,
    label: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    input: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    output: Option<String>,
    outcome: &'static str,
    start: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    end: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

#[derive(Serialize)]
struct Band {
    /// The place among the plan's episodes.
    index: usize,
    kind: String,
    colour: usize,
    parameters: String,
    targets: Vec<u32>,
    start: u64,
    end: Option<u64>,
    observed: u64,
}

/// What a server is, until it is something else.
#[derive(Serialize)]
struct State {
    node: u32,
    class: &'static str,
    text: String,
    start: u64,
    end: u64,
}

/// Something that a server reports, but that does not last.
#[derive(Serialize)]
struct Tick {
    node: u32,
    kind: String,
    text: String,
    time: u64,
}

/// The section with its data; `assets/timeline.js` brings it to life.
pub(crate) fn section(scene: &Scene<'_>) -> String {
    let data = data(scene);
    let time = match scene.clock {
        Clock::Virtual => "virtual time",
        Clock::Recorded => "time",
        Clock::EventOrder => "the order of events: the history has no times",
    };
    let operations = display::counted(scene.operations.len() as u64, "operation", "operations");
    format!(
        "<section id=\"timeline\"><h2>Timeline <small>{operations}, in {time}</small></h2>\n\
         <noscript><p class=\"note\">The timeline is drawn by the page’s own script, which is switched \
         off. The table of the witness needs none.</p></noscript>\n\
         <div class=\"needs-script\">\n{}{}{}\n</div>\n{}</section>\n",
        toolbar(scene),
        include_str!("../assets/timeline.html"),
        legend(&data),
        data_island("timeline-data", &data)
    )
}

fn toolbar(scene: &Scene<'_>) -> String {
    let mut html = String::from("<div class=\"toolbar\" role=\"toolbar\" aria-label=\"View\">\n");
    let buttons = [
        ("witness", "Witness", "w", scene.witness().next().is_some()),
        ("all", "Whole run", "a", true),
        ("zoom-in", "Zoom in", "+", true),
        ("zoom-out", "Zoom out", "-", true),
        ("next-fault", "Next fault", "f", !scene.faults.is_empty()),
        ("help", "Keys", "?", true),
    ];
    for (action, label, key, wanted) in buttons {
        if wanted {
            let _ = writeln!(
                html,
                "<button type=\"button\" data-action=\"{action}\">{label} <kbd>{key}</kbd></button>"
            );
        }
    }
    html.push_str("</div>\n<div class=\"toolbar\" role=\"group\" aria-label=\"Filter\">\n");
    html.push_str(&key_filter(scene));
    html.push_str(&client_filter(scene));
    for outcome in ["ok", "fail", "info"] {
        let _ = writeln!(
            html,
            "<label><input type=\"checkbox\" data-outcome=\"{outcome}\" checked> {outcome}</label>"
        );
    }
    html.push_str(
        "<label>Search <input type=\"search\" data-filter=\"text\" placeholder=\"write 3\"></label>\n\
         <output data-role=\"count\"></output>\n</div>\n",
    );
    html
}

/// More keys than this do not make a list that a person picks from; the search finds them.
const KEYS_MAX: usize = 500;

fn key_filter(scene: &Scene<'_>) -> String {
    let keys = scene
        .operations
        .iter()
        .filter_map(|operation| operation.key);
    let keys: BTreeSet<ValueRef<'_>> = keys.collect();
    if keys.is_empty() {
        return String::new();
    }
    let mut html = String::from(
        "<label>Key <select data-filter=\"key\"><option value=\"\">all</option>\
         <option value=\"witness\">those of the witness</option>",
    );
    for &key in keys.iter().take(KEYS_MAX) {
        let key = escape(&display::value(key));
        let _ = write!(html, "<option value=\"={key}\">{key}</option>");
    }
    if keys.len() > KEYS_MAX {
        let more = keys.len() - KEYS_MAX;
        let _ = write!(
            html,
            "<option disabled>{more} more: use the search</option>"
        );
    }
    html.push_str("</select></label>\n");
    html
}

fn client_filter(scene: &Scene<'_>) -> String {
    let mut html = String::from(
        "<label>Client <select data-filter=\"client\"><option value=\"\">all</option>",
    );
    for (lane, name) in scene.lanes.names.iter().enumerate() {
        let _ = write!(html, "<option value=\"{lane}\">{}</option>", escape(name));
    }
    html.push_str("</select></label>\n");
    html
}

fn legend(data: &Data<'_>) -> String {
    let mut html = String::from(
        "<p class=\"legend\">\
         <span><i class=\"swatch ok\"></i> ok</span> \
         <span><i class=\"swatch fail\"></i> fail: had no effect</span> \
         <span><i class=\"swatch info\"></i> info: may take effect at any later time</span>",
    );
    if !data.witness.is_empty() {
        html.push_str(" <span><i class=\"swatch witness\"></i> witness</span>");
    }
    if data.first_bad.is_some() {
        html.push_str(
            " <span><i class=\"swatch first-bad\"></i> first event that makes it impossible</span>",
        );
    }
    let kinds: BTreeMap<_, _> = data
        .faults
        .iter()
        .map(|band| (&band.kind, band.colour))
        .collect();
    for (kind, colour) in kinds {
        let _ = write!(
            html,
            " <span><i class=\"swatch fault-{colour}\"></i> {}</span>",
            escape(kind)
        );
    }
    html.push_str("</p>\n");
    html
}

fn data<'a>(scene: &'a Scene<'_>) -> Data<'a> {
    let (states, ticks) = server_lanes(scene.reports, scene.end_ns);
    Data {
        clock: match scene.clock {
            Clock::Virtual | Clock::Recorded => "ns",
            Clock::EventOrder => "event",
        },
        end: scene.end_ns,
        window: first_window(scene),
        first_bad: scene.first_bad.map(|bad| FirstBad {
            time: bad.time_ns,
            operation: bad.operation,
        }),
        witness: scene.witness().map(|operation| operation.id).collect(),
        clients: &scene.lanes.names,
        nodes: node_lanes(scene),
        operations: scene
            .operations
            .iter()
            .map(|operation| bar(operation, scene))
            .collect(),
        faults: bands(scene),
        states,
        ticks,
    }
}

fn bar(operation: &Operation<'_>, scene: &Scene<'_>) -> Bar {
    let unless_nil = |value: ValueRef<'_>| (!value.is_nil()).then(|| display::value(value));
    Bar {
        id: operation.id,
        process: operation.process,
        client: scene.lane_of(operation),
        label: display::operation(operation),
        key: operation.key.map(display::value),
        input: unless_nil(operation.input),
        output: unless_nil(operation.output),
        outcome: witness::outcome(operation.outcome),
        start: operation.invoked_ns,
        end: operation.completed_ns,
        error: operation
            .error
            .map(|error| display::visible(error).into_owned()),
    }
}

fn bands(scene: &Scene<'_>) -> Vec<Band> {
    let applied = scene
        .faults
        .iter()
        .enumerate()
        .filter_map(|(index, record)| {
            let start = record.start_ns?;
            let kind = record.fault.kind().to_owned();
            Some(Band {
                index,
                colour: faults::colour(&kind),
                kind,
                parameters: faults::parameters(&record.fault),
                targets: record.targets.clone(),
                start,
                end: record.end_ns,
                observed: record.observed,
            })
        });
    applied.collect()
}

/// The names of the servers, and of those that only reports or faults know of.
fn node_lanes(scene: &Scene<'_>) -> Vec<String> {
    /// A number beyond this is a mistake in the record, not a server.
    const NODES_MAX: usize = 1000;
    let reported = scene.reports.iter().map(|report| report.node);
    let struck = scene
        .faults
        .iter()
        .flat_map(|fault| fault.targets.iter().copied());
    let mentioned = reported.chain(struck).map(|node| node as usize + 1);
    let count = mentioned
        .max()
        .unwrap_or(0)
        .max(scene.nodes.len())
        .min(NODES_MAX);
    (0..count)
        .map(|node| scene.node_name(u32::try_from(node).expect("at most 1000")))
        .collect()
}

/// A report that begins a state ends the state before it; any other report is a tick.
fn server_lanes(reports: &[NodeReport], end_ns: u64) -> (Vec<State>, Vec<Tick>) {
    let mut states: Vec<State> = Vec::new();
    let mut ticks = Vec::new();
    let mut current: BTreeMap<u32, usize> = BTreeMap::new();
    for report in reports {
        let Some(class) = state_class(&report.kind) else {
            ticks.push(Tick {
                node: report.node,
                kind: report.kind.clone(),
                text: display::visible(&report.what).into_owned(),
                time: report.time_ns,
            });
            continue;
        };
        if let Some(previous) = current.insert(report.node, states.len()) {
            states[previous].end = report.time_ns;
        }
        states.push(State {
            node: report.node,
            class,
            text: display::visible(&report.what).into_owned(),
            start: report.time_ns,
            end: end_ns,
        });
    }
    (states, ticks)
}

/// How a state looks; `None` for a kind that is no state.
fn state_class(kind: &str) -> Option<&'static str> {
    match kind {
        "leader" => Some("leader"),
        "follower" | "learner" => Some("follower"),
        "candidate" | "pre-candidate" => Some("candidate"),
        "start" | "started" | "restart" | "restarted" => Some("up"),
        "kill" | "killed" | "power-loss" | "stop" | "stopped" | "crash" | "panic" => Some("down"),
        _ => None,
    }
}

/// The witness with some room around it; the whole run without a witness.
fn first_window(scene: &Scene<'_>) -> [u64; 2] {
    let starts = scene.witness().map(|operation| operation.invoked_ns);
    let ends = scene
        .witness()
        .filter_map(|operation| operation.completed_ns);
    let bad = scene.first_bad.map(|bad| bad.time_ns);
    let times = starts.chain(ends).chain(bad);
    let (Some(first), Some(last)) = (times.clone().min(), times.max()) else {
        return [0, scene.end_ns];
    };
    let room = match last - first {
        0 => scene.end_ns / 200,
        length => length / 4,
    }
    .max(1);
    [
        first.saturating_sub(room),
        last.saturating_add(room).min(scene.end_ns.max(1)),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(time_ns: u64, node: u32, kind: &str) -> NodeReport {
        NodeReport {
            time_ns,
            node,
            what: kind.to_owned(),
            kind: kind.to_owned(),
        }
    }

    #[test]
    fn a_state_lasts_until_the_next_state_of_the_same_server() {
        let reports = [
            report(1, 0, "start"),
            report(2, 1, "leader"),
            report(3, 0, "snapshot"),
            report(5, 0, "kill"),
        ];
        let (states, ticks) = server_lanes(&reports, 9);
        let spans: Vec<_> = states
            .iter()
            .map(|s| (s.node, s.class, s.start, s.end))
            .collect();
        assert_eq!(
            spans,
            [(0, "up", 1, 5), (1, "leader", 2, 9), (0, "down", 5, 9)]
        );
        assert_eq!(ticks.len(), 1);
    }
}
