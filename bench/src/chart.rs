//! The chart for the README: paired ratios with their intervals, a panel for each scenario.
//!
//! Must never depend on the page's background: it brings its own card, light
//! or dark as the reader's system asks for.

use crate::peers::{NOISE, is_ours};
use crate::report::Report;
use crate::runner::Outcome;
use crate::station::Row;
use crate::statistics::Estimate;

const COLUMNS: usize = 2;
const PANEL_WIDTH: f64 = 444.0;
const MARGIN: f64 = 20.0;
const HEADER: f64 = 68.0;
const TITLE: f64 = 30.0;
const ROW: f64 = 21.0;
const AXIS: f64 = 34.0;
/// Left of a panel's plot stand the peers, right of it the medians.
const LABELS: f64 = 152.0;
const VALUES: f64 = 50.0;
const PLOT: f64 = PANEL_WIDTH - LABELS - VALUES;

/// Ratios that may get a tick, where they lie far enough apart.
const TICKS: [f64; 13] = [
    0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.1, 1.25, 1.5, 2.0, 2.5, 3.0, 4.0,
];
const TICK_DISTANCE: f64 = 26.0;

const STYLE: &str = "\
text { font: 12px system-ui, -apple-system, 'Segoe UI', sans-serif; fill: #1f2328 }
.head { font-size: 15px; font-weight: 600 }
.name { font-weight: 600 }
.end { text-anchor: end }
.middle { text-anchor: middle }
.quiet { fill: #59636e }
.card { fill: #ffffff; stroke: #d1d9e0 }
.grid { stroke: #e4e8ec }
.one { stroke: #59636e }
.noise { fill: #818b98; opacity: 0.22 }
.peer { stroke: #6e7781; fill: #6e7781 }
.ours { stroke: #0969da; fill: #0969da }
.whisker { stroke-width: 2; stroke-linecap: round }
text.ours { stroke: none; font-weight: 600 }
@media (prefers-color-scheme: dark) {
text { fill: #e6edf3 }
.quiet { fill: #9198a1 }
.card { fill: #0d1117; stroke: #3d444d }
.grid { stroke: #21262d }
.one { stroke: #9198a1 }
.peer { stroke: #9198a1; fill: #9198a1 }
.ours { stroke: #4493f8; fill: #4493f8 }
}
";

/// The range of ratios that all panels share, on a logarithmic scale.
struct Scale {
    low: f64,
    high: f64,
}

impl Scale {
    /// Holds every median; an interval beyond four times either way is cut off.
    fn of(report: &Report) -> Self {
        let ratios = report.outcomes.iter().flat_map(|outcome| &outcome.rows);
        let ratios: Vec<Estimate> = ratios
            .filter_map(|row| Some(row.by_yardstick()?.cpu))
            .collect();
        let least = ratios.iter().map(|ratio| ratio.low).fold(0.9, f64::min);
        let most = ratios.iter().map(|ratio| ratio.high).fold(1.25, f64::max);
        Self {
            low: least.max(0.25) * 0.98,
            high: most.min(4.0) * 1.02,
        }
    }

    fn x(&self, ratio: f64) -> f64 {
        let ratio = ratio.clamp(self.low, self.high);
        PLOT * (ratio / self.low).ln() / (self.high / self.low).ln()
    }

    fn ticks(&self) -> Vec<f64> {
        let mut ticks = vec![1.0];
        for tick in TICKS {
            let far = |other: &f64| (self.x(tick) - self.x(*other)).abs() >= TICK_DISTANCE;
            if (self.low..=self.high).contains(&tick) && ticks.iter().all(far) {
                ticks.push(tick);
            }
        }
        ticks
    }
}

/// The whole chart as one SVG file.
pub fn draw(report: &Report) -> String {
    let scale = Scale::of(report);
    let rows = report.outcomes.iter().map(|o| compared(o).len());
    let panel_height = TITLE + ROW * rows.max().unwrap_or(0) as f64 + AXIS;
    let lines = report.outcomes.len().div_ceil(COLUMNS);
    let width = 2.0 * MARGIN + PANEL_WIDTH * COLUMNS as f64;
    let height = HEADER + panel_height * lines as f64 + MARGIN;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height:.0}\" \
         width=\"{width}\" height=\"{height:.0}\" role=\"img\" aria-labelledby=\"title\">\n\
         <title id=\"title\">Server CPU per echoed message relative to raw epoll in C</title>\n\
         <style>\n{STYLE}</style>\n\
         <rect class=\"card\" x=\"0.5\" y=\"0.5\" width=\"{}\" height=\"{:.0}\" rx=\"8\"/>\n\
         <text class=\"head\" x=\"{MARGIN}\" y=\"30\">\
         Server CPU per echoed message, relative to raw epoll in C</text>\n\
         <text class=\"quiet\" x=\"{MARGIN}\" y=\"50\">\
         left is cheaper · median and 95 % interval of paired slices · \
         grey band: a second copy of raw epoll, that is, noise · {}</text>\n",
        width - 1.0,
        height - 1.0,
        report.machine.date.get(..10).unwrap_or_default(),
    );
    for (index, outcome) in report.outcomes.iter().enumerate() {
        let left = MARGIN + PANEL_WIDTH * (index % COLUMNS) as f64;
        let top = HEADER + panel_height * (index / COLUMNS) as f64;
        svg.push_str(&format!("<g transform=\"translate({left} {top})\">\n"));
        panel(&mut svg, outcome, &scale);
        svg.push_str("</g>\n");
    }
    svg.push_str("</svg>\n");
    svg
}

/// Ours first, the noise last.
fn compared(outcome: &Outcome) -> Vec<(&Row, Estimate)> {
    let rows = outcome.rows.iter();
    let mut rows: Vec<_> = rows
        .filter_map(|row| Some((row, row.by_yardstick()?.cpu)))
        .collect();
    rows.sort_by_key(|(row, _)| match row.peer.as_str() {
        peer if is_ours(peer) => 0,
        NOISE => 2,
        _ => 1,
    });
    rows
}

fn panel(svg: &mut String, outcome: &Outcome, scale: &Scale) {
    let rows = compared(outcome);
    let bottom = TITLE + ROW * rows.len() as f64;
    let title = outcome.scenario.title;
    svg.push_str(&format!("<text class=\"name\" y=\"20\">{title}</text>\n"));
    if let Some((_, noise)) = rows.iter().find(|(row, _)| row.peer == NOISE) {
        let (left, right) = (scale.x(noise.low), scale.x(noise.high));
        svg.push_str(&format!(
            "<rect class=\"noise\" x=\"{:.1}\" y=\"{TITLE}\" width=\"{:.1}\" height=\"{:.1}\"/>\n",
            LABELS + left,
            (right - left).max(1.0),
            bottom - TITLE
        ));
    }
    for tick in scale.ticks() {
        let x = LABELS + scale.x(tick);
        let class = if tick == 1.0 { "one" } else { "grid" };
        svg.push_str(&format!(
            "<line class=\"{class}\" x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"{TITLE}\" y2=\"{bottom}\"/>\n\
             <text class=\"quiet middle\" x=\"{x:.1}\" y=\"{}\">{tick}×</text>\n",
            bottom + 16.0
        ));
    }
    for (index, (row, ratio)) in rows.iter().enumerate() {
        let y = TITLE + ROW * (index as f64 + 0.5);
        mark(svg, row, ratio, y, scale);
    }
}

/// One peer: its name, the interval with the median on it, the median in figures.
fn mark(svg: &mut String, row: &Row, ratio: &Estimate, y: f64, scale: &Scale) {
    let class = if is_ours(&row.peer) { "ours" } else { "peer" };
    let text_class = match row.peer.as_str() {
        peer if is_ours(peer) => "ours",
        NOISE => "quiet",
        _ => "",
    };
    let base = y + 4.0;
    svg.push_str(&format!(
        "<text class=\"{text_class} end\" x=\"{:.1}\" y=\"{base}\">{}</text>\n\
         <line class=\"{class} whisker\" x1=\"{:.1}\" x2=\"{:.1}\" y1=\"{y}\" y2=\"{y}\"/>\n\
         <circle class=\"{class}\" cx=\"{:.1}\" cy=\"{y}\" r=\"4\"/>\n\
         <text class=\"{text_class}\" x=\"{:.1}\" y=\"{base}\">{:.2}</text>\n",
        LABELS - 10.0,
        row.peer,
        LABELS + scale.x(ratio.low),
        LABELS + scale.x(ratio.high),
        LABELS + scale.x(ratio.median),
        LABELS + PLOT + 10.0,
        ratio.median,
    ));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;

    #[test]
    fn draws_every_peer_but_the_yardstick_in_every_panel() {
        let report = sample::report();
        let svg = draw(&report);
        let panels = report.outcomes.len();
        assert_eq!(svg.matches("<circle").count(), 6 * panels);
        assert_eq!(
            svg.matches(">switchboard (readiness)</text>").count(),
            panels
        );
        assert_eq!(svg.matches("class=\"noise\"").count(), panels);
        assert_eq!(svg.matches("<g ").count(), svg.matches("</g>").count());
    }

    #[test]
    fn cheaper_stands_left_and_nothing_leaves_the_plot() {
        let scale = Scale {
            low: 0.9,
            high: 2.0,
        };
        assert!(scale.x(0.95) < scale.x(1.0));
        assert_eq!(scale.x(0.1), 0.0);
        assert!((scale.x(50.0) - PLOT).abs() < 1e-9);
    }

    #[test]
    fn ticks_always_hold_one_and_keep_their_distance() {
        for (low, high) in [(0.88, 1.27), (0.5, 4.0), (0.3, 1.3)] {
            let scale = Scale { low, high };
            let mut places: Vec<f64> = scale.ticks().iter().map(|t| scale.x(*t)).collect();
            assert!(places.contains(&scale.x(1.0)));
            places.sort_by(f64::total_cmp);
            assert!(places.windows(2).all(|p| p[1] - p[0] >= TICK_DISTANCE));
        }
    }
}
