//! How `record` and `replay` start a program under the shim: the shim's executable, embedded so
//! that each command is one self-contained file; the memory that a session shares; the first process.

pub mod machine;
mod session;
mod start;

pub use session::{Session, SessionError};
pub use start::{remember, Launch, StartError};

/// A static x86-64 ELF executable, linked at the address map's `SHIM`.
pub static IMAGE: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/reenact-agent-shim"));

#[cfg(test)]
mod tests {
    use super::IMAGE;

    #[test]
    fn the_image_is_an_executable_for_the_fixed_address() {
        assert_eq!(&IMAGE[..4], b"\x7fELF");
        let kind = u16::from_le_bytes([IMAGE[16], IMAGE[17]]);
        assert_eq!(kind, 2, "ET_EXEC");
        let entry = u64::from_le_bytes(IMAGE[24..32].try_into().unwrap());
        assert!(
            (0x7000_0000..0x7100_0000).contains(&entry),
            "entry {entry:#x}"
        );
    }
}
