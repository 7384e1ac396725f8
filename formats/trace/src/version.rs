//! Versions of the format.
//!
//! The major number rises when an old reader would misread a new file; the minor number when a
//! new file holds more than an old reader knows, which it then skips. The envelope (frames and
//! seals) never changes, so that any reader can tell a newer file from a damaged one.

use std::fmt;

/// Changes that an older reader would misread.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FormatMajor(pub u32);

/// Additions that an older reader skips.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FormatMinor(pub u32);

/// Version that a frame was written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FormatVersion {
    pub major: FormatMajor,
    pub minor: FormatMinor,
}

/// Why a reader cannot read a version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unreadable {
    /// The file is newer than the reader.
    TooNew,
    /// The reader no longer knows the format.
    TooOld,
}

impl FormatVersion {
    /// What this build writes.
    pub const CURRENT: FormatVersion = FormatVersion {
        major: FormatMajor(1),
        minor: FormatMinor(0),
    };

    /// Tells whether a reader of version `reader` reads a file of version `self`. Minor versions
    /// never matter: what is new in them is skipped.
    pub fn check_readable_by(self, reader: FormatVersion) -> Result<(), Unreadable> {
        match self.major.cmp(&reader.major) {
            std::cmp::Ordering::Equal => Ok(()),
            std::cmp::Ordering::Greater => Err(Unreadable::TooNew),
            std::cmp::Ordering::Less => Err(Unreadable::TooOld),
        }
    }
}

impl fmt::Display for FormatVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major.0, self.minor.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(major: u32, minor: u32) -> FormatVersion {
        FormatVersion {
            major: FormatMajor(major),
            minor: FormatMinor(minor),
        }
    }

    #[test]
    fn minor_versions_read_each_other_and_major_versions_do_not() {
        assert_eq!(version(1, 9).check_readable_by(version(1, 0)), Ok(()));
        assert_eq!(version(1, 0).check_readable_by(version(1, 9)), Ok(()));
        assert_eq!(
            version(2, 0).check_readable_by(version(1, 9)),
            Err(Unreadable::TooNew)
        );
        assert_eq!(
            version(1, 9).check_readable_by(version(2, 0)),
            Err(Unreadable::TooOld)
        );
    }
}
