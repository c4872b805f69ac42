//! Adapters on disk: what each is called, its content hash, and its files when the engine wants them.
//!
//! Adapters come and go while the engine runs. [`AdapterFolder::look`] compares what lies there with what it knew, by
//! length and time of the files; only what is new is read, and of that nothing is kept but the hash.

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, SystemTime},
};

use fonte_inference::{
    AdapterSource,
    formats::{AdapterFiles, FormatError, Limits},
    model::{Adapter, ContentHash, ModelConfig},
};
use parking_lot::{Mutex, RwLock};

/// Most folders that are looked into.
const MAX_FOLDERS: usize = 65_536;

/// What makes a folder one of an adapter, and what of it changes when the adapter does.
const CONFIG: &str = "adapter_config.json";
const FILES: [&str; 2] = [CONFIG, "adapter_model.safetensors"];

/// An adapter that is served.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct AdapterEntry {
    /// Its folder's name.
    pub name: String,
    /// Its content hash on this base (`docs/spec/models-files.md`, 1).
    pub hash: ContentHash,
}

/// Why a folder with an adapter is not served.
#[derive(Debug, thiserror::Error)]
pub enum AdapterError {
    /// Its files are no adapter of this base.
    #[error(transparent)]
    Files(#[from] FormatError),
    /// The same adapter lies in another folder, too.
    #[error("it is the same adapter as {0:?}: take one of the two away")]
    Twice(String),
}

/// A folder with an adapter that is not served.
#[derive(Debug)]
pub struct Refused {
    /// Its name.
    pub name: String,
    /// Where it is.
    pub path: PathBuf,
    /// Why.
    pub error: AdapterError,
}

/// Adapters cannot be looked for.
#[derive(Debug, thiserror::Error)]
#[error("the adapters in {folder} cannot be listed")]
pub struct Unlisted {
    folder: String,
    #[source]
    source: io::Error,
}

/// What a look found to be otherwise than at the one before.
#[derive(Debug, Default)]
pub struct Found {
    /// Adapters that came, by their names.
    pub added: Vec<AdapterEntry>,
    /// Adapters that went, by their names; one whose files were changed went and came under another hash.
    pub gone: Vec<AdapterEntry>,
    /// Folders with an adapter that cannot be served, told once for each change of their files.
    pub refused: Vec<Refused>,
}

/// PEFT folders, as adapters of one base.
pub struct AdapterFolder {
    paths: Vec<PathBuf>,
    model: ModelConfig,
    base: ContentHash,
    limits: Limits,
    /// By path. Locked for as long as a look takes, so that there is one at a time.
    seen: Mutex<BTreeMap<PathBuf, Seen>>,
    served: RwLock<BTreeMap<ContentHash, Place>>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Place {
    name: String,
    path: PathBuf,
}

struct Seen {
    stamp: Stamp,
    /// None: it is no adapter of this base.
    hash: Option<ContentHash>,
}

/// Length and time of the last change of an adapter's files. It decides what is read again, never what is served: the engine
/// checks the hash of what it loads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stamp([Option<(u64, SystemTime)>; FILES.len()]);

impl Stamp {
    fn of(folder: &Path) -> Self {
        Self(FILES.map(|file| {
            let metadata = std::fs::metadata(folder.join(file)).ok()?;
            Some((metadata.len(), metadata.modified().ok()?))
        }))
    }

    /// Whether nobody has written to the files for so long. A time in the future says nothing.
    fn is_quiet(&self, quiet: Duration) -> bool {
        self.0.iter().flatten().all(|(_, changed)| changed.elapsed().map_or(true, |since| since >= quiet))
    }
}

impl AdapterFolder {
    /// Not looked into yet: each of the paths is a PEFT folder, or a folder of them, for the base with these shapes and this
    /// hash.
    pub fn new(paths: Vec<PathBuf>, model: ModelConfig, base: ContentHash, limits: Limits) -> Self {
        Self { paths, model, base, limits, seen: Mutex::default(), served: RwLock::default() }
    }

