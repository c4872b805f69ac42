//! What can be wrong with a receipt, and with the row that settled it, as the contract would judge it.

use eyre::{Result, ensure};
use fonte_attribution::audit::Fault;
use fonte_bindings::{ContributionRecord, SettledRow};
use fonte_types::{
    AnswerReceipt, ContributionId, DatanetId,
    bundle::{Outcome, ReceiptBundle, verify},
    evidence::{Evidence, EvidenceError, Source},
    fees::{BYTES_PER_TOKEN, Prices},
    receipt::request_id,
    settlement::Row,
    shares::Shares,
};

use crate::say::say;

/// What an auditor found, and can prove on chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Finding {
    /// The evidence is not what the texts say.
    Text(Fault),
    /// A run that no honest evidence holds, whatever the texts are.
    Impossible {
        /// Its index.
        run: u32,
    },
    /// The runs do not partition the answer: nobody has a share.
    NoPartition,
    /// The share of this contribution does not follow from the evidence.
    Shares(ContributionId),
    /// This field of the row is not what the receipt says, or the receipt contradicts itself in it.
    Row(&'static str),
    /// The fee does not follow from the token counts and any of the model's prices of the time.
    Fee,
    /// The same request was settled before, or after, by this row with this receipt.
    Twice(Box<Twin>),
}

/// A settled receipt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Twin {
    pub(crate) row: SettledRow,
    pub(crate) receipt: AnswerReceipt,
}

impl Finding {
    /// Its name in JSON.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Text(Fault::NotThere { .. }) | Self::Impossible { .. } => "not_there",
            Self::Text(Fault::Earlier { .. }) => "earlier",
            Self::NoPartition | Self::Shares(_) => "shares",
            Self::Row(_) | Self::Fee => "row",
            Self::Twice(_) => "double_settle",
        }
    }

    /// The run that it is about; none where it is the row as a whole.
    pub(crate) fn run(&self) -> Option<u32> {
        match self {
            Self::Text(Fault::NotThere { run, .. } | Fault::Earlier { run, .. }) | Self::Impossible { run } => {
                Some(*run)
            }
            _ => None,
        }
    }

    /// Who should have been credited.
    pub(crate) fn rightful(&self) -> Source {
        match self {
            Self::Text(Fault::Earlier { source, .. }) => *source,
            Self::Shares(contribution) => Source::Contribution(*contribution),
            _ => Source::Nobody,
        }
    }

    /// In a sentence.
    pub(crate) fn told(&self, bundle: &ReceiptBundle) -> String {
        let run = self.run().and_then(|number| bundle.runs.get(number as usize));
        let (start, end) = run.map_or((0, bundle.receipt.answer_bytes), |run| (run.start, run.end));
        let credited = run.map_or_else(String::new, |run| describe(run.source));
        match self {
            Self::Text(Fault::NotThere { position, .. }) => say!(
                "bytes {start}..{end} are credited to {credited}, which does not hold byte {position}",
                "os bytes {start}..{end} estão creditados a {credited}, que não tem o byte {position}"
            ),
            Self::Text(Fault::Earlier { source, .. }) => say!(
                "bytes {start}..{end} are credited to {credited}, and stand earlier in {}",
                "os bytes {start}..{end} estão creditados a {credited}, e estão antes em {}",
                describe(*source)
            ),
            Self::Impossible { run } => {
                say!("run {run} is none that evidence can hold", "o trecho {run} não pode estar numa evidência")
            }
            Self::NoPartition => {
                say!("the runs do not partition the answer", "os trechos não dividem a resposta inteira")
            }
            Self::Shares(contribution) => say!(
                "the share of contribution {contribution} does not follow from the runs",
                "a parte da contribuição {contribution} não decorre dos trechos"
            ),
            Self::Row(field) => {
                say!("the settled row is not its receipt's: {field}", "a linha paga não é a do recibo: {field}")
            }
            Self::Fee => say!(
                "the fee follows from no prices that the model had at the time",
                "a taxa não decorre de nenhum preço que o modelo tinha então"
            ),
            Self::Twice(twin) => say!(
                "the request was settled twice: also as row {} of batch {}",
                "o pedido foi pago duas vezes: também na linha {} do lote {}",
                twin.row.index,
                twin.row.batch
            ),
        }
    }
}

/// A source in words.
pub(crate) fn describe(source: Source) -> String {
    match source {
        Source::Nobody => "nobody".into(),
        Source::Prompt => "prompt".into(),
        Source::Contribution(id) => id.to_string(),
    }
}

