//! Reading clocks, which programs do more often than anything else: without entering the kernel where
//! that can be.

use crate::dispatch::{Cx, Flow};
use crate::guest_mem;
use crate::intercept::clock;
use crate::nr;
use crate::{outputs, record};

pub fn record(cx: &mut Cx) -> Flow {
    let Some((ret, value, to)) = clock::answer(cx.call.nr, &cx.call.args) else {
        return cx.enter();
    };
    // A null pointer: only `time` may have one, the others fail in their own ways.
    if to == 0 && cx.call.nr != nr::TIME {
        return cx.enter();
    }
    let size = if cx.call.nr == nr::TIME { 8 } else { 16 };
    if to != 0 {
        let wrote = match size {
            8 => guest_mem::put(to, value[0]),
            _ => guest_mem::put(to, value),
        };
        if wrote.is_err() {
            return cx.enter();
        }
    }
    record::complete(cx.task, ret);
    if to != 0 {
        outputs::bytes(cx.task, to, size);
    }
    Flow::Completed(ret)
}
