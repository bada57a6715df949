//! Operations that come before one another in a circle: a picture, and a sentence for each arrow.
//!
//! A circle is how Adya shows that no serial order exists ("Weak Consistency", 1999): the kinds of the
//! arrows say which consistency model it rules out.

use std::f64::consts::TAU;
use std::fmt::Write;

use squall_checkers::verdict::{Anomaly, Dependency, DependencyKind, Verdict};

use crate::html::{escape, with_operation_links};

pub(crate) const CSS: &str = include_str!("../assets/cycle.css");

/// More than this is no picture any more; the sentences remain.
const DRAWN_MAX: usize = 16;
/// Of anomalies and of sentences: the rest is counted.
const LISTED_MAX: usize = 50;

const WIDTH: f64 = 640.0;
const HEIGHT: f64 = 360.0;
const RADIUS: f64 = 130.0;
const NODE_RADIUS: f64 = 26.0;

type Point = (f64, f64);

/// The circle; empty if the verdict has none.
pub(crate) fn section(verdict: &Verdict, operation_count: usize) -> String {
    let Verdict::Invalid(anomaly) = verdict else {
        return String::new();
    };
    if anomaly.cycle.is_empty() {
        return String::new();
    }
    format!(
        "<section id=\"cycle\" class=\"cycle\"><h2>Each came before the next</h2>\n{}{}</section>\n",
        picture(&anomaly.cycle),
        sentences(&anomaly.cycle, operation_count)
    )
}

/// What else is impossible about the history; empty if nothing is.
pub(crate) fn also(verdict: &Verdict, operation_count: usize) -> String {
    let Verdict::Invalid(Anomaly { also, .. }) = verdict else {
        return String::new();
    };
    if also.is_empty() {
        return String::new();
    }
    let mut html = String::from("<section id=\"also\"><h2>What else was found</h2>\n<ul>\n");
    for anomaly in also.iter().take(LISTED_MAX) {
        let sentence = with_operation_links(&anomaly.sentence, operation_count);
        let class = escape(&anomaly.class);
        let _ = write!(html, "<li><span class=\"badge\">{class}</span> {sentence}");
        if !anomaly.cycle.is_empty() {
            let edges = sentences(&anomaly.cycle, operation_count);
            let _ = write!(
                html,
                "<details><summary>Its circle</summary>{edges}</details>"
            );
        }
        html.push_str("</li>\n");
    }
    html.push_str("</ul>\n");
    html.push_str(&rest(also.len()));
    html.push_str("</section>\n");
    html
}

fn rest(count: usize) -> String {
    match count.checked_sub(LISTED_MAX) {
        Some(more @ 1..) => format!("<p class=\"note\">{more} more are not listed.</p>\n"),
        _ => String::new(),
    }
}

fn sentences(cycle: &[Dependency], operation_count: usize) -> String {
    let mut html = String::from("<ol>\n");
    for edge in cycle.iter().take(LISTED_MAX) {
        let link = |id| with_operation_links(&format!("#{id}"), operation_count);
        let _ = writeln!(
            html,
            "<li>{} → {} <span class=\"badge\">{}</span> {}</li>",
            link(edge.from),
            link(edge.to),
            word(edge.kind),
            with_operation_links(&edge.sentence, operation_count)
        );
    }
    html.push_str("</ol>\n");
    html.push_str(&rest(cycle.len()));
    html
}

/// The field's short name of a kind of dependency.
fn word(kind: DependencyKind) -> &'static str {
    match kind {
        DependencyKind::WriteWrite => "ww",
        DependencyKind::WriteRead => "wr",
        DependencyKind::ReadWrite => "rw",
        DependencyKind::PredicateReadWrite => "predicate rw",
        DependencyKind::Process => "process",
        DependencyKind::Realtime => "realtime",
    }
}

fn picture(cycle: &[Dependency]) -> String {
    if cycle.len() > DRAWN_MAX {
        return String::new();
    }
    let mut svg = format!(
        "<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"A circle of operations\">\n"
    );
    for (index, edge) in cycle.iter().enumerate() {
        svg.push_str(&arrow(Arc::of(index, cycle.len()), edge.kind));
    }
    for (index, edge) in cycle.iter().enumerate() {
        svg.push_str(&node(place(index as f64, cycle.len()), edge.from));
    }
    svg.push_str("</svg>\n");
    svg
}

fn node((x, y): Point, id: usize) -> String {
    format!(
        "<a href=\"#op-{id}\"><circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"{NODE_RADIUS}\"/>\
         <text class=\"name\" x=\"{x:.1}\" y=\"{:.1}\">#{id}</text></a>\n",
        y + 4.5
    )
}

fn arrow(arc: Arc, kind: DependencyKind) -> String {
    let (start, end) = (arc.from, arc.arrives());
    let (x, y) = arc.at(0.5);
    let kind_word = word(kind);
    let plate = 4.0 + 3.6 * kind_word.len() as f64;
    format!(
        "<path class=\"edge {kind_word}\" d=\"M{:.1} {:.1}Q{:.1} {:.1} {:.1} {:.1}\"/>\n\
         <path class=\"head\" d=\"{}\"/>\n\
         <rect class=\"plate\" x=\"{:.1}\" y=\"{:.1}\" width=\"{:.1}\" height=\"18\" rx=\"4\"/>\
         <text class=\"kind\" x=\"{x:.1}\" y=\"{:.1}\">{kind_word}</text>\n",
        start.0,
        start.1,
        arc.bend.0,
        arc.bend.1,
        end.0,
        end.1,
        head(arc.at(0.97 * arc.arrival()), end),
        x - plate,
        y - 9.0,
        2.0 * plate,
        y + 4.0,
    )
}

