//! From folders to contributions on chain: import, commit, upload, reveal, each step in the journal before the next.
//!
//! A kill at any point loses nothing: the same command takes the same texts, finds its journal entry by their content,
//! and goes on with the same salts and the same commit. Contributors need no coins: the gateway relays and pays the gas.

use std::{
    path::{Path, PathBuf},
    time::{SystemTime, UNIX_EPOCH},
};

use alloy_primitives::Address;
use alloy_signer_local::PrivateKeySigner;
use eyre::{Result, WrapErr, bail};
use fonte_corpus::{
    Import, ImportOptions, Journal, PublishState, Store,
    import::{ImportError, Imported, Progress, Skipped},
    journal::{Lock, Publication},
};
use fonte_types::{
    ContributionId, DatanetId, Network,
    receipt::{ContributionTerms, sign},
};

use crate::{
    gateway_api::{GatewayApi, RevealItem},
    say::say,
};

/// Items that a gateway relays in one request.
const BATCH: usize = 64;

/// How long a signature that is relayed at once stays good, in seconds.
const SIGNATURE_LIFE: u64 = 3600;

/// Publishes from this machine through one gateway.
pub(crate) struct Publisher {
    pub(crate) gateway: GatewayApi,
    pub(crate) network: Network,
    store: Store,
    journal: Journal,
}

/// A sealed contribution on its way.
pub(crate) struct Prepared {
    pub(crate) name: String,
    pub(crate) publication: Publication,
    pub(crate) signer: PrivateKeySigner,
    pub(crate) payee: Address,
    /// Held until it has come to its end: two at once would commit twice.
    _lock: Lock,
}

/// What became of it.
pub(crate) struct Published {
    pub(crate) name: String,
    pub(crate) contribution: ContributionId,
    pub(crate) documents: u32,
    pub(crate) text_bytes: u64,
}

/// What to do about files that cannot be published.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BadFiles {
    Skip,
    Refuse,
}

impl Publisher {
    /// Opens the store and the journal of publications under a data directory.
    pub(crate) fn open(data_dir: &Path, gateway: GatewayApi, network: Network) -> Result<Self> {
        let folder: PathBuf = data_dir.join("publish");
        Ok(Self {
            gateway,
            network,
            store: Store::open(&folder.join("store")).wrap_err("opening the local store")?,
            journal: Journal::open(&folder.join("journal")).wrap_err("opening the publication journal")?,
        })
    }

    #[expect(clippy::too_many_arguments, reason = "what, where, whose, for whom, how")]
    /// Imports a folder and seals it; `None` where it holds nothing that can be published.
    pub(crate) fn prepare(
        &self,
        folder: &Path,
        name: &str,
        datanet: DatanetId,
        signer: PrivateKeySigner,
        payee: Address,
        options: ImportOptions,
        bad_files: BadFiles,
        mut progress: impl FnMut(Progress),
    ) -> Result<(Option<Prepared>, Vec<Skipped>)> {
        let mut import = Import::open(folder, options)?;
        let mut draft = self.store.begin(name)?;
        let mut skipped = Vec::new();
        while let Some(imported) = import.next() {
            match imported {
                Imported::Document(document) => {
                    draft.add(&document).wrap_err_with(|| format!("adding {}", document.path))?;
                }
                Imported::Skipped(file) => skipped.push(file),
            }
            progress(import.progress());
        }
        if bad_files == BadFiles::Refuse && !skipped.is_empty() {
            return Err(ImportError::Refused(skipped).into());
        }
        if draft.documents() == 0 {
            return Ok((None, skipped));
        }
        // The same content that was begun before goes on with its salts and its commit.
        let (publication, lock) = self.journal.begin(&self.store, datanet, signer.address(), payee, draft)?;
        Ok((Some(Prepared { name: name.to_owned(), publication, signer, payee, _lock: lock }), skipped))
    }

    /// Forgets a publication that came to nothing: the same texts are prepared as a new one.
    pub(crate) fn forget(&self, prepared: Prepared) -> Result<()> {
        Ok(self.journal.forget(prepared.publication)?)
    }

    /// Drives contributions to their end, in the order given: that is the order of their commits, and so of precedence.
    pub(crate) async fn drive(
        &self,
        mut prepared: Vec<Prepared>,
        mut step: impl FnMut(&str, usize),
    ) -> Result<Vec<Published>> {
        self.commit(&mut prepared, &mut step).await?;
        self.upload(&mut prepared, &mut step).await?;
        self.reveal(&mut prepared, &mut step).await?;
        prepared
            .into_iter()
            .map(|item| {
                let PublishState::Done { contribution } = item.publication.state else {
                    bail!("publication {} stopped at {:?}", item.name, item.publication.state);
                };
                Ok(Published {
                    name: item.name,
                    contribution,
                    documents: item.publication.documents,
                    text_bytes: item.publication.text_bytes,
                })
            })
            .collect()
    }

