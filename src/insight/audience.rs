//! A custom-audience file for Meta: who is meant by a segment, as hashes, without those who want no messages.
//! Source of the columns and of how values are made alike before hashing: Meta's help page "Format and hash customer data":
//! SHA-256 in lower-case hex of the phone with country code and digits only, the e-mail and names in lower case without
//! blanks around them, the country as two letters.

use crate::db::StoreError;
use crate::kernel::ids;
use crate::people::contact;
use crate::people::segment::{self, SegmentError};
use rusqlite::Connection;
use sha2::{Digest, Sha256};
use std::io::Write;

/// Contacts read at once.
const PAGE: usize = 1_000;

/// Why there is no file.
#[derive(Debug, thiserror::Error)]
pub enum AudienceError {
    /// The segment cannot be read.
    #[error(transparent)]
    Segment(#[from] SegmentError),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Writing.
    #[error(transparent)]
    Write(#[from] csv::Error),
}

fn hashed(value: &str) -> String {
    let value = value.trim().to_lowercase();
    if value.is_empty() { String::new() } else { ids::hex(&Sha256::digest(value.as_bytes())) }
}

/// Honorifics are not names.
const HONORIFICS: [&str; 10] = ["bapak", "ibu", "pak", "bu", "h", "hj", "haji", "hajjah", "ustadz", "ustadzah"];

fn names(name: &str) -> (String, String) {
    let clean = |word: &str| word.chars().filter(|c| c.is_alphabetic()).collect::<String>();
    let words: Vec<String> = name.split_whitespace().map(clean).filter(|word| !word.is_empty() && !HONORIFICS.contains(&word.to_lowercase().as_str())).collect();
    match words.as_slice() {
        [] => (String::new(), String::new()),
        [only] => (only.clone(), String::new()),
        [first, .., last] => (first.clone(), last.clone()),
    }
}

/// Writes the file; how many rows. `expr` none: everybody.
pub fn write(connection: &Connection, expr: Option<&str>, now_ms: i64, out: impl Write) -> Result<u64, AudienceError> {
    let expr = expr.unwrap_or("status:active or status:inactive");
    segment::members(connection, expr, now_ms, 0, 0)?; // an expression that cannot be read writes nothing
    let mut file = csv::Writer::from_writer(out);
    file.write_record(["phone", "email", "fn", "ln", "country"])?;
    let (mut after, mut rows) = (0, 0);
    loop {
        let page = segment::members(connection, expr, now_ms, after, PAGE)?;
        for id in &page {
            let Some(found) = contact::find(connection, *id)?.filter(|found| found.opted_out_at.is_none()) else { continue };
            let (Some(phone), email) = (&found.phone, found.email.as_deref().unwrap_or("")) else { continue };
            let (first, last) = names(found.name.as_deref().unwrap_or(""));
            let country = if phone.starts_with("62") { hashed("id") } else { String::new() };
            file.write_record([hashed(phone), hashed(email), hashed(&first), hashed(&last), country])?;
            rows += 1;
        }
        match page.last().filter(|_| page.len() == PAGE) {
            Some(last) => after = *last,
            None => break,
        }
    }
    file.flush().map_err(csv::Error::from)?;
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_made_alike_before_they_are_hashed() {
        assert_eq!(hashed(" Budi@Contoh.ID "), hashed("budi@contoh.id"));
        // sha256sum of the digits
        assert_eq!(hashed("1"), "6b86b273ff34fce19d6b804eff5a3f5747ada4eaa22f1d49c01e52ddb7875b4b");
        assert_eq!(names("Hj. Siti Nurhaliza binti Sulaiman"), ("Siti".into(), "Sulaiman".into()));
        assert_eq!(names("Bu"), (String::new(), String::new()));
    }
}
