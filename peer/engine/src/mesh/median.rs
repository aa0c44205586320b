//! What most say, where some may lie.

/// The median, the lower of two; `None` of nothing. Leaves the values in another order.
pub(super) fn median<T: Ord + Copy>(values: &mut [T]) -> Option<T> {
    let middle = values.len().checked_sub(1)? / 2;
    Some(*values.select_nth_unstable(middle).1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_of_them_at_most_lie_on_either_side() {
        assert_eq!(median(&mut [7]), Some(7));
        assert_eq!(median(&mut [9, 1, 5]), Some(5));
        assert_eq!(median(&mut [8, 1, 5, 2]), Some(2), "the lower of two");
        assert_eq!(median::<u8>(&mut []), None);
    }
}
