//===- StopSignals.h - being told to stop -----------------------*- C++ -*-===//

#ifndef LQ_TOOLS_LQ_COMPILE_STOPSIGNALS_H
#define LQ_TOOLS_LQ_COMPILE_STOPSIGNALS_H

namespace lq {

/// From now on, SIGINT, SIGTERM and SIGHUP are taken by a thread that removes
/// temporary folders and ends the process with 128 + signal. Call before other
/// threads start.
void handleStopSignals();

} // namespace lq

#endif // LQ_TOOLS_LQ_COMPILE_STOPSIGNALS_H
