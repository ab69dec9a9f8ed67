//===- WideVectors.h - loops for what the machine has -----------*- C++ -*-===//
//
// lq is compiled for every processor of an architecture. Where nearly all time
// is spent in a few loops, these are compiled for newer ones as well.
//
//===----------------------------------------------------------------------===//

#ifndef LQ_PASSES_QUANTIZE_WIDEVECTORS_H
#define LQ_PASSES_QUANTIZE_WIDEVECTORS_H

/// Marks a function of which there shall be a version for each width of
/// vectors; the loader chooses the machine's best. What it calls must be
/// LQ_INLINE to be part of that. Not for static functions: clang 22 does not
/// emit what their versions call.
#ifdef __x86_64__
#define LQ_WIDE_VECTORS                                                        \
  __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define LQ_WIDE_VECTORS
#endif

#define LQ_INLINE [[gnu::always_inline]] inline

#endif // LQ_PASSES_QUANTIZE_WIDEVECTORS_H
