//! How does the table of series become a scrape?
#![expect(clippy::disallowed_types, reason = "the one place that makes series")]

use std::collections::{BTreeMap, BTreeSet};

use prometheus::{
    Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry,
    TextEncoder,
};

use super::series::{ConduitLabels, Dimension, Kind, PREFIX, SERIES, Series, SiteLabels};

/// The media type of `Families::text`.
pub const TEXT_FORMAT: &str = prometheus::TEXT_FORMAT;

/// One registry with every series of [`SERIES`].
#[derive(Debug)]
pub(super) struct Families {
    registry: Registry,
    counters: BTreeMap<&'static str, IntCounterVec>,
    gauges: BTreeMap<&'static str, IntGaugeVec>,
    histograms: BTreeMap<&'static str, HistogramVec>,
}

impl Families {
    /// Registers the table and brings every known series to life at 0.
    pub(super) fn new(site: &SiteLabels) -> Self {
        let mut families = Self {
            registry: Registry::new(),
            counters: BTreeMap::new(),
            gauges: BTreeMap::new(),
            histograms: BTreeMap::new(),
        };
        for series in SERIES {
            families.register(series);
            rows(series, site).iter().for_each(|row| families.touch_row(series, row));
        }
        families
    }

    /// Brings the series of `new` to life and forgets those that only `old` had, but for the info gauges, which their
    /// owners set.
    pub(super) fn follow(&self, old: &SiteLabels, new: &SiteLabels) {
        for series in SERIES.iter().filter(|one| one.name != "config_info") {
            let kept = rows(series, new);
            for row in &kept {
                self.touch_row(series, row);
            }
            for row in rows(series, old).difference(&kept) {
                self.forget_row(series, row);
            }
        }
    }

    /// The counter of `name` with these label values, in the table's order.
    pub(super) fn counter(&self, name: &str, labels: &[&str]) -> IntCounter {
        self.counters.get(name).expect("the table has every counter that is resolved").with_label_values(labels)
    }

    /// The gauge of `name` with these label values, in the table's order.
    pub(super) fn gauge(&self, name: &str, labels: &[&str]) -> IntGauge {
        self.gauges.get(name).expect("the table has every gauge that is resolved").with_label_values(labels)
    }

    /// The histogram of `name` with these label values, in the table's order.
    pub(super) fn histogram(&self, name: &str, labels: &[&str]) -> Histogram {
        self.histograms.get(name).expect("the table has every histogram that is resolved").with_label_values(labels)
    }

    /// The one series of an info gauge.
    pub(super) fn only(&self, name: &str, site: &SiteLabels) -> IntGauge {
        let row = SERIES.iter().find(|one| one.name == name).expect("the table has every info gauge");
        let labels: Vec<String> = row.labels.iter().flat_map(|one| one.values(site, None)).collect();
        self.gauge(name, &labels.iter().map(String::as_str).collect::<Vec<_>>())
    }

    /// Forgets all series of the gauge `name`: what an info gauge said before.
    pub(super) fn forget(&self, name: &str) {
        self.gauges.get(name).expect("the table has every gauge that is forgotten").reset();
    }

    /// The scrape. Families are sorted by name.
    pub(super) fn text(&self) -> String {
        let encoded = TextEncoder::new().encode_to_string(&self.registry.gather());
        encoded.expect("every family has samples of one kind")
    }

    fn register(&mut self, series: &'static Series) {
        const VALID: &str = "names and labels of the table are valid and stand once";
        let labels: Vec<&str> = series.labels.iter().map(|one| one.label()).collect();
        let name = format!("{PREFIX}{}", series.name);
        match series.kind {
            Kind::Counter => {
                let made = IntCounterVec::new(Opts::new(name, series.help), &labels).expect(VALID);
                self.registry.register(Box::new(made.clone())).expect(VALID);
                self.counters.insert(series.name, made);
            }
            Kind::Gauge => {
                let made = IntGaugeVec::new(Opts::new(name, series.help), &labels).expect(VALID);
                self.registry.register(Box::new(made.clone())).expect(VALID);
                self.gauges.insert(series.name, made);
            }
            Kind::Histogram(buckets) => {
                let opts = HistogramOpts::new(name, series.help).buckets(buckets.to_vec());
                let made = HistogramVec::new(opts, &labels).expect(VALID);
                self.registry.register(Box::new(made.clone())).expect(VALID);
                self.histograms.insert(series.name, made);
            }
        }
    }

    fn touch_row(&self, series: &Series, row: &[String]) {
        let row: Vec<&str> = row.iter().map(String::as_str).collect();
        match series.kind {
            Kind::Counter => drop(self.counter(series.name, &row)),
            Kind::Gauge => drop(self.gauge(series.name, &row)),
            Kind::Histogram(_) => drop(self.histogram(series.name, &row)),
        }
    }

    fn forget_row(&self, series: &Series, row: &[String]) {
        let row: Vec<&str> = row.iter().map(String::as_str).collect();
        // One that is not there is forgotten already.
        let _ = match series.kind {
            Kind::Counter => self.counters.get(series.name).map(|one| one.remove_label_values(&row)),
            Kind::Gauge => self.gauges.get(series.name).map(|one| one.remove_label_values(&row)),
            Kind::Histogram(_) => self.histograms.get(series.name).map(|one| one.remove_label_values(&row)),
        };
    }
}

/// The label values of every series of a row of the table.
fn rows(series: &Series, site: &SiteLabels) -> BTreeSet<Vec<String>> {
    let of = |conduit: Option<&ConduitLabels>| {
        let mut rows: Vec<Vec<String>> = vec![Vec::new()];
        for label in series.labels {
            let values = label.values(site, conduit);
            let longer = |row: &Vec<String>, value: &String| [row.as_slice(), std::slice::from_ref(value)].concat();
            rows = rows.iter().flat_map(|row| values.iter().map(move |value| longer(row, value))).collect();
        }
        rows
    };
    match series.labels.first() {
        Some(Dimension::Conduit) => site.conduits.iter().flat_map(|one| of(Some(one))).collect(),
        _ => of(None).into_iter().collect(),
    }
}
