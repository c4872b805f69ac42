//! The forward pass: rows of tokens in, logits out. A row is one token of one sequence, with its own adapter; which rows
//! share a pass changes no bit of any of them.

use std::ops::Range;
use std::sync::Arc;

use rayon::prelude::*;

use crate::arena::{GROUPS, PackedAdapter};
use crate::kernels::soon::Soon;
use crate::kernels::{Isa, LANE, Lane, attention, elementwise, lora};
use crate::model::{Linear, ModelConfig, Weights};
use crate::pack::{Activations, PackedLinear, Profile, lanes, panels};
use crate::pages::{PAGE_TOKENS, PageId, Pages};
use crate::rope::Rope;

#[cfg(test)]
pub(crate) mod tests;

/// A base model, packed.
pub(crate) struct Model {
    pub(crate) config: ModelConfig,
    pub(crate) profile: Profile,
    pub(crate) isa: Isa,
    /// `None` where it is read back from the head.
    embedding: Option<Vec<f32>>,
    layers: Vec<Layer>,
    norm: Vec<Lane>,
    head: PackedLinear,
    rope: Rope,
}

struct Layer {
    attention_norm: Vec<Lane>,
    feed_forward_norm: Vec<Lane>,
    linears: [PackedLinear; 7],
    qkv_bias: Option<[Vec<Lane>; 3]>,
    qk_norm: Option<[Vec<f32>; 2]>,
}

/// What is wanted of a row beyond its keys and values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Want {
    Nothing,
    Logits,
    /// The last layer's state after the final norm; the head is not computed.
    State,
}

/// One token of one sequence.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Row {
    pub(crate) token: u32,
    pub(crate) position: usize,
    /// Which of the batch's page tables.
    pub(crate) table: usize,
    /// Which of the batch's adapters.
    pub(crate) adapter: Option<usize>,
    pub(crate) want: Want,
}

/// Rows that go through the model together. Rows of one adapter stand together; rows of one sequence are in the order of
/// their positions.
pub(crate) struct Batch<'a> {
    pub(crate) rows: &'a [Row],
    pub(crate) tables: &'a [&'a [PageId]],
    pub(crate) adapters: &'a [Arc<PackedAdapter>],
}

/// Buffers that passes use again, and the last one's results.
#[derive(Default)]
pub(crate) struct Scratch {
    hidden: Vec<Lane>,
    normed: Activations,
    qkv: [Vec<Lane>; 3],
    queries: Vec<f32>,
    attended: Vec<Lane>,
    narrow: Activations,
    wide: Activations,
    ranks: Vec<f32>,
    last: Activations,
    logits: Vec<Lane>,
    states: Activations,
}

impl Scratch {
    /// The logits of the `index`-th row that wanted them.
    #[cfg(test)]
    pub(crate) fn logits(&self, index: usize, vocabulary: usize) -> Vec<f32> {
        let mut logits = Vec::with_capacity(vocabulary + LANE);
        self.logits.chunks_exact(self.last.rows).for_each(|panel| logits.extend_from_slice(&panel[index].0));
        logits.truncate(vocabulary);
        logits
    }

    /// The logits of the `index`-th row that wanted them, in multiples of 2^-16; says whether all are finite.
    pub(crate) fn scores(&self, isa: Isa, index: usize, vocabulary: usize, scores: &mut Vec<i32>) -> bool {
        scores.resize(vocabulary, 0);
        elementwise::quantise_logits(isa, &self.logits, self.last.rows, index, scores)
    }

    /// The last layer's normed state of the `index`-th row that wanted it.
    pub(crate) fn state(&self, index: usize, hidden: usize) -> impl Iterator<Item = f32> + '_ {
        self.states.lanes.chunks_exact(self.states.rows).flat_map(move |panel| panel[index].0).take(hidden)
    }
}

/// One or two neighbouring rows of one adapter.
struct Tile<'a> {
    row: usize,
    count: usize,
    adapter: &'a PackedAdapter,
    /// What to prefetch while this tile is worked on: the adapter after the next one, at the first tile of each.
    ahead: Option<&'a PackedAdapter>,
    /// No tile before it has its adapter.
    is_first: bool,
}

