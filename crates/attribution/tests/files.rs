//! What is on disk: damage of any byte is refused and never answers wrongly, killed builds leave nothing, segments
//! merge, one writer at a time.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use std::{collections::BTreeSet, fs, path::PathBuf};

use fonte_attribution::{
    AddError, Damage, Document, Everyone, IndexConfig, IndexError, Progress, SpanQuery, SuffixIndex, TraceError,
    TraceIndex,
};
use fonte_types::{ContributionId, DatanetId, evidence::Run};
use rand::{Rng, SeedableRng, rngs::StdRng};
use tempfile::TempDir;

const CONFIG: IndexConfig = IndexConfig { max_segment_bytes: 1 << 20, merge_at: 4 };

fn documents(count: u64, bytes: usize, seed: u64) -> Vec<Document> {
    let mut random = StdRng::seed_from_u64(seed);
    let mut text = || (0..bytes).map(|_| random.random_range(b'a'..=b'd')).collect();
    (1..=count)
        .map(|id| Document { contribution: ContributionId(id), document: 0, datanet: DatanetId(1), text: text() })
        .collect()
}

fn segment_files(folder: &TempDir) -> Vec<PathBuf> {
    let mut paths: Vec<PathBuf> = fs::read_dir(folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "fonte"))
        .collect();
    paths.sort();
    paths
}

/// Opens and asks everything that touches every section.
fn ask(folder: &TempDir, answer: &[u8]) -> Result<Vec<Run>, String> {
    let index = SuffixIndex::open(folder.path(), CONFIG).map_err(|error| format!("{error:?}"))?;
    index.owners(answer, b"", &Everyone).map_err(|error| format!("{error:?}"))
}

#[test]
fn a_damaged_segment_is_refused_or_answers_as_before() {
    let folder = tempfile::tempdir().unwrap();
    let documents = documents(40, 2_000, 1);
    SuffixIndex::open(folder.path(), CONFIG).unwrap().add(documents.clone()).unwrap();
    let answer = [&documents[3].text[100..700], &documents[20].text[5..90], &documents[39].text[1_000..]].concat();
    let expected = ask(&folder, &answer).unwrap();

    let [path] = segment_files(&folder).try_into().unwrap();
    let bytes = fs::read(&path).unwrap();
    let mut random = StdRng::seed_from_u64(2);
    let header = 0..64 * 8;
    let anywhere = (0..600).map(|_| random.random_range(0..bytes.len() * 8));
    let mut refused = 0;
    for bit in header.chain(anywhere.collect::<Vec<_>>()) {
        let mut damaged = bytes.clone();
        damaged[bit / 8] ^= 1 << (bit % 8);
        fs::write(&path, &damaged).unwrap();
        match ask(&folder, &answer) {
            // A chunk that no query touched may be damaged unnoticed; what is answered is right all the same.
            Ok(runs) => assert_eq!(runs, expected, "bit {bit}"),
            Err(error) => {
                assert!(error.contains("Damaged"), "{error}");
                refused += 1;
            }
        }
        assert!(bit >= 64 * 8 || refused > bit, "bit {bit} of the header went unnoticed");
    }
    // With chunks of 64 KiB and a file of a few, hardly any stays untouched.
    assert!(refused > 1_000, "{refused} of 1112 flips were refused");

    for length in [0, 1, 63, 64, 65, 5_000, bytes.len() / 2, bytes.len() - 1] {
        fs::write(&path, &bytes[..length]).unwrap();
        let error = ask(&folder, &answer).unwrap_err();
        assert!(error.contains("Length"), "{length}: {error}");
    }
    fs::write(&path, [&bytes[..], b"x"].concat()).unwrap();
    assert!(ask(&folder, &answer).unwrap_err().contains("Length"));
    fs::write(&path, vec![b'z'; bytes.len()]).unwrap();
    assert!(ask(&folder, &answer).unwrap_err().contains("Magic"));

    fs::write(&path, &bytes).unwrap();
    assert_eq!(ask(&folder, &answer).unwrap(), expected);
}