/// Whether a bundle shows what was signed: nothing can be opened by another one.
pub(crate) fn check_opens(bundle: &ReceiptBundle) -> Result<()> {
    let committed = ["receipt fields", "receipt id", "prompt", "answer", "evidence"];
    for check in verify(bundle).checks.iter().filter(|check| committed.contains(&check.name)) {
        let Outcome::Failed { differs, why } = &check.outcome else { continue };
        // What is committed may be nonsense: that is what is to be proved.
        let nonsense = ["runs", "receipt.answer_bytes", "log_probs"];
        let opens = nonsense.contains(&differs.as_str()) || differs.starts_with("generation");
        ensure!(
            opens,
            say!(
                "{differs} is not what was signed ({why}): demand it on chain with `fonte receipt demand {}`",
                "{differs} não é o que foi assinado ({why}): exija na cadeia com `fonte receipt demand {}`",
                bundle.id
            )
        );
    }
    Ok(())
}

/// What the receipt and the chain show by themselves, in the order in which it is challenged. `members` are the contributions
/// of the named versions.
pub(crate) fn without_texts(bundle: &ReceiptBundle, members: &[ContributionRecord]) -> Vec<Finding> {
    let found = [impossible(bundle, members), wrong_length(bundle), bad_arithmetic(bundle)];
    found.into_iter().flatten().collect()
}

/// The committed answer has another length than the receipt says: no run of it is there.
fn wrong_length(bundle: &ReceiptBundle) -> Option<Finding> {
    if bundle.answer.text.len() == bundle.receipt.answer_bytes as usize {
        return None;
    }
    let (run, number) = bundle.runs.iter().zip(0..).find(|(run, _)| run.source != Source::Nobody)?;
    Some(Finding::Text(Fault::NotThere { run: number, position: run.match_start }))
}

/// What in a receipt does not follow from its own evidence.
fn bad_arithmetic(bundle: &ReceiptBundle) -> Option<Finding> {
    let receipt = &bundle.receipt;
    let evidence = match Evidence::new(bundle.runs.clone(), receipt.answer_bytes) {
        Ok(evidence) => evidence,
        Err(EvidenceError::Gap { .. } | EvidenceError::Length { .. }) => return Some(Finding::NoPartition),
        Err(EvidenceError::Witness { index, .. }) => {
            return Some(Finding::Impossible { run: u32::try_from(index).ok()? });
        }
        // Any of so many.
        Err(EvidenceError::TooMany(_)) => return Some(Finding::Impossible { run: 0 }),
    };
    let due = Shares::from_evidence(&evidence);
    let named = due.as_slice().iter().chain(receipt.shares.as_slice()).map(|share| share.contribution);
    let wrong = named.into_iter().find(|id| due.of(*id) != receipt.shares.of(*id));
    wrong.map(Finding::Shares)
}

/// What the settled row says otherwise than its receipt, or the receipt otherwise than it must.
pub(crate) fn row_fault(receipt: &AnswerReceipt, settled: &SettledRow) -> Option<&'static str> {
    let due = Row::of(settled.row.receipt, receipt);
    let row = &settled.row;
    let said = [
        ("payer", receipt.payer == settled.payer),
        ("gateway", receipt.gateway == settled.submitter),
        ("request_id", receipt.request_id == request_id(receipt.payer, receipt.gateway, receipt.nonce)),
        ("worker", due.worker == row.worker),
        ("model", due.model == row.model),
        ("output_tokens", receipt.output_tokens == receipt.answer_bytes.div_ceil(BYTES_PER_TOKEN as u32)),
        ("fee", due.fee == row.fee),
        ("versions", due.versions == row.versions),
        ("shares", due.shares == row.shares),
    ];
    said.into_iter().find(|(_, follows)| !follows).map(|(field, _)| field)
}

/// A version of a model's terms: since when, its prices, and the datanets that an answer may name (`None`: any).
#[derive(Clone, Debug)]
pub(crate) struct Offer {
    pub(crate) since: u64,
    pub(crate) prices: Prices,
    pub(crate) datanets: Option<Vec<DatanetId>>,
}

impl Offer {
    /// Whether a receipt's fee and datanets could be of these terms.
    fn made(&self, receipt: &AnswerReceipt) -> bool {
        let may_name = |id: &DatanetId| self.datanets.as_ref().is_none_or(|allowed| allowed.contains(id));
        self.prices.fee(receipt.input_tokens, receipt.output_tokens) == Some(receipt.fee)
            && receipt.versions.iter().all(|version| may_name(&version.datanet))
    }
}

/// Versions that the contract looks at for one fee.
const JUDGED_TERMS: usize = 16;