impl Model {
    /// Packs the weights, giving up the unpacked ones as it goes. `positions` is how far tables reach.
    pub(crate) fn new(config: ModelConfig, weights: Weights, profile: Profile, isa: Isa, positions: usize) -> Self {
        let (vocabulary, hidden) = (config.vocabulary, config.hidden);
        let Weights { embedding, layers, norm, head } = weights;
        let pack = |weights: Vec<f32>, outputs, inputs| PackedLinear::pack(&weights, outputs, inputs, profile);
        let (head, embedding) = match (head, profile) {
            (Some(head), _) => (pack(head, vocabulary, hidden), Some(embedding)),
            (None, Profile::F32Exact) => (pack(embedding, vocabulary, hidden), None),
            (None, Profile::Int8Exact) => {
                (PackedLinear::pack(&embedding, vocabulary, hidden, profile), Some(embedding))
            }
        };
        let layers = layers
            .into_iter()
            .map(|layer| {
                let mut linears = layer.linears.into_iter();
                Layer {
                    attention_norm: lanes(&layer.attention_norm),
                    feed_forward_norm: lanes(&layer.feed_forward_norm),
                    linears: Linear::ALL.map(|linear| {
                        let (outputs, inputs) = linear.shape(&config);
                        pack(linears.next().expect("seven linears"), outputs, inputs)
                    }),
                    qkv_bias: layer.qkv_bias.map(|biases| biases.map(|bias| lanes(&bias))),
                    qk_norm: layer.qk_norm,
                }
            })
            .collect();
        let rope = Rope::new(&config, positions);
        Self { profile, isa, embedding, layers, norm: lanes(&norm), head, rope, config }
    }

    /// Bytes of the packed weights and tables.
    pub(crate) fn bytes(&self) -> usize {
        let linears: usize = self.layers.iter().flat_map(|layer| &layer.linears).map(PackedLinear::bytes).sum();
        linears + self.head.bytes() + self.embedding.as_ref().map_or(0, |e| size_of_val(&e[..])) + self.rope.bytes()
    }

    /// Runs the batch: keys and values go to the pages, what rows want to `scratch`, in their order.
    pub(crate) fn forward(&self, batch: &Batch, pages: &mut Pages, scratch: &mut Scratch) {
        let (isa, config, rows) = (self.isa, &self.config, batch.rows.len());
        let tiles = tiles(batch);
        self.embed(batch, scratch);
        for (index, layer) in self.layers.iter().enumerate() {
            let linear = |linear: Linear| &layer.linears[linear as usize];
            let s = &mut *scratch;

            self.norm(&s.hidden, rows, &layer.attention_norm, &mut s.normed);
            self.shrink(GROUPS[0], index, &tiles, &s.normed, &mut s.ranks);
            let [q, k, v] = &mut s.qkv;
            let mut tasks = Vec::new();
            for (i, (which, out)) in [(Linear::Query, q), (Linear::Key, k), (Linear::Value, v)].into_iter().enumerate()
            {
                out.resize(rows * 2 * linear(which).panels(), Lane::ZERO);
                tasks.extend(split(rows, out).map(|(first, out)| (i, which, first, out)));
            }
            let shares = tasks.len();
            let tasks = tasks.into_iter().enumerate().collect();
            each(tasks, |(share, (i, which, first, out))| {
                let soon = self.soon(&tiles, index, which, first..first + out.len() / (2 * rows), (share, shares));
                linear(which).product(isa, &s.normed, first, out, soon);
                if let Some(biases) = &layer.qkv_bias {
                    add_bias(&biases[i][2 * first..], rows, out);
                }
                self.expand((i, 3), index, which, &tiles, &s.ranks, first, out, rows);
            });
            self.remember(batch, index, layer, s, pages);
            self.attend(batch, index, s, pages);

            self.quantise(&mut s.narrow);
            self.shrink(GROUPS[1], index, &tiles, &s.narrow, &mut s.ranks);
            s.normed.resize(rows, config.hidden);
            self.project(Linear::Output, index, &tiles, &s.narrow, &s.ranks, &mut s.normed.lanes, &mut s.hidden);

            self.norm(&s.hidden, rows, &layer.feed_forward_norm, &mut s.normed);
            self.shrink(GROUPS[2], index, &tiles, &s.normed, &mut s.ranks);
            s.wide.resize(rows, config.intermediate);
            let tasks: Vec<_> = split(rows, &mut s.wide.lanes).enumerate().collect();
            let shares = tasks.len();
            each(tasks, |(share, (first, gate))| {
                let mut up = vec![Lane::ZERO; gate.len()];
                let panels = first..first + gate.len() / (2 * rows);
                let soon = |linear| self.soon(&tiles, index, linear, panels.clone(), (share, shares));
                linear(Linear::Gate).product(isa, &s.normed, first, gate, soon(Linear::Gate));
                linear(Linear::Up).product(isa, &s.normed, first, &mut up, soon(Linear::Up));
                self.expand((0, 2), index, Linear::Gate, &tiles, &s.ranks, first, gate, rows);
                self.expand((1, 2), index, Linear::Up, &tiles, &s.ranks, first, &mut up, rows);
                elementwise::swiglu(isa, gate, &up);
            });
            self.quantise(&mut s.wide);
            self.shrink(GROUPS[3], index, &tiles, &s.wide, &mut s.ranks);
            self.project(Linear::Down, index, &tiles, &s.wide, &s.ranks, &mut s.normed.lanes, &mut s.hidden);
        }
        self.head(batch, scratch);
    }

