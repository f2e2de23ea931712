//! Which address a pod gets. None is used again before all others were, so that nothing that still
//! remembers a pod's address meets its successor.

use std::collections::{HashMap, HashSet};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Mutex, PoisonError};

const FIRST: Ipv4Addr = Ipv4Addr::new(10, 244, 16, 0);
const LAST: Ipv4Addr = Ipv4Addr::new(10, 244, 199, 255);

/// Hands out pod addresses and knows whose they are.
#[derive(Debug, Default)]
pub(super) struct Addresses {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    handed_out: u32,
    in_use: HashSet<Ipv4Addr>,
    /// Kept after a pod's end: its last DNS questions and packets are still its namespace's.
    namespaces: HashMap<Ipv4Addr, String>,
}

impl Addresses {
    /// The next free address; `None` when every pod address is in use.
    pub(super) fn take(&self, namespace: &str) -> Option<Ipv4Addr> {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let count = u32::from(LAST) - u32::from(FIRST) + 1;
        for _ in 0..count {
            let address = Ipv4Addr::from(u32::from(FIRST) + inner.handed_out % count);
            inner.handed_out = (inner.handed_out + 1) % count;
            if inner.in_use.insert(address) {
                inner.namespaces.insert(address, namespace.to_owned());
                return Some(address);
            }
        }
        None
    }

    pub(super) fn give_back(&self, address: Ipv4Addr) {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner).in_use.remove(&address);
    }

    pub(super) fn namespace_of(&self, address: IpAddr) -> Option<String> {
        let IpAddr::V4(address) = address.to_canonical() else { return None };
        let inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        inner.namespaces.get(&address).cloned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_given_back_is_not_the_next_one_and_keeps_its_namespace() {
        let addresses = Addresses::default();
        let first = addresses.take("one").unwrap();
        assert_eq!(first, FIRST);
        addresses.give_back(first);
        assert_eq!(addresses.take("two").unwrap(), Ipv4Addr::new(10, 244, 16, 1));
        assert_eq!(addresses.namespace_of(first.into()).as_deref(), Some("one"));
        assert_eq!(addresses.namespace_of("::ffff:10.244.16.1".parse().unwrap()).as_deref(), Some("two"));
    }

    #[test]
    fn after_the_last_one_the_free_ones_come_again_and_those_in_use_do_not() {
        let addresses = Addresses::default();
        let kept = addresses.take("a").unwrap();
        let mut last = kept;
        while last != LAST {
            last = addresses.take("a").unwrap();
            addresses.give_back(last);
        }
        assert_eq!(addresses.take("b").unwrap(), Ipv4Addr::new(10, 244, 16, 1));
        assert_eq!(addresses.namespace_of(kept.into()).as_deref(), Some("a"));
    }
}
