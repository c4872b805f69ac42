//! A persistent (copy-on-write) Merkle-Patricia trie over 32-byte keys.
//!
//! The shape is a PATRICIA trie: a branch remembers at which nibble it branches and one key below it, so that Ethereum's
//! extension nodes need no object of their own; they appear only when the node is encoded. Nodes are shared by `Arc`
//! between versions: cloning a trie costs one reference count, writing copies only the path to the leaf, and once per
//! version. Each node keeps its encoded reference until something below it changes, so a root costs the dirty paths.

use std::sync::{Arc, OnceLock};

use alloy_primitives::{B256, Bytes, U256, keccak256};
use alloy_rlp::{BufMut, EMPTY_STRING_CODE, Encodable};
use alloy_trie::EMPTY_ROOT_HASH;

/// Nibbles in a key.
const KEY_NIBBLES: usize = 64;

/// What a leaf holds: anything that has an RLP form.
pub(crate) trait Value: Clone {
    /// Appends the RLP that the leaf commits to.
    fn encode(&self, out: &mut Vec<u8>);
}

impl Value for U256 {
    fn encode(&self, out: &mut Vec<u8>) {
        Encodable::encode(self, out);
    }
}

/// One version of a trie.
#[derive(Debug)]
pub(crate) struct Trie<V> {
    root: Option<Arc<Node<V>>>,
}

impl<V> Clone for Trie<V> {
    fn clone(&self) -> Self {
        Self { root: self.root.clone() }
    }
}

impl<V> Default for Trie<V> {
    fn default() -> Self {
        Self { root: None }
    }
}

impl<V> Trie<V> {
    /// The value under `key`.
    pub(crate) fn get(&self, key: &B256) -> Option<&V> {
        let mut node = self.root.as_deref()?;
        loop {
            match &node.kind {
                Kind::Leaf(value) => return (node.key == *key).then_some(value),
                Kind::Branch(depth, children) => {
                    node = children[nibble(key, usize::from(*depth))].as_deref()?;
                }
            }
        }
    }
}

impl<V: Clone> Trie<V> {
    /// Stores `value` under `key`, replacing what was there.
    pub(crate) fn insert(&mut self, key: &B256, value: V) {
        insert(&mut self.root, key, value);
    }

    /// Removes `key`; a missing key copies nothing and keeps every cached hash.
    pub(crate) fn remove(&mut self, key: &B256) {
        if self.get(key).is_some() {
            remove(&mut self.root, key);
        }
    }
}

impl<V: Value> Trie<V> {
    /// Ethereum's root hash of this version.
    pub(crate) fn root(&self) -> B256 {
        let Some(root) = &self.root else {
            return EMPTY_ROOT_HASH;
        };
        let reference = root.reference(0, &mut Scratch::default());
        // A root is hashed even where its encoding is short enough to be embedded.
        reference.hash().unwrap_or_else(|| keccak256(reference.as_slice()))
    }

    /// The encoded nodes on the way to `key`, root first: a proof of its value, or of its absence.
    pub(crate) fn proof(&self, key: &B256) -> Vec<Bytes> {
        let mut proof = Vec::new();
        let mut scratch = Scratch::default();
        let mut next = self.root.as_deref();
        let mut from = 0;
        while let Some(node) = next {
            let depth = node.depth();
            let branch = node.encode_body(from, &mut scratch);
            if let (Some(extension), true) = (node.encode_extension(from, &branch), depth < KEY_NIBBLES) {
                push_node(&mut proof, extension);
                if common_nibbles(&node.key, key) < depth {
                    break;
                }
            }
            push_node(&mut proof, branch);
            next = match &node.kind {
                Kind::Leaf(_) => None,
                Kind::Branch(_, children) => children[nibble(key, depth)].as_deref(),
            };
            from = depth + 1;
        }
        proof
    }
}

