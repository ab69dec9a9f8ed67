//===- Abi.h - What generated code and the runtime agree on -------*- C -*-===//
//
// Every code object in an artifact exports one function per entry point, named
// "lq_entry_<entry>". Each thread of a team calls it once with the same LqCall;
// the work inside is divided by thread number, and the threads meet at
// barriers (single program, multiple data). The struct is read field by field
// by generated code: its layout changes only together with LQ_ABI_VERSION.
//
//===----------------------------------------------------------------------===//

#ifndef LQ_RUNTIME_ABI_H
#define LQ_RUNTIME_ABI_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define LQ_ABI_VERSION 1

/// Alignment in bytes of the arena, of each thread's scratch, of each state
/// buffer and of each weight in an artifact.
#define LQ_ABI_ALIGNMENT 64

typedef struct LqCall {
  /// Dense row-major buffers: the inputs, then the outputs, in manifest order.
  void *const *arguments;
  /// One pointer a weight, in manifest order.
  const void *const *weights;
  /// One pointer a state buffer (KV cache), in manifest order.
  void *const *states;
  /// Activations: the entry's `arena_bytes`, shared by the team.
  void *arena;
  /// threads x the entry's `scratch_bytes`; thread t owns the t-th part.
  void *scratch;
  /// Value of each extent (a dynamic dimension), in manifest order.
  const int64_t *extents;
  /// Blocks until all threads of the team have arrived. Memory written before
  /// it by any thread is visible after it to all.
  void (*barrier)(void *team);
  void *team;
} LqCall;

typedef void (*LqEntry)(const LqCall *call, int64_t thread, int64_t threads);

#ifdef __cplusplus
}
#endif

#endif // LQ_RUNTIME_ABI_H
