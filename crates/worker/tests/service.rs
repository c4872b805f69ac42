//! The worker at the other end of a scripted gateway: adoption, answers, receipts, refusals.

mod common;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc, Mutex,
        mpsc::{Receiver, SyncSender, sync_channel},
    },
    time::{Duration, Instant},
};

use alloy_primitives::B256;
use common::{Gateway, MODEL, World, credited, document, network, terms};
use fonte_bindings::client::{ModelRefusal, RefusalReason};
use fonte_types::{
    ContributionId, DatanetId, EngineClass, ModelId, Network, Visibility,
    bundle::verify,
    evidence::Source,
    wire::{Frame, PROTOCOL, RefusalCode, ToGateway, ToWorker},
};
use fonte_worker::{AnswerModel, Config, Emit, ModelError, Passages, Question, ServeError, Worker, Written};

const HERON: &str = "The grey heron of Lock Nine eats eleven eels a week and sleeps on the upper gate.";
const KINGFISHER: &str = "The kingfisher of Lock Nine digs a tunnel of seventy centimetres into the clay bank.";

/// One open datanet with two contributions, adopted.
async fn small() -> (World, Worker, Gateway, [ContributionId; 2]) {
    let world = World::new();
    let datanet = world.datanet(|_| {});
    let heron = world.contribute(datanet, &[document("Heron", "en", HERON)]);
    let kingfisher = world.contribute(datanet, &[document("Kingfisher", "en", KINGFISHER)]);
    let worker = world.worker();
    let mut gateway = Gateway::connect(&worker, &world).await;
    gateway.until_adopted(&world.versions(), &world).await;
    (world, worker, gateway, [heron, kingfisher])
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_are_attributed_signed_and_verifiable() {
    let world = World::demo();
    let worker = world.worker();
    let mut gateway = Gateway::connect(&worker, &world).await;
    gateway.until_adopted(&world.versions(), &world).await;
    assert_eq!(worker.adopted(), world.versions());

    let showcase: Vec<String> =
        serde_json::from_slice(&std::fs::read(common::demo_folder().join("showcase.json")).unwrap()).unwrap();
    for (number, question) in (1..).zip(&showcase) {
        let job = world.job(number, question);
        let answered = gateway.run(&world, job.clone()).await.unwrap();
        let receipt = &answered.answer.receipt;
        assert!(!receipt.shares.as_slice().is_empty(), "{question}");
        assert_eq!((receipt.payer, receipt.gateway), (world.payer, world.gateway.address()));
        assert_eq!((receipt.worker, receipt.model), (worker.address(), MODEL));
        assert_eq!(receipt.versions, world.versions());
        assert_eq!(receipt.issued_at, 1_700_000_000);
        assert_eq!(receipt.output_tokens as usize, answered.text.len().div_ceil(4));
        assert_eq!(receipt.input_tokens as usize, job.prompt.text.len().div_ceil(4));
        let verified = verify(&world.bundle(&job, &answered));
        assert!(verified.ok, "{question}: {verified:#?}");
        for cited in &answered.answer.cited {
            for document in &cited.documents {
                let chunks: Vec<u32> = document.opening.chunks.iter().map(|chunk| chunk.index).collect();
                assert!(chunks.is_sorted_by(|a, b| a < b), "{chunks:?}");
            }
        }
        // A tampered answer is named.
        let mut bundle = world.bundle(&job, &answered);
        bundle.answer.text.replace_range(0..1, "X");
        assert!(!verify(&bundle).ok);
    }
    // Two questions in one: each gets its own source.
    let both = gateway.ask(&world, &showcase[0]).await;
    let sources: BTreeSet<&str> = both.answer.runs.iter().filter_map(|run| path(&world, run)).collect();
    assert!(sources.contains("health/sleep-desk/caffeine-clock.md"), "{sources:?}");
    assert!(sources.contains("coffee/harbour-roasters/decaf-batches.md"), "{sources:?}");
    assert!(both.pieces.len() >= 2);

    // The plagiarist's copy earns nothing, whoever is quoted.
    let sandbag = gateway.ask(&world, "How heavy is a wet sandbag?").await;
    let mill = world.paths.iter().find(|(_, path)| path.starts_with("rivers/content-mill")).unwrap().0.0;
    assert!(!credited(&sandbag.answer).contains(&mill));
    assert!(!credited(&sandbag.answer).is_empty());

    // Where nothing fits, nobody is paid for it, and the receipt holds all the same.
    let job = world.job(99, "Who composed the opera The Magic Flute?");
    let nothing = gateway.run(&world, job.clone()).await.unwrap();
    assert_eq!(nothing.text, fonte_worker::quote::nothing_fits(fonte_worker::quote::Language::English));
    assert!(nothing.answer.receipt.shares.as_slice().is_empty() && nothing.answer.cited.is_empty());
    assert!(verify(&world.bundle(&job, &nothing)).ok);
    gateway.close().await.unwrap();
}

fn path<'w>(world: &'w World, run: &fonte_types::evidence::Run) -> Option<&'w str> {
    match run.source {
        Source::Contribution(id) => world.paths.get(&(id, run.document)).map(String::as_str),
        _ => None,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_prompt_holds_is_not_paid() {
    let (world, _worker, mut gateway, [heron, _]) = small().await;
    let question = "What does the grey heron of Lock Nine eat?";
    let paid = gateway.ask(&world, question).await;
    assert_eq!(credited(&paid.answer), BTreeSet::from([heron]));

    let mut job = world.job(50, question);
    job.prompt.text = format!("user: somebody told me: {HERON}\nuser: {question}");
    let echoed = gateway.run(&world, job.clone()).await.unwrap();
    assert_eq!(echoed.text, paid.text);
    assert!(credited(&echoed.answer).is_empty());
    assert!(echoed.answer.runs.iter().any(|run| run.source == Source::Prompt));
    assert!(verify(&world.bundle(&job, &echoed)).ok);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tampered_or_missing_bundle_keeps_its_version_from_being_adopted() {
    let world = World::new();
    let datanet = world.datanet(|_| {});
    let heron = world.contribute(datanet, &[document("Heron", "en", HERON)]);
    let first = world.versions();
    let kingfisher = world.contribute(datanet, &[document("Kingfisher", "en", KINGFISHER)]);
    let worker = world.worker();
    let mut gateway = Gateway::connect(&worker, &world).await;

    let good = std::fs::read(world.store.bundle(world.root_of(kingfisher)).unwrap().path()).unwrap();
    let mut tampered = good.clone();
    let at = good.windows(7).position(|window| window == b"seventy").unwrap();
    tampered[at..at + 7].copy_from_slice(b"hundred");
    gateway.instead(kingfisher, Some(tampered));
    // Asked for a second time: the first was refused.
    gateway.until_asked(kingfisher, 2, &world).await;
    gateway.instead(kingfisher, None);
    gateway.until_asked(kingfisher, 4, &world).await;
    // Meanwhile the version before it serves.
    gateway.until_adopted(&first, &world).await;
    assert_eq!(
        credited(&gateway.ask(&world, "What does the grey heron eat at Lock Nine?").await.answer),
        [heron].into()
    );
    assert!(credited(&gateway.ask(&world, "How long is the tunnel of the kingfisher?").await.answer).is_empty());

    // Unless the model's terms allow no answer from an older version.
    world.max_staleness(0);
    let started = Instant::now();
    let mut number = 1_000_000;
    let refusal = loop {
        number += 1;
        match gateway.run(&world, world.job(number, "What does the grey heron eat at Lock Nine?")).await {
            Err(refusal) => break refusal,
            Ok(_) => assert!(started.elapsed() < Duration::from_secs(60), "a stale version still answers"),
        }
    };
    assert_eq!((refusal.code, refusal.datanet), (RefusalCode::NotAdopted, Some(datanet)), "{refusal:?}");
    assert!(refusal.message.contains("version 1") && refusal.message.contains("2 is the latest"), "{refusal:?}");

    gateway.instead(kingfisher, Some(good));
    gateway.until_adopted(&world.versions(), &world).await;
    let answered = gateway.ask(&world, "How long is the tunnel of the kingfisher?").await;
    assert_eq!(credited(&answered.answer), BTreeSet::from([kingfisher]));
}

/// Asks until the answer credits this, and no longer: the worker hears of a block within its polling interval.
async fn until_credited(world: &World, gateway: &mut Gateway, question: &str, expected: &BTreeSet<ContributionId>) {
    let started = Instant::now();
    loop {
        let answered = gateway.ask(world, question).await;
        if credited(&answered.answer) == *expected {
            return;
        }
        assert!(started.elapsed() < Duration::from_secs(60), "still: {}", answered.text);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_withdrawn_is_not_quoted_again() {
    let (world, worker, mut gateway, [heron, kingfisher]) = small().await;
    let about_heron = "What does the grey heron eat at Lock Nine?";
    let before = world.versions();
    until_credited(&world, &mut gateway, about_heron, &[heron].into()).await;

    // Even where the newer version cannot be adopted, because the gateway lacks another new member of it.
    let late =
        world.contribute(DatanetId(1), &[document("Otter", "en", "The otter of Lock Nine has not been seen since.")]);
    gateway.instead(late, None);
    world.withdraw(heron);
    until_credited(&world, &mut gateway, about_heron, &BTreeSet::new()).await;
    assert_eq!(worker.adopted(), before);
    until_credited(&world, &mut gateway, "How long is the tunnel of the kingfisher?", &[kingfisher].into()).await;

    // Nor after a restart, nor once the newer version is adopted.
    gateway.close().await.unwrap();
    drop(worker);
    let worker = world.worker();
    let mut gateway = Gateway::connect(&worker, &world).await;
    gateway.until_adopted(&world.versions(), &world).await;
    assert!(credited(&gateway.ask(&world, about_heron).await.answer).is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_resumes_from_disk() {
    let (world, worker, mut gateway, [heron, kingfisher]) = small().await;
    let asked: BTreeSet<ContributionId> = gateway.asked_for.iter().copied().collect();
    assert_eq!(asked, BTreeSet::from([heron, kingfisher]));
    let question = "What does the grey heron eat at Lock Nine?";
    let before = gateway.ask(&world, question).await;
    gateway.close().await.unwrap();
    drop(worker);

    let worker = world.worker();
    let mut gateway = Gateway::connect(&worker, &world).await;
    gateway.until_adopted(&world.versions(), &world).await;
    assert!(gateway.asked_for.is_empty(), "{:?}", gateway.asked_for);
    let after = gateway.ask(&world, question).await;
    assert_eq!((after.text, after.answer.runs), (before.text, before.answer.runs));

    // The texts are enough: indexes that were lost are built again without fetching.
    gateway.close().await.unwrap();
    drop(worker);
    for folder in ["search", "trace"] {
        std::fs::remove_dir_all(world.config().data_dir.join(folder)).unwrap();
    }
    let worker = world.worker();
    let mut gateway = Gateway::connect(&worker, &world).await;
    gateway.until_adopted(&world.versions(), &world).await;
    assert!(gateway.asked_for.is_empty());
    assert_eq!(credited(&gateway.ask(&world, question).await.answer), BTreeSet::from([heron]));
}

#[tokio::test(flavor = "multi_thread")]
async fn many_contributions_are_indexed_together() {
    let world = World::new();
    let datanet = world.datanet(|_| {});
    for number in 0..120 {
        let text = format!("Hut number {number} on the long dyke was painted in the year {}.", 1600 + number);
        world.contribute(datanet, &[document(&format!("Hut {number}"), "en", &text)]);
    }
    let worker = world.worker();
    let mut gateway = Gateway::connect(&worker, &world).await;
    gateway.until_adopted(&world.versions(), &world).await;
    let answered = gateway.ask(&world, "In which year was hut number 97 painted?").await;
    assert_eq!(answered.text, "Hut number 97 on the long dyke was painted in the year 1697. [1]");
    // What all huts have in common belongs to the first.
    assert!(credited(&answered.answer).is_superset(&[ContributionId(1), ContributionId(98)].into()));
    gateway.close().await.unwrap();
    drop(worker);
    let manifest = std::fs::read_dir(world.config().data_dir.join("trace")).unwrap();
    let segments = manifest.filter(|entry| entry.as_ref().unwrap().metadata().unwrap().len() > 120 * 50).count();
    assert!(segments <= 4, "{segments} segments for one batch");
}

#[tokio::test(flavor = "multi_thread")]
async fn boilerplate_belongs_to_the_commons() {
    let world = World::new();
    let commons = world.datanet(|policy| policy.quote = false);
    let bundle = fonte_corpus::commons::licences(&world.store).unwrap();
    let licences = world.register(commons, bundle.root(), bundle.documents(), bundle.text_bytes());
    let datanet = world.datanet(|_| {});
    let licence = (0..bundle.documents())
        .map(|index| bundle.document(index).unwrap().document)
        .find(|document| document.path == "MIT")
        .unwrap()
        .text;
    let permission = licence.split("\n\n").find(|paragraph| paragraph.starts_with("Permission is")).unwrap();
    let borrowed = &permission[..permission.find("obtaining").unwrap()];
    let text = format!(
        "The heron software belongs to the lock keeper and counts eels at every gate.\n\n\
        The lock keepers of the Orrin valley have agreed on these words for every eel counter: {borrowed}who asks.\n\n\
        {permission}"
    );
    let uploader = world.contribute(datanet, &[document("Eel counter", "en", &text)]);
    let mut config = world.config();
    config.commons = Some(commons);
    let worker = Worker::open(config, world.ledger.clone()).unwrap();
    let mut gateway = Gateway::connect(&worker, &world).await;
    gateway.until_adopted(&world.versions(), &world).await;
    // Every node computes the licence texts by itself.
    assert_eq!(gateway.asked_for, [uploader]);

    let mut job = world.job(1, "On which words have the lock keepers of the Orrin valley agreed for an eel counter?");
    // Not named, and in the receipt all the same.
    job.datanets = vec![datanet];
    let mixed = gateway.run(&world, job.clone()).await.unwrap();
    assert_eq!(mixed.answer.receipt.versions, world.versions());
    assert_eq!(credited(&mixed.answer), BTreeSet::from([licences, uploader]), "{}", mixed.text);
    let of_commons = mixed.answer.receipt.shares.of(licences);
    let expected = borrowed.trim_end().len() * 1_000_000 / mixed.text.len();
    assert!(usize::try_from(of_commons).unwrap() >= expected, "{of_commons} ppm: {}", mixed.text);
    assert!(verify(&world.bundle(&job, &mixed)).ok);
    // Boilerplate alone is nobody's answer.
    let boilerplate =
        gateway.ask(&world, "To whom is permission granted to publish, sublicense and sell copies?").await;
    assert!(credited(&boilerplate.answer).is_empty(), "{}", boilerplate.text);
    // Licence texts themselves are no answers; what the uploader wrote is theirs.
    let own = gateway.ask(&world, "Who does the heron software belong to?").await;
    assert_eq!(credited(&own.answer), BTreeSet::from([uploader]), "{}", own.text);
    let gpl =
        gateway.ask(&world, "What does the GNU General Public License say about tivoization of user products?").await;
    assert!(credited(&gpl.answer).is_empty(), "{}", gpl.text);
}

/// A model that waits to be let go.
struct Waiting(Mutex<Receiver<()>>, SyncSender<()>);

impl AnswerModel for Waiting {
    fn engine_class(&self) -> EngineClass {
        EngineClass::Tolerance
    }

    fn answer(&self, _: Question<'_>, _: &dyn Passages, emit: &mut Emit<'_>) -> Result<Written, ModelError> {
        self.1.send(()).unwrap();
        self.0.lock().unwrap().recv().unwrap();
        emit("done waiting", &[]);
        Ok(Written::default())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_worker_is_busy_and_a_cancelled_job_is_silent() {
    let world = World::new();
    let datanet = world.datanet(|_| {});
    world.contribute(datanet, &[document("Heron", "en", HERON)]);
    let (go, wait) = sync_channel(8);
    let (started, begun) = sync_channel(8);
    let mut config = world.config();
    config.slots = 1;
    config.models = BTreeMap::from([(MODEL, Arc::new(Waiting(Mutex::new(wait), started)) as Arc<dyn AnswerModel>)]);
    let worker = Worker::open(config, world.ledger.clone()).unwrap();
    let mut gateway = Gateway::connect(&worker, &world).await;
    gateway.until_adopted(&world.versions(), &world).await;

    gateway.send(ToWorker::Job(Box::new(world.job(1, "anything")))).await;
    let begun = tokio::task::spawn_blocking(move || {
        begun.recv().unwrap();
        begun
    })
    .await
    .unwrap();
    let refusal = gateway.run(&world, world.job(2, "anything")).await.unwrap_err();
    assert_eq!(refusal.code, RefusalCode::Busy);
    let refusal = gateway.run(&world, world.job(1, "anything")).await.unwrap_err();
    assert_eq!(refusal.code, RefusalCode::Invalid);

    // Cancelled and then finished: not a word of it, and the slot is free again.
    gateway.send(ToWorker::Cancel { job: 1 }).await;
    gateway.send(ToWorker::Cancel { job: 77 }).await;
    // The cancellation was read once a later message is answered.
    assert_eq!(gateway.run(&world, world.job(3, "anything")).await.unwrap_err().code, RefusalCode::Busy);
    go.send(()).unwrap();
    go.send(()).unwrap();
    let answered = loop {
        match gateway.run(&world, world.job(4, "anything")).await {
            Ok(answered) => break answered,
            // Until the thread of job 1 is done.
            Err(refusal) => assert_eq!(refusal.code, RefusalCode::Busy),
        }
    };
    assert_eq!(answered.text, "done waiting");
    assert_eq!(answered.answer.receipt.engine_class, EngineClass::Tolerance);
    drop(begun);
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_jobs_are_refused_by_name() {
    let world = World::new();
    let open = world.datanet(|_| {});
    let unquotable = world.datanet(|policy| policy.quote = false);
    let public_only = world.datanet(|policy| policy.private = false);
    let dear = world.datanet(|policy| policy.price_floor = terms().prices.output + 1);
    let abroad = world.datanet(|policy| policy.jurisdictions = vec![*b"PT", *b"DE"]);
    let at_home = world.datanet(|policy| policy.jurisdictions = vec![*b"PT", *b"BR"]);
    for datanet in [open, unquotable, public_only, dear, abroad, at_home] {
        world.contribute(datanet, &[document("Heron", "en", HERON)]);
    }
    let versions = world.versions();
    let empty = world.datanet(|_| {});
    // Never adopted, and refused for its terms before that is looked at.
    let hidden = world.datanet(|policy| policy.index = false);
    let worker = Worker::open(Config { jurisdiction: Some(*b"BR"), ..world.config() }, world.ledger.clone()).unwrap();
    let mut gateway = Gateway::connect(&worker, &world).await;
    gateway.until_adopted(&versions, &world).await;

    let question = "What does the grey heron eat at Lock Nine?";
    let mut good = world.job(1, question);
    good.datanets = vec![open, at_home];
    let mut number = 1;
    type Change = Box<dyn Fn(&mut fonte_types::wire::Job)>;
    let cases: Vec<(RefusalCode, Option<DatanetId>, Change)> = vec![
        (RefusalCode::UnknownModel, None, Box::new(|job| job.model = ModelId(9))),
        (RefusalCode::Invalid, None, Box::new(|job| job.terms.prices.output -= 1)),
        (RefusalCode::Invalid, None, Box::new(|job| job.request_id = B256::ZERO)),
        (RefusalCode::Invalid, None, Box::new(|job| job.datanets.clear())),
        (RefusalCode::Invalid, None, Box::new(|job| job.max_output_tokens = 3)),
        (RefusalCode::Invalid, None, Box::new(|job| job.prompt.text = "x".repeat((256 << 10) + 1))),
        (RefusalCode::NotAdopted, Some(DatanetId(77)), Box::new(|job| job.datanets.push(DatanetId(77)))),
        (RefusalCode::NotAdopted, Some(empty), Box::new(move |job| job.datanets.push(empty))),
    ];
    for (code, datanet, change) in cases {
        let mut job = good.clone();
        number += 1;
        job.job = number;
        change(&mut job);
        let refusal = gateway.run(&world, job).await.expect_err("a bad job was answered");
        assert_eq!((refusal.code, refusal.datanet), (code, datanet), "{refusal:?}");
        assert!(!refusal.message.is_empty());
    }
    // The clauses of a policy, each by the datanet's name and its own.
    let clauses = [
        (hidden, Visibility::Open, "index"),
        (unquotable, Visibility::Open, "quote"),
        (public_only, Visibility::Private, "private"),
        (dear, Visibility::Open, "price floor"),
        (abroad, Visibility::Open, "jurisdictions"),
    ];
    for (datanet, visibility, clause) in clauses {
        number += 1;
        let mut job = fonte_types::wire::Job { job: number, visibility, ..good.clone() };
        job.datanets.push(datanet);
        let refusal = gateway.run(&world, job).await.expect_err(clause);
        assert_eq!((refusal.code, refusal.datanet), (RefusalCode::Terms, Some(datanet)), "{refusal:?}");
        assert!(refusal.message.contains(&format!("datanet \"net-{datanet}\"")), "{refusal:?}");
        assert!(refusal.message.contains(&format!("(clause {clause:?})")), "{refusal:?}");
    }
    // A model that has stopped answers nobody, and says under which clause.
    world.refuse(Some(ModelRefusal { reason: RefusalReason::Withdrawn, datanet: Some(open) }));
    let started = Instant::now();
    let refusal = loop {
        number += 1;
        match gateway.run(&world, fonte_types::wire::Job { job: number, ..good.clone() }).await {
            Err(refusal) => break refusal,
            Ok(_) => assert!(started.elapsed() < Duration::from_secs(60), "a stopped model still answers"),
        }
    };
    assert_eq!((refusal.code, refusal.datanet), (RefusalCode::Terms, Some(open)), "{refusal:?}");
    let clause = format!("has been withdrawn (clause \"withdrawal\" of datanet \"net-{open}\")");
    assert!(refusal.message.contains(&clause), "{refusal:?}");
    world.refuse(None);
    let started = Instant::now();
    while {
        number += 1;
        gateway.run(&world, fonte_types::wire::Job { job: number, ..good.clone() }).await.is_err()
    } {
        assert!(started.elapsed() < Duration::from_secs(60), "a model that goes on is still refused");
    }
    // And the good one is answered, privately too, from where that is allowed.
    good.job = 1_000_000;
    good.visibility = Visibility::Private;
    let answered = gateway.run(&world, good.clone()).await.unwrap();
    assert_eq!(answered.answer.receipt.visibility, Visibility::Private);
    assert!(verify(&world.bundle(&good, &answered)).ok);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_does_not_say_where_it_stands_answers_from_no_datanet_that_names_places() {
    let world = World::new();
    let anywhere = world.datanet(|_| {});
    let somewhere = world.datanet(|policy| policy.jurisdictions = vec![*b"PT", *b"BR"]);
    for datanet in [anywhere, somewhere] {
        world.contribute(datanet, &[document("Heron", "en", HERON)]);
    }
    assert_eq!(world.config().jurisdiction, None);
    let worker = world.worker();
    let mut gateway = Gateway::connect(&worker, &world).await;
    gateway.until_adopted(&world.versions(), &world).await;
    let job = world.job(1, "What does the grey heron eat at Lock Nine?");
    let refusal = gateway.run(&world, job.clone()).await.unwrap_err();
    assert_eq!((refusal.code, refusal.datanet), (RefusalCode::Terms, Some(somewhere)), "{refusal:?}");
    for words in ["datanet \"net-2\"", "only in PT, BR", "does not say where it stands", "(clause \"jurisdictions\")"] {
        assert!(refusal.message.contains(words), "{refusal:?}");
    }
    let elsewhere = fonte_types::wire::Job { job: 2, datanets: vec![anywhere], ..job };
    gateway.run(&world, elsewhere).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn weights_are_used_where_and_for_whom_the_texts_they_were_trained_on_may_be() {
    let world = World::new();
    let open = world.datanet(|_| {});
    let public_only = world.datanet(|policy| policy.private = false);
    let abroad = world.datanet(|policy| policy.jurisdictions = vec![*b"PT"]);
    // What was trained on it is not a quote, and its price is the contract's to judge.
    let silent = world.datanet(|policy| (policy.quote, policy.price_floor) = (false, u128::MAX));
    world.contribute(open, &[document("Heron", "en", HERON)]);
    let job = world.job(1, "What does the grey heron eat at Lock Nine?");
    let cases = [
        (public_only, Visibility::Private, Some("private")),
        (abroad, Visibility::Open, Some("jurisdictions")),
        (silent, Visibility::Private, None),
        (public_only, Visibility::Open, None),
    ];
    for (datanet, visibility, clause) in cases {
        world.train(&[datanet]);
        let folder = tempfile::tempdir().unwrap();
        let config = Config { jurisdiction: Some(*b"BR"), data_dir: folder.path().join("worker"), ..world.config() };
        let worker = Worker::open(config, world.ledger.clone()).unwrap();
        let mut gateway = Gateway::connect(&worker, &world).await;
        gateway.until_adopted(&world.versions(), &world).await;
        let answered = gateway.run(&world, fonte_types::wire::Job { visibility, ..job.clone() }).await;
        let Some(clause) = clause else {
            answered.unwrap();
            continue;
        };
        let refusal = answered.expect_err(clause);
        assert_eq!((refusal.code, refusal.datanet), (RefusalCode::Terms, Some(datanet)), "{refusal:?}");
        let words = [format!("trained on datanet \"net-{datanet}\""), format!("(clause {clause:?})")];
        assert!(words.iter().all(|words| refusal.message.contains(words)), "{refusal:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_that_breaks_the_protocol_is_left() {
    let (world, worker, gateway, _) = small().await;
    gateway.close().await.unwrap();
    let nonce = alloy_primitives::B256::random();
    let hello = |protocol, network| ToWorker::Hello { protocol, network, gateway: world.gateway.address(), nonce };

    let mut gateway = Gateway::raw(&worker);
    gateway.send(hello(PROTOCOL + 1, network())).await;
    assert!(matches!(gateway.ended().await, ServeError::OtherProtocol { .. }));

    let mut gateway = Gateway::raw(&worker);
    gateway.send(hello(PROTOCOL, Network { chain_id: 1, ..network() })).await;
    assert!(matches!(gateway.ended().await, ServeError::OtherNetwork { .. }));

    let mut gateway = Gateway::raw(&worker);
    gateway.send(ToWorker::Cancel { job: 1 }).await;
    assert!(matches!(gateway.ended().await, ServeError::Protocol(_)));

    for bytes in [&b"Jnot json"[..], b"", b"Pshort", b"Qwhat"] {
        let mut gateway = Gateway::connect(&worker, &world).await;
        gateway.bytes(bytes).await;
        assert!(matches!(gateway.ended().await, ServeError::Frame(_)), "{bytes:?}");
    }

    let mut gateway = Gateway::connect(&worker, &world).await;
    gateway.frame(Frame::Part(ContributionId(1), vec![0; 10])).await;
    assert!(matches!(gateway.ended().await, ServeError::Protocol(_)));

    // A contribution that never ends is cut off at what the chain says it can be.
    let late = world.contribute(DatanetId(1), &[document("Otter", "en", "The otter of Lock Nine swims at dusk only.")]);
    let mut gateway = Gateway::connect(&worker, &world).await;
    loop {
        if let ToGateway::NeedContribution { contribution } = gateway.receive().await.unwrap() {
            assert_eq!(contribution, late);
            break;
        }
    }
    while gateway.try_frame(Frame::Part(late, vec![0; 1 << 20])).await.is_ok() {}
    assert!(matches!(gateway.ended().await, ServeError::Protocol(_)));

    // The worker itself is unharmed.
    let mut gateway = Gateway::connect(&worker, &world).await;
    gateway.until_adopted(&world.versions(), &world).await;
    assert_eq!(credited(&gateway.ask(&world, "When does the otter of Lock Nine swim?").await.answer), [late].into());
}

#[tokio::test(flavor = "multi_thread")]
async fn two_gateways_are_served_at_once() {
    let (world, worker, mut first, [heron, _]) = small().await;
    let mut second = Gateway::connect(&worker, &world).await;
    second.until_adopted(&world.versions(), &world).await;
    assert!(second.asked_for.is_empty());
    let question = "What does the grey heron eat at Lock Nine?";
    let (a, b) = (first.ask(&world, question), second.ask(&world, question));
    let (a, b) = tokio::join!(a, b);
    assert_eq!(a.text, b.text);
    assert_eq!(credited(&a.answer), BTreeSet::from([heron]));
    first.close().await.unwrap();
    second.ask(&world, question).await;
}
