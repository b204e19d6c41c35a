// What libtorch offers in C++ only: freezing a TorchScript module.

#include <exception>
#include <sstream>
#include <string>

#include <torch/script.h>

// Reads the bytes of a saved module and gives `take` those of the same module frozen, or, with another result than 0, the
// text of an error. `take` is called once, with `into`. No exception leaves: there is Rust outside.
extern "C" int lensmeter_freeze(const char *data, size_t length, void *into, void (*take)(void *, const char *, size_t)) noexcept {
    try {
        std::istringstream saved(std::string(data, length));
        torch::jit::Module module = torch::jit::load(saved, torch::kCPU);
        module.eval();
        std::ostringstream frozen;
        torch::jit::freeze(module).save(frozen);
        const std::string bytes = frozen.str();
        take(into, bytes.data(), bytes.size());
        return 0;
    } catch (const std::exception &error) {
        const std::string text = error.what();
        take(into, text.data(), text.size());
        return 1;
    }
}
