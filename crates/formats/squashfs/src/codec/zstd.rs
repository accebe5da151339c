//! Zstandard.

use super::levels::{self, Parameters};
use super::repeats::repeats;
use crate::WriteError;
use zstd_safe::zstd_sys::ZSTD_ErrorCode::ZSTD_error_dstSize_tooSmall;
use zstd_safe::{CCtx, CParameter, get_error_name, is_error_kind};

/// Contexts with the parameters of a level.
pub(super) struct Zstd {
    context: CCtx<'static>,
    /// Those for blocks with fewer repeats than a number, the fewest first.
    sparse: Vec<(u32, CCtx<'static>)>,
}

impl Zstd {
    pub(super) fn new(level: u32, block_bytes: usize) -> Result<Self, WriteError> {
        let sparse = levels::sparse(level, block_bytes);
        Ok(Self {
            context: context(&levels::parameters(level, block_bytes))?,
            sparse: sparse
                .iter()
                .map(|(limit, parameters)| Ok((*limit, context(parameters)?)))
                .collect::<Result<_, WriteError>>()?,
        })
    }

    pub(super) fn encode(
        &mut self,
        input: &[u8],
        output: &mut [u8],
    ) -> Result<Option<usize>, WriteError> {
        match self.context_for(input).compress2(output, input) {
            Ok(length) => Ok(Some(length)),
            Err(code) if is_error_kind(code, ZSTD_error_dstSize_tooSmall) => Ok(None),
            Err(code) => Err(WriteError::Compressor(get_error_name(code))),
        }
    }

    fn context_for(&mut self, input: &[u8]) -> &mut CCtx<'static> {
        let repeats = match self.sparse.as_slice() {
            [] => None,
            _ => repeats(input),
        };
        let sparse = repeats.and_then(|repeats| {
            let mut contexts = self.sparse.iter_mut();
            contexts.find(|(limit, _)| repeats < *limit)
        });
        match sparse {
            Some((_, context)) => context,
            None => &mut self.context,
        }
    }
}

fn context(parameters: &Parameters) -> Result<CCtx<'static>, WriteError> {
    let mut context = CCtx::try_create().ok_or(WriteError::Compressor("out of memory"))?;
    for parameter in [
        CParameter::WindowLog(parameters.window_log),
        CParameter::ChainLog(parameters.chain_log),
        CParameter::HashLog(parameters.hash_log),
        CParameter::SearchLog(parameters.search_log),
        CParameter::MinMatch(parameters.min_match),
        CParameter::TargetLength(parameters.target_length),
        CParameter::Strategy(parameters.strategy),
    ] {
        context
            .set_parameter(parameter)
            .map_err(|code| WriteError::Compressor(get_error_name(code)))?;
    }
    Ok(context)
}
