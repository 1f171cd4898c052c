//! Connections that only read, on threads of their own.

use std::time::Duration;

use rusqlite::Connection;

use super::Result;
use super::connection::Settings;
use super::sql::Db;
use super::worker::{End, Lost, Message, Queue, Threads};

/// Opens the connections and starts their threads. Later there may be no file left to open one with.
pub(super) fn start(settings: &Settings, name: &str, threads: usize, patience: Duration) -> Result<Threads> {
    let (queue, receiver) = Queue::new(patience);
    for _ in 0..threads {
        let mut connection = Some(settings.reader()?);
        let (settings, receiver) = (settings.clone(), receiver.clone());
        std::thread::Builder::new().name(name.into()).spawn(move || {
            while let Ok(message) = receiver.recv() {
                match message {
                    Message::Work(ticket) => {
                        // Nobody needs what nobody hears.
                        if ticket.take() && !ticket.work.is_unheard() {
                            read(&settings, &mut connection, ticket.work);
                        }
                    }
                    Message::Close(closed) => {
                        drop(connection);
                        // First: what a second close sends while somebody could still receive it would wait for ever.
                        drop(receiver);
                        drop(closed);
                        return;
                    }
                }
            }
        })?;
    }
    Ok(Threads::new(queue, threads))
}

/// Runs a query. If the database refuses it, its connection is closed.
fn read(settings: &Settings, open: &mut Option<Connection>, mut work: Box<dyn super::worker::Work>) {
    let connection = match open {
        Some(connection) => connection,
        None => match settings.reader() {
            Ok(connection) => open.insert(connection),
            Err(error) => return work.lose(Lost::Failed(std::sync::Arc::new(error))),
        },
    };
    if work.run(&Db::sqlite(connection)) == End::Broken {
        *open = None;
    }
    work.answer();
}
