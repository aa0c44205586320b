use std::ops::Range;

use plotters::chart::MeshStyle;
use plotters::coord::ranged1d::Ranged;
use plotters::coord::{CoordTranslate, Shift};
use plotters::prelude::*;

use super::style;

/// A drawing area of an SVG.
pub(crate) type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
/// What goes wrong while drawing; into a string nothing does.
pub(crate) type Drawn = Result<(), Box<dyn std::error::Error>>;

/// A chart with two plain axes.
pub(crate) type Plane<'a, 'b> = ChartContext<
    'a,
    SVGBackend<'b>,
    Cartesian2d<plotters::coord::types::RangedCoordf64, plotters::coord::types::RangedCoordf64>,
>;

/// A chart across and up, with what its axes show.
pub(crate) fn plane<'a, 'b: 'a>(
    area: &Area<'b>,
    (across, up): (Range<f64>, Range<f64>),
    x: &str,
    y: &str,
) -> Result<Plane<'a, 'b>, Box<dyn std::error::Error>> {
    let mut chart = framed(area).build_cartesian_2d(across, up)?;
    let drawn: Drawn = (|| {
        dressed(&mut chart.configure_mesh())
            .x_desc(x)
            .y_desc(y)
            .x_label_formatter(&short)
            .y_label_formatter(&short)
            .y_labels(6)
            .draw()?;
        Ok(())
    })();
    drawn.map(|()| chart)
}

/// A chart to be, with the room around it that its axes take.
pub(crate) fn framed<'a, 'b>(area: &'a Area<'b>) -> ChartBuilder<'a, 'b, SVGBackend<'b>> {
    let mut chart = ChartBuilder::on(area);
    chart.margin(14).margin_right(24).x_label_area_size(44).y_label_area_size(58);
    chart
}

/// The lines and the text of axes, as all charts have them.
pub(crate) fn dressed<'m, 'a, 'b, 's, X, Y>(
    mesh: &'m mut MeshStyle<'a, 'b, X, Y, SVGBackend<'s>>,
) -> &'m mut MeshStyle<'a, 'b, X, Y, SVGBackend<'s>>
where
    X: Ranged,
    Y: Ranged,
{
    mesh.light_line_style(TRANSPARENT)
        .bold_line_style(style::GRID)
        .axis_style(style::DIM)
        .label_style(style::text(13))
        .axis_desc_style(style::dim_text(13))
}

/// A number at an axis, without decimals that say nothing.
fn short(number: &f64) -> String {
    ((number * 1e6).round() / 1e6).to_string()
}

/// The corners of the distribution of these values; those that fall on one pixel are one.
pub(crate) fn distribution<X, Y>(
    chart: &ChartContext<'_, SVGBackend<'_>, Cartesian2d<X, Y>>,
    ascending: &[f64],
) -> Vec<(f64, f64)>
where
    X: Ranged<ValueType = f64>,
    Y: Ranged<ValueType = f64>,
{
    let count = ascending.len() as f64;
    let step =
        |(n, &value): (usize, &f64)| [(value, n as f64 / count), (value, (n + 1) as f64 / count)];
    let mut corners: Vec<(f64, f64)> = ascending.iter().enumerate().flat_map(step).collect();
    corners.dedup_by_key(|corner| chart.backend_coord(corner));
    corners
}

/// The names of the series, in a corner of the plot.
pub(crate) fn legend<'a, 'b: 'a, C: CoordTranslate>(
    chart: &mut ChartContext<'a, SVGBackend<'b>, C>,
    corner: SeriesLabelPosition,
) -> Drawn {
    chart
        .configure_series_labels()
        .position(corner)
        .label_font(style::text(13))
        .border_style(TRANSPARENT)
        // Points may lie under it.
        .background_style(WHITE.mix(0.85))
        .margin(6)
        .draw()?;
    Ok(())
}

/// A drawn figure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Figure {
    /// The file's name without its ending.
    pub name: String,
    /// What it shows.
    pub title: String,
    /// How to read it.
    pub caption: String,
    svg: String,
}

