//! A slab in pages: what is in it never moves, and growing copies nothing.
//!
//! One contiguous slab of very many entries would be copied each time it grows, and what it leaves
//! behind is as large as itself and of no use to anything else.

use std::ops::{Index, IndexMut};

use slab::Slab;

/// Entries of a page.
const PAGE: usize = 256;

#[derive(Debug)]
pub(super) struct Shelf<T> {
    /// None holds more than [`PAGE`].
    pages: Vec<Slab<T>>,
    /// Pages that hold fewer.
    roomy: Vec<usize>,
    len: usize,
}

impl<T> Default for Shelf<T> {
    fn default() -> Self {
        Self { pages: Vec::new(), roomy: Vec::new(), len: 0 }
    }
}

impl<T> Shelf<T> {
    /// Returns the key.
    pub(super) fn insert(&mut self, entry: T) -> usize {
        let number = self.roomy.last().copied().unwrap_or_else(|| {
            self.pages.push(Slab::new());
            self.roomy.push(self.pages.len() - 1);
            self.pages.len() - 1
        });
        let page = &mut self.pages[number];
        if page.capacity() == 0 {
            page.reserve_exact(PAGE);
        }
        let key = page.insert(entry);
        if page.len() == PAGE {
            self.roomy.pop();
        }
        self.len += 1;
        number * PAGE + key
    }

    pub(super) fn get(&self, key: usize) -> Option<&T> {
        self.pages.get(key / PAGE)?.get(key % PAGE)
    }

    pub(super) fn get_mut(&mut self, key: usize) -> Option<&mut T> {
        self.pages.get_mut(key / PAGE)?.get_mut(key % PAGE)
    }

    /// Takes an entry out, if it is there.
    pub(super) fn remove(&mut self, key: usize) -> Option<T> {
        let number = key / PAGE;
        let page = self.pages.get_mut(number)?;
        let entry = page.try_remove(key % PAGE)?;
        self.len -= 1;
        if page.len() == PAGE - 1 {
            self.roomy.push(number);
        }
        // The last page with room stays, so that one that comes and goes costs nothing.
        if page.is_empty() && self.roomy.len() > 1 {
            *page = Slab::new();
        }
        Some(entry)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Keys of all entries.
    pub(super) fn keys(&self) -> Vec<usize> {
        let pages = self.pages.iter().enumerate();
        pages.flat_map(|(at, page)| page.iter().map(move |(key, _)| at * PAGE + key)).collect()
    }
}

impl<T> Index<usize> for Shelf<T> {
    type Output = T;

    fn index(&self, key: usize) -> &T {
        &self.pages[key / PAGE][key % PAGE]
    }
}

impl<T> IndexMut<usize> for Shelf<T> {
    fn index_mut(&mut self, key: usize) -> &mut T {
        &mut self.pages[key / PAGE][key % PAGE]
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn pages_that_are_empty_are_given_back() {
        let mut shelf = Shelf::default();
        let keys: Vec<usize> = (0..4 * PAGE).map(|entry| shelf.insert(entry)).collect();
        for key in keys {
            assert!(shelf.remove(key).is_some());
        }
        assert!(shelf.is_empty());
        assert!(shelf.pages.iter().filter(|page| page.capacity() > 0).count() <= 1);
    }

    proptest! {
        #[test]
        fn it_is_a_map_that_makes_its_own_keys(
            steps in prop::collection::vec(any::<Option<usize>>(), 1..2000),
        ) {
            let (mut shelf, mut map) = (Shelf::default(), HashMap::new());
            for (number, step) in steps.into_iter().enumerate() {
                match step.filter(|_| !map.is_empty()) {
                    Some(at) => {
                        let key = *map.keys().nth(at % map.len()).unwrap();
                        prop_assert_eq!(shelf.remove(key), map.remove(&key));
                        prop_assert_eq!(shelf.remove(key), None);
                    }
                    None => {
                        prop_assert_eq!(map.insert(shelf.insert(number), number), None);
                    }
                }
            }
            prop_assert_eq!(shelf.keys().len(), map.len());
            prop_assert!(map.iter().all(|(key, number)| shelf.get(*key) == Some(number)));
        }
    }
}
