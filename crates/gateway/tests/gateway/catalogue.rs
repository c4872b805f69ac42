//! What a gateway and a worker know of datanets and models is what the chain says, and read again only when that changes.

use std::sync::Arc;

use alloy_primitives::{Address, B256};
use fonte_bindings::{Catalogue, Contributions};
use fonte_types::ContributionId;

use crate::net::{Net, PRICE_IN, PRICE_OUT, policy, terms, until};

/// Which of datanets and models were read again after `known`, and the catalogue as of a later block.
async fn after(net: &Net, known: &Catalogue) -> ((bool, bool), Catalogue) {
    if net.client.block_number().await.unwrap() == known.block {
        net.advance(1).await;
    }
    let catalogue = net.client.catalogue(Some(known)).await.unwrap();
    assert!(catalogue.block > known.block);
    assert_eq!(*catalogue.datanets, net.client.datanets().await.unwrap());
    assert_eq!(*catalogue.models, net.client.models().await.unwrap());
    let read = (!Arc::ptr_eq(&known.datanets, &catalogue.datanets), !Arc::ptr_eq(&known.models, &catalogue.models));
    (read, catalogue)
}

#[tokio::test(flavor = "multi_thread")]
async fn only_what_has_changed_is_read_again() {
    // A notice that is over before the test's patience is, and long enough to look at the chain before it is.
    let net = Net::start_with(|parameters| parameters.notice_seconds = 8, |_, _| ()).await;
    let known = net.client.catalogue(None).await.unwrap();
    let (read, known) = after(&net, &known).await;
    assert_eq!(read, (false, false), "blocks without an event of theirs");
    let again = net.client.catalogue(Some(&known)).await.unwrap();
    assert!(again.block > known.block || Arc::ptr_eq(&again.models, &known.models));

    net.create_datanet("tea", policy(|_| ())).await;
    let (read, known) = after(&net, &known).await;
    assert_eq!((read, known.datanets.last().unwrap().name.as_str()), ((true, false), "tea"));

    net.register_model("tiny", B256::repeat_byte(3)).await;
    let (read, known) = after(&net, &known).await;
    assert_eq!((read, known.models.last().unwrap().name.as_str()), ((false, true), "tiny"));

    // Announced terms come into force without an event.
    let call = net
        .client
        .models_contract()
        .setTerms(net.model.0, terms(Address::repeat_byte(0xde), PRICE_IN, 2 * PRICE_OUT))
        .with_cloned_provider();
    net.client.send("terms", call).await.unwrap();
    let price = |known: &Catalogue| {
        known.models.iter().find(|model| model.id == net.model).map(|model| model.terms.prices.output).unwrap()
    };
    let announced = net.client.catalogue(Some(&known)).await.unwrap();
    assert!(!Arc::ptr_eq(&announced.models, &known.models));
    assert_eq!(price(&announced), PRICE_OUT);
    until("the new terms", || async {
        let now = net.client.catalogue(Some(&announced)).await.unwrap();
        (price(&now) == 2 * PRICE_OUT).then_some(())
    })
    .await;
    // And what is read after that stays as it is.
    let known = net.client.catalogue(Some(&announced)).await.unwrap();
    let (read, known) = after(&net, &known).await;
    assert_eq!((read, price(&known)), ((false, false), 2 * PRICE_OUT));
}

/// A name that no record has, and a number of documents.
const FORGED: (&str, u32) = ("forged", 99);

/// What is known with a mistake in every record: whichever is read again is right.
async fn forged(net: &Net) -> (Catalogue, Contributions) {
    let mut catalogue = net.client.catalogue(None).await.unwrap();
    let (mut datanets, mut models) = (catalogue.datanets.to_vec(), catalogue.models.to_vec());
    datanets.iter_mut().for_each(|datanet| datanet.name = FORGED.0.into());
    models.iter_mut().for_each(|model| model.name = FORGED.0.into());
    (catalogue.datanets, catalogue.models) = (Arc::new(datanets), Arc::new(models));
    let contributions = net.client.contributions_since(None).await.unwrap();
    let records = contributions.by_id.values().cloned().map(|mut record| {
        record.documents = FORGED.1;
        record
    });
    (catalogue, Contributions::new(contributions.block, records))
}

