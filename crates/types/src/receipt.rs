//! What is signed: the worker's receipt, the gateway's countersignature, the payer's voucher, and a contributor's
//! contribution and withdrawal, as EIP-712 types (`docs/spec/receipt.md`, 3).

use alloy_primitives::{Address, B256, Bytes, Signature, U256, keccak256};
use alloy_sol_types::{Eip712Domain, SolStruct, SolValue};
use serde::{Deserialize, Serialize};

use crate::{
    ids::{ContributionId, DatanetId, DatanetVersion, ModelId},
    shares::{Share, Shares},
};

/// Most datanet versions that one receipt names.
pub const MAX_VERSIONS: usize = 16;

/// The types exactly as they are signed.
pub mod signed {
    #![allow(missing_docs)]
    alloy_sol_types::sol! {
        #[derive(Debug, PartialEq, Eq)]
        struct DatanetVersion { uint32 datanet; uint32 version; }
        #[derive(Debug, PartialEq, Eq)]
        struct Share { uint64 contribution; uint32 ppm; }
        #[derive(Debug, PartialEq, Eq)]
        struct AnswerReceipt {
            bytes32 requestId; address payer; address gateway; uint64 nonce; address worker; uint32 model;
            bytes32 modelHash; bytes32 adapterHash; uint8 engineClass; uint8 visibility; DatanetVersion[] versions;
            bytes32 promptRoot; bytes32 answerRoot; uint32 answerBytes; uint32 inputTokens; uint32 outputTokens;
            uint64 seed; uint128 fee; uint32 methodVersion; Share[] shares; bytes32 evidenceHash; uint64 issuedAt;
        }
        #[derive(Debug, PartialEq, Eq)]
        struct Countersignature { bytes32 receipt; bytes32 answerRoot; uint128 fee; uint64 countersignedAt; }
        #[derive(Debug, PartialEq, Eq)]
        struct Voucher { address payer; address gateway; uint128 total; uint64 nonce; }
        #[derive(Debug, PartialEq, Eq)]
        struct Contribution {
            uint32 datanet; bytes32 root; uint32 documents; uint64 textBytes; address payee; bytes32 blind;
            uint64 deadline;
        }
        #[derive(Debug, PartialEq, Eq)]
        struct Withdrawal { uint64 contribution; uint64 deadline; }
        #[derive(Debug, PartialEq, Eq)]
        struct Greeting { address gateway; bytes32 nonce; }
    }
}

/// The network that a signature is bound to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Network {
    /// EIP-155 chain id.
    pub chain_id: u64,
    /// Fixed at genesis; the EIP-712 salt.
    pub network_id: B256,
    /// The settlement contract: judges receipts, countersignatures and vouchers.
    pub settlement: Address,
    /// The datanets contract: judges contributions and withdrawals.
    pub datanets: Address,
}

impl Network {
    fn domain(&self, verifying_contract: Address) -> Eip712Domain {
        Eip712Domain {
            name: Some("Fonte".into()),
            version: Some("1".into()),
            chain_id: Some(U256::from(self.chain_id)),
            verifying_contract: Some(verifying_contract),
            salt: Some(self.network_id),
        }
    }

    /// Digest of a type that `Settlement` judges.
    pub fn settlement_digest<T: SolStruct>(&self, value: &T) -> B256 {
        value.eip712_signing_hash(&self.domain(self.settlement))
    }

    /// Digest of a type that `Datanets` judges.
    pub fn datanets_digest<T: SolStruct>(&self, value: &T) -> B256 {
        value.eip712_signing_hash(&self.domain(self.datanets))
    }
}

/// How far an answer can be replayed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[repr(u8)]
pub enum EngineClass {
    /// Replayable bit for bit on the CPU profile.
    Exact = 0,
    /// A GPU or an external engine.
    Tolerance = 1,
}

/// Who may see the evidence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[repr(u8)]
pub enum Visibility {
    /// Anyone: anyone may challenge.
    Open = 0,
    /// The payer only, who alone can challenge.
    Private = 1,
}