#[test]
fn damage_says_which_part_of_which_file() {
    let folder = tempfile::tempdir().unwrap();
    let documents = documents(10, 20_000, 3);
    SuffixIndex::open(folder.path(), CONFIG).unwrap().add(documents.clone()).unwrap();
    let [path] = segment_files(&folder).try_into().unwrap();
    let mut bytes = fs::read(&path).unwrap();
    let text = bytes.windows(100).position(|window| window == &documents[7].text[..100]).unwrap();
    bytes[text] ^= 1;
    fs::write(&path, &bytes).unwrap();
    let index = SuffixIndex::open(folder.path(), CONFIG).unwrap();
    let error = index.owners(&documents[7].text[..500], b"", &Everyone).unwrap_err();
    let TraceError::Damaged { path: named, damage: Damage::Checksum { section, start, end } } = error else {
        panic!("{error:?}")
    };
    assert_eq!((&named, section), (&path, "text"));
    assert!((start..end).contains(&(text as u64)));
    drop(index);

    // The checksums themselves are checked at once.
    bytes[text] ^= 1;
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(&path, &bytes).unwrap();
    let error = SuffixIndex::open(folder.path(), CONFIG).err().unwrap();
    assert!(
        matches!(error, IndexError::Damaged { damage: Damage::Checksum { section: "checksums", .. }, .. }),
        "{error:?}"
    );
}

#[test]
fn what_a_killed_build_left_is_removed_and_a_lost_manifest_is_noticed() {
    let folder = tempfile::tempdir().unwrap();
    let documents = documents(2, 500, 4);
    SuffixIndex::open(folder.path(), CONFIG).unwrap().add(documents[..1].to_vec()).unwrap();
    let [live] = segment_files(&folder).try_into().unwrap();
    // Killed after the rename of a segment and before the manifest; killed while writing either.
    let orphan = folder.path().join(format!("segment-{:016}.fonte", 1));
    fs::copy(&live, &orphan).unwrap();
    fs::write(folder.path().join(format!("segment-{:016}.tmp", 2)), b"half").unwrap();
    fs::write(folder.path().join("manifest.tmp"), b"half").unwrap();
    fs::write(folder.path().join("notes.txt"), b"not ours").unwrap();

    let index = SuffixIndex::open(folder.path(), CONFIG).unwrap();
    assert_eq!(index.stats().documents, 1);
    let mut left: Vec<_> = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    left.sort();
    assert_eq!(left, ["lock", "manifest", "notes.txt", live.file_name().unwrap().to_str().unwrap()]);
    index.add(documents[1..].to_vec()).unwrap();
    assert_eq!(index.stats().documents, 2);
    drop(index);

    fs::remove_file(folder.path().join("manifest")).unwrap();
    let error = SuffixIndex::open(folder.path(), CONFIG).err().unwrap();
    assert!(matches!(error, IndexError::Io { .. }), "{error:?}");
    assert!(live.exists());
}

#[test]
fn one_writer_at_a_time() {
    let folder = tempfile::tempdir().unwrap();
    let first = SuffixIndex::open(folder.path(), CONFIG).unwrap();
    assert!(matches!(SuffixIndex::open(folder.path(), CONFIG), Err(IndexError::Locked { .. })));
    drop(first);
    SuffixIndex::open(folder.path(), CONFIG).unwrap();
}

#[test]
fn small_segments_merge_and_large_input_is_split() {
    let folder = tempfile::tempdir().unwrap();
    let config = IndexConfig { max_segment_bytes: 300_000, merge_at: 4 };
    let index = SuffixIndex::open(folder.path(), config).unwrap();
    let documents = documents(64, 4_000, 5);
    let (mut most, mut merged) = (0, 0);
    for document in documents.iter().rev() {
        let count = &mut |at| merged += if let Progress::Merge { bytes, .. } = at { bytes } else { 0 };
        index.add_with_progress([document.clone()], count).unwrap();
        most = most.max(index.stats().segments);
    }
    assert!(most <= 12, "{most} segments");
    // At most at every third call. To merge everything at every call would take 8,322,080.
    assert!((64 * 4_001..3_000_000).contains(&merged), "{merged} bytes were merged");
    assert_eq!(segment_files(&folder).len(), index.stats().segments);
    assert_eq!((index.stats().documents, index.stats().text_bytes), (64, 64 * 4_000));
    for (at, document) in documents.iter().enumerate() {
        let runs = index.owners(&document.text, b"", &Everyone).unwrap();
        assert!(runs.len() == 1 && runs[0].source.code() == at as u64 + 1);
    }

    let folder = tempfile::tempdir().unwrap();
    let index = SuffixIndex::open(folder.path(), IndexConfig { max_segment_bytes: 10_000, merge_at: 8 }).unwrap();
    index.add(documents).unwrap();
    assert_eq!(index.stats().segments, 32);
}

