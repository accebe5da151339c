//! Owners and groups: inodes name them by their place in a table.

use crate::WriteError;
use std::collections::HashMap;

/// The superblock counts them in 16 bits; 65,536 would wrap to none.
const LIMIT: usize = 65_535;

/// The table of owners and groups, in the order of their first use.
#[derive(Default)]
pub(crate) struct Ids {
    list: Vec<u32>,
    index: HashMap<u32, u16>,
}

impl Ids {
    pub(crate) fn insert(&mut self, id: u32) -> Result<(), WriteError> {
        if self.index.contains_key(&id) {
            return Ok(());
        }
        let index = u16::try_from(self.list.len()).map_err(|_| WriteError::Ids)?;
        if self.list.len() == LIMIT {
            return Err(WriteError::Ids);
        }
        self.list.push(id);
        self.index.insert(id, index);
        Ok(())
    }

    /// The place of an id that was inserted.
    pub(crate) fn index(&self, id: u32) -> u16 {
        self.index.get(&id).copied().unwrap_or_default()
    }

    pub(crate) fn list(&self) -> &[u32] {
        &self.list
    }

    /// How many there are: at most 65,535.
    pub(crate) fn count(&self) -> u16 {
        u16::try_from(self.list.len()).unwrap_or(u16::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_id_that_fits_is_taken_and_the_next_is_not() {
        let mut ids = Ids::default();
        for id in 0..65_535 {
            ids.insert(id).unwrap();
        }
        ids.insert(7).unwrap();
        assert_eq!(ids.count(), 65_535);
        assert_eq!(ids.index(65_534), 65_534);
        assert!(matches!(ids.insert(65_535), Err(WriteError::Ids)));
    }
}