/// Between which times terms must have been in force to have made a receipt's fee: from `grace` seconds before the receipt's
/// time to `grace` after it, and not after the batch (`docs/spec/settlement.md`, `challengeRow`).
#[derive(Clone, Copy, Debug)]
pub(super) struct Judged {
    issued: u64,
    latest: u64,
    grace: u64,
}

impl Judged {
    pub(super) fn of(receipt: &AnswerReceipt, settled_at: u64, grace: u64) -> Self {
        let issued = receipt.issued_at.min(settled_at);
        Self { issued, latest: issued.saturating_add(grace).min(settled_at), grace }
    }

    /// Whether it was in force all the time that counts, so that none before it was.
    fn is_preceded_by(self, terms: &Offer) -> bool {
        terms.since.saturating_add(self.grace) <= self.issued
    }
}

/// Neighbouring versions of a model's terms, in order.
#[derive(Clone, Debug)]
pub(super) struct Terms {
    /// The number of the first of them.
    first: u32,
    versions: Vec<Offer>,
}

impl Terms {
    /// Those among versions 1 to `count` that were in force at times that count, one more than the contract looks at
    /// at most. A model may have any number of versions: the last that counts is searched by halves, and from there
    /// they are read backwards.
    pub(super) async fn around(judged: Judged, count: u32, read: impl AsyncFn(u32) -> Result<Offer>) -> Result<Self> {
        let mut last = read(count).await?;
        let mut number = count;
        if last.since > judged.latest {
            // The first are in force since ever; version `behind` was not yet.
            let (mut begun, mut behind) = (1, count);
            while behind - begun > 1 {
                let middle = begun + (behind - begun) / 2;
                let terms = read(middle).await?;
                if terms.since <= judged.latest {
                    (begun, last) = (middle, terms);
                } else {
                    behind = middle;
                }
            }
            if begun == 1 {
                last = read(1).await?;
            }
            number = begun;
        }
        let mut newest_first = vec![last];
        while number > 1
            && newest_first.len() <= JUDGED_TERMS
            && newest_first.last().is_some_and(|terms| !judged.is_preceded_by(terms))
        {
            number -= 1;
            newest_first.push(read(number).await?);
        }
        newest_first.reverse();
        Ok(Self { first: number, versions: newest_first })
    }
}

/// A fee, and the terms that could have made it.
pub(crate) struct FeeJudgement {
    /// The latest version of the terms that counts, from 1: the contract is told it.
    pub(crate) version: u32,
    pub(crate) follows: bool,
}

/// Whether a fee and the datanets follow from any terms in force at times that count, as the contract judges.
pub(super) fn judge_fee(receipt: &AnswerReceipt, settled_at: u64, grace: u64, terms: &Terms) -> FeeJudgement {
    let judged = Judged::of(receipt, settled_at, grace);
    // The first terms are in force since ever.
    let last = terms.versions.iter().rposition(|terms| terms.since <= judged.latest).unwrap_or_default();
    FeeJudgement {
        version: terms.first.saturating_add(u32::try_from(last).unwrap_or(u32::MAX)),
        follows: follows(receipt, judged, terms.versions.iter().take(last + 1).rev()),
    }
}

fn follows<'a>(receipt: &AnswerReceipt, judged: Judged, newest_first: impl Iterator<Item = &'a Offer>) -> bool {
    for (looked_at, terms) in newest_first.enumerate() {
        // The contract judges no fee around which the terms changed so often.
        if looked_at == JUDGED_TERMS || terms.made(receipt) {
            return true;
        }
        if judged.is_preceded_by(terms) {
            return false;
        }
    }
    false
}

