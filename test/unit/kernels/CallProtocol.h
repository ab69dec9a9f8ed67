//===- CallProtocol.h - what is said to a call server -----------*- C++ -*-===//
//
// Requests and answers are 64-bit words in the byte order that both machines
// share, texts (a word of length, then bytes) and raw bytes.
//
//   Load  path: text, symbol: text            -> address of the function
//   Call  function: address, team: 0 or 1,
//         buffers: n x (bytes, the bytes,
//                       pointers: p x (place, target, addend)),
//         threads, arguments,
//         threads x arguments x (target, addend)
//                                             -> the bytes of all buffers
//
// A target is a buffer's number, and stands for its address plus the addend,
// or one of `Target`. Before the call, pointers are written into the buffers.
// The threads of a team run at the same time, others one after the other.
//
//===----------------------------------------------------------------------===//

#ifndef LQ_TEST_UNIT_KERNELS_CALLPROTOCOL_H
#define LQ_TEST_UNIT_KERNELS_CALLPROTOCOL_H

#include <cstdint>

namespace lq::cpu::test {

enum class Request : int64_t { Load = 1, Call = 2 };

enum class Target : int64_t {
  Number = -1,  // the addend itself
  Barrier = -2, // void barrier(void *team), as in runtime/Abi.h
  Team = -3,    // its argument
};

} // namespace lq::cpu::test

#endif // LQ_TEST_UNIT_KERNELS_CALLPROTOCOL_H
