//! A hop on the way to a server, which falls silent or is cut off when a scene says so.

use std::{net::SocketAddr, sync::Arc};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::watch,
};

/// What becomes of bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    Open,
    /// Nothing arrives and nothing breaks.
    Silent,
    /// What stands is broken, what comes is turned away.
    Cut,
}

/// The hop; ends when dropped.
pub struct Hop {
    address: SocketAddr,
    way: Arc<watch::Sender<Way>>,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Hop {
    fn drop(&mut self) {
        self.task.abort();
        self.way.send_replace(Way::Cut);
    }
}

impl Hop {
    /// A hop to `target`, a host and a port.
    ///
    /// # Panics
    /// When no port is free.
    pub async fn to(target: String) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let way = Arc::new(watch::Sender::new(Way::Open));
        let ways = way.clone();
        let task = tokio::spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                if *ways.borrow() != Way::Cut {
                    tokio::spawn(carry(near, target.clone(), ways.clone()));
                }
            }
        });
        Self { address, way, task }
    }

    #[must_use]
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    pub fn set(&self, way: Way) {
        self.way.send_replace(way);
    }
}

async fn carry(near: TcpStream, target: String, ways: Arc<watch::Sender<Way>>) {
    if open(&mut ways.subscribe()).await {
        return;
    }
    let Ok(far) = TcpStream::connect(&target).await else { return };
    // small questions and answers, as without the hop
    let _ = (near.set_nodelay(true), far.set_nodelay(true));
    let (near_read, near_write) = near.into_split();
    let (far_read, far_write) = far.into_split();
    // either end closes both
    tokio::select! {
        () = pass(near_read, far_write, ways.subscribe()) => {}
        () = pass(far_read, near_write, ways.subscribe()) => {}
    }
}

/// Waits while the way is silent; whether it is cut.
async fn open(way: &mut watch::Receiver<Way>) -> bool {
    match way.wait_for(|way| *way != Way::Silent).await {
        Ok(way) => *way == Way::Cut,
        Err(_) => true,
    }
}

async fn pass(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, mut way: watch::Receiver<Way>) {
    let mut bytes = vec![0; 64 * 1024];
    loop {
        let mut cut = way.clone();
        let read = tokio::select! {
            read = from.read(&mut bytes) => read,
            _ = cut.wait_for(|way| *way == Way::Cut) => return,
        };
        let Ok(count @ 1..) = read else { return };
        if open(&mut way).await || to.write_all(&bytes[..count]).await.is_err() {
            return;
        }
    }
}
