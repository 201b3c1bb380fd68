//! One file over one QUIC stream with s2n-quic, to measure against.
//!
//! `serve FILE CERTIFICATE` makes a certificate, writes it to CERTIFICATE, prints the port it
//! listens at on 127.0.0.1, and answers every stream with the file, until it is killed.
//! `get PORT CERTIFICATE TARGET` fetches the file once into TARGET, hashes it on the way, and
//! prints its BLAKE3 hash. The library is left as it comes, but for windows that a fast line fills.

use std::{
    error::Error,
    fs::{self, File},
    io::{Read, Write},
    net::SocketAddr,
    path::Path,
};

use s2n_quic::{client::Connect, provider::limits::Limits, Client, Connection, Server};

type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

const SERVER_NAME: &str = "localhost";
const WINDOW: u64 = 16 * 1024 * 1024;
const SLICE: usize = 256 * 1024;

#[tokio::main]
async fn main() -> Outcome<()> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    match words.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["serve", file, certificate] => serve(file, certificate).await,
        ["get", port, certificate, target] => get(port.parse()?, certificate, target).await,
        _ => Err("usage: serve FILE CERTIFICATE | get PORT CERTIFICATE TARGET".into()),
    }
}

async fn serve(file: &str, certificate: &str) -> Outcome<()> {
    let made = rcgen::generate_simple_self_signed(vec![SERVER_NAME.to_string()])?;
    let (chain, key) = (made.cert.pem(), made.key_pair.serialize_pem());
    fs::write(certificate, &chain)?;
    let mut server = Server::builder()
        .with_tls((chain.as_str(), key.as_str()))?
        .with_io("127.0.0.1:0")?
        .with_limits(limits()?)?
        .start()?;
    println!("{}", server.local_addr()?.port());
    while let Some(connection) = server.accept().await {
        tokio::spawn(answer(connection, file.to_string()));
    }
    Ok(())
}

async fn answer(mut connection: Connection, file: String) -> Outcome<()> {
    while let Some(mut stream) = connection.accept_bidirectional_stream().await? {
        let mut source = File::open(&file)?;
        loop {
            let mut slice = vec![0; SLICE];
            let count = source.read(&mut slice)?;
            if count == 0 {
                break;
            }
            slice.truncate(count);
            stream.send(slice.into()).await?;
        }
        stream.finish()?;
    }
    Ok(())
}

async fn get(port: u16, certificate: &str, target: &str) -> Outcome<()> {
    let client = Client::builder()
        .with_tls(Path::new(certificate))?
        .with_io("0.0.0.0:0")?
        .with_limits(limits()?)?
        .start()?;
    let address: SocketAddr = ([127, 0, 0, 1], port).into();
    let mut connection = client
        .connect(Connect::new(address).with_server_name(SERVER_NAME))
        .await?;
    let mut stream = connection.open_bidirectional_stream().await?;
    stream.finish()?;
    let mut file = File::create(target)?;
    let mut hasher = blake3::Hasher::new();
    while let Some(data) = stream.receive().await? {
        hasher.update(&data);
        file.write_all(&data)?;
    }
    println!("{}", hasher.finalize().to_hex());
    Ok(())
}

fn limits() -> Outcome<Limits> {
    Ok(Limits::new()
        .with_data_window(WINDOW)?
        .with_bidirectional_local_data_window(WINDOW)?
        .with_bidirectional_remote_data_window(WINDOW)?)
}
