"""Runs lq-opt with the plugin: the substitution %lq-opt."""

import os

import lit.formats

config.name = "hqq"
config.test_format = lit.formats.ShTest(execute_external=False)
config.suffixes = [".mlir"]
config.test_source_root = os.path.dirname(__file__)
config.test_exec_root = config.output
config.environment["PATH"] = config.llvm_tools + os.pathsep + config.environment["PATH"]
config.substitutions.append(("%lq-opt", f"{config.lq_opt} --load-pass-plugin={config.plugin}"))
config.substitutions.append(("%python", config.python))
