//! Money: whole rupiah, written `Rp25.000.000` where it is agreed and `Rp8,4 jt` in overviews.

/// `Rp25.000.000`.
pub fn full(idr: i64) -> String {
    let digits = idr.unsigned_abs().to_string();
    let mut text = String::from(if idr < 0 { "-Rp" } else { "Rp" });
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push('.');
        }
        text.push(digit);
    }
    text
}

/// `Rp8,4 jt`, `Rp1,2 M`; whole rupiah below a million.
pub fn short(idr: i64) -> String {
    let (unit, word) = match idr.unsigned_abs() {
        1_000_000_000.. => (1_000_000_000, " M"),
        1_000_000.. => (1_000_000, " jt"),
        _ => return full(idr),
    };
    let tenths = (idr * 10 + unit / 2) / unit;
    if tenths % 10 == 0 { format!("Rp{}{word}", tenths / 10) } else { format!("Rp{},{}{word}", tenths / 10, tenths % 10) }
}

/// Reads what an office types: `25000000`, `25.000.000`, `Rp 25.000.000`, `Rp25,000,000`.
pub fn parse(text: &str) -> Option<i64> {
    let text = text.trim().trim_start_matches("Rp").trim_start_matches("rp").trim();
    let groups: Vec<&str> = text.split(['.', ',']).collect();
    let grouped = groups.len() == 1 || (groups[0].len() <= 3 && groups[1..].iter().all(|g| g.len() == 3));
    let digits: String = groups.concat();
    if !grouped || digits.is_empty() || digits.len() > 15 || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    digits.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn reads_and_writes() {
        assert_eq!(full(25_000_000), "Rp25.000.000");
        assert_eq!(full(0), "Rp0");
        assert_eq!(full(-999), "-Rp999");
        assert_eq!(short(8_400_000), "Rp8,4 jt");
        assert_eq!(short(1_200_000_000), "Rp1,2 M");
        assert_eq!(parse("Rp 26.500.000"), Some(26_500_000));
        assert_eq!(parse("26,5"), None);
        assert_eq!(parse("dua juta"), None);
    }

    proptest! {
        #[test]
        fn parse_of_print_is_identity(idr in 0i64..1_000_000_000_000) {
            prop_assert_eq!(parse(&full(idr)), Some(idr));
        }
    }
}