    /// Token embeddings into the residual stream.
    fn embed(&self, batch: &Batch, scratch: &mut Scratch) {
        let (rows, width) = (batch.rows.len(), self.config.hidden);
        scratch.hidden.clear();
        scratch.hidden.resize(rows * panels(width), Lane::ZERO);
        for (index, row) in batch.rows.iter().enumerate() {
            let token = row.token as usize;
            let mut put = |i: usize, value| scratch.hidden[i / LANE * rows + index].0[i % LANE] = value;
            match &self.embedding {
                Some(embedding) => {
                    (0..).zip(&embedding[token * width..][..width]).for_each(|(i, value)| put(i, *value));
                }
                None => {
                    let row = self.head.row(token).expect("the head is f32 where it is the embedding");
                    (0..).zip(row).for_each(|(i, value)| put(i, value));
                }
            }
        }
    }

    fn norm(&self, x: &[Lane], rows: usize, weight: &[Lane], out: &mut Activations) {
        out.resize(rows, self.config.hidden);
        elementwise::rms_norm(self.isa, x, rows, self.config.hidden, weight, self.config.rms_norm_eps, &mut out.lanes);
        self.quantise(out);
    }

    fn quantise(&self, x: &mut Activations) {
        if self.profile == Profile::Int8Exact {
            x.quantise(self.isa);
        }
    }

    /// A product that is added to the residual stream, through `product` as room for it.
    #[allow(clippy::too_many_arguments)]
    fn project(
        &self,
        linear: Linear,
        layer: usize,
        tiles: &[Tile],
        x: &Activations,
        ranks: &[f32],
        product: &mut [Lane],
        hidden: &mut [Lane],
    ) {
        let weights = &self.layers[layer].linears[linear as usize];
        let tasks: Vec<_> = split(x.rows, product).zip(split(x.rows, hidden)).enumerate().collect();
        let shares = tasks.len();
        each(tasks, |(share, ((first, product), (_, hidden)))| {
            let soon = self.soon(tiles, layer, linear, first..first + product.len() / (2 * x.rows), (share, shares));
            weights.product(self.isa, x, first, product, soon);
            self.expand((0, 1), layer, linear, tiles, ranks, first, product, x.rows);
            elementwise::add(self.isa, hidden, product);
        });
    }

