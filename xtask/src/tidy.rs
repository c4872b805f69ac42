//! Do the documents tell the truth about the tree? Every path and relative link in them must exist.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// Folders whose documents are read.
const FOLDERS: [&str; 6] = ["", "docs", "benches", "contracts", "fixtures", "web"];

/// A first path segment that marks a word in backticks as a path of this repository.
const TOP: [&str; 10] =
    ["crates/", "contracts/", "docs/", "fixtures/", "benches/", "examples/", "web/", "xtask/", ".ci/", ".cargo/"];

/// Every document fault, one line each.
pub(crate) fn faults(root: &Path) -> Vec<String> {
    let mut faults = Vec::new();
    for document in documents(root) {
        let Ok(text) = fs::read_to_string(&document) else {
            faults.push(format!("{}: not UTF-8", document.display()));
            continue;
        };
        let folder = document.parent().unwrap_or(root);
        let shown = document.strip_prefix(root).unwrap_or(&document).display();
        for (number, line) in text.lines().enumerate() {
            for path in paths_in(line) {
                if !root.join(&path).exists() {
                    faults.push(format!("{shown}:{}: `{path}` does not exist", number + 1));
                }
            }
            for link in links_in(line) {
                let target = link.split('#').next().unwrap_or_default();
                if !target.is_empty() && !folder.join(target).exists() {
                    faults.push(format!("{shown}:{}: link to {link} leads nowhere", number + 1));
                }
            }
        }
    }
    faults
}

fn documents(root: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for folder in FOLDERS {
        collect(&root.join(folder), !folder.is_empty(), &mut found);
    }
    found.sort();
    found
}

fn collect(folder: &Path, deep: bool, found: &mut Vec<PathBuf>) {
    let Ok(entries) = fs::read_dir(folder) else {
        return;
    };
    for entry in entries.flatten() {
        let path = entry.path();
        let name = entry.file_name();
        // Packages and contributed texts are not ours to check.
        if path.is_dir() && deep && name != "node_modules" && name != "demo" && name != "out" && name != "cache" {
            collect(&path, deep, found);
        } else if path.extension().is_some_and(|extension| extension == "md") {
            found.push(path);
        }
    }
}

/// Words in backticks that begin like a path of the repository and hold no placeholder.
fn paths_in(line: &str) -> Vec<String> {
    line.split('`')
        .skip(1)
        .step_by(2)
        .filter(|word| TOP.iter().any(|top| word.starts_with(top)))
        .filter(|word| !word.contains(['*', '<', '{', ' ', '$']))
        .map(|word| word.split("::").next().unwrap_or(word).to_owned())
        .collect()
}

/// Targets of relative Markdown links.
fn links_in(line: &str) -> Vec<String> {
    line.split("](")
        .skip(1)
        .filter_map(|rest| rest.split_once(')'))
        .map(|(target, _)| target.to_owned())
        .filter(|target| !target.contains("://") && !target.starts_with("mailto:"))
        .collect()
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use super::*;

    #[test]
    fn every_path_in_the_documents_exists() {
        let root = &crate::root();
        assert!(root.join("ARCHITECTURE.md").exists());
        let faults = faults(root);
        assert!(faults.is_empty(), "{}", faults.join("\n"));
    }

    /// `ARCHITECTURE.md` says which crate knows which.
    #[test]
    fn crates_know_whom_the_map_says() {
        let root = crate::root();
        let map = fs::read_to_string(root.join("ARCHITECTURE.md")).unwrap();
        let (_, list) = map.split_once("| Crate | Crates of ours that it knows |").unwrap();
        let names =
            |cell: &str| -> BTreeSet<String> { cell.split('`').skip(1).step_by(2).map(str::to_owned).collect() };
        let mut told = BTreeMap::new();
        for row in list.lines().skip(2).take_while(|line| line.starts_with('|')) {
            let cells: Vec<&str> = row.split('|').collect();
            told.extend(names(cells[1]).into_iter().map(|name| (name, (names(cells[2]), cells[2].trim()))));
        }
        let mut crates = BTreeSet::new();
        for entry in fs::read_dir(root.join("crates")).unwrap() {
            crates.insert(entry.unwrap().file_name().into_string().unwrap());
        }
        assert_eq!(told.keys().cloned().collect::<BTreeSet<_>>(), crates);
        for (name, (mut told, words)) in told {
            if words == "all" {
                told = crates.iter().filter(|other| **other != name).cloned().collect();
            }
            let manifest = fs::read_to_string(root.join("crates").join(&name).join("Cargo.toml")).unwrap();
            let (_, dependencies) = manifest.split_once("\n[dependencies]\n").unwrap();
            // Up to the next section: what only tests use is no edge.
            let lines = dependencies.lines().take_while(|line| !line.starts_with('['));
            let known: BTreeSet<String> = lines
                .filter_map(|line| line.strip_prefix("fonte-")?.split(['.', ' ']).next())
                .map(str::to_owned)
                .collect();
            assert_eq!(known, told, "{name}");
        }
    }

    #[test]
    fn paths_and_links_are_found() {
        assert_eq!(paths_in("see `crates/types/src` and `cargo xtask`"), ["crates/types/src"]);
        assert_eq!(links_in("[a](docs/x.md#y) [b](https://example.org)"), ["docs/x.md#y"]);
        let planted = tempdir();
        fs::write(planted.join("A.md"), "see `crates/nowhere`, [x](gone.md)").unwrap();
        assert_eq!(faults(&planted).len(), 2);
        fs::remove_dir_all(planted).unwrap();
    }

    fn tempdir() -> PathBuf {
        let path = std::env::temp_dir().join(format!("fonte-tidy-{}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        path
    }
}
