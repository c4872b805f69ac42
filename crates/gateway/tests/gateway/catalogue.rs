//! What a gateway and a worker know of datanets and models is what the chain says, and read again only when that changes.

use std::sync::Arc;

use alloy_primitives::{Address, B256};
use fonte_bindings::Catalogue;

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
    let net = Net::start_with(|parameters| parameters.notice_seconds = 4, |_, _| ()).await;
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
