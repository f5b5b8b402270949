//! One definition of a section: its struct, defaults, explanations and how each key is set.

use super::Setting;

/// A key as it is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyDoc {
    /// The name.
    pub name: &'static str,
    /// The explanation.
    pub doc: String,
    /// The value as TOML.
    pub value: String,
    /// Whether the value is to be hidden.
    pub secret: bool,
}

/// A section.
pub trait Section {
    /// Its name.
    fn name(&self) -> &'static str;
    /// What it is for.
    fn explains(&self) -> &'static str;
    /// Its keys with their values.
    fn keys(&self) -> Vec<KeyDoc>;
    /// Sets a key from TOML. `None`: there is no such key. An error says what was expected.
    fn set(&mut self, key: &str, value: &toml_edit::Value) -> Option<Result<(), String>>;
    /// Sets a key from text.
    fn set_text(&mut self, key: &str, text: &str) -> Option<Result<(), String>>;
}

/// Shows a value as TOML.
pub(super) fn shown<T: Setting>(value: &T) -> String {
    value.show()
}

/// Defines a section.
macro_rules! section {
    (
        $(#[doc = $explains:literal])+
        $struct:ident = $name:literal {
            $($(#[doc = $doc:literal])+ $(@$secret:ident)? $key:ident: $type:ty = $default:expr;)*
        }
    ) => {
        $(#[doc = $explains])+
        #[derive(Clone, Debug, PartialEq)]
        pub struct $struct {
            $($(#[doc = $doc])+ pub $key: $type,)*
        }

        impl Default for $struct {
            fn default() -> Self {
                Self { $($key: $default,)* }
            }
        }

        impl $crate::config::Section for $struct {
            fn name(&self) -> &'static str {
                $name
            }

            fn explains(&self) -> &'static str {
                concat!($($explains),+).trim_start()
            }

            fn keys(&self) -> Vec<$crate::config::KeyDoc> {
                vec![$($crate::config::KeyDoc {
                    name: stringify!($key),
                    doc: [$($doc),+].join("\n"),
                    value: $crate::config::section::shown(&self.$key),
                    secret: section!(@secret $($secret)?),
                },)*]
            }

            fn set(&mut self, key: &str, value: &toml_edit::Value) -> Option<Result<(), String>> {
                match key {
                    $(stringify!($key) => {
                        Some($crate::config::Setting::read(value).map(|value| self.$key = value))
                    })*
                    _ => None,
                }
            }

            fn set_text(&mut self, key: &str, text: &str) -> Option<Result<(), String>> {
                match key {
                    $(stringify!($key) => {
                        Some($crate::config::Setting::read_text(text).map(|value| self.$key = value))
                    })*
                    _ => None,
                }
            }
        }
    };
    (@secret secret) => { true };
    (@secret) => { false };
}

pub(super) use section;
