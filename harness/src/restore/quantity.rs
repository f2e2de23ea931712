//! Sizes as Kubernetes writes them: `10Gi`, `500M`, `1.5Ti`, `1e9`.

/// Bytes, rounded down; none where it is no size.
pub(super) fn bytes(text: &str) -> Option<u64> {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let factor: u64 = match unit {
        "" => 1,
        "k" => 1_000,
        "M" => 1_000_000,
        "G" => 1_000_000_000,
        "T" => 1_000_000_000_000,
        "P" => 1_000_000_000_000_000,
        "Ki" => 1 << 10,
        "Mi" => 1 << 20,
        "Gi" => 1 << 30,
        "Ti" => 1 << 40,
        "Pi" => 1 << 50,
        exponent => {
            let power: u32 = exponent.strip_prefix(['e', 'E'])?.parse().ok()?;
            10_u64.checked_pow(power)?
        }
    };
    let (whole, part) = number.split_once('.').unwrap_or((number, ""));
    let whole: u64 = whole.parse().ok()?;
    // More than nine digits of a part are less than a byte of anything that a volume has.
    let part = part.get(..part.len().min(9))?;
    let below = match part {
        "" => 0,
        digits => {
            let of = 10_u128.checked_pow(u32::try_from(digits.len()).ok()?)?;
            u64::try_from(u128::from(digits.parse::<u64>().ok()?) * u128::from(factor) / of).ok()?
        }
    };
    whole.checked_mul(factor)?.checked_add(below)
}

#[cfg(test)]
mod tests {
    use super::bytes;

    #[test]
    fn sizes_are_read_as_kubernetes_reads_them() {
        assert_eq!(bytes("10Gi"), Some(10 << 30));
        assert_eq!(bytes("1.5Ti"), Some((1 << 40) + (1 << 39)));
        assert_eq!(bytes("500M"), Some(500_000_000));
        assert_eq!(bytes("1e3"), Some(1000));
        assert_eq!(bytes("0.5k"), Some(500));
        assert_eq!(bytes("1234"), Some(1234));
        for wrong in ["", "Gi", "10 Gi", "ten", "10GB", "-1"] {
            assert_eq!(bytes(wrong), None, "{wrong}");
        }
    }
}
