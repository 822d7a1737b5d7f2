//! What does a scenario look like? Bars of the figure that it is about, each with its spread.

use std::fmt::Write as _;

use serde_json::Value;

/// The first of these that a scenario has is the one that it is about.
const FIGURES: &[(&str, &str)] = &[
    ("MB/cpu-s", "MB per CPU second, more is better"),
    ("bytes/session", "resident bytes per idle session"),
    ("cpu-us", "CPU microseconds per request"),
    ("p50-us", "p50 in microseconds"),
];
/// Room for the names; the longest bar; the height of a row.
const LEFT: f64 = 150.0;
const WIDTH: f64 = 440.0;
const ROW: usize = 28;

/// Nothing, where a scenario has no figure.
pub(super) fn svg(scenario: &Value, contenders: &[Value]) -> Option<String> {
    let rows = scenario["figures"].as_object()?;
    let (figure, unit) = FIGURES.iter().find(|(figure, _)| rows.values().any(|row| row.get(*figure).is_some()))?;
    let bars: Vec<(&str, &str, [f64; 3])> = contenders
        .iter()
        .filter_map(|one| {
            let name = one["name"].as_str()?;
            let spread = rows.get(name)?.get(*figure)?;
            let value = |which: &str| spread[which].as_f64();
            Some((name, one["kind"].as_str()?, [value("least")?, value("median")?, value("most")?]))
        })
        .collect();
    let top = bars.iter().map(|(_, _, [_, _, most])| *most).fold(f64::MIN_POSITIVE, f64::max);
    let height = 64 + ROW * bars.len();
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"720\" height=\"{height}\" viewBox=\"0 0 720 {height}\" \
         font-family=\"sans-serif\" font-size=\"13\">\n<rect width=\"720\" height=\"{height}\" fill=\"#fff\"/>\n\
         <text x=\"8\" y=\"20\" font-weight=\"bold\">{name}: {unit} (bar: median; line: least to most)</text>\n\
         <text x=\"8\" y=\"38\" font-size=\"11\" fill=\"#555\">{what}</text>\n",
        name = scenario["name"].as_str().unwrap_or_default(),
        what = scenario["what"].as_str().unwrap_or_default(),
    );
    for (place, (name, kind, spread)) in bars.iter().enumerate() {
        bar(&mut svg, 50 + ROW * place, name, colour(kind), spread.map(|value| (value, WIDTH * value / top)));
    }
    svg.push_str("</svg>\n");
    Some(svg)
}

fn colour(kind: &str) -> &'static str {
    match kind {
        "ours" | "ours-shared" => "#0b6e4f",
        "floor" | "pair-floor" => "#b0b0b0",
        _ => "#4f6d8f",
    }
}

/// Each value with its place on the scale.
fn bar(svg: &mut String, y: usize, name: &str, colour: &str, [least, median, most]: [(f64, f64); 3]) {
    let digits = if median.0 >= 100.0 { 0 } else { 1 };
    let _ = writeln!(
        svg,
        "<text x=\"8\" y=\"{text}\">{name}</text><rect x=\"{LEFT}\" y=\"{y}\" width=\"{width:.1}\" height=\"18\" \
         fill=\"{colour}\"/><line x1=\"{from:.1}\" x2=\"{to:.1}\" y1=\"{line}\" y2=\"{line}\" stroke=\"#000\" \
         stroke-width=\"1.5\"/><text x=\"{label:.1}\" y=\"{text}\">{value:.digits$}</text>",
        text = y + 14,
        line = y + 9,
        width = median.1,
        from = LEFT + least.1,
        to = LEFT + most.1,
        label = LEFT + most.1 + 6.0,
        value = median.0,
    );
}
