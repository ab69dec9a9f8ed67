//===- Specs.h - what a kernel computes -------------------------*- C++ -*-===//
//
// One specification for each kind of kernel, with known shapes: what a target
// makes a function of. Operands of the launch are, in order, inputs and outputs
// as written here; memrefs are contiguous and row-major, index inputs come last
// among the inputs, and the leading dimension of activations is static, or
// dynamic and bounded by the specification's maximum. Outputs do not overlap
// inputs unless a specification says so.
//
//===----------------------------------------------------------------------===//

#ifndef LQ_LOWERING_KERNELS_SPECS_H
#define LQ_LOWERING_KERNELS_SPECS_H

#include "dialects/lq/Format.h"
#include "mlir/IR/Block.h"
#include "mlir/IR/BuiltinTypes.h"
#include <array>
#include <optional>

namespace lq {

inline constexpr int64_t kDynamic = mlir::ShapedType::kDynamic;

/// out = x W^T [+ bias] [+ residual]; W [outputs, inputs] in tiles (Tile.h).
/// With codes x may be quantized in groups of tileColumns, as the target wants
/// it:
///     codes M x K x i8, scales M x K/32 x f32, sums M x K/16 x i32,
/// else it is
///     x M x K x f32, or f16.
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

/// x M x K x f32, order K x i32 -> out M x K x f32: column j of out is column
/// order[j] of x.
struct PermuteSpec {
  int64_t columns = 0; // K
  int64_t rows = 1;
};

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

/// A function of f32 elements: a block that makes one number of its first
/// arguments.
struct ElementFunction {
  mlir::Block *body = nullptr;
  int64_t inputs = 0;
};

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

/// x B x S x G x D x f32, past: index -> cache ? x i8, where positions past ..
/// past + S - 1 are written.
struct AppendSpec {
  CacheSpec cache;
  int64_t batch = 1; // B, or kDynamic
  int64_t rows = 1;  // S, or kDynamic
};

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

} // namespace lq

#endif // LQ_LOWERING_KERNELS_SPECS_H