    /// The rank side of the adapters of a group of linears that read `x`: for each row, for each linear of the group, room
    /// for the largest rank of the batch.
    fn shrink(&self, group: &[Linear], layer: usize, tiles: &[Tile], x: &Activations, ranks: &mut Vec<f32>) {
        if tiles.is_empty() {
            return;
        }
        let room = room(tiles);
        let stride = room * group.len();
        ranks.resize(x.rows * stride, 0.0);
        let mut rest = &mut ranks[..];
        let mut tasks = Vec::with_capacity(tiles.len());
        let mut done = 0;
        for (i, tile) in tiles.iter().enumerate() {
            let (skipped, tail) = rest.split_at_mut((tile.row - done) * stride);
            let (out, tail) = tail.split_at_mut(tile.count * stride);
            debug_assert!(skipped.len() % stride == 0);
            tasks.push((i, out));
            (rest, done) = (tail, tile.row + tile.count);
        }
        each(tasks, |(i, out)| {
            let tile = &tiles[i];
            for (g, linear) in group.iter().enumerate() {
                let Some(module) = tile.adapter.module(layer, *linear, &self.config) else { continue };
                let ahead = tile.ahead.and_then(|adapter| adapter.module(layer, *linear, &self.config));
                let next = ahead.map_or(&[][..], |module| module.a);
                let (row, count, out) = (tile.row, tile.count, &mut out[g * room..]);
                lora::shrink(
                    self.isa,
                    &x.lanes,
                    x.rows,
                    row,
                    count,
                    module.a,
                    module.rank,
                    module.scale,
                    out,
                    stride,
                    next,
                );
            }
        });
    }

