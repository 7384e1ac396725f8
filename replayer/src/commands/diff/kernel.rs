//! What the kernel itself answers, such as which addresses the machine has: it says nothing of the run.

use super::run::Run;
use super::told;

/// AF_NETLINK: the kernel is at the other end.
const OF_KERNEL: &str = "outside family 16";

/// Leaves out what the kernel says. Returns how many messages that were.
pub fn leave_out(run: &mut Run) -> u64 {
    let mut count = 0;
    run.talks.retain(|talk| {
        let kernel = talk.names.iter().any(|name| name.starts_with(OF_KERNEL));
        if kernel {
            count += talk.lanes.iter().map(Vec::len).sum::<usize>() as u64;
        }
        !kernel
    });
    if count > 0 {
        run.heard = told::heard(&run.talks);
    }
    count
}