#[test]
fn queries_run_while_documents_are_added() {
    let folder = tempfile::tempdir().unwrap();
    let index = SuffixIndex::open(folder.path(), CONFIG).unwrap();
    let documents = documents(60, 1_000, 6);
    index.add(documents[..1].to_vec()).unwrap();
    let first = &documents[0].text;
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| {
            for document in &documents[1..] {
                index.add([document.clone()]).unwrap();
            }
        });
        let mut asked = 0;
        while !writer.is_finished() || asked == 0 {
            assert_eq!(index.count(first, &Everyone).unwrap(), 1);
            asked += 1;
        }
    });
    assert_eq!(index.stats().documents, 60);
}

/// Adding 1 MB used to wait for the merge that it brought about, half a minute at worst.
#[test]
fn what_is_added_answers_before_anything_merges() {
    let folder = tempfile::tempdir().unwrap();
    let index = SuffixIndex::open(folder.path(), CONFIG).unwrap();
    let documents = documents(8, 3_000, 16);
    let seen = |index: &SuffixIndex| -> Vec<u64> {
        documents.iter().map(|document| index.count(&document.text, &Everyone).unwrap()).collect()
    };
    for (document, live) in documents[..4].iter().zip(1..) {
        let mut steps = Vec::new();
        index.add_unmerged([document.clone()], &mut |step| steps.push(step)).unwrap();
        assert!(!steps.iter().any(|step| matches!(step, Progress::Merge { .. })), "{steps:?}");
        assert_eq!(steps.iter().filter(|step| matches!(step, Progress::Live { .. })).count(), 1);
        assert_eq!(index.stats().segments, live);
    }
    assert_eq!(seen(&index), [1, 1, 1, 1, 0, 0, 0, 0]);

    // While four segments are made into one, a document is added, and another one withdrawn: both at once.
    let mut steps = Vec::new();
    std::thread::scope(|scope| {
        let mut withdrawing = None;
        let step = &mut |step| {
            steps.push(step);
            if let Progress::Sort { .. } = step {
                assert_eq!(index.add_unmerged([documents[4].clone()], &mut |_| {}).unwrap(), 1);
                let index = &index;
                withdrawing.get_or_insert_with(|| {
                    scope.spawn(move || index.withdraw(&BTreeSet::from([ContributionId(2)])).unwrap())
                });
                while !index.is_withdrawn(ContributionId(2)) {
                    std::thread::yield_now();
                }
                assert_eq!((index.stats().segments, seen(index)), (5, vec![1, 0, 1, 1, 1, 0, 0, 0]));
            }
        };
        index.merge(step).unwrap();
        assert_eq!(withdrawing.unwrap().join().unwrap(), 1);
    });
    let bytes = 4 * 3_001;
    let merged = [Progress::Merge { segments: 4, bytes }, Progress::Sort { bytes }, Progress::Write { bytes }];
    assert_eq!(steps, [&merged[..], &[Progress::Live { documents: 4, bytes }]].concat());
    let check = |index: &SuffixIndex, segments, withdrawn| {
        assert_eq!(seen(index), [1, 0, 1, 1, 1, 0, 0, 0]);
        let stats = index.stats();
        assert_eq!((stats.segments, stats.documents, stats.withdrawn_documents), (segments, 4, withdrawn));
        assert_eq!(segment_files(&folder).len(), segments);
    };
    check(&index, 2, 1);
    // Nothing is due: nothing is done.
    index.merge(&mut |step| panic!("{step:?}")).unwrap();
    // Also for whoever opens it now, and for proofs, which are of the segments in their order.
    drop(index);
    let index = SuffixIndex::open(folder.path(), CONFIG).unwrap();
    check(&index, 2, 1);
    assert_eq!(index.provers(|_, _| {}).unwrap().len(), 2);
    assert_eq!(index.purge(&mut |_| {}).unwrap(), 1);
    check(&index, 2, 0);

    // Killed between the two: the next call that adds merges for it. Refused within a merge: nothing has changed.
    for document in &documents[5..] {
        index.add_unmerged([document.clone()], &mut |_| {}).unwrap();
    }
    drop(index);
    let index = SuffixIndex::open(folder.path(), CONFIG).unwrap();
    assert_eq!(index.stats().segments, 5);
    let gone = index.merge(&mut |step| {
        if matches!(step, Progress::Sort { .. }) {
            fs::remove_dir_all(folder.path()).unwrap();
        }
    });
    assert!(matches!(gone, Err(AddError::Index(IndexError::Io { .. }))), "{gone:?}");
    assert_eq!((index.stats().segments, seen(&index)), (5, vec![1, 0, 1, 1, 1, 1, 1, 1]));
}

