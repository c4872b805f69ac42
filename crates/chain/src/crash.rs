//! Places where a test may kill the process, as a power cut would.

/// Aborts here if the environment asks for it: `FONTE_TEST_CRASH=<place>@<block>`.
///
/// Only in builds with debug assertions: a release ignores the variable.
pub(crate) fn point(place: &str, block: u64) {
    #[cfg(debug_assertions)]
    if let Ok(wanted) = std::env::var("FONTE_TEST_CRASH")
        && wanted == format!("{place}@{block}")
    {
        std::process::abort();
    }
    #[cfg(not(debug_assertions))]
    let _ = (place, block);
}
