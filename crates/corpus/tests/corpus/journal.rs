use alloy_primitives::{Address, B256};
use fonte_corpus::{
    Journal, PublishState, Sealed, Store,
    journal::{JournalError, Lock, Publication},
};
use fonte_types::{ContributionId, DatanetId};

use crate::{child, child_folder, document, until};

const PAYEE: Address = Address::repeat_byte(9);

fn steps(id: u64) -> [PublishState; 4] {
    let contribution = ContributionId(id);
    [
        PublishState::Committed { contribution, block: 10 },
        PublishState::Uploaded { contribution, block: 10 },
        PublishState::Revealed { contribution, block: 12 },
        PublishState::Done { contribution },
    ]
}

fn sealed(content: u8) -> Sealed {
    let root = B256::from(rand::random::<[u8; 32]>());
    Sealed { root, documents: 2, text_bytes: 50, content: B256::repeat_byte(content) }
}

#[test]
fn a_publication_resumes_with_the_same_salts_after_a_kill_at_any_step() {
    for killed_after in 0..=4 {
        let folder = tempfile::tempdir().expect("a folder");
        let store = Store::open(&folder.path().join("store")).expect("a store");
        let draw_up = || {
            let mut draft = store.begin("ana").expect("a draft");
            draft.add(&document("a.md", "en", "The same text each time.")).expect("added");
            store.seal(draft).expect("sealed")
        };
        let prepare = |sealed: &Sealed| -> Publication {
            let journal = Journal::open(&folder.path().join("publications")).expect("a journal");
            journal.prepare(DatanetId(1), Address::ZERO, PAYEE, sealed).expect("prepared")
        };
        let first = draw_up();
        let mut begun = prepare(&first);
        let journal = Journal::open(&folder.path().join("publications")).expect("a journal");
        for step in &steps(7)[..killed_after] {
            journal.advance(&mut begun, *step).expect("a step");
        }
        // A new process imports the same folder again: new salts, same content.
        let again = draw_up();
        assert_ne!(again.root, first.root, "salts are drawn anew");
        assert_eq!(again.content, first.content);
        let mut resumed = prepare(&again);
        assert_eq!(resumed, begun, "but the publication that was begun goes on");
        store.bundle(resumed.root).expect("its bundle is there").verify(first.root).expect("and whole");
        store.erase(again.root).expect("the surplus goes");
        let mut draft = store.begin("ana").expect("a draft");
        draft.add(&document("a.md", "en", "The same text each time.")).expect("added");
        assert_eq!(journal.begin(&store, DatanetId(1), Address::ZERO, PAYEE, draft).expect("begun").0, resumed);
        let bundles = std::fs::read_dir(folder.path().join("store/bundles")).expect("listed").count();
        assert_eq!(bundles, 1, "begin leaves no surplus");
        for step in &steps(7)[killed_after..] {
            journal.advance(&mut resumed, *step).expect("the rest");
        }
        assert_eq!(journal.all().expect("listed"), [resumed]);
    }
}

#[test]
fn steps_go_forward_one_at_a_time() {
    let folder = tempfile::tempdir().expect("a folder");
    let journal = Journal::open(folder.path()).expect("a journal");
    let mut publication = journal.prepare(DatanetId(1), Address::ZERO, PAYEE, &sealed(1)).expect("prepared");
    let [committed, uploaded, revealed, done] = steps(7);
    assert!(matches!(journal.advance(&mut publication, uploaded), Err(JournalError::Step { .. })));
    journal.advance(&mut publication, committed).expect("committed");
    journal.advance(&mut publication, committed).expect("said twice");
    assert!(matches!(journal.advance(&mut publication, steps(8)[1]), Err(JournalError::Step { .. })), "another number");
    let blind = publication.blind;
    journal.restart(&mut publication).expect("a lapsed commit starts over");
    assert_eq!((publication.state, publication.blind), (PublishState::Prepared, blind));
    for step in [committed, uploaded, revealed, done] {
        journal.advance(&mut publication, step).expect("a step");
        assert_eq!(journal.get(publication.key).expect("read"), Some(publication.clone()));
    }
    assert!(matches!(journal.restart(&mut publication), Err(JournalError::Step { .. })));
    let elsewhere = journal.prepare(DatanetId(2), Address::ZERO, PAYEE, &sealed(1)).expect("prepared");
    let by_another = journal.prepare(DatanetId(1), Address::repeat_byte(1), PAYEE, &sealed(1)).expect("prepared");
    assert!(elsewhere.key != publication.key && by_another.key != publication.key);
    std::fs::write(folder.path().join(format!("{}.json", alloy_primitives::hex::encode(elsewhere.key))), "{")
        .expect("damaged");
    assert!(matches!(journal.get(elsewhere.key), Err(JournalError::Damaged { .. })));
}

