//! The threads that compress.

use super::content::is_zero;
use super::{Commit, Compressed, Job, Shared, Step, Stopped};
use crate::codec::Encoder;
use crossbeam_channel::{Receiver, Sender};

/// Compresses until there are no more jobs.
pub(super) fn run<'a>(
    shared: &'a Shared<'_>,
    work: &Receiver<Job<'a>>,
    commits: &Sender<Commit<'a>>,
) {
    // Whoever stopped has said why.
    let _ = compress(shared, work, commits);
}

fn compress<'a>(
    shared: &'a Shared<'_>,
    work: &Receiver<Job<'a>>,
    commits: &Sender<Commit<'a>>,
) -> Result<(), Stopped> {
    let options = shared.options;
    let mut encoder = Encoder::for_data(options.compression, options.block_size_bytes)
        .map_err(|error| shared.fail(error))?;
    let mut memory = vec![0; options.block_bytes()].into_boxed_slice();
    for job in work {
        shared.check()?;
        let length_bytes = job.bytes.bytes().len() as u64;
        let step = match job.file {
            Some(file) if is_zero(job.bytes.bytes()) => Step::Hole {
                file,
                blocks: 1,
                length_bytes,
            },
            file => {
                let mut bytes = job.bytes;
                let encoded = encoder
                    .encode(bytes.bytes(), job.machine, &mut memory)
                    .map_err(|error| shared.fail(error))?;
                if let Some(length) = encoded {
                    bytes.exchange(&mut memory, length);
                }
                let block = Compressed {
                    bytes,
                    stored: encoded.is_none(),
                    length_bytes,
                };
                match file {
                    Some(file) => Step::Block { file, block },
                    None => Step::Fragment(block),
                }
            }
        };
        let sequence = job.sequence;
        commits
            .send(Commit { sequence, step })
            .map_err(|_| Stopped)?;
    }
    Ok(())
}
