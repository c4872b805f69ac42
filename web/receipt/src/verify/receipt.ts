// What is signed: the worker's receipt and the gateway's countersignature, as EIP-712 types (docs/spec/receipt.md, 3).
import { secp256k1 } from "@noble/curves/secp256k1.js";

import type { AnswerReceipt, Countersignature, Network } from "./bundle.ts";
import { Refusal, addressWord, concat, keccak, toInteger, utf8, word } from "./bytes.ts";

const DOMAIN = "EIP712Domain(string name,string version,uint256 chainId,address verifyingContract,bytes32 salt)";
const VERSION = "DatanetVersion(uint32 datanet,uint32 version)";
const SHARE = "Share(uint64 contribution,uint32 ppm)";
const COUNTERSIGNATURE = "Countersignature(bytes32 receipt,bytes32 answerRoot,uint128 fee,uint64 countersignedAt)";

export const RECEIPT_TYPE =
  "AnswerReceipt(bytes32 requestId,address payer,address gateway,uint64 nonce,address worker,uint32 model," +
  "bytes32 modelHash,bytes32 adapterHash,uint8 engineClass,uint8 visibility,DatanetVersion[] versions," +
  "bytes32 promptRoot,bytes32 answerRoot,uint32 answerBytes,uint32 inputTokens,uint32 outputTokens,uint64 seed," +
  "uint128 fee,uint32 methodVersion,Share[] shares,bytes32 evidenceHash,uint64 issuedAt)" +
  VERSION +
  SHARE;

const typeHash = (type: string): Uint8Array => keccak(utf8(type));

/** The receipt's fields and their words, in the order in which they are hashed: a changed field can be named. */
export function receiptWords(receipt: AnswerReceipt): [name: string, word: Uint8Array][] {
  const versions = receipt.versions.map((v) => keccak(concat(typeHash(VERSION), word(v.datanet), word(v.version))));
  const shares = receipt.shares.map((s) => keccak(concat(typeHash(SHARE), word(s.contribution), word(s.ppm))));
  return [
    ["request_id", receipt.requestId],
    ["payer", addressWord(receipt.payer)],
    ["gateway", addressWord(receipt.gateway)],
    ["nonce", word(receipt.nonce)],
    ["worker", addressWord(receipt.worker)],
    ["model", word(receipt.model)],
    ["model_hash", receipt.modelHash],
    ["adapter_hash", receipt.adapterHash],
    ["engine_class", word(receipt.engineClass)],
    ["visibility", word(receipt.visibility)],
    ["versions", keccak(concat(...versions))],
    ["prompt_root", receipt.promptRoot],
    ["answer_root", receipt.answerRoot],
    ["answer_bytes", word(receipt.answerBytes)],
    ["input_tokens", word(receipt.inputTokens)],
    ["output_tokens", word(receipt.outputTokens)],
    ["seed", word(receipt.seed)],
    ["fee", word(receipt.fee)],
    ["method_version", word(receipt.methodVersion)],
    ["shares", keccak(concat(...shares))],
    ["evidence_hash", receipt.evidenceHash],
    ["issued_at", word(receipt.issuedAt)],
  ];
}

function digest(network: Network, struct: Uint8Array): Uint8Array {
  const { chainId, settlement, networkId } = network;
  const [name, version] = [keccak(utf8("Fonte")), keccak(utf8("1"))];
  const domain = concat(typeHash(DOMAIN), name, version, word(chainId), addressWord(settlement), networkId);
  return keccak(concat(Uint8Array.of(0x19, 0x01), keccak(domain), struct));
}

/** The receipt's id that signed words lead to. */
export function idOfWords(words: Uint8Array[], network: Network): Uint8Array {
  return digest(network, keccak(concat(typeHash(RECEIPT_TYPE), ...words)));
}

export function countersignatureDigest(counter: Countersignature, network: Network): Uint8Array {
  const { receipt, answerRoot, fee, countersignedAt } = counter;
  const data = concat(typeHash(COUNTERSIGNATURE), receipt, answerRoot, word(fee), word(countersignedAt));
  return digest(network, keccak(data));
}

/** `H(abi.encode(payer, gateway, nonce))`: one request settles once. */
export function requestId(payer: Uint8Array, gateway: Uint8Array, nonce: bigint): Uint8Array {
  return keccak(concat(addressWord(payer), addressWord(gateway), word(nonce)));
}

/** Why no signer is known. */
export class SignatureError extends Refusal {}

/** The address whose key signed `hash`: 65 bytes `r ‖ s ‖ v`, low `s`, `v` 27 or 28. Throws `SignatureError`. */
export function recover(signature: Uint8Array, hash: Uint8Array): Uint8Array {
  const v = signature[64];
  if (signature.length !== 65 || (v !== 27 && v !== 28)) {
    throw new SignatureError("a signature is 65 bytes r, s, v with v 27 or 28", "uma assinatura tem 65 bytes r, s, v, com v 27 ou 28");
  }
  const [r, s] = [toInteger(signature.subarray(0, 32)), toInteger(signature.subarray(32, 64))];
  if (s > secp256k1.Point.Fn.ORDER / 2n) {
    throw new SignatureError("the signature's s is in the upper half", "o s da assinatura está na metade superior");
  }
  try {
    const point = new secp256k1.Signature(r, s, v - 27).recoverPublicKey(hash);
    return keccak(point.toBytes(false).subarray(1)).subarray(12);
  } catch {
    throw new SignatureError("no key recovers from the signature", "nenhuma chave resulta da assinatura");
  }
}