    /// What the adapters read once a linear's product for some panels of 32 is there: their `B` for these, and of what the next
    /// group of linears reads `A`, of which each of so many tasks brings its share.
    fn soon<'a>(
        &self,
        tiles: &[Tile<'a>],
        layer: usize,
        linear: Linear,
        panels: Range<usize>,
        (share, shares): (usize, usize),
    ) -> Soon<'a> {
        // An int8 product is over too soon: prefetching in it costs more than it saves.
        if self.profile == Profile::Int8Exact {
            return Soon::default();
        }
        let firsts = || tiles.iter().filter(|tile| tile.is_first).map(|tile| tile.adapter);
        let b = firsts().filter_map(|adapter| adapter.module(layer, linear, &self.config));
        let b = b.map(|module| {
            let pairs = module.rank.div_ceil(2);
            &module.b[2 * panels.start * pairs..module.b.len().min(2 * panels.end * pairs)]
        });
        let (next, layer): (&[Linear], usize) = match linear {
            Linear::Query | Linear::Key | Linear::Value => (GROUPS[1], layer),
            Linear::Output => (GROUPS[2], layer),
            Linear::Gate => (&[], layer),
            Linear::Up => (GROUPS[3], layer),
            Linear::Down if layer + 1 < self.config.layers => (GROUPS[0], layer + 1),
            Linear::Down => (&[], layer),
        };
        let a = firsts().skip(share).step_by(shares).flat_map(|adapter| {
            next.iter().filter_map(move |linear| adapter.module(layer, *linear, &self.config)).map(|module| module.a)
        });
        Soon::new(b.chain(a).collect())
    }

    /// Adds the adapters' `B z` to the panels `y` of a linear, from the `first` panel of 32 on. `(which, of)` says where in
    /// its group the linear stands.
    #[allow(clippy::too_many_arguments)]
    fn expand(
        &self,
        (which, of): (usize, usize),
        layer: usize,
        linear: Linear,
        tiles: &[Tile],
        ranks: &[f32],
        first: usize,
        y: &mut [Lane],
        rows: usize,
    ) {
        let room = room(tiles);
        let stride = room * of;
        for tile in tiles {
            let Some(module) = tile.adapter.module(layer, linear, &self.config) else { continue };
            let lines = |rank: usize| -> Range<usize> {
                let pairs = rank.div_ceil(2);
                2 * first * pairs..(2 * first + y.len() / rows) * pairs
            };
            let ahead = tile.ahead.and_then(|adapter| adapter.module(layer, linear, &self.config));
            let next = ahead.map_or(&[][..], |module| &module.b[lines(module.rank)]);
            let z = &ranks[tile.row * stride + which * room..];
            let b = &module.b[lines(module.rank)];
            lora::expand(self.isa, z, stride, tile.count, b, module.rank, y, rows, tile.row, next);
        }
    }

    /// Norms of heads, rotary positions; keys and values go to the pages, queries to a buffer row by row.
    fn remember(&self, batch: &Batch, index: usize, layer: &Layer, s: &mut Scratch, pages: &mut Pages) {
        let (isa, config, rows) = (self.isa, &self.config, batch.rows.len());
        let (query_width, key_width) = (config.heads * config.head_dim, config.kv_heads * config.head_dim);
        s.queries.resize(rows * query_width, 0.0);
        let (mut key, mut value) = (vec![0.0; key_width], vec![0.0; key_width]);
        for (i, row) in batch.rows.iter().enumerate() {
            let query = &mut s.queries[i * query_width..][..query_width];
            copy_row(&s.qkv[0], rows, i, query);
            copy_row(&s.qkv[1], rows, i, &mut key);
            copy_row(&s.qkv[2], rows, i, &mut value);
            if let Some([query_norm, key_norm]) = &layer.qk_norm {
                for head in query.chunks_exact_mut(config.head_dim) {
                    elementwise::rms_norm_vector(isa, head, query_norm, config.rms_norm_eps);
                }
                for head in key.chunks_exact_mut(config.head_dim) {
                    elementwise::rms_norm_vector(isa, head, key_norm, config.rms_norm_eps);
                }
            }
            let (cosine, sine) = self.rope.at(row.position);
            elementwise::rotate(isa, query, cosine, sine);
            elementwise::rotate(isa, &mut key, cosine, sine);
            let page = batch.tables[row.table][row.position / PAGE_TOKENS];
            pages.write(page, row.position % PAGE_TOKENS, index, &key, &value);
        }
    }

    /// Attention of every row over its pages, into the panels `narrow`.
    fn attend(&self, batch: &Batch, layer: usize, s: &mut Scratch, pages: &Pages) {
        let (config, rows) = (&self.config, batch.rows.len());
        let (head_dim, group) = (config.head_dim, config.heads / config.kv_heads);
        let width = head_dim.div_ceil(LANE);
        let scale = 1.0 / (head_dim as f32).sqrt();
        s.attended.resize(rows * config.heads * width, Lane::ZERO);
        let out = s.attended.chunks_exact_mut(config.heads * width);
        let tasks = (0..rows).zip(s.queries.chunks_exact(config.heads * head_dim)).zip(out).collect();
        each(tasks, |((index, queries), out)| {
            let mut scores = Vec::new();
            // The pages of a head, and what is read after them: of the next head, or the next row's first.
            let of = |index: usize, head| -> Vec<&[Lane]> {
                let Some(row) = batch.rows.get(index) else { return Vec::new() };
                let table = &batch.tables[row.table][..row.position / PAGE_TOKENS + 1];
                table.iter().map(|page| pages.head(*page, layer, head)).collect()
            };
            let position = batch.rows[index].position;
            let mut pages = of(index, 0);
            let queries = queries.chunks_exact(group * head_dim);
            for (head, (queries, out)) in queries.zip(out.chunks_exact_mut(group * width)).enumerate() {
                let next = if head + 1 < config.kv_heads { of(index, head + 1) } else { of(index + 1, 0) };
                for (query, out) in queries.chunks_exact(head_dim).zip(out.chunks_exact_mut(width)) {
                    attention::attention(self.isa, query, &pages, position + 1, scale, &mut scores, out, &next);
                }
                pages = next;
            }
        });
        s.narrow.resize(rows, config.heads * head_dim);
        for (i, attended) in s.attended.chunks_exact(config.heads * width).enumerate() {
            for (head, lanes) in attended.chunks_exact(width).enumerate() {
                if head_dim % LANE == 0 {
                    for (column, lane) in (head * width..).zip(lanes) {
                        s.narrow.lanes[column * rows + i] = *lane;
                    }
                    continue;
                }
                let values = lanes.iter().flat_map(|lane| lane.0).take(head_dim);
                for (column, value) in (head * head_dim..).zip(values) {
                    s.narrow.lanes[column / LANE * rows + i].0[column % LANE] = value;
                }
            }
        }
        // The columns beyond the heads stay what `resize` or an earlier batch left: they must be zero.
        for column in config.heads * head_dim..panels(config.heads * head_dim) * LANE {
            for i in 0..rows {
                s.narrow.lanes[column / LANE * rows + i].0[column % LANE] = 0.0;
            }
        }
    }

    /// Final norm of the rows that want anything, and the head of those that want logits.
    fn head(&self, batch: &Batch, s: &mut Scratch) {
        self.last_norm(batch, Want::State, &s.hidden, &mut s.states);
        if self.last_norm(batch, Want::Logits, &s.hidden, &mut s.last) {
            s.logits.resize(s.last.rows * 2 * self.head.panels(), Lane::ZERO);
            let tasks = split(s.last.rows, &mut s.logits).collect();
            each(tasks, |(first, out)| self.head.product(self.isa, &s.last, first, out, Soon::default()));
        }
    }

    /// Gathers the rows that want one thing, normed; says whether there are any.
    fn last_norm(&self, batch: &Batch, want: Want, hidden: &[Lane], out: &mut Activations) -> bool {
        let wanted: Vec<usize> = (0..batch.rows.len()).filter(|i| batch.rows[*i].want == want).collect();
        if wanted.is_empty() {
            return false;
        }
        let mut rows = Vec::with_capacity(wanted.len() * panels(self.config.hidden));
        for panel in hidden.chunks_exact(batch.rows.len()) {
            rows.extend(wanted.iter().map(|i| panel[*i]));
        }
        self.norm(&rows, wanted.len(), &self.norm, out);
        true
    }
}

