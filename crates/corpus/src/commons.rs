//! The commons of licence texts: what nobody may earn from.
//!
//! Every licence and exception of the SPDX list, cleaned like any document, under salts that follow from its id, so that
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
    let licences = spdx::identifiers::LICENSES.iter().filter_map(|licence| {
        Some((
            licence.name,
            licence.full_name,
            spdx::license_id(licence.name)?.text(),
        ))
    });
    let exceptions = spdx::identifiers::EXCEPTIONS
        .iter()
        .filter_map(|exception| {
            Some((
                exception.name,
                exception.name,
                spdx::exception_id(exception.name)?.text(),
            ))
        });
    let mut seen = BTreeSet::new();
    licences
        .chain(exceptions)
        .filter_map(move |(id, title, text)| {
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
            Some((
                Document {
                    path: id.to_owned(),
                    metadata,
                    text,
                },
                licence_salt(id),
            ))
        })
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
