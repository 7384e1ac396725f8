//! Words of the shim's own, on the run's standard error: warnings that a user should see.

use core::fmt::Write;

use crate::sys;

/// Formats into a fixed buffer; what does not fit is cut.
pub struct Text<const N: usize> {
    bytes: [u8; N],
    len: usize,
}

impl<const N: usize> Text<N> {
    pub fn new() -> Self {
        Text {
            bytes: [0; N],
            len: 0,
        }
    }

    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.len]
    }

    /// Raw bytes (a path, say), cut like text.
    pub fn push(&mut self, bytes: &[u8]) {
        let take = bytes.len().min(N - self.len);
        self.bytes[self.len..self.len + take].copy_from_slice(&bytes[..take]);
        self.len += take;
    }
}

impl<const N: usize> Write for Text<N> {
    fn write_str(&mut self, text: &str) -> core::fmt::Result {
        self.push(text.as_bytes());
        Ok(())
    }
}

/// The path of a descriptor in /proc, with its NUL.
pub fn link_of(fd: i32) -> Text<32> {
    let mut link = Text::new();
    let _ = write!(link, "/proc/self/fd/{fd}\0");
    link
}

/// Writes one line to descriptor 2.
pub fn line(args: core::fmt::Arguments) {
    let mut text = Text::<512>::new();
    let _ = text.write_fmt(args);
    text.push(b"\n");
    let _ = sys::write(2, text.as_bytes());
}

#[macro_export]
macro_rules! warn {
    ($($arg:tt)*) => { $crate::say::line(format_args!($($arg)*)) };
}

#[cfg(not(test))]
pub fn panic(info: &core::panic::PanicInfo) {
    match info.location() {
        Some(at) => line(format_args!(
            "reenact: internal error at {}:{}",
            at.file(),
            at.line()
        )),
        None => line(format_args!("reenact: internal error")),
    }
}
