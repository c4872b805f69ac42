//! Waiting requests, fair among payers: deficit round robin (Shreedhar and Varghese, 1995), counted in tokens.

use std::collections::VecDeque;

use crate::request::{Payer, Request, RequestId};

/// Tokens that a payer may start per round. Smaller than most requests, so that turns follow tokens and not requests.
const QUANTUM: usize = 64;

/// A request that waits.
pub(crate) struct Waiting {
    pub(crate) id: RequestId,
    pub(crate) request: Request,
    /// Tokens of prompt and answer at most.
    pub(crate) tokens: usize,
}

struct Lane {
    payer: Payer,
    deficit: usize,
    waiting: VecDeque<Waiting>,
}

/// One queue per payer.
#[derive(Default)]
pub(crate) struct Queue {
    lanes: VecDeque<Lane>,
    len: usize,
}

impl Queue {
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    pub(crate) fn of(&self, payer: &Payer) -> usize {
        self.lanes.iter().find(|lane| lane.payer == *payer).map_or(0, |lane| lane.waiting.len())
    }

    pub(crate) fn push(&mut self, waiting: Waiting) {
        self.len += 1;
        let payer = waiting.request.payer;
        match self.lanes.iter_mut().find(|lane| lane.payer == payer) {
            Some(lane) => lane.waiting.push_back(waiting),
            None => self.lanes.push_back(Lane { payer, deficit: 0, waiting: [waiting].into() }),
        }
    }

    pub(crate) fn get(&self, id: RequestId) -> Option<&Waiting> {
        let (lane, i) = self.find(id)?;
        self.lanes.get(lane)?.waiting.get(i)
    }

    /// Everything that waits, each payer's first, then each one's second, and so on.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Waiting> {
        let most = self.lanes.iter().map(|lane| lane.waiting.len()).max().unwrap_or(0);
        (0..most).flat_map(|i| self.lanes.iter().filter_map(move |lane| lane.waiting.get(i)))
    }

    /// The request whose turn it is among those that are `ready`. It stays until [`Queue::take`]; until then, and as long
    /// as it is ready, the turn is its payer's.
    pub(crate) fn turn(&mut self, ready: impl Fn(&Waiting) -> bool) -> Option<&Waiting> {
        if !self.lanes.iter().any(|lane| lane.waiting.iter().any(&ready)) {
            return None;
        }
        loop {
            let lane = self.lanes.front_mut()?;
            match lane.waiting.iter().position(&ready) {
                Some(i) if lane.waiting[i].tokens <= lane.deficit => break Some(&self.lanes[0].waiting[i]),
                Some(_) => lane.deficit += QUANTUM,
                None => {}
            }
            self.lanes.rotate_left(1);
        }
    }

    /// Takes a request out to run it: its tokens come off its payer's deficit.
    pub(crate) fn take(&mut self, id: RequestId) -> Option<Waiting> {
        let (lane, i) = self.find(id)?;
        let tokens = self.lanes[lane].waiting[i].tokens;
        self.lanes[lane].deficit = self.lanes[lane].deficit.saturating_sub(tokens);
        self.extract(lane, i)
    }

    /// Takes a request out that will not run: nobody pays for it.
    pub(crate) fn remove(&mut self, id: RequestId) -> Option<Waiting> {
        let (lane, i) = self.find(id)?;
        self.extract(lane, i)
    }

    fn find(&self, id: RequestId) -> Option<(usize, usize)> {
        let mut places = self.lanes.iter().enumerate();
        places.find_map(|(lane, l)| Some((lane, l.waiting.iter().position(|waiting| waiting.id == id)?)))
    }

    fn extract(&mut self, lane: usize, i: usize) -> Option<Waiting> {
        let waiting = self.lanes[lane].waiting.remove(i)?;
        self.len -= 1;
        if self.lanes[lane].waiting.is_empty() {
            self.lanes.remove(lane);
        }
        Some(waiting)
    }
}
