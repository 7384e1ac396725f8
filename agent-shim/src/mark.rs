//! Marks: what the program says about itself, an event of its own in front of the call that says it.
//!
//! The call is made like any other and fails as it does natively. Replay makes the same mark of the
//! call that it is about to compare, so that a difference is reported by the mark's name.

use core::sync::atomic::Ordering;

use reenact_abi::arena::Reason;
use reenact_abi::event::{Header, Kind, Role};
use reenact_abi::mark::{self, Form, Mark, Said, PATH_PREFIX, TEXT_MAX, VALUE_MAX};
use reenact_abi::syscalls::{Arg, Blocks, Hook};

use crate::dispatch::Cx;
use crate::guest_mem::{self, Hash};
use crate::task::session;
use crate::{divergence, inputs, log, record, replay, ring};

/// Paths are shorter (PATH_MAX); longer ones are errors and say nothing.
const PATH_MAX: usize = 4096;

/// Data parts of the event.
const TEXT: u64 = 0;
const VALUE: u64 = 1;

/// More than this is not summed.
const SUMMED_MAX: u64 = 1 << 30;

/// What the call says.
fn said(cx: &Cx) -> Option<Said> {
    if mark::asks_for_path(cx.row) {
        by_path(cx)
    } else if cx.row.hook == Hook::Prctl {
        by_option(cx)
    } else {
        None
    }
}

fn by_path(cx: &Cx) -> Option<Said> {
    let index = cx.shape.args.iter().position(|arg| *arg == Arg::Path)?;
    let at = cx.call.args[index];
    let mut start = [0; PATH_PREFIX.len()];
    if guest_mem::read(at, &mut start) < start.len() || start != PATH_PREFIX {
        return None;
    }
    let mut path = [0; PATH_MAX];
    Said::from_path(guest_mem::string(at, &mut path).ok()?)
}

fn by_option(cx: &Cx) -> Option<Said> {
    let mark = Mark::from_option(cx.call.args[0] as u32)?;
    let mut said = Said::new(mark, Form::Prctl);
    let args = &cx.call.args;
    let mut taken = cx
        .shape
        .args
        .iter()
        .zip(args)
        .filter_map(|(arg, at)| match arg {
            Arg::In(len) => Some((*at, inputs::input_len(*len, *at, args))),
            _ => None,
        });
    let (text, len) = taken.next()?;
    said.fill(len, |room| guest_mem::read(text, room));
    if let Some((bytes, len)) = taken.next() {
        said.summed = len;
        let mut hash = Hash::NEW;
        hash.guest(bytes, len.min(SUMMED_MAX));
        hash.word(len);
        said.set_value(hash.0.to_be_bytes());
    }
    Some(said)
}

fn header(said: &Said) -> Header {
    Header {
        kind: Kind::Mark as u8,
        nr: said.mark as u16,
        args: [
            said.form as u64,
            said.given,
            said.summed,
            said.value().len() as u64,
            0,
            0,
        ],
        ..Header::default()
    }
}

/// Recording: the call is about to be made, and no other task has run since the last event.
pub fn before(cx: &mut Cx) {
    if cx.task.detached {
        return;
    }
    let Some(said) = said(cx) else { return };
    // The look-up of a path fails at the first folder: nothing to give the turn up for.
    cx.shape.blocks = Blocks::Never;
    record::open(cx.task, header(&said));
    for (which, bytes) in [(TEXT, said.text()), (VALUE, said.value())] {
        let (from, len) = (bytes.as_ptr() as u64, bytes.len() as u64);
        ring::part(cx.task, Role::Data, which, from, len, 0);
    }
    ring::finish(cx.task);
}

/// A mark's value, with zeros up to its greatest length, and its text: as reports have them.
struct Words {
    bytes: [u8; VALUE_MAX + TEXT_MAX],
    text_len: usize,
}

impl Words {
    const EMPTY: Words = Words {
        bytes: [0; VALUE_MAX + TEXT_MAX],
        text_len: 0,
    };

    fn of(said: &Said) -> Words {
        let mut words = Words::EMPTY;
        words.bytes[..said.value().len()].copy_from_slice(said.value());
        words.text_len = said.text().len();
        words.bytes[VALUE_MAX..][..words.text_len].copy_from_slice(said.text());
        words
    }

    fn get(&self) -> &[u8] {
        &self.bytes[..VALUE_MAX + self.text_len]
    }
}

/// Replay: the next event, `recorded`, is a mark. A call that says nothing differs by itself, and is
/// left to the comparison of calls.
pub fn compare(cx: &mut Cx, recorded: &Header) {
    let mut due = Words::EMPTY;
    log::look(cx.task, recorded, |_, piece| {
        let (value, text) = due.bytes.split_at_mut(VALUE_MAX);
        match (piece.is(Role::Data), piece.part.addr) {
            (true, TEXT) => due.text_len = piece.copy_to(text),
            (true, VALUE) => {
                piece.copy_to(value);
            }
            _ => {}
        }
    });
    if let Some(said) = said(cx) {
        let (made, words) = (header(&said), Words::of(&said));
        if (recorded.nr, recorded.args) != (made.nr, made.args) || due.get() != words.get() {
            let texts = [due.get(), words.get()];
            divergence::report_texts(cx.task, Reason::Mark, recorded, &made, texts);
        }
        if said.mark == Mark::Checksum {
            session().checksums_matched.fetch_add(1, Ordering::Relaxed);
        }
    }
    // As with calls, others run only after the comparison.
    replay::take_turn(cx.task, recorded);
    log::consume(cx.task, recorded, |_, _| {});
}
