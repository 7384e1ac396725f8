//! Makes the service and its messages out of locks.proto, without a compiler of protobuf on the machine.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo::rerun-if-changed=locks.proto");
    let files = protox::compile(["locks.proto"], ["."])?;
    tonic_prost_build::configure().compile_fds(files)?;
    Ok(())
}
