//! A collector of traces on this machine, which keeps every byte it is sent.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{TcpListener, TcpStream},
    sync::{Arc, Mutex},
};

pub struct Collector {
    pub endpoint: String,
    heard: Arc<Mutex<Vec<u8>>>,
}

impl Collector {
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("bound");
        let endpoint = format!("http://{}", listener.local_addr().expect("an address"));
        let heard = Arc::new(Mutex::new(vec![]));
        let keeps = heard.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let keeps = keeps.clone();
                std::thread::spawn(move || serve(stream, &keeps));
            }
        });
        Self { endpoint, heard }
    }

    /// Everything that came in, heads and bodies.
    pub fn heard(&self) -> String {
        String::from_utf8_lossy(&self.heard.lock().expect("bytes")).into_owned()
    }
}

/// Takes one request after the other.
fn serve(stream: TcpStream, keeps: &Mutex<Vec<u8>>) -> Option<()> {
    let mut read = BufReader::new(stream.try_clone().ok()?);
    loop {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if read.read_line(&mut head).ok()? == 0 {
                return None;
            }
        }
        let lower = head.to_lowercase();
        let length = lower.split("content-length: ").nth(1)?.split("\r\n").next()?;
        let mut body = vec![0; length.parse().ok()?];
        read.read_exact(&mut body).ok()?;
        keeps.lock().expect("bytes").extend([head.as_bytes(), &body].concat());
        (&stream).write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").ok()?;
    }
}
