//! A mail server for one mail: it says what it is told to say and remembers what it was told.

use std::{
    io::{Read, Write},
    net::TcpListener,
    sync::Arc,
    thread,
};

use rustls::{ServerConfig, ServerConnection, StreamOwned};

#[derive(Clone, Default)]
pub struct Script {
    /// Offers STARTTLS, and proves who it is with this.
    pub tls: Option<Arc<ServerConfig>>,
    /// Answers 550 to this word; `.` is the mail's end.
    pub refuses: &'static str,
    /// Says nothing any more from this word on.
    pub silent_at: &'static str,
}

trait Line: Read + Write + Send {}
impl<T: Read + Write + Send> Line for T {}

/// The next line; none where the other side hung up.
fn line(stream: &mut dyn Line) -> Option<String> {
    let (mut line, mut byte) = (vec![], [0]);
    while !line.ends_with(b"\r\n") {
        match stream.read(&mut byte) {
            Ok(1) => line.push(byte[0]),
            Ok(_) | Err(_) => return None,
        }
    }
    line.truncate(line.len() - 2);
    Some(String::from_utf8(line).expect("text"))
}

/// Takes one connection and tells every line that came, `[encrypted]` where TLS began.
pub fn takes(listener: &TcpListener, script: Script) -> thread::JoinHandle<Vec<String>> {
    let listener = listener.try_clone().expect("a listener");
    thread::spawn(move || {
        let (stream, _) = listener.accept().expect("a call");
        let mut seen = vec![];
        let mut plain = Some(stream.try_clone().expect("a stream"));
        let mut stream: Box<dyn Line> = Box::new(stream);
        let mut say = "220 here";
        loop {
            if stream.write_all(format!("{say}\r\n").as_bytes()).is_err() {
                return seen;
            }
            if say == "220 go" {
                let config = script.tls.clone().expect("a certificate");
                let tls = ServerConnection::new(config).expect("TLS");
                let under = plain.take().expect("once");
                stream = Box::new(StreamOwned::new(tls, under));
                seen.push("[encrypted]".into());
            }
            let Some(said) = line(&mut *stream) else { return seen };
            let word = said.split(' ').next().unwrap_or_default().to_uppercase();
            seen.push(said);
            let mut word = word.as_str();
            if word == "DATA" && script.refuses != "DATA" {
                stream.write_all(b"354 go\r\n").expect("answered");
                while word != "." {
                    let Some(said) = line(&mut *stream) else { return seen };
                    word = if said == "." { "." } else { "" };
                    seen.push(said);
                }
            }
            if word == script.silent_at {
                // until the other side has had enough
                while line(&mut *stream).is_some() {}
                return seen;
            }
            say = match word {
                word if word == script.refuses => "550 no, not for witness@example.org",
                "EHLO" if script.tls.is_some() && plain.is_some() => {
                    "250-here\r\n250-STARTTLS\r\n250 8BITMIME"
                }
                "EHLO" => "250-here\r\n250-AUTH PLAIN\r\n250 8BITMIME",
                "STARTTLS" => "220 go",
                "AUTH" => "235 ok",
                "QUIT" => "221 bye",
                _ => "250 ok",
            };
        }
    })
}
