//! Words of the first answer that may be tried against others, and who sees which.

use crate::travel::package::Package;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// Where the picture of a package stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Media {
    /// Greeting, picture, facts.
    Between,
    /// The picture with everything as its caption.
    Caption,
    /// Words first, the picture last.
    Last,
}

impl Media {
    /// By its name in rows.
    pub fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "between" => Self::Between,
            "caption" => Self::Caption,
            "last" => Self::Last,
            _ => return None,
        })
    }
}

/// One side of a trial.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// As it is.
    A,
    /// What is tried.
    B,
}

impl Side {
    /// As in rows.
    pub fn as_str(self) -> &'static str {
        if self == Self::A { "a" } else { "b" }
    }
}

/// A trial that runs.
#[derive(Clone, Debug, PartialEq)]
pub struct Trial {
    /// Row.
    pub experiment_id: i64,
    /// hello, closing, media.
    pub slot: String,
    /// As it is; empty: the built-in words.
    pub a: String,
    /// What is tried.
    pub b: String,
}

/// The words for one contact; none: the built-in ones.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Wording {
    /// Greeting, with `{{paket}}` and `{{kode}}`.
    pub hello: Option<String>,
    /// Closing question.
    pub closing: Option<String>,
    /// Place of the picture.
    pub media: Option<Media>,
    /// Trials this contact is in, and on which side.
    pub trials: Vec<(i64, Side)>,
}

impl Wording {
    /// Sets one slot; an empty text takes the built-in words.
    pub fn set(&mut self, slot: &str, text: &str) {
        let given = Some(text.to_owned()).filter(|text| !text.is_empty());
        match slot {
            "hello" => self.hello = given,
            "closing" => self.closing = given,
            "media" => self.media = Media::parse(text),
            _ => {}
        }
    }

    /// What a slot says; empty: the built-in words.
    pub fn text(&self, slot: &str) -> String {
        match slot {
            "hello" => self.hello.clone().unwrap_or_default(),
            "closing" => self.closing.clone().unwrap_or_default(),
            _ => match self.media {
                Some(Media::Between) => "between".into(),
                Some(Media::Caption) => "caption".into(),
                Some(Media::Last) => "last".into(),
                None => String::new(),
            },
        }
    }

    /// The words for a contact: what is in force, and his side of every trial. The side follows from trial and contact alone,
    /// so it is the same at every turn.
    pub fn of_contact(&self, contact_id: i64, trials: &[Trial]) -> Self {
        let mut words = self.clone();
        for trial in trials {
            let hash = Sha256::digest(format!("{}:{contact_id}", trial.experiment_id));
            let side = if hash[0] & 1 == 0 { Side::A } else { Side::B };
            words.set(&trial.slot, if side == Side::A { &trial.a } else { &trial.b });
            words.trials.push((trial.experiment_id, side));
        }
        words
    }
}

/// Whether words may be tried: no figures, no links, no unknown variables; facts stand in the card and are checked there.
pub fn is_plain(text: &str, slot: &str) -> bool {
    let known: &[&str] = if slot == "hello" { &["{{paket}}", "{{kode}}"] } else { &[] };
    let bare = known.iter().fold(text.to_owned(), |text, name| text.replace(name, ""));
    !bare.contains(['{', '}', '/', '@']) && !bare.chars().any(|c| c.is_ascii_digit()) && (slot != "hello" || text.contains("{{paket}}"))
}

/// A greeting with the package in it.
pub fn fill(text: &str, package: &Package) -> String {
    text.replace("{{paket}}", &format!("*{}*", package.name)).replace("{{kode}}", &package.code)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_contact_stays_on_his_side_and_sides_are_even() {
        let trials = [Trial { experiment_id: 7, slot: "closing".into(), a: String::new(), b: "Boleh kami bantu?".into() }];
        let of = |id| Wording::default().of_contact(id, &trials);
        assert_eq!(of(5), of(5));
        let b = (0..10_000).filter(|id| of(*id).closing.is_some()).count();
        assert!((4_800..5_200).contains(&b), "{b}");
        let other = [Trial { experiment_id: 8, ..trials[0].clone() }];
        let same = (0..1_000).filter(|id| of(*id).closing == Wording::default().of_contact(*id, &other).closing).count();
        assert!((400..600).contains(&same), "sides of two trials have nothing to do with each other: {same}");
    }

    #[test]
    fn only_plain_words_are_tried() {
        assert!(is_plain("Assalamualaikum, {{paket}} ({{kode}}) ya kak?", "hello"));
        for bad in ["harga 25 juta", "lihat www.x.id/promo", "{{harga}}", "halo @semua"] {
            assert!(!is_plain(bad, "closing"), "{bad}");
        }
        assert!(!is_plain("Halo kak", "hello"), "a greeting names the package");
    }
}
