//! The results of all cells in one tidy table: a row is what was seen of one layer at one group of
//! peers, in one population under one system of one cell.

use std::path::Path;

use super::plan::{Cell, Plan, replace};
use crate::Failure;
use crate::simulate::{Group, Session, Simulations, settled_ratio};

/// A column. What is not known of a row is `None`.
#[derive(Debug, Clone, PartialEq)]
pub enum Column {
    /// Text, always known.
    Text(Vec<String>),
    /// Whole numbers, always known.
    Count(Vec<i64>),
    /// Numbers.
    Number(Vec<Option<f64>>),
}

/// A table: columns of one length, by name.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Table {
    columns: Vec<(String, Column)>,
}

/// What one cell is called in a row.
enum Value<'a> {
    Text(&'a str),
    Count(u64),
    Number(Option<f64>),
}

impl Table {
    /// Its columns.
    pub fn columns(&self) -> &[(String, Column)] {
        &self.columns
    }

    /// How many rows there are.
    pub fn rows(&self) -> usize {
        self.columns.first().map_or(0, |(_, column)| column.len())
    }

    /// Appends a row. Every row has the same names in the same order.
    fn push(&mut self, row: &[(&str, Value<'_>)]) {
        if self.columns.is_empty() {
            let column = |value: &Value<'_>| match value {
                Value::Text(_) => Column::Text(Vec::new()),
                Value::Count(_) => Column::Count(Vec::new()),
                Value::Number(_) => Column::Number(Vec::new()),
            };
            let columns = row.iter().map(|(name, value)| ((*name).to_owned(), column(value)));
            self.columns = columns.collect();
        }
        assert_eq!(self.columns.len(), row.len(), "every row has a value for each column");
        for ((_, column), (name, value)) in self.columns.iter_mut().zip(row) {
            match (column, value) {
                (Column::Text(column), Value::Text(text)) => column.push((*text).to_owned()),
                (Column::Count(column), Value::Count(count)) => column.push(*count as i64),
                (Column::Number(column), Value::Number(number)) => column.push(*number),
                _ => panic!("{name} is of one type in every row"),
            }
        }
    }

    /// Appends what came of a cell.
    pub(super) fn add(&mut self, plan: &Plan, cell: &Cell, result: &Simulations) {
        // These have columns of their own, in which what was not asked for stands as well.
        let own = |name: &str| name == "seed" || name == "system";
        let settings = plan.axes.iter().zip(&cell.values).filter(|(axis, _)| !own(&axis.name));
        let settings: Vec<(&str, Value<'_>)> = settings
            .map(|(axis, value)| {
                let number = |value: &String| value.parse::<f64>().ok().filter(|n| n.is_finite());
                let value = match axis.values.iter().all(|value| number(value).is_some()) {
                    true => Value::Number(number(value)),
                    false => Value::Text(value),
                };
                (axis.name.as_str(), value)
            })
            .collect();
        for run in &result.runs {
            for group in std::iter::once(None).chain(Group::ALL.map(Some)) {
                let of_group =
                    || run.sessions.iter().filter(|s| group.is_none_or(|group| s.group == group));
                let count = of_group().count();
                if count == 0 {
                    continue;
                }
                for layer in 0..result.chunks_per_s.len() {
                    let sum = |what: &dyn Fn(&Session) -> u64| of_group().map(what).sum::<u64>();
                    let (due, played) = (sum(&|s| s.due[layer]), sum(&|s| s.played[layer]));
                    let seconds = sum(&|s| s.due[0]) as f64 / result.chunks_per_s[0];
                    let kbit = sum(&|s| s.bytes) as f64 * 8e-3 / seconds;
                    let mut row = vec![
                        ("cell", Value::Text(&cell.hash)),
                        ("scenario", Value::Text(&result.scenario)),
                        ("seed", Value::Count(result.seed)),
                        ("population", Value::Text(&run.population)),
                        ("system", Value::Text(&run.system)),
                    ];
                    row.extend(settings.iter().map(|(name, value)| (*name, value.again())));
                    row.extend([
                        ("group", Value::Text(group.map_or("all", Group::name))),
                        ("layer", Value::Count(layer as u64 + 1)),
                        ("sessions", Value::Count(count as u64)),
                        ("due", Value::Count(due)),
                        ("played", Value::Count(played)),
                        ("ratio", Value::Number((due > 0).then(|| played as f64 / due as f64))),
                        ("settled_ratio", Value::Number(settled_ratio(of_group(), layer))),
                        ("playback_kbit", Value::Number((seconds > 0.0).then_some(kbit))),
                        ("startup_s", Value::Number(Session::median_startup(of_group()))),
                        ("peers_peak", Value::Count(run.peak)),
                        ("resource_index_seen", Value::Number(Some(run.resource_index))),
                        ("uploaded", Value::Number(Some(run.uploaded))),
                        ("offload", Value::Number(Some(run.offload))),
                        ("deliveries", Value::Count(run.cost.deliveries)),
                        ("elapsed_s", Value::Number(Some(run.cost.elapsed_s))),
                    ]);
                    self.push(&row);
                }
            }
        }
    }

    /// Writes it as CSV; what is not known is empty.
    pub(super) fn write_csv(&self, path: &Path) -> Result<(), Failure> {
        let mut writer = csv::Writer::from_writer(Vec::new());
        writer.write_record(self.columns.iter().map(|(name, _)| name))?;
        for row in 0..self.rows() {
            writer.write_record(self.columns.iter().map(|(_, column)| column.text(row)))?;
        }
        let bytes = writer.into_inner().map_err(|error| error.into_error())?;
        Ok(replace(path, &bytes)?)
    }
}

impl Value<'_> {
    fn again(&self) -> Value<'_> {
        match self {
            Value::Text(text) => Value::Text(text),
            Value::Count(count) => Value::Count(*count),
            Value::Number(number) => Value::Number(*number),
        }
    }
}

impl Column {
    fn len(&self) -> usize {
        match self {
            Column::Text(column) => column.len(),
            Column::Count(column) => column.len(),
            Column::Number(column) => column.len(),
        }
    }

    fn text(&self, row: usize) -> String {
        match self {
            Column::Text(column) => column[row].clone(),
            Column::Count(column) => column[row].to_string(),
            Column::Number(column) => column[row].map(|n| n.to_string()).unwrap_or_default(),
        }
    }
}
