//! Which images the pods of which namespace have: those that share an environment may have different programs.

use std::sync::{PoisonError, RwLock};

use super::super::images::{Image, ImageError, ImageStore};

/// The environment's own image store, and those that came with places.
#[derive(Debug)]
pub(super) struct Images {
    own: ImageStore,
    /// By namespace.
    others: RwLock<Vec<(String, ImageStore)>>,
}

impl Images {
    pub(super) fn new(own: ImageStore) -> Self {
        Images { own, others: RwLock::default() }
    }

    pub(super) fn add(&self, namespace: &str, images: ImageStore) {
        let mut others = self.others.write().unwrap_or_else(PoisonError::into_inner);
        others.push((namespace.to_owned(), images));
    }

    pub(super) fn remove(&self, namespace: &str) {
        let mut others = self.others.write().unwrap_or_else(PoisonError::into_inner);
        others.retain(|(of, _)| of != namespace);
    }

    /// What runs for `reference` in a pod of `namespace`: as its own store has it, else as any other has.
    pub(super) fn lookup(&self, namespace: &str, reference: &str) -> Result<Image, ImageError> {
        let others = self.others.read().unwrap_or_else(PoisonError::into_inner);
        let (its_own, others): (Vec<_>, Vec<_>) = others.iter().partition(|(of, _)| of == namespace);
        let mut stores = its_own
            .iter()
            .map(|(_, store)| store)
            .chain([&self.own])
            .chain(others.iter().map(|(_, store)| store));
        let found = stores.find_map(|store| store.lookup(reference).ok());
        found.map_or_else(|| self.own.lookup(reference), Ok)
    }
}
