//! Generates the messages and the client from the project's proto files, without protoc.

use std::path::Path;

const FILE: &str = "lanspread/peer/v1/peer_service.proto";

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../proto");
    println!(
        "cargo:rerun-if-changed={}",
        folder.join("lanspread").display()
    );
    let files = protox::compile([FILE], [&folder])?;
    tonic_prost_build::configure()
        .build_server(false)
        .compile_fds(files)?;
    Ok(())
}