/// Does the tasks, on the threads of the pool this runs in.
fn each<T: Send>(tasks: Vec<T>, act: impl Fn(T) + Sync + Send) {
    if rayon::current_num_threads() == 1 {
        tasks.into_iter().for_each(act);
    } else {
        tasks.into_par_iter().with_max_len(1).for_each(act);
    }
}

/// Splits panels among threads, in whole groups of 64 columns: (first panel of 32, slice).
fn split(rows: usize, panels: &mut [Lane]) -> impl Iterator<Item = (usize, &mut [Lane])> {
    let threads = rayon::current_num_threads();
    let groups = panels.len().div_ceil(4 * rows);
    // A few tasks per thread even out what other work takes from one of them.
    let size = if threads == 1 { groups.max(1) } else { groups.div_ceil(3 * threads).max(1) };
    panels.chunks_mut(4 * rows * size).enumerate().map(move |(i, chunk)| (2 * i * size, chunk))
}

fn tiles<'a>(batch: &'a Batch) -> Vec<Tile<'a>> {
    let mut tiles: Vec<Tile> = Vec::new();
    // The first tile of each adapter.
    let mut firsts = Vec::new();
    let mut last = None;
    for (row, adapter) in batch.rows.iter().enumerate().filter_map(|(i, row)| Some((i, row.adapter?))) {
        match tiles.last_mut() {
            Some(tile) if last == Some(adapter) && tile.count == 1 && tile.row + 1 == row => tile.count = 2,
            _ => {
                let is_first = last != Some(adapter);
                if is_first {
                    firsts.push(tiles.len());
                }
                tiles.push(Tile { row, count: 1, adapter: &batch.adapters[adapter], ahead: None, is_first });
            }
        }
        last = Some(adapter);
    }
    // One adapter's part of a layer is read in less time than memory takes to answer: look two ahead.
    for (from, to) in firsts.iter().zip(firsts.iter().skip(2)) {
        tiles[*from].ahead = Some(tiles[*to].adapter);
    }
    tiles
}

/// The largest rank of the batch.
fn room(tiles: &[Tile]) -> usize {
    tiles.iter().map(|tile| tile.adapter.rank).max().unwrap_or(0)
}

fn add_bias(bias: &[Lane], rows: usize, y: &mut [Lane]) {
    for (bias, y) in bias.iter().zip(y.chunks_exact_mut(rows)) {
        for row in y {
            for i in 0..LANE {
                row.0[i] += bias.0[i];
            }
        }
    }
}

fn copy_row(panels: &[Lane], rows: usize, row: usize, out: &mut [f32]) {
    for (panel, out) in panels.chunks_exact(rows).zip(out.chunks_mut(LANE)) {
        match <&mut [f32; LANE]>::try_from(&mut *out) {
            Ok(out) => *out = panel[row].0,
            Err(_) => out.copy_from_slice(&panel[row].0[..out.len()]),
        }
    }
}