#[test]
fn an_index_opened_for_reading_follows_no_writer_and_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    assert!(matches!(SuffixIndex::open_read_only(folder.path()), Err(IndexError::Missing { .. })));
    let config = IndexConfig { merge_at: 2, ..CONFIG };
    let writer = SuffixIndex::open(folder.path(), config).unwrap();
    let documents = documents(40, 800, 8);
    writer.add(documents[..1].to_vec()).unwrap();
    let reader = SuffixIndex::open_read_only(folder.path()).unwrap();
    let error = reader.add(documents[1..2].to_vec()).unwrap_err();
    assert!(matches!(error, AddError::Index(IndexError::ReadOnly { .. })), "{error}");
    let leftover = folder.path().join(format!("segment-{:016}.tmp", 7_777));
    fs::write(&leftover, b"half").unwrap();

    // Readers open while every call of the writer merges segments away.
    std::thread::scope(|scope| {
        let writing = scope.spawn(|| {
            for document in &documents[1..] {
                writer.add([document.clone()]).unwrap();
            }
        });
        let mut opened = 0;
        while !writing.is_finished() || opened == 0 {
            let reader = SuffixIndex::open_read_only(folder.path()).unwrap();
            assert_eq!(reader.count(&documents[0].text, &Everyone).unwrap(), 1);
            opened += 1;
        }
    });
    assert_eq!(reader.stats().documents, 1);
    assert_eq!(SuffixIndex::open_read_only(folder.path()).unwrap().stats().documents, 40);
    assert!(leftover.exists());
}

#[test]
fn withdrawn_contributions_are_unseen_at_once_and_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let documents = documents(30, 1_000, 9);
    let index = SuffixIndex::open(folder.path(), CONFIG).unwrap();
    index.add(documents.clone()).unwrap();
    let [file] = segment_files(&folder).try_into().unwrap();
    let before = fs::read(&file).unwrap();
    let gone = BTreeSet::from([ContributionId(4), ContributionId(9), ContributionId(77)]);
    assert_eq!(index.withdraw(&gone).unwrap(), 2);
    // The segment stays as it is; only the manifest says so.
    assert_eq!(fs::read(&file).unwrap(), before);
    let check = |index: &SuffixIndex| {
        for id in 1..=30_u64 {
            let text = &documents[id as usize - 1].text;
            let seen = !gone.contains(&ContributionId(id));
            assert_eq!(index.contains(ContributionId(id), 0), seen);
            assert_eq!(index.is_withdrawn(ContributionId(id)), !seen);
            assert_eq!(index.count(text, &Everyone).unwrap(), u64::from(seen));
            assert_eq!(index.text(ContributionId(id), 0).unwrap().as_ref(), seen.then_some(text));
            let runs = index.owners(text, b"", &Everyone).unwrap();
            assert_eq!(runs[0].source.code() == id, seen, "{runs:?}");
        }
        assert_eq!(index.stats().documents, 28);
    };
    check(&index);
    assert_eq!((index.stats().withdrawn_documents, index.stats().withdrawn_bytes), (2, 2_000));
    drop(index);
    let index = SuffixIndex::open(folder.path(), CONFIG).unwrap();
    check(&index);
    check(&SuffixIndex::open_read_only(folder.path()).unwrap());
    assert_eq!(index.withdraw(&gone).unwrap(), 0);
    // For good, also what was never here.
    for id in &gone {
        let again = Document { contribution: *id, ..documents[3].clone() };
        assert!(matches!(index.add([again]), Err(AddError::Withdrawn(refused)) if refused == *id));
    }

    assert_eq!(index.purge(&mut |_| {}).unwrap(), 2);
    check(&index);
    assert_eq!(index.stats().withdrawn_documents, 0);
    let on_disk = |text: &[u8]| {
        segment_files(&folder).iter().any(|path| fs::read(path).unwrap().windows(64).any(|bytes| bytes == &text[..64]))
    };
    assert!(!on_disk(&documents[3].text) && on_disk(&documents[4].text));

    // Once half of a segment is withdrawn, it is rebuilt without being asked.
    let more: BTreeSet<_> = (10..=26).map(ContributionId).collect();
    assert_eq!(index.withdraw(&more).unwrap(), 17);
    assert_eq!((index.stats().documents, index.stats().withdrawn_documents), (11, 0));
    assert!(!on_disk(&documents[12].text) && on_disk(&documents[4].text));
    // And merging drops what is withdrawn, whatever its share.
    index.withdraw(&BTreeSet::from([ContributionId(5)])).unwrap();
    assert_eq!(index.stats().withdrawn_documents, 1);
    for at in 0..4 {
        index.add([Document { contribution: ContributionId(100 + at), ..documents[20].clone() }]).unwrap();
    }
    assert_eq!((index.stats().documents, index.stats().withdrawn_documents), (14, 0));
    assert!(!on_disk(&documents[4].text));
}

