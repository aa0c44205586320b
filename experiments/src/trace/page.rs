//! The page of a trace, which refers to nothing outside itself.

use std::fmt::Write;

use nearcast_sim::trace::Fit;

use crate::figures::Figure;
use crate::report::escape;
use crate::report::html::{Cell, begin, document, put_figures, table};
use crate::result::Verdict;

/// The whole page.
pub(super) fn page(name: &str, command: &str, scale: f64, fit: &Fit, figures: &[Figure]) -> String {
    let mut out = String::new();
    begin(&mut out, "trace", name, None);
    out.push_str("</header>\n");
    checks(&mut out, scale, fit);
    put_figures(&mut out, figures);
    classes(&mut out, fit);
    let _ = write!(
        out,
        "<section><h2>To make it again</h2><p><code>{}</code> (nearcast {})</p></section>",
        escape(command),
        env!("CARGO_PKG_VERSION")
    );
    document(name, &out)
}

fn checks(out: &mut String, scale: f64, fit: &Fit) {
    let _ = write!(
        out,
        "<section><h2>What is published of CCTV3&rsquo;s day, and this trace</h2>\n\
         <p>Liu et al., section VI.A: a day of the PPLive channel CCTV3, whose trace is not public. Numbers of \
         users are held against its own times {scale}.</p>\n"
    );
    let rows: Vec<Vec<Cell>> = fit
        .checks
        .iter()
        .map(|check| {
            vec![
                Cell::verdict(Verdict::of(check.met)),
                Cell::text(check.property),
                Cell::text(&check.published),
                Cell::text(&check.ours),
            ]
        })
        .collect();
    out.push_str(&table(&["", "property", "published", "this trace"], &rows));
    out.push_str("</section>\n");
}

fn classes(out: &mut String, fit: &Fit) {
    out.push_str("<section><h2>Classes of bandwidth</h2>\n");
    if fit.classes.is_empty() {
        out.push_str(
            "<p>The trace has no bandwidths (a column <code>capacity_kbit_s</code>); a simulation deals those \
             of its scenario.</p></section>\n",
        );
        return;
    }
    let rows: Vec<Vec<Cell>> = fit
        .classes
        .iter()
        .map(|class| {
            vec![
                Cell::number(Some(class.capacity_kbit_s as f64), 0),
                Cell::number(Some(class.published * 100.0), 1),
                Cell::number(Some(class.ours * 100.0), 1),
            ]
        })
        .collect();
    let header = ["bandwidth, kbit/s", "of all peers by Table II, %", "of this trace, %"];
    out.push_str(&table(&header, &rows));
    out.push_str("</section>\n");
}