/// Nodes shorter than a hash stand inside their parent and are no part of a proof; the root always is.
fn push_node(proof: &mut Vec<Bytes>, node: Vec<u8>) {
    if node.len() >= 32 || proof.is_empty() {
        proof.push(node.into());
    }
}

#[derive(Debug, Clone)]
struct Node<V> {
    /// A leaf's key; for a branch the key of some leaf that was once below it: only the nibbles above its depth count.
    key: B256,
    kind: Kind<V>,
    /// How the parent refers to this node. It depends on where the node's path starts, so moving a node clears it.
    cached: OnceLock<Reference>,
}

#[derive(Debug, Clone)]
enum Kind<V> {
    Leaf(V),
    /// The nibble at which the keys below differ, and at least two children.
    Branch(u8, [Option<Arc<Node<V>>>; 16]),
}

/// A node as its parent holds it: the hash as an RLP string, or the node itself where it is shorter.
#[derive(Debug, Clone, Copy)]
struct Reference {
    bytes: [u8; 33],
    len: u8,
}

impl Reference {
    fn of(node: &[u8]) -> Self {
        let mut bytes = [0; 33];
        let len = if node.len() < 32 {
            bytes[..node.len()].copy_from_slice(node);
            node.len()
        } else {
            bytes[0] = EMPTY_STRING_CODE + 32;
            bytes[1..].copy_from_slice(keccak256(node).as_slice());
            33
        };
        Self { bytes, len: len as u8 }
    }

    fn as_slice(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }

    fn hash(&self) -> Option<B256> {
        (self.len == 33).then(|| B256::from_slice(&self.bytes[1..]))
    }
}

/// Buffers reused while hashing.
#[derive(Default)]
struct Scratch {
    value: Vec<u8>,
}

impl<V> Node<V> {
    fn leaf(key: B256, value: V) -> Self {
        Self { key, kind: Kind::Leaf(value), cached: OnceLock::new() }
    }

    /// The nibble at which the keys below this node part; for a leaf, the end of the key.
    fn depth(&self) -> usize {
        match self.kind {
            Kind::Leaf(_) => KEY_NIBBLES,
            Kind::Branch(depth, _) => usize::from(depth),
        }
    }
}

impl<V: Value> Node<V> {
    /// The reference to this node when its path starts at nibble `from`.
    fn reference(&self, from: usize, scratch: &mut Scratch) -> Reference {
        *self.cached.get_or_init(|| {
            let body = self.encode_body(from, scratch);
            match self.encode_extension(from, &body) {
                Some(extension) => Reference::of(&extension),
                None => Reference::of(&body),
            }
        })
    }

    /// The leaf or branch node itself, without the extension before a branch.
    fn encode_body(&self, from: usize, scratch: &mut Scratch) -> Vec<u8> {
        match &self.kind {
            Kind::Leaf(value) => {
                scratch.value.clear();
                value.encode(&mut scratch.value);
                let path = hex_prefix(&self.key, from, KEY_NIBBLES, true);
                encode_pair(&path, |out| scratch.value.as_slice().encode(out))
            }
            Kind::Branch(depth, children) => {
                let from = usize::from(*depth) + 1;
                let mut payload = [0u8; 16 * 33 + 1];
                let mut end = 0;
                for child in children {
                    match child {
                        None => {
                            payload[end] = EMPTY_STRING_CODE;
                            end += 1;
                        }
                        Some(child) => {
                            let reference = child.reference(from, scratch);
                            let bytes = reference.as_slice();
                            payload[end..end + bytes.len()].copy_from_slice(bytes);
                            end += bytes.len();
                        }
                    }
                }
                // Keys have one length, so no key ends in a branch: its value is empty.
                payload[end] = EMPTY_STRING_CODE;
                end += 1;
                encode_list(&payload[..end])
            }
        }
    }

