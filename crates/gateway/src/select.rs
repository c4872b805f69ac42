//! Which datanets a request may use: the terms, enforced before anything is generated.

use std::collections::BTreeMap;

use fonte_bindings::{
    DatanetRecord, ModelRecord,
    client::{Clause, Place, ReviewRule, Use, code},
    genesis::COMMONS_NAME,
};
use fonte_types::{DatanetId, DatanetVersion, Version, Visibility};

use crate::{
    chain::Directory,
    chat::{Chat, DatanetRef},
    error::ApiError,
};

/// Most versions that a settled row may name.
pub(crate) const MAX_DATANETS: usize = 16;

/// The datanets of one request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Selection {
    /// A worker must have adopted every one of these: what the request names, and the commons.
    pub(crate) required: Vec<DatanetVersion>,
    /// A worker uses those of these that it has adopted, at least one: the default where nothing is named.
    pub(crate) offered: Vec<DatanetVersion>,
    /// Where the texts of a datanet may be processed, for those that say so.
    pub(crate) residence: BTreeMap<DatanetId, Vec<[u8; 2]>>,
    /// Datanets that the model was trained on. Where they say so, its weights stay where their texts do.
    pub(crate) trained: Vec<DatanetId>,
    /// Where the payer lets the request be processed; empty: anywhere.
    pub(crate) jurisdictions: Vec<[u8; 2]>,
}

impl Selection {
    /// What a worker may use, ascending; none where it lacks something, or is staler than the model's terms allow.
    pub(crate) fn for_worker(
        &self,
        model: &ModelRecord,
        adopted: &[DatanetVersion],
        jurisdiction: [u8; 2],
    ) -> Option<Vec<DatanetId>> {
        if !self.jurisdictions.is_empty() && !self.jurisdictions.contains(&jurisdiction) {
            return None;
        }
        if !self.trained.iter().all(|datanet| self.resides(*datanet, jurisdiction)) {
            return None;
        }
        let has = |wanted: &&DatanetVersion| {
            adopted.iter().any(|a| a.datanet == wanted.datanet && model.is_fresh_enough(a.version, wanted.version))
                && self.resides(wanted.datanet, jurisdiction)
        };
        if !self.required.iter().all(|wanted| has(&wanted)) {
            return None;
        }
        let offered: Vec<_> = self.offered.iter().filter(has).collect();
        if !self.offered.is_empty() && offered.is_empty() {
            return None;
        }
        let mut datanets: Vec<_> = self.required.iter().chain(offered).map(|version| version.datanet).collect();
        datanets.sort();
        Some(datanets)
    }

    /// Whether a datanet's terms let a worker in this jurisdiction process its texts.
    fn resides(&self, datanet: DatanetId, jurisdiction: [u8; 2]) -> bool {
        self.residence.get(&datanet).is_none_or(|declared| declared.contains(&jurisdiction))
    }

    /// A required datanet, one that the model was trained on, or the payer, that keeps a worker in this jurisdiction from the
    /// request, in words.
    pub(crate) fn kept_from(&self, jurisdiction: [u8; 2], directory: &Directory) -> Option<String> {
        if !self.jurisdictions.is_empty() && !self.jurisdictions.contains(&jurisdiction) {
            let asked: Vec<_> = self.jurisdictions.iter().map(code).collect();
            let here = code(&jurisdiction);
            return Some(format!("the request may only be processed in {}, not in {here}", asked.join(", ")));
        }
        let mut named = self.required.iter().map(|version| version.datanet).chain(self.trained.iter().copied());
        let refusing = named.find(|datanet| !self.resides(*datanet, jurisdiction))?;
        let name = directory.datanets.iter().find(|d| d.id == refusing).map_or("", |d| &d.name);
        let declared = self.residence.get(&refusing)?.clone();
        let clause = Clause::Jurisdictions { declared, here: Some(jurisdiction) };
        let trained = if self.trained.contains(&refusing) { ", which the model was trained on," } else { "" };
        Some(format!("the terms of datanet {name:?}{trained} forbid this request: {clause}"))
    }

