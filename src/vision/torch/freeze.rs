//! Freezing a TorchScript module: weights become constants, and normalisations go into the convolutions before them. The
//! numbers stay the same but for rounding; on a CPU a forward pass takes about a tenth less (docs/performance.md). tch has no
//! function for it, so there are twenty lines of C++ beside this file.

use std::ffi::{c_char, c_int, c_void};

/// The bytes of a saved module, frozen.
///
/// # Errors
/// In libtorch's words, when it is no module, or one that cannot be frozen: then it is served as it is.
pub fn freeze(module: &[u8]) -> Result<Vec<u8>, String> {
    let mut taken = Vec::new();
    #[expect(unsafe_code, reason = "libtorch offers this in C++ only")]
    // SAFETY: the signatures are those of freeze.cpp, which reads `length` bytes at `data`, and calls `take` with `into` while
    // this function waits, so that nothing else touches the vector.
    let failed = unsafe {
        unsafe extern "C" {
            fn lensmeter_freeze(data: *const c_char, length: usize, into: *mut c_void, take: Take) -> c_int;
        }
        lensmeter_freeze(module.as_ptr().cast(), module.len(), (&raw mut taken).cast(), take)
    };
    if failed == 0 { Ok(taken) } else { Err(String::from_utf8_lossy(&taken).into_owned()) }
}

type Take = extern "C" fn(*mut c_void, *const c_char, usize);

extern "C" fn take(into: *mut c_void, data: *const c_char, length: usize) {
    #[expect(unsafe_code, reason = "called from C++")]
    // SAFETY: `into` is the vector that `freeze` above passed, and `data` are `length` bytes that live through this call.
    let (into, data) = unsafe { (&mut *into.cast::<Vec<u8>>(), std::slice::from_raw_parts(data.cast::<u8>(), length)) };
    into.extend_from_slice(data);
}
