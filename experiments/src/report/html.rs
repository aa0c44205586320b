use std::fmt::Write;

use crate::figures::Figure;
use crate::result::{Trust, Verdict};

/// Text as HTML shows it, in elements and in attributes.
pub fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            other => out.push(other),
        }
    }
    out
}

/// A cell of a table.
pub(crate) enum Cell {
    /// Text, to the left.
    Text(String),
    /// A number, to the right.
    Number(String),
    /// Met, missed or not measured.
    Mark(&'static str, &'static str),
}

impl Cell {
    pub(crate) fn text(text: impl Into<String>) -> Cell {
        Cell::Text(text.into())
    }

    /// A number with this many decimals; a dash if there is none.
    pub(crate) fn number(value: Option<f64>, decimals: usize) -> Cell {
        Cell::Number(value.map_or_else(|| "-".to_owned(), |value| format!("{value:.decimals$}")))
    }

    /// What became of a goal.
    pub(crate) fn verdict(verdict: Verdict) -> Cell {
        match verdict {
            Verdict::Met => Cell::Mark("met", "met"),
            Verdict::Missed => Cell::Mark("missed", "missed"),
            Verdict::NotMeasured => Cell::Mark("none", "not measured"),
        }
    }

    /// Whether a run can be believed.
    pub(crate) fn trust(trust: Trust) -> Cell {
        match trust {
            Trust::Trusted => Cell::Mark("met", "trusted"),
            Trust::Doubtful => Cell::Mark("missed", "doubtful"),
        }
    }
}

/// A page around its body, which refers to nothing outside itself.
pub(crate) fn document(title: &str, body: &str) -> String {
    format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>nearcast: {}</title>\n<style>{}</style></head>\n<body><main>\n{body}</main></body></html>\n",
        escape(title),
        include_str!("style.css"),
    )
}

/// The head of a report: what it is of, and why it is not whole if it is not. It stays open.
pub(crate) fn begin(out: &mut String, scenario: &str, title: &str, incomplete: Option<&str>) {
    let _ = write!(
        out,
        "<header><p class=\"kicker\">nearcast &middot; {}</p><h1>{}</h1>",
        escape(scenario),
        escape(title)
    );
    if let Some(why) = incomplete {
        let _ = write!(
            out,
            "<p class=\"warning\"><strong>Incomplete:</strong> {}. What follows is what there was by then.</p>",
            escape(why)
        );
    }
}

/// A figure with its title and what it shows.
pub(crate) fn put_figure(out: &mut String, figure: &Figure) {
    let _ = writeln!(
        out,
        "<figure><h3>{}</h3><div class=\"scroll\">{}</div><figcaption>{}</figcaption></figure>",
        escape(&figure.title),
        figure.inline(),
        escape(&figure.caption)
    );
}

/// A section of all figures.
pub(crate) fn put_figures(out: &mut String, figures: &[Figure]) {
    out.push_str("<section><h2>Figures</h2>\n");
    figures.iter().for_each(|figure| put_figure(out, figure));
    out.push_str("</section>\n");
}

/// Text beyond this many bytes may be broken into lines.
const LONG: usize = 22;

/// A table; what is put into cells is escaped here.
pub(crate) fn table(header: &[&str], rows: &[Vec<Cell>]) -> String {
    let mut out = String::from("<div class=\"scroll\"><table><thead><tr>");
    let is_number = |column: usize| {
        rows.first().is_some_and(|row| matches!(row.get(column), Some(Cell::Number(_))))
    };
    for (column, title) in header.iter().enumerate() {
        let class = if is_number(column) { " class=\"number\"" } else { "" };
        let _ = write!(out, "<th{class}>{}</th>", escape(title));
    }
    out.push_str("</tr></thead><tbody>");
    for row in rows {
        out.push_str("<tr>");
        for cell in row {
            let _ = match cell {
                Cell::Text(text) if text.len() > LONG => write!(out, "<td>{}</td>", escape(text)),
                Cell::Text(text) => write!(out, "<td class=\"short\">{}</td>", escape(text)),
                Cell::Number(text) => write!(out, "<td class=\"number\">{}</td>", escape(text)),
                Cell::Mark(class, text) => {
                    write!(out, "<td><span class=\"mark {class}\">{text}</span></td>")
                }
            };
        }
        out.push_str("</tr>");
    }
    out.push_str("</tbody></table></div>\n");
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_from_a_result_becomes_markup() {
        let html = table(&["<b>"], &[vec![Cell::text("<script>alert('x')</script>")]]);
        assert!(!html.contains("<script>") && !html.contains("<b>"), "{html}");
        assert!(html.contains("&lt;script&gt;"), "{html}");
    }
}