#[test]
fn contributions_are_withdrawn_while_queries_run() {
    let folder = tempfile::tempdir().unwrap();
    let documents = documents(60, 1_000, 10);
    let index = SuffixIndex::open(folder.path(), CONFIG).unwrap();
    index.add(documents.clone()).unwrap();
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| {
            for id in 2..=60 {
                index.withdraw(&BTreeSet::from([ContributionId(id)])).unwrap();
            }
        });
        let seen = |text: &[u8], id| {
            let runs = index.owners(text, b"", &Everyone).unwrap();
            let spans = index.spans(text, SpanQuery::default(), &Everyone).unwrap();
            let owned = runs.iter().any(|run| run.source.code() == id);
            let stands = spans.iter().flat_map(|span| &span.documents).any(|place| place.contribution.0 == id);
            [index.count(text, &Everyone).unwrap() == 1, owned, stands]
        };
        // Whatever was not seen once is not seen again, by any of the three.
        let mut before = vec![[true; 3]; documents.len()];
        loop {
            // The last round is behind the last withdrawal.
            let finished = writer.is_finished();
            for ((before, document), id) in before.iter_mut().zip(&documents).zip(1..) {
                let now = seen(&document.text, id);
                assert!((0..3).all(|at| before[at] || !now[at]), "{id} comes back: {now:?} after {before:?}");
                *before = now;
            }
            if finished {
                break;
            }
        }
        assert_eq!(before[0], [true; 3]);
        assert!(before[1..].iter().all(|seen| *seen == [false; 3]));
    });
    assert_eq!(index.stats().documents, 1);
    assert_eq!(index.count(&documents[0].text, &Everyone).unwrap(), 1);
}

#[test]
fn estimates_come_close_and_progress_is_told_in_order() {
    let folder = tempfile::tempdir().unwrap();
    let config = IndexConfig { max_segment_bytes: 100_000, merge_at: 99 };
    let index = SuffixIndex::open(folder.path(), config).unwrap();
    let documents = documents(50, 9_000, 11);
    let estimate = config.estimate(50, 50 * 9_000);
    let mut steps = Vec::new();
    index.add_with_progress(documents, &mut |step| steps.push(step)).unwrap();
    let stats = index.stats();
    assert_eq!(estimate.segments, stats.segments as u64);
    let off = estimate.disk_bytes.abs_diff(stats.file_bytes);
    assert!(off * 50 < stats.file_bytes, "estimated {} where {} were written", estimate.disk_bytes, stats.file_bytes);
    assert!((500_000..560_000).contains(&estimate.memory_bytes), "{}", estimate.memory_bytes);

    let live = steps.iter().filter(|step| matches!(step, Progress::Live { .. })).count();
    assert_eq!(live, stats.segments);
    let around = |step: &[Progress]| match step {
        [Progress::Sort { bytes: sorted }, Progress::Write { bytes: written }, Progress::Live { bytes, .. }] => {
            assert!(sorted == written && written == bytes);
            1
        }
        _ => 0,
    };
    assert_eq!(steps.windows(3).map(around).sum::<usize>(), live);
    assert!(steps.contains(&Progress::Read { documents: 50, bytes: 450_000 }));
}