    /// Looks for adapters that came or went. Reads, checks and hashes those whose files are other ones than before, except
    /// such as were written to within the last `quiet`: somebody may still be copying, and the next look finds them. With
    /// no such time, what was refused before is tried again.
    ///
    /// # Errors
    /// [`Unlisted`] of a path that cannot be listed; everything stays as it was then.
    pub fn look(&self, quiet: Duration) -> Result<Found, Unlisted> {
        let mut seen = self.seen.lock();
        let folders = self.list()?;
        let mut found = Found::default();
        let mut fresh = BTreeSet::new();
        seen.retain(|path, _| folders.contains_key(path));
        for (path, name) in &folders {
            let stamp = Stamp::of(path);
            let known = seen.get(path).filter(|seen| seen.stamp == stamp);
            if known.is_some_and(|seen| seen.hash.is_some() || !quiet.is_zero()) || !stamp.is_quiet(quiet) {
                continue;
            }
            let hash = self.open(path).and_then(AdapterFiles::hash);
            fresh.insert(path);
            seen.insert(path.clone(), Seen { stamp, hash: hash.as_ref().ok().copied() });
            if let Err(error) = hash {
                found.refused.push(Refused { name: name.clone(), path: path.clone(), error: error.into() });
            }
        }

        let before = self.served.read().clone();
        // Of two folders with one adapter the first that was seen serves it, for as long as it is there.
        let mut now = before.clone();
        now.retain(|hash, place| seen.get(&place.path).is_some_and(|seen| seen.hash == Some(*hash)));
        for (path, name) in &folders {
            let Some(hash) = seen.get(path).and_then(|seen| seen.hash) else { continue };
            match now.get(&hash) {
                Some(first) if first.path == *path => {}
                Some(first) if fresh.contains(path) => {
                    let error = AdapterError::Twice(first.name.clone());
                    found.refused.push(Refused { name: name.clone(), path: path.clone(), error });
                }
                Some(_) => {}
                None => _ = now.insert(hash, Place { name: name.clone(), path: path.clone() }),
            }
        }
        found.added = entries(&now).filter(|entry| !is_among(&before, entry)).collect();
        found.gone = entries(&before).filter(|entry| !is_among(&now, entry)).collect();
        found.added.sort();
        found.gone.sort();
        *self.served.write() = now;
        Ok(found)
    }

    /// The adapters that the last look left, by their names.
    pub fn entries(&self) -> Vec<AdapterEntry> {
        let mut entries: Vec<_> = entries(&self.served.read()).collect();
        entries.sort();
        entries
    }

    /// Folders with an adapter in them, and their names. One without [`CONFIG`] is none.
    fn list(&self) -> Result<BTreeMap<PathBuf, String>, Unlisted> {
        let mut folders = BTreeMap::new();
        for path in &self.paths {
            let unlisted = |source| Unlisted { folder: path.display().to_string(), source };
            if path.join(CONFIG).exists() {
                let name = path.file_name().unwrap_or_default().to_string_lossy();
                folders.insert(path.clone(), name.into_owned());
                continue;
            }
            for entry in std::fs::read_dir(path).map_err(unlisted)? {
                let entry = entry.map_err(unlisted)?;
                let Ok(name) = entry.file_name().into_string() else { continue };
                let folder = entry.path();
                if folder.join(CONFIG).exists() {
                    folders.insert(folder, name);
                }
                if folders.len() > MAX_FOLDERS {
                    let why = format!("more than {MAX_FOLDERS} adapters: use several folders");
                    return Err(unlisted(io::Error::other(why)));
                }
            }
        }
        Ok(folders)
    }

    fn open(&self, folder: &Path) -> Result<AdapterFiles<'static>, FormatError> {
        AdapterFiles::open(folder, &self.model, self.base, &self.limits)
    }
}

fn entries(served: &BTreeMap<ContentHash, Place>) -> impl Iterator<Item = AdapterEntry> + '_ {
    served.iter().map(|(hash, place)| AdapterEntry { name: place.name.clone(), hash: *hash })
}

fn is_among(served: &BTreeMap<ContentHash, Place>, entry: &AdapterEntry) -> bool {
    served.get(&entry.hash).is_some_and(|place| place.name == entry.name)
}

/// The folder as the engine's source: files are read when a request wants them, and used only if they are still what was
/// registered.
pub struct FolderSource(pub Arc<AdapterFolder>);

