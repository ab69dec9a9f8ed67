//===- LqDialect.h - the lq dialect -----------------------------*- C++ -*-===//

#ifndef LQ_DIALECTS_LQ_LQDIALECT_H
#define LQ_DIALECTS_LQ_LQDIALECT_H

#include "dialects/lq/Format.h"
#include "mlir/IR/Attributes.h"
#include "mlir/IR/Dialect.h"

#include "dialects/lq/LqInterfaces.h.inc"

#include "dialects/lq/LqDialect.h.inc"

#endif // LQ_DIALECTS_LQ_LQDIALECT_H