/// The worker's receipt for one answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AnswerReceipt {
    /// `H(abi.encode(payer, gateway, nonce))`.
    pub request_id: B256,
    /// Who pays.
    pub payer: Address,
    /// Who took the request.
    pub gateway: Address,
    /// The gateway's number for the request, unique per payer.
    pub nonce: u64,
    /// Who answered.
    pub worker: Address,
    /// Registered model.
    pub model: ModelId,
    /// Hash of the model's artifact.
    pub model_hash: B256,
    /// Hash of the adapter, zero without one.
    pub adapter_hash: B256,
    /// Replayability.
    pub engine_class: EngineClass,
    /// Who may see the evidence.
    pub visibility: Visibility,
    /// The datanet versions answered from, ascending by datanet.
    pub versions: Vec<DatanetVersion>,
    /// Commitment to the prompt.
    pub prompt_root: B256,
    /// Commitment to the answer.
    pub answer_root: B256,
    /// Length of the answer in bytes.
    pub answer_bytes: u32,
    /// Tokens read.
    pub input_tokens: u32,
    /// Tokens written.
    pub output_tokens: u32,
    /// Sampling seed.
    pub seed: u64,
    /// Fee in wei.
    #[serde(with = "crate::wei")]
    pub fee: u128,
    /// Version of the attribution method.
    pub method_version: u32,
    /// Shares of the data pool.
    pub shares: Shares,
    /// Hash of the evidence.
    pub evidence_hash: B256,
    /// Unix seconds.
    pub issued_at: u64,
}

/// `H(abi.encode(payer, gateway, nonce))`: one request settles once.
pub fn request_id(payer: Address, gateway: Address, nonce: u64) -> B256 {
    keccak256((payer, gateway, nonce).abi_encode())
}

impl AnswerReceipt {
    /// The signed form.
    pub fn to_signed(&self) -> signed::AnswerReceipt {
        signed::AnswerReceipt {
            requestId: self.request_id,
            payer: self.payer,
            gateway: self.gateway,
            nonce: self.nonce,
            worker: self.worker,
            model: self.model.0,
            modelHash: self.model_hash,
            adapterHash: self.adapter_hash,
            engineClass: self.engine_class as u8,
            visibility: self.visibility as u8,
            versions: self
                .versions
                .iter()
                .map(|v| signed::DatanetVersion { datanet: v.datanet.0, version: v.version.0 })
                .collect(),
            promptRoot: self.prompt_root,
            answerRoot: self.answer_root,
            answerBytes: self.answer_bytes,
            inputTokens: self.input_tokens,
            outputTokens: self.output_tokens,
            seed: self.seed,
            fee: self.fee,
            methodVersion: self.method_version,
            shares: self
                .shares
                .as_slice()
                .iter()
                .map(|Share { contribution: ContributionId(contribution), ppm }| signed::Share {
                    contribution: *contribution,
                    ppm: *ppm,
                })
                .collect(),
            evidenceHash: self.evidence_hash,
            issuedAt: self.issued_at,
        }
    }

    /// The receipt's id: its EIP-712 digest on this network.
    pub fn id(&self, network: &Network) -> B256 {
        network.settlement_digest(&self.to_signed())
    }

    /// Names of the fields, in the order of [`Self::words`].
    pub const FIELDS: [&'static str; 22] = [
        "request_id",
        "payer",
        "gateway",
        "nonce",
        "worker",
        "model",
        "model_hash",
        "adapter_hash",
        "engine_class",
        "visibility",
        "versions",
        "prompt_root",
        "answer_root",
        "answer_bytes",
        "input_tokens",
        "output_tokens",
        "seed",
        "fee",
        "method_version",
        "shares",
        "evidence_hash",
        "issued_at",
    ];

    /// The 22 words that are hashed (EIP-712 `encodeData`): with them a changed field can be named, not only noticed.
    pub fn words(&self) -> Vec<B256> {
        self.to_signed().eip712_encode_data().chunks_exact(32).map(B256::from_slice).collect()
    }
}

/// The id that signed words lead to.
pub fn id_of_words(words: &[B256], network: &Network) -> B256 {
    let empty = signed::AnswerReceipt::eip712_encode_type();
    let mut data = keccak256(empty.as_bytes()).to_vec();
    for word in words {
        data.extend_from_slice(word.as_slice());
    }
    let mut message = vec![0x19, 0x01];
    message.extend_from_slice(network.domain(network.settlement).separator().as_slice());
    message.extend_from_slice(keccak256(data).as_slice());
    keccak256(message)
}

