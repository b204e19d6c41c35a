//! Which device computes. The program links the CPU half of libtorch only; the CUDA half is opened at start where it is.

use std::{ffi::c_char, sync::OnceLock};

use tch::{Cuda, Device};

/// The wanted device is not here.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DeviceError {
    /// The name is none.
    #[error("device {0:?} is none of auto, cpu, cuda:N")]
    Name(String),
    /// CUDA was asked for and is not usable.
    #[error("device {0} was asked for, and {1}")]
    Cuda(String, &'static str),
}

/// The device of a configured name: `cpu`, `cuda:N`, or `auto` for the first GPU where there is one.
///
/// # Errors
/// When the name is none, or names a GPU that is not here.
pub fn choose(name: &str) -> Result<Device, DeviceError> {
    match name {
        "cpu" => Ok(Device::Cpu),
        "auto" if open_cuda() && Cuda::is_available() => Ok(Device::Cuda(0)),
        "auto" => Ok(Device::Cpu),
        _ => {
            let number = name.strip_prefix("cuda:").and_then(|n| n.parse::<usize>().ok());
            let number = number.ok_or_else(|| DeviceError::Name(name.to_owned()))?;
            let missing = |why| Err(DeviceError::Cuda(name.to_owned(), why));
            match (open_cuda(), Cuda::is_available(), Cuda::device_count() > number as i64) {
                (false, ..) => missing("libtorch_cuda.so is not beside libtorch (scripts/setup --cuda installs it)"),
                (_, false, _) => missing("CUDA finds no driver or no GPU"),
                (_, _, false) => missing("there are fewer GPUs than that"),
                _ => Ok(Device::Cuda(number)),
            }
        }
    }
}

/// Whether a device computes bfloat16 natively. Every GPU that CUDA 13 still knows does, or does it at full width.
#[must_use]
pub fn has_bfloat16(device: Device) -> bool {
    #[cfg(target_arch = "x86_64")]
    return device.is_cuda() || std::arch::is_x86_feature_detected!("avx512bf16");
    #[cfg(not(target_arch = "x86_64"))]
    return device.is_cuda();
}

/// Opens `libtorch_cuda.so`, which registers its kernels with libtorch; once for the process.
fn open_cuda() -> bool {
    static OPENED: OnceLock<bool> = OnceLock::new();
    *OPENED.get_or_init(|| {
        const NOW: i32 = 2;
        const GLOBAL: i32 = 0x100;
        #[expect(unsafe_code, reason = "std has no way to open a shared library")]
        // SAFETY: the signature is that of dlopen(3); the name is a C string; the library is never closed.
        let handle = unsafe {
            unsafe extern "C" {
                fn dlopen(name: *const c_char, flags: i32) -> *mut std::ffi::c_void;
            }
            // Found by the program's run path, like libtorch itself.
            dlopen(c"libtorch_cuda.so".as_ptr(), NOW | GLOBAL)
        };
        tracing::debug!(found = !handle.is_null(), "looked for libtorch_cuda.so");
        !handle.is_null()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_checked() {
        assert_eq!(choose("cpu"), Ok(Device::Cpu));
        assert_eq!(choose("gpu"), Err(DeviceError::Name("gpu".into())));
        assert_eq!(choose("cuda:x"), Err(DeviceError::Name("cuda:x".into())));
    }
}
