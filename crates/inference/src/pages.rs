//! Memory of keys and values, in pages of sixteen tokens that hold all layers and heads.

use crate::kernels::Lane;
use crate::kernels::attention::{PAGE, page_lanes, write_page};
use crate::model::ModelConfig;

/// Tokens of a page.
pub(crate) const PAGE_TOKENS: usize = PAGE;

/// A page by its place in [`Pages`].
pub(crate) type PageId = u32;

/// Pages, allocated as they are needed. Whoever owns them counts them against the budget.
pub(crate) struct Pages {
    layer: usize,
    head: usize,
    head_dim: usize,
    lanes: usize,
    pages: Vec<Box<[Lane]>>,
    free: Vec<PageId>,
}

impl Pages {
    pub(crate) fn new(config: &ModelConfig) -> Self {
        let head = page_lanes(config.head_dim);
        let layer = head * config.kv_heads;
        let lanes = layer * config.layers;
        Self { layer, head, head_dim: config.head_dim, lanes, pages: Vec::new(), free: Vec::new() }
    }

    /// Bytes of one page.
    pub(crate) fn page_bytes(&self) -> usize {
        self.lanes * size_of::<Lane>()
    }

    /// Pages in use.
    pub(crate) fn used(&self) -> usize {
        self.pages.len() - self.free.len()
    }

    /// A page that nobody else uses, with zeros in it.
    pub(crate) fn allocate(&mut self) -> PageId {
        let page = vec![Lane::ZERO; self.lanes].into_boxed_slice();
        match self.free.pop() {
            Some(id) => {
                self.pages[id as usize] = page;
                id
            }
            None => {
                self.pages.push(page);
                (self.pages.len() - 1) as PageId
            }
        }
    }

    /// Gives the page's memory back.
    pub(crate) fn release(&mut self, id: PageId) {
        self.pages[id as usize] = Box::default();
        self.free.push(id);
    }

    /// What a page holds for a layer and a key-value head.
    pub(crate) fn head(&self, id: PageId, layer: usize, head: usize) -> &[Lane] {
        &self.pages[id as usize][layer * self.layer + head * self.head..][..self.head]
    }

    /// Writes a token's keys and values of a layer, all heads of each one after the other.
    pub(crate) fn write(&mut self, id: PageId, slot: usize, layer: usize, keys: &[f32], values: &[f32]) {
        let heads = keys.chunks_exact(self.head_dim).zip(values.chunks_exact(self.head_dim));
        let page = &mut self.pages[id as usize][layer * self.layer..][..self.layer];
        for (page, (key, value)) in page.chunks_exact_mut(self.head).zip(heads) {
            write_page(page, slot, key, value);
        }
    }
}
