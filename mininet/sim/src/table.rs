//! What is kept at a number of its own until it is taken out.

use std::ptr;

/// A table whose numbers are used again.
///
/// As the slab crate's, but it can say [where](Table::place) something lies without looking there,
/// which would be to wait for what is only about to be fetched.
#[derive(Debug)]
pub(crate) struct Table<T> {
    entries: Vec<Option<T>>,
    /// Numbers of the empty ones, the last one emptied last: its memory is in the cache.
    free: Vec<u32>,
}

impl<T> Default for Table<T> {
    fn default() -> Self {
        Table { entries: Vec::new(), free: Vec::new() }
    }
}

impl<T> Table<T> {
    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.entries.len() - self.free.len()
    }

    /// Takes something in, and says at which number.
    pub(crate) fn insert(&mut self, value: T) -> u32 {
        if let Some(at) = self.free.pop() {
            self.entries[at as usize] = Some(value);
            return at;
        }
        let at = u32::try_from(self.entries.len()).expect("fewer than 2^32 are there at once");
        self.entries.push(Some(value));
        at
    }

    /// Takes out what is at a number.
    ///
    /// # Panics
    /// If nothing is, here and below: whoever was told a number has it taken out once.
    pub(crate) fn remove(&mut self, at: u32) -> T {
        let value = self.entries[at as usize].take().expect("what was taken in is there");
        self.free.push(at);
        value
    }

    pub(crate) fn at(&self, at: u32) -> &T {
        self.entries[at as usize].as_ref().expect("what was taken in is there")
    }

    pub(crate) fn at_mut(&mut self, at: u32) -> &mut T {
        self.entries[at as usize].as_mut().expect("what was taken in is there")
    }

    /// Where what is at a number lies, and the [`stride`](Table::stride) bytes from there on.
    pub(crate) fn place(&self, at: u32) -> *const u8 {
        ptr::from_ref(&self.entries[at as usize]).cast()
    }

    /// How many bytes one takes.
    pub(crate) const fn stride() -> usize {
        size_of::<Option<T>>()
    }

    /// All of them, in the order of their numbers.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &T> {
        self.entries.iter().flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_used_again_and_places_stay_apart() {
        let mut table = Table::default();
        let [a, b] = [table.insert("a"), table.insert("b")];
        assert_eq!((table.len(), *table.at(a), *table.at(b)), (2, "a", "b"));
        assert_eq!(table.remove(a), "a");
        assert_eq!((table.len(), table.insert("c")), (1, a));
        *table.at_mut(b) = "d";
        assert_eq!(table.iter().copied().collect::<Vec<_>>(), ["c", "d"]);
        let apart = table.place(b).addr() - table.place(a).addr();
        assert_eq!(apart, Table::<&str>::stride());
    }
}
