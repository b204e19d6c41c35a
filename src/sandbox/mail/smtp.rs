//! The SMTP listener: mailin's state machine over a socket. Plain text, no login: it listens on loopback for our own mails.

use std::{io, net::IpAddr, time::Duration};

use mailin::{Action, Handler, Response, SessionBuilder, response};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
};
use tokio_util::sync::CancellationToken;

use super::inbox::{Caught, Mail};

const MESSAGE_LIMIT: usize = 25 * 1024 * 1024;
const LINE_LIMIT: u64 = 1024 * 1024;
const PATIENCE: Duration = Duration::from_secs(300);

/// Takes mails until `stop`.
pub async fn listen(listener: TcpListener, caught: Caught, stop: CancellationToken) {
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => return,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, peer)) => {
                let (caught, stop) = (caught.clone(), stop.clone());
                tokio::spawn(async move {
                    tokio::select! {
                        () = stop.cancelled() => {}
                        ended = converse(stream, peer.ip(), caught) => {
                            if let Err(error) = ended {
                                tracing::debug!(%error, "an SMTP conversation ended");
                            }
                        }
                    }
                });
            }
            Err(error) => {
                // Out of file handles, most likely: try again, not at once.
                tracing::warn!(%error, "the mail catcher cannot accept");
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
        }
    }
}

async fn converse(stream: TcpStream, peer: IpAddr, caught: Caught) -> io::Result<()> {
    let mut stream = BufReader::new(stream);
    let envelope = Envelope { caught, from: String::new(), to: Vec::new(), message: Vec::new(), too_big: false };
    let mut session = SessionBuilder::new("sandbox.lensmeter").build(peer, envelope);
    stream.write_all(&session.greeting().buffer()?).await?;
    let mut line = Vec::new();
    loop {
        line.clear();
        let mut bounded = (&mut stream).take(LINE_LIMIT);
        let read = tokio::time::timeout(PATIENCE, bounded.read_until(b'\n', &mut line)).await??;
        if read == 0 || !line.ends_with(b"\n") {
            return Ok(());
        }
        let answer = session.process(&line);
        if answer.action != Action::NoReply {
            stream.write_all(&answer.buffer()?).await?;
            stream.flush().await?;
        }
        // After a refused message mailin stays in DATA and would swallow every further command: hang up instead.
        let refused = answer.code == response::NO_STORAGE.code || answer.code == response::OUT_OF_SPACE.code;
        if refused || answer.action == Action::Close {
            return Ok(());
        }
    }
}

/// The mail that is being taken.
struct Envelope {
    caught: Caught,
    from: String,
    to: Vec<String>,
    message: Vec<u8>,
    too_big: bool,
}

impl Handler for Envelope {
    fn data_start(&mut self, _domain: &str, from: &str, _is8bit: bool, to: &[String]) -> Response {
        from.clone_into(&mut self.from);
        to.clone_into(&mut self.to);
        self.message.clear();
        self.too_big = false;
        response::OK
    }

    /// mailin has undone the dot-stuffing. Too long: the rest is read and thrown away, for an answer belongs only at the end.
    fn data(&mut self, line: &[u8]) -> io::Result<()> {
        if self.message.len() + line.len() > MESSAGE_LIMIT {
            self.too_big = true;
            self.message = Vec::new();
        }
        if !self.too_big {
            self.message.extend_from_slice(line);
        }
        Ok(())
    }

    fn data_end(&mut self) -> Response {
        if self.too_big {
            return response::NO_STORAGE;
        }
        let message = std::mem::take(&mut self.message);
        match self.caught.keep(Mail::new(self.from.clone(), self.to.clone(), &message)) {
            Ok(()) => response::OK,
            Err(error) => {
                tracing::error!(%error, "the mail catcher cannot keep a mail");
                response::OUT_OF_SPACE
            }
        }
    }
}
