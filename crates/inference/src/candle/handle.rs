//! An engine on a device, on a thread of its own, behind the handle of our own engine.

use std::collections::HashMap;
use std::sync::mpsc::{Receiver, Sender, TryRecvError, channel, sync_channel};

use super::{DeviceEngine, DeviceError};
use crate::handle::{COMMANDS, Command, EngineHandle};
use crate::request::{Event, PinError, RequestId};

impl EngineHandle {
    /// Starts a thread for an engine on a device. `failed` is told when the device fails, which ends the thread and all streams.
    /// Nothing can be pinned.
    ///
    /// # Errors
    /// What the system says if it cannot start one.
    pub fn spawn_on_device(
        engine: DeviceEngine,
        failed: impl FnOnce(DeviceError) + Send + 'static,
    ) -> std::io::Result<Self> {
        let (commands, inbox) = sync_channel(COMMANDS);
        let serve = move || serve(engine, &inbox).unwrap_or_else(failed);
        let thread = std::thread::Builder::new().name("engine".into()).spawn(serve)?;
        Ok(Self { commands, thread: Some(thread) })
    }
}

fn serve(mut engine: DeviceEngine, inbox: &Receiver<Command>) -> Result<(), DeviceError> {
    // Bounded by `max_tokens` of the requests that run.
    let mut streams: HashMap<RequestId, Sender<Event>> = HashMap::new();
    loop {
        let command = match engine.is_idle() {
            true => inbox.recv().map_err(|_| TryRecvError::Disconnected),
            false => inbox.try_recv(),
        };
        // A reply that nobody waits for is no concern of the engine's.
        match command {
            Ok(Command::Submit(request, reply)) => {
                let (sender, receiver) = channel();
                let result = engine.submit(request).map(|id| {
                    streams.insert(id, sender);
                    (id, receiver)
                });
                let _ = reply.send(result);
            }
            Ok(Command::Cancel(id)) => engine.cancel(id),
            Ok(Command::Register(hash)) => engine.register(hash),
            Ok(Command::Unregister(hash, reply)) => drop(reply.send(engine.unregister(&hash))),
            Ok(Command::Pin(_, _, reply)) => drop(reply.send(Err(PinError::OnDevice))),
            Ok(Command::Unload(hash, reply)) => drop(reply.send(engine.unload(&hash))),
            Ok(Command::Stats(reply)) => drop(reply.send(engine.stats())),
            Ok(Command::Residency(reply)) => drop(reply.send(engine.residency())),
            Ok(Command::Stop) | Err(TryRecvError::Disconnected) => return Ok(()),
            Err(TryRecvError::Empty) => {
                for event in engine.step()? {
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
