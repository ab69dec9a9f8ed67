//===- LqOps.h - the lq dialect: ops, attributes, formats -------*- C++ -*-===//
//
// Includes everything of the dialect but the tile layout (Tile.h).
//
//===----------------------------------------------------------------------===//

#ifndef LQ_DIALECTS_LQ_LQOPS_H
#define LQ_DIALECTS_LQ_LQOPS_H

#include "dialects/lq/LqAttributes.h"
#include "dialects/lq/LqDialect.h"
#include "dialects/lq/Storage.h"
#include "mlir/Bytecode/BytecodeOpInterface.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/BuiltinTypes.h"
#include "mlir/IR/OpDefinition.h"
#include "mlir/IR/OpImplementation.h"
#include "mlir/IR/SymbolTable.h"
#include "mlir/Interfaces/InferTypeOpInterface.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"

#define GET_OP_CLASSES
#include "dialects/lq/LqOps.h.inc"

#endif // LQ_DIALECTS_LQ_LQOPS_H
