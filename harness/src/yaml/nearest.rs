//! The name that was probably meant.

/// The candidate most like `name`, where one is like it at all.
pub fn nearest<'a>(name: &str, candidates: &[&'a str]) -> Option<&'a str> {
    candidates
        .iter()
        .map(|candidate| (strsim::damerau_levenshtein(name, candidate), *candidate))
        .filter(|(distance, candidate)| {
            *distance <= name.len().max(candidate.len()).div_ceil(3)
                || (!name.is_empty() && (candidate.contains(name) || name.contains(candidate)))
        })
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// `did you mean …`, or the names there are.
pub fn help(name: &str, candidates: &[&str]) -> String {
    if let Some(near) = nearest(name, candidates) {
        return did_you_mean(near);
    }
    if candidates.is_empty() {
        return "there are none".to_owned();
    }
    format!("there are: {}", candidates.join(", "))
}

/// The question that [`help`] asks where a name is like another.
pub fn did_you_mean(name: &str) -> String {
    format!("did you mean `{name}`?")
}
