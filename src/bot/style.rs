//! How the agency speaks: what somebody who writes an answer should look at again. It holds nothing back; it tells.

/// Longest answer that is still read on a phone, characters.
const LONG: usize = 900;

/// What to look at again; each has words on the screens as `style-…`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Finding {
    /// kamu, anda, lu, gue instead of Bapak/Ibu.
    Address,
    /// More emoji than the agency wants.
    Emoji,
    /// Words in capitals, as if shouted.
    Capitals,
    /// More than two exclamation marks.
    Exclamation,
    /// Too long for a phone.
    Long,
    /// "pasti", "dijamin": promises nobody can keep.
    Promise,
    /// Slang of the chats: gak, nggak, yg, dgn.
    Slang,
}

const ADDRESS: [&str; 8] = ["kamu", "kamunya", "anda", "lu", "lo", "gue", "elo", "kalian"];
const PROMISE: [&str; 6] = ["dijamin", "garansi", "jaminan", "guaranteed", "guarantee", "pasti"];
const SLANG: [&str; 14] = ["gak", "ga", "nggak", "ngga", "yg", "dgn", "utk", "tdk", "bgt", "aja", "udah", "gimana", "kalo", "sampe"];

/// Whether a character is drawn as an emoji.
fn is_emoji(c: char) -> bool {
    matches!(u32::from(c), 0x1F300..=0x1FAFF | 0x2600..=0x27BF | 0x1F1E6..=0x1F1FF) && c != '✓'
}

/// Reads an answer. `emoji_limit`: how many the agency wants at the most.
pub fn check(text: &str, emoji_limit: usize) -> Vec<Finding> {
    let words: Vec<String> = text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).map(str::to_lowercase).collect();
    let any = |list: &[&str]| words.iter().any(|word| list.contains(&word.as_str()));
    // codes and short names (PPIU, UMR_…) are written so
    let shouted = text.split_whitespace().filter(|word| word.chars().count() >= 4 && word.chars().all(char::is_uppercase)).count();
    let mut found = Vec::new();
    let mut note = |is: bool, finding| {
        if is {
            found.push(finding);
        }
    };
    note(any(&ADDRESS), Finding::Address);
    note(text.chars().filter(|c| is_emoji(*c)).count() > emoji_limit, Finding::Emoji);
    note(shouted >= 3, Finding::Capitals);
    note(text.matches('!').count() > 2, Finding::Exclamation);
    note(text.chars().count() > LONG, Finding::Long);
    note(any(&PROMISE), Finding::Promise);
    note(any(&SLANG), Finding::Slang);
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_to_look_at_again() {
        assert_eq!(check("Baik Bapak/Ibu, kursinya kami tahan sampai besok. Ada lagi yang bisa kami bantu?", 1), []);
        assert_eq!(check("Kamu gak usah khawatir, dijamin berangkat!!! 🕋🕋🙏", 2), [Finding::Address, Finding::Emoji, Finding::Exclamation, Finding::Promise, Finding::Slang]);
        assert_eq!(check("PROMO BESAR HANYA SEKARANG", 1), [Finding::Capitals]);
        assert_eq!(check("Izin PPIU kami dari Kemenag, kode UMR_APR_2027_HEMAT.", 1), []);
    }

    /// The answers that come along keep to it themselves.
    #[test]
    fn the_built_in_answers_keep_to_it() {
        let built_in: serde_json::Value = serde_json::from_str(include_str!("../../assets/knowledge/faq.json")).unwrap();
        for row in built_in.as_array().unwrap() {
            let found = check(row["answer"].as_str().unwrap(), 1);
            assert!(found.iter().all(|finding| *finding == Finding::Promise), "{}: {found:?}", row["key"]);
        }
    }
}
