//! An engine on a thread of its own.

use std::collections::HashMap;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, SyncSender, TryRecvError, channel, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::engine::{Engine, Stats};
use crate::model::ContentHash;
use crate::request::{Event, PinError, Request, RequestId, SubmitError};

/// Commands that wait between two steps. A caller that finds no room waits for the step to end.
pub(crate) const COMMANDS: usize = 256;

pub(crate) enum Command {
    Submit(Request, SyncSender<Result<(RequestId, Receiver<Event>), SubmitError>>),
    Cancel(RequestId),
    Register(ContentHash),
    Unregister(ContentHash, SyncSender<bool>),
    Pin(ContentHash, bool, SyncSender<Result<(), PinError>>),
    Unload(ContentHash, SyncSender<bool>),
    Stats(SyncSender<Stats>),
    Residency(SyncSender<Vec<(ContentHash, usize)>>),
    Stop,
}

/// An engine that steps on its own thread while there is work. Dropping it stops the engine after its current step.
pub struct EngineHandle {
    pub(crate) commands: SyncSender<Command>,
    pub(crate) thread: Option<JoinHandle<()>>,
}

/// The events of one request. Dropping it cancels the request.
pub struct Stream {
    id: RequestId,
    events: Receiver<Event>,
    commands: SyncSender<Command>,
}

impl EngineHandle {
    /// Starts the thread.
    ///
    /// # Errors
    /// What the system says if it cannot start one.
    pub fn spawn(engine: Engine) -> std::io::Result<Self> {
        let (commands, inbox) = sync_channel(COMMANDS);
        let thread = std::thread::Builder::new().name("engine".into()).spawn(move || serve(engine, &inbox))?;
        Ok(Self { commands, thread: Some(thread) })
    }

    /// Submits a request; returns between two steps.
    ///
    /// # Errors
    /// As [`Engine::submit`].
    pub fn submit(&self, request: Request) -> Result<Stream, SubmitError> {
        let answer = self.ask(|reply| Command::Submit(request, reply)).ok_or(SubmitError::Stopped)?;
        let (id, events) = answer?;
        Ok(Stream { id, events, commands: self.commands.clone() })
    }

    /// As [`Engine::register`].
    pub fn register(&self, hash: ContentHash) {
        // An engine that has stopped needs no adapters.
        let _ = self.commands.send(Command::Register(hash));
    }

    /// As [`Engine::unregister`].
    pub fn unregister(&self, hash: ContentHash) -> bool {
        self.ask(|reply| Command::Unregister(hash, reply)).unwrap_or(false)
    }

    /// As [`Engine::pin`].
    ///
    /// # Errors
    /// As there.
    pub fn pin(&self, hash: ContentHash, pinned: bool) -> Result<(), PinError> {
        self.ask(|reply| Command::Pin(hash, pinned, reply)).unwrap_or(Err(PinError::Stopped))
    }

    /// As [`Engine::unload`].
    pub fn unload(&self, hash: ContentHash) -> bool {
        self.ask(|reply| Command::Unload(hash, reply)).unwrap_or(false)
    }

    /// As [`Engine::stats`]; `None` if the engine has stopped.
    pub fn stats(&self) -> Option<Stats> {
        self.ask(Command::Stats)
    }

    /// As [`Engine::residency`].
    pub fn residency(&self) -> Vec<(ContentHash, usize)> {
        self.ask(Command::Residency).unwrap_or_default()
    }

    fn ask<T>(&self, command: impl FnOnce(SyncSender<T>) -> Command) -> Option<T> {
        let (reply, answer) = sync_channel(1);
        self.commands.send(command(reply)).ok()?;
        answer.recv().ok()
    }
}

impl Drop for EngineHandle {
    fn drop(&mut self) {
        // Both fail only where the thread is already gone.
        let _ = self.commands.send(Command::Stop);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Stream {
    /// The request's name.
    pub fn id(&self) -> RequestId {
        self.id
    }

    /// Waits for the next event; `None` after the last, and when the engine has stopped.
    pub fn recv(&self) -> Option<Event> {
        self.events.recv().ok()
    }

    /// Waits for the next event, and not longer than that; disconnected after the last, and when the engine has stopped.
    ///
    /// # Errors
    /// Which of the two it was.
    pub fn recv_timeout(&self, timeout: Duration) -> Result<Event, RecvTimeoutError> {
        self.events.recv_timeout(timeout)
    }
}

impl Iterator for Stream {
    type Item = Event;

    fn next(&mut self) -> Option<Event> {
        self.recv()
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        // Of a request that has ended this cancels nothing; an engine that is busy beyond `COMMANDS` notices when it finds
        // nobody to tell.
        let _ = self.commands.try_send(Command::Cancel(self.id));
    }
}

fn serve(mut engine: Engine, inbox: &Receiver<Command>) {
    // Bounded by `max_tokens` of the requests that run.
    let mut streams: HashMap<RequestId, Sender<Event>> = HashMap::new();
    loop {
        let command = if engine.is_idle() {
            let Ok(command) = inbox.recv() else { return };
            Some(command)
        } else {
            match inbox.try_recv() {
                Ok(command) => Some(command),
                Err(TryRecvError::Empty) => None,
                Err(TryRecvError::Disconnected) => return,
            }
        };
        // A reply that nobody waits for is no concern of the engine's.
        match command {
            Some(Command::Submit(request, reply)) => {
                let (sender, receiver) = channel();
                let result = engine.submit(request).map(|id| {
                    streams.insert(id, sender);
                    (id, receiver)
                });
                let _ = reply.send(result);
            }
            Some(Command::Cancel(id)) => engine.cancel(id),
            Some(Command::Register(hash)) => engine.register(hash),
            Some(Command::Unregister(hash, reply)) => drop(reply.send(engine.unregister(&hash))),
            Some(Command::Pin(hash, pinned, reply)) => drop(reply.send(engine.pin(&hash, pinned))),
            Some(Command::Unload(hash, reply)) => drop(reply.send(engine.unload(&hash))),
            Some(Command::Stats(reply)) => drop(reply.send(engine.stats())),
            Some(Command::Residency(reply)) => drop(reply.send(engine.residency())),
            Some(Command::Stop) => return,
            None => {
                for event in engine.step() {
                    let id = event.request();
                    let last = event.is_last();
                    let told = streams.get(&id).is_some_and(|stream| stream.send(event).is_ok());
                    if last {
                        streams.remove(&id);
                    } else if !told {
                        engine.cancel(id);
                    }
                }
            }
        }
    }
}
