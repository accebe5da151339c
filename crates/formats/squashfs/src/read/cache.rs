//! The blocks that were used last.

use std::sync::{Arc, Mutex, PoisonError};

/// A bounded number of blocks by what names them; the one that was unused for longest goes first.
pub(crate) struct Cache<K, T> {
    limit: usize,
    /// The last used one at the end. There are few: looking at each costs nothing beside
    /// decompressing one.
    blocks: Mutex<Vec<(K, Arc<T>)>>,
}

impl<K: PartialEq, T> Cache<K, T> {
    pub(crate) fn new(limit: usize) -> Self {
        Self {
            limit: limit.max(1),
            blocks: Mutex::default(),
        }
    }

    pub(crate) fn get(&self, name: K) -> Option<Arc<T>> {
        let mut blocks = self.blocks.lock().unwrap_or_else(PoisonError::into_inner);
        let place = blocks.iter().rposition(|(key, _)| *key == name)?;
        blocks[place..].rotate_left(1);
        blocks.last().map(|(_, block)| Arc::clone(block))
    }

    pub(crate) fn insert(&self, name: K, block: &Arc<T>) {
        let mut blocks = self.blocks.lock().unwrap_or_else(PoisonError::into_inner);
        blocks.retain(|(key, _)| *key != name);
        if blocks.len() == self.limit {
            blocks.remove(0);
        }
        blocks.push((name, Arc::clone(block)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_one_unused_for_longest_goes() {
        let cache = Cache::new(2);
        cache.insert(1, &Arc::new("one"));
        cache.insert(2, &Arc::new("two"));
        assert_eq!(cache.get(1).as_deref(), Some(&"one"));
        cache.insert(3, &Arc::new("three"));
        assert_eq!(cache.get(2), None);
        assert_eq!(cache.get(1).as_deref(), Some(&"one"));
        assert_eq!(cache.get(3).as_deref(), Some(&"three"));
    }
}
