//! What changed between two texts, line by line.

use serde::Serialize;

/// A line and where it stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Line {
    /// `same`, `added`, `removed`.
    pub change: &'static str,
    /// The words.
    pub text: String,
}

/// Lines of both texts in order, those of the longest common part as `same`. For texts of some hundred lines.
pub fn lines(before: &str, after: &str) -> Vec<Line> {
    let (a, b): (Vec<&str>, Vec<&str>) = (before.lines().collect(), after.lines().collect());
    // common[i][j]: longest common part of a[i..] and b[j..]
    let mut common = vec![vec![0usize; b.len() + 1]; a.len() + 1];
    for i in (0..a.len()).rev() {
        for j in (0..b.len()).rev() {
            common[i][j] = if a[i] == b[j] { common[i + 1][j + 1] + 1 } else { common[i + 1][j].max(common[i][j + 1]) };
        }
    }
    let (mut i, mut j) = (0, 0);
    let mut found = Vec::with_capacity(a.len() + b.len());
    let mut put = |change, text: &str| found.push(Line { change, text: text.to_owned() });
    while i < a.len() || j < b.len() {
        if i < a.len() && j < b.len() && a[i] == b[j] {
            put("same", a[i]);
            (i, j) = (i + 1, j + 1);
        } else if j == b.len() || (i < a.len() && common[i + 1][j] >= common[i][j + 1]) {
            put("removed", a[i]);
            i += 1;
        } else {
            put("added", b[j]);
            j += 1;
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_changed_line_is_taken_out_and_put_in() {
        let changes: Vec<(&str, String)> = lines("a\nb\nc", "a\nx\nc\nd").into_iter().map(|line| (line.change, line.text)).collect();
        let want = [("same", "a"), ("removed", "b"), ("added", "x"), ("same", "c"), ("added", "d")].map(|(change, text)| (change, text.to_owned()));
        assert_eq!(changes, want);
    }

    proptest! {
        /// Without what was added it is the old text, without what was removed the new one.
        #[test]
        fn both_texts_are_in_it(a in proptest::collection::vec("[ab]{0,2}", 0..12), b in proptest::collection::vec("[ab]{0,2}", 0..12)) {
            let (before, after) = (a.join("\n"), b.join("\n"));
            let diff = lines(&before, &after);
            let without = |change: &str| diff.iter().filter(|line| line.change != change).map(|line| line.text.as_str()).collect::<Vec<_>>();
            prop_assert_eq!(without("added"), before.lines().collect::<Vec<_>>());
            prop_assert_eq!(without("removed"), after.lines().collect::<Vec<_>>());
        }
    }
}
