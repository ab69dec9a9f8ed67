//===- Machine.h - what the machine itself can do ---------------*- C++ -*-===//

#ifndef LQ_TOOLS_LQ_BENCH_MACHINE_H
#define LQ_TOOLS_LQ_BENCH_MACHINE_H

#include "runtime/Error.h"

#include <cstdint>

namespace lq {

/// Bytes a second that `threads` threads together read from memory: the best
/// of a few passes over memory that is far larger than a processor's share of
/// cache. Decoding reads every weight once a token and cannot be faster.
Expected<double> measureReadBandwidth(unsigned threads);

/// The most memory that this process has had resident, in bytes; 0 if the
/// system does not tell.
uint64_t peakResidentBytes();

/// Nanoseconds a barrier of `threads` threads takes.
Expected<double> measureBarrier(unsigned threads);

} // namespace lq

#endif // LQ_TOOLS_LQ_BENCH_MACHINE_H
