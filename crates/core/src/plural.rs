//! Counted things in sentences that people read.

/// A number with its noun, in the form that fits it: `1 account`, `2 accounts`.
pub fn counted(number: u64, one: &str, many: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { many })
}

#[cfg(test)]
mod tests {
    use super::counted;

    #[test]
    fn one_is_not_many() {
        let told = |number| counted(number, "account", "accounts");
        assert_eq!([told(0), told(1), told(2)], ["0 accounts", "1 account", "2 accounts"]);
    }
}
