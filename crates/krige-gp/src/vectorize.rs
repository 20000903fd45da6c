//! The widest vector instructions of the machine.
//!
//! This is the only module with unsafe code: one call, of a function compiled for AVX2, on machines that were
//! asked whether they have it.
#![cfg_attr(
    target_arch = "x86_64",
    expect(unsafe_code, reason = "no safe call changes the instruction set")
)]

/// A computation on [`crate::lanes`].
///
/// The result must not depend on how wide vectors are.
pub(crate) trait Vectorized {
    /// What is computed.
    type Output;

    /// Computes it. Implementations and all that they call have to be `#[inline(always)]`: a function is
    /// compiled for the instruction set of the one that it becomes part of.
    fn run(self) -> Self::Output;
}

/// Runs `task`, compiled for the widest vectors that the machine has.
pub(crate) fn widest<T: Vectorized>(task: T) -> T::Output {
    #[cfg(target_arch = "x86_64")]
    {
        #[target_feature(enable = "avx2")]
        fn with_avx2<T: Vectorized>(task: T) -> T::Output {
            task.run()
        }
        if std::arch::is_x86_feature_detected!("avx2") {
            // SAFETY: the function requires nothing but AVX2, which was just found.
            return unsafe { with_avx2(task) };
        }
    }
    task.run()
}