    /// The extension node that leads to branch `body`, if the path has nibbles before it.
    fn encode_extension(&self, from: usize, body: &[u8]) -> Option<Vec<u8>> {
        let Kind::Branch(depth, _) = self.kind else {
            return None;
        };
        let depth = usize::from(depth);
        (from < depth).then(|| {
            let path = hex_prefix(&self.key, from, depth, false);
            encode_pair(&path, |out| {
                out.put_slice(Reference::of(body).as_slice());
            })
        })
    }
}

fn insert<V: Clone>(slot: &mut Option<Arc<Node<V>>>, key: &B256, value: V) {
    let Some(existing) = slot else {
        *slot = Some(Arc::new(Node::leaf(*key, value)));
        return;
    };
    let shared = common_nibbles(&existing.key, key);
    let depth = existing.depth();
    let node = Arc::make_mut(existing);
    node.cached = OnceLock::new();
    if shared >= depth {
        match &mut node.kind {
            Kind::Leaf(old) => *old = value,
            Kind::Branch(_, children) => insert(&mut children[nibble(key, depth)], key, value),
        }
        return;
    }
    let mut children = [const { None }; 16];
    let old_at = nibble(&existing.key, shared);
    children[nibble(key, shared)] = Some(Arc::new(Node::leaf(*key, value)));
    children[old_at] = slot.take();
    *slot = Some(Arc::new(Node { key: *key, kind: Kind::Branch(shared as u8, children), cached: OnceLock::new() }));
}

/// Removes a key that is known to be there.
fn remove<V: Clone>(slot: &mut Option<Arc<Node<V>>>, key: &B256) {
    let Some(node) = slot else { return };
    if matches!(node.kind, Kind::Leaf(_)) {
        *slot = None;
        return;
    }
    let node = Arc::make_mut(node);
    node.cached = OnceLock::new();
    let Kind::Branch(depth, children) = &mut node.kind else {
        return;
    };
    remove(&mut children[nibble(key, usize::from(*depth))], key);
    let mut left = children.iter_mut().filter(|child| child.is_some());
    if let (Some(only), None) = (left.next(), left.next()) {
        let mut only = only.take();
        // The child takes the branch's place: its path now starts earlier, so its reference is another.
        if let Some(child) = &mut only {
            Arc::make_mut(child).cached = OnceLock::new();
        }
        *slot = only;
    }
}

/// The nibble at `index`, most significant first.
fn nibble(key: &B256, index: usize) -> usize {
    let byte = key[index / 2];
    usize::from(if index.is_multiple_of(2) { byte >> 4 } else { byte & 15 })
}

/// How many leading nibbles two keys share.
fn common_nibbles(a: &B256, b: &B256) -> usize {
    match a.iter().zip(b.iter()).position(|(x, y)| x != y) {
        None => KEY_NIBBLES,
        Some(at) => at * 2 + usize::from((a[at] ^ b[at]) < 16),
    }
}

/// Hex-prefix encoding of nibbles `from..to` (yellow paper, appendix C).
fn hex_prefix(key: &B256, from: usize, to: usize, leaf: bool) -> Vec<u8> {
    let flag = if leaf { 0x20 } else { 0 };
    let mut out = Vec::with_capacity(33);
    let mut at = from;
    if (to - from).is_multiple_of(2) {
        out.push(flag);
    } else {
        out.push(flag + 0x10 + nibble(key, at) as u8);
        at += 1;
    }
    while at < to {
        out.push((nibble(key, at) << 4 | nibble(key, at + 1)) as u8);
        at += 2;
    }
    out
}

/// A list of the path as a string, and of whatever `second` appends.
fn encode_pair(path: &[u8], second: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut payload = Vec::with_capacity(160);
    path.encode(&mut payload);
    second(&mut payload);
    encode_list(&payload)
}

fn encode_list(payload: &[u8]) -> Vec<u8> {
    let header = alloy_rlp::Header { list: true, payload_length: payload.len() };
    let mut out = Vec::with_capacity(header.length_with_payload());
    header.encode(&mut out);
    out.extend_from_slice(payload);
    out
}

#[cfg(test)]
mod tests;
