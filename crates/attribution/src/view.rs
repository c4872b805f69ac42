//! What one query sees: segments, each with those who count as members in it, and how the work on them is shared out.

use std::{
    num::NonZero,
    sync::{
        OnceLock,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use crate::{error::TraceError, members::Members, segment::Segment};

/// A segment as one query sees it.
#[derive(Clone, Copy)]
pub(crate) struct View<'a> {
    pub(crate) segment: &'a Segment,
    pub(crate) members: &'a dyn Members,
}

/// Answers shorter than this are searched on the caller's thread: starting another one costs as much as searching some
/// hundred bytes in one segment.
const WORTH_A_THREAD: usize = 512;

/// How many threads a query of `bytes` bytes is worth.
pub(crate) fn threads(views: &[View<'_>], bytes: usize) -> usize {
    static CORES: OnceLock<usize> = OnceLock::new();
    if bytes < WORTH_A_THREAD || views.len() < 2 {
        return 1;
    }
    // Asked once: the answer comes from files of the system and takes longer than a query.
    views.len().min(*CORES.get_or_init(|| thread::available_parallelism().map_or(1, NonZero::get)))
}

/// The views in as many parts as a query of `bytes` bytes is worth threads.
pub(crate) fn parts<'v, 'a>(views: &'v [View<'a>], bytes: usize) -> Vec<&'v [View<'a>]> {
    views.chunks(views.len().div_ceil(threads(views, bytes)).max(1)).collect()
}

/// Does a job for each item on so many threads, this one included. Results come in the order of the items; of several
/// errors, the first item's is returned.
pub(crate) fn each<I: Sync, T: Send>(
    items: &[I],
    threads: usize,
    job: impl Fn(&I) -> Result<T, TraceError> + Sync,
) -> Result<Vec<T>, TraceError> {
    if threads < 2 {
        return items.iter().map(job).collect();
    }
    let next = AtomicUsize::new(0);
    let work = || {
        let mut done = Vec::new();
        loop {
            let at = next.fetch_add(1, Ordering::Relaxed);
            let Some(item) = items.get(at) else { return done };
            done.push((at, job(item)));
        }
    };
    let mut done = thread::scope(|scope| {
        let others: Vec<_> = (1..threads).map(|_| scope.spawn(work)).collect();
        let mut done = work();
        for other in others {
            done.extend(other.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
        }
        done
    });
    done.sort_by_key(|(at, _)| *at);
    done.into_iter().map(|(_, result)| result).collect()
}
