//! Latency and throughput over the run, as inline SVG, with the faults shaded behind.
//!
//! The plots hold no text but their axes: names come from histories, and stand in an HTML legend,
//! escaped.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write,
};

use plotters::{
    coord::{
        Shift,
        ranged1d::{AsRangedCoord, ValueFormatter},
    },
    prelude::*,
};
use squall_checkers::history::{Operation, Outcome};

use crate::{
    display, faults,
    html::escape,
    scene::{Clock, Scene},
};

const WIDTH: u32 = 1120;
const HEIGHT: u32 = 250;

/// Points of one operation name within this many pixels of each other are drawn once: more ink would
/// show nothing more, and a long run would make a page of megabytes.
const POINT_GRID_PIXELS: f64 = 2.0;

/// How many buckets the throughput is counted in.
const BUCKETS: usize = 120;

/// The colours of the light page; `assets/page.css` replaces each by the dark page's.
const INK: RGBColor = RGBColor(0x5b, 0x65, 0x70);
const GRID: RGBColor = RGBColor(0xe3, 0xe6, 0xe9);
const BAD: RGBColor = RGBColor(0xd0, 0x1c, 0x4e);
const OK: RGBColor = RGBColor(0x2f, 0x74, 0xc0);
const FAIL: RGBColor = RGBColor(0x7a, 0x83, 0x8c);
const INFO: RGBColor = RGBColor(0xb8, 0x74, 0x08);
const FAULTS: [RGBColor; faults::COLOUR_COUNT] = [
    RGBColor(0x7d, 0x4c, 0xdb),
    RGBColor(0x4d, 0x56, 0x60),
    RGBColor(0xb0, 0x3a, 0x2e),
    RGBColor(0x0f, 0x86, 0x7c),
    RGBColor(0x6b, 0x7d, 0x12),
    RGBColor(0xb5, 0x4a, 0x8a),
    RGBColor(0x35, 0x5c, 0x9c),
    RGBColor(0x8a, 0x62, 0x3c),
];
/// The colours of operation names, the first for the first name in alphabetical order.
const NAMES: [RGBColor; 8] = [
    RGBColor(0x1f, 0x77, 0xb4),
    RGBColor(0xc2, 0x5e, 0x0a),
    RGBColor(0x2a, 0x8c, 0x4a),
    RGBColor(0x94, 0x5c, 0xb8),
    RGBColor(0x8c, 0x56, 0x4b),
    RGBColor(0xc7, 0x52, 0xa2),
    RGBColor(0x6f, 0x74, 0x7a),
    RGBColor(0x12, 0x8f, 0xa0),
];

/// The section; empty where there is nothing to plot.
pub(crate) fn section(scene: &Scene<'_>) -> String {
    let returned = scene.operations.iter().any(|op| op.completed_ns.is_some());
    if scene.clock == Clock::EventOrder || !returned {
        return String::new();
    }
    let mut html = String::from("<section id=\"plots\"><h2>Latency and throughput</h2>\n");
    html.push_str(&figure(
        "Latency of every operation, by name, on a logarithmic scale",
        &latency(scene),
        &name_legend(scene),
    ));
    html.push_str(&figure(
        "Operations that returned per second, by outcome",
        &throughput(scene),
        &outcome_legend(),
    ));
    html.push_str("</section>\n");
    html
}

fn figure(caption: &str, svg: &str, legend: &str) -> String {
    let svg = svg.replacen(
        "<svg ",
        &format!(
            "<svg class=\"plot\" role=\"img\" aria-label=\"{}\" ",
            escape(caption)
        ),
        1,
    );
    format!(
        "<figure><figcaption>{} {legend}</figcaption>\n{svg}</figure>\n",
        escape(caption)
    )
}

fn hex(colour: RGBColor) -> String {
    format!("#{:02X}{:02X}{:02X}", colour.0, colour.1, colour.2)
}

fn names<'a>(scene: &'a Scene<'_>) -> BTreeSet<&'a str> {
    scene
        .operations
        .iter()
        .map(|operation| operation.f)
        .collect()
}

fn name_colour(index: usize) -> RGBColor {
    NAMES[index % NAMES.len()]
}

