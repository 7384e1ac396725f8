//! Compacted XSAVE images on stacks, which are not to be compared.
//!
//! A dynamic linker makes them while it looks a function up, and the CPU leaves out of them what it holds as
//! unused: whether it does depends on when the registers were last loaded, by a return from a signal, say, and not
//! on what they hold alone.

use reenact_abi::map::PAGE;

/// Where an image has the components that it was compacted for, and where its header ends (Intel SDM
/// volume 1, section 13.4).
const XCOMP_BV: usize = 520;
pub const HEADER_END: usize = 576;

/// Blanks the images in memory that lies at `at`.
pub fn blank(bytes: &mut [u8], at: u64) {
    let mut from = 0;
    while let Some((start, end, next)) = find(bytes, at, from) {
        let end = end.min(bytes.len());
        bytes[start..end].fill(0);
        from = next;
    }
}

/// The first image whose header is found from byte `from` on: its first byte, what lies behind it, and where to
/// look for the next one.
fn find(bytes: &[u8], at: u64, from: usize) -> Option<(usize, usize, usize)> {
    const COMPACTED: u64 = 1 << 63;
    /// Bytes of each component behind the header; the first two are in front of it.
    const SIZES: [usize; 8] = [0, 0, 256, 64, 64, 64, 512, 1024];
    let word = |from: usize| -> u64 {
        let word = bytes
            .get(from..from + 8)
            .and_then(|word| word.try_into().ok());
        word.map_or(u64::MAX, u64::from_le_bytes)
    };
    // Images are aligned to 64 bytes.
    let first = (XCOMP_BV as u64).wrapping_sub(at) as usize % 64;
    let places = (first..bytes.len()).step_by(64);
    for header in places.filter(|place| *place >= 8 && *place >= from) {
        let parts = word(header) ^ COMPACTED;
        let used = word(header - 8);
        let reserved = (1..7).any(|index| word(header + 8 * index) != 0);
        if parts == 0 || parts > 0xff || used & !parts != 0 || reserved {
            continue;
        }
        let sizes = SIZES.iter().enumerate();
        let taken = sizes.filter(|(bit, _)| parts >> bit & 1 != 0);
        let behind = header + (HEADER_END - XCOMP_BV) + taken.map(|(_, size)| size).sum::<usize>();
        return Some((header.saturating_sub(XCOMP_BV), behind, header + 64));
    }
    None
}

/// Pages in ascending order, of which images are left out that may lie over their ends.
pub struct Pages {
    /// Up to here reaches an image of the page before.
    reach: u64,
}

impl Pages {
    pub const NEW: Pages = Pages { reach: 0 };

    /// Blanks the images in a page at `at`, behind which lies as much as a header has, if there is that; how many
    /// bytes are of the page.
    pub fn blank(&mut self, window: &mut [u8], at: u64) -> usize {
        let of_page = window.len().min(PAGE as usize);
        let before = self.reach.saturating_sub(at).min(of_page as u64) as usize;
        let mut from = 0;
        let mut found = [(0, before); 8];
        for range in &mut found[1..] {
            let Some((start, end, next)) = find(window, at, from) else {
                break;
            };
            self.reach = self.reach.max(at + end as u64);
            *range = (start.min(of_page), end.min(of_page));
            from = next;
        }
        for (start, end) in found {
            window[start..end].fill(0);
        }
        of_page
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A stack at `at` with an image 128 bytes in, made for the components `parts` with `used` of them in use.
    fn stack(at: u64, parts: u64, used: u64, left_over: u8) -> Vec<u8> {
        let mut bytes = vec![7u8; 2048];
        let image = 128 + (64 - (at as usize + 128) % 64) % 64;
        bytes[image..image + HEADER_END].fill(0);
        bytes[image + 160..image + 416].fill(left_over);
        bytes[image + XCOMP_BV - 8..image + XCOMP_BV].copy_from_slice(&used.to_le_bytes());
        let compacted = parts | 1 << 63;
        bytes[image + XCOMP_BV..image + XCOMP_BV + 8].copy_from_slice(&compacted.to_le_bytes());
        bytes
    }

    fn blanked(mut bytes: Vec<u8>, at: u64) -> Vec<u8> {
        blank(&mut bytes, at);
        bytes
    }

    #[test]
    fn what_the_cpu_holds_as_unused_makes_no_difference() {
        for at in [0x7ff7_ffff_ec40, 0x7ff7_ffff_ec48] {
            let (one, other) = (stack(at, 0xe6, 0xa0, 3), stack(at, 0xe6, 0xa2, 0));
            assert_ne!(one, other);
            assert_eq!(blanked(one.clone(), at), blanked(other, at));
            assert!(blanked(one, at).contains(&7));
        }
    }

    #[test]
    fn what_is_no_image_stays() {
        let at = 0x7ff7_ffff_ec40;
        // In use what it was not made for; no components at all; other words where it has none.
        let mut none = vec![stack(at, 0x06, 0xe6, 1), stack(at, 0, 0, 1)];
        let mut filled = stack(at, 0xe6, 0xa0, 1);
        filled[128 + HEADER_END - 1] = 1;
        none.push(filled);
        for bytes in none {
            assert_eq!(blanked(bytes.clone(), at), bytes);
        }
    }

    #[test]
    fn images_that_lie_over_the_end_of_a_page_are_left_out_of_both() {
        // Pages of which the first ends within the image, at different places.
        for cut in [64, 520, 576, 600, 900] {
            let at = 0x7ff7_ffff_e000 + 4096 - cut;
            let pages = |used, left_over| {
                let mut bytes = vec![7u8; 3 * 4096];
                let image = 4096 - cut as usize;
                let one = stack(at, 0xe6, used, left_over);
                bytes[image..image + 1500].copy_from_slice(&one[128..1628]);
                let mut pages = Pages::NEW;
                let mut left = Vec::new();
                for page in 0..3 {
                    let mut window = [0u8; 4096 + HEADER_END];
                    let from = page * 4096;
                    let have = window.len().min(bytes.len() - from);
                    window[..have].copy_from_slice(&bytes[from..from + have]);
                    let known = pages.blank(&mut window[..have], 0x7ff7_ffff_e000 + from as u64);
                    left.extend_from_slice(&window[..known]);
                }
                left
            };
            let (one, other) = (pages(0xa0, 3), pages(0xa2, 0));
            assert_eq!(one.len(), 3 * 4096);
            assert_eq!(one, other, "{cut}");
            assert_eq!(
                one[..4096 - cut as usize],
                [7].repeat(4096 - cut as usize)[..]
            );
        }
    }
}
