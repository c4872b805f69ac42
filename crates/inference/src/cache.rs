//! Keys and values of sequences, and of prompts that were read before.
//!
//! A full page whose tokens, adapter and predecessors are known is a node of a tree; another sequence that begins the same
//! way uses it instead of computing it. Because a row's bits depend on nothing but the tokens before it, a shared page is the
//! page that the sequence would have computed. Tokens are compared, not hashed: nobody can make two prompts collide.

use std::collections::{BTreeSet, HashMap};

use crate::model::{ContentHash, ModelConfig};
use crate::pages::{PAGE_TOKENS, PageId, Pages};

type NodeId = u32;

/// What a page continues: an adapter's empty context (within a scope), or another page.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Parent {
    Root(Option<ContentHash>, u64),
    Node(NodeId),
}

struct Node {
    page: PageId,
    parent: Parent,
    tokens: [u32; PAGE_TOKENS],
    children: usize,
    users: usize,
    used_at: u64,
}

/// The pages of one sequence. Whoever drops it without [`Cache::release`] leaks them.
#[derive(Debug)]
pub(crate) struct Table {
    pub(crate) pages: Vec<PageId>,
    /// The leading pages that are nodes.
    nodes: Vec<NodeId>,
    root: Parent,
}

/// All pages, and the tree.
pub(crate) struct Cache {
    pub(crate) pages: Pages,
    nodes: Vec<Option<Node>>,
    free: Vec<NodeId>,
    children: HashMap<(Parent, [u32; PAGE_TOKENS]), NodeId>,
    /// Nodes that nobody uses, whether or not others hang on them.
    idle: usize,
    /// Nodes that can go: unused and childless, the longest unused first.
    evictable: BTreeSet<(u64, NodeId)>,
}

impl Cache {
    pub(crate) fn new(config: &ModelConfig) -> Self {
        Self {
            pages: Pages::new(config),
            nodes: Vec::new(),
            free: Vec::new(),
            children: HashMap::new(),
            idle: 0,
            evictable: BTreeSet::new(),
        }
    }

    /// Bytes of all pages.
    pub(crate) fn bytes(&self) -> usize {
        self.pages.used() * self.pages.page_bytes()
    }

    /// Bytes of those that could be evicted, one after the other.
    pub(crate) fn idle_bytes(&self) -> usize {
        self.idle * self.pages.page_bytes()
    }

    /// The cached pages that a prompt begins with, and how many of them somebody uses. The last token is never cached: its
    /// logits are wanted.
    fn find(&self, root: Parent, prompt: &[u32]) -> Vec<NodeId> {
        let mut parent = root;
        let mut found = Vec::new();
        let (chunks, _) = prompt[..prompt.len() - 1].as_chunks::<PAGE_TOKENS>();
        for tokens in chunks {
            let Some(node) = self.children.get(&(parent, *tokens)) else { break };
            found.push(*node);
            parent = Parent::Node(*node);
        }
        found
    }

    /// Of the pages that a prompt begins with, those in use by a running sequence: they cost a newcomer nothing.
    pub(crate) fn shared(&self, adapter: Option<ContentHash>, scope: u64, prompt: &[u32]) -> usize {
        let found = self.find(Parent::Root(adapter, scope), prompt);
        found.iter().filter(|node| self.node(**node).users > 0).count()
    }

    /// Takes the cached beginning of a prompt.
    pub(crate) fn acquire(&mut self, adapter: Option<ContentHash>, scope: u64, prompt: &[u32]) -> Table {
        let root = Parent::Root(adapter, scope);
        let nodes = self.find(root, prompt);
        for id in &nodes {
            self.take(*id);
        }
        Table { pages: nodes.iter().map(|id| self.node(*id).page).collect(), nodes, root }
    }

    /// Adds an empty page to a sequence.
    pub(crate) fn grow(&mut self, table: &mut Table) {
        table.pages.push(self.pages.allocate());
    }

    /// Puts the pages that are full into the tree. `tokens` are those that the sequence has keys and values of.
    pub(crate) fn seal(&mut self, table: &mut Table, tokens: &[u32], now: u64) {
        let (full, _) = tokens.as_chunks::<PAGE_TOKENS>();
        for (i, tokens) in full.iter().enumerate().skip(table.nodes.len()) {
            let parent = table.nodes.last().map_or(table.root, |node| Parent::Node(*node));
            let id = match self.children.get(&(parent, *tokens)) {
                // Another sequence computed the same page meanwhile.
                Some(id) => {
                    let id = *id;
                    self.pages.release(table.pages[i]);
                    table.pages[i] = self.node(id).page;
                    self.take(id);
                    id
                }
                None => {
                    let page = table.pages[i];
                    self.insert(Node { page, parent, tokens: *tokens, children: 0, users: 1, used_at: now })
                }
            };
            table.nodes.push(id);
        }
    }

    /// Lets go of a sequence's pages. Those in the tree stay until memory is short.
    pub(crate) fn release(&mut self, table: Table, now: u64) {
        for page in &table.pages[table.nodes.len()..] {
            self.pages.release(*page);
        }
        for id in table.nodes.into_iter().rev() {
            let node = self.node_mut(id);
            node.users -= 1;
            node.used_at = now;
            if node.users == 0 {
                let childless = node.children == 0;
                self.idle += 1;
                if childless {
                    self.evictable.insert((now, id));
                }
            }
        }
    }

    /// When the page that would go first was last used.
    pub(crate) fn oldest(&self) -> Option<u64> {
        self.evictable.first().map(|(used_at, _)| *used_at)
    }

    /// Evicts that page.
    pub(crate) fn evict(&mut self) {
        let Some((_, id)) = self.evictable.pop_first() else { return };
        let node = self.nodes[id as usize].take().expect("an evictable node exists");
        self.free.push(id);
        self.idle -= 1;
        self.pages.release(node.page);
        self.children.remove(&(node.parent, node.tokens));
        if let Parent::Node(parent) = node.parent {
            let parent_node = self.node_mut(parent);
            parent_node.children -= 1;
            if parent_node.children == 0 && parent_node.users == 0 {
                let used_at = parent_node.used_at;
                self.evictable.insert((used_at, parent));
            }
        }
    }

    fn take(&mut self, id: NodeId) {
        let node = self.node_mut(id);
        node.users += 1;
        if node.users == 1 {
            let key = (node.used_at, id);
            self.idle -= 1;
            self.evictable.remove(&key);
        }
    }

    fn insert(&mut self, node: Node) -> NodeId {
        let (parent, tokens) = (node.parent, node.tokens);
        let id = match self.free.pop() {
            Some(id) => {
                self.nodes[id as usize] = Some(node);
                id
            }
            None => {
                self.nodes.push(Some(node));
                (self.nodes.len() - 1) as NodeId
            }
        };
        self.children.insert((parent, tokens), id);
        if let Parent::Node(parent) = parent {
            self.node_mut(parent).children += 1;
        }
        id
    }

    fn node(&self, id: NodeId) -> &Node {
        self.nodes[id as usize].as_ref().expect("ids of nodes are dropped with them")
    }

    fn node_mut(&mut self, id: NodeId) -> &mut Node {
        self.nodes[id as usize].as_mut().expect("ids of nodes are dropped with them")
    }
}
