//! What most say, where some may lie.

/// The median, the lower of two; `None` of nothing.
///
/// Neighbours mostly say the same few things, so that it is found among the first values that are
/// counted; each of those rules out all on its far side. Liars can make it count for every value,
/// no more often.
pub(super) fn median<T: Ord + Copy>(values: &[T]) -> Option<T> {
    let middle = values.len().checked_sub(1)? / 2;
    let (mut low, mut high) = (None, None);
    values.iter().copied().find(|&value| {
        if low.is_some_and(|low| value <= low) || high.is_some_and(|high| value >= high) {
            return false;
        }
        let count =
            |is: fn(&T, &T) -> bool| values.iter().filter(|other| is(other, &value)).count();
        if count(T::lt) > middle {
            high = Some(value);
            return false;
        }
        low = Some(value);
        count(T::le) > middle
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn half_of_them_at_most_lie_on_either_side() {
        assert_eq!(median(&[7]), Some(7));
        assert_eq!(median(&[9, 1, 5]), Some(5));
        assert_eq!(median(&[8, 1, 5, 2]), Some(2), "the lower of two");
        assert_eq!(median::<u8>(&[]), None);
    }

    proptest! {
        #[test]
        fn it_is_the_middle_one_of_the_sorted(mut values in prop::collection::vec(0u8..20, 1..60)) {
            let found = median(&values);
            values.sort_unstable();
            prop_assert_eq!(found, Some(values[(values.len() - 1) / 2]));
        }
    }
}
