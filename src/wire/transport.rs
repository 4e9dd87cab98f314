//! The connections of the HTTP client: `ureq`'s own, asking less of the system for every call. A request leaves in one write
//! instead of two, a connection that has just answered is not looked at before it is put back, and a time limit is told to
//! the socket when it changes by seconds.

use std::time;
use ureq::unversioned::transport::time::Duration;
use ureq::unversioned::transport::{Buffers, ConnectionDetails, Connector, NextTimeout, Transport};

/// Most bytes kept back: larger requests go out as they come.
const MOST_KEPT: usize = 16 << 10;
/// From this on a limit is rounded up to whole seconds.
const LONG: time::Duration = time::Duration::from_secs(4);

/// Puts [`Gathered`] around the sockets before it in the chain.
#[derive(Debug, Default)]
pub struct Gathering;

impl<In: Transport> Connector<In> for Gathering {
    type Out = Gathered<In>;

    fn connect(&self, _: &ConnectionDetails<'_>, chained: Option<In>) -> Result<Option<Self::Out>, ureq::Error> {
        Ok(chained.map(|inner| Gathered { inner, kept: Vec::new(), just_read: false }))
    }
}

/// A connection that keeps what is to be sent until an answer is awaited.
#[derive(Debug)]
pub struct Gathered<T> {
    inner: T,
    kept: Vec<u8>,
    /// The peer has said something since the connection was last looked at.
    just_read: bool,
}

impl<T: Transport> Gathered<T> {
    fn flush(&mut self, timeout: NextTimeout) -> Result<(), ureq::Error> {
        let mut sent = 0;
        while sent < self.kept.len() {
            let room = self.inner.buffers().output();
            let n = room.len().min(self.kept.len() - sent);
            room[..n].copy_from_slice(&self.kept[sent..sent + n]);
            self.inner.transmit_output(n, timeout)?;
            sent += n;
        }
        self.kept.clear();
        Ok(())
    }
}

/// A limit in steps that stay the same during a call. Up to a second later is no matter from [`LONG`] on.
fn stepped(timeout: NextTimeout) -> NextTimeout {
    match timeout.after {
        Duration::Exact(after) if after > LONG => NextTimeout { after: Duration::from_secs(after.as_secs() + u64::from(after.subsec_nanos() > 0)), ..timeout },
        _ => timeout,
    }
}

impl<T: Transport> Transport for Gathered<T> {
    fn buffers(&mut self) -> &mut dyn Buffers {
        self.inner.buffers()
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), ureq::Error> {
        let timeout = stepped(timeout);
        if self.kept.len() + amount <= MOST_KEPT {
            self.kept.extend_from_slice(&self.inner.buffers().output()[..amount]);
            return Ok(());
        }
        if self.kept.is_empty() {
            return self.inner.transmit_output(amount, timeout);
        }
        // the room for what is kept is taken by what comes after it
        self.kept.extend_from_slice(&self.inner.buffers().output()[..amount]);
        self.flush(timeout)
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, ureq::Error> {
        let timeout = stepped(timeout);
        self.flush(timeout)?;
        self.just_read = true;
        self.inner.await_input(timeout)
    }

    fn is_open(&mut self) -> bool {
        // asked twice between two calls: when it is put back, right after an answer, and when it is taken out
        std::mem::take(&mut self.just_read) || self.inner.is_open()
    }

    fn is_tls(&self) -> bool {
        self.inner.is_tls()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};
    use std::net::TcpListener;
    use ureq::unversioned::resolver::DefaultResolver;
    use ureq::unversioned::transport::TcpConnector;

    /// Small and large bodies arrive whole and in order over one connection, and one the peer has closed is not used again.
    #[test]
    fn requests_arrive_as_they_were_written() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let server = std::thread::spawn(move || {
            let mut seen = Vec::new();
            for calls in [3, 1] {
                let (mut stream, _) = listener.accept().unwrap();
                for _ in 0..calls {
                    let mut got = Vec::new();
                    let mut part = [0; 4096];
                    let body = loop {
                        let n = stream.read(&mut part).unwrap();
                        got.extend_from_slice(&part[..n]);
                        let text = String::from_utf8_lossy(&got);
                        let Some(end) = text.find("\r\n\r\n") else { continue };
                        let length: usize = text.to_lowercase().split("content-length: ").nth(1).unwrap().split("\r\n").next().unwrap().parse().unwrap();
                        if got.len() - end - 4 == length {
                            break got[end + 4..].to_vec();
                        }
                    };
                    seen.push(body);
                    stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").unwrap();
                }
            } // the first connection is closed here without a word
            seen
        });
        let agent = ureq::Agent::with_parts(ureq::config::Config::default(), TcpConnector::default().chain(Gathering), DefaultResolver::default());
        let bodies = [vec![b'a'; 600], vec![b'b'; 300_000], vec![b'c'; 17_000], b"after".to_vec()];
        for (n, body) in bodies.iter().enumerate() {
            if n == 3 {
                std::thread::sleep(time::Duration::from_millis(100)); // the close has arrived
            }
            let mut answer = agent.post(format!("http://{address}/")).send(&body[..]).unwrap();
            assert_eq!(answer.body_mut().read_to_string().unwrap(), "ok");
        }
        assert_eq!(server.join().unwrap(), bodies);
    }

    #[test]
    fn limits_change_in_steps() {
        let after = |millis| stepped(NextTimeout { after: Duration::from_millis(millis), ..NextTimeout::default() }).after;
        assert_eq!(after(19_400), Duration::from_secs(20));
        assert_eq!(after(20_000), Duration::from_secs(20));
        assert_eq!(after(3_200), Duration::from_millis(3_200));
    }
}