/// The gateway's word that it streamed this very answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Countersignature {
    /// The receipt's id.
    pub receipt: B256,
    /// The answer's commitment.
    pub answer_root: B256,
    /// Fee in wei.
    #[serde(with = "crate::wei")]
    pub fee: u128,
    /// Unix seconds.
    pub countersigned_at: u64,
}

impl Countersignature {
    /// Digest to sign.
    pub fn digest(&self, network: &Network) -> B256 {
        network.settlement_digest(&signed::Countersignature {
            receipt: self.receipt,
            answerRoot: self.answer_root,
            fee: self.fee,
            countersignedAt: self.countersigned_at,
        })
    }
}

/// A payer's cumulative promise to one gateway.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Voucher {
    /// Who pays.
    pub payer: Address,
    /// Who may collect.
    pub gateway: Address,
    /// All that the payer owes this gateway since the beginning, in wei.
    #[serde(with = "crate::wei")]
    pub total: u128,
    /// Strictly growing.
    pub nonce: u64,
}

impl Voucher {
    /// Digest to sign.
    pub fn digest(&self, network: &Network) -> B256 {
        network.settlement_digest(&signed::Voucher {
            payer: self.payer,
            gateway: self.gateway,
            total: self.total,
            nonce: self.nonce,
        })
    }
}

/// What a contributor signs, so that anybody may relay it and pay the gas.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContributionTerms {
    /// Datanet it is meant for.
    pub datanet: DatanetId,
    /// Root over the documents.
    pub root: B256,
    /// Number of documents.
    pub documents: u32,
    /// Bytes of text in all.
    pub text_bytes: u64,
    /// Who is paid.
    pub payee: Address,
    /// Blinds the commitment until the reveal.
    pub blind: B256,
    /// Unix seconds after which the signature is void.
    pub deadline: u64,
}

impl ContributionTerms {
    /// Digest to sign.
    pub fn digest(&self, network: &Network) -> B256 {
        network.datanets_digest(&signed::Contribution {
            datanet: self.datanet.0,
            root: self.root,
            documents: self.documents,
            textBytes: self.text_bytes,
            payee: self.payee,
            blind: self.blind,
            deadline: self.deadline,
        })
    }

    /// What is committed before the reveal:
    /// `H(abi.encode(datanet, root, documents, textBytes, contributor, payee, blind))`.
    pub fn commitment(&self, contributor: Address) -> B256 {
        keccak256(
            (self.datanet.0, self.root, self.documents, self.text_bytes, contributor, self.payee, self.blind)
                .abi_encode(),
        )
    }
}

/// Digest of a withdrawal that a contributor signs for a relayer.
pub fn withdrawal_digest(contribution: ContributionId, deadline: u64, network: &Network) -> B256 {
    network.datanets_digest(&signed::Withdrawal { contribution: contribution.0, deadline })
}

/// Digest of what a worker signs to show a gateway that its address is its own (`docs/spec/wire.md`, greeting): good for one
/// connection to one gateway, and for nothing else.
pub fn greeting_digest(gateway: Address, nonce: B256, network: &Network) -> B256 {
    network.settlement_digest(&signed::Greeting { gateway, nonce })
}

/// A 65-byte signature was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    /// Not 65 bytes `r ‖ s ‖ v` with `v` 27 or 28.
    #[error("a signature is 65 bytes r, s, v with v 27 or 28")]
    Shape,
    /// High `s`: the twin of another signature.
    #[error("the signature's s is in the upper half")]
    HighS,
    /// No key recovers.
    #[error("no key recovers from the signature")]
    Recovery,
}

/// The address whose key signed `digest`.
pub fn recover(signature: &Bytes, digest: B256) -> Result<Address, SignatureError> {
    if signature.len() != 65 || !matches!(signature[64], 27 | 28) {
        return Err(SignatureError::Shape);
    }
    let parsed = Signature::from_raw(signature).map_err(|_| SignatureError::Shape)?;
    if parsed.normalize_s().is_some() {
        return Err(SignatureError::HighS);
    }
    parsed.recover_address_from_prehash(&digest).map_err(|_| SignatureError::Recovery)
}

/// Signs a digest with a key held in memory; 65 bytes.
pub fn sign(signer: &impl alloy_signer::SignerSync, digest: B256) -> Result<Bytes, alloy_signer::Error> {
    Ok(Bytes::copy_from_slice(&signer.sign_hash_sync(&digest)?.as_bytes()))
}