impl AdapterSource for FolderSource {
    fn load(&self, hash: &ContentHash) -> Result<Adapter, Box<dyn std::error::Error + Send + Sync>> {
        let place = self.0.served.read().get(hash).cloned();
        let Place { name, path } = place.ok_or("it is no longer in the folder of adapters")?;
        self.0.open(&path).and_then(|files| files.read(Some(*hash))).map_err(|error| {
            // Whoever asked learns nothing of where files lie.
            tracing::error!(name, error = &error as &dyn std::error::Error, "an adapter cannot be loaded");
            match error {
                FormatError::HashMismatch { .. } => "its files have changed since they were registered".into(),
                _ => "its files cannot be read any more".into(),
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use fonte_inference::formats::parse_config;
    use serde_json::json;

    use super::*;

    /// A folder of adapters on a base of two numbers.
    struct Scene {
        files: tempfile::TempDir,
        folder: AdapterFolder,
    }

    impl Scene {
        fn new() -> Self {
            let config = json!({
                "architectures": ["LlamaForCausalLM"], "model_type": "llama", "vocab_size": 4, "hidden_size": 2,
                "intermediate_size": 2, "num_hidden_layers": 1, "num_attention_heads": 1, "num_key_value_heads": 1,
                "head_dim": 2, "rms_norm_eps": 1e-5, "rope_theta": 10000.0, "max_position_embeddings": 8,
                "tie_word_embeddings": true, "hidden_act": "silu",
            });
            let model = parse_config("config.json", config.to_string().as_bytes()).expect("it is one");
            let files = tempfile::tempdir().expect("a folder");
            let paths = vec![files.path().to_owned()];
            let folder = AdapterFolder::new(paths, model, ContentHash([7; 32]), Limits::default());
            Self { files, folder }
        }

        /// An adapter of rank 1 on q_proj whose numbers are all this one. More digits make longer files: clocks of file
        /// systems tick too slowly to tell two writes of a test apart.
        fn write(&self, name: &str, number: f32) {
            let folder = self.files.path().join(name);
            fs::create_dir_all(&folder).expect("a folder");
            let alpha = if number.is_finite() { number } else { 1.0 };
            let config = json!({"peft_type": "LORA", "r": 1, "lora_alpha": alpha, "target_modules": ["q_proj"]});
            fs::write(folder.join(FILES[0]), config.to_string()).expect("written");
            let name = |part| format!("base_model.model.model.layers.0.self_attn.q_proj.lora_{part}.weight");
            let header = json!({
                name("A"): {"dtype": "F32", "shape": [1, 2], "data_offsets": [0, 8]},
                name("B"): {"dtype": "F32", "shape": [2, 1], "data_offsets": [8, 16]},
            });
            let (header, data) = (header.to_string(), [number; 4].map(f32::to_le_bytes).concat());
            let tensors = [&(header.len() as u64).to_le_bytes()[..], header.as_bytes(), &data].concat();
            fs::write(folder.join(FILES[1]), tensors).expect("written");
        }

        fn remove(&self, name: &str) {
            fs::remove_dir_all(self.files.path().join(name)).expect("it was there");
        }

        /// What came, what went, and what is refused.
        fn look(&self, quiet: Duration) -> [Vec<String>; 3] {
            let Found { added, gone, refused } = self.folder.look(quiet).expect("it can be listed");
            let names = |entries: Vec<AdapterEntry>| entries.into_iter().map(|entry| entry.name).collect();
            [names(added), names(gone), refused.into_iter().map(|refused| refused.name).collect()]
        }
    }

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    const NOW: Duration = Duration::ZERO;
    /// Longer than a test takes.
    const HOURS: Duration = Duration::from_secs(9999);
    const NOTHING: [Vec<String>; 3] = [Vec::new(), Vec::new(), Vec::new()];

    #[test]
    fn adapters_come_and_go_and_each_is_told_once() {
        let scene = Scene::new();
        assert_eq!(scene.look(NOW), NOTHING);
        scene.write("one", 1.0);
        scene.write("two", 2.0);
        fs::write(scene.files.path().join("notes.txt"), "no adapter").expect("written");
        // Somebody may still be copying.
        assert_eq!(scene.look(HOURS), NOTHING);
        assert_eq!(scene.look(NOW), [names(&["one", "two"]), vec![], vec![]]);
        assert_eq!(scene.look(NOW), NOTHING);
        let hash = |name: &str| scene.folder.entries().iter().find(|entry| entry.name == name).map(|entry| entry.hash);
        let (one, two) = (hash("one").expect("served"), hash("two").expect("served"));

        // The same files under another name are the same adapter; they serve it once the first ones are gone.
        scene.write("copy", 1.0);
        assert_eq!(scene.look(NOW), [vec![], vec![], names(&["copy"])]);
        assert_eq!(scene.look(NOW), NOTHING);
        scene.remove("one");
        assert_eq!(scene.look(HOURS), [names(&["copy"]), names(&["one"]), vec![]]);
        assert_eq!(hash("copy"), Some(one));

        // Other files under the same name are another adapter.
        scene.write("two", 12.5);
        assert_eq!(scene.look(HOURS), NOTHING);
        assert_eq!(scene.look(NOW), [names(&["two"]), names(&["two"]), vec![]]);
        assert_ne!(hash("two"), Some(two));
        scene.remove("two");
        scene.remove("copy");
        assert_eq!(scene.look(HOURS), [vec![], names(&["copy", "two"]), vec![]]);
        assert_eq!(scene.folder.entries(), []);
    }

    #[test]
    fn a_broken_adapter_is_named_and_keeps_nobody_out() {
        let scene = Scene::new();
        scene.write("good", 1.0);
        scene.write("infinite", f32::INFINITY);
        scene.write("cut", 4.0);
        let cut = scene.files.path().join("cut").join(FILES[1]);
        let whole = fs::read(&cut).expect("it is there");
        fs::write(&cut, &whole[..whole.len() - 1]).expect("written");
        fs::create_dir(scene.files.path().join("empty")).expect("a folder");
        fs::write(scene.files.path().join("empty").join(CONFIG), "{}").expect("written");
        let due = names(&["cut", "empty", "infinite"]);
        assert_eq!(scene.look(NOW), [names(&["good"]), vec![], due.clone()]);
        // Told once, except to who asks for it; a look in between is quiet.
        scene.write("other", 5.0);
        assert_eq!(scene.look(HOURS), NOTHING);
        assert_eq!(scene.look(NOW), [names(&["other"]), vec![], due]);
        fs::write(&cut, &whole).expect("written");
        assert_eq!(scene.look(NOW)[0], names(&["cut"]));
    }

    #[test]
    fn what_is_loaded_is_what_was_registered() {
        let scene = Scene::new();
        scene.write("one", 1.0);
        scene.look(NOW);
        let hash = scene.folder.entries()[0].hash;
        let (files, folder) = (scene.files, Arc::new(scene.folder));
        let source = FolderSource(folder.clone());
        let loaded = source.load(&hash).expect("as it was registered");
        assert_eq!((loaded.hash, &loaded.modules[0].a[..]), (hash, &[0x3f80, 0x3f80][..]));
        let scene =
            Scene { files, folder: AdapterFolder::new(vec![], folder.model.clone(), folder.base, folder.limits) };
        scene.write("one", 2.0);
        let error = source.load(&hash).expect_err("other files");
        assert!(error.to_string().contains("have changed"), "{error}");
        scene.remove("one");
        assert!(source.load(&hash).expect_err("no files").to_string().contains("cannot be read"));
        folder.look(HOURS).expect("it can be listed");
        assert!(source.load(&hash).expect_err("it is gone").to_string().contains("no longer"));
        // A path that is an adapter itself, and one that is nothing.
        scene.write("one", 1.0);
        let at = |path: &str| {
            let paths = vec![scene.files.path().join(path)];
            AdapterFolder::new(paths, folder.model.clone(), folder.base, folder.limits)
        };
        assert_eq!(at("one").look(NOW).expect("it can be listed").added[0].hash, hash);
        assert!(at("nowhere").look(NOW).expect_err("there is none").to_string().contains("nowhere"));
    }
}
