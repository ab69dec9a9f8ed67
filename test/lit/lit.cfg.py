"""lit configuration of lq.

Substitutions: %python runs the interpreter LQ_PYTHON of the build (it has numpy
and onnx), %shared is the folder LQ_SHARED with models that are not in the
repository, or the empty string.

Features: onnx, onnxruntime, gguf (the interpreter has the package), sanitizers.
"""

import os
import subprocess

import lit.formats

config.name = "lq"
config.test_format = lit.formats.ShTest(execute_external=False)
config.suffixes = [".mlir", ".test"]
config.test_source_root = os.path.dirname(__file__)

config.environment["PATH"] = os.pathsep.join(
    [config.lq_tools_dir, config.llvm_tools_dir, config.environment["PATH"]]
)
for name in ("LQ_SHARED", "ASAN_OPTIONS", "UBSAN_OPTIONS"):
    if name in os.environ:
        config.environment[name] = os.environ[name]
if config.lq_sanitize:
    # libMLIR is not instrumented, so that memory which it takes from allocators
    # poisoned by lq's own code is no error.
    config.environment.setdefault("ASAN_OPTIONS", "allow_user_poisoning=0")
    config.available_features.add("sanitizers")

config.substitutions.append(("%python", config.lq_python))
shared = os.environ.get("LQ_SHARED", "")
config.substitutions.append(("%shared", shared))
if os.path.isdir(shared):
    config.available_features.add("shared")
else:
    lit_config.note("LQ_SHARED names no folder: the tests of shared models are skipped")


def has_package(name):
    command = [config.lq_python, "-c", "import " + name]
    return subprocess.run(command, capture_output=True).returncode == 0


for package in ("onnx", "onnxruntime", "gguf"):
    if has_package(package):
        config.available_features.add(package)
