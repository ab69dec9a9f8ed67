//===- Kernels.h - functions derived for a model's operations ---*- C++ -*-===//
//
// Each emitter adds to a module one private func.func for one operation with
// known shapes, in arith, math, scf, vector and memref (and a few LLVM
// intrinsics). A weight's code follows from its FormatDescription alone.
//
// The arguments of a function are, in order,
//
//     inputs, outputs, scratch: memref<?xi8>, thread: index, threads: index
//
// where memrefs are contiguous and row-major, index inputs come last among the
// inputs, and the leading dimension of activations is static, or dynamic (?)
// and bounded by the specification's maximum. Each of `threads` threads calls
// the function with its own number and its own scratch (64-byte aligned, as
// large as scratchBytes says); together they write all outputs, without
// meeting inside. Outputs do not overlap inputs unless a function says so.
//
//===----------------------------------------------------------------------===//

#ifndef LQ_LOWERING_CPU_KERNELS_KERNELS_H
#define LQ_LOWERING_CPU_KERNELS_KERNELS_H

#include "dialects/lq/Format.h"
#include "lowering/cpu/codegen/CpuLevel.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/BuiltinTypes.h"
#include <array>
#include <optional>

namespace lq::cpu {

inline constexpr int64_t kDynamic = mlir::ShapedType::kDynamic;

/// Dialects that the functions are written in.
void registerKernelDialects(mlir::DialectRegistry &registry);

//===----------------------------------------------------------------------===//
// Matrix products
//===----------------------------------------------------------------------===//

/// out = x W^T [+ bias] [+ residual]; W [outputs, inputs] in tiles (Tile.h).
/// With codes x is quantized in groups of tileColumns:
///     codes M x K x i8, scales M x K/32 x f32, sums M x K/16 x i32,
/// else it is
///     x M x K x f32.
/// Then weight ? x i8, [bias N x f32], [residual M x N x f32]; out M x N x f32.
/// `residual` may be the same buffer as `out`.
struct LinearSpec {
  FormatDescription format;
  int64_t outputs = 0; // N
  int64_t inputs = 0;  // K; a multiple of tileColumns if there are codes
  int64_t rows = 1;    // M, or kDynamic
  int64_t maxRows = 1;
  bool bias = false;
  bool residual = false;
};
mlir::func::FuncOp emitLinear(mlir::ModuleOp module, llvm::StringRef name,
                              const LinearSpec &spec, const CpuLevel &level);
int64_t scratchBytes(const LinearSpec &spec, const CpuLevel &level);

/// x M x K x f32, order K x i32 -> out M x K x f32: column j of out is column
/// order[j] of x.
struct PermuteSpec {
  int64_t columns = 0; // K
  int64_t rows = 1;
};
mlir::func::FuncOp emitPermute(mlir::ModuleOp module, llvm::StringRef name,
                               const PermuteSpec &spec, const CpuLevel &level);

//===----------------------------------------------------------------------===//
// Rows
//===----------------------------------------------------------------------===//

/// x M x H x f32, gamma H x f32, [beta H x f32] -> out M x H x f32, which may
/// be x: gamma (x - mean) / sqrt(variance + epsilon) + beta, or the same of a
/// mean of 0 (RMS).
struct NormSpec {
  int64_t columns = 0; // H
  int64_t rows = 1;
  int64_t maxRows = 1;
  float epsilon = 0;
  bool beta = false;
  bool centred = false; // subtracts the mean
};
mlir::func::FuncOp emitNorm(mlir::ModuleOp module, llvm::StringRef name,
                            const NormSpec &spec, const CpuLevel &level);

/// A function of f32 elements: a block that makes one number of its first
/// arguments.
struct ElementFunction {
  mlir::Block *body = nullptr;
  int64_t inputs = 0;
};
/// Whether a block has but operations on elements, of which vectors can be made.
bool isElementFunction(const ElementFunction &function);

/// x M x K x f32, [order K x i32] -> codes M x K x i8 in [-127, 127], scales
/// M x K/group x f32 (largest magnitude / 127), sums of codes of half groups
/// M x 2K/group x i32. Codes are x / scale rounded to nearest, ties to even;
/// with an order column j of the outputs is column order[j] of x.
///
/// x may be made while it is read, and is in no memory then: in its place are
/// the inputs of a norm, or those of a function of elements (see
/// ElementFunction), each M x K x f32.
struct QuantizeRowsSpec {
  int64_t columns = 0; // K, a multiple of the group
  int64_t group = 32;  // a multiple of 16
  int64_t rows = 1;
  int64_t maxRows = 1;
  bool ordered = false;
  std::optional<NormSpec> norm = {};
  std::optional<ElementFunction> function = {};
};
mlir::func::FuncOp emitQuantizeRows(mlir::ModuleOp module, llvm::StringRef name,
                                    const QuantizeRowsSpec &spec,
                                    const CpuLevel &level);

/// x B x S x H x D x f32, cos P x R x f32, sin P x R x f32, past: index
/// -> out B x S x H x D x f32, which may be x. Row s is position past + s < P.
struct RopeSpec {
  int64_t batch = 1; // B, or kDynamic
  int64_t rows = 1;  // S, or kDynamic
  int64_t heads = 1;
  int64_t headSize = 0;         // D
  int64_t pairs = 0;            // R, 2 R <= D
  int64_t positions = kDynamic; // P
  bool interleaved = false;
};
mlir::func::FuncOp emitRope(mlir::ModuleOp module, llvm::StringRef name,
                            const RopeSpec &spec, const CpuLevel &level);

/// ids M x idType, table ? x i8 -> out M x H x f32. The table [V, H] is in
/// tiles, or dense row-major elements of the format. An id outside [0, V) reads
/// the nearest row.
struct EmbeddingSpec {
  FormatDescription format;
  bool tiled = true;      // false: only for formats without codes
  int64_t vocabulary = 0; // V
  int64_t columns = 0;    // H
  int64_t rows = 1;
  int64_t maxRows = 1;
  unsigned idBits = 64; // 32 or 64
};
mlir::func::FuncOp emitEmbedding(mlir::ModuleOp module, llvm::StringRef name,
                                 const EmbeddingSpec &spec,
                                 const CpuLevel &level);

//===----------------------------------------------------------------------===//
// Attention and its cache
//===----------------------------------------------------------------------===//

/// Positions whose keys are interleaved in a cache, and the multiple of
/// positions that a cache is sized for.
inline constexpr int64_t cacheBlock = 16;

/// A cache of keys  [ceil(T / 16)][G][D][16 positions]
///          or values [T][G][D]
/// of elements f32 or f16, as bytes. A buffer for a batch of B holds B such
/// parts of equal size (its size / B).
struct CacheSpec {
  bool keys = true;
  int64_t heads = 1;    // G
  int64_t headSize = 0; // D (E for values)
  Scalar element = Scalar::F16;
};
/// Bytes of a cache for `positions` of one batch element.
int64_t cacheBytes(const CacheSpec &spec, int64_t positions);

/// x B x S x G x D x f32, past: index -> cache ? x i8, where positions past ..
/// past + S - 1 are written.
struct AppendSpec {
  CacheSpec cache;
  int64_t batch = 1; // B, or kDynamic
  int64_t rows = 1;  // S, or kDynamic
};
mlir::func::FuncOp emitAppend(mlir::ModuleOp module, llvm::StringRef name,
                              const AppendSpec &spec, const CpuLevel &level);

/// q B x S x H x D x f32, keys ? x i8, values ? x i8, [mask x f32 of rank 4],
/// past: index -> out B x S x H x E x f32: softmax(scale q k^T + mask) v over
/// the T = past + S positions of the caches (with `past` negative where there
/// are fewer positions than rows). Causal: row s sees positions 0 .. past + s.
/// Each dimension of the mask is 1 or that of [B, H, S, T]. A row whose mask
/// hides every position gives 0.
struct AttentionSpec {
  int64_t batch = 1;     // B, or kDynamic
  int64_t rows = 1;      // S, or kDynamic
  int64_t heads = 1;     // H
  int64_t keyHeads = 1;  // G, divides H
  int64_t keySize = 0;   // D
  int64_t valueSize = 0; // E
  Scalar element = Scalar::F16;
  float scale = 1;
  bool causal = true;
  std::optional<std::array<int64_t, 4>> mask; // sizes, kDynamic where unknown
  /// Positions that a row of a causal attention sees; 0: all.
  int64_t window = 0;
};
mlir::func::FuncOp emitAttention(mlir::ModuleOp module, llvm::StringRef name,
                                 const AttentionSpec &spec,
                                 const CpuLevel &level);
/// Bytes of scratch for up to `context` positions.
int64_t scratchBytes(const AttentionSpec &spec, const CpuLevel &level,
                     int64_t context);

} // namespace lq::cpu

#endif // LQ_LOWERING_CPU_KERNELS_KERNELS_H
