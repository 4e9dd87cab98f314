//! Phone numbers as digits without plus (`6281234567890`), parsed once at the edge.

use serde::Serialize;

/// A plausible international number: 8 to 15 digits (E.164), no leading zero.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct Phone(String);

impl Phone {
    /// Reads `0812-3456-7890`, `+62 812…`, `0062…`, `62812…`, `812…` and foreign numbers with their country code.
    /// `None` when what is left is not 8 to 15 digits.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        if text.chars().any(|c| !(c.is_ascii_digit() || " +-.()/\u{a0}\u{2011}".contains(c))) || text.rfind('+').is_some_and(|at| at > 1) {
            return None;
        }
        let digits: String = text.chars().filter(char::is_ascii_digit).collect();
        let number = if let Some(rest) = digits.strip_prefix("0062") {
            format!("62{rest}")
        } else if let Some(rest) = digits.strip_prefix("00") {
            rest.to_owned()
        } else if let Some(rest) = digits.strip_prefix("620") {
            format!("62{rest}") // +62 (0)812…
        } else if let Some(rest) = digits.strip_prefix('0') {
            format!("62{rest}")
        } else if digits.starts_with('8') && (9..=12).contains(&digits.len()) && !text.starts_with('+') {
            format!("62{digits}")
        } else {
            digits
        };
        Self::from_digits(&number)
    }

    /// Takes digits that are already international, as gateways give them.
    pub fn from_digits(digits: &str) -> Option<Self> {
        let fits = (8..=15).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit()) && !digits.starts_with('0');
        fits.then(|| Self(digits.to_owned()))
    }

    /// Digits without plus.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// `+6281234567890`, the form of exports and APIs.
    pub fn e164(&self) -> String {
        format!("+{}", self.0)
    }

    /// `+62 812-3456-7890`, the form of screens.
    pub fn pretty(&self) -> String {
        match self.0.strip_prefix("62") {
            Some(rest) if rest.len() > 7 => format!("+62 {}-{}-{}", &rest[..3], &rest[3..7], &rest[7..]),
            _ => self.e164(),
        }
    }

    /// `+62 812-****-7890`, the form of logs.
    pub fn masked(&self) -> String {
        let keep = self.0.len().saturating_sub(4);
        format!("+{}****{}", &self.0[..keep.min(5)], &self.0[keep..])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_ways_people_write_one_number() {
        for text in ["081234567890", "+62 812-3456-7890", "6281234567890", "0062 812 3456 7890", "81234567890", "+62 (0)812 3456 7890", "0812.3456.7890"] {
            assert_eq!(Phone::parse(text).map(|p| p.0), Some("6281234567890".into()), "{text}");
        }
        assert_eq!(Phone::parse("+966 50 123 4567").unwrap().as_str(), "966501234567");
        for text in ["", "12345", "08", "halo", "08123abc", "1234567890123456", "08+123456789"] {
            assert_eq!(Phone::parse(text), None, "{text}");
        }
        assert_eq!(Phone::parse("081234567890").unwrap().pretty(), "+62 812-3456-7890");
    }

    proptest! {
        /// Whatever a number is written like, printing and reading it again gives the same number.
        #[test]
        fn parse_of_print_is_identity(rest in "8[1-9][0-9]{7,10}") {
            let phone = Phone::parse(&format!("0{rest}")).unwrap();
            prop_assert_eq!(Phone::parse(&phone.e164()), Some(phone.clone()));
            prop_assert_eq!(Phone::parse(&phone.pretty()), Some(phone.clone()));
            prop_assert_eq!(Phone::from_digits(phone.as_str()), Some(phone));
        }

        #[test]
        fn no_text_makes_it_panic(text in "\\PC*") {
            let _ = Phone::parse(&text);
        }
    }
}