/// Names of datanets and models, and ids of contributions, that were read again; what was read is what a whole reading says.
async fn right(net: &Net, known: &(Catalogue, Contributions)) -> (Vec<String>, Vec<u64>) {
    let catalogue = net.client.catalogue(Some(&known.0)).await.unwrap();
    let contributions = net.client.contributions_since(Some(&known.1)).await.unwrap();
    let (datanets, models) = (net.client.datanets().await.unwrap(), net.client.models().await.unwrap());
    let all = net.client.contributions(ContributionId(1)).await.unwrap();
    assert_eq!(
        (catalogue.datanets.len(), catalogue.models.len(), contributions.by_id.len()),
        (datanets.len(), models.len(), all.len())
    );
    let datanets = catalogue.datanets.iter().zip(&datanets).filter(|(read, _)| read.name != FORGED.0);
    let datanets = datanets.map(|(read, whole)| {
        assert_eq!(read, whole);
        read.name.clone()
    });
    let models = catalogue.models.iter().zip(&models).filter(|(read, _)| read.name != FORGED.0);
    let models = models.map(|(read, whole)| {
        assert_eq!(read, whole);
        read.name.clone()
    });
    let ids = contributions.by_id.values().zip(&all).filter(|(read, _)| read.documents != FORGED.1);
    let ids = ids.map(|(read, whole)| {
        assert_eq!(read, whole);
        read.id.0
    });
    (datanets.chain(models).collect(), ids.collect())
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_only_what_an_event_names_is_read_again() {
    let net = Net::start().await;
    let gateway = net.gateway().await;
    let tea = net.create_datanet("tea", policy(|_| ())).await;
    let mut drafts: Vec<_> =
        ["ana", "bia", "caio"].map(|name| net.draft(net.datanet, name, &[&format!("A text of {name}.")])).into();
    drafts[1].key = net.funded(1).await;
    let mut ids = Vec::new();
    for draft in &drafts {
        ids.push(net.publish(&gateway, draft).await);
    }
    let base = net.register_model("base", B256::repeat_byte(3)).await;
    let hashes = (B256::repeat_byte(3), B256::repeat_byte(4));
    net.register_weights("child", hashes, Address::repeat_byte(0xdf), Some(base)).await;

    let known = forged(&net).await;
    assert_eq!(right(&net, &known).await, (vec![], vec![]), "nothing has happened");
    let draft = net.draft(tea, "davi", &["A text of davi."]);
    let new = net.publish(&gateway, &draft).await;
    assert_eq!(right(&net, &known).await, (vec!["tea".into()], vec![new.0]));

    let known = forged(&net).await;
    net.withdraw(&gateway, &drafts[0], ids[0]).await;
    let contributor = net.client_of(drafts[1].key.clone()).await;
    let call = contributor.datanets_contract().setPayee(ids[1].0, Address::repeat_byte(7)).with_cloned_provider();
    contributor.send("a payee", call).await.unwrap();
    let (datanets, read) = right(&net, &known).await;
    assert_eq!((datanets.len(), read), (1, vec![ids[0].0, ids[1].0]), "{datanets:?}");

    // What stands on a model follows from it.
    let known = forged(&net).await;
    let models = net.client.models_contract();
    let call = models.setTerms(base.0, terms(Address::repeat_byte(0xde), PRICE_IN, 2 * PRICE_OUT));
    net.client.send("terms", call.with_cloned_provider()).await.unwrap();
    assert_eq!(right(&net, &known).await, (vec!["base".into(), "child".into()], vec![]));
    let known = forged(&net).await;
    net.register_model("other", B256::repeat_byte(5)).await;
    assert_eq!(right(&net, &known).await, (vec!["other".into()], vec![]));
    gateway.shutdown().await;
}
