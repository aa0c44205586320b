//! Whether the controllers of two runs decided the same.

/// Compares decisions in their order: how many there are, or where two lists differ first, and what
/// each has there.
///
/// Hosts that were made offers together answer in whichever order the network has it, so the order
/// of joins that follow each other does not count.
pub(super) fn compare(a: &[String], b: &[String]) -> Result<usize, (usize, String, String)> {
    let [a, b] = [a, b].map(ordered);
    for index in 0..a.len().max(b.len()) {
        let (left, right) = (a.get(index), b.get(index));
        if left != right {
            let text = |side: Option<&&str>| (*side.unwrap_or(&"nothing")).to_owned();
            return Err((index, text(left), text(right)));
        }
    }
    Ok(a.len())
}

/// The decisions, with joins that follow each other sorted.
fn ordered(decisions: &[String]) -> Vec<&str> {
    let is_join = |decision: &str| decision.contains(r#""event":"joined""#);
    let mut decisions: Vec<&str> = decisions.iter().map(String::as_str).collect();
    for together in decisions.chunk_by_mut(|a, b| is_join(a) && is_join(b)) {
        together.sort_unstable();
    }
    decisions
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decisions(events: &[(&str, &str)]) -> Vec<String> {
        let decision = |(event, host)| format!(r#"{{"event":"{event}","host":"{host}"}}"#);
        events.iter().copied().map(decision).collect()
    }

    #[test]
    fn answers_may_come_in_any_order_and_nothing_else() {
        let first =
            decisions(&[("offered", "a"), ("offered", "b"), ("joined", "a"), ("joined", "b")]);
        let answered = [0, 1, 3, 2].map(|at: usize| first[at].clone());
        assert_eq!(compare(&first, &answered), Ok(4));
        let offered = [1, 0, 2, 3].map(|at: usize| first[at].clone());
        let (index, left, right) = compare(&first, &offered).expect_err("offers have an order");
        assert_eq!((index, &left, &right), (0, &first[0], &first[1]));

        // A decision between them says which came first.
        let apart = |hosts: [&str; 2]| {
            decisions(&[("joined", hosts[0]), ("withdrawn", "c"), ("joined", hosts[1])])
        };
        assert!(compare(&apart(["a", "b"]), &apart(["b", "a"])).is_err());
        // Somebody else who joins is a difference, and so is nobody.
        let other =
            decisions(&[("offered", "a"), ("offered", "b"), ("joined", "a"), ("joined", "c")]);
        assert_eq!(compare(&first, &other).expect_err("c joined").0, 3);
        let (index, _, right) = compare(&first, &first[..3]).expect_err("b is missing");
        assert_eq!((index, right.as_str()), (3, "nothing"));
    }
}
