//! Limits and cleaning for text that strangers send.

/// Longest message text kept, in bytes (Reliability sheet: 64 KiB).
pub const MAX_TEXT: usize = 64 * 1024;
/// Longest name kept, in characters.
pub const MAX_NAME: usize = 256;

/// Drops NUL, cuts at `max` bytes on a character boundary.
pub fn clean(text: &str, max: usize) -> String {
    let text: String = if text.contains('\0') { text.replace('\0', "") } else { text.to_owned() };
    cut(&text, max).to_owned()
}

/// A name on one line: no control characters, blanks folded, at most `MAX_NAME` characters; `None` when nothing is left.
pub fn clean_name(text: &str) -> Option<String> {
    let folded: String = text.chars().filter(|c| !turns_or_hides(*c)).map(|c| if c.is_control() { ' ' } else { c }).collect();
    let name: String = folded.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(MAX_NAME).collect();
    has_visible(&name).then_some(name)
}

/// Characters that turn the reading order of what follows or show nothing at all; joiners, which emoji need, are not among them.
pub fn turns_or_hides(c: char) -> bool {
    matches!(c, '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2064}' | '\u{2066}'..='\u{2069}' | '\u{feff}' | '\u{ad}' | '\u{61c}' | '\u{34f}' | '\u{3164}' | '\u{115f}' | '\u{1160}')
}

/// Whether there is anything to see in it.
pub fn has_visible(text: &str) -> bool {
    text.chars().any(|c| !c.is_whitespace() && !c.is_control() && !turns_or_hides(c) && !matches!(c, '\u{200c}' | '\u{200d}' | '\u{fe0f}'))
}

/// The longest prefix of at most `max` bytes that ends on a character boundary.
pub fn cut(text: &str, max: usize) -> &str {
    if text.len() <= max {
        return text;
    }
    let mut end = max;
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

/// First line of a text for lists: folded blanks, at most `max` characters, an ellipsis when cut.
pub fn preview(text: &str, max: usize) -> String {
    let mut line = String::with_capacity(text.len().min(max * 4));
    let mut length = 0;
    for word in text.split_whitespace() {
        if length > 0 && length + 1 + word.len() <= max {
            line.push(' ');
            line.push_str(word);
            length += 1 + word.chars().count();
            continue;
        }
        for character in (length > 0).then_some(' ').into_iter().chain(word.chars()) {
            if length == max {
                line.pop();
                line.push('…');
                return line;
            }
            line.push(character);
            length += 1;
        }
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cleaning() {
        assert_eq!(clean("a\0b", 10), "ab");
        assert_eq!(cut("héllo", 2), "h");
        assert_eq!(clean_name("  Siti\n\tRahma "), Some("Siti Rahma".into()));
        assert_eq!(clean_name("\u{7}\n"), None);
        assert_eq!(preview("satu dua tiga", 8), "satu du…");
        assert_eq!(preview(" satu\n dua ", 8), "satu dua");
    }
}
