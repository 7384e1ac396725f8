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

    #[test]
    fn debuggers_find_the_section_headers_in_memory() {
        let word = |at: usize| u64::from_le_bytes(IMAGE[at..at + 8].try_into().unwrap());
        let half = |at: usize| u16::from_le_bytes([IMAGE[at], IMAGE[at + 1]]) as u64;
        let sections = word(40)..word(40) + half(58) * half(60);
        let loaded = (0..half(56)).any(|index| {
            let at = (word(32) + index * half(54)) as usize;
            let (offset, len) = (word(at + 8), word(at + 32));
            IMAGE[at..at + 4] == [1, 0, 0, 0]
                && offset <= sections.start
                && sections.end <= offset + len
        });
        assert!(!sections.is_empty() && loaded);
    }
}
