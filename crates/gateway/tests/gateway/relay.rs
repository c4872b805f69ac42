//! Contributors who have only a key.

use alloy_primitives::U256;
use fonte_bindings::client::ContributionStatus;
use fonte_gateway::GatewayHandle;
use fonte_types::{ContributionId, receipt};
use serde_json::json;
use tokio::io::AsyncWriteExt;

use crate::net::{Draft, Net, PATIENCE, get, policy, post, until, upload};

#[tokio::test(flavor = "multi_thread")]
async fn commit_upload_reveal_withdraw_each_twice() {
    let net = Net::start().await;
    let gateway = net.gateway().await;
    let open = net.create_datanet("open", policy(|p| p.review = fonte_bindings::client::ReviewRule::Open)).await;
    let texts: Vec<String> =
        (0..3).map(|i| format!("Text number {i} is long enough to be quoted by someone.")).collect();
    let drafts: Vec<_> = (0..3).map(|i| net.draft(open, &format!("person {i}"), &[&texts[i]])).collect();
    for draft in &drafts {
        assert_eq!(net.client.balance(draft.key.address()).await.unwrap(), 0, "they have only a key");
    }
    let items: Vec<_> = drafts.iter().map(|d| json!({"commitment": d.terms.commitment(d.key.address())})).collect();
    let (status, committed) = post(&gateway, "/fonte/v1/contributions/commit", None, json!(items)).await;
    assert_eq!(status, 200, "{committed}");
    let ids: Vec<ContributionId> =
        committed.as_array().unwrap().iter().map(|c| serde_json::from_value(c["id"].clone()).unwrap()).collect();
    assert!(ids.is_sorted() && ids[0] < ids[2], "{ids:?}");
    let (_, again) = post(&gateway, "/fonte/v1/contributions/commit", None, json!(items)).await;
    assert_eq!(again, committed, "the same ids, and no second transaction");

    // No text, no registration.
    let reveals: Vec<_> = drafts.iter().zip(&ids).map(|(draft, id)| net.reveal_item(draft, *id)).collect();
    let (_, early) = post(&gateway, "/fonte/v1/contributions/reveal", None, json!(reveals)).await;
    for outcome in early.as_array().unwrap() {
        assert_eq!(outcome["ok"], false);
        assert!(outcome["error"].as_str().unwrap().contains("/bundle"), "{outcome}");
    }
    // Broken bytes are refused.
    let mut broken = drafts[0].file.clone();
    let middle = broken.len() / 3;
    broken[middle] ^= 1;
    let (status, error) = upload(&gateway, ids[0], broken).await;
    assert_eq!(status, 400, "{error}");
    let (status, error) = upload(&gateway, ContributionId(99), drafts[0].file.clone()).await;
    assert_eq!(status, 404, "{error}");
    for (draft, id) in drafts.iter().zip(&ids) {
        for _ in 0..2 {
            let (status, uploaded) = upload(&gateway, *id, draft.file.clone()).await;
            assert_eq!((status, &uploaded["root"]), (200, &json!(draft.terms.root)));
        }
    }
    // One bad signature among three does not hold the others up.
    let mut mixed = reveals.clone();
    mixed[1]["signature"] = mixed[0]["signature"].clone();
    let (_, outcomes) = post(&gateway, "/fonte/v1/contributions/reveal", None, json!(mixed)).await;
    assert_eq!((&outcomes[0]["ok"], &outcomes[2]["ok"]), (&json!(true), &json!(true)), "{outcomes}");
    assert!(outcomes[1]["error"].as_str().unwrap().contains("InvalidSignature"), "{outcomes}");
    let (_, outcomes) = post(&gateway, "/fonte/v1/contributions/reveal", None, json!(reveals)).await;
    for outcome in outcomes.as_array().unwrap() {
        assert_eq!((&outcome["ok"], &outcome["status"]), (&json!(true), &json!("accepted")), "{outcome}");
    }
    assert!(outcomes[0]["tx"].is_null() && outcomes[1]["tx"].is_string(), "only the missing one was sent: {outcomes}");

    let path = format!("/fonte/v1/contributions/{}", ids[0]);
    let (_, shown) = get(&gateway, &path, None).await;
    assert_eq!((&shown["name"], &shown["hosted"]), (&json!("person 0"), &json!(true)));
    let bytes = reqwest::get(format!("{}{path}/bundle", gateway.url())).await.unwrap().bytes().await.unwrap();
    assert_eq!(bytes, drafts[0].file);

    // Their texts have one sentence in common but for a number; the first has nobody before it.
    let (_, report) = get(&gateway, &format!("/fonte/v1/contributions/{}/duplicates", ids[2]), None).await;
    assert!(report["compared"].as_u64().unwrap() >= 2 && report["compared"].as_u64() <= report["earlier"].as_u64());
    let named: Vec<_> =
        report["near_duplicates"].as_array().unwrap().iter().map(|pair| &pair["contribution"]).collect();
    assert_eq!(named, [&json!(ids[0]), &json!(ids[1])], "{report}");
    assert_eq!(report["near_duplicates"][0]["reason"], "overlaps", "{report}");
    let (_, report) = get(&gateway, &format!("/fonte/v1/contributions/{}/duplicates", ids[0]), None).await;
    assert_eq!(report["near_duplicates"], json!([]), "what comes later is no original: {report}");
    assert_eq!(get(&gateway, "/fonte/v1/contributions/99/duplicates", None).await.0, 404);

    let deadline = u64::MAX;
    let digest = receipt::withdrawal_digest(ids[0], deadline, net.client.network());
    let signature = receipt::sign(&drafts[0].key, digest).unwrap();
    let stranger = receipt::sign(&drafts[1].key, digest).unwrap();
    let (status, error) =
        post(&gateway, &format!("{path}/withdraw"), None, json!({"deadline": deadline, "signature": stranger})).await;
    assert_eq!(status, 409, "{error}");
    for _ in 0..2 {
        let request = json!({"deadline": deadline, "signature": signature});
        let (status, withdrawn) = post(&gateway, &format!("{path}/withdraw"), None, request).await;
        assert_eq!((status, &withdrawn["status"]), (200, &json!("withdrawn")), "{withdrawn}");
    }
    let record = net.client.contribution(ids[0]).await.unwrap().unwrap();
    assert_eq!(record.status, ContributionStatus::Withdrawn);
    assert_eq!(get(&gateway, &format!("{path}/bundle"), None).await.0, 403);
    let spent = net.client.balance(gateway.gateway()).await.unwrap();
    assert!(U256::from(spent) < U256::from(crate::net::coins(1000)), "the gateway paid");
    gateway.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn relays_are_bounded() {
    let net = Net::start().await;
    let drafts: Vec<_> = (0..2)
        .map(|i| {
            net.draft(
                net.datanet,
                &format!("p{i}"),
                &[&format!("{i} stands at the beginning of a text of some length.")],
            )
        })
        .collect();
    let mut config = net.config();
    config.limits.relay_items = 2;
    config.limits.bundle = 600;
    config.limits.unrevealed = (drafts[0].file.len() + drafts[1].file.len() - 1) as u64;
    config.limits.keys_per_minute = 1;
    let gateway = fonte_gateway::Gateway::start(config).await.unwrap();
    let item = json!({"commitment": alloy_primitives::B256::random()});
    let (status, error) = post(&gateway, "/fonte/v1/contributions/commit", None, json!([item, item, item])).await;
    assert_eq!(status, 400, "{error}");
    let items: Vec<_> = drafts.iter().map(|d| json!({"commitment": d.terms.commitment(d.key.address())})).collect();
    let (_, committed) = post(&gateway, "/fonte/v1/contributions/commit", None, json!(items)).await;
    let ids: Vec<ContributionId> =
        committed.as_array().unwrap().iter().map(|c| serde_json::from_value(c["id"].clone()).unwrap()).collect();
    let (status, error) = upload(&gateway, ids[0], vec![0; 601]).await;
    assert_eq!(status, 413, "{error}");
    let (status, _) = upload(&gateway, ids[0], drafts[0].file.clone()).await;
    assert_eq!(status, 200);
    let (status, error) = upload(&gateway, ids[1], drafts[1].file.clone()).await;
    assert_eq!((status, &error["error"]["code"]), (503, &json!("storage_full")), "{error}");
    // What is revealed waits no more.
    let (_, revealed) =
        post(&gateway, "/fonte/v1/contributions/reveal", None, json!([net.reveal_item(&drafts[0], ids[0])])).await;
    assert_eq!(revealed[0]["ok"], true, "{revealed}");
    let (status, _) = upload(&gateway, ids[1], drafts[1].file.clone()).await;
    assert_eq!(status, 200);
    let payer = json!({"payer": net.payer.address()});
    assert_eq!(post(&gateway, "/fonte/v1/api-keys", None, payer.clone()).await.0, 200);
    assert_eq!(post(&gateway, "/fonte/v1/api-keys", None, payer).await.0, 429);
    gateway.shutdown().await;
}

/// Commits drafts, so that there are numbers to upload under.
async fn committed(gateway: &GatewayHandle, drafts: &[Draft]) -> Vec<ContributionId> {
    let items: Vec<_> = drafts.iter().map(|d| json!({"commitment": d.terms.commitment(d.key.address())})).collect();
    let (_, committed) = post(gateway, "/fonte/v1/contributions/commit", None, json!(items)).await;
    committed.as_array().unwrap().iter().map(|c| serde_json::from_value(c["id"].clone()).unwrap()).collect()
}

/// Drafts of one size.
fn alike(net: &Net, count: usize) -> Vec<Draft> {
    let text = |i: usize| format!("{i} stands at the beginning of a text of some length.");
    let drafts: Vec<_> = (0..count).map(|i| net.draft(net.datanet, &format!("p{i}"), &[&text(i)])).collect();
    assert!(drafts.iter().all(|draft| draft.file.len() == drafts[0].file.len()));
    drafts
}

/// Whoever leaves before the answer has uploaded all the same: what is stored is counted.
#[tokio::test(flavor = "multi_thread")]
async fn an_upload_counts_whoever_waits_for_its_answer() {
    let net = Net::start().await;
    let drafts = alike(&net, 2);
    let mut config = net.config();
    config.limits.unrevealed = (2 * drafts[0].file.len() - 1) as u64;
    let gateway = fonte_gateway::Gateway::start(config).await.unwrap();
    let ids = committed(&gateway, &drafts).await;
    let head = format!(
        "PUT /fonte/v1/contributions/{}/bundle HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n",
        ids[0],
        drafts[0].file.len()
    );
    let held = || gateway.texts().holds(drafts[0].terms.root);
    let unfinished = net.folder.path().join("gateway/texts/unfinished");
    let mut stream = tokio::net::TcpStream::connect(gateway.addr()).await.unwrap();
    stream.write_all(&[head.as_bytes(), &drafts[0].file].concat()).await.unwrap();
    // It leaves while the texts are being stored.
    let storing = async {
        while !held() && std::fs::read_dir(&unfinished).unwrap().next().is_none() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, storing).await.expect("what was sent is stored");
    drop(stream);
    until("the texts are stored", || async { held().then_some(()) }).await;
    let (status, error) = upload(&gateway, ids[1], drafts[1].file.clone()).await;
    assert_eq!((status, &error["error"]["code"]), (503, &json!("storage_full")), "{error}");
    gateway.shutdown().await;
}

/// The same bundle from many at once is stored once, and counted once.
#[tokio::test(flavor = "multi_thread")]
async fn uploads_of_one_bundle_at_once_are_counted_once() {
    const MANY: usize = 8;
    let net = Net::start().await;
    let drafts = alike(&net, MANY);
    let mut config = net.config();
    config.limits.unrevealed = (MANY * drafts[0].file.len()) as u64;
    let gateway = fonte_gateway::Gateway::start(config).await.unwrap();
    let ids = committed(&gateway, &drafts).await;
    let at_once = (0..MANY).map(|_| upload(&gateway, ids[0], drafts[0].file.clone()));
    for (status, uploaded) in futures::future::join_all(at_once).await {
        assert_eq!(status, 200, "{uploaded}");
    }
    for (draft, id) in drafts.iter().zip(&ids) {
        let (status, uploaded) = upload(&gateway, *id, draft.file.clone()).await;
        assert_eq!(status, 200, "{uploaded}");
    }
    gateway.shutdown().await;
}
