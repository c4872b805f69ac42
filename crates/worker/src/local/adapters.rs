//! Adapters in a folder: what each is called, its content hash, and its files when the engine wants them.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    sync::Arc,
};

use fonte_inference::{
    AdapterSource,
    formats::{AdapterFiles, FormatError, Limits},
    model::{Adapter, ContentHash, ModelConfig},
};
use parking_lot::RwLock;

/// Most folders that are looked into.
const MAX_FOLDERS: usize = 65_536;

/// An adapter of a folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AdapterEntry {
    /// Its folder's name.
    pub name: String,
    /// Its content hash on this base (`docs/spec/models-files.md`, 1).
    pub hash: ContentHash,
}

/// A folder among the adapters that is not served.
#[derive(Debug, thiserror::Error)]
pub enum AdapterError {
    /// Its files are no adapter of this base.
    #[error(transparent)]
    Files(#[from] FormatError),
    /// The same adapter lies in another folder, too.
    #[error("it is the same adapter as {0:?}: take one of the two away")]
    Twice(String),
}

/// A folder of PEFT folders, as adapters of one base.
pub struct AdapterFolder {
    folder: PathBuf,
    model: ModelConfig,
    base: ContentHash,
    limits: Limits,
    known: RwLock<Known>,
}

#[derive(Default)]
struct Known {
    names: BTreeSet<String>,
    by_hash: BTreeMap<ContentHash, String>,
}

/// What a look into the folder found that it did not know.
#[derive(Debug, Default)]
pub struct Found {
    /// Adapters of the base, by their names.
    pub adapters: Vec<AdapterEntry>,
    /// Folders with an adapter that cannot be served, and why.
    pub refused: Vec<(String, AdapterError)>,
}

impl AdapterFolder {
    /// A folder, not looked into yet, for the base with these shapes and this hash.
    pub fn new(folder: PathBuf, model: ModelConfig, base: ContentHash, limits: Limits) -> Self {
        Self { folder, model, base, limits, known: RwLock::default() }
    }

    /// Reads and checks every adapter whose name is not known yet. A folder without `adapter_config.json` is none.
    ///
    /// # Errors
    /// What the system says of a folder that cannot be listed. An adapter that cannot be read is among the refused.
    pub fn look(&self) -> std::io::Result<Found> {
        let mut names = Vec::new();
        for entry in std::fs::read_dir(&self.folder)? {
            let entry = entry?;
            let Ok(name) = entry.file_name().into_string() else { continue };
            if entry.path().join("adapter_config.json").exists() {
                names.push(name);
            }
            if names.len() > MAX_FOLDERS {
                return Err(std::io::Error::other(format!("more than {MAX_FOLDERS} adapters: use several folders")));
            }
        }
        names.sort();
        let mut found = Found::default();
        for name in names {
            if self.known.read().names.contains(&name) {
                continue;
            }
            let hash = match self.read(&name, None) {
                Ok(adapter) => adapter.hash,
                Err(error) => {
                    found.refused.push((name, error.into()));
                    continue;
                }
            };
            let mut known = self.known.write();
            if let Some(first) = known.by_hash.get(&hash) {
                found.refused.push((name, AdapterError::Twice(first.clone())));
                continue;
            }
            known.by_hash.insert(hash, name.clone());
            known.names.insert(name.clone());
            found.adapters.push(AdapterEntry { name, hash });
        }
        Ok(found)
    }

    /// All of an adapter's files, as adapters of the base.
    fn read(&self, name: &str, expected: Option<ContentHash>) -> Result<Adapter, FormatError> {
        AdapterFiles::open(&self.folder.join(name), &self.model, self.base, &self.limits)?.read(expected)
    }

    /// Where it lies.
    pub fn path(&self) -> &Path {
        &self.folder
    }
}

/// The folder as the engine's source: files are read when a request wants them, and used only if they are still what was
/// registered.
pub struct FolderSource(pub Arc<AdapterFolder>);

impl AdapterSource for FolderSource {
    fn load(&self, hash: &ContentHash) -> Result<Adapter, Box<dyn std::error::Error + Send + Sync>> {
        let name = self.0.known.read().by_hash.get(hash).cloned().ok_or("it is not in the folder of adapters")?;
        self.0.read(&name, Some(*hash)).map_err(|error| {
            // Whoever asked learns nothing of where files lie.
            tracing::error!(name, error = &error as &dyn std::error::Error, "an adapter cannot be loaded");
            match error {
                FormatError::HashMismatch { .. } => "its files have changed since they were registered".into(),
                _ => "its files cannot be read any more".into(),
            }
        })
    }
}
