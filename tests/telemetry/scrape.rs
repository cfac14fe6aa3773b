//! `/metrics`, as a scraper reads it.

use std::collections::{BTreeMap, BTreeSet};

use latchkey_testing::Latchkey;

/// A series: its name and labels, in order.
pub(crate) type Series = (String, BTreeMap<String, String>);

/// Result of one scrape.
pub(crate) struct Scrape {
    pub(crate) series: BTreeMap<Series, f64>,
    /// Types of the metrics, by name.
    pub(crate) types: BTreeMap<String, String>,
}

impl Scrape {
    pub(crate) fn of(latchkey: &Latchkey) -> Self {
        let answer = latchkey.page("/metrics");
        assert_eq!(answer.status, 200, "{}", answer.body);
        let mut scrape = Self { series: BTreeMap::new(), types: BTreeMap::new() };
        for line in answer.body.lines().filter(|line| !line.is_empty()) {
            scrape.line(line);
        }
        scrape
    }

    fn line(&mut self, line: &str) {
        if let Some(about) = line.strip_prefix("# TYPE ") {
            let (name, kind) = about.split_once(' ').expect("a name and a type");
            let twice = self.types.insert(name.to_owned(), kind.to_owned());
            assert!(twice.is_none(), "{name} stands twice");
        } else if !line.starts_with('#') {
            let (series, value) = line.rsplit_once(' ').expect("a series and its value");
            let value = value.parse().unwrap_or_else(|_| panic!("{line}"));
            let twice = self.series.insert(read(series), value);
            assert!(twice.is_none(), "{series} stands twice");
        }
    }

    /// Returns the sum of all series of a name that have these labels.
    pub(crate) fn sum(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        let fits = |have: &BTreeMap<String, String>| {
            labels.iter().all(|(label, value)| have.get(*label).is_some_and(|have| have == value))
        };
        let mine = self.series.iter().filter(|((have, said), _)| have == name && fits(said));
        mine.map(|(_, value)| value).sum()
    }

    /// Returns a sum as a number of events.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "counts of a test are small")]
    pub(crate) fn count(&self, name: &str, labels: &[(&str, &str)]) -> u64 {
        self.sum(name, labels) as u64
    }

    /// Returns the labels of each name.
    pub(crate) fn labels(&self) -> BTreeMap<String, BTreeSet<String>> {
        let mut labels: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for (name, said) in self.series.keys() {
            labels.entry(name.clone()).or_default().extend(said.keys().cloned());
        }
        labels
    }
}

/// Parses `name{label="value",…}`; no value of the tests has a quote in it.
fn read(series: &str) -> Series {
    let Some((name, labels)) = series.split_once('{') else { return (series.to_owned(), BTreeMap::new()) };
    let labels = labels.strip_suffix('}').expect("a closed brace").trim_end_matches('"');
    let pairs = labels.split("\",").map(|pair| {
        let (label, value) = pair.split_once("=\"").unwrap_or_else(|| panic!("{series}"));
        (label.to_owned(), value.to_owned())
    });
    (name.to_owned(), pairs.collect())
}
