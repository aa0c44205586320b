use std::fmt::Write;

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
