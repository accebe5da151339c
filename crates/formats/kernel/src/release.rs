//! Which of two kernels is the newer one.

use std::cmp::Ordering;

/// Compares two releases: numbers by value, words by letter, and a release candidate (`-rc1`, or
/// after `~`) before its release. `Equal` only where the texts are equal.
pub fn compare_releases(left: &str, right: &str) -> Ordering {
    let mut parts = (parts(left), parts(right));
    loop {
        let (left_part, right_part) = (parts.0.next(), parts.1.next());
        if left_part.is_none() && right_part.is_none() {
            return left.cmp(right);
        }
        let end = || Part::End;
        match (left_part.unwrap_or_else(end)).cmp(&right_part.unwrap_or_else(end)) {
            Ordering::Equal => {}
            unequal => return unequal,
        }
    }
}

/// A part of a release, in the order in which they sort where releases differ.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Part<'a> {
    Candidate,
    End,
    Word(&'a str),
    /// The digits without leading zeros: their count decides first.
    Number(usize, &'a str),
}

fn parts(release: &str) -> impl Iterator<Item = Part<'_>> {
    let mut rest = release;
    std::iter::from_fn(move || {
        rest = rest.trim_start_matches(|c: char| !c.is_ascii_alphanumeric() && c != '~');
        let first = rest.chars().next()?;
        let length = match first {
            '~' => 1,
            _ if first.is_ascii_digit() => span(rest, |c| c.is_ascii_digit()),
            _ => span(rest, |c| c.is_ascii_alphabetic()),
        };
        let (part, after) = rest.split_at(length);
        rest = after;
        Some(match part {
            "~" | "rc" => Part::Candidate,
            word if !first.is_ascii_digit() => Part::Word(word),
            digits => {
                let digits = digits.trim_start_matches('0');
                Part::Number(digits.len(), digits)
            }
        })
    })
}

fn span(text: &str, belongs: impl Fn(char) -> bool) -> usize {
    text.find(|c| !belongs(c)).unwrap_or(text.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::{prop_assert_eq, proptest};

    #[test]
    fn releases_sort_from_old_to_new() {
        let sorted = [
            "5.10.0-9-amd64",
            "5.10.0-28-amd64",
            "6.1.0-9-amd64",
            "6.1.0-50-amd64",
            "6.1.0-50-cloud-amd64",
            "6.9.7-arch1-1",
            "6.9.7-200.fc40.x86_64",
            "6.12-rc1",
            "6.12-rc10",
            "6.12",
            "6.12-arch1-1",
            "6.12.1",
            "6.12.1-1~bpo12+1",
            "6.12.1-1",
            "10.0",
        ];
        let mut shuffled = sorted;
        shuffled.reverse();
        shuffled.sort_by(|left, right| compare_releases(left, right));
        assert_eq!(shuffled, sorted);
    }

    proptest! {
        #[test]
        fn the_order_is_total(mut releases in proptest::collection::vec("[0-2]{0,2}[.~é-][a-c]?(rc)?[0-2]{0,2}", 3)) {
            // A sort by an order that contradicts itself panics, or depends on where it began.
            releases.sort_by(|left, right| compare_releases(left, right));
            let mut reversed: Vec<_> = releases.iter().rev().cloned().collect();
            reversed.sort_by(|left, right| compare_releases(left, right));
            prop_assert_eq!(releases, reversed);
        }
    }
}
