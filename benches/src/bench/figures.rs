//! Numbers of several rounds, and the table of their medians.

use std::fmt::Write;

/// What was measured, in the order in which it was first.
#[derive(Debug, Default)]
pub(crate) struct Figures(Vec<Figure>);

#[derive(Debug)]
struct Figure {
    name: &'static str,
    size: usize,
    values: Vec<f64>,
}

impl Figures {
    pub(crate) fn add(&mut self, name: &'static str, size: usize, value: f64) {
        match self.0.iter_mut().find(|figure| figure.name == name && figure.size == size) {
            Some(figure) => figure.values.push(value),
            None => self.0.push(Figure { name, size, values: vec![value] }),
        }
    }

    fn get(&self, name: &str, size: usize) -> Option<&Figure> {
        self.0.iter().find(|figure| figure.name == name && figure.size == size)
    }

    /// One line a figure, one column a size: the median, and the least and the most of all rounds.
    pub(crate) fn table(&self, rows: &[(&'static str, &'static str)], sizes: &[usize]) -> String {
        let mut text = format!("{:<52}", "");
        for size in sizes {
            let _ = write!(text, "{:>28}", format!("{size} KB"));
        }
        text.push('\n');
        for (name, target) in rows {
            let _ = write!(text, "{name:<52}");
            for size in sizes {
                let _ = write!(text, "{:>28}", self.get(name, *size).map_or_else(String::new, Figure::text));
            }
            let _ = writeln!(text, "  {target}");
        }
        text
    }
}

impl Figure {
    fn text(&self) -> String {
        let mut values = self.values.clone();
        values.sort_by(f64::total_cmp);
        let at = |place: usize| values.get(place).copied().unwrap_or_default();
        let (median, least, most) = (at(values.len() / 2), at(0), at(values.len().saturating_sub(1)));
        format!("{} ({}-{})", short(median), short(least), short(most))
    }
}

/// Three digits or so.
fn short(value: f64) -> String {
    match value {
        value if value >= 100.0 => format!("{value:.0}"),
        value if value >= 10.0 => format!("{value:.1}"),
        value => format!("{value:.2}"),
    }
}
