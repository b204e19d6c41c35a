//! Writes the run path of libtorch into the binary, so that it starts without `LD_LIBRARY_PATH`.

fn main() {
    println!("cargo::rerun-if-env-changed=LIBTORCH");
    let libtorch = std::env::var("LIBTORCH").unwrap_or_else(|_| ".libtorch".into());
    let lib = std::path::absolute(libtorch).expect("LIBTORCH is a path").join("lib");
    // An installed copy finds libtorch beside the program; a build tree finds it where the set-up put it.
    println!("cargo::rustc-link-arg=-Wl,-rpath,$ORIGIN/lib:{}", lib.display());
    println!("cargo::rustc-link-arg=-Wl,--no-as-needed,-ltorch_cpu,--as-needed");
    println!("cargo::rustc-link-search=native={}", lib.display());
}