fn name_legend(scene: &Scene<'_>) -> String {
    /// Beyond these the colours repeat, and a legend says nothing.
    const NAMES_MAX: usize = 16;
    let names = names(scene);
    let mut html = String::from("<span class=\"legend\">");
    for (index, name) in names.iter().take(NAMES_MAX).enumerate() {
        let _ = write!(
            html,
            "<span><svg class=\"plot key\" viewBox=\"0 0 10 10\" aria-hidden=\"true\"><circle cx=\"5\" cy=\"5\" r=\"4\" fill=\"{}\"/></svg> {}</span> ",
            hex(name_colour(index)),
            escape(name)
        );
    }
    if names.len() > NAMES_MAX {
        let _ = write!(
            html,
            "<span>and {} more names</span>",
            names.len() - NAMES_MAX
        );
    }
    html.push_str("</span>");
    html
}

fn outcome_legend() -> String {
    let mut html = String::from("<span class=\"legend\">");
    for (name, colour) in [("ok", OK), ("fail", FAIL), ("info", INFO)] {
        let _ = write!(
            html,
            "<span><svg class=\"plot key\" viewBox=\"0 0 10 10\" aria-hidden=\"true\"><rect y=\"3\" width=\"10\" height=\"4\" fill=\"{}\"/></svg> {name}</span> ",
            hex(colour)
        );
    }
    html.push_str("</span>");
    html
}

fn latency(scene: &Scene<'_>) -> String {
    let latencies = scene.operations.iter().filter_map(latency_ns);
    let (shortest, longest) =
        latencies.fold((u64::MAX, 1), |(low, high), ns| (low.min(ns), high.max(ns)));
    let low = 10_f64.powf((shortest.min(longest) as f64).log10().floor());
    let high = 10_f64.powf((longest as f64).log10().ceil()).max(low * 10.0);
    let mut svg = String::new();
    {
        let area = SVGBackend::with_string(&mut svg, (WIDTH, HEIGHT)).into_drawing_area();
        let mut points: BTreeSet<(usize, bool, i64, i64)> = BTreeSet::new();
        let names: BTreeMap<_, _> = names(scene).into_iter().zip(0..).collect();
        for operation in &scene.operations {
            let Some(ns) = latency_ns(operation) else {
                continue;
            };
            let x = operation.invoked_ns as f64 / scene.end_ns as f64 * f64::from(WIDTH);
            let y = (ns as f64 / low).log10() / (high / low).log10() * f64::from(HEIGHT);
            points.insert((
                names[operation.f],
                operation.outcome == Outcome::Ok,
                (x / POINT_GRID_PIXELS).round() as i64,
                (y / POINT_GRID_PIXELS).round() as i64,
            ));
        }
        let seconds = seconds(scene.end_ns);
        let drawn = with_axes(
            &area,
            scene,
            (low..high).log_scale(),
            (low, high),
            |ns| display::duration(ns.round() as u64),
            |chart| {
                chart.draw_series(points.iter().map(|&(name, ok, x, y)| {
                    let x = x as f64 * POINT_GRID_PIXELS / f64::from(WIDTH) * seconds;
                    let share = y as f64 * POINT_GRID_PIXELS / f64::from(HEIGHT);
                    let y = low * 10_f64.powf(share * (high / low).log10());
                    let colour = name_colour(name);
                    // What did not succeed is hollow.
                    let style = if ok {
                        colour.filled()
                    } else {
                        colour.stroke_width(1)
                    };
                    Circle::new((x, y), 2, style)
                }))?;
                Ok(())
            },
        );
        expect_drawn(drawn);
    }
    svg
}

/// At least a nanosecond: a logarithmic scale has no zero, and virtual time may stand still.
fn latency_ns(operation: &Operation<'_>) -> Option<u64> {
    let completed_ns = operation.completed_ns?;
    Some(completed_ns.saturating_sub(operation.invoked_ns).max(1))
}

