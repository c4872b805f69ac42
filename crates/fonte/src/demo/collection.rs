//! What the demo publishes: the shipped corpus, or the reader's own folder.

use std::path::{Path, PathBuf};

use alloy_primitives::Address;
use eyre::{Result, WrapErr, bail, eyre};
use include_dir::{Dir, include_dir};
use serde::Deserialize;

use crate::say::say;

static SHIPPED: Dir<'static> = include_dir!("$CARGO_MANIFEST_DIR/../../fixtures/demo");

/// Datanets and who publishes what into them, in the order of precedence.
pub(crate) struct Collection {
    pub(crate) datanets: Vec<DatanetPlan>,
    pub(crate) sources: Vec<SourceFolder>,
}

/// A datanet to create.
pub(crate) struct DatanetPlan {
    pub(crate) name: String,
    pub(crate) licence: String,
    pub(crate) jurisdictions: Vec<String>,
}

/// One contributor's folder.
pub(crate) struct SourceFolder {
    pub(crate) name: String,
    pub(crate) datanet: String,
    pub(crate) folder: PathBuf,
}

/// A contributor as the report names them.
#[derive(Clone, Debug)]
pub(crate) struct Contributor {
    pub(crate) name: String,
    pub(crate) payee: Address,
}

#[derive(Deserialize)]
struct DatanetFile {
    name: String,
    license: String,
    jurisdictions: Vec<String>,
}

#[derive(Deserialize)]
struct OrderFile {
    order: Vec<String>,
}

/// Writes the shipped corpus into a folder.
pub(crate) fn extract_shipped(folder: &Path) -> Result<PathBuf> {
    std::fs::create_dir_all(folder).wrap_err_with(|| format!("creating {}", folder.display()))?;
    SHIPPED.extract(folder).wrap_err_with(|| format!("unpacking the demo corpus into {}", folder.display()))?;
    Ok(folder.to_owned())
}

/// The shipped corpus, unpacked into a folder.
pub(crate) fn with_shipped(folder: &Path) -> Result<Collection> {
    Collection::shipped(&extract_shipped(folder)?)
}

/// The questions that the demo asks of the shipped corpus.
pub(crate) fn showcase(folder: &Path) -> Result<Vec<String>> {
    read_json(&folder.join("showcase.json"))
}

fn read_json<T: for<'de> Deserialize<'de>>(path: &Path) -> Result<T> {
    let bytes = std::fs::read(path).wrap_err_with(|| format!("reading {}", path.display()))?;
    serde_json::from_slice(&bytes).wrap_err_with(|| format!("{} is not as expected", path.display()))
}

impl Collection {
    pub(crate) fn shipped(folder: &Path) -> Result<Self> {
        let OrderFile { order } = read_json(&folder.join("order.json"))?;
        let mut datanets: Vec<DatanetPlan> = Vec::new();
        let mut sources = Vec::new();
        for entry in order {
            let (datanet, contributor) =
                entry.split_once('/').ok_or_else(|| eyre!("order.json: {entry:?} is not DATANET/CONTRIBUTOR"))?;
            if !datanets.iter().any(|known| known.name == datanet) {
                let file: DatanetFile = read_json(&folder.join(datanet).join("datanet.json"))?;
                datanets.push(DatanetPlan {
                    name: file.name,
                    licence: file.license,
                    jurisdictions: file.jurisdictions,
                });
            }
            sources.push(SourceFolder {
                name: contributor.to_owned(),
                datanet: datanet.to_owned(),
                folder: folder.join(datanet).join(contributor),
            });
        }
        Ok(Self { datanets, sources })
    }

    /// Each sub-folder is one contributor, in the order of names; without sub-folders the folder is one itself.
    pub(crate) fn of_folder(folder: &Path) -> Result<Self> {
        let entries = std::fs::read_dir(folder).wrap_err_with(|| say!("reading {}", "lendo {}", folder.display()))?;
        let mut folders: Vec<PathBuf> = entries
            .flatten()
            .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
            .map(|entry| entry.path())
            .filter(|path| path.file_name().is_some_and(|name| !name.to_string_lossy().starts_with('.')))
            .collect();
        folders.sort();
        if folders.is_empty() {
            folders.push(folder.to_owned());
        }
        let sources = folders
            .into_iter()
            .map(|folder| SourceFolder { name: crate::datanet::folder_name(&folder), datanet: DOCS.to_owned(), folder })
            .collect();
        let plan = DatanetPlan { name: DOCS.to_owned(), licence: "CC-BY-4.0".into(), jurisdictions: Vec::new() };
        Ok(Self { datanets: vec![plan], sources })
    }

    pub(crate) fn licence_of(&self, datanet: &str) -> Option<String> {
        self.datanets.iter().find(|plan| plan.name == datanet).map(|plan| plan.licence.clone())
    }

    /// Where no question was given: one about the first document that has a title of several words.
    pub(crate) fn suggest_questions(&self) -> Result<Vec<String>> {
        for source in &self.sources {
            let import = fonte_corpus::Import::open(&source.folder, fonte_corpus::ImportOptions::default())?;
            for imported in import.take(20) {
                if let fonte_corpus::import::Imported::Document(document) = imported
                    && document.metadata.title.split_whitespace().count() >= 3
                {
                    return Ok(vec![document.metadata.title]);
                }
            }
        }
        bail!(say!("give a question with --question", "informe uma pergunta com --question"))
    }
}

/// Name of the datanet of the reader's own documents.
const DOCS: &str = "docs";
