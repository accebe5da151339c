//! Zstandard.

use super::levels::{self, Parameters};
use super::repeats::repeats;
use crate::WriteError;
use zstd_safe::zstd_sys::ZSTD_ErrorCode::ZSTD_error_dstSize_tooSmall;
use zstd_safe::{CCtx, CParameter, get_error_name, is_error_kind};

/// A context with the parameters of a level.
pub(super) struct Zstd {
    context: CCtx<'static>,
    level: Parameters,
    /// Those for blocks with fewer repeats than a number, the fewest first.
    sparse: &'static [(u32, Parameters)],
    /// What the context has now. One context for all parameters keeps its tables in the nearest cache.
    current: Option<Parameters>,
}

impl Zstd {
    pub(super) fn new(level: u32, block_bytes: usize) -> Result<Self, WriteError> {
        let context = CCtx::try_create().ok_or(WriteError::Compressor("out of memory"))?;
        let mut zstd = Self {
            context,
            level: levels::parameters(level, block_bytes),
            sparse: levels::sparse(level, block_bytes),
            current: None,
        };
        zstd.change_to(zstd.level)?;
        Ok(zstd)
    }

    pub(super) fn encode(
        &mut self,
        input: &[u8],
        output: &mut [u8],
    ) -> Result<Option<usize>, WriteError> {
        self.change_to(self.parameters_for(input))?;
        match self.context.compress2(output, input) {
            Ok(length) => Ok(Some(length)),
            Err(code) if is_error_kind(code, ZSTD_error_dstSize_tooSmall) => Ok(None),
            Err(code) => Err(WriteError::Compressor(get_error_name(code))),
        }
    }

    fn parameters_for(&self, input: &[u8]) -> Parameters {
        let repeats = match self.sparse {
            [] => None,
            _ => repeats(input),
        };
        let sparse = repeats.and_then(|repeats| {
            let mut rows = self.sparse.iter();
            rows.find(|(limit, _)| repeats < *limit)
        });
        sparse.map_or(self.level, |(_, parameters)| *parameters)
    }

    fn change_to(&mut self, parameters: Parameters) -> Result<(), WriteError> {
        if self.current == Some(parameters) {
            return Ok(());
        }
        for parameter in [
            CParameter::WindowLog(parameters.window_log),
            CParameter::ChainLog(parameters.chain_log),
            CParameter::HashLog(parameters.hash_log),
            CParameter::SearchLog(parameters.search_log),
            CParameter::MinMatch(parameters.min_match),
            CParameter::TargetLength(parameters.target_length),
            CParameter::Strategy(parameters.strategy),
        ] {
            self.context
                .set_parameter(parameter)
                .map_err(|code| WriteError::Compressor(get_error_name(code)))?;
        }
        self.current = Some(parameters);
        Ok(())
    }
}
