//! The commons of licence texts: what nobody may earn from.
//!
//! Every licence and exception of the SPDX list, and the usual notices that point to them, cleaned like any document, under salts that follow from its id, so that
//! every node computes the same root. Registered at genesis, before every contributor, it owns licence boilerplate by
//! the earliest-window rule, and pays the treasury.

use std::{collections::BTreeSet, sync::Arc};

use alloy_primitives::{B256, keccak256};
use fonte_types::metadata::Metadata;

use crate::{
    bundle::Bundle,
    clean,
    import::{Document, detect_language},
    store::{Store, StoreError},
};

/// Name of the contributor, a label.
pub const COMMONS: &str = "commons";

/// The documents of the commons with their salts, in the order of the list; texts that several ids share come once.
pub fn licence_documents() -> impl Iterator<Item = (Document, B256)> {
    let licences = spdx::identifiers::LICENSES
        .iter()
        .filter_map(|licence| Some((licence.name, licence.full_name, spdx::license_id(licence.name)?.text())));
    let exceptions = spdx::identifiers::EXCEPTIONS
        .iter()
        .filter_map(|exception| Some((exception.name, exception.name, spdx::exception_id(exception.name)?.text())));
    let mut seen = BTreeSet::new();
    let listed = licences.chain(exceptions).filter_map(move |(id, title, text)| {
        let text = clean(text);
        if text.is_empty() || !seen.insert(keccak256(text.as_bytes())) {
            return None;
        }
        let metadata = Metadata {
            title: title.to_owned(),
            url: format!("https://spdx.org/licenses/{id}.html"),
            language: detect_language(&text).to_owned(),
            ..Metadata::default()
        };
        Some((Document { path: id.to_owned(), metadata, text }, licence_salt(id)))
    });
    listed.chain(std::iter::once_with(notices))
}

/// Where distributions say that the licence text is to be found, in the usual wordings: as common as the licences.
fn notices() -> (Document, B256) {
    const LICENCES: &[(&str, &[&str])] = &[
        ("the GNU General Public License", &["GPL", "GPL-1", "GPL-2", "GPL-3"]),
        ("the GNU Lesser General Public License", &["LGPL", "LGPL-2.1", "LGPL-3"]),
        ("the GNU Library General Public License", &["LGPL-2"]),
        ("the GNU Free Documentation License", &["GFDL", "GFDL-1.2", "GFDL-1.3"]),
        ("the Apache License", &["Apache-2.0"]),
        ("the Artistic License", &["Artistic"]),
        ("the Mozilla Public License", &["MPL-1.1", "MPL-2.0"]),
        ("the CC0 1.0 Universal license", &["CC0-1.0"]),
        ("this license", &["BSD"]),
    ];
    const QUOTES: &[(&str, &str)] = &[
        ("`", "'"),
        ("\"", "\""),
        ("'", "'"),
        ("‘", "’"),
        ("“", "”"),
        ("", ""),
        ("the file ", ""),
        ("the file `", "'"),
    ];
    let mut sentences = Vec::new();
    for (licence, files) in LICENCES {
        for whose in ["On Debian systems", "On Debian GNU/Linux systems", "On Debian machines"] {
            for extent in ["complete", "full"] {
                sentences.push(format!("{whose}, the {extent} text of {licence} can be found in a file."));
                sentences.push(format!("{whose}, the {extent} text of {licence} version 3 can be found in a file."));
            }
        }
        for file in *files {
            let version = file.rsplit_once('-').map(|(_, version)| format!(" version {version}")).unwrap_or_default();
            for (open, close) in QUOTES {
                let place = format!("{open}/usr/share/common-licenses/{file}{close}.");
                sentences.push(format!("The text of {licence}{version} can be found in {place}"));
                sentences.push(format!("The text of {licence} can be found in {place}"));
            }
        }
    }
    for thing in ["program", "package", "library", "file", "software", "script", "module", "document"] {
        for verb in ["can", "may"] {
            sentences.push(format!("This {thing} is free software; you {verb} redistribute it and/or modify it."));
            sentences.push(format!("This {thing} is free software: you {verb} redistribute it and/or modify it."));
        }
        sentences.push(format!("This {thing} is distributed in the hope that it will be useful."));
        sentences.push(format!("You should have received a copy of the license along with this {thing}."));
    }
    let text = clean(&sentences.join("\n\n"));
    let metadata = Metadata { title: "Usual licence notices".into(), language: "en".into(), ..Metadata::default() };
    (Document { path: "notices".into(), metadata, text }, licence_salt("notices"))
}

/// Puts the commons into a store and returns its bundle.
pub fn licences(store: &Store) -> Result<Arc<Bundle>, StoreError> {
    let mut draft = store.begin(COMMONS)?;
    for (document, salt) in licence_documents() {
        draft.add_salted(&document, salt)?;
    }
    let sealed = store.seal(draft)?;
    store.bundle(sealed.root)
}

fn licence_salt(id: &str) -> B256 {
    keccak256(format!("fonte commons licence {id}"))
}