#[test]
fn the_payee_is_bound_by_the_commit_and_not_before() {
    let folder = tempfile::tempdir().expect("a folder");
    let journal = Journal::open(folder.path()).expect("a journal");
    let prepare = |payee| journal.prepare(DatanetId(1), Address::ZERO, payee, &sealed(1)).expect("prepared");
    let other = Address::repeat_byte(8);
    assert_eq!(prepare(PAYEE).payee, Some(PAYEE));
    let mut publication = prepare(other);
    assert_eq!(
        (publication.payee, journal.get(publication.key).expect("read")),
        (Some(other), Some(publication.clone()))
    );
    journal.advance(&mut publication, steps(7)[0]).expect("committed");
    assert_eq!(prepare(PAYEE), publication, "the payee of the commit stays");

    // A file from before payees were written down says nothing, also later.
    let path = folder.path().join(format!("{}.json", alloy_primitives::hex::encode(publication.key)));
    let mut old: serde_json::Value = serde_json::from_slice(&std::fs::read(&path).expect("read")).expect("JSON");
    old.as_object_mut().expect("an object").remove("payee").expect("it is there");
    std::fs::write(&path, old.to_string()).expect("written");
    assert_eq!(prepare(PAYEE), Publication { payee: None, ..publication });
}

#[test]
fn what_is_forgotten_begins_anew() {
    let folder = tempfile::tempdir().expect("a folder");
    let journal = Journal::open(folder.path()).expect("a journal");
    let prepare = || journal.prepare(DatanetId(1), Address::ZERO, PAYEE, &sealed(1)).expect("prepared");
    let mut publication = prepare();
    for step in steps(7) {
        journal.advance(&mut publication, step).expect("a step");
    }
    journal.forget(publication.clone()).expect("forgotten");
    let again = prepare();
    assert_eq!((again.key, again.state), (publication.key, PublishState::Prepared));
    assert!(again.root != publication.root && again.blind != publication.blind);
}

/// Begins the one publication of a folder, as a process of its own would.
fn begin(folder: &std::path::Path) -> Result<(Publication, Lock), JournalError> {
    let store = Store::open(&folder.join("store")).expect("a store");
    let mut draft = store.begin("ana").expect("a draft");
    draft.add(&document("a.md", "en", "The same text each time.")).expect("added");
    let journal = Journal::open(&folder.join("publications")).expect("a journal");
    journal.begin(&store, DatanetId(1), Address::ZERO, PAYEE, draft)
}

#[test]
fn a_publication_excludes_another_until_it_ends_or_is_killed() {
    let folder = tempfile::tempdir().expect("a folder");
    let (begun, lock) = begin(folder.path()).expect("begun");
    // Old as it is, its file is not swept away.
    let path = folder.path().join(format!("publications/{}.lock", alloy_primitives::hex::encode(begun.key)));
    std::fs::File::open(path).and_then(|file| file.set_modified(std::time::UNIX_EPOCH)).expect("aged");
    assert!(matches!(begin(folder.path()), Err(JournalError::UnderWay)));
    let bundles = || std::fs::read_dir(folder.path().join("store/bundles")).expect("listed").count();
    assert_eq!(bundles(), 1, "who is refused leaves nothing");
    drop(lock);

    let mut holder = child("journal::publisher_without_end", folder.path());
    until("the other process holds the lock", || matches!(begin(folder.path()), Err(JournalError::UnderWay)));
    holder.kill().expect("killed");
    holder.wait().expect("gone");
    assert_eq!(begin(folder.path()).expect("free again").0, begun);
    assert_eq!(bundles(), 1);
}

#[test]
#[ignore = "run as a child process, to be killed"]
fn publisher_without_end() {
    let Some(folder) = child_folder() else { return };
    // Whoever asks whether the lock is held holds it for that moment.
    let _lock = loop {
        if let Ok(begun) = begin(&folder) {
            break begun;
        }
    };
    loop {
        std::thread::park();
    }
}

#[test]
fn a_killed_journal_holds_whole_steps() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut writer = child("journal::endless_publisher", folder.path());
    let journal = Journal::open(folder.path()).expect("a journal");
    until("some publications are there", || journal.all().expect("whole at every moment").len() > 20);
    writer.kill().expect("killed");
    writer.wait().expect("gone");
    let all = journal.all().expect("every file is whole");
    assert!(all.iter().filter(|publication| !matches!(publication.state, PublishState::Done { .. })).count() <= 1);
}

#[test]
#[ignore = "run as a child process, to be killed"]
fn endless_publisher() {
    let Some(folder) = child_folder() else { return };
    let journal = Journal::open(&folder).expect("a journal");
    for id in 1..=u32::MAX {
        let mut publication = journal.prepare(DatanetId(id), Address::ZERO, PAYEE, &sealed(1)).expect("prepared");
        for step in steps(id.into()) {
            journal.advance(&mut publication, step).expect("a step");
        }
    }
}