/// The largest estimate is of the call that fills a class, and says what that call will really rebuild.
#[test]
fn estimates_know_which_merges_are_due() {
    let folder = tempfile::tempdir().unwrap();
    let config = IndexConfig { max_segment_bytes: 600_000, merge_at: 4 };
    let index = SuffixIndex::open(folder.path(), config).unwrap();
    let mut most = 0;
    for document in documents(40, 20_000, 13) {
        let before = index.stats();
        let alone = config.estimate_add_unmerged(&index, 1, 20_000);
        assert_eq!((alone.merged_bytes, alone.segments), (0, 1), "{alone:?}");
        let estimate = config.estimate_add(&index, 1, 20_000);
        let (mut merged, mut written) = (0, 0);
        let progress = &mut |at| match at {
            Progress::Merge { bytes, .. } => merged += bytes as u64,
            Progress::Live { .. } => written += 1,
            _ => {}
        };
        index.add_with_progress([document], progress).unwrap();
        assert_eq!((estimate.merged_bytes, estimate.segments), (merged, written), "{estimate:?}");
        assert!(estimate.memory_bytes >= 5 * merged.max(20_000));
        // Merging takes the old files and the new one for a moment.
        let grown = index.stats().file_bytes as i64 - before.file_bytes as i64;
        assert!(estimate.disk_bytes as i64 >= grown, "{estimate:?}: {grown}");
        most = most.max(merged);
    }
    assert!(most > 300_000, "{most}");

    // Half of a segment withdrawn: it is rebuilt at once; less: only when it is erased.
    let largest: BTreeSet<ContributionId> = (1..=3).map(ContributionId).collect();
    assert_eq!(config.estimate_withdraw(&index, &largest, false).segments, 0);
    let estimate = config.estimate_withdraw(&index, &largest, true);
    assert!(estimate.segments == 1 && estimate.memory_bytes > 1_000_000, "{estimate:?}");
    let many: BTreeSet<ContributionId> = (1..=9).map(ContributionId).collect();
    let estimate = config.estimate_withdraw(&index, &many, false);
    let mut merged = 0;
    let count = &mut |at| merged += if let Progress::Merge { bytes, .. } = at { bytes as u64 } else { 0 };
    index.withdraw_with_progress(&many, count).unwrap();
    assert!(merged > 0);
    assert_eq!(estimate.merged_bytes, merged);
}

/// Whole files with good checksums, of an index of the same sizes.
#[test]
fn files_of_another_index_are_refused() {
    let (ours, theirs) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    for (folder, seed) in [(&ours, 14), (&theirs, 15)] {
        SuffixIndex::open(folder.path(), CONFIG).unwrap().add(documents(5, 3_000, seed)).unwrap();
    }
    let refused = |name: &str, foreign: &[u8]| {
        let path = ours.path().join(name);
        let good = fs::read(&path).unwrap();
        assert!(good.len() == foreign.len() && good != foreign);
        fs::write(&path, foreign).unwrap();
        for opened in [SuffixIndex::open(ours.path(), CONFIG), SuffixIndex::open_read_only(ours.path())] {
            let error = opened.err().unwrap();
            assert!(matches!(&error, IndexError::Damaged { damage: Damage::Foreign { .. }, .. }), "{error:?}");
            assert!(
                error.to_string().contains("damaged or foreign; remove the index folder and rebuild it"),
                "{error}"
            );
        }
        fs::write(&path, good).unwrap();
    };
    let [segment] = segment_files(&theirs).try_into().unwrap();
    refused(segment.file_name().unwrap().to_str().unwrap(), &fs::read(&segment).unwrap());
    refused("manifest", &fs::read(theirs.path().join("manifest")).unwrap());
    assert_eq!(SuffixIndex::open_read_only(ours.path()).unwrap().stats().documents, 5);

    // One that an earlier version wrote, empty: 32 bytes and a checksum.
    let mut earlier = [&b"FONTEIDX"[..], &2_u32.to_le_bytes(), &[0; 20]].concat();
    earlier.extend(crc32fast::hash(&earlier).to_le_bytes());
    fs::write(ours.path().join("manifest"), earlier).unwrap();
    let error = SuffixIndex::open(ours.path(), CONFIG).err().unwrap();
    let expected = Damage::Version { found: 2, expected: 3 };
    assert!(matches!(&error, IndexError::Damaged { damage, .. } if *damage == expected), "{error:?}");
    assert!(segment_files(&ours)[0].exists());
}