/// A run that no honest evidence holds, by the chain alone: a source that is in none of the named versions, or a document
/// that it does not have.
fn impossible(bundle: &ReceiptBundle, members: &[ContributionRecord]) -> Option<Finding> {
    let run = bundle.runs.iter().position(|run| match run.source {
        Source::Nobody => false,
        Source::Prompt => run.document != 0,
        Source::Contribution(id) => {
            members.iter().find(|member| member.id == id).is_none_or(|member| run.document >= member.documents)
        }
    })?;
    Some(Finding::Impossible { run: u32::try_from(run).ok()? })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn priced(since: u64, input: u128) -> Offer {
        Offer { since, prices: Prices { input, output: 0 }, datanets: None }
    }

    /// All versions there are.
    fn all(versions: &[Offer]) -> Terms {
        Terms { first: 1, versions: versions.to_vec() }
    }

    /// A receipt of 1,000 input tokens, so that its fee is a price.
    fn receipt(issued_at: u64, fee: u128) -> AnswerReceipt {
        let text = include_str!("../../../../fixtures/bundle.json");
        let pinned: serde_json::Value = serde_json::from_str(text).unwrap();
        let bundle: ReceiptBundle = serde_json::from_value(pinned["bundle"].clone()).unwrap();
        AnswerReceipt { input_tokens: 1_000, output_tokens: 0, issued_at, fee, ..bundle.receipt }
    }

    #[test]
    fn a_fee_follows_from_what_was_in_force_around_its_time() {
        let terms = [priced(5_000, 10), priced(10_000, 20), priced(20_000, 30)];
        let judge = |issued, settled, fee| {
            let judged = judge_fee(&receipt(issued, fee), settled, 3_600, &all(&terms));
            (judged.version, judged.follows)
        };
        // In force at the time, an hour before it, an hour after it.
        assert_eq!(judge(15_000, 90_000, 20), (2, true));
        assert_eq!(judge(15_000, 90_000, 10), (2, false));
        assert_eq!(judge(13_599, 90_000, 10), (2, true));
        assert_eq!(judge(13_600, 90_000, 10), (2, false));
        assert_eq!(judge(16_400, 90_000, 30), (3, true));
        assert_eq!(judge(16_399, 90_000, 30), (2, false));
        // Not after the batch, whatever the receipt says.
        assert_eq!(judge(90_000, 15_000, 30), (2, false));
        assert_eq!(judge(90_000, 15_000, 20), (2, true));
        // The first are in force since ever.
        assert_eq!(judge(1, 90_000, 10), (1, true));
        assert_eq!(judge(1, 90_000, 20), (1, false));
        // So many changes within the hours are not judged.
        let restless: Vec<_> = (0..20).map(|n| priced(50_000 + n, 1_000)).collect();
        assert!(judge_fee(&receipt(50_010, 7), 90_000, 3_600, &all(&restless)).follows);
        assert!(!judge_fee(&receipt(50_010, 7), 90_000, 3_600, &all(&restless[5..])).follows);
    }

    /// A model that changes its terms every 100 seconds, ten thousand times: a challenge reads few of them, and judges as if
    /// it had read all.
    #[tokio::test]
    async fn of_many_terms_few_are_read_and_the_same_is_judged() {
        let every: Vec<Offer> = (1..=10_000).map(|n| priced(n * 100, u128::from(n))).collect();
        for (grace, reads) in [(0, 17), (150, 20), (100_000, 33)] {
            for issued in [0, 99, 100, 101, 150, 200, 777_777, 999_999, 1_000_000, 1_000_001, 2_000_000] {
                for settled_at in [issued, issued + 40, issued + 5_000, 3_000_000] {
                    let due = u128::from(issued / 100);
                    for fee in [1, due, due + 1, due.saturating_sub(1), 99_999] {
                        let receipt = receipt(issued, fee);
                        let judged = Judged::of(&receipt, settled_at, grace);
                        let asked = std::cell::Cell::new(0);
                        let read = async |version: u32| {
                            asked.set(asked.get() + 1);
                            Ok(every[version as usize - 1].clone())
                        };
                        let few = Terms::around(judged, 10_000, read).await.unwrap();
                        assert!(asked.get() <= reads, "{} read for {issued} {settled_at} {grace}", asked.get());
                        let few = judge_fee(&receipt, settled_at, grace, &few);
                        let whole = judge_fee(&receipt, settled_at, grace, &all(&every));
                        let what = format!("{issued} {settled_at} {grace} {fee}");
                        assert_eq!((few.version, few.follows), (whole.version, whole.follows), "{what}");
                    }
                }
            }
        }
    }

    #[test]
    fn a_row_names_datanets_of_the_terms_that_made_its_fee() {
        let receipt = receipt(15_000, 20);
        let named: Vec<DatanetId> = receipt.versions.iter().map(|version| version.datanet).collect();
        let of =
            |since, input, datanets: &[DatanetId]| Offer { datanets: Some(datanets.to_vec()), ..priced(since, input) };
        let follows = |terms: &[Offer]| judge_fee(&receipt, 90_000, 3_600, &all(terms)).follows;
        assert!(follows(&[of(5_000, 20, &named)]));
        assert!(!follows(&[of(5_000, 20, &[DatanetId(u32::MAX)])]));
        // Prices of one version and datanets of another are no terms.
        assert!(!follows(&[of(5_000, 20, &[]), of(14_000, 30, &named)]));
        assert!(follows(&[of(5_000, 20, &named), of(14_000, 30, &[])]));
    }
}
