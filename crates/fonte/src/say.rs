//! Texts for people, in English and Brazilian Portuguese. JSON never depends on the language.

use std::sync::OnceLock;

/// Whether the reader's locale (`LC_ALL`, `LC_MESSAGES`, `LANG`, the first that is set) is Portuguese.
pub(crate) fn portuguese() -> bool {
    static PORTUGUESE: OnceLock<bool> = OnceLock::new();
    *PORTUGUESE.get_or_init(|| {
        ["LC_ALL", "LC_MESSAGES", "LANG"]
            .iter()
            .filter_map(|name| std::env::var(name).ok())
            .find(|value| !value.is_empty())
            .is_some_and(|locale| locale.to_lowercase().starts_with("pt"))
    })
}

/// A text in the reader's language: `say!("in English", "em português")`, both with the same `format!` arguments.
macro_rules! say {
    ($english:literal, $portuguese:literal $(, $argument:expr)* $(,)?) => {
        if $crate::say::portuguese() { format!($portuguese $(, $argument)*) } else { format!($english $(, $argument)*) }
    };
}
pub(crate) use say;