/// An arrow's head at `tip`, for a line that comes from `tail`.
fn head(tail: Point, tip: Point) -> String {
    let (dx, dy) = (tip.0 - tail.0, tip.1 - tail.1);
    let length = dx.hypot(dy).max(1e-6);
    let (dx, dy) = (dx / length, dy / length);
    let (bx, by) = (tip.0 - 10.0 * dx, tip.1 - 10.0 * dy);
    format!(
        "M{:.1} {:.1}L{:.1} {:.1}L{:.1} {:.1}Z",
        tip.0,
        tip.1,
        bx - 5.0 * dy,
        by + 5.0 * dx,
        bx + 5.0 * dy,
        by - 5.0 * dx
    )
}

/// Where the operation of this index stands; a half between two of them is the middle of their arrow.
fn place(index: f64, count: usize) -> Point {
    let angle = TAU * index / count.max(1) as f64 - TAU / 4.0;
    (
        WIDTH / 2.0 + 1.6 * RADIUS * angle.cos(),
        HEIGHT / 2.0 + RADIUS * angle.sin(),
    )
}

/// A quadratic curve from one operation to the next, bent outwards, so that two arrows between the same
/// two operations stay apart.
#[derive(Clone, Copy)]
struct Arc {
    from: Point,
    bend: Point,
    to: Point,
}

impl Arc {
    fn of(index: usize, count: usize) -> Self {
        let (from, to) = (place(index as f64, count), place(index as f64 + 1.0, count));
        let on_circle = place(index as f64 + 0.5, count);
        let straight = ((from.0 + to.0) / 2.0, (from.1 + to.1) / 2.0);
        Self {
            from,
            // So that the middle of the curve is on the circle.
            bend: (
                2.0 * on_circle.0 - straight.0,
                2.0 * on_circle.1 - straight.1,
            ),
            to,
        }
    }

    /// The point after this part of the curve, from 0 to 1.
    fn at(&self, part: f64) -> Point {
        let along = |from: f64, bend: f64, to: f64| {
            let rest = 1.0 - part;
            rest * rest * from + 2.0 * rest * part * bend + part * part * to
        };
        (
            along(self.from.0, self.bend.0, self.to.0),
            along(self.from.1, self.bend.1, self.to.1),
        )
    }

    /// The part of the curve at which it reaches the rim of the operation that it goes to.
    fn arrival(&self) -> f64 {
        let parts = (50..100)
            .rev()
            .map(|hundredth| f64::from(hundredth) / 100.0);
        let mut outside = parts.filter(|part| {
            let (x, y) = self.at(*part);
            (x - self.to.0).hypot(y - self.to.1) > NODE_RADIUS + 2.0
        });
        outside.next().unwrap_or(1.0)
    }

    fn arrives(&self) -> Point {
        self.at(self.arrival())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(kinds: &[DependencyKind]) -> Verdict {
        let count = kinds.len();
        let edges = kinds.iter().enumerate().map(|(index, kind)| Dependency {
            from: index,
            to: (index + 1) % count,
            kind: *kind,
            sentence: format!("#{index} <was> first"),
        });
        Verdict::Invalid(Anomaly {
            cycle: edges.collect(),
            also: vec![Anomaly {
                class: "G1c".to_owned(),
                sentence: "another <one>".to_owned(),
                ..Anomaly::default()
            }],
            ..Anomaly::default()
        })
    }

    #[test]
    fn every_arrow_has_its_sentence() {
        use DependencyKind::{ReadWrite, Realtime, WriteRead};
        let html = section(&verdict(&[ReadWrite, WriteRead, Realtime]), 3);
        assert_eq!(html.matches("class=\"edge").count(), 3);
        assert_eq!(html.matches("<circle").count(), 3);
        assert_eq!(html.matches("&lt;was&gt; first").count(), 3);
        assert!(html.contains("<span class=\"badge\">realtime</span>"));
        assert!(!html.contains("NaN"));
    }

    #[test]
    fn a_great_circle_is_told_and_not_drawn() {
        let html = section(&verdict(&[DependencyKind::WriteWrite; 60]), 60);
        assert!(!html.contains("<svg"));
        assert!(html.contains("10 more are not listed"));
    }

    #[test]
    fn what_else_was_found_is_escaped() {
        let html = also(&verdict(&[]), 1);
        assert!(html.contains("another &lt;one&gt;"));
        assert_eq!(section(&verdict(&[]), 1), "");
    }

    /// The curve's middle is on the circle, even for two operations, and its end on the rim.
    #[test]
    fn arrows_keep_apart() {
        let (there, back) = (Arc::of(0, 2), Arc::of(1, 2));
        assert!((there.at(0.5).0 - back.at(0.5).0).abs() > RADIUS);
        let (x, y) = there.arrives();
        assert!((x - there.to.0).hypot(y - there.to.1) >= NODE_RADIUS);
    }
}