    fn terms(&self, item: &Prepared, deadline: u64) -> ContributionTerms {
        ContributionTerms {
            datanet: item.publication.datanet,
            root: item.publication.root,
            documents: item.publication.documents,
            text_bytes: item.publication.text_bytes,
            payee: item.payee,
            blind: item.publication.blind,
            deadline,
        }
    }

    async fn commit(&self, prepared: &mut [Prepared], step: &mut impl FnMut(&str, usize)) -> Result<()> {
        let mut waiting: Vec<&mut Prepared> =
            prepared.iter_mut().filter(|item| item.publication.state == PublishState::Prepared).collect();
        for batch in waiting.chunks_mut(BATCH) {
            // The deadline is not part of the commitment.
            let commitments: Vec<_> =
                batch.iter().map(|item| self.terms(item, 0).commitment(item.signer.address())).collect();
            let committed = self.gateway.commit(&commitments).await?;
            if committed.len() != batch.len() {
                bail!("the gateway answered {} of {} commits", committed.len(), batch.len());
            }
            for (item, committed) in batch.iter_mut().zip(committed) {
                let to =
                    PublishState::Committed { contribution: committed.id, block: committed.block.unwrap_or_default() };
                self.journal.advance(&mut item.publication, to)?;
            }
            step("commit", batch.len());
        }
        Ok(())
    }

    async fn upload(&self, prepared: &mut [Prepared], step: &mut impl FnMut(&str, usize)) -> Result<()> {
        for item in prepared {
            // Also what was uploaded before: the gateway may have swept what nobody revealed, and this may be another gateway.
            if let PublishState::Committed { contribution, block } | PublishState::Uploaded { contribution, block } =
                item.publication.state
            {
                let bundle = self.store.bundle(item.publication.root)?;
                self.gateway.upload(contribution, bundle.path()).await.wrap_err_with(|| {
                    say!(
                        "uploading {}: run the same command to go on",
                        "enviando {}: repita o comando para continuar",
                        item.name
                    )
                })?;
                if matches!(item.publication.state, PublishState::Committed { .. }) {
                    self.journal.advance(&mut item.publication, PublishState::Uploaded { contribution, block })?;
                }
                step("upload", 1);
            }
        }
        Ok(())
    }

    async fn reveal(&self, prepared: &mut [Prepared], step: &mut impl FnMut(&str, usize)) -> Result<()> {
        let deadline = now() + SIGNATURE_LIFE;
        // One that was killed right after its reveal has nothing left to do.
        for item in prepared.iter_mut() {
            if let PublishState::Revealed { contribution, .. } = item.publication.state {
                self.journal.advance(&mut item.publication, PublishState::Done { contribution })?;
            }
        }
        let mut waiting: Vec<&mut Prepared> = prepared
            .iter_mut()
            .filter(|item| matches!(item.publication.state, PublishState::Uploaded { .. }))
            .collect();
        for batch in waiting.chunks_mut(BATCH) {
            let mut items = Vec::with_capacity(batch.len());
            for item in batch.iter() {
                let terms = self.terms(item, deadline);
                items.push(RevealItem {
                    id: item.publication.state.contribution().unwrap_or_default(),
                    terms,
                    contributor: item.signer.address(),
                    signature: sign(&item.signer, terms.digest(&self.network)).wrap_err("signing the contribution")?,
                });
            }
            let revealed = self.gateway.reveal(&items).await?;
            for item in batch.iter_mut() {
                let contribution = item.publication.state.contribution().unwrap_or_default();
                let Some(answer) = revealed.iter().find(|answer| answer.id == contribution) else {
                    bail!("the gateway did not answer for contribution {contribution}");
                };
                if !answer.ok {
                    let why = answer.error.as_deref().unwrap_or("no reason given");
                    if why.contains("RevealExpired") {
                        self.journal.restart(&mut item.publication)?;
                        bail!(say!(
                            "the commit of {} lapsed before its reveal: run the same command to commit it again",
                            "o compromisso de {} venceu antes de ser revelado: repita o comando para refazê-lo",
                            item.name
                        ));
                    }
                    bail!("{} was not revealed: {why}", item.name);
                }
                let block = answer.block.unwrap_or_default();
                self.journal.advance(&mut item.publication, PublishState::Revealed { contribution, block })?;
                self.journal.advance(&mut item.publication, PublishState::Done { contribution })?;
            }
            step("reveal", batch.len());
        }
        Ok(())
    }
}

/// Unix seconds.
pub(crate) fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
