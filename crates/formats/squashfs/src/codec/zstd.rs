//! Zstandard.

use super::levels;
use crate::WriteError;
use zstd_safe::zstd_sys::ZSTD_ErrorCode::ZSTD_error_dstSize_tooSmall;
use zstd_safe::{CCtx, CParameter, get_error_name, is_error_kind};

/// A context with the parameters of a level.
pub(super) struct Zstd(CCtx<'static>);

impl Zstd {
    pub(super) fn new(level: u32, block_bytes: usize) -> Result<Self, WriteError> {
        let parameters = levels::parameters(level, block_bytes);
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
        Ok(Self(context))
    }

    pub(super) fn encode(
        &mut self,
        input: &[u8],
        output: &mut [u8],
    ) -> Result<Option<usize>, WriteError> {
        match self.0.compress2(output, input) {
            Ok(length) => Ok(Some(length)),
            Err(code) if is_error_kind(code, ZSTD_error_dstSize_tooSmall) => Ok(None),
            Err(code) => Err(WriteError::Compressor(get_error_name(code))),
        }
    }
}
