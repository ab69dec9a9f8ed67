//===- NodeCase.h - One ONNX node test on disk ------------------*- C++ -*-===//
//
// A folder that node_tests.py wrote: model.onnx, case.json with the types and
// shapes of the inputs, and in<i>.bin with their elements.
//
//===----------------------------------------------------------------------===//

#ifndef LQ_TEST_UNIT_EVAL_NODECASE_H
#define LQ_TEST_UNIT_EVAL_NODECASE_H

#include "passes/raise/eval/HostTensor.h"
#include "llvm/Support/Error.h"
#include <string>
#include <vector>

namespace lq::test {

/// "f32", "i64", "bool", ... as numpy abbreviates them in node_tests.py.
ElementKind kindNamed(llvm::StringRef name);
llvm::StringRef nameOf(ElementKind kind);

/// The inputs of the case in `folder`.
llvm::Expected<std::vector<HostTensor>> readInputs(const std::string &folder);

/// Writes <prefix><i>.bin and <prefix>.json, which lists types and shapes.
/// A tensor without data gets no file.
llvm::Error writeOutputs(const std::string &folder, llvm::StringRef prefix,
                         llvm::ArrayRef<HostTensor> outputs);

} // namespace lq::test

#endif // LQ_TEST_UNIT_EVAL_NODECASE_H
