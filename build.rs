//! Compiles what libtorch offers in C++ only, and writes its run path into the binary, so that it starts without
//! `LD_LIBRARY_PATH`.

const FREEZE: &str = "src/vision/torch/freeze.cpp";

fn main() {
    println!("cargo::rerun-if-env-changed=LIBTORCH");
    let libtorch = std::env::var("LIBTORCH").unwrap_or_else(|_| ".libtorch".into());
    let libtorch = std::path::absolute(libtorch).expect("LIBTORCH is a path");
    println!("cargo::rerun-if-changed={FREEZE}");
    cc::Build::new()
        .cpp(true)
        .std("c++17")
        .file(FREEZE)
        .includes(["include", "include/torch/csrc/api/include"].map(|folder| libtorch.join(folder)))
        // libtorch's own headers are what would be warned of.
        .warnings(false)
        .compile("lensmeter_freeze");
    let lib = libtorch.join("lib");
    // An installed copy finds libtorch beside the program; a build tree finds it where the set-up put it.
    println!("cargo::rustc-link-arg=-Wl,-rpath,$ORIGIN/lib:{}", lib.display());
    println!("cargo::rustc-link-arg=-Wl,--no-as-needed,-ltorch_cpu,--as-needed");
    println!("cargo::rustc-link-search=native={}", lib.display());
}
