//! An echo server on tokio's current-thread runtime, as its users write one:
//! one task and one buffer for each connection.
//!
//! It must stay idiomatic: no trick that a reader of tokio's tutorial would not find.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};

const READ_BYTES: usize = 64 * 1024;
const BACKLOG: u32 = 4096;

async fn echo(mut stream: TcpStream) -> std::io::Result<()> {
    let mut buffer = vec![0; READ_BYTES];
    loop {
        let n = stream.read(&mut buffer).await?;
        if n == 0 {
            return Ok(());
        }
        stream.write_all(&buffer[..n]).await?;
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let address: SocketAddr = std::env::args()
        .nth(1)
        .ok_or("usage: peer_tokio ADDR")?
        .parse()?;
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    let listener = socket.listen(BACKLOG)?;
    println!("listening on {}", listener.local_addr()?);
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        // A connection that breaks ends its own task; the server goes on.
        tokio::spawn(echo(stream));
    }
}
