//! Compares two runs of one program that keeps step: what does not depend on time is the same.
//! It must never compare what does: how bytes were cut, and the order among independent calls.

use crate::model::Source;
use crate::world::Report;

/// # Errors
/// The first source of which the two runs tell different things.
pub fn agree(first: &Report, second: &Report) -> Result<(), String> {
    let sources = (&first.model.sources, &second.model.sources);
    let count = (sources.0.len(), sources.1.len());
    for id in 0..count.0.max(count.1) {
        if sources
            .0
            .get(id)
            .is_some_and(|source| has_left(first, source))
        {
            continue;
        }
        let told = (tell(first, id), tell(second, id));
        if told.0 != told.1 {
            return Err(format!("source {id}:\n{}\n-- but --\n{}", told.0, told.1));
        }
    }
    Ok(())
}

/// Whether the peer has left after the end of its stream was told. That it answers with a reset to
/// what is sent to it nevertheless is noticed by some systems at once, by others at the next send.
fn has_left(report: &Report, source: &Source) -> bool {
    let far = source.far.map(|far| &report.model.fars[far]);
    source.eof_told && far.is_some_and(|far| far.gone)
}

/// What has happened to a source and to its peer.
fn tell(report: &Report, id: usize) -> String {
    let Some(source) = report.model.sources.get(id) else {
        return "was never there".to_owned();
    };
    // Independent calls may come in any order, and what the model demands of their order holds in
    // each run by itself.
    let mut account = source.account.clone();
    account.sort();
    if let Some(received) = received(report, source) {
        account.push(received);
    }
    account.join("\n")
}

/// What its peer has received, if that was all: what is lost otherwise is a matter of time.
fn received(report: &Report, source: &Source) -> Option<String> {
    let orderly = source.causes.iter().all(|why| why.is_orderly());
    let far = source.far.filter(|_| orderly)?;
    let known = &report.model.fars[far];
    if known.gone || known.stalled {
        return None;
    }
    let (received, end) = &report.received[far];
    let sum = received.iter().enumerate();
    // The content was compared with what was sent; this tells one choice of sends from another.
    let sum = sum.fold(0u64, |sum, (i, byte)| {
        (sum ^ u64::from(*byte)).wrapping_mul(0x100_0000_01B3) ^ i as u64
    });
    Some(format!("{} bytes ({sum:x}), {end:?}", received.len()))
}
