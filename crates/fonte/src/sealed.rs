//! What a commit hides until its reveal: kept on this machine between the two.
//!
//! Written before the commitment is sent, so that a kill between the two never leaves a commitment that cannot be opened.

use std::path::{Path, PathBuf};

use eyre::{Result, WrapErr};
use serde::{Serialize, de::DeserializeOwned};

use crate::say::say;

/// Where the secret behind a commitment lies.
pub(crate) fn path(data_dir: &Path, chain_id: u64, name: &str) -> PathBuf {
    data_dir.join("sealed").join(format!("{chain_id}-{name}.json"))
}

/// Keeps a secret, for its owner's eyes only.
pub(crate) fn keep(path: &Path, secret: &impl Serialize) -> Result<()> {
    let folder = path.parent().unwrap_or(path);
    std::fs::create_dir_all(folder).wrap_err_with(|| format!("creating {}", folder.display()))?;
    let unfinished = path.with_extension("new");
    std::fs::write(&unfinished, serde_json::to_vec(secret)?)
        .wrap_err_with(|| format!("writing {}", unfinished.display()))?;
    #[cfg(unix)]
    std::fs::set_permissions(&unfinished, std::os::unix::fs::PermissionsExt::from_mode(0o600))?;
    std::fs::rename(&unfinished, path).wrap_err_with(|| format!("writing {}", path.display()))
}

/// All secrets whose names begin so.
pub(crate) fn all<T: DeserializeOwned>(data_dir: &Path, chain_id: u64, name: &str) -> Result<Vec<T>> {
    let Ok(files) = std::fs::read_dir(data_dir.join("sealed")) else { return Ok(Vec::new()) };
    let start = format!("{chain_id}-{name}");
    let ours = |path: &PathBuf| {
        let name = path.file_name().and_then(|name| name.to_str());
        name.is_some_and(|name| name.starts_with(&start) && name.ends_with(".json"))
    };
    files.filter_map(|file| Some(file.ok()?.path())).filter(ours).map(|path| read(&path)).collect()
}

/// Reads a secret again.
pub(crate) fn read<T: DeserializeOwned>(path: &Path) -> Result<T> {
    let bytes = std::fs::read(path).wrap_err_with(|| {
        say!(
            "{} is missing: only the machine that committed can reveal (give its --data-dir)",
            "falta {}: só a máquina que registrou o compromisso pode revelar (informe o --data-dir dela)",
            path.display()
        )
    })?;
    serde_json::from_slice(&bytes).wrap_err_with(|| format!("reading {}", path.display()))
}
