//! Which values of an encrypted file are encrypted: the rules that the file carries.

use regex::Regex;

/// The rules of a file.
#[derive(Default)]
pub(super) struct Rules {
    /// What has a key with this ending on its path is in clear.
    pub unencrypted_suffix: Option<String>,
    /// Only what has a key with this ending on its path is encrypted.
    pub encrypted_suffix: Option<String>,
    /// What has a key that this matches on its path is in clear.
    pub unencrypted_regex: Option<Regex>,
    /// Only what has a key that this matches on its path is encrypted.
    pub encrypted_regex: Option<Regex>,
    /// Whether the code over the whole file leaves out what is in clear.
    pub mac_only_encrypted: bool,
}

impl Rules {
    /// Whether the value at a path of keys is encrypted. Places in lists are no part of a path.
    pub fn is_encrypted(&self, path: &[&str]) -> bool {
        let mut encrypted = true;
        if let Some(suffix) = &self.unencrypted_suffix {
            encrypted &= !path.iter().any(|key| key.ends_with(suffix));
        }
        if let Some(suffix) = &self.encrypted_suffix {
            encrypted = path.iter().any(|key| key.ends_with(suffix));
        }
        if let Some(regex) = &self.unencrypted_regex
            && path.iter().any(|key| regex.is_match(key))
        {
            encrypted = false;
        }
        if let Some(regex) = &self.encrypted_regex {
            encrypted = path.iter().any(|key| regex.is_match(key));
        }
        encrypted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_are_about_every_key_of_a_path() {
        let text = |text: &str| Some(text.to_owned());
        let regex = |text: &str| Some(Regex::new(text).expect("regex"));
        let default = Rules { unencrypted_suffix: text("_unencrypted"), ..Rules::default() };
        let suffix = Rules { encrypted_suffix: text("_secret"), ..Rules::default() };
        let only = Rules { encrypted_regex: regex("^(password|data)$"), ..Rules::default() };
        let except = Rules { unencrypted_regex: regex("^meta"), ..Rules::default() };
        for (rules, path, encrypted) in [
            (&Rules::default(), &["a", "b"][..], true),
            (&default, &["a", "b"], true),
            (&default, &["a_unencrypted", "b"], false),
            (&default, &["a", "b_unencrypted"], false),
            (&suffix, &["a", "b"], false),
            (&suffix, &["a_secret", "b"], true),
            (&only, &["a", "password"], true),
            (&only, &["data", "b"], true),
            (&only, &["a", "password2"], false),
            (&except, &["metadata", "name"], false),
            (&except, &["a", "name"], true),
        ] {
            assert_eq!(rules.is_encrypted(path), encrypted, "{path:?}");
        }
    }
}