impl Figure {
    /// Draws on an empty canvas of this size.
    ///
    /// # Panics
    /// If `draw` fails: it draws into a string, so that would be a mistake in the drawing code.
    pub(crate) fn draw(
        name: impl Into<String>,
        title: impl Into<String>,
        caption: impl Into<String>,
        size: (u32, u32),
        draw: impl FnOnce(&Area<'_>) -> Drawn,
    ) -> Figure {
        let mut svg = String::new();
        {
            let area = SVGBackend::with_string(&mut svg, size).into_drawing_area();
            draw(&area)
                .and_then(|()| Ok(area.present()?))
                .expect("drawing into a string cannot fail");
        }
        Figure { name: name.into(), title: title.into(), caption: caption.into(), svg }
    }

    /// A file of its own, on white.
    pub fn standalone(&self) -> String {
        self.after_root(r##"<rect width="100%" height="100%" fill="#FFFFFF" stroke="none"/>"##)
    }

    /// A part of a page: no background, and the page's palette by CSS variables, which presentation
    /// attributes take as any declaration does. The text remains text, to be selected and read
    /// aloud.
    pub fn inline(&self) -> String {
        let mut svg = self.after_root("");
        for (colour, variable) in style::VARIABLES {
            svg = svg.replace(&style::hex(colour), &format!("var({variable})"));
        }
        let start = svg.find("<svg").unwrap_or(0);
        let role =
            format!(r#"<svg role="img" aria-label="{}""#, crate::report::escape(&self.title));
        svg.replacen("<svg", &role, 1).split_off(start)
    }

    fn after_root(&self, what: &str) -> String {
        let root = self.svg.find("<svg").unwrap_or(0);
        let end = self.svg[root..].find('>').map_or(self.svg.len(), |end| root + end + 1);
        format!("{}\n{what}{}", &self.svg[..end], &self.svg[end..])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_distribution_has_no_more_corners_than_pixels() {
        let values: Vec<f64> = (0..100_000).map(|n| f64::from(n).sqrt() / 400.0).collect();
        let mut seen = Vec::new();
        Figure::draw("d", "a distribution", "of many", (200, 100), |area| {
            let chart = plane(area, (0.0..1.0, 0.0..1.0), "x", "y")?;
            let corners = distribution(&chart, &values);
            let pixels = corners.iter().map(|corner| chart.backend_coord(corner));
            seen = pixels.zip(corners.iter().copied()).collect();
            Ok(())
        });
        assert!((50..300).contains(&seen.len()), "{}", seen.len());
        assert!(seen.windows(2).all(|two| two[0].0 != two[1].0), "no pixel twice in a row");
        assert!(seen.is_sorted_by(|a, b| a.1.0 <= b.1.0 && a.1.1 <= b.1.1));
        // What is left out lies where something is drawn: the curve is x^2 * 1.6.
        assert!(seen.iter().all(|(_, (x, y))| (x * x * 1.6 - y).abs() < 1e-3));
    }

    #[test]
    fn numbers_at_axes_have_the_decimals_that_say_something() {
        assert_eq!(
            [10_000.0, 0.1 + 0.2, 0.0, 1.25].map(|n| short(&n)),
            ["10000", "0.3", "0", "1.25"]
        );
    }

    #[test]
    fn a_page_s_palette_takes_the_place_of_ours() {
        let figure = Figure::draw("x", "A <title>", "", (200, 100), |area| {
            area.draw(&Rectangle::new([(1, 1), (50, 50)], style::INK.filled()))?;
            area.draw(&Text::new("10 < 20", (60, 60), style::text(12)))?;
            Ok(())
        });
        let inline = figure.inline();
        assert!(inline.contains("fill=\"var(--ink)\""), "{inline}");
        assert!(!inline.contains("#1B1F24"), "{inline}");
        assert!(inline.contains("A &lt;title&gt;") && inline.starts_with("<svg"), "{inline}");
        assert!(figure.standalone().contains("#FFFFFF"));
    }
}
