//! JSON as senders really write it, and written quickly.

/// `value` as JSON text. Quicker than `Value::to_string`, which goes through the formatter piece by piece.
pub fn text(value: &impl serde::Serialize) -> String {
    serde_json::to_string(value).unwrap_or_default() // only maps with keys that are no text cannot be written
}

/// `bytes` with every lone surrogate escape (`\ud83d` whose other half was cut off, as JavaScript writes it) replaced by
/// U+FFFD; `None` when there is none. Such text is no valid Unicode, so a strict parser refuses the whole body for it.
pub fn without_lone_surrogates(bytes: &[u8]) -> Option<Vec<u8>> {
    let unit = |at: usize| {
        let escape = bytes.get(at..at + 6).filter(|escape| escape.starts_with(b"\\u"))?;
        u16::from_str_radix(std::str::from_utf8(&escape[2..]).ok()?, 16).ok()
    };
    let mut out: Option<Vec<u8>> = None;
    let (mut at, mut copied) = (0, 0);
    while at < bytes.len() {
        if bytes[at] != b'\\' {
            at += 1;
            continue;
        }
        match unit(at) {
            Some(0xD800..=0xDBFF) if unit(at + 6).is_some_and(|next| (0xDC00..=0xDFFF).contains(&next)) => at += 12,
            Some(0xD800..=0xDFFF) => {
                let out = out.get_or_insert_default();
                out.extend_from_slice(&bytes[copied..at]);
                out.extend_from_slice(b"\\ufffd");
                at += 6;
                copied = at;
            }
            Some(_) => at += 6,
            None => at += 2, // another escape: what follows the backslash belongs to it
        }
    }
    let mut out = out?;
    out.extend_from_slice(&bytes[copied..]);
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halves_of_emoji() {
        let mended = |text: &str| without_lone_surrogates(text.as_bytes()).map(|bytes| String::from_utf8(bytes).unwrap());
        assert_eq!(mended(r#"{"a":"Budi \ud83d"}"#).as_deref(), Some(r#"{"a":"Budi \ufffd"}"#));
        assert_eq!(mended(r#"["\ude00\ud83d\ud83d\ude00"]"#).as_deref(), Some(r#"["\ufffd\ufffd\ud83d\ude00"]"#));
        for whole in [r#"["\ud83d\ude00"]"#, r#"["\\ud83d"]"#, r#"["\u00e9"]"#, "[\"\\u", "{}", "\\"] {
            assert_eq!(mended(whole), None, "{whole}");
        }
    }
}
