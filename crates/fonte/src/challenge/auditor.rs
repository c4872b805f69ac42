//! Recomputing a receipt's attribution from the texts of the versions that it names.

use std::{path::Path, sync::Arc};

use eyre::{Result, WrapErr, bail, eyre};
use fonte_attribution::{Document, IndexConfig, SuffixIndex, audit::faults};
use fonte_bindings::{Client, ContributionRecord, contracts::challenges::IChallenges, convert};
use fonte_corpus::{Bundle, Store};
use fonte_types::{ContributionId, DatanetId, bundle::ReceiptBundle, evidence::Source, merkle::CommittedText};
use tokio::time::timeout;

use super::finding::{Finding, without_texts};
use crate::gateway_api::GatewayApi;

/// The texts of the versions that a receipt names, checked against the chain, and an index over them.
pub(crate) struct Auditor {
    index: SuffixIndex,
    store: Store,
    members: Vec<ContributionRecord>,
}

impl Auditor {
    /// Fetches what is missing, checks every text against its root on chain, and indexes it.
    pub(crate) async fn prepare(
        folder: &Path,
        client: &Client,
        gateway: &GatewayApi,
        bundle: &ReceiptBundle,
    ) -> Result<Self> {
        let members = members(client, bundle).await?;
        let store = Store::open(&folder.join("store")).wrap_err("opening the auditor's store")?;
        let patience = gateway.patience_for(members.iter().filter(|member| !store.holds(member.root)));
        let fetched = timeout(patience, async {
            for member in &members {
                fetch(&store, gateway, member).await?;
            }
            Ok(())
        });
        fetched.await.unwrap_or_else(|_| {
            bail!("the gateway did not give out the texts within {} seconds", patience.as_secs())
        })?;
        let index_folder = folder.join(format!("index-{}", bundle.id));
        let index = SuffixIndex::open(&index_folder, IndexConfig::default()).wrap_err("opening the auditor's index")?;
        complete(&index, documents(&store, &members)?)?;
        Ok(Self { index, store, members })
    }

    fn is_member(&self, contribution: ContributionId, datanet: DatanetId) -> bool {
        self.members.iter().any(|m| m.id == contribution && m.membership.datanet == datanet)
    }

    fn bundle(&self, contribution: ContributionId) -> Result<Arc<Bundle>> {
        let member = self.members.iter().find(|member| member.id == contribution);
        let member = member.ok_or_else(|| eyre!("contribution {contribution} is in none of the named versions"))?;
        Ok(self.store.bundle(member.root)?)
    }

    /// Everything provable against the receipt; nothing for an honest one.
    pub(crate) fn findings(&self, bundle: &ReceiptBundle) -> Result<Vec<Finding>> {
        let texts =
            |contribution, document| self.bundle(contribution).ok()?.text(document).ok().map(String::into_bytes);
        let members = |contribution, datanet| self.is_member(contribution, datanet);
        let faults = faults(bundle, &self.index, &texts, &members).wrap_err("recomputing the attribution")?;
        let texts = faults.into_iter().map(Finding::Text);
        Ok(texts.chain(without_texts(bundle, &self.members)).collect())
    }

    /// Opens the byte of a source's text at `offset`; its last one where it is shorter, which its commitment shows.
    pub(super) fn open_byte(
        &self,
        bundle: &ReceiptBundle,
        source: Source,
        document: u32,
        offset: u64,
    ) -> Result<IChallenges::SourceOpening> {
        let length = match source {
            Source::Contribution(id) => self.bundle(id)?.text_len(document)?,
            _ => bundle.prompt.text.len(),
        };
        let offset = offset.min((length as u64).saturating_sub(1));
        self.open_source(bundle, source, document, offset, offset + 1)
    }

    /// Opens a stretch of a source's text.
    pub(super) fn open_source(
        &self,
        bundle: &ReceiptBundle,
        source: Source,
        document: u32,
        start: u64,
        end: u64,
    ) -> Result<IChallenges::SourceOpening> {
        match source {
            Source::Nobody => bail!("nobody holds no text"),
            Source::Prompt => {
                let prompt = CommittedText::prompt(bundle.prompt.text.as_bytes(), bundle.prompt.salt)?;
                Ok(IChallenges::SourceOpening {
                    contribution: source.code(),
                    document: 0,
                    path: Vec::new(),
                    text: convert::challenges::text(&prompt.open_range(start, end)?),
                })
            }
            Source::Contribution(id) => {
                let range = usize::try_from(start)?..usize::try_from(end)?;
                let opening = self.bundle(id)?.open_range(document, range)?;
                Ok(IChallenges::SourceOpening {
                    contribution: source.code(),
                    document,
                    path: opening.path.clone(),
                    text: convert::challenges::text(&opening.chunks),
                })
            }
        }
    }
}

/// The contributions of the versions that a receipt names.
pub(super) async fn members(client: &Client, bundle: &ReceiptBundle) -> Result<Vec<ContributionRecord>> {
    let records = client.contributions(ContributionId(1)).await?;
    Ok(records.into_iter().filter(|r| r.membership.is_member_of_any(&bundle.receipt.versions)).collect())
}

/// A contribution's texts, from the store or else from the gateway, checked against their root on chain.
pub(crate) async fn fetch(store: &Store, gateway: &GatewayApi, member: &ContributionRecord) -> Result<Arc<Bundle>> {
    if store.holds(member.root) {
        return Ok(store.bundle(member.root)?);
    }
    let bytes = gateway
        .bundle(member)
        .await
        .wrap_err_with(|| format!("contribution {} cannot be audited without its texts", member.id))?;
    store
        .receive(member.root, bytes.as_slice())
        .wrap_err_with(|| format!("the texts of contribution {} do not lead to its root on chain", member.id))
}

/// Adds what an audit before this one did not: nothing of it, or a part where it was stopped.
fn complete(index: &SuffixIndex, mut documents: Vec<Document>) -> Result<()> {
    documents.retain(|document| !index.contains(document.contribution, document.document));
    index.add(documents).wrap_err("indexing the texts")?;
    Ok(())
}

fn documents(store: &Store, members: &[ContributionRecord]) -> Result<Vec<Document>> {
    let mut documents = Vec::new();
    for member in members {
        let bundle = store.bundle(member.root)?;
        for document in 0..bundle.documents() {
            documents.push(Document {
                contribution: member.id,
                document,
                datanet: member.membership.datanet,
                text: bundle.text(document)?.into_bytes(),
            });
        }
    }
    Ok(documents)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_audit_that_was_stopped_goes_on() {
        let folder = tempfile::tempdir().unwrap();
        let texts = ["The gauge below the old mill has been read every morning.", "The weir above it leaks in autumn."];
        let documents: Vec<Document> = (0..)
            .zip(texts)
            .map(|(document, text)| Document {
                contribution: ContributionId(7),
                document,
                datanet: DatanetId(1),
                text: text.into(),
            })
            .collect();
        let open = || SuffixIndex::open(folder.path(), IndexConfig::default()).unwrap();
        complete(&open(), documents[..1].to_vec()).unwrap();
        for _ in 0..2 {
            let index = open();
            complete(&index, documents.clone()).unwrap();
            assert_eq!(index.stats().documents, 2);
            assert!(index.contains(ContributionId(7), 0) && index.contains(ContributionId(7), 1));
        }
    }
}
