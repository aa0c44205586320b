use plotters::prelude::*;

use super::canvas::{Area, Drawn, dressed, legend};
use super::style;

/// Bars in groups, with their value above each.
pub(super) struct Bars<'a> {
    /// Above the panel.
    pub title: &'a str,
    /// Of the vertical axis, with its unit.
    pub unit: &'a str,
    /// Under each group.
    pub groups: Vec<String>,
    /// What the bars of a group stand for, in order, and their colours.
    pub series: Vec<(&'a str, RGBColor)>,
    /// `values[group][series]`; nothing where there is no value.
    pub values: Vec<Vec<Option<f64>>>,
}

impl Bars<'_> {
    pub(super) fn draw(&self, area: &Area<'_>) -> Drawn {
        let most = self.values.iter().flatten().flatten().copied().fold(0.0, f64::max);
        // Room above the bars for the values and the legend.
        let top = if most > 0.0 { most * 1.35 } else { 1.0 };
        let groups = self.groups.len() as f64;
        let mut chart = ChartBuilder::on(area)
            .caption(self.title, style::text(16))
            .margin(12)
            .x_label_area_size(30)
            .y_label_area_size(58)
            .build_cartesian_2d(0.0..groups, 0.0..top)?;
        dressed(&mut chart.configure_mesh())
            .disable_x_mesh()
            .disable_x_axis()
            .y_desc(self.unit)
            .y_labels(6)
            .y_label_formatter(&|value| short(*value))
            .draw()?;
        let width = 0.8 / self.series.len().max(1) as f64;
        for (position, (label, colour)) in self.series.iter().enumerate() {
            let colour = *colour;
            let bar = |group: usize| {
                let value = self.values.get(group)?.get(position).copied()??;
                let left = group as f64 + 0.1 + width * position as f64;
                Some((left, value))
            };
            let bars = (0..self.groups.len()).filter_map(bar).map(|(left, value)| {
                Rectangle::new(
                    [(left + width * 0.04, 0.0), (left + width * 0.96, value)],
                    colour.filled(),
                )
            });
            chart.draw_series(bars)?.label(*label).legend(move |(x, y)| {
                Rectangle::new([(x, y - 5), (x + 14, y + 5)], colour.filled())
            });
            let centred = style::text(12).pos(plotters::style::text_anchor::Pos::new(
                plotters::style::text_anchor::HPos::Center,
                plotters::style::text_anchor::VPos::Bottom,
            ));
            chart.draw_series((0..self.groups.len()).filter_map(bar).map(|(left, value)| {
                Text::new(short(value), (left + width / 2.0, value + top * 0.01), centred.clone())
            }))?;
        }
        let (plot, _) = (chart.plotting_area(), ());
        let (across, down) = plot.get_pixel_range();
        for (group, name) in self.groups.iter().enumerate() {
            let x = f64::from(across.start)
                + (group as f64 + 0.5) / groups * f64::from(across.end - across.start);
            let (left, up) = area.get_base_pixel();
            let centred = style::text(13).pos(plotters::style::text_anchor::Pos::new(
                plotters::style::text_anchor::HPos::Center,
                plotters::style::text_anchor::VPos::Top,
            ));
            area.draw(&Text::new(name.clone(), (x as i32 - left, down.end - up + 8), centred))?;
        }
        legend(&mut chart, SeriesLabelPosition::UpperLeft)
    }
}

fn short(value: f64) -> String {
    match value {
        v if v >= 100.0 => format!("{v:.0}"),
        v if v >= 10.0 => format!("{v:.1}"),
        0.0 => "0".to_owned(),
        v => format!("{v:.2}"),
    }
}
