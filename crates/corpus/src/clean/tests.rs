use proptest::prelude::*;

use super::{clean, clean_once};

#[test]
fn what_becomes_of_what() {
    let cases: &[(&str, &str)] = &[
        ("", ""),
        ("\u{feff}Hello\r\nworld\r\n", "Hello world"),
        ("  a   b\t c  ", "a b c"),
        ("one\ntwo\n\n\n\nthree", "one two\n\nthree"),
        (" First\n line\n .\n Second", "First line\n\nSecond"),
        ("Title\n=====\nText", "Title\n\nText"),
        ("# a comment\n# in a file\n#\n# of two paragraphs", "a comment in a file\n\nof two paragraphs"),
        ("// one\n// two", "one two"),
        ("> > quoted\n> > twice", "quoted twice"),
        ("/*\n * In a comment\n * of C.\n */\nafter", "In a comment of C.\n\nafter"),
        ("/* never closed\n * bullet", "/* never closed\n* bullet"),
        ("- one\n  goes on\n- two", "- one goes on\n- two"),
        ("To do:\n1. one\n2. two\n  more", "To do:\n1. one\n2. two more"),
        ("subject to section\n2. of this", "subject to section 2. of this"),
        ("clauses (a) or\n(b) above", "clauses (a) or (b) above"),
        ("3) three\n4) four\n9) nine", "3) three\n4) four 9) nine"),
        ("the clause\n(b) above", "the clause (b) above"),
        ("| a | b |\n|---|---|\n| 1 | 2 |", "| a | b |\n| 1 | 2 |"),
        ("text\n```sh\n  ls  \n\n\n  cd\n```\nmore", "text\n\n```sh\n  ls\n\n  cd\n```\n\nmore"),
        ("``` not closed\nhere", "``` not closed here"),
        ("b\u{8}bo\u{8}ol\u{8}ld and _\u{8}u", "bold and u"),
        ("zero\u{200b}width\u{ad} and\u{a0}no-break", "zerowidth and no-break"),
        ("bell\u{7} and escape\u{1b}[0m", "bell and escape[0m"),
        ("page one\u{c}page two", "page one page two"),
        (
            "Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/\nFiles: *\nCopyright: A\n \
             and B\nLicense: MIT\n Permission is\n granted.\n .\n Note: yes",
            "Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/\nFiles: *\nCopyright: A and \
             B\nLicense: MIT\n\nPermission is granted.\n\nNote: yes",
        ),
    ];
    for (raw, expected) in cases {
        assert_eq!(&clean(raw), expected, "of {raw:?}");
        assert_eq!(&clean(expected), expected, "again, of {raw:?}");
    }
}

#[test]
fn a_licence_is_the_same_bytes_however_it_is_wrapped() {
    for id in ["MIT", "BSD-3-Clause", "Apache-2.0", "ISC", "Zlib"] {
        let licence = clean(spdx::license_id(id).expect("on the list").text());
        for width in [40, 60, 72, 79] {
            for prefix in ["", "  ", "# ", "// ", " * "] {
                let mut wrapped = wrap(&licence, width, prefix);
                if prefix == " * " {
                    wrapped = format!("/*\n{wrapped} */\n");
                }
                assert_eq!(clean(&wrapped), licence, "{id} at {width} behind {prefix:?}");
            }
            let debian = wrap(&licence, width, " ").replace("\n \n", "\n .\n");
            assert_eq!(clean(&debian), licence, "{id} at {width} as in a Debian copyright file");
        }
    }
}

/// Greedy wrapping of every line of a clean text.
fn wrap(text: &str, width: usize, prefix: &str) -> String {
    let mut out = String::new();
    for line in text.split('\n') {
        let mut length = 0;
        out.push_str(prefix);
        for word in line.split(' ') {
            if length > 0 && length + 1 + word.len() > width {
                out.push('\n');
                out.push_str(prefix);
                length = 0;
            }
            if length > 0 {
                out.push(' ');
                length += 1;
            }
            out.push_str(word);
            length += word.len();
        }
        out.push('\n');
    }
    out
}

/// Texts made of what the cleaner looks at, so that constructs meet and nest.
fn nasty_text() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just("\n"),
        Just("\n\n"),
        Just(" "),
        Just("  "),
        Just("\t"),
        Just("\r\n"),
        Just("# "),
        Just("#"),
        Just("> "),
        Just("//"),
        Just("/*"),
        Just("*/"),
        Just("*"),
        Just("* "),
        Just("- "),
        Just("|"),
        Just("```"),
        Just("~~~"),
        Just("."),
        Just("1. "),
        Just("(a) "),
        Just("dnl "),
        Just("; "),
        Just("word"),
        Just("Two words."),
        Just("é"),
        Just("Format: copyright-format\n"),
        Just("License: MIT\n"),
        Just("Files: x"),
        Just("==="),
        Just("\u{8}"),
        Just("\u{feff}"),
        Just("\u{a0}"),
        Just("☕"),
        Just("---"),
        Just("and"),
        Just(":"),
        Just("---\n"),
        Just("!"),
    ];
    proptest::collection::vec(piece, 0..60).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn cleaning_twice_changes_nothing(text in nasty_text()) {
        let once = clean(&text);
        prop_assert_eq!(clean(&once), once.clone());
        prop_assert_eq!(clean_once(&once), once);
    }

    #[test]
    fn nothing_invisible_and_no_stray_space_is_left(text in any::<String>()) {
        let clean = clean(&text);
        prop_assert!(clean.chars().all(|c| c == '\n' || c == '\t' || !c.is_control()));
        prop_assert!(!clean.contains("\n\n\n"));
        prop_assert_eq!(clean.trim_matches('\n'), &clean);
        prop_assert_eq!(super::clean(&clean), clean);
    }

    #[test]
    fn words_survive(words in proptest::collection::vec("[a-z]{4,9}", 1..40)) {
        let joined = words.join(" ");
        prop_assert_eq!(clean(&words.join("\n")), joined);
    }
}