fn throughput(scene: &Scene<'_>) -> String {
    let mut buckets = [[0_u64; BUCKETS]; 3];
    for operation in &scene.operations {
        let Some(ns) = operation.completed_ns else {
            continue;
        };
        let share = ns as f64 / scene.end_ns as f64;
        let bucket = ((share * BUCKETS as f64) as usize).min(BUCKETS - 1);
        let outcome = match operation.outcome {
            Outcome::Ok => 0,
            Outcome::Fail => 1,
            Outcome::Info => 2,
        };
        buckets[outcome][bucket] += 1;
    }
    let seconds = seconds(scene.end_ns);
    let bucket_seconds = seconds / BUCKETS as f64;
    let fullest = buckets.iter().flatten().copied().max().unwrap_or(0);
    let high = (fullest as f64 / bucket_seconds * 1.08).max(1.0);
    let mut svg = String::new();
    {
        let area = SVGBackend::with_string(&mut svg, (WIDTH, HEIGHT)).into_drawing_area();
        let drawn = with_axes(
            &area,
            scene,
            0.0..high,
            (0.0, high),
            |rate| format!("{rate:.0}/s"),
            |chart| {
                for (counts, colour) in buckets.iter().zip([OK, FAIL, INFO]) {
                    let steps = counts.iter().enumerate().flat_map(|(bucket, count)| {
                        let rate = *count as f64 / bucket_seconds;
                        let start = bucket as f64 * bucket_seconds;
                        [(start, rate), (start + bucket_seconds, rate)]
                    });
                    chart.draw_series(LineSeries::new(steps, colour.stroke_width(2)))?;
                }
                Ok(())
            },
        );
        expect_drawn(drawn);
    }
    svg
}

fn seconds(ns: u64) -> f64 {
    ns as f64 / 1e9
}

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
type Drawn<'a> = Result<(), DrawingAreaErrorKind<<SVGBackend<'a> as DrawingBackend>::ErrorType>>;
type Chart<'b, 'a, Y> =
    ChartContext<'b, SVGBackend<'a>, Cartesian2d<plotters::coord::types::RangedCoordf64, Y>>;

fn expect_drawn(drawn: Drawn<'_>) {
    drawn.expect("an SVG that is written to a string meets no error");
}

/// Axes and faults; then what `draw` adds; then the line of the first bad event.
fn with_axes<'a, Y>(
    area: &Area<'a>,
    scene: &Scene<'_>,
    y_range: impl AsRangedCoord<CoordDescType = Y, Value = f64>,
    (low, high): (f64, f64),
    y_label: impl Fn(f64) -> String,
    draw: impl FnOnce(&mut Chart<'_, 'a, Y>) -> Drawn<'a>,
) -> Drawn<'a>
where
    Y: Ranged<ValueType = f64> + ValueFormatter<f64>,
{
    let end = seconds(scene.end_ns);
    let mut chart = ChartBuilder::on(area)
        .margin(6)
        .x_label_area_size(24)
        .y_label_area_size(64)
        .build_cartesian_2d(0.0..end, y_range)?;
    for (start, end, colour) in fault_bands(scene) {
        let band = Rectangle::new([(start, low), (end, high)], colour.mix(0.14).filled());
        chart.draw_series([band])?;
    }
    chart
        .configure_mesh()
        .disable_x_mesh()
        .bold_line_style(GRID)
        .light_line_style(TRANSPARENT)
        .axis_style(INK)
        .label_style(("sans-serif", 12, &INK))
        .x_labels(10)
        .y_labels(5)
        .x_label_formatter(&|seconds| display::duration((seconds * 1e9).round() as u64))
        .y_label_formatter(&|value| y_label(*value))
        .draw()?;
    draw(&mut chart)?;
    if let Some(bad) = scene.first_bad {
        let x = seconds(bad.time_ns);
        chart.draw_series(LineSeries::new([(x, low), (x, high)], BAD.stroke_width(2)))?;
    }
    Ok(())
}

fn fault_bands(scene: &Scene<'_>) -> Vec<(f64, f64, RGBColor)> {
    let applied = scene.faults.iter().filter_map(|fault| {
        let start_ns = fault.start_ns?;
        let end_ns = fault.end_ns.unwrap_or(scene.end_ns).min(scene.end_ns);
        let colour = FAULTS[faults::colour(fault.fault.kind())];
        Some((seconds(start_ns), seconds(end_ns), colour))
    });
    applied.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_dark_page_has_another_colour_for_each_of_the_light_one() {
        let css = include_str!("../assets/page.css");
        let fills = FAULTS.iter().chain(&NAMES).chain([&INK, &OK, &FAIL, &INFO]);
        for colour in fills {
            let selector = format!(".plot [fill=\"{}\"]", hex(*colour));
            assert!(css.contains(&selector), "page.css lacks {selector}");
        }
        for colour in NAMES.iter().chain([&INK, &GRID, &BAD, &OK, &FAIL, &INFO]) {
            let selector = format!(".plot [stroke=\"{}\"]", hex(*colour));
            assert!(css.contains(&selector), "page.css lacks {selector}");
        }
    }
}
