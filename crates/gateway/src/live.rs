//! An answer on its way from whoever writes it to whoever reads it.

use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::watch;

/// An answer as it grows. Written by the one who drives the job, who never waits for readers; at most 1 MiB.
pub(crate) struct Live {
    text: Mutex<String>,
    length: watch::Sender<usize>,
}

impl Live {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self { text: Mutex::default(), length: watch::Sender::new(0) })
    }

    pub(crate) fn subscribe(&self) -> watch::Receiver<usize> {
        self.length.subscribe()
    }

    /// What came since byte `from`.
    pub(crate) fn since(&self, from: usize) -> String {
        self.text.lock().get(from..).unwrap_or_default().to_owned()
    }

    pub(crate) fn push(&self, piece: &str) {
        let length = {
            let mut text = self.text.lock();
            text.push_str(piece);
            text.len()
        };
        self.length.send_replace(length);
    }

    pub(crate) fn len(&self) -> usize {
        *self.length.borrow()
    }

    pub(crate) fn text(&self) -> String {
        self.text.lock().clone()
    }
}
