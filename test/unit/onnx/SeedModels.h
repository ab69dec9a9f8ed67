//===- SeedModels.h - Small models that use all of ONNX ---------*- C++ -*-===//

#ifndef LQ_TEST_UNIT_ONNX_SEEDMODELS_H
#define LQ_TEST_UNIT_ONNX_SEEDMODELS_H

#include <string>
#include <vector>

/// Encoded models which between them use every message of the format: all
/// element types, raw, typed and external data, subgraphs, functions, sparse
/// tensors, all attribute types, value types that are no tensors.
std::vector<std::string> makeSeedModels();

#endif // LQ_TEST_UNIT_ONNX_SEEDMODELS_H