    /// Whether a worker has the latest version of everything.
    pub(crate) fn is_current(&self, adopted: &[DatanetVersion]) -> bool {
        let current = |wanted: &DatanetVersion| crate::workers::at_least(adopted, wanted.datanet, wanted.version);
        self.required.iter().chain(&self.offered).all(current)
    }

    /// All versions that a current worker has.
    pub(crate) fn latest(&self) -> Vec<DatanetVersion> {
        self.required.iter().chain(&self.offered).copied().collect()
    }
}

/// Chooses the datanets of a request, or says which terms forbid it.
pub(crate) fn select(directory: &Directory, model: &ModelRecord, chat: &Chat) -> Result<Selection, ApiError> {
    let commons = directory.datanets.iter().find(|datanet| datanet.name == COMMONS_NAME);
    let of_model = |datanet: &DatanetRecord| model.datanets.is_empty() || model.datanets.contains(&datanet.id);
    let is_commons = |datanet: &DatanetRecord| commons.is_some_and(|commons| commons.id == datanet.id);
    if let Some(refusal) = &model.refusal {
        let datanet = directory.datanets.iter().find(|datanet| Some(datanet.id) == refusal.datanet);
        let why = refusal.in_words(datanet.map(|datanet| datanet.name.as_str()));
        return Err(ApiError {
            param: Some("model".into()),
            ..ApiError::forbidden(
                "model_stopped",
                format!("model {} takes no new requests: {why}; receipts from before settle", model.name),
            )
        });
    }
    for datanet in directory.datanets.iter().filter(|datanet| model.trained.contains(&datanet.id)) {
        if let Some(clause) = datanet.policy.forbids_weights(chat.visibility, Place::Undecided) {
            let (model, name) = (&model.name, &datanet.name);
            return Err(ApiError {
                param: Some("model".into()),
                ..ApiError::forbidden(
                    "datanet_terms",
                    format!("model {model} was trained on datanet {name:?}, whose terms forbid this request: {clause}"),
                )
            });
        }
    }
    let mut selection = Selection {
        required: Vec::new(),
        offered: Vec::new(),
        residence: BTreeMap::new(),
        trained: model.trained.clone(),
        jurisdictions: chat.jurisdictions.clone(),
    };
    if chat.datanets.is_empty() {
        // An open datanet admits anything, so it answers only who names it.
        selection.offered = directory
            .datanets
            .iter()
            .filter(|datanet| datanet.policy.review != ReviewRule::Open)
            .filter(|datanet| of_model(datanet) && !is_commons(datanet) && datanet.version > Version(0))
            .filter(|datanet| forbids(datanet, model, chat.visibility).is_none())
            .map(latest)
            .collect();
        if selection.offered.is_empty() {
            return Err(ApiError::invalid(
                "model",
                format!(
                    "no reviewed datanet may answer this request: name one, such as {}:NAME (see /fonte/v1/network)",
                    model.name
                ),
            ));
        }
    }
    for (index, named) in chat.datanets.iter().enumerate() {
        let datanet = find(directory, named).ok_or_else(|| {
            let shown = match named {
                DatanetRef::Id(id) => id.to_string(),
                DatanetRef::Name(name) => format!("{name:?}"),
            };
            ApiError {
                param: Some(format!("fonte.datanets[{index}]")),
                ..ApiError::not_found(
                    "datanet_not_found",
                    format!("there is no datanet {shown}: see /fonte/v1/network"),
                )
            }
        })?;
        if is_commons(datanet) {
            continue;
        }
        if !of_model(datanet) {
            return Err(ApiError::invalid(
                format!("fonte.datanets[{index}]"),
                format!("model {} does not answer from datanet {:?}", model.name, datanet.name),
            ));
        }
        if let Some(clause) = forbids(datanet, model, chat.visibility) {
            return Err(ApiError {
                param: Some(format!("fonte.datanets[{index}]")),
                ..ApiError::forbidden(
                    "datanet_terms",
                    format!("the terms of datanet {:?} forbid this request: {clause}", datanet.name),
                )
            });
        }
        if datanet.version == Version(0) {
            return Err(ApiError::invalid(
                format!("fonte.datanets[{index}]"),
                format!("datanet {:?} holds nothing yet: publish to it first", datanet.name),
            ));
        }
        if !selection.required.iter().any(|version| version.datanet == datanet.id) {
            selection.required.push(latest(datanet));
        }
    }
    if !chat.datanets.is_empty() && selection.required.is_empty() {
        return Err(ApiError::invalid("fonte.datanets", "the commons are never quoted: name another datanet"));
    }
    // The commons precede everyone in every answer, so that boilerplate earns nobody anything.
    selection.required.extend(commons.filter(|commons| commons.version > Version(0)).map(latest));
    selection.residence = directory
        .datanets
        .iter()
        .filter(|datanet| !datanet.policy.jurisdictions.is_empty())
        .filter(|datanet| {
            let read = selection.latest().iter().any(|version| version.datanet == datanet.id);
            read || selection.trained.contains(&datanet.id)
        })
        .map(|datanet| (datanet.id, datanet.policy.jurisdictions.clone()))
        .collect();
    let all = selection.required.len() + selection.offered.len();
    if all > MAX_DATANETS {
        return Err(ApiError::invalid(
            "fonte.datanets",
            format!("{all} datanets are over the limit of {MAX_DATANETS} per answer: name those that matter"),
        ));
    }
    Ok(selection)
}

