//! How many processors Spilo counts: those of the machine, whatever the container's limit is.

/// The kernel's list of them.
const ONLINE: &str = "/sys/devices/system/cpu/online";

/// Of this machine; where that cannot be read, what this process may use.
pub(super) fn of_the_machine() -> usize {
    let listed = std::fs::read_to_string(ONLINE).ok().and_then(|list| count(&list));
    listed.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, usize::from))
}

/// `0-3,6` are five.
fn count(list: &str) -> Option<usize> {
    let ranges = list.trim().split(',').map(|range| {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        let (first, last): (usize, usize) = (first.parse().ok()?, last.parse().ok()?);
        (last + 1).checked_sub(first)
    });
    ranges.sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processors_are_counted_as_the_kernel_lists_them() {
        assert_eq!((count("0\n"), count("0-1\n"), count("0-3,6")), (Some(1), Some(2), Some(5)));
        assert_eq!((count(""), count("all")), (None, None));
        assert!(of_the_machine() > 0);
    }
}