fn find<'a>(directory: &'a Directory, named: &DatanetRef) -> Option<&'a DatanetRecord> {
    directory.datanets.iter().find(|datanet| match named {
        DatanetRef::Id(id) => datanet.id == DatanetId(*id),
        DatanetRef::Name(name) => datanet.name == *name,
    })
}

fn latest(datanet: &DatanetRecord) -> DatanetVersion {
    DatanetVersion { datanet: datanet.id, version: datanet.version }
}

/// The clause of a datanet's policy that forbids a request. Where it is processed is not decided yet.
fn forbids(datanet: &DatanetRecord, model: &ModelRecord, visibility: Visibility) -> Option<Clause> {
    datanet.policy.forbids(&Use { visibility, price_output: model.terms.prices.output, place: Place::Undecided })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use alloy_primitives::{Address, B256};
    use fonte_bindings::client::Policy;
    use fonte_types::{
        ModelId,
        bundle::Terms,
        fees::{Prices, Splits},
    };

    use super::*;

    fn datanet(id: u32, name: &str, change: impl FnOnce(&mut DatanetRecord)) -> DatanetRecord {
        let mut datanet = DatanetRecord {
            id: DatanetId(id),
            name: name.into(),
            curator: Address::ZERO,
            version: Version(3),
            policy: Policy::permissive("CC-BY-4.0", ReviewRule::Curator),
        };
        change(&mut datanet);
        datanet
    }

    fn model() -> ModelRecord {
        ModelRecord {
            id: ModelId(1),
            name: "fonte-quote".into(),
            artifact: B256::ZERO,
            adapter: B256::ZERO,
            developer: Address::ZERO,
            terms: Terms {
                splits: Splits { protocol: 100_000, worker: 300_000, developer: 0, data: 600_000 },
                prices: Prices { input: 10, output: 100 },
            },
            datanets: Vec::new(),
            trained: Vec::new(),
            max_staleness: 1,
            refusal: None,
        }
    }

    fn directory() -> Directory {
        Directory {
            block: 1,
            workers: Default::default(),
            models: Arc::new(vec![model()]),
            datanets: Arc::new(vec![
                datanet(1, COMMONS_NAME, |d| d.policy.quote = false),
                datanet(2, "coffee", |_| ()),
                datanet(3, "open", |d| d.policy.review = ReviewRule::Open),
                datanet(4, "silent", |d| d.policy.quote = false),
                datanet(5, "public", |d| d.policy.private = false),
                datanet(6, "dear", |d| d.policy.price_floor = 101),
                datanet(7, "empty", |d| d.version = Version(0)),
                datanet(8, "hidden", |d| d.policy.index = false),
            ]),
        }
    }

    fn chat(names: &[&str], visibility: Visibility) -> Chat {
        Chat {
            shape: crate::chat::Shape::Chat,
            stream: false,
            include_usage: false,
            choices: 1,
            model: "fonte-quote".into(),
            datanets: names.iter().map(|name| DatanetRef::Name((*name).into())).collect(),
            visibility,
            jurisdictions: Vec::new(),
            prompt: String::new(),
            question: String::new(),
            max_output_tokens: 1,
            seed: None,
            asked: Default::default(),
        }
    }

    fn ids(versions: &[DatanetVersion]) -> Vec<u32> {
        versions.iter().map(|version| version.datanet.0).collect()
    }

    #[test]
    fn the_default_is_what_is_reviewed_and_allowed() {
        let open = select(&directory(), &model(), &chat(&[], Visibility::Open)).expect("some");
        assert_eq!((ids(&open.offered), ids(&open.required)), (vec![2, 5], vec![1]));
        let private = select(&directory(), &model(), &chat(&[], Visibility::Private)).expect("some");
        assert_eq!(ids(&private.offered), [2]);
        let adopted = |ids: &[u32]| -> Vec<_> {
            ids.iter().map(|id| DatanetVersion { datanet: DatanetId(*id), version: Version(3) }).collect()
        };
        assert_eq!(open.for_worker(&model(), &adopted(&[1, 5]), *b"BR"), Some(vec![DatanetId(1), DatanetId(5)]));
        assert_eq!(
            open.for_worker(&model(), &adopted(&[2, 5]), *b"BR"),
            None,
            "without the commons nothing is answered"
        );
        assert_eq!(open.for_worker(&model(), &adopted(&[1]), *b"BR"), None);
        assert!(open.is_current(&adopted(&[1, 2, 5])) && !open.is_current(&adopted(&[1, 2])));
    }

    #[test]
    fn a_worker_staler_than_the_terms_allow_is_passed_over() {
        let selection = select(&directory(), &model(), &chat(&["coffee"], Visibility::Open)).expect("allowed");
        let at = |commons: u32, coffee: u32| {
            let version = |id, version| DatanetVersion { datanet: DatanetId(id), version: Version(version) };
            selection.for_worker(&model(), &[version(1, commons), version(2, coffee)], *b"BR")
        };
        assert!(at(3, 3).is_some() && at(2, 2).is_some(), "one version behind is within the terms");
        assert_eq!(at(3, 1), None);
        assert_eq!(at(1, 3), None, "the commons count too");
    }

    #[test]
    fn texts_are_processed_where_their_datanet_and_the_payer_allow() {
        let mut directory = directory();
        Arc::make_mut(&mut directory.datanets)[1].policy.jurisdictions = vec![*b"BR", *b"PT"];
        let adopted = [1, 2, 5].map(|id| DatanetVersion { datanet: DatanetId(id), version: Version(3) });
        let ask = |names: &[&str], asked: &[[u8; 2]], at: [u8; 2]| {
            let chat = Chat { jurisdictions: asked.to_vec(), ..chat(names, Visibility::Open) };
            let selection = select(&directory, &model(), &chat).expect("allowed");
            (selection.for_worker(&model(), &adopted, at), selection.kept_from(at, &directory))
        };
        let (used, kept) = ask(&["coffee"], &[], *b"DE");
        let kept = kept.expect("refused");
        assert!(used.is_none() && kept.contains("coffee") && kept.contains("BR, PT") && kept.contains("jurisdictions"));
        assert_eq!(ask(&["coffee"], &[], *b"PT"), (Some(vec![DatanetId(1), DatanetId(2)]), None));
        // Where nothing is named, a datanet that may not be processed here is left out.
        assert_eq!(ask(&[], &[], *b"DE"), (Some(vec![DatanetId(1), DatanetId(5)]), None));
        let (used, kept) = ask(&["coffee"], &[*b"BR"], *b"PT");
        assert!(used.is_none() && kept.expect("refused").contains("only be processed in BR"));
    }

    #[test]
    fn weights_are_used_where_and_for_whom_the_texts_they_were_trained_on_may_be() {
        let mut directory = directory();
        Arc::make_mut(&mut directory.datanets)[3].policy.jurisdictions = vec![*b"BR"];
        let adopted = [1, 2].map(|id| DatanetVersion { datanet: DatanetId(id), version: Version(3) });
        // Neither the clause on quotes of one nor the price floor of another concerns weights.
        let trained = |ids: &[u32]| ModelRecord { trained: ids.iter().copied().map(DatanetId).collect(), ..model() };
        let select = |ids: &[u32], visibility| select(&directory, &trained(ids), &chat(&["coffee"], visibility));
        let at = |ids: &[u32], place: [u8; 2]| {
            let selection = select(ids, Visibility::Open).expect("allowed");
            (selection.for_worker(&trained(ids), &adopted, place), selection.kept_from(place, &directory))
        };
        let (used, kept) = at(&[4, 6], *b"PT");
        let kept = kept.expect("refused");
        assert!(used.is_none() && kept.contains("\"silent\", which the model was trained on,"), "{kept}");
        assert!(kept.contains("only in BR, not in PT (clause \"jurisdictions\")"), "{kept}");
        assert_eq!(at(&[4, 6], *b"BR"), (Some(vec![DatanetId(1), DatanetId(2)]), None));
        assert_eq!(at(&[6], *b"PT"), (Some(vec![DatanetId(1), DatanetId(2)]), None));

        let error = select(&[5], Visibility::Private).expect_err("refused");
        assert_eq!((error.status.as_u16(), error.param.as_deref()), (403, Some("model")));
        assert!(error.message.contains("trained on datanet \"public\""), "{error}");
        assert!(error.message.contains("clause \"private\""), "{error}");
        assert!(select(&[5], Visibility::Open).is_ok() && select(&[4], Visibility::Private).is_ok());
    }

    #[test]
    fn a_stopped_model_is_refused_by_clause() {
        use fonte_bindings::client::{ModelRefusal, RefusalReason};
        let stopped = ModelRecord {
            refusal: Some(ModelRefusal { reason: RefusalReason::Withdrawn, datanet: Some(DatanetId(4)) }),
            ..model()
        };
        let error = select(&directory(), &stopped, &chat(&["coffee"], Visibility::Open)).expect_err("stopped");
        assert_eq!((error.status.as_u16(), error.param.as_deref()), (403, Some("model")));
        assert!(error.message.contains("withdrawn"), "{error}");
        assert!(error.message.contains("clause \"withdrawal\" of datanet \"silent\""), "{error}");
    }

    #[test]
    fn refusals_name_datanet_and_clause() {
        let cases = [
            ("silent", Visibility::Open, 403, "(clause \"quote\")"),
            ("public", Visibility::Private, 403, "(clause \"private\")"),
            ("dear", Visibility::Open, 403, "(clause \"price floor\")"),
            ("hidden", Visibility::Open, 403, "(clause \"index\")"),
            ("empty", Visibility::Open, 400, "holds nothing"),
            ("commons", Visibility::Open, 400, "never quoted"),
            ("nowhere", Visibility::Open, 404, "there is no datanet"),
        ];
        for (name, visibility, status, words) in cases {
            let error = select(&directory(), &model(), &chat(&["coffee", name], visibility))
                .err()
                .or_else(|| select(&directory(), &model(), &chat(&[name], visibility)).err())
                .expect(name);
            assert_eq!(error.status, status, "{name}: {error}");
            assert!(error.message.contains(words), "{name}: {error}");
            let told = error.message.contains(&format!("datanet {name:?}"));
            assert!(told || name == COMMONS_NAME, "{name} is not named: {error}");
        }
        let named =
            select(&directory(), &model(), &chat(&["open", "coffee", "open"], Visibility::Open)).expect("allowed");
        assert_eq!((ids(&named.required), named.offered.len()), (vec![3, 2, 1], 0));
    }
}
